// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"
)

const opOpen = "open the object store"

// Open returns the bucket of a target. Nothing is asked of it yet.
func Open(ctx context.Context, t Target, s Secrets) (*Store, error) {
	return openWith(ctx, t, s, tokenClient())
}

// openWith is Open with the client for the services that give tokens.
func openWith(ctx context.Context, t Target, s Secrets, tokens *http.Client) (*Store, error) {
	if err := errors.Join(t.check(), t.checkSecrets(s)); err != nil {
		return nil, err
	}
	client, err := httpClient(t, s)
	if err != nil {
		return nil, err
	}
	var bucket *blob.Bucket
	switch t.Provider {
	case S3:
		bucket, err = openS3(ctx, t, s, client, tokens)
	case GCS:
		bucket, err = openGCS(ctx, t, s, client, tokens)
	case Azure:
		bucket, err = openAzure(ctx, t, s, client, tokens)
	default:
		return nil, invalid(opOpen, "there is no provider %q", t.Provider)
	}
	if err != nil {
		return nil, err
	}
	store := &Store{bucket: bucket, target: t, now: time.Now, checksums: t.checksums() == aws.RequestChecksumCalculationWhenSupported}
	if t.Provider == S3 && !bucket.As(&store.s3) {
		store.s3 = nil
	}
	if t.Provider == Azure && !bucket.As(&store.azure) {
		store.azure = nil
	}
	return store, nil
}

// checksums says which requests to S3 have checksums of AWS.
func (t Target) checksums() aws.RequestChecksumCalculation {
	if t.Endpoint != "" && t.LockMode == "" {
		// Stores of others do not all know them. A lock needs one.
		return aws.RequestChecksumCalculationWhenRequired
	}
	return aws.RequestChecksumCalculationWhenSupported
}

func openS3(ctx context.Context, t Target, s Secrets, client, tokens *http.Client) (*blob.Bucket, error) {
	region := cmp.Or(s[KeyRegion], t.Region, "us-east-1")
	settings := aws.Config{Region: region, HTTPClient: tokens}
	switch {
	case s[KeyAccessKeyID] != "" && s[KeySecretAccessKey] != "":
		settings.Credentials = credentials.NewStaticCredentialsProvider(s[KeyAccessKeyID], s[KeySecretAccessKey], s[KeySessionToken])
	case s[KeyAccessKeyID] != "" || s[KeySecretAccessKey] != "":
		return nil, invalid(opOpen, "the credentials have only one of %s and %s", KeyAccessKeyID, KeySecretAccessKey)
	case t.RoleARN != "":
		identity := stscreds.IdentityTokenFile(t.WebIdentityTokenFile)
		settings.Credentials = aws.NewCredentialsCache(stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(settings), t.RoleARN, identity))
	default:
		// The identity of the pod, as the platform gives it.
		own, err := config.LoadDefaultConfig(ctx, config.WithRegion(region), config.WithHTTPClient(tokens))
		if err != nil {
			return nil, classify(opOpen, err)
		}
		settings = own
	}
	checksums := t.checksums()
	return s3blob.OpenBucket(ctx, s3.NewFromConfig(settings, func(o *s3.Options) {
		o.UsePathStyle, o.HTTPClient = t.UsePathStyle, client
		o.RequestChecksumCalculation, o.ResponseChecksumValidation = checksums, aws.ResponseChecksumValidationWhenRequired
		if t.Endpoint != "" {
			o.BaseEndpoint = &t.Endpoint
		}
	}), t.Bucket, &s3blob.Options{
		EncryptionType: s3types.ServerSideEncryption(t.EncryptionAlgorithm), KMSEncryptionID: t.EncryptionKey, RequestChecksumCalculation: checksums,
	})
}

// scopeGCS is what objects are read and written with.
const scopeGCS = "https://www.googleapis.com/auth/devstorage.read_write"

func openGCS(ctx context.Context, t Target, s Secrets, client, tokens *http.Client) (*blob.Bucket, error) {
	asking := context.WithValue(ctx, oauth2.HTTPClient, tokens)
	authorized := client
	var source oauth2.TokenSource
	switch {
	case s[KeyCredentialsJSON] != "":
		// Other types than a service account can name programs and files.
		account, err := google.JWTConfigFromJSON([]byte(s[KeyCredentialsJSON]), scopeGCS)
		if err != nil {
			return nil, invalid(opOpen, "%s holds no key of a service account", KeyCredentialsJSON)
		}
		if !strings.HasPrefix(account.TokenURL, "https://") {
			return nil, invalid(opOpen, "the token_uri in %s is no https URL", KeyCredentialsJSON)
		}
		source = account.TokenSource(asking)
	case t.Endpoint == "":
		own, err := google.FindDefaultCredentials(asking, scopeGCS)
		if err != nil {
			return nil, &Error{Class: Credentials, Op: opOpen, Detail: "there are no credentials, and the pod has no identity at Google", err: err}
		}
		source = own.TokenSource
	}
	if source != nil {
		if strings.HasPrefix(t.Endpoint, "http://") {
			return nil, invalid(opOpen, "a token of Google is sent to an https endpoint only")
		}
		authorized = &http.Client{Transport: &oauth2.Transport{Source: oauth2.ReuseTokenSource(nil, source), Base: client.Transport}}
	}
	var options []option.ClientOption
	if t.Endpoint != "" {
		options = append(options, option.WithEndpoint(strings.TrimRight(t.Endpoint, "/")+"/storage/v1/"))
	}
	return gcsblob.OpenBucket(ctx, &gcp.HTTPClient{Client: *authorized}, t.Bucket, &gcsblob.Options{ClientOptions: options})
}

func openAzure(ctx context.Context, t Target, s Secrets, client, tokens *http.Client) (*blob.Bucket, error) {
	options := &container.ClientOptions{ClientOptions: policy.ClientOptions{Transport: client}}
	if text := s[KeyConnectionString]; text != "" {
		c, err := container.NewClientFromConnectionString(text, t.Bucket, options)
		if err != nil {
			return nil, invalid(opOpen, "%s is no connection string", KeyConnectionString)
		}
		if t.StorageAccount != "" && !strings.Contains(";"+text+";", ";AccountName="+t.StorageAccount+";") {
			return nil, invalid(opOpen, "%s is for another storage account than %q", KeyConnectionString, t.StorageAccount)
		}
		if strings.Contains(text, "SharedAccessSignature=") && strings.HasPrefix(c.URL(), "http://") {
			return nil, invalid(opOpen, "%s sends its signature to an http endpoint: https is needed", KeyConnectionString)
		}
		return azureblob.OpenBucket(ctx, c, nil)
	}
	if t.StorageAccount == "" {
		return nil, invalid(opOpen, "there is no storage account")
	}
	endpoint := cmp.Or(strings.TrimRight(t.Endpoint, "/"), "https://"+t.StorageAccount+".blob.core.windows.net")
	address := endpoint + "/" + t.Bucket
	if key := s[KeyAccountKey]; key != "" {
		shared, err := container.NewSharedKeyCredential(t.StorageAccount, key)
		if err != nil {
			return nil, invalid(opOpen, "%s is no key of an account", KeyAccountKey)
		}
		c, err := container.NewClientWithSharedKeyCredential(address, shared, options)
		if err != nil {
			return nil, classify(opOpen, err)
		}
		return azureblob.OpenBucket(ctx, c, nil)
	}
	if strings.HasPrefix(endpoint, "http://") {
		return nil, invalid(opOpen, "a token of Azure is sent to an https endpoint only")
	}
	own, err := azureIdentity(tokens)
	if err != nil {
		return nil, &Error{Class: Credentials, Op: opOpen, Detail: "there are no credentials, and the pod has no identity at Azure", err: err}
	}
	c, err := container.NewClient(address, own, options)
	if err != nil {
		return nil, classify(opOpen, err)
	}
	return azureblob.OpenBucket(ctx, c, nil)
}

// azureIdentity is the identity of the pod: that of its ServiceAccount, or that of its node.
func azureIdentity(client *http.Client) (azcore.TokenCredential, error) {
	options := policy.ClientOptions{Transport: client}
	account, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: options})
	if err == nil {
		return account, nil
	}
	return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: options})
}

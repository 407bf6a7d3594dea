// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/aws/smithy-go"
	"google.golang.org/api/googleapi"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
)

func TestClassify(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want Class
	}{
		"azure, no container": {&azcore.ResponseError{StatusCode: 404, ErrorCode: "ContainerNotFound"}, NoBucket},
		"azure, no blob":      {&azcore.ResponseError{StatusCode: 404, ErrorCode: "BlobNotFound"}, NotFound},
		"azure, key":          {&azcore.ResponseError{StatusCode: 403, ErrorCode: "AuthenticationFailed"}, Credentials},
		"azure, immutable":    {&azcore.ResponseError{StatusCode: 409, ErrorCode: "BlobImmutableDueToPolicy"}, Retained},
		"gcs, no object":      {&googleapi.Error{Code: 404}, NotFound},
		"gcs, no bucket":      {&googleapi.Error{Code: 404, Message: "The specified bucket does not exist."}, NoBucket},
		"gcs, held":           {&googleapi.Error{Code: 403, Errors: []googleapi.ErrorItem{{Reason: "retentionPolicyNotMet"}}}, Retained},
		"gcs, busy":           {&googleapi.Error{Code: 503}, Unreachable},
		"gcs, too often":      {&googleapi.Error{Code: 429}, Unreachable},
		"gcs, wrong":          {&googleapi.Error{Code: 400, Message: "no"}, Invalid},
		"anything":            {errors.New("what"), Unknown},
		"s3, without status":  {&smithy.GenericAPIError{Code: "AccessDenied"}, Unknown},
	} {
		if got := ClassOf(classify("x", fmt.Errorf("wrapped: %w", test.err))); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
	if classify("x", nil) != nil || ClassOf(nil) != "" {
		t.Error("no error is one")
	}
}

func TestTargetsThatCannotBe(t *testing.T) {
	for says, target := range map[string]Target{
		"no bucket":            {Provider: S3},
		"no provider":          {Provider: "ftp", Bucket: "b"},
		"no http or https":     {Provider: S3, Bucket: "b", Endpoint: "ftp://x"},
		"without user":         {Provider: S3, Bucket: "b", Endpoint: "https://user:secret@x"},
		"no time for it":       {Provider: S3, Bucket: "b", LockMode: Governance},
		"no lock mode":         {Provider: S3, Bucket: "b", LockMode: "Forever"},
		"policy of the":        {Provider: Azure, Bucket: "b", LockMode: Governance, LockFor: 1},
		"no storage account":   {Provider: Azure, Bucket: "b"},
		"no key of a service":  {Provider: GCS, Bucket: "b"},
		"only one of":          {Provider: S3, Bucket: "b", Endpoint: "https://x"},
		"no connection string": {Provider: Azure, Bucket: "b2"},
		"no PEM-encoded":       {Provider: S3, Bucket: "b2"},
		"a role of AWS":        {Provider: GCS, Bucket: "b", RoleARN: "r"},
		"path-style":           {Provider: Azure, Bucket: "b", UsePathStyle: true},
		"an encryption algo":   {Provider: GCS, Bucket: "b", EncryptionAlgorithm: "AES256"},
		"takes no key":         {Provider: S3, Bucket: "b", EncryptionAlgorithm: "AES256", EncryptionKey: "k"},
		"no encryption algo":   {Provider: S3, Bucket: "b", EncryptionAlgorithm: "rot13"},
		"for another provider": {Provider: S3, Bucket: "b"},
		"keys and a role":      {Provider: S3, Bucket: "b", RoleARN: "r"},
		"an endpoint already":  {Provider: Azure, Bucket: "b", Endpoint: "https://x"},
		"another storage":      {Provider: Azure, Bucket: "b", StorageAccount: "mine"},
		"token of Azure is":    {Provider: Azure, Bucket: "b", StorageAccount: "mine", Endpoint: "http://x"},
		"sends its signature":  {Provider: Azure, Bucket: "b"},
		"accountKey and":       {Provider: Azure, Bucket: "b", StorageAccount: "mine"},
	} {
		secrets := map[string]Secrets{
			"no key of a service": {KeyCredentialsJSON: `{"type":"external_account","token_url":"https://evil"}`}, "only one of": {KeyAccessKeyID: "k"},
			"no connection string": {KeyConnectionString: "what-is-secret"}, "no PEM-encoded": {KeyCACert: "x"},
			"for another provider": {KeyCredentialsJSON: "{}"}, "keys and a role": {KeyAccessKeyID: "k", KeySecretAccessKey: "s"},
			"an endpoint already": {KeyConnectionString: "x"}, "accountKey and": {KeyConnectionString: "x", KeyAccountKey: "y"},
			"sends its signature": {KeyConnectionString: "BlobEndpoint=http://x/;SharedAccessSignature=sv=1&sig=what-is-secret"},
			"another storage":     {KeyConnectionString: "DefaultEndpointsProtocol=https;AccountName=other;AccountKey=eA==;EndpointSuffix=core.windows.net"},
		}[says]
		store, err := Open(t.Context(), target, secrets)
		if store != nil || ClassOf(err) != Invalid || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "user:secret") || strings.Contains(err.Error(), "what-is-secret") {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// A Secret that was named and has nothing of use is not replaced by the identity of the pod.
func TestNamedSecretIsNeeded(t *testing.T) {
	for name, test := range map[string]struct {
		provider string
		secrets  Secrets
		want     Class
	}{
		"nothing":             {S3, nil, Credentials},
		"only a region":       {S3, Secrets{KeyRegion: "eu-north-1"}, Credentials},
		"nothing for Google":  {GCS, nil, Credentials},
		"nothing for Azure":   {Azure, nil, Credentials},
		"of another provider": {S3, Secrets{KeyAccountKey: "x"}, Invalid},
		"keys":                {S3, Secrets{KeyAccessKeyID: "a", KeySecretAccessKey: "b"}, ""},
		"only a CA":           {S3, Secrets{KeyCACert: "x"}, ""},
	} {
		err := Target{Provider: test.provider, CredentialsSecret: "store-of-test"}.checkSecrets(test.secrets)
		if ClassOf(err) != test.want || test.want == Credentials && !strings.Contains(err.Error(), "the Secret store-of-test ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the author says of the store's certificate does not hold for who gives tokens.
func TestTokenClient(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	for name, test := range map[string]struct {
		client func() (*http.Client, error)
		want   bool
	}{
		"the store":  {func() (*http.Client, error) { return httpClient(Target{InsecureSkipVerify: true}, nil) }, true},
		"the tokens": {func() (*http.Client, error) { return tokenClient(), nil }, false},
	} {
		client, err := test.client()
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Get(server.URL)
		if err == nil {
			_ = response.Body.Close()
		}
		if (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadSecrets(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, KeyAccessKeyID), []byte("id\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets, err := ReadSecrets(dir)
	if err != nil || secrets[KeyAccessKeyID] != "id" || len(secrets) != 1 {
		t.Errorf("%d secrets, %v", len(secrets), err)
	}
	if text := fmt.Sprintf("%v %+v %s", secrets, secrets, secrets); strings.Contains(text, "id") {
		t.Errorf("printed: %s", text)
	}
	if secrets, err := ReadSecrets(filepath.Join(dir, "none")); err != nil || len(secrets) != 0 {
		t.Errorf("%v", err)
	}
	if !slices.Equal(secretKeys[:], jobstep.CredentialKeys()) {
		t.Error("the Job mounts other keys than are read")
	}
}

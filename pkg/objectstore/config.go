// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Providers.
const (
	S3    = "s3"
	GCS   = "gcs"
	Azure = "azure"
)

// Target is a bucket, and how objects are kept in it.
type Target struct {
	// Provider is S3, GCS or Azure.
	Provider string
	// Endpoint is the URL of the store, empty for the provider's own.
	Endpoint string
	// Bucket is the name of the bucket or container.
	Bucket string
	// Region and UsePathStyle are for S3. The region of the credentials comes before it.
	Region       string
	UsePathStyle bool
	// RoleARN is the role in AWS that is assumed with the token in the file.
	RoleARN, WebIdentityTokenFile string
	// InsecureSkipVerify does not verify the certificate of the store.
	InsecureSkipVerify bool
	// StorageAccount is for Azure.
	StorageAccount string
	// CredentialsSecret is the name of the Secret with the credentials, empty where the
	// identity of the pod is meant.
	CredentialsSecret string

	// StorageClass is that of new objects, empty for the bucket's own.
	StorageClass string
	// EncryptionAlgorithm is AES256 or aws:kms for S3. EncryptionKey is the key for S3 and
	// GCS, and the encryption scope for Azure.
	EncryptionAlgorithm, EncryptionKey string
	// LockMode is Governance or Compliance for new objects of S3, and for those of GCS
	// Unlocked or Locked, which is the same; empty for none. LockFor is for how long.
	LockMode string
	LockFor  time.Duration

	// PartSize and Concurrency are for uploads; 0 is the provider's default.
	PartSize    int
	Concurrency int
}

// Lock modes.
const (
	Governance = "Governance"
	Compliance = "Compliance"
)

// Secrets are the contents of the Secret with the credentials, by key.
type Secrets map[string]string

// Keys of the Secret with the credentials. They are those of the openbao-operator.
const (
	KeyAccessKeyID      = "accessKeyId"
	KeySecretAccessKey  = "secretAccessKey"
	KeySessionToken     = "sessionToken"
	KeyRegion           = "region"
	KeyCACert           = "caCert"
	KeyCredentialsJSON  = "credentials.json"
	KeyAccountKey       = "accountKey"
	KeyConnectionString = "connectionString"
)

var secretKeys = [...]string{
	KeyAccessKeyID, KeySecretAccessKey, KeySessionToken, KeyRegion, KeyCACert, KeyCredentialsJSON, KeyAccountKey, KeyConnectionString,
}

// ReadSecrets reads the credentials from a folder, a file for each key. A folder that does
// not exist is one without any.
func ReadSecrets(folder string) (Secrets, error) {
	secrets := Secrets{}
	for _, key := range secretKeys {
		raw, err := os.ReadFile(filepath.Join(folder, key))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the credentials: %w", err)
		}
		// Editors and shells leave a line end behind.
		secrets[key] = strings.TrimRight(string(raw), "\r\n")
	}
	return secrets, nil
}

// Format hides the values, however they are printed.
func (Secrets) Format(state fmt.State, _ rune) {
	// The state reports write errors itself.
	_, _ = state.Write([]byte("[redacted]"))
}

// check returns what cannot be right.
func (t Target) check() error {
	const op = "read the settings of the object store"
	if t.Bucket == "" {
		return invalid(op, "there is no bucket")
	}
	if t.Endpoint != "" {
		u, err := url.Parse(t.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
			return invalid(op, "the endpoint is no http or https URL without user and query")
		}
	}
	if t.Provider != S3 {
		// A setting of another provider would be dropped silently.
		for what, given := range map[string]bool{
			"a role of AWS": t.RoleARN != "", "path-style addresses": t.UsePathStyle, "an encryption algorithm": t.EncryptionAlgorithm != "",
		} {
			if given {
				return invalid(op, "%s can be used with the provider %s only", what, S3)
			}
		}
	}
	switch t.EncryptionAlgorithm {
	case "", "aws:kms":
	case "AES256":
		if t.EncryptionKey != "" {
			return invalid(op, "AES256 takes no key")
		}
	default:
		return invalid(op, "there is no encryption algorithm %q", t.EncryptionAlgorithm)
	}
	switch t.LockMode {
	case "":
	case Governance, Compliance:
		if t.LockFor <= 0 {
			return invalid(op, "there is a lock mode, and no time for it")
		}
		if t.Provider == Azure {
			return invalid(op, "Azure locks objects by a policy of the container, not by the object")
		}
	default:
		return invalid(op, "there is no lock mode %q", t.LockMode)
	}
	return nil
}

// checkSecrets returns what of the credentials would not be used.
func (t Target) checkSecrets(s Secrets) error {
	const op = "read the credentials"
	of := map[string][]string{S3: {KeyAccessKeyID, KeySecretAccessKey, KeySessionToken}, GCS: {KeyCredentialsJSON}, Azure: {KeyAccountKey, KeyConnectionString}}
	own, others := 0, ""
	for _, provider := range []string{S3, GCS, Azure} {
		for _, key := range of[provider] {
			switch {
			case s[key] == "":
			case provider == t.Provider:
				own++
			case others == "":
				others = key
			}
		}
	}
	switch {
	case t.CredentialsSecret != "" && own == 0 && others == "" && s[KeyCACert] == "":
		// The identity of the pod, or that of its node, must not take the place silently.
		return &Error{Class: Credentials, Op: op, Detail: fmt.Sprintf("the Secret %s does not exist, or has none of the keys %s", t.CredentialsSecret, strings.Join(of[t.Provider], ", "))}
	case own == 0 && others != "":
		return invalid(op, "%s is for another provider than %s", others, t.Provider)
	case own > 0 && t.RoleARN != "":
		return invalid(op, "there are keys and a role, and only one of them can be used")
	case s[KeyAccountKey] != "" && s[KeyConnectionString] != "":
		return invalid(op, "there are %s and %s, and only one of them can be used", KeyAccountKey, KeyConnectionString)
	case s[KeyConnectionString] != "" && t.Endpoint != "":
		return invalid(op, "%s names an endpoint already, and the target must name none", KeyConnectionString)
	}
	return nil
}

// httpClient verifies the store's certificate with the CA in the credentials as well as
// with those of the system.
func httpClient(t Target, s Secrets) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.InsecureSkipVerify} //nolint:gosec // The author asked for it.
	if ca := s[KeyCACert]; ca != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(ca)) {
			return nil, invalid("read the credentials", "%s holds no PEM-encoded certificate", KeyCACert)
		}
		config.RootCAs = pool
	}
	return clientWith(config), nil
}

// tokenClient is for the services that give tokens. What the author says of the store's
// certificate is not about these: they get what proves who the pod is.
func tokenClient() *http.Client { return clientWith(&tls.Config{MinVersion: tls.VersionTLS12}) }

func clientWith(config *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   10,
		ForceAttemptHTTP2:     true,
	}}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	s3Access = "access"
	s3Secret = "secret-key-of-a-test"
)

// startS3 starts a real S3 server, which checks signatures. A bucket is a folder.
func startS3(t *testing.T) (f *front, folder string) {
	t.Helper()
	binary := tool(t, "versitygw")
	folder = t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "bucket"), 0o700); err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	run(t, address, []string{"ROOT_ACCESS_KEY=" + s3Access, "ROOT_SECRET_KEY=" + s3Secret}, binary, "--port", address, "posix", "--versioning-dir", t.TempDir(), folder)
	f = newFront(t)
	f.pass(t, "http://"+address)
	return f, folder
}

func TestS3(t *testing.T) {
	f, folder := startS3(t)
	target := Target{Provider: S3, Endpoint: f.URL, Bucket: "bucket", UsePathStyle: true, PartSize: 5 << 20, Concurrency: 2}
	secrets := Secrets{KeyAccessKeyID: s3Access, KeySecretAccessKey: s3Secret, KeyCACert: f.ca()}
	keepsObjects(t, openTest(t, target, secrets))
	if !f.sent(func(s seen) bool { return strings.HasPrefix(s.path, "/bucket/a/b.snap") && s.query.Has("uploadId") }) {
		t.Error("the bucket is not in the path, or nothing was sent in parts")
	}
	classifies(t, f, target, secrets, map[string]attempt{
		"another key":     {func(*Target) {}, with(secrets, KeySecretAccessKey, "wrong-secret-key"), Credentials},
		"nobody":          {func(*Target) {}, with(secrets, KeyAccessKeyID, "nobody"), Credentials},
		"a session token": {func(*Target) {}, with(secrets, KeySessionToken, "a-token-of-nobody"), Credentials},
		"region":          {func(t *Target) { t.Region = "elsewhere" }, secrets, Invalid},
		"right region":    {func(t *Target) { t.Region = "elsewhere" }, with(secrets, KeyRegion, "us-east-1"), ""},
	})
	if _, err := os.Stat(filepath.Join(folder, "none")); err == nil {
		t.Error("a bucket was created")
	}

	uploads, err := filepath.Glob(filepath.Join(folder, "bucket", ".sgwtmp", "multipart", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, upload := range uploads {
		// The driver leaves those of what Put gives up.
		if !strings.Contains(upload, fmt.Sprintf("%x", sha256.Sum256([]byte("a/large.snap")))) {
			t.Errorf("parts are left: %s", upload)
		}
	}

	t.Log("Encryption and class arrive, for small and for large objects")
	for _, test := range []struct{ algorithm, key, class string }{{"AES256", "", "STANDARD"}, {"aws:kms", "key-1", ""}, {"", "", "GLACIER_IR"}} {
		changed := target
		changed.EncryptionAlgorithm, changed.EncryptionKey, changed.StorageClass = test.algorithm, test.key, test.class
		store := openTest(t, changed, secrets)
		for name, size := range map[string]int{"a/small": 10, "a/large": 11 << 20} {
			f.forget()
			err := store.PutFile(t.Context(), name, "application/gzip", bytes.NewReader(random(size)), int64(size))
			t.Logf("%v %s: versitygw says %v", test, name, err)
			if err != nil && ClassOf(err) != Invalid {
				t.Errorf("%v: %s", test, ClassOf(err))
			}
			if !f.sent(func(s seen) bool {
				return s.header.Get("X-Amz-Server-Side-Encryption") == test.algorithm && s.header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") == test.key &&
					s.header.Get("X-Amz-Storage-Class") == test.class
			}) {
				t.Errorf("%v %s: not all was sent", test, name)
			}
		}
	}

	t.Log("What must always be readable has the class of the bucket")
	archived := target
	archived.StorageClass = "GLACIER"
	f.forget()
	if err := openTest(t, archived, secrets).Put(t.Context(), "a/manifest", "application/json", strings.NewReader("{}")); err != nil {
		t.Error(err)
	}
	if f.sent(func(s seen) bool { return s.header.Get("X-Amz-Storage-Class") != "" }) {
		t.Error("a class was sent")
	}

	t.Log("The name of the bucket is in the host without path style")
	changed := target
	changed.UsePathStyle, changed.Endpoint = false, strings.Replace(f.URL, "127.0.0.1", "store.invalid", 1)
	if err := reach(t.Context(), changed, secrets); ClassOf(err) != Unreachable || !strings.Contains(err.Error(), "bucket.store.invalid") {
		t.Errorf("%s: %v", ClassOf(err), err)
	}
}

func TestObjectLock(t *testing.T) {
	f, _ := startS3(t)
	owner := s3.New(s3.Options{
		BaseEndpoint: &f.URL, UsePathStyle: true, Region: "us-east-1", HTTPClient: f.Client(),
		Credentials: credentials.NewStaticCredentialsProvider(s3Access, s3Secret, ""),
	})
	ctx := t.Context()
	if _, err := owner.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("locked"), ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	secrets := Secrets{KeyAccessKeyID: s3Access, KeySecretAccessKey: s3Secret, KeyCACert: f.ca()}
	target := Target{Provider: S3, Endpoint: f.URL, Bucket: "locked", UsePathStyle: true, PartSize: 5 << 20, Concurrency: 2, LockFor: time.Hour}
	for mode, want := range map[string]s3types.ObjectLockRetentionMode{
		Governance: s3types.ObjectLockRetentionModeGovernance, Compliance: s3types.ObjectLockRetentionModeCompliance,
	} {
		target.LockMode = mode
		store := openTest(t, target, secrets)
		for kind, size := range map[string]int{"small": 10, "large": 11 << 20} {
			name := mode + "/" + kind
			before := time.Now()
			if err := store.PutFile(ctx, name, "application/gzip", bytes.NewReader(random(size)), int64(size)); err != nil {
				t.Fatal(err)
			}
			held, err := owner.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{Bucket: aws.String("locked"), Key: &name})
			if err != nil {
				t.Fatal(err)
			}
			until := aws.ToTime(held.Retention.RetainUntilDate)
			if held.Retention.Mode != want || until.Before(before.Add(time.Hour-time.Minute)) || until.After(time.Now().Add(time.Hour+time.Minute)) {
				t.Errorf("%s: %s until %s", name, held.Retention.Mode, until)
			}
			versions, err := owner.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: aws.String("locked"), Prefix: &name})
			if err != nil || len(versions.Versions) != 1 {
				t.Fatalf("versions %v, %v", versions, err)
			}
			_, err = owner.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("locked"), Key: &name, VersionId: versions.Versions[0].VersionId})
			if err := classify("delete", err); ClassOf(err) != Retained {
				t.Errorf("%s could be deleted: %s: %v", name, ClassOf(err), err)
			}
		}
		if err := store.PutForNow(ctx, mode+"/now", "application/json", strings.NewReader("{}")); err != nil {
			t.Fatal(err)
		}
		if _, err := owner.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{Bucket: aws.String("locked"), Key: aws.String(mode + "/now")}); err == nil {
			t.Error("what is for now is locked")
		}
		if err := store.Delete(ctx, mode+"/now"); err != nil {
			t.Error(err)
		}
	}
	target.Bucket = "bucket"
	err := openTest(t, target, secrets).Put(ctx, "a/b", "application/gzip", strings.NewReader("x"))
	if ClassOf(err) != Invalid {
		t.Errorf("a bucket without locks: %s: %v", ClassOf(err), err)
	}
}

// With a web identity, the token is exchanged for keys at AWS, and the store sees only these.
func TestWebIdentity(t *testing.T) {
	f, _ := startS3(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("projected-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := 0
	sts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.PostFormValue("Action") != "AssumeRoleWithWebIdentity" || r.PostFormValue("WebIdentityToken") != "projected-token" || r.PostFormValue("RoleArn") != "arn:aws:iam::1:role/good" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>`)
			return
		}
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey>`+
			`<SessionToken></SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
			s3Access, s3Secret, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(sts.Close)
	target := Target{
		Provider: S3, Endpoint: f.URL, Bucket: "bucket", UsePathStyle: true, RoleARN: "arn:aws:iam::1:role/good", WebIdentityTokenFile: token, InsecureSkipVerify: true,
	}
	trusted := true
	try := func(target Target) error {
		client, err := httpClient(target, nil)
		if err != nil {
			return err
		}
		tokens := tokenClient()
		if trusted {
			tokens = sts.Client()
			tokens.Transport.(*http.Transport).TLSClientConfig.ServerName = "example.com"
		}
		var dialer net.Dialer
		tokens.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "sts.") {
				address = sts.Listener.Addr().String()
			}
			return dialer.DialContext(ctx, network, address)
		}
		bucket, err := openS3(t.Context(), target, nil, client, tokens)
		if err != nil {
			return err
		}
		store := &Store{bucket: bucket, target: target, now: time.Now}
		defer store.Close()
		return store.Check(t.Context(), "a/")
	}
	if err := try(target); err != nil || asked != 1 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	if f.sent(func(s seen) bool {
		return strings.Contains(s.header.Get("Authorization")+s.body+s.path, "projected-token")
	}) {
		t.Error("the store saw the token of the ServiceAccount")
	}
	t.Log("That the store is not verified says nothing of who gives tokens")
	trusted, asked = false, 0
	if err := try(target); ClassOf(err) != Untrusted || asked != 0 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	trusted = true
	bad := target
	bad.RoleARN = "arn:aws:iam::1:role/bad"
	if err := try(bad); ClassOf(err) != Credentials {
		t.Errorf("another role: %s: %v", ClassOf(err), err)
	}
	bad = target
	bad.WebIdentityTokenFile = token + "-none"
	if err := try(bad); ClassOf(err) != Credentials {
		t.Errorf("no token: %s: %v", ClassOf(err), err)
	}
}

// googleAccount returns the keys of service accounts at a place that gives tokens.
func googleAccount(t *testing.T) (account func(name string) string) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.PostFormValue("assertion"), ".")
		var claims struct{ Iss, Scope string }
		if len(parts) == 3 {
			raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
			_ = json.Unmarshal(raw, &claims) // What it is not is not let in.
		}
		w.Header().Set("Content-Type", "application/json")
		if claims.Scope != scopeGCS || claims.Iss != "good" && claims.Iss != "bad" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`)
			return
		}
		fmt.Fprintf(w, `{"access_token":"%s-token","token_type":"Bearer","expires_in":3600}`, claims.Iss)
	}))
	t.Cleanup(server.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return func(name string) string {
		raw, err := json.Marshal(map[string]string{
			"type": "service_account", "client_email": name, "private_key": private, "private_key_id": "1", "token_uri": server.URL,
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// tool returns the program of a server. The test is skipped where it was not built.
func tool(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../../hack/build-tools.sh", "--path", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	binary := strings.TrimSpace(string(out))
	if _, err := os.Stat(binary); err != nil {
		t.Skipf("there is no %s; run hack/build-tools.sh %s", name, name)
	}
	return binary
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// run starts a server, and waits until it listens.
func run(t *testing.T, address string, environment []string, command ...string) {
	t.Helper()
	var output bytes.Buffer
	server := exec.CommandContext(t.Context(), command[0], command[1:]...)
	server.Env = append(os.Environ(), environment...)
	server.Stdout, server.Stderr = &output, &output
	server.WaitDelay = 5 * time.Second
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // It was killed.
		if t.Failed() {
			text := output.String()
			t.Logf("%s: %s", command[0], text[max(0, len(text)-4000):])
		}
	})
	for range 600 {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not start", command[0])
}

// front is a TLS server before a real one, whose certificate nobody knows. It remembers what
// was sent.
type front struct {
	*httptest.Server
	mu   sync.Mutex
	seen []seen
	// gate answers a request instead of the server behind, where it returns true.
	gate func(http.ResponseWriter, *http.Request) bool
}

type seen struct {
	method, path string
	query        url.Values
	header       http.Header
	// body is how it begins.
	body string
}

// newFront returns a front whose server behind is set by pass.
func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{}
	f.Server = httptest.NewUnstartedServer(http.NotFoundHandler())
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // Certificates are refused on purpose.
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *front) pass(t *testing.T, to string) {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // It is signed.
	}, ModifyResponse: func(r *http.Response) error {
		// A server that does not know of TLS before it says where an upload goes on.
		r.Header.Set("Location", strings.Replace(r.Header.Get("Location"), "http://", "https://", 1))
		return nil
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }}
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := make([]byte, 4096)
		n, _ := io.ReadFull(r.Body, head) // It may be shorter.
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(head[:n]), r.Body), r.Body}
		f.mu.Lock()
		f.seen = append(f.seen, seen{r.Method, r.URL.Path, r.URL.Query(), r.Header.Clone(), string(head[:n])})
		gate := f.gate
		f.mu.Unlock()
		if gate == nil || !gate(w, r) {
			proxy.ServeHTTP(w, r)
		}
	})
}

// set exchanges the gate.
func (f *front) set(gate func(http.ResponseWriter, *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gate = gate
}

// sent reports whether a request was seen that is as told.
func (f *front) sent(is func(seen) bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.seen {
		if is(s) {
			return true
		}
	}
	return false
}

func (f *front) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = nil
}

func (f *front) ca() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw}))
}

func with(s Secrets, more ...string) Secrets {
	out := Secrets{}
	for key, value := range s {
		out[key] = value
	}
	for i := 0; i < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

func openTest(t *testing.T, target Target, secrets Secrets) *Store {
	t.Helper()
	store, err := openWith(t.Context(), target, secrets, testTokens())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

type failingReader struct {
	from io.Reader
	err  error
}

func (f failingReader) Read(p []byte) (int, error) {
	n, err := f.from.Read(p)
	if errors.Is(err, io.EOF) {
		err = f.err
	}
	return n, err
}

// brokenAt can be read at its beginning only.
type brokenAt struct{ err error }

func (b brokenAt) ReadAt(p []byte, off int64) (int, error) {
	if off > 8<<20 {
		return 0, b.err
	}
	return len(p), nil
}

func random(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // It cannot fail.
	return data
}

// keepsObjects is what every store does.
func keepsObjects(t *testing.T, store *Store) {
	t.Helper()
	ctx := t.Context()
	if err := store.Check(ctx, "a/"); err != nil {
		t.Fatal(err)
	}
	data := random(23 << 20)
	if err := store.Put(ctx, "a/b.snap", "application/gzip", bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if size, err := store.Size(ctx, "a/b.snap"); err != nil || size != int64(len(data)) {
		t.Errorf("size %d, %v", size, err)
	}
	body, err := store.Get(ctx, "a/b.snap")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
		t.Errorf("what was read is not what was written: %v", err)
	}

	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := store.PutFile(ctx, "a/c.snap", "application/gzip", file, int64(len(data))); err != nil {
		t.Fatal(err)
	}
	if body, err = store.Get(ctx, "a/c.snap"); err != nil {
		t.Fatal(err)
	}
	got, err = io.ReadAll(body)
	if err := errors.Join(err, body.Close(), store.Delete(ctx, "a/c.snap")); err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
		t.Errorf("what was read is not what the file was: %v", err)
	}

	t.Log("What is given up leaves nothing")
	broken := errors.New("broken")
	for name, size := range map[string]int{"a/small.snap": 1000, "a/large.snap": 17 << 20} {
		err := store.Put(ctx, name, "application/gzip", failingReader{bytes.NewReader(data[:size]), broken})
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := store.Size(ctx, name); ClassOf(err) != NotFound {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	if err := store.PutFile(ctx, "a/file.snap", "application/gzip", brokenAt{broken}, 17<<20); err == nil {
		t.Error("a file that cannot be read was stored")
	} else if _, err := store.Size(ctx, "a/file.snap"); ClassOf(err) != NotFound {
		t.Errorf("a file that cannot be read is there: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := store.PutFile(ended, "a/ended.snap", "application/gzip", file, int64(len(data))); err == nil {
		t.Error("a file was stored after the end")
	}
	if err := store.Put(ended, "a/ended.snap", "application/gzip", bytes.NewReader(data)); err == nil {
		t.Error("it was stored after the end")
	}
	if err := store.PutForNow(ctx, "a/b.snap.pending.json", "application/json", strings.NewReader("{}")); err != nil {
		t.Error(err)
	}
	if err := store.PutForNow(ctx, "ab/other", "application/json", strings.NewReader("{}")); err != nil {
		t.Error(err)
	}
	var names []string
	err = store.List(ctx, "a/", func(o Object) error {
		names = append(names, fmt.Sprintf("%s %d", o.Name, o.Size))
		return nil
	})
	if want := fmt.Sprintf("[a/b.snap %d a/b.snap.pending.json 2]", len(data)); err != nil || fmt.Sprint(names) != want {
		t.Errorf("list %v, %v; want %s", names, err, want)
	}
	if err := errors.Join(store.Delete(ctx, "a/b.snap"), store.Delete(ctx, "a/b.snap"), store.Delete(ctx, "a/b.snap.pending.json")); err != nil {
		t.Errorf("delete, twice: %v", err)
	}
	if _, err := store.Get(ctx, "a/b.snap"); ClassOf(err) != NotFound {
		t.Errorf("deleted: %v", err)
	}
}

// testTokens trusts the servers of tests that give tokens: they all have one certificate.
func testTokens() *http.Client {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	return server.Client()
}

// reach opens a store and looks into it.
func reach(ctx context.Context, target Target, secrets Secrets) error {
	store, err := openWith(ctx, target, secrets, testTokens())
	if err != nil {
		return err
	}
	err = store.Check(ctx, "a/")
	return errors.Join(err, store.Close())
}

type attempt struct {
	change  func(*Target)
	secrets Secrets
	want    Class
}

// classifies tries what goes wrong. No secret is in an error.
func classifies(t *testing.T, f *front, target Target, secrets Secrets, attempts map[string]attempt) {
	t.Helper()
	attempts["no bucket"] = attempt{func(t *Target) { t.Bucket = "none" }, secrets, NoBucket}
	attempts["away"] = attempt{func(t *Target) { t.Endpoint = "https://127.0.0.1:1" + strings.TrimPrefix(t.Endpoint, f.URL) }, secrets, Unreachable}
	attempts["no such host"] = attempt{func(t *Target) { t.Endpoint = "https://store.invalid" }, secrets, Unreachable}
	attempts["unknown CA"] = attempt{func(*Target) {}, with(secrets, KeyCACert, ""), Untrusted}
	attempts["unknown CA, not verified"] = attempt{func(t *Target) { t.InsecureSkipVerify = true }, with(secrets, KeyCACert, ""), ""}
	attempts["as it should be"] = attempt{func(*Target) {}, secrets, ""}
	for name, a := range attempts {
		changed := target
		a.change(&changed)
		// The clients try again for minutes by themselves, longer than a step wants to wait.
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		err := reach(ctx, changed, a.secrets)
		cancel()
		t.Logf("%s: %v", name, err)
		if ClassOf(err) != a.want {
			t.Errorf("%s: %q: %v, want %q", name, ClassOf(err), err, a.want)
		}
		if err != nil && strings.Contains(err.Error(), "prefix=") {
			t.Errorf("%s: the error holds the address of a request: %v", name, err)
		}
		for key, secret := range a.secrets {
			if err != nil && key != KeyCACert && len(secret) > 8 && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error holds %s: %v", name, key, err)
			}
		}
	}
	t.Log("A store that says to come again later")
	f.set(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := reach(ctx, target, secrets); ClassOf(err) != Unreachable || !ClassOf(err).MayPass() {
		t.Errorf("busy: %s: %v", ClassOf(err), err)
	}
	f.set(nil)
}

// startAzure starts azurite, with a container.
func startAzure(t *testing.T) (*front, Target, Secrets) {
	t.Helper()
	// Both are published, and no secret of anybody.
	const account, key = "devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	binary := os.Getenv("BAILIWICK_AZURITE")
	if binary == "" {
		t.Skip("BAILIWICK_AZURITE does not name azurite-blob (npm install azurite@3.37.0)")
	}
	address := freePort(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	run(t, address, nil, binary, "--blobHost", host, "--blobPort", port, "--location", t.TempDir(), "--skipApiVersionCheck", "--disableTelemetry")
	f := newFront(t)
	f.pass(t, "http://"+address)
	// Containers are made by their owner.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+address+"/"+account+"/bucket?restype=container", nil)
	if err != nil {
		t.Fatal(err)
	}
	date := time.Now().UTC().Format(http.TimeFormat)
	request.Header.Set("x-ms-date", date)
	request.Header.Set("x-ms-version", "2024-11-04")
	text := "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:" + date + "\nx-ms-version:2024-11-04\n/" + account + "/" + account + "/bucket\nrestype:container"
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, raw)
	_, _ = mac.Write([]byte(text)) // It cannot fail.
	request.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("make the container: %s", response.Status)
	}
	return f, Target{Provider: Azure, Endpoint: f.URL + "/" + account, Bucket: "bucket", StorageAccount: account, PartSize: 5 << 20, Concurrency: 2},
		Secrets{KeyAccountKey: key, KeyCACert: f.ca()}
}

func TestAzure(t *testing.T) {
	f, target, secrets := startAzure(t)
	keepsObjects(t, openTest(t, target, secrets))
	wrong := base64.StdEncoding.EncodeToString([]byte("another key, as long as one should be, but not the right one"))
	classifies(t, f, target, secrets, map[string]attempt{
		"another key":     {func(*Target) {}, with(secrets, KeyAccountKey, wrong), Credentials},
		"another account": {func(t *Target) { t.StorageAccount = "other" }, secrets, Credentials},
	})

	t.Log("A connection string has all of it")
	text := fmt.Sprintf("DefaultEndpointsProtocol=https;AccountName=%s;AccountKey=%s;BlobEndpoint=%s;", target.StorageAccount, secrets[KeyAccountKey], target.Endpoint)
	byString := target
	byString.Endpoint = ""
	if err := reach(t.Context(), byString, Secrets{KeyConnectionString: text, KeyCACert: f.ca()}); err != nil {
		t.Error(err)
	}

	t.Log("An access tier and an encryption scope arrive, for small and for large objects")
	target.StorageClass, target.EncryptionKey = "Cool", "scope1"
	store := openTest(t, target, secrets)
	for name, size := range map[string]int{"a/small": 10, "a/large": 11 << 20} {
		f.forget()
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, random(size), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(store.PutFile(t.Context(), name, "application/gzip", file, int64(size)), file.Close())
		t.Logf("%s: azurite says %v", name, err)
		if !f.sent(func(s seen) bool { return s.header.Get("x-ms-access-tier") == "Cool" }) && err == nil {
			t.Errorf("%s: no tier was sent", name)
		}
		if !f.sent(func(s seen) bool {
			return s.method == http.MethodPut && s.header.Get("x-ms-encryption-scope") == "scope1"
		}) {
			t.Errorf("%s: no scope was sent", name)
		}
	}
	target.StorageClass, target.EncryptionKey = "Nonsense", ""
	if err := openTest(t, target, secrets).PutFile(t.Context(), "a/b", "application/gzip", strings.NewReader("x"), 1); ClassOf(err) != Invalid {
		t.Errorf("an unknown tier: %s: %v", ClassOf(err), err)
	}
}

func TestGCS(t *testing.T) {
	binary := tool(t, "fake-gcs-server")
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "bucket"), 0o700); err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(t)
	public := strings.TrimPrefix(f.URL, "https://")
	run(t, address, nil, binary, "-scheme", "http", "-host", host, "-port", port, "-backend", "filesystem", "-filesystem-root", folder,
		"-public-host", public, "-external-url", f.URL)
	f.pass(t, "http://"+address)

	t.Log("Whose key is not that of the account is not let in, which this server does not look at")
	account := googleAccount(t)
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "Bearer good-token" {
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	target := Target{Provider: GCS, Endpoint: f.URL, Bucket: "bucket", PartSize: 5 << 20, Concurrency: 2}
	secrets := Secrets{KeyCredentialsJSON: account("good"), KeyCACert: f.ca()}
	keepsObjects(t, openTest(t, target, secrets))
	for name, account := range map[string]string{"a token that is refused": account("bad"), "an account that is unknown": account("unknown")} {
		if err := reach(t.Context(), target, with(secrets, KeyCredentialsJSON, account)); ClassOf(err) != Credentials {
			t.Errorf("%s: %s: %v", name, ClassOf(err), err)
		}
	}
	f.set(nil)
	classifies(t, f, target, secrets, map[string]attempt{})
	if _, err := os.Stat(filepath.Join(folder, "none")); err == nil {
		t.Error("a bucket was created")
	}

	t.Log("Storage class, key and retention arrive, for small and for large objects")
	target.StorageClass, target.EncryptionKey, target.LockMode, target.LockFor = "COLDLINE", "projects/p/locations/l/keyRings/r/cryptoKeys/k", Compliance, 24*time.Hour
	store := openTest(t, target, secrets)
	for name, size := range map[string]int{"a/small": 10, "a/large": 11 << 20} {
		f.forget()
		before := time.Now()
		if err := store.PutFile(t.Context(), name, "application/gzip", bytes.NewReader(random(size)), int64(size)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		until := before.Add(target.LockFor).UTC().Format("2006-01-02T15")
		if !f.sent(func(s seen) bool {
			return s.query.Get("kmsKeyName") == target.EncryptionKey && strings.Contains(s.body, `"storageClass":"COLDLINE"`) &&
				strings.Contains(s.body, `"mode":"Locked"`) && strings.Contains(s.body, `"retainUntilTime":"`+until)
		}) {
			t.Errorf("%s: not all was sent", name)
			f.sent(func(s seen) bool { t.Log(s.method, s.path, s.query, s.body[:min(len(s.body), 600)]); return false })
		}
	}
	f.forget()
	if err := store.PutForNow(t.Context(), "a/now", "application/json", strings.NewReader("{}")); err != nil {
		t.Error(err)
	}
	if f.sent(func(s seen) bool {
		return strings.Contains(s.body, "retention") || strings.Contains(s.body, "COLDLINE")
	}) ||
		!f.sent(func(s seen) bool { return s.query.Get("kmsKeyName") != "" }) {
		t.Error("what is for now is locked, of a class, or not encrypted")
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startS3 starts a real S3 server, which checks signatures. A bucket is a folder.
func startS3(t *testing.T) (endpoint, folder string) {
	t.Helper()
	binary := os.Getenv("BAILIWICK_VERSITYGW")
	if binary == "" {
		out, err := exec.CommandContext(t.Context(), "../../hack/build-tools.sh", "--path", "versitygw").Output()
		if err != nil {
			t.Fatal(err)
		}
		binary = strings.TrimSpace(string(out))
	}
	if _, err := os.Stat(binary); err != nil {
		t.Skip("there is no versitygw; run hack/build-tools.sh versitygw")
	}
	folder = t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "bucket"), 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	server := exec.CommandContext(t.Context(), binary, "--port", address, "posix", folder)
	server.Env = append(os.Environ(), "ROOT_ACCESS_KEY=access", "ROOT_SECRET_KEY=secret-key")
	server.Cancel, server.WaitDelay = func() error { return server.Process.Kill() }, 5*time.Second
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // It was killed.
	})
	for range 200 {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
			return "http://" + address, folder
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("versitygw does not start")
	return "", ""
}

func openTest(t *testing.T, target Target, secrets Secrets) *Store {
	t.Helper()
	store, err := Open(t.Context(), target, secrets)
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

func TestS3(t *testing.T) {
	endpoint, folder := startS3(t)
	target := Target{Provider: S3, Endpoint: endpoint, Bucket: "bucket", UsePathStyle: true, PartSize: 5 << 20, Concurrency: 2}
	secrets := Secrets{KeyAccessKeyID: "access", KeySecretAccessKey: "secret-key"}
	store := openTest(t, target, secrets)
	ctx := t.Context()
	if err := store.Check(ctx, "a/"); err != nil {
		t.Fatal(err)
	}

	data := make([]byte, 23<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // It cannot fail.
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
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := store.Put(ended, "a/ended.snap", "application/gzip", bytes.NewReader(data)); err == nil {
		t.Error("it was stored after the end")
	}
	var names []string
	err = store.List(ctx, "a/", func(o Object) error {
		names = append(names, o.Name)
		return nil
	})
	if err != nil || len(names) != 1 {
		t.Errorf("list %v, %v", names, err)
	}

	if err := errors.Join(store.Delete(ctx, "a/b.snap"), store.Delete(ctx, "a/b.snap")); err != nil {
		t.Errorf("delete, twice: %v", err)
	}
	if _, err := store.Get(ctx, "a/b.snap"); ClassOf(err) != NotFound {
		t.Errorf("deleted: %v", err)
	}

	other := func(change func(*Target), secrets Secrets) error {
		t := target
		change(&t)
		return checkBucket(ctx, t, secrets)
	}
	for name, test := range map[string]struct {
		err  error
		want Class
	}{
		"no bucket":   {other(func(t *Target) { t.Bucket = "none" }, secrets), NoBucket},
		"another key": {other(func(*Target) {}, Secrets{KeyAccessKeyID: "access", KeySecretAccessKey: "wrong"}), Credentials},
		"nobody":      {other(func(*Target) {}, Secrets{KeyAccessKeyID: "nobody", KeySecretAccessKey: "wrong"}), Credentials},
		"away":        {other(func(t *Target) { t.Endpoint = "http://127.0.0.1:1" }, secrets), Unreachable},
	} {
		if ClassOf(test.err) != test.want || strings.Contains(test.err.Error(), "wrong") {
			t.Errorf("%s: %s: %v, want %s", name, ClassOf(test.err), test.err, test.want)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() == "none" {
			t.Error("a bucket was created")
		}
	}
}

// checkBucket opens a store and looks into it.
func checkBucket(ctx context.Context, target Target, secrets Secrets) error {
	store, err := Open(ctx, target, secrets)
	if err != nil {
		return err
	}
	err = store.Check(ctx, "a/")
	return errors.Join(err, store.Close())
}

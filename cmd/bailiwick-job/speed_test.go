// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/bailiwick-operator/bailiwick/cmd/bailiwick-job/internal/backup"
	"github.com/bailiwick-operator/bailiwick/pkg/encryption"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot/snapshottest"
)

const (
	// maxMemory is the most memory that the program may take for a backup.
	maxMemory = 64 << 20
	// childVariable has the request, for the process that is measured.
	childVariable = "BAILIWICK_BACKUP_REQUEST"
	clusterOfTest = "11111111-2222-3333-4444-555555555555"
)

// measured is what the process that is measured reports.
type measured struct {
	Result jobstep.Result
	Code   int
	Took   time.Duration
	Log    []string
	// Peak is the most memory that it had, in bytes.
	Peak int64
}

// TestBackupProcess is the process that is measured: what the program does, with a server on
// this machine.
func TestBackupProcess(t *testing.T) {
	request := os.Getenv(childVariable)
	if request == "" {
		t.Skip("it is started by TestSpeedOfBackups")
	}
	dir := os.Getenv("BAILIWICK_BACKUP_DIR")
	debug.SetMemoryLimit(memoryGoal)
	started := time.Now()
	var m measured
	m.Result, m.Code = runBackup(t.Context(), []string{jobstep.Backup, "--request=" + request}, backup.Options{
		Open: func(ctx context.Context, t jobstep.Target) (backup.Store, error) {
			return backup.OpenStore(ctx, filepath.Join(dir, "credentials"), "", t)
		},
		TokenFile: filepath.Join(dir, "token"), SpoolDir: filepath.Join(dir, "spool"), AllowLocal: true, Now: time.Now,
		Log: func(format string, args ...any) {
			m.Log = append(m.Log, fmt.Sprintf("%.2f s: ", time.Since(started).Seconds())+fmt.Sprintf(format, args...))
		},
	})
	m.Took = time.Since(started)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			m.Peak = kib << 10
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "measured"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// versitygw starts a real S3 server with a bucket, and returns its address.
func versitygw(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../../hack/build-tools.sh", "--path", "versitygw").Output()
	if err != nil {
		t.Fatal(err)
	}
	binary := strings.TrimSpace(string(out))
	if _, err := os.Stat(binary); err != nil {
		t.Skip("there is no versitygw; run hack/build-tools.sh versitygw")
	}
	folder := t.TempDir()
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
	server.WaitDelay = 5 * time.Second
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
			return "http://" + address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("versitygw does not start")
	return ""
}

// server is as much of an OpenBao server as a backup needs. It sends the archive of a file.
func server(t *testing.T, archive string) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/v1/sys/health":
			fmt.Fprintf(w, `{"initialized":true,"version":"2.6.2","cluster_id":"%s","cluster_name":"c"}`, clusterOfTest)
		case "/v1/auth/jwt-operator/login":
			_, _ = fmt.Fprint(w, `{"auth":{"client_token":"s.tok","accessor":"a","policies":["p"],"token_policies":["p"],"lease_duration":600,"token_type":"service"}}`)
		case "/v1/sys/capabilities-self":
			_, _ = fmt.Fprint(w, `{"data":{"sys/storage/raft/snapshot":["read"],"sys/storage/raft/snapshot-force":["deny"]}}`)
		case "/v1/sys/storage/raft/snapshot":
			file, err := os.Open(archive)
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			defer file.Close()
			w.Header().Set("Content-Type", "application/gzip")
			_, _ = io.Copy(w, file) // Who reads it notices.
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestSpeedOfBackups measures a backup of 1 GiB against the slower of the disk and the store
// in the same run, and its memory, which is far more with the race detector.
func TestSpeedOfBackups(t *testing.T) {
	if os.Getenv("BAILIWICK_BENCH") == "" {
		t.Skip("it is a measurement; run it with BAILIWICK_BENCH=1 and without -race")
	}
	const size = 1 << 30
	dir := t.TempDir()
	archive := filepath.Join(dir, "archive")
	bytesOf := snapshottest.WriteFile(t, archive, snapshottest.Options{State: size, Index: 7, Term: 1, KeyID: "k"})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, "token"), []byte("jwt"), 0o600))
	must(os.Mkdir(filepath.Join(dir, "spool"), 0o700))
	must(os.Mkdir(filepath.Join(dir, "credentials"), 0o700))
	must(os.WriteFile(filepath.Join(dir, "credentials", "accessKeyId"), []byte("access"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "credentials", "secretAccessKey"), []byte("secret-key"), 0o600))
	target := jobstep.Target{Provider: "s3", Endpoint: versitygw(t), Bucket: "bucket", UsePathStyle: true, PartSize: 10 << 20, Concurrency: 3}
	s := server(t, archive)

	// What others do on the machine changes, so each is measured before and after a backup.
	alone := func() (slower time.Duration) {
		disk := timed(t, func() error { return copyFile(filepath.Join(dir, "spool", "copy"), archive) })
		must(os.Remove(filepath.Join(dir, "spool", "copy")))
		store, err := backup.OpenStore(t.Context(), filepath.Join(dir, "credentials"), "", target)
		must(err)
		upload := timed(t, func() error {
			file, err := os.Open(archive)
			if err != nil {
				return err
			}
			defer file.Close()
			return store.PutFile(t.Context(), "alone", "application/gzip", file, bytesOf)
		})
		must(errors.Join(store.Delete(t.Context(), "alone"), store.Close()))
		t.Logf("%d MiB alone: disk %s, store %s", bytesOf>>20, rate(bytesOf, disk), rate(bytesOf, upload))
		return max(disk, upload)
	}

	identity, err := age.GenerateX25519Identity()
	must(err)
	before := alone()
	for name, keys := range map[string]encryption.Keys{"as it is": {}, "encrypted": {Age: []string{identity.Recipient().String()}}} {
		request := jobstep.BackupRequest{
			Operation: jobstep.Operation{UID: name, Fence: 1, Deadline: time.Now().Add(time.Hour)}, Target: target,
			Name: snapshot.Name("ns/bao/", snapshot.Manual, time.Now(), name), Kind: snapshot.Manual, StartedAt: time.Now(),
			Servers: []string{s.URL}, CABundle: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})),
			Mount: "jwt-operator", Role: "openbao-operator-backup", Cluster: snapshot.Cluster{ID: clusterOfTest}, SpoolLimit: 2 << 30, Encryption: keys,
		}
		raw, err := json.Marshal(request)
		must(err)
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBackupProcess$")
		if profile := os.Getenv("BAILIWICK_PROFILE"); profile != "" {
			child.Args = append(child.Args, "-test.cpuprofile="+filepath.Join(profile, strings.ReplaceAll(name, " ", "-")))
		}
		child.Env = append(os.Environ(), childVariable+"="+string(raw), "BAILIWICK_BACKUP_DIR="+dir)
		var output bytes.Buffer
		child.Stdout, child.Stderr = &output, &output
		if err := child.Run(); err != nil {
			t.Fatalf("%v: %s", err, output.String())
		}
		raw, err = os.ReadFile(filepath.Join(dir, "measured"))
		must(err)
		var m measured
		must(json.Unmarshal(raw, &m))
		if m.Code != jobstep.Done || m.Result.Backup == nil || m.Result.Backup.Size != bytesOf {
			t.Fatalf("%s: %+v", name, m)
		}
		after := alone()
		ratio := float64(before+after) / 2 / float64(m.Took)
		before = after
		used := child.ProcessState.UserTime() + child.ProcessState.SystemTime()
		t.Logf("%s: %s in %s, %.2f of the slower of disk and store; CPU %s; peak memory %.1f MiB",
			name, rate(bytesOf, m.Took), m.Took.Round(10*time.Millisecond), ratio, used.Round(10*time.Millisecond), float64(m.Peak)/(1<<20))
		t.Log(strings.Join(m.Log, "; "))
		if m.Peak > maxMemory {
			t.Errorf("%s: it took %d bytes of memory, more than %d", name, m.Peak, int64(maxMemory))
		}
		if ratio < 0.5 {
			t.Errorf("%s: it is slower than half of what disk and store can do", name)
		}
	}
}

func rate(size int64, took time.Duration) string {
	return fmt.Sprintf("%.0f MiB/s", float64(size)/(1<<20)/took.Seconds())
}

func timed(t *testing.T, do func() error) time.Duration {
	t.Helper()
	started := time.Now()
	if err := do(); err != nil {
		t.Fatal(err)
	}
	return time.Since(started)
}

// copyFile copies through the disk, as far as a program can tell.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	// Without the shortcuts of the kernel, which move no data.
	_, err = io.Copy(struct{ io.Writer }{out}, struct{ io.Reader }{in})
	return errors.Join(err, out.Sync(), out.Close())
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	loopback      = "127.0.0.1"
	superuser     = "postgres"
	readyMessage  = "database system is ready to accept connections"
	postgresGrace = 5 * time.Second
	logTail       = 8 << 10
)

// FindPostgres looks for a directory that holds initdb, postgres and psql: in
// PATH, in Debian's version directories, newest first, and in /usr/local/bin.
func FindPostgres() (string, bool) {
	var candidates []string
	if path, err := exec.LookPath("initdb"); err == nil {
		candidates = append(candidates, filepath.Dir(path))
		if real, err := filepath.EvalSymlinks(path); err == nil {
			candidates = append(candidates, filepath.Dir(real))
		}
	}
	// Glob fails only on a malformed pattern.
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(versions, func(a, b string) int { return majorOf(b) - majorOf(a) })
	candidates = append(append(candidates, versions...), "/usr/local/bin")
	for _, dir := range candidates {
		if holdsPostgres(dir) {
			return dir, true
		}
	}
	return "", false
}

func majorOf(bin string) int {
	major, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	if err != nil {
		return 0
	}
	return major
}

func holdsPostgres(dir string) bool {
	for _, name := range []string{"initdb", "postgres", "psql"} {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// postgresFleet runs the PostgreSQL processes of a server: one cluster per pg
// service, copied from one template, so that role and database names need no
// translation. A cluster lives in a directory of its own with a Unix socket; the
// service's port belongs to a postgresFront.
type postgresFleet struct {
	server *Server
	bin    string
	// credential is set when the test runs as root, which postgres refuses.
	credential *syscall.Credential
	password   string
	warmOnce   sync.Once
	wg         sync.WaitGroup

	mu       sync.Mutex
	dir      string
	template string
	count    int
}

func newPostgresFleet(s *Server, bin string) (*postgresFleet, error) {
	if bin == "" {
		found, ok := FindPostgres()
		if !ok {
			return nil, errors.New("no directory with initdb, postgres and psql found; see FindPostgres")
		}
		bin = found
	}
	if !holdsPostgres(bin) {
		return nil, fmt.Errorf("%s does not hold initdb, postgres and psql", bin)
	}
	f := &postgresFleet{server: s, bin: bin, password: rand.Text()}
	if os.Geteuid() == 0 {
		credential, err := unprivileged()
		if err != nil {
			return nil, err
		}
		f.credential = credential
	}
	return f, nil
}

// unprivileged is the account that runs PostgreSQL for root.
func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root and there is no account postgres or nobody")
}

// command prepares a program of PostgreSQL, or cp, under the right account.
func (f *postgresFleet) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.Dir = f.dir
	cmd.SysProcAttr = procAttr(f.credential)
	return cmd
}

// newDir makes a private directory below the fleet's.
func (f *postgresFleet) newDir(name string) (string, error) {
	path := filepath.Join(f.dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", err
	}
	return path, f.chown(path)
}

func (f *postgresFleet) chown(path string) error {
	if f.credential == nil {
		return nil
	}
	return os.Chown(path, int(f.credential.Uid), int(f.credential.Gid))
}

// warm makes the template ahead of the first connection, which waits for it
// otherwise.
func (f *postgresFleet) warm() {
	f.warmOnce.Do(func() {
		f.wg.Go(func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			// A failure shows when the first connection tries again.
			_ = f.ensureTemplate(f.server.ctx)
		})
	})
}

// prepare makes the template if need be and the next cluster's directory.
func (f *postgresFleet) prepare(ctx context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ensureTemplate(ctx); err != nil {
		return "", err
	}
	f.count++
	return f.newDir(strconv.Itoa(f.count))
}

// ensureTemplate must be called with the lock held.
func (f *postgresFleet) ensureTemplate(ctx context.Context) error {
	if f.dir == "" {
		dir, err := os.MkdirTemp("", "aivensim-")
		if err != nil {
			return err
		}
		f.dir = dir
		if err := f.chown(dir); err != nil {
			return err
		}
	}
	if f.template != "" {
		return nil
	}
	return f.initTemplate(ctx)
}

func (f *postgresFleet) initTemplate(ctx context.Context) error {
	passwordFile := filepath.Join(f.dir, "superuser")
	if err := os.WriteFile(passwordFile, []byte(f.password+"\n"), 0o600); err != nil {
		return err
	}
	if err := f.chown(passwordFile); err != nil {
		return err
	}
	template := filepath.Join(f.dir, "template")
	cmd := f.command(ctx, filepath.Join(f.bin, "initdb"), "-D", template, "-U", superuser, "--pwfile", passwordFile,
		"-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out)), os.RemoveAll(template))
	}
	f.template = template
	return nil
}

// cluster is one running PostgreSQL.
type cluster struct {
	fleet  *postgresFleet
	socket string
	// exited is closed when the process has ended.
	exited chan struct{}
	log    *processLog
}

// start runs a new cluster until ctx ends; the fleet waits for it in close.
func (f *postgresFleet) start(ctx context.Context) (*cluster, error) {
	dir, err := f.prepare(ctx)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if out, err := f.command(ctx, "cp", "-a", f.template, data).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy the PostgreSQL template: %w: %s", err, bytes.TrimSpace(out))
	}
	c := &cluster{fleet: f, socket: dir, exited: make(chan struct{}), log: newProcessLog()}
	cmd := f.command(ctx, filepath.Join(f.bin, "postgres"), "-D", data, "-k", dir, "-h", "",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "autovacuum=off",
		"-c", "shared_buffers=16MB", "-c", "max_connections=100", "-c", "logging_collector=off", "-c", "log_destination=stderr")
	cmd.Stderr = c.log
	// SIGQUIT is PostgreSQL's immediate shutdown; the data is thrown away anyway.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	cmd.WaitDelay = postgresGrace
	started := make(chan error, 1)
	f.wg.Go(func() {
		// The kernel ends the child when the thread that forked it ends, so the
		// thread stays with the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.exited)
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // it ends by a signal; what it said is in the log
		_ = os.RemoveAll(dir)
	})
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	select {
	case <-c.log.ready:
		return c, nil
	case <-c.exited:
		return nil, fmt.Errorf("postgres ended at once: %s", c.log.tail())
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// run executes a psql script as the superuser.
func (c *cluster) run(ctx context.Context, script string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(c.fleet.bin, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1",
		"-h", c.socket, "-U", superuser, "-d", superuser, "-o", os.DevNull)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "PGPASSWORD=" + c.fleet.password}
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("psql: %w: %s", err, first)
	}
	return nil
}

// close waits for all clusters, whose contexts have ended, and clears up.
func (f *postgresFleet) close() error {
	f.wg.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dir == "" {
		return nil
	}
	if err := os.RemoveAll(f.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// processLog keeps the end of a process's output and tells when it is ready.
type processLog struct {
	mu    sync.Mutex
	data  []byte
	isUp  bool
	ready chan struct{}
}

func newProcessLog() *processLog { return &processLog{ready: make(chan struct{})} }

// Write takes the output of the process.
func (l *processLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data = append(l.data, p...)
	if !l.isUp && bytes.Contains(l.data, []byte(readyMessage)) {
		l.isUp = true
		close(l.ready)
	}
	if extra := len(l.data) - logTail; extra > 0 {
		l.data = slices.Delete(l.data, 0, extra)
	}
	return len(p), nil
}

func (l *processLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.data))
}

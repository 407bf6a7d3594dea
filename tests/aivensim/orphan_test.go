// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// orphanHelper makes this test binary a process that runs a PostgreSQL.
const orphanHelper = "AIVENSIM_TEST_ORPHAN_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(orphanHelper) == "" {
		os.Exit(m.Run())
	}
	if err := runOrphanHelper(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runOrphanHelper prints the socket of a cluster and waits to be killed.
func runOrphanHelper() error {
	s, err := New(Options{RealPostgres: true})
	if err != nil {
		return err
	}
	c, err := s.postgres.start(s.ctx)
	if err != nil {
		return err
	}
	fmt.Println(filepath.Join(c.socket, ".s.PGSQL.5432"))
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func TestPostgresDiesWithParent(t *testing.T) {
	if _, ok := FindPostgres(); !ok {
		t.Skip("PostgreSQL (initdb, postgres, psql) is not installed: there is no child process to watch")
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties the life of a child to that of its parent")
	}
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(testContext(t), self)
	cmd.Env = append(os.Environ(), orphanHelper+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	socket, err := bufio.NewReader(stdout).ReadString('\n')
	must(t, err)
	socket = strings.TrimSpace(socket)
	if dir := filepath.Dir(filepath.Dir(socket)); strings.HasPrefix(filepath.Base(dir), "aivensim-") {
		t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	}
	conn, err := net.Dial("unix", socket)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetReadDeadline(time.Now().Add(testTimeout)))
	// An answer proves that a server process holds the connection: one that is
	// accepted during the shutdown would keep it waiting.
	_, err = conn.Write([]byte{0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f})
	must(t, err)
	_, err = io.ReadFull(conn, make([]byte, 1))
	must(t, err)
	must(t, cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		t.Error("the killed parent ended well")
	}
	// The server process behind the connection ends with its postmaster.
	if _, err := io.Copy(io.Discard, conn); err != nil {
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatal("PostgreSQL outlives its parent")
		}
	}
}

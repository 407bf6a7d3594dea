// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package encryption

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"
)

// People decrypt with gpg, and their keys are made by it.
func TestGPG(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("there is no gpg")
	}
	// The sockets in it have short names.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	gpg := func(in []byte, args ...string) []byte {
		t.Helper()
		command := exec.CommandContext(t.Context(), "gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "p"}, args...)...)
		command.Stdin = bytes.NewReader(in)
		var out, problem bytes.Buffer
		command.Stdout, command.Stderr = &out, &problem
		if err := command.Run(); err != nil {
			t.Fatalf("gpg %v: %v: %s", args, err, problem.String())
		}
		return out.Bytes()
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() // It ends with its folder, too.
		if err := os.RemoveAll(home); err != nil {
			t.Log(err)
		}
	})
	data := bytes.Repeat([]byte("a snapshot "), 50_000)
	for _, algorithm := range []string{"rsa2048", "future-default"} {
		name := algorithm + "@example.com"
		gpg(nil, "--quick-generate-key", name, algorithm, "default", "1y")
		if algorithm == "rsa2048" {
			// The key itself is for signatures only.
			fingerprint := bytes.Split(bytes.SplitN(gpg(nil, "--with-colons", "--list-keys", name), []byte("\nfpr:::::::::"), 2)[1], []byte(":"))[0]
			gpg(nil, "--quick-add-key", string(fingerprint), "rsa2048", "encr", "1y")
		}
		// gpg gives a key the time of its own clock, in seconds.
		recipients, err := Parse(Keys{PGP: []string{string(gpg(nil, "--armor", "--export", name))}}, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		if listed := gpg(nil, "--with-colons", "--list-keys", name); !bytes.Contains(listed, []byte(recipients.Fingerprints()[0])) {
			t.Errorf("%s: the fingerprint is not that of gpg: %v", algorithm, recipients.Fingerprints())
		}
		if got := gpg(encrypt(t, recipients, data), "--decrypt"); !bytes.Equal(got, data) {
			t.Errorf("%s: gpg decrypts %d bytes of %d", algorithm, len(got), len(data))
		}
		id, err := ReadIdentity(gpg(nil, "--armor", "--export-secret-keys", name), []byte("p"))
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		if got, err := decrypt(id, gpg(data, "--trust-model", "always", "--encrypt", "--recipient", name)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes of what gpg encrypted, %v", algorithm, len(got), err)
		}
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The raw keys have bytes that a reader might take for line breaks and spaces.
var (
	keyA = []byte("\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00 ")
	keyB = bytes.Repeat([]byte{0xb}, keySize)
)

func writeKey(t *testing.T, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + file
}

func TestReadKey(t *testing.T) {
	t.Setenv("KEY", base64.StdEncoding.EncodeToString(keyA))
	for name, value := range map[string]string{
		"raw file":    writeKey(t, keyA),
		"base64 file": writeKey(t, []byte(base64.StdEncoding.EncodeToString(keyA))),
		"environment": "env://KEY",
		"itself":      string(keyA),
		"base64":      base64.StdEncoding.EncodeToString(keyA),
		"URL base64":  base64.RawURLEncoding.EncodeToString(keyA),
		"hexadecimal": hex.EncodeToString(keyA),
	} {
		key, err := readKey(value)
		if err != nil || !bytes.Equal(key, keyA) {
			t.Errorf("%s: %q, %v", name, key, err)
		}
	}
}

func TestReadKeyFails(t *testing.T) {
	const secret = "c2VjcmV0IHRoYXQgbXVzdCBub3QgYmUgc2hvd24h!!!!"
	for name, value := range map[string]string{
		"empty":        "",
		"too short":    "short",
		"line break":   writeKey(t, append(bytes.Clone(keyB), '\n')),
		"no file":      "file:///does/not/exist",
		"no variable":  "env://BAO_TEST_NO_SUCH_VARIABLE",
		"wrong base64": secret,
		"wrong hex":    strings.Repeat("x", 64),
	} {
		if key, err := readKey(value); err == nil {
			t.Errorf("%s: accepted as %q", name, key)
		} else if strings.Contains(err.Error(), secret[:8]) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestNewStaticFails(t *testing.T) {
	key := writeKey(t, keyA)
	other := writeKey(t, keyB)
	for name, settings := range map[string]map[string]string{
		"no id":           {"current_key": key},
		"no key":          {"current_key_id": "1"},
		"no previous id":  {"current_key": key, "current_key_id": "1", "previous_key": other},
		"no previous key": {"current_key": key, "current_key_id": "1", "previous_key_id": "0"},
		"same id":         {"current_key": key, "current_key_id": "1", "previous_key": other, "previous_key_id": "1"},
	} {
		if _, err := newStatic(context.Background(), settings); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What one key sealed is opened by the next one's configuration, and not by that
// after the next.
func TestRotation(t *testing.T) {
	ctx := context.Background()
	a, b, c := writeKey(t, keyA), writeKey(t, keyB), writeKey(t, bytes.Repeat([]byte{0xc}, keySize))
	make := func(settings map[string]string) *static {
		t.Helper()
		s, err := newStatic(ctx, settings)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := make(map[string]string{"current_key": a, "current_key_id": "a"})
	second := make(map[string]string{"current_key": b, "current_key_id": "b", "previous_key": a, "previous_key_id": "a"})
	third := make(map[string]string{"current_key": c, "current_key_id": "c", "previous_key": b, "previous_key_id": "b"})

	sealed, err := first.Encrypt(ctx, []byte("root key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*static{"first": first, "second": second} {
		if opened, err := s.Decrypt(ctx, sealed); err != nil || string(opened) != "root key" {
			t.Errorf("%s: %q, %v", name, opened, err)
		}
	}
	if _, err := third.Decrypt(ctx, sealed); err == nil || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("third: error %v, want one that names the missing key a", err)
	}
	if id, err := second.KeyId(ctx); id != "b" || err != nil {
		t.Errorf("key id of second: %q, %v; want b, by which the core finds out that keys have changed", id, err)
	}
	if kind, _ := second.Type(ctx); kind != "static" {
		t.Errorf("type %q, want static: the core takes aead for Shamir", kind)
	}
}

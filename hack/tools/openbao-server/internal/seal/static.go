// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package seal makes the seal that a configuration describes.
package seal

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
	"github.com/hashicorp/go-kms-wrapping/v2/aead"
)

// keySize is the size of an AES-256 key in bytes.
const keySize = 32

// static is the seal "static" of OpenBao: AES-GCM with a key that the
// configuration names, and with the key before it for what was sealed earlier.
type static struct {
	// The current key encrypts, and its methods are those of the seal.
	*aead.Wrapper
	currentID string
	// previous is nil unless the configuration names a previous key.
	previous   *aead.Wrapper
	previousID string
}

var _ wrapping.Wrapper = (*static)(nil)

// newStatic reads the keys that the settings of a seal "static" name.
func newStatic(ctx context.Context, settings map[string]string) (*static, error) {
	s := &static{currentID: settings["current_key_id"], previousID: settings["previous_key_id"]}
	if s.currentID == "" {
		return nil, errors.New("current_key_id is required")
	}
	var err error
	if s.Wrapper, err = keyWrapper(ctx, "current_key", settings["current_key"], s.currentID); err != nil {
		return nil, err
	}
	if (settings["previous_key"] == "") != (s.previousID == "") {
		return nil, errors.New("previous_key and previous_key_id must be set together")
	}
	if s.previousID == "" {
		return s, nil
	}
	if s.previousID == s.currentID {
		return nil, errors.New("previous_key_id must differ from current_key_id")
	}
	s.previous, err = keyWrapper(ctx, "previous_key", settings["previous_key"], s.previousID)
	return s, err
}

func keyWrapper(ctx context.Context, name, value, id string) (*aead.Wrapper, error) {
	key, err := readKey(value)
	if err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	w := aead.NewWrapper()
	if _, err := w.SetConfig(ctx, wrapping.WithKeyId(id)); err != nil {
		return nil, err
	}
	return w, w.SetAesGcmKeyBytes(key)
}

// readKey returns the key that value names: file://PATH, env://NAME, or the key
// itself. Errors continue a sentence that begins with the setting, and hold
// nothing of the key.
func readKey(value string) ([]byte, error) {
	if path, ok := strings.CutPrefix(value, "file://"); ok {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cannot be read: %w", err)
		}
		value = string(content)
	} else if variable, ok := strings.CutPrefix(value, "env://"); ok {
		if value, ok = os.LookupEnv(variable); !ok {
			return nil, fmt.Errorf("names the environment variable %s, which is not set", variable)
		}
	}
	return decodeKey(value)
}

// decodeKey tells the encodings apart by length, as OpenBao does: 32 raw bytes,
// 64 characters of hexadecimal, or 44 of base64 (43 in its URL form).
func decodeKey(value string) ([]byte, error) {
	var key []byte
	var err error
	switch len(value) {
	case keySize:
		return []byte(value), nil
	case hex.EncodedLen(keySize):
		key, err = hex.DecodeString(value)
	case base64.StdEncoding.EncodedLen(keySize):
		key, err = base64.StdEncoding.DecodeString(value)
	case base64.RawURLEncoding.EncodedLen(keySize):
		key, err = base64.RawURLEncoding.DecodeString(value)
	}
	// A decoder's error quotes what it could not decode.
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("must be %d bytes: raw, in base64 or in hexadecimal, without a line break", keySize)
	}
	return key, nil
}

// Type differs from that of the wrapper inside, which the core takes for Shamir.
func (*static) Type(context.Context) (wrapping.WrapperType, error) {
	return "static", nil
}

// Decrypt uses the key that encrypted in.
func (s *static) Decrypt(ctx context.Context, in *wrapping.BlobInfo, options ...wrapping.Option) ([]byte, error) {
	id := in.GetKeyInfo().GetKeyId()
	switch {
	case id == s.currentID:
		return s.Wrapper.Decrypt(ctx, in, options...)
	case s.previous != nil && id == s.previousID:
		return s.previous.Decrypt(ctx, in, options...)
	default:
		return nil, fmt.Errorf("the storage was sealed with key %q, which the configuration does not name", id)
	}
}

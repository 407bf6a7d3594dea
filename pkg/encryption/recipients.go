// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package encryption

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Methods of encryption, as manifests name them.
const (
	Age = "age"
	PGP = "pgp"
)

// Keys are public keys as people write them. Those of only one method may be there.
type Keys struct {
	// Age are recipients of age.
	Age []string `json:"age,omitempty"`
	// PGP are armored public keys, one in each.
	PGP []string `json:"pgp,omitempty"`
}

// Limits of what is accepted. The keys are an argument of a program.
const (
	maxKeys = 16
	maxSize = 64 << 10
)

// Error says what is wrong with one of the keys. Its text holds no part of the key: what was
// put there by mistake can be a private one.
type Error struct {
	// Method is that of the key, and Index its place among those of the method.
	Method  string
	Index   int
	Problem string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("the key %d of %s %s", e.Index+1, e.Method, e.Problem)
}

// Recipients are who a snapshot is encrypted to. The zero value is nobody.
type Recipients struct {
	age          []age.Recipient
	pgp          []*openpgp.Entity
	fingerprints []string
	now          time.Time
}

// Parse reads the keys, of which there may be none. A key that could not be encrypted to now
// is refused. The error joins an *Error for each one that is wrong.
func Parse(keys Keys, now time.Time) (Recipients, error) {
	r := Recipients{now: now}
	if len(keys.Age) > 0 && len(keys.PGP) > 0 {
		return r, errors.New("there are keys of age and of OpenPGP, and a snapshot can be encrypted in one way only")
	}
	size := 0
	for _, key := range slices.Concat(keys.Age, keys.PGP) {
		size += len(key)
	}
	if len(keys.Age)+len(keys.PGP) > maxKeys || size > maxSize {
		return r, fmt.Errorf("there are %d keys with %d bytes, and at most %d with %d bytes are possible", len(keys.Age)+len(keys.PGP), size, maxKeys, maxSize)
	}
	var errs []error
	for i, key := range keys.Age {
		if err := r.addAge(key); err != nil {
			errs = append(errs, &Error{Method: Age, Index: i, Problem: err.Error()})
		}
	}
	for i, key := range keys.PGP {
		if err := r.addPGP(key); err != nil {
			errs = append(errs, &Error{Method: PGP, Index: i, Problem: err.Error()})
		}
	}
	if len(errs) > 0 {
		return Recipients{}, errors.Join(errs...)
	}
	if r.None() {
		return r, nil
	}
	// What cannot be used together is found by using it.
	w, err := r.Encrypt(io.Discard)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return Recipients{}, fmt.Errorf("nothing can be encrypted to these keys: %w", err)
	}
	return r, nil
}

func (r *Recipients) add(fingerprint string) error {
	if slices.Contains(r.fingerprints, fingerprint) {
		return errors.New("is there twice")
	}
	r.fingerprints = append(r.fingerprints, fingerprint)
	return nil
}

func (r *Recipients) addAge(key string) error {
	key = strings.TrimSpace(key)
	switch {
	case strings.HasPrefix(key, "AGE-SECRET-KEY-"):
		return errors.New("is a private key: only the recipient that age-keygen -y prints belongs here, and the key is to be replaced")
	case !strings.HasPrefix(key, "age1"), strings.ContainsAny(key, " \t\r\n"):
		return errors.New("is no recipient of age, which begins with age1")
	}
	found, err := age.ParseRecipients(strings.NewReader(key))
	if err != nil || len(found) != 1 {
		return errors.New("is no recipient of age: its characters do not fit together, or it is for a plugin")
	}
	r.age = append(r.age, found[0])
	sum := sha256.Sum256([]byte(key))
	return r.add(hex.EncodeToString(sum[:]))
}

func (r *Recipients) addPGP(key string) (err error) {
	// The parser is given what anybody may write.
	defer func() {
		if recover() != nil {
			err = errors.New("cannot be read")
		}
	}()
	block, err := armor.Decode(strings.NewReader(key))
	if err != nil {
		return errors.New("is no armored public key of OpenPGP, as gpg --armor --export prints it")
	}
	switch block.Type {
	case openpgp.PublicKeyType:
	case openpgp.PrivateKeyType:
		return errors.New("is a private key: only the public key that gpg --armor --export prints belongs here, and the key is to be replaced")
	default:
		return errors.New("is no public key of OpenPGP")
	}
	found, err := openpgp.ReadKeyRing(block.Body)
	if err != nil {
		return errors.New("is no public key of OpenPGP that can be read")
	}
	if len(found) != 1 {
		return fmt.Errorf("holds %d keys, and one is expected", len(found))
	}
	entity := found[0]
	if entity.PrivateKey != nil {
		return errors.New("is a private key: only the public key that gpg --armor --export prints belongs here, and the key is to be replaced")
	}
	if _, err := entity.EncryptionKeyWithError(r.now, r.config()); err != nil {
		return fmt.Errorf("cannot be encrypted to, as it has expired, was revoked, is too weak, or is not for encryption: %s", oneLine(err.Error()))
	}
	r.pgp = append(r.pgp, entity)
	return r.add(strings.ToUpper(hex.EncodeToString(entity.PrimaryKey.Fingerprint)))
}

func oneLine(text string) string {
	const limit = 200
	text = strings.Map(func(c rune) rune {
		if c < 0x20 || c > 0x7e {
			return ' '
		}
		return c
	}, text)
	return text[:min(len(text), limit)]
}

// None reports whether there are no recipients.
func (r Recipients) None() bool { return len(r.fingerprints) == 0 }

// Method is Age or PGP, and empty for none.
func (r Recipients) Method() string {
	switch {
	case len(r.age) > 0:
		return Age
	case len(r.pgp) > 0:
		return PGP
	}
	return ""
}

// Fingerprints identify the recipients: those of OpenPGP as gpg shows them, and for age the
// SHA-256 of the recipient, in hexadecimal.
func (r Recipients) Fingerprints() []string { return slices.Clone(r.fingerprints) }

// ContentType is the type of what Encrypt writes.
func (r Recipients) ContentType() string {
	if r.Method() == PGP {
		return "application/pgp-encrypted"
	}
	return "application/age-encryption"
}

// Encrypt returns a writer whose contents arrive at w encrypted. What arrived is whole once
// its Close returns no error. It does not close w.
func (r Recipients) Encrypt(w io.Writer) (io.WriteCloser, error) {
	switch r.Method() {
	case Age:
		return age.Encrypt(w, r.age...)
	case PGP:
		return openpgp.Encrypt(w, r.pgp, nil, nil, &openpgp.FileHints{IsUTF8: false, ModTime: r.now}, r.config())
	}
	return nil, errors.New("there is nobody to encrypt to")
}

// config is what keys are chosen by. What a server sends is compressed already.
func (r Recipients) config() *packet.Config {
	return &packet.Config{
		Time: func() time.Time { return r.now }, DefaultCipher: packet.CipherAES256, DefaultCompressionAlgo: packet.CompressionNone,
	}
}

// armored reports whether data begins as something of OpenPGP in text form.
func armored(data []byte) bool { return bytes.Contains(data, []byte("-----BEGIN PGP ")) }

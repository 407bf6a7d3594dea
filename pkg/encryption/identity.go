// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package encryption

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// ErrNoKey means that no key of an identity is one that the object was encrypted to.
var ErrNoKey = errors.New("the object was encrypted to other keys than those of the identity")

// Identity holds private keys. It prints as nothing.
type Identity struct {
	age []age.Identity
	pgp openpgp.EntityList
}

// Format hides the keys, however they are printed.
func (Identity) Format(state fmt.State, _ rune) {
	// The state reports write errors itself.
	_, _ = state.Write([]byte("[redacted]"))
}

// ReadIdentity reads a file of identities as age-keygen writes it, or armored private keys
// as gpg --armor --export-secret-keys writes them. The passphrase is for the latter, empty
// where they have none. No error holds a part of the file.
func ReadIdentity(file, passphrase []byte) (id Identity, err error) {
	if !armored(file) {
		// The errors of age about identities hold no part of them, but say little either.
		if id.age, err = age.ParseIdentities(bytes.NewReader(file)); err != nil {
			return Identity{}, errors.New("the identity is neither a file of age-keygen nor an armored private key of OpenPGP")
		}
		return id, nil
	}
	defer func() {
		if recover() != nil {
			id, err = Identity{}, errors.New("the private key of OpenPGP cannot be read")
		}
	}()
	if id.pgp, err = openpgp.ReadArmoredKeyRing(bytes.NewReader(file)); err != nil {
		return Identity{}, errors.New("the private key of OpenPGP cannot be read")
	}
	for _, entity := range id.pgp {
		if entity.PrivateKey == nil {
			return Identity{}, errors.New("the identity holds a public key, and a private one is needed (gpg --armor --export-secret-keys)")
		}
		if err := entity.DecryptPrivateKeys(passphrase); err != nil {
			return Identity{}, errors.New("the passphrase does not open the private key of OpenPGP")
		}
	}
	return id, nil
}

// Method is what the keys of the identity are for, Age or PGP.
func (id Identity) Method() string {
	if len(id.pgp) > 0 {
		return PGP
	}
	return Age
}

// Decrypt returns a reader of what was encrypted. It counts once it was read to its end
// without an error: what is missing or was changed may be noticed only there. An object for
// others is ErrNoKey.
func (id Identity) Decrypt(r io.Reader) (io.Reader, error) {
	if len(id.pgp) == 0 {
		plain, err := age.Decrypt(r, id.age...)
		var other *age.NoIdentityMatchError
		if errors.As(err, &other) {
			return nil, ErrNoKey
		}
		if err != nil {
			return nil, fmt.Errorf("the object is not encrypted with age, or damaged: %w", err)
		}
		return plain, nil
	}
	message, err := openpgp.ReadMessage(r, id.pgp, nil, &packet.Config{})
	switch {
	case errors.Is(err, pgperrors.ErrKeyIncorrect):
		return nil, ErrNoKey
	case err != nil:
		return nil, fmt.Errorf("the object is not encrypted with OpenPGP, or damaged: %w", err)
	case !message.IsEncrypted:
		return nil, errors.New("the object is not encrypted")
	}
	return message.UnverifiedBody, nil
}

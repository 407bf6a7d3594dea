// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package encryption

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func ageKey(t *testing.T) (public, identity string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id.Recipient().String(), "# created by a test\n" + id.String() + "\n"
}

func hybridKey(t *testing.T) (public, identity string) {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id.Recipient().String(), id.String()
}

func pgpKey(t *testing.T, passphrase string, config packet.Config) (public, private string) {
	t.Helper()
	entity, err := openpgp.NewEntity("a", "", "a@example.com", &config)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, write func(io.Writer) error) string {
		var out bytes.Buffer
		w, err := armor.Encode(&out, kind, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(write(w), w.Close()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	public = encode(openpgp.PublicKeyType, entity.Serialize)
	if passphrase != "" {
		if err := entity.EncryptPrivateKeys([]byte(passphrase), nil); err != nil {
			t.Fatal(err)
		}
	}
	private = encode(openpgp.PrivateKeyType, func(w io.Writer) error { return entity.SerializePrivateWithoutSigning(w, nil) })
	return public, private
}

func encrypt(t *testing.T, r Recipients, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := r.Encrypt(&out)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(data)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func decrypt(id Identity, data []byte) ([]byte, error) {
	r, err := id.Decrypt(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestEveryRecipientDecrypts(t *testing.T) {
	a1, i1 := ageKey(t)
	a2, i2 := ageKey(t)
	h1, hi1 := hybridKey(t)
	p1, s1 := pgpKey(t, "", packet.Config{})
	p2, s2 := pgpKey(t, "secret", packet.Config{RSABits: 2048, Algorithm: packet.PubKeyAlgoRSA})
	p3, s3 := pgpKey(t, "", packet.Config{V6Keys: true, Algorithm: packet.PubKeyAlgoEd25519, AEADConfig: &packet.AEADConfig{}})
	_, other := ageKey(t)
	_, otherPGP := pgpKey(t, "", packet.Config{})
	data := bytes.Repeat([]byte("a snapshot "), 20_000)
	for name, test := range map[string]struct {
		keys       Keys
		method     string
		identities []string
		other      string
	}{
		"age":        {Keys{Age: []string{a1, " " + a2 + "\n"}}, Age, []string{i1, i2, i1 + i2}, other},
		"age hybrid": {Keys{Age: []string{h1}}, Age, []string{hi1}, other},
		"pgp":        {Keys{PGP: []string{p1, p2}}, PGP, []string{s1, s2}, otherPGP},
		"pgp 6":      {Keys{PGP: []string{p3}}, PGP, []string{s3}, otherPGP},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Parse(test.keys, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if r.Method() != test.method || r.None() || len(r.Fingerprints()) != len(test.keys.Age)+len(test.keys.PGP) {
				t.Errorf("%s, %v", r.Method(), r.Fingerprints())
			}
			sealed := encrypt(t, r, data)
			if bytes.Contains(sealed, data[:20]) {
				t.Fatal("it is not encrypted")
			}
			for _, file := range test.identities {
				id, err := ReadIdentity([]byte(file), []byte("secret"))
				if err != nil {
					t.Fatal(err)
				}
				if got, err := decrypt(id, sealed); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if text := fmt.Sprintf("%v %+v %s", id, id, id); strings.TrimSpace(strings.ReplaceAll(text, "[redacted]", "")) != "" || id.Method() != test.method {
					t.Errorf("printed %q, method %s", text, id.Method())
				}
				// A byte that was changed, and an end that is missing, are noticed at the latest
				// at the end.
				random := rand.New(rand.NewPCG(1, 2))
				for range 50 {
					broken := bytes.Clone(sealed)
					broken[random.IntN(len(broken))] ^= 1 << random.IntN(8)
					if got, err := decrypt(id, broken); err == nil && !bytes.Equal(got, data) {
						t.Error("a change was not noticed")
					}
					if _, err := decrypt(id, sealed[:random.IntN(len(sealed))]); err == nil {
						t.Error("a missing end was not noticed")
					}
				}
			}
			id, err := ReadIdentity([]byte(test.other), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := decrypt(id, sealed); !errors.Is(err, ErrNoKey) {
				t.Errorf("with another key: %v", err)
			}
		})
	}
	if r, err := Parse(Keys{}, time.Now()); err != nil || !r.None() || r.Method() != "" {
		t.Errorf("nobody: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	a1, i1 := ageKey(t)
	h1, _ := hybridKey(t)
	p1, s1 := pgpKey(t, "", packet.Config{})
	past := func() time.Time { return time.Now().Add(-48 * time.Hour) }
	expired, _ := pgpKey(t, "", packet.Config{Time: past, KeyLifetimeSecs: 3600})
	weak, _ := pgpKey(t, "", packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 1024})
	message := strings.ReplaceAll(p1, "PUBLIC KEY BLOCK", "MESSAGE")
	for name, test := range map[string]struct {
		keys Keys
		says string
	}{
		"both":                  {Keys{Age: []string{a1}, PGP: []string{p1}}, "one way only"},
		"an age identity":       {Keys{Age: []string{a1, strings.Fields(i1)[len(strings.Fields(i1))-1]}}, "key 2 of age is a private key"},
		"two in one":            {Keys{Age: []string{a1 + "\n" + a1}}, "no recipient"},
		"a typo":                {Keys{Age: []string{a1[:len(a1)-1] + "b"}}, "do not fit"},
		"a plugin":              {Keys{Age: []string{"age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t"}}, "plugin"},
		"an SSH key":            {Keys{Age: []string{"ssh-ed25519 AAAA"}}, "no recipient"},
		"nothing":               {Keys{Age: []string{""}}, "no recipient"},
		"twice":                 {Keys{Age: []string{a1, a1 + " "}}, "twice"},
		"classic and hybrid":    {Keys{Age: []string{a1, h1}}, "nothing can be encrypted"},
		"too many":              {Keys{Age: make([]string, 17)}, "at most 16"},
		"too large":             {Keys{PGP: []string{strings.Repeat("x", maxSize+1)}}, "at most"},
		"a private PGP key":     {Keys{PGP: []string{s1}}, "key 1 of pgp is a private key"},
		"one that says nothing": {Keys{PGP: []string{strings.ReplaceAll(s1, "PRIVATE", "PUBLIC")}}, "is a private key"},
		"no armor":              {Keys{PGP: []string{"hello"}}, "no armored"},
		"a message":             {Keys{PGP: []string{message}}, "no public key"},
		"a cut key":             {Keys{PGP: []string{p1[:200]}}, "of pgp"},
		"expired":               {Keys{PGP: []string{expired}}, "expired"},
		"weak":                  {Keys{PGP: []string{weak}}, "weak"},
		"PGP twice":             {Keys{PGP: []string{p1, p1}}, "twice"},
	} {
		_, err := Parse(test.keys, time.Now())
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want one that says %q", name, err, test.says)
			continue
		}
		for _, key := range append(test.keys.Age, test.keys.PGP...) {
			if len(key) > 30 && strings.Contains(err.Error(), key[20:30]) {
				t.Errorf("%s: the error holds the key: %v", name, err)
			}
		}
	}
}

func TestReadIdentityRefuses(t *testing.T) {
	p, _ := pgpKey(t, "", packet.Config{})
	_, locked := pgpKey(t, "secret", packet.Config{})
	for name, test := range map[string]struct{ file, passphrase, says string }{
		"nothing":          {"", "", "neither"},
		"anything":         {"AGE-SECRET-KEY-1NO", "", "neither"},
		"a public key":     {p, "", "public key"},
		"locked":           {locked, "wrong", "passphrase"},
		"half of one":      {locked[:100], "secret", "cannot be read"},
		"an age recipient": {"age1xyz", "", "neither"},
	} {
		if _, err := ReadIdentity([]byte(test.file), []byte(test.passphrase)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	id, err := ReadIdentity([]byte(locked), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decrypt(id, []byte("not encrypted")); err == nil || errors.Is(err, ErrNoKey) {
		t.Errorf("what is not encrypted: %v", err)
	}
}

// What encrypts takes no more memory for more data.
func TestMemoryIsConstant(t *testing.T) {
	a, i := ageKey(t)
	p, s := pgpKey(t, "", packet.Config{})
	for _, test := range []struct {
		keys     Keys
		identity string
	}{{Keys{Age: []string{a}}, i}, {Keys{PGP: []string{p}}, s}} {
		r, err := Parse(test.keys, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		id, err := ReadIdentity([]byte(test.identity), nil)
		if err != nil {
			t.Fatal(err)
		}
		const size = 96 << 20
		var peak uint64
		watch := func() {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
		watch()
		before := peak
		from, to := io.Pipe()
		want := make(chan [32]byte, 1)
		go func() {
			sum := sha256.New()
			w, err := r.Encrypt(to)
			if err == nil {
				_, err = io.Copy(io.MultiWriter(w, sum), io.LimitReader(rand.NewChaCha8([32]byte{}), size))
				err = errors.Join(err, w.Close())
			}
			_ = to.CloseWithError(err)
			want <- [32]byte(sum.Sum(nil))
		}()
		plain, err := id.Decrypt(from)
		if err != nil {
			t.Fatal(err)
		}
		got, n := sha256.New(), int64(0)
		for {
			step, err := io.CopyN(got, plain, 16<<20)
			n += step
			watch()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if n != size || [32]byte(got.Sum(nil)) != <-want {
			t.Errorf("%d bytes of %d, or others", n, size)
		}
		if peak > before+(4<<20) {
			t.Errorf("%s: %d bytes before, %d at the most", r.Method(), before, peak)
		}
	}
}

// The operator imports this package, and gets nothing of a network with it.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dependency := range strings.SplitSeq(string(out), "\n") {
		for _, unwanted := range []string{"net", "net/http", "os/exec", "k8s.io/", "gocloud.dev"} {
			if dependency == unwanted || strings.HasSuffix(unwanted, "/") && strings.HasPrefix(dependency, unwanted) {
				t.Errorf("it depends on %s", dependency)
			}
		}
	}
}

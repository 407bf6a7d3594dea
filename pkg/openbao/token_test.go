// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"k8s.io/klog/v2/ktesting"
)

// otherCA returns a CA that has signed nothing.
func otherCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestTokenIsNeverPrinted(t *testing.T) {
	token := NewToken(secret)
	type holder struct {
		Exported   Token
		unexported Token
		list       []Token
		nested     *Token
	}
	h := holder{token, token, []Token{token}, &token}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{token, &token, h, &h, map[string]any{"t": token}} {
			if out := fmt.Sprintf(verb, value); strings.Contains(out, secret) || strings.Contains(out, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s prints the token: %s", verb, out)
			}
		}
	}
	data, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), secret) || !strings.Contains(string(data), "redacted") {
		t.Errorf("encoded as %s", data)
	}
	config := ktesting.NewConfig(ktesting.BufferLogs(true))
	logger := ktesting.NewLogger(ktesting.NopTL{}, config)
	logger.Info("Holding", "token", token, "holder", h)
	if out := logger.GetSink().(ktesting.Underlier).GetBuffer().String(); strings.Contains(out, secret) || out == "" {
		t.Errorf("logged as %q", out)
	}
}

func TestZeroToken(t *testing.T) {
	if !NewToken("").IsZero() || NewToken("x").IsZero() {
		t.Error("IsZero does not tell a token from none")
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"runtime/debug"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// rootsModule holds the certificates that the operator trusts public servers by:
// those of Mozilla's programme, as the Go project publishes them.
//
// They become a file of the image instead of a part of the operator, which so trusts
// what its machine trusts, as any program does: a company's own authorities are
// mounted over the file, and the file is what scanners look at.
const rootsModule = "golang.org/x/crypto/x509roots/fallback"

// roots returns the certificates in PEM. A root that is trusted under conditions
// only is left out, since a file can't tell them.
func roots() ([]byte, error) {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	if out.Len() == 0 {
		return nil, fmt.Errorf("%s holds no certificates", rootsModule)
	}
	return out.Bytes(), nil
}

// rootsFrom returns the module that this program has the certificates from.
func rootsFrom() (*debug.Module, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("this program does not say which modules it was built from")
	}
	for _, m := range info.Deps {
		if m.Path == rootsModule {
			return m, nil
		}
	}
	return nil, fmt.Errorf("this program was built without %s", rootsModule)
}

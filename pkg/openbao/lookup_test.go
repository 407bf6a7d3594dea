// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"testing"
	"time"
)

// The answers are those of OpenBao 2.6.2.
func TestLookupSelf(t *testing.T) {
	for name, tc := range map[string]struct {
		data          string
		root, expires bool
		class         Class
	}{
		"root":                {`"policies":["root"],"ttl":0,"creation_ttl":0,"expire_time":null,"type":"service","explicit_max_ttl":0`, true, false, ""},
		"root with a ttl":     {`"policies":["root"],"ttl":599,"type":"service","explicit_max_ttl":0,"renewable":true`, true, true, ""},
		"short":               {`"policies":["default","bailiwick-admin"],"ttl":599,"type":"service","explicit_max_ttl":0,"renewable":true`, false, true, ""},
		"periodic":            {`"policies":["default"],"ttl":599,"period":600,"type":"service","explicit_max_ttl":0,"renewable":true`, false, false, ""},
		"periodic with a max": {`"policies":["default"],"ttl":599,"period":600,"type":"service","explicit_max_ttl":900`, false, true, ""},
		"batch":               {`"policies":["default"],"ttl":599,"type":"batch","accessor":"","renewable":false`, false, true, ""},
		"used up":             {`"policies":["default"],"ttl":599,"type":"service","num_uses":-1`, false, true, ""},
		"no ttl":              {`"policies":["default"],"type":"service"`, false, false, Unknown},
		"odd ttl":             {`"policies":["default"],"ttl":"599","type":"service"`, false, false, Unknown},
		"no policies":         {`"ttl":599,"type":"service"`, false, false, Unknown},
		"no type":             {`"policies":["default"],"ttl":599`, false, false, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			info, err := start(t, answer(200, `{"data":{`+tc.data+`}}`)).LookupSelf(t.Context())
			if ClassOf(err) != tc.class {
				t.Fatalf("got %v, want class %q", err, tc.class)
			}
			if err == nil && (info.IsRoot() != tc.root || info.Expires() != tc.expires) {
				t.Errorf("got %+v, root %t, expires %t", info, info.IsRoot(), info.Expires())
			}
			if err == nil && info.TTL != 0 && info.TTL != 599*time.Second {
				t.Errorf("got a ttl of %s", info.TTL)
			}
		})
	}
}

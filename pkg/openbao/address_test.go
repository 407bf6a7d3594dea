// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestCanonicalAddress(t *testing.T) {
	for address, want := range map[string]string{
		"https://bao.example:8200":          "https://bao.example:8200",
		"HTTPS://Bao.Example:8200/":         "https://bao.example:8200",
		"https://bao.example":               "https://bao.example:443",
		"https://bao.example:":              "https://bao.example:443",
		"https://bao.example:08200":         "https://bao.example:8200",
		"https://bao.example.":              "https://bao.example.:443",
		"https://[2001:DB8:0::1]:8200":      "https://[2001:db8::1]:8200",
		"https://10.0.0.1:8200//":           "https://10.0.0.1:8200",
		"http://bao.example":                "",
		"bao.example:8200":                  "",
		"https://":                          "",
		"https://:8200":                     "",
		"https://bao.example:0":             "",
		"https://bao.example:99999":         "",
		"https://u:p@bao.example":           "",
		"https://bao.example/v1":            "",
		"https://bao.example?":              "",
		"https://bao.example?x=y":           "",
		"https://bao.example#x":             "",
		"https://[fe80::1%25eth0]:8200":     "",
		"https://bao.example:8200, https:/": "",
		"https://bao$(id).example:8200":     "",
		"https://bao;id:8200":               "",
		"https://bao'x:8200":                "",
		"https://bao|x":                     "",
		"https://-bao.example":              "",
		"https://bao..example":              "",
		"https://under_score.example":       "https://under_score.example:443",
		"https://b%61o.example":             "",
		"https://bao.ex\u0430mple":          "",
		"":                                  "",
	} {
		got, err := CanonicalAddress(address)
		if got != want || (err != nil) != (want == "") || (err != nil && !errors.Is(err, ErrAddress)) {
			t.Errorf("%q is %q, %v, want %q", address, got, err, want)
		}
	}
}

func TestLocalAddressesAreRefused(t *testing.T) {
	for _, host := range []string{
		"127.0.0.1", "127.8.9.1", "localhost", "LocalHost.", "x.localhost", "[::1]", "[::]", "0.0.0.0", "0.1.2.3", "169.254.169.254",
		"[fe80::1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]", "224.0.0.1", "[ff02::1]",
	} {
		_, err := New(Options{Address: "https://" + host + ":8200", CABundle: otherCA(t)})
		if !errors.Is(err, ErrLocalAddress) {
			t.Errorf("%s: got %v", host, err)
		}
		if _, err := New(Options{Address: "https://" + host + ":8200", CABundle: otherCA(t), AllowLocal: true}); err != nil {
			t.Errorf("%s: refused although it is allowed: %v", host, err)
		}
	}
	for _, host := range []string{"10.0.0.1", "192.168.1.1", "[2001:db8::1]", "[fd00::1]", "bao.example", "localhost.example", "notlocalhost"} {
		if _, err := New(Options{Address: "https://" + host, CABundle: otherCA(t)}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// A name is judged by what it leads to, when it is dialled.
func TestNamesOfLocalAddressesAreRefused(t *testing.T) {
	reached := false
	server := startRaw(t, func(http.ResponseWriter, *http.Request) { reached = true })
	opts := server.opts
	opts.AllowLocal = false
	// What a resolver makes of these is not known to New.
	for _, host := range []string{"2130706433", "0x7f.1", "127.1", "localhost4", "ip6-localhost"} {
		opts.Address = "https://" + host + server.opts.Address[strings.LastIndex(server.opts.Address, ":"):]
		client, err := New(opts)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		_, err = client.Health(t.Context())
		if class := ClassOf(err); class != LocalAddress && class != Unavailable {
			t.Errorf("%s: got class %q of %v", host, class, err)
		}
		client.Close()
	}
	for _, dialled := range []string{"127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "169.254.169.254:80", "[fe80::1%lo]:1", "0.0.0.0:1", "[::]:1"} {
		if err := refuseLocal("tcp", dialled, nil); !errors.Is(err, ErrLocalAddress) {
			t.Errorf("dialled %s: got %v", dialled, err)
		}
	}
	if err := refuseLocal("tcp", "10.1.2.3:8200", nil); err != nil {
		t.Errorf("an address of elsewhere: %v", err)
	}
	if reached {
		t.Error("the server was reached")
	}
}

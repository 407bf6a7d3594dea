// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig_test

import (
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"2.4.0": "2.4.0", "v2.5.0": "2.5.0", "2.6.2-hsm": "2.6.2", "2.5.0-beta20251125": "2.5.0", "2.6.2+build.7": "2.6.2", "3.0.0": "3.0.0",
	} {
		v, err := serverconfig.ParseVersion(text)
		if err != nil || v.String() != want {
			t.Errorf("%s is read as %s, %v; want %s", text, v, err, want)
		}
	}
	for text, want := range map[string]string{
		"":          `"" is not a version of OpenBao; set a full one, such as 2.6.2`,
		"2.6":       `"2.6" is not a version of OpenBao; set a full one, such as 2.6.2`,
		"latest":    `"latest" is not a version of OpenBao; set a full one, such as 2.6.2`,
		" 2.6.2":    `" 2.6.2" is not a version of OpenBao; set a full one, such as 2.6.2`,
		"2.6.2\n":   `"2.6.2\n" is not a version of OpenBao; set a full one, such as 2.6.2`,
		"2.3.2":     `Bailiwick runs OpenBao 2.4.0 and later, not 2.3.2; set a later version`,
		"1.14.9":    `Bailiwick runs OpenBao 2.4.0 and later, not 1.14.9; set a later version`,
		"2.4.0.1":   "",
		"2.06.2":    "",
		"2.6.2_hsm": "",
	} {
		_, err := serverconfig.ParseVersion(text)
		if err == nil || (want != "" && err.Error() != want) {
			t.Errorf("%q: got the error %v, want %s", text, err, want)
		}
	}
}

// TestSupports is the table of versions, written down a second time.
func TestSupports(t *testing.T) {
	const (
		revokes = 1 << iota
		marker
		plugins
		kms
		metricsListener
		httpAudit
		reload
		builtIn
	)
	features := map[serverconfig.Feature]int{
		serverconfig.SelfInitRevokesRoot: revokes, serverconfig.SelfInitMarker: marker, serverconfig.DeclarativePlugins: plugins,
		serverconfig.KMSPlugins: kms, serverconfig.MetricsListener: metricsListener, serverconfig.HTTPAudit: httpAudit,
		serverconfig.TLSAutoReload: reload, serverconfig.BuiltInProviderSeals: builtIn,
	}
	for text, want := range map[string]int{
		"2.4.0":              builtIn,
		"2.4.4":              builtIn,
		"2.5.0":              builtIn | plugins | metricsListener | httpAudit,
		"2.5.0-beta20251125": builtIn | plugins | metricsListener | httpAudit,
		"2.5.2":              builtIn | plugins | metricsListener | httpAudit,
		"2.5.3":              builtIn | plugins | metricsListener | httpAudit | marker,
		"2.6.0":              builtIn | plugins | metricsListener | httpAudit | marker | revokes | kms,
		"2.6.2-hsm":          builtIn | plugins | metricsListener | httpAudit | marker | revokes | kms,
		"2.7.0":              plugins | metricsListener | httpAudit | marker | revokes | kms | reload,
		"3.1.0":              plugins | metricsListener | httpAudit | marker | revokes | kms | reload,
	} {
		v, err := serverconfig.ParseVersion(text)
		if err != nil {
			t.Fatal(err)
		}
		for f, bit := range features {
			if got := v.Supports(f); got != (want&bit != 0) {
				t.Errorf("%s supports feature %d: %t", text, f, got)
			}
		}
	}
	if (serverconfig.Version{}).Supports(serverconfig.BuiltInProviderSeals) {
		t.Error("no version supports something")
	}
}

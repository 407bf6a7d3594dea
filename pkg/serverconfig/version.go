// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
)

// minVersion is the oldest version that Bailiwick runs.
const minVersion = "2.4.0"

// Version is a version of OpenBao. The zero value supports no feature.
type Version struct {
	number *version.Version
	hsm    bool
}

// ParseVersion reads a version as spec.version has it: three numbers, optionally
// after a v and before a suffix, such as 2.6.2, v2.5.0 or 2.6.2-hsm. The error says
// what is wrong with it.
func ParseVersion(s string) (Version, error) {
	number, err := version.ParseSemantic(s)
	if err != nil || strings.TrimSpace(s) != s {
		return Version{}, fmt.Errorf("%q is not a version of OpenBao; set a full one, such as 2.6.2", s)
	}
	// A pre-release behaves as its release does, and a suffix such as -hsm is not a
	// pre-release at all.
	hsm := strings.Contains(number.PreRelease()+number.BuildMetadata(), "hsm")
	number = version.MustParseSemantic(fmt.Sprintf("%d.%d.%d", number.Major(), number.Minor(), number.Patch()))
	if number.LessThan(version.MustParseSemantic(minVersion)) {
		return Version{}, fmt.Errorf("Bailiwick runs OpenBao %s and later, not %s; set a later version", minVersion, s) //nolint:staticcheck // A name begins it.
	}
	return Version{number: number, hsm: hsm}, nil
}

// String returns the three numbers.
func (v Version) String() string {
	if v.number == nil {
		return ""
	}
	return v.number.String()
}

// Before reports whether v is an earlier version than other.
func (v Version) Before(other Version) bool { return v.number.LessThan(other.number) }

// Feature is a behaviour of OpenBao that not every supported version has.
type Feature int

const (
	// SelfInitRevokesRoot revokes the root token of a self-initialization.
	SelfInitRevokesRoot Feature = iota
	// SelfInitMarker refuses to start a server whose self-initialization has failed.
	SelfInitMarker
	// DeclarativePlugins downloads and registers plugins of the configuration.
	DeclarativePlugins
	// KMSPlugins are seals from plugins of the type kms. A plugin takes precedence
	// over a built-in seal of the same name.
	KMSPlugins
	// MetricsListener is a listener that serves metrics only.
	MetricsListener
	// HTTPAudit is the audit device of the type http.
	HTTPAudit
	// TLSAutoReload reloads a certificate whose file has changed.
	TLSAutoReload
	// BuiltInProviderSeals are the seals awskms, azurekeyvault, gcpckms, ocikms and
	// pkcs11 without a plugin.
	BuiltInProviderSeals
)

// availability says which versions have a feature: those from since on, before
// until. Empty is without limit.
type availability struct{ since, until string }

// available is the table of what differs between versions, from OpenBao's
// changelog and source.
func (f Feature) available() availability {
	switch f {
	case SelfInitRevokesRoot:
		return availability{since: "2.6.0"}
	case SelfInitMarker:
		return availability{since: "2.5.3"}
	case DeclarativePlugins:
		return availability{since: "2.5.0"}
	case KMSPlugins:
		return availability{since: "2.6.0"}
	case MetricsListener:
		return availability{since: "2.5.0"}
	case HTTPAudit:
		return availability{since: "2.5.0"}
	case TLSAutoReload:
		return availability{since: "2.7.0"}
	case BuiltInProviderSeals:
		return availability{until: "2.7.0"}
	}
	panic(fmt.Sprintf("feature %d is not in the table", f))
}

// Supports reports whether servers of the version have the feature.
func (v Version) Supports(f Feature) bool {
	if v.number == nil {
		return false
	}
	a := f.available()
	return (a.since == "" || v.number.AtLeast(version.MustParseSemantic(a.since))) &&
		(a.until == "" || v.number.LessThan(version.MustParseSemantic(a.until)))
}

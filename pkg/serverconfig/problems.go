// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// problems collects the mistakes in a spec, so that they are reported together.
type problems []error

// add records a mistake. The text says what to do, and holds no credential.
func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, &authz.SpecError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

func (p *problems) err() error { return errors.Join(*p...) }

// required records a field that is empty.
func (p *problems) required(field, value string) {
	if value == "" {
		p.add(field, "it is required; set it")
	}
}

// duration records a text that OpenBao does not read as a duration, or one below the
// minimum. It returns the duration, 0 for an empty text.
func (p *problems) duration(field, text string, minimum time.Duration) time.Duration {
	if text == "" {
		return 0
	}
	d, err := parseDuration(text)
	switch {
	case err != nil:
		p.add(field, "%q is not a duration; write 90s, 12h or 30d for example", text)
	case d < minimum && minimum == 0:
		p.add(field, "%s is negative; set a positive duration", text)
	case d < minimum:
		p.add(field, "%s is too short; set at least %s", text, shortDuration(minimum))
	default:
		return d
	}
	return 0
}

// goDuration is duration for a text that Go alone reads: without a unit, or in days,
// it is a mistake.
func (p *problems) goDuration(field, text string) {
	if text == "" {
		return
	}
	if d, err := time.ParseDuration(text); err != nil || d < 0 {
		p.add(field, "%q is not a positive duration with a unit; write 10s or 5m for example", text)
	}
}

// parseDuration reads a duration as OpenBao does
// (github.com/hashicorp/go-secure-stdlib/parseutil): seconds, days, or the form of
// Go.
func parseDuration(text string) (time.Duration, error) {
	digits, unit := text, time.Second
	if days, ok := strings.CutSuffix(text, "d"); ok {
		digits, unit = days, 24*time.Hour
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		d := time.Duration(n) * unit
		if d/unit != time.Duration(n) {
			return 0, errors.New("the duration is too long")
		}
		return d, nil
	}
	return time.ParseDuration(text)
}

// shortDuration spells a duration without zeros at its end.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// octal records a text that is not the permissions of a file.
func (p *problems) octal(field, text string) {
	if text == "" {
		return
	}
	if n, err := strconv.ParseUint(text, 8, 32); err != nil || n > 0o7777 {
		p.add(field, "%q are not permissions in octal digits; write 0600 for example", text)
	}
}

// absolute reports whether a file is named by its full path, and records it if not.
func (p *problems) absolute(field, file string) bool {
	if !path.IsAbs(file) || path.Clean(file) != file {
		p.add(field, "%q is not the full path of a file; begin it with a slash, without . and .. in it", file)
		return false
	}
	return true
}

// writable records a file that a server cannot write: its file system is read-only
// apart from its volume and the temporary folder.
func (p *problems) writable(field, file string) {
	if file == "" || !p.absolute(field, file) {
		return
	}
	if !below(file, DataDir) && !below(file, tempDir) {
		p.add(field, "the servers' file system is read-only; choose a file in %s or %s, not %s", DataDir, tempDir, file)
	}
}

func below(file, dir string) bool { return strings.HasPrefix(file, dir+"/") }

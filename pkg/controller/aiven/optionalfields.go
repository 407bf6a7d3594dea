// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// optionalField is a field that a spec may leave out, compared with the remote.
// Leaving it out means that it is not the operator's business, unless the spec had
// it before: then it goes back to its default, or stays and is reported, where
// Aiven has no way to reset it.
type optionalField struct {
	// name is that of the spec: tags.
	name string
	// named is true if the spec has the field, be it empty.
	named bool
	// equal is true if the remote has the value of the spec or, where the spec has
	// none, the default.
	equal bool
	// kept is what to tell of a field that left the spec and that Aiven can't reset;
	// empty for all others.
	kept string
}

// optionalFields is what a comparison of such fields found.
type optionalFields struct {
	differs []string
	// kept are the fields that left the spec and keep their value, which notes tell a
	// person.
	kept, notes []string
	// given is what there is to remember once the remote has accepted the spec.
	given []string
	// resets are the fields that left the spec and go back to their default.
	resets []string
}

// compareOptional compares fields. given are the names of those that the remote
// was given before.
func compareOptional(given []string, fields ...optionalField) optionalFields {
	var out optionalFields
	for _, f := range fields {
		switch {
		case f.named:
			out.given = append(out.given, f.name)
			if !f.equal {
				out.differs = append(out.differs, f.name)
			}
		case !slices.Contains(given, f.name):
		case f.kept != "":
			out.given = append(out.given, f.name)
			out.kept = append(out.kept, f.name)
			out.notes = append(out.notes, f.kept)
		case !f.equal:
			out.differs = append(out.differs, f.name)
			out.resets = append(out.resets, f.name)
		}
	}
	slices.Sort(out.given)
	return out
}

// keptNote says that a field left the spec and has the same effect as before. There
// is nothing to tell where Aiven shows no value.
func keptNote(name, value string) string {
	if value == "" {
		return ""
	}
	return fmt.Sprintf("spec.%s was removed and keeps its value at Aiven, %s, for which there is no reset: set it to what it should be.", name, value)
}

// sends reports whether an update has to carry a field: one that the spec has, or
// that is reset.
func (f optionalFields) sends(name string) bool {
	return slices.Contains(f.resets, name) || slices.Contains(f.given, name) && !slices.Contains(f.kept, name)
}

// shownValue is a value of Aiven's in a text.
func shownValue(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

// rememberGiven notes that a remote has, or was given, all that the spec says. Nothing
// is given for an object that is only observed.
func rememberGiven(obj metav1.Object, status *v1alpha1.SettingsStatus, fields optionalFields) {
	if !reconcile.Observed(obj) {
		status.Settings = fields.given
	}
}

// setGiven notes that a remote was given a field, or has it back at its default,
// before anything else of the spec was accepted.
func (f optionalFields) setGiven(given *[]string, name string) {
	out := slices.DeleteFunc(slices.Clone(*given), func(s string) bool { return s == name })
	if slices.Contains(f.given, name) {
		out = append(out, name)
	}
	slices.Sort(out)
	*given = out
}

// joinNotes makes one text of notes, some of which may be empty.
func joinNotes(notes ...string) string {
	notes = slices.DeleteFunc(notes, func(s string) bool { return s == "" })
	return strings.Join(notes, " ")
}

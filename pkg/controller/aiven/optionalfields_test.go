// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"reflect"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

func TestCompareOptional(t *testing.T) {
	f := func(named, equal bool, kept string) optionalField {
		return optionalField{name: "f", named: named, equal: equal, kept: kept}
	}
	for name, tc := range map[string]struct {
		given []string
		field optionalField
		want  optionalFields
		sends bool
	}{
		"never named":                    {nil, f(false, false, ""), optionalFields{}, false},
		"never named and can't be reset": {nil, f(false, false, "kept"), optionalFields{}, false},
		"named and equal":                {nil, f(true, true, "kept"), optionalFields{given: []string{"f"}}, true},
		"named and different":            {nil, f(true, false, "kept"), optionalFields{differs: []string{"f"}, given: []string{"f"}}, true},
		"left the spec":                  {[]string{"f"}, f(false, false, ""), optionalFields{differs: []string{"f"}, resets: []string{"f"}}, true},
		"left the spec, at its default":  {[]string{"f"}, f(false, true, ""), optionalFields{}, false},
		"left the spec and stays": {
			[]string{"f"}, f(false, false, "kept"), optionalFields{kept: []string{"f"}, notes: []string{"kept"}, given: []string{"f"}}, false,
		},
		"another one was given": {[]string{"g"}, f(false, false, ""), optionalFields{}, false},
	} {
		got := compareOptional(tc.given, tc.field)
		if !reflect.DeepEqual(got, tc.want) || got.sends("f") != tc.sends {
			t.Errorf("%s: got %+v, sent %t", name, got, got.sends("f"))
		}
	}
}

func TestRememberGiven(t *testing.T) {
	fields := compareOptional([]string{"a", "z"}, optionalField{name: "b", named: true}, optionalField{name: "a"})
	obj := &v1alpha1.KafkaTopic{}
	obj.Status.Settings = []string{"a", "z"}
	fields.setGiven(&obj.Status.Settings, "a")
	fields.setGiven(&obj.Status.Settings, "b")
	if got := obj.Status.Settings; !reflect.DeepEqual(got, []string{"b", "z"}) {
		t.Errorf("after a and b were accepted: %q", got)
	}
	obj.Annotations = map[string]string{reconcile.AnnotationManagementPolicy: reconcile.PolicyObserve}
	rememberGiven(obj, &obj.Status.SettingsStatus, optionalFields{})
	if len(obj.Status.Settings) != 2 {
		t.Error("an object that is only observed has given something")
	}
	obj.Annotations = nil
	rememberGiven(obj, &obj.Status.SettingsStatus, fields)
	if got := obj.Status.Settings; !reflect.DeepEqual(got, []string{"b"}) {
		t.Errorf("after all was accepted: %q", got)
	}
	if got := joinNotes("", "a.", "", "b."); got != "a. b." {
		t.Errorf("the note is %q", got)
	}
	if keptNote("f", "") != "" {
		t.Error("a note of nothing")
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/klog/v2/ktesting"
)

func TestValueIsNeverPrinted(t *testing.T) {
	const text = "AIVEN-secret-token"
	v := NewValue(text)
	type nested struct {
		hidden Value
		Shown  Value
		Ptr    *Value
	}
	n := nested{hidden: v, Shown: v, Ptr: &v}
	tok := Token{Ref: testRef, Value: v}
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p"} {
		for _, arg := range []any{v, &v, n, &n, tok, []Value{v}, map[string]Value{"a": v}} {
			printed = append(printed, fmt.Sprintf(verb, arg))
		}
	}
	for _, arg := range []any{v, n, tok} {
		b, err := json.Marshal(arg)
		if err != nil {
			t.Fatal(err)
		}
		printed = append(printed, string(b))
	}
	logger := ktesting.NewLogger(t, ktesting.NewConfig(ktesting.BufferLogs(true)))
	logger.Info("Values", "value", v, "nested", n, "token", tok)
	printed = append(printed, logger.GetSink().(ktesting.Underlier).GetBuffer().String())

	hex := fmt.Sprintf("%x", text)
	for _, s := range printed {
		if strings.Contains(s, text) || strings.Contains(strings.ToLower(s), hex) {
			t.Errorf("printed: %s", s)
		}
	}
	if v.Reveal() != text {
		t.Errorf("Reveal() = %q", v.Reveal())
	}
	if (Value{}).Reveal() != "" {
		t.Error("zero Value is not empty")
	}
}

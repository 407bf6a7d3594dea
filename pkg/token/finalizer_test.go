// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
)

func TestPeersFinalizerIsRemoved(t *testing.T) {
	const patch = `application/json-patch+json team/aiven [` +
		`{"op":"test","path":"/metadata/uid","value":"uid-of-aiven"},` +
		`{"op":"test","path":"/metadata/finalizers/1","value":"finalizers.aiven.io/needed-to-delete-services"},` +
		`{"op":"remove","path":"/metadata/finalizers/1"}]`
	const command = `kubectl patch secret aiven -n team --type=json -p '[{\"op\":\"test\",\"path\":\"/metadata/uid\",`
	tests := map[string]struct {
		finalizers []string
		refusal    error
		asDefault  bool
		patches    []string
		logged     string
	}{
		"none":               {},
		"another's":          {finalizers: []string{"example.com/other"}},
		"the peer's":         {finalizers: []string{"example.com/other", peerFinalizer}, patches: []string{patch, patch}},
		"on the default":     {finalizers: []string{"example.com/other", peerFinalizer}, asDefault: true, patches: []string{patch}},
		"without the right":  {finalizers: []string{"example.com/other", peerFinalizer}, refusal: apierrors.NewForbidden(secretsResource, "aiven", errors.New("no")), patches: []string{patch, patch}, logged: command},
		"with another error": {finalizers: []string{"example.com/other", peerFinalizer}, refusal: errors.New("boom"), patches: []string{patch, patch}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logs bytes.Buffer
				ctx := klog.NewContext(t.Context(), textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(&logs))))
				f := newFakeSecrets()
				f.set("team/aiven", map[string]string{"token": "s3cret"})
				f.finalizers, f.refusal = tt.finalizers, tt.refusal
				options, ref := Options{}, testRef
				if tt.asDefault {
					options.Default, ref = testRef, Ref{}
				}
				c := newCache(t, f, options)
				for range 2 {
					got, err := c.Token(ctx, ref)
					if err != nil || got.Value.Reveal() != "s3cret" {
						t.Fatalf("Token() = %v, %v", got, err)
					}
					synctest.Wait() // nobody waits for the patch
					c.Invalidate("team", "aiven")
				}
				if !slices.Equal(f.patches, tt.patches) {
					t.Errorf("patches = %q, want %q", f.patches, tt.patches)
				}
				if n := strings.Count(logs.String(), command); n > 1 || (n == 1) != (tt.logged != "") {
					t.Errorf("the command is logged %d times:\n%s", n, logs.String())
				}
			})
		})
	}
}

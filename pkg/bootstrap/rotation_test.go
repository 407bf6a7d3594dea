// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// TestStagedRotationNeedsOneToken checks that a key that the API server adds needs an
// admin token where nobody else may write the config, and the end of the old one
// does not.
func TestStagedRotationNeedsOneToken(t *testing.T) {
	for _, mode := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve} {
		t.Run(string(mode), func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Mode = mode })
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			first := f.issuer.Keys[0]

			f.issuer.Keys = []authz.Key{first, secondKey}
			f.sync("prod")
			f.expect("prod", ReasonAdminTokenRequired)
			f.admin("s.second")
			f.sync("prod")
			f.expect("prod", ReasonApplied)

			f.issuer.Keys = []authz.Key{secondKey}
			for range 3 {
				f.sync("prod")
				f.expect("prod", ReasonApplied)
				f.now = f.now.Add(time.Hour)
			}
			if c := f.expectKeys(metav1.ConditionTrue, ReasonCurrent); !strings.Contains(c.Message, "k1 (until an admin token is given)") {
				t.Errorf("the message is %s", c.Message)
			}
			if got := f.configured(); !slices.Equal(got, []string{"k1", "k2"}) {
				t.Errorf("the server has the keys %q", got)
			}

			// A token that something else requires drops it.
			f.change("prod", withBackup)
			f.sync("prod")
			f.expect("prod", ReasonAdminTokenRequired)
			f.admin("s.third")
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			if got := f.configured(); !slices.Equal(got, []string{"k2"}) {
				t.Errorf("the server has the keys %q", got)
			}
		})
	}
}

// TestRescueCommand checks that the command has all keys, in one text that a shell
// and the server take apart again.
func TestRescueCommand(t *testing.T) {
	f := enforced(t)
	f.restart()
	f.issuer.Keys = []authz.Key{secondKey, thirdKey}
	f.sync("prod")
	message := f.expect("prod", ReasonLockedOut).Message
	_, command, ok := strings.Cut(message, "run: for i in 1 2; do bao write ")
	if !ok {
		t.Fatalf("there is no command in %s", message)
	}
	want := "jwt_validation_pubkeys='" + secondKey.PEM + "," + thirdKey.PEM + "'; done"
	if !strings.Contains(command, want) || !strings.Contains(command, "bound_issuer=https://kubernetes.default.svc ") || !strings.Contains(command, "jwt_supported_algs=") {
		t.Errorf("the command is %s", command)
	}
	if got := quoted("a'b"); got != `'a'\''b'` {
		t.Errorf("quoted is %s", got)
	}
}

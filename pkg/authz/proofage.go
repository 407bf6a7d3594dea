// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"time"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// clockSkew is how far apart the clocks of two processes may be.
const clockSkew = time.Minute

// ProofLifetime is how long a proof counts when one is made in every interval.
func ProofLifetime(interval time.Duration) time.Duration { return 2 * interval }

// StaleProof says why what was proved about an identity does not count any more; it
// is empty if it does. digest is that of the contract that counts, and empty where
// it is not known.
func StaleProof(i openbaov1alpha1.IdentityStatus, digest string, now time.Time, interval time.Duration) string {
	switch {
	case i.ProvedAt == nil || i.Digest == "":
		return "It was proved by a version of Bailiwick that checked less."
	case digest != "" && i.Digest != digest:
		return "It was proved for another contract than the one that is requested now."
	case i.ProvedAt.After(now.Add(clockSkew)):
		return fmt.Sprintf("It was proved at %s, which is in the future.", i.ProvedAt.UTC().Format(time.RFC3339))
	case now.Sub(i.ProvedAt.Time) > ProofLifetime(interval):
		return fmt.Sprintf("It was last proved at %s, which is longer ago than twice the interval of %s.", i.ProvedAt.UTC().Format(time.RFC3339), interval)
	}
	return ""
}

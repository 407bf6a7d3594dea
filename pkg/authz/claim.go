// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

// MarkState says what a login found where the mark of a server is.
type MarkState int

const (
	// MarkMissing means that there is no mark.
	MarkMissing MarkState = iota
	// MarkRead means that there is one.
	MarkRead
	// MarkDamaged means that there is something else in its place.
	MarkDamaged
	// MarkDenied means that the login may not read it: an earlier version did not
	// grant that to the bootstrapper.
	MarkDenied
)

// ClaimInput is what is known about whose a server is, after a login that the server
// has accepted: a token for the derived audience, or an admin token.
type ClaimInput struct {
	// Audience is the derived one of the object, and Nonce the last that it recorded,
	// empty if none.
	Audience, Nonce string
	// Incumbent says that the object is recorded as the holder of this very server.
	Incumbent bool
	// Identity says that the server let in an identity of the object, whose roles
	// accept its derived audience. An admin token does not say whose a server is.
	Identity bool

	State MarkState
	// Mark is what was read, and Exact that it is spelled as it is written.
	Mark  Mark
	Exact bool

	// Other says what is known of the object that the mark names.
	Other OtherHolder
	// Tests are the comparisons with the servers of other objects: of the one that the
	// mark names if it holds a server, or, where there is no mark, of all that are
	// recorded as holders of what may be the same server.
	Tests []CopyTest
}

// OtherHolder is what is known of the object that a mark names.
type OtherHolder int

const (
	// OtherUnknown means that no object of this Kubernetes cluster is meant.
	OtherUnknown OtherHolder = iota
	// OtherGone means that the object holds no server any more.
	OtherGone
	// OtherHolds means that the object is, or may be, the holder.
	OtherHolds
)

// CopyTest tells a server from a copy of it: the other object writes a new nonce to
// its own server with a login of its own, and the server that is claimed is read
// again. The zero value means that the other object was not asked.
type CopyTest struct {
	// Asked says that the other object was asked, when the claimed server showed the
	// nonce Seen, empty for no mark.
	Asked bool
	Seen  string
	// Answer is the nonce that it has written and read back since, empty so far.
	Answer string
	// Settled says that enough time has passed since the answer for every node of a
	// cluster to show it.
	Settled bool
}

// Claim says what to do about a server.
type Claim int

const (
	// ClaimHeld means that the server is the object's.
	ClaimHeld Claim = iota
	// ClaimTest means that other objects have to be asked for a new nonce: those of
	// Tests that do not fit what the server shows now, see Fits.
	ClaimTest
	// ClaimWait means that its answer, or the time after it, is waited for.
	ClaimWait
	// ClaimOther means that the server is the other object's: it shows the nonce that
	// was written to that object's server.
	ClaimOther
	// ClaimUnknown means that the mark names no object of this Kubernetes cluster, or
	// none at all.
	ClaimUnknown
)

// DecideClaim decides whose a server is. write is the nonce of the mark that has to
// be written, empty if the mark is as it should be; it is set only for ClaimHeld.
//
// The incumbent keeps its server when the mark is missing, older than the last that
// it wrote, or of an object that holds none any more. A server without a mark that lets
// in an identity of the object is the object's, too. Any other claimant has a server
// with the mark of an object that may still hold it only after the server was shown
// to be a copy. What is known without a login, such as the id of a cluster, may add
// comparisons, and never makes a claim.
func DecideClaim(in ClaimInput) (verdict Claim, write string) {
	mine := func() (Claim, string) {
		if in.Nonce != "" {
			return ClaimHeld, in.Nonce
		}
		// Whatever a copy may show, this one is not it.
		taken := []string{in.Mark.Nonce}
		for _, test := range in.Tests {
			taken = append(taken, test.Seen, test.Answer)
		}
		if nonce, ok := FreshNonce(taken...); ok {
			return ClaimHeld, nonce
		}
		return ClaimHeld, markNonces[0]
	}
	switch in.State {
	case MarkDenied:
		if in.Incumbent || in.Identity {
			return ClaimHeld, ""
		}
		return ClaimUnknown, ""
	case MarkDamaged:
		// A policy of that name is the object's own only if it has written one.
		if in.Incumbent && in.Nonce != "" {
			return mine()
		}
		return ClaimUnknown, ""
	case MarkMissing:
		// Whoever repeats its id must not take a server from an object that it lets in.
		if in.Incumbent || in.Identity {
			return mine()
		}
	case MarkRead:
		if in.Mark.Audience == in.Audience {
			switch {
			case in.Nonce == "" && in.Exact:
				// Written by a namesake, which was the same object to the server.
				return ClaimHeld, ""
			case in.Mark.Nonce == in.Nonce && in.Exact:
				return ClaimHeld, ""
			}
			return mine()
		}
		switch {
		case in.Other == OtherGone && in.Incumbent, in.Other == OtherUnknown && in.Incumbent && in.Identity:
			return mine()
		case in.Other != OtherHolds:
			return ClaimUnknown, ""
		case len(in.Tests) == 0:
			return ClaimTest, ""
		}
	}
	return in.compare(mine)
}

// Fits reports whether the other object was asked, and the server shows now what it
// showed then. Otherwise the server was restored since, or the other object was asked
// by somebody else as well, and has to be asked again.
func (t CopyTest) Fits(shown Mark) bool { return t.Asked && t.Seen == shown.Nonce }

// compare decides by the comparisons with the servers of other objects.
func (in ClaimInput) compare(mine func() (Claim, string)) (Claim, string) {
	verdict := ClaimHeld
	for _, test := range in.Tests {
		switch {
		case test.Answer != "" && in.State == MarkRead && in.Mark.Nonce == test.Answer:
			return ClaimOther, ""
		case !test.Fits(in.Mark):
			verdict = ClaimTest
		case verdict == ClaimHeld && (test.Answer == "" || !test.Settled):
			verdict = ClaimWait
		}
	}
	if verdict == ClaimHeld {
		return mine()
	}
	return verdict, ""
}

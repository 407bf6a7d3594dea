// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/x509"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// pod is what a running server has loaded. It reads the bundle when it starts, and
// the certificate whenever it likes.
type pod struct {
	bundle []*x509.Certificate
	chain  []*x509.Certificate
}

// walk is a cluster to which things happen at random.
type walk struct {
	*testing.T
	random  *rand.Rand
	options Options
	secrets Material
	pods    []pod
	log     []string
	// stale is a proof from before, which a caller may still hold. It was true once,
	// and pods never go back to what they have had before.
	stale  Proven
	counts map[Reason]int
}

// TestRandomWalk checks, after each of many random steps, that every running server
// can verify every other one, and that each rotation comes to an end once things
// calm down. Writes are lost as a whole or in part, proofs are missing or old, pods
// start, restart and reload, names change, people replace and delete the CA.
func TestRandomWalk(t *testing.T) {
	t.Parallel()
	total := map[Reason]int{}
	for seed := range uint64(8) {
		w := &walk{T: t, random: rand.New(rand.NewPCG(seed, 1)), options: testOptions(epoch), counts: map[Reason]int{}}
		w.options.CALife = 200 * day
		w.run(400)
		for reason, count := range w.counts {
			total[reason] += count
		}
	}
	t.Log(total)
	for _, reason := range []Reason{CACreated, CAReplaced, CAPublished, CASwitched, CARetired, CertificateIssued} {
		if total[reason] < 4 {
			t.Errorf("%s happened %d times: the walk does not go far enough", reason, total[reason])
		}
	}
	if total[CAExpired] > 0 {
		t.Errorf("%d CAs expired: the walk tests something else", total[CAExpired])
	}
}

func (w *walk) run(steps int) {
	w.next(Proven{}, true, true)
	for range 3 {
		w.pods = append(w.pods, w.started())
	}
	for range steps {
		w.step()
		w.check()
	}
	// Everything is proved and written from here on.
	for i := range 20 {
		if i%2 == 1 {
			w.options.Now = w.options.Now.Add(11 * day)
		}
		r := w.next(w.truth(), true, true)
		for i := range w.pods {
			w.pods[i] = w.started()
			w.check()
		}
		if r.Waiting == "" && len(certificates(w, w.secrets.Server[KeyCA])) == 1 {
			return
		}
	}
	w.fail("old CAs remain")
}

func (w *walk) step() {
	what := w.random.IntN(100)
	i := w.random.IntN(len(w.pods))
	switch {
	case what < 40:
		proven := w.truth()
		switch w.random.IntN(4) {
		case 0:
			proven = Proven{}
		case 1:
			proven = w.stale
		}
		w.next(proven, w.random.IntN(3) > 0, w.random.IntN(3) > 0)
	case what < 65:
		w.options.Now = w.options.Now.Add(time.Duration(w.random.Int64N(int64(8 * day))))
		w.note("it is %s", stamp(w.options.Now))
		w.keepAlive()
	case what < 78:
		w.note("pod %d restarts", i)
		w.pods[i] = w.started()
	case what < 86:
		w.note("pod %d reloads its certificate", i)
		w.pods[i].chain = w.started().chain
	case what < 90 && len(w.pods) < 5:
		w.note("a pod starts")
		w.pods = append(w.pods, w.started())
	case what < 94 && len(w.pods) > 1:
		w.note("pod %d ends", i)
		w.pods = slices.Delete(w.pods, i, i+1)
	case what < 96:
		w.options.Names.Extra = []string{fmt.Sprintf("x%d.example.com", w.random.IntN(3))}
		w.note("the name %s is wanted", w.options.Names.Extra[0])
	case w.random.IntN(4) > 0:
		w.stale = w.truth()
	case w.random.IntN(2) == 0:
		w.note("the Secret of the CA is deleted")
		w.secrets.CA = nil
	default:
		w.note("a person replaces the CA")
		life := time.Duration(150+w.random.IntN(300)) * day
		w.secrets.CA = newIssuer(w, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = w.options.Now, w.options.Now.Add(life)
		}, nil).data(w)
	}
}

// keepAlive does what any operator manages to do in months: certificates do not
// expire because it is down, or because pods do not restart.
func (w *walk) keepAlive() {
	leaf := certificates(w, w.secrets.Server[KeyCertificate])[0]
	if leaf.NotAfter.Sub(w.options.Now) < 15*day {
		w.next(w.truth(), true, true)
		// Until a new CA is proved the last one's certificate stays.
		for i := range w.pods {
			w.pods[i] = w.started()
		}
		w.next(w.truth(), true, true)
	}
	for i := range w.pods {
		if w.pods[i].chain[0].NotAfter.Sub(w.options.Now) < 10*day {
			w.pods[i] = w.started()
		}
	}
	for _, ca := range certificates(w, w.secrets.Server[KeyCA]) {
		if signing := certificates(w, w.secrets.Server[KeyCA])[0]; ca.Equal(signing) && ca.NotAfter.Sub(w.options.Now) < 60*day {
			w.next(w.truth(), true, true)
			for i := range w.pods {
				w.pods[i] = w.started()
			}
		}
	}
}

// next calls Next, and writes what the flags say of its result.
func (w *walk) next(proven Proven, ca, server bool) Result {
	r, err := Next(w.secrets, proven, w.options)
	if err != nil {
		w.fail("%v", err)
	}
	checkResult(w.T, w.secrets, proven, w.options, r)
	w.note("Next %v, written: CA %t, servers %t, waiting %q", reasonsOf(r), ca, server, r.Waiting)
	if ca {
		w.secrets.CA = maps.Clone(r.Material.CA)
	}
	if server {
		w.secrets.Server = maps.Clone(r.Material.Server)
	}
	if ca && server {
		for _, reason := range reasonsOf(r) {
			w.counts[reason]++
		}
	}
	return r
}

// started is a pod that starts now.
func (w *walk) started() pod {
	return pod{
		bundle: certificates(w, w.secrets.Server[KeyCA]),
		chain:  certificates(w, w.secrets.Server[KeyCertificate]),
	}
}

// truth is what a caller can prove of the pods now.
func (w *walk) truth() Proven {
	var proven Proven
	loaded := map[string]bool{}
	for _, p := range w.pods {
		loaded[digest(p.bundle)] = true
		proven.LeafSerials = append(proven.LeafSerials, Serial(p.chain[0]))
	}
	if len(loaded) == 1 {
		proven.BundleDigest = digest(w.pods[0].bundle)
	}
	return proven
}

// check is the invariant: each server verifies each other one, and one that starts
// now verifies and is verified.
func (w *walk) check() {
	all := append(slices.Clone(w.pods), w.started())
	bundles, chains := map[string]pod{}, map[string]pod{}
	for _, p := range all {
		bundles[digest(p.bundle)], chains[Serial(p.chain[0])] = p, p
	}
	for _, client := range bundles {
		for serial, server := range chains {
			if _, err := verify(server.chain, client.bundle, w.options.Now); err != nil {
				w.fail("a pod does not verify the certificate %s: %v", serial, err)
			}
		}
	}
}

func (w *walk) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

func (w *walk) fail(format string, args ...any) {
	w.Helper()
	for _, line := range w.log[max(0, len(w.log)-40):] {
		w.Log(line)
	}
	w.Fatalf(format, args...)
}

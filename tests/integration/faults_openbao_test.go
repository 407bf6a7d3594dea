// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
)

const (
	// faultsTime is how long a short run makes faults: what starts and settles
	// takes the rest.
	faultsTime = 8 * time.Second
	// looksPerSecond bounds how often the operator may turn to a server: three times
	// for its poll interval here, and four times because it was asked to.
	looksPerSecond = 7
	// healthPerLook bounds how often one look asks for the health: by itself, and once
	// more with the connection that it has to make.
	healthPerLook = 2
	// requestsPerLook bounds one look at a server with the proofs of five
	// identities: what the contract names is read before and after a repair, and an
	// identity takes three logins.
	requestsPerLook = 100
)

// baoFaults is what goes wrong with a server and its cluster, in a random order.
type baoFaults struct {
	*baoEnv
	random *rand.Rand
	sealed bool
	// done counts the faults, for the log.
	done map[string]int
}

// TestFaultsOfOpenBao has a server sealed, killed, restarted, cut off and changed
// by hand, and the keys of the API server rotated, while a cluster is kept: in the
// end all is as the contract says, nobody was asked too often, and no login is left
// behind but those whose answer or end got lost. Its operator has a certificate,
// since tokens of the API server end with the key.
func TestFaultsOfOpenBao(t *testing.T) {
	t.Parallel()
	seed, duration := randomRun(t, faultsTime)
	b := newRotatedEnv(t, duration+10*time.Minute)
	b.change = append(b.change, func(o *app.Options) { o.RESTConfig = b.env.cluster.Config() })
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.jobs("bao")
	b.start(soon, func(o *app.Options) { o.OpenBao.ProofInterval = 3 * time.Second })
	b.cluster("bao", whole, mode(v1alpha1.AuthorizationEnforce))
	b.patchCluster("bao", `{"spec":{"authorization":{"signingKeyOverlap":"2s"}}}`)
	b.applied("bao")
	b.proved("bao", "5/5")
	b.foreign()
	held := b.holds()

	f := &baoFaults{baoEnv: b, random: rand.New(rand.NewPCG(seed, 2)), done: map[string]int{}} //nolint:gosec // to be replayed
	// A rotation takes seconds, so a short run has hardly more than this one.
	f.rotate()
	for from := time.Now(); time.Since(from) < duration; {
		if f.random.IntN(40) == 0 {
			f.rotate()
		}
		f.fault()
		b.refresh("bao")
		time.Sleep(time.Duration(300+f.random.IntN(300)) * time.Millisecond)
	}
	f.calm()
	t.Logf("The faults were %v, in %d requests", f.done, len(b.gateway.all()))

	delete(held, "config")
	b.eventually("all to be as it was", func() error {
		b.refresh("bao")
		got := b.holds()
		delete(got, "config")
		if !maps.Equal(got, held) {
			return fmt.Errorf("the server holds %v, want %v", got, held)
		}
		keys := configuredKeys(b.read("auth/" + mount + "/config"))
		if want := b.publishedKeys(); !slices.Equal(keys, want) {
			return fmt.Errorf("the server has %d keys, want %d", len(keys), len(want))
		}
		return nil
	})
	b.applied("bao")
	b.proved("bao", "5/5")
	for _, wrong := range f.tooOften() {
		t.Error(wrong)
	}

	t.Log("In calm weather logins come and go")
	before := b.gateway.logins()
	var live int
	b.eventually("the proofs to be over", func() error {
		if n := b.gateway.logins(); n <= before {
			return fmt.Errorf("%d logins", n)
		}
		live = b.liveLogins()
		if most := 1 + b.gateway.leftLogins(); live > most {
			return fmt.Errorf("%d logins live, want at most %d", live, most)
		}
		return nil
	})
	b.stopOperator()
	after := b.liveLogins()
	t.Logf("%d logins; %d lived at the end, and %d live on, of %d whose answer or end got lost",
		b.gateway.logins(), live, after, b.gateway.leftLogins())
	if most := b.gateway.leftLogins(); after > most {
		t.Errorf("%d logins live on, want at most the %d that got lost", after, most)
	}
	b.noTokenAnywhere()
}

// must fails the test with an error.
func (f *baoFaults) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// fault makes one thing go wrong, or right again.
func (f *baoFaults) fault() {
	f.Helper()
	faults := []struct {
		name string
		do   func()
	}{
		{"by hand", f.byHand},
		{"by hand", f.byHand},
		{"sealed", func() { f.must(f.bao.Seal(f.ctx)); f.sealed = true }},
		{"killed", func() { f.must(f.bao.KillServer()); f.pause(); f.must(f.bao.StartServer(f.ctx)) }},
		{"restarted", func() { f.must(f.bao.StopServer()); f.pause(); f.must(f.bao.StartServer(f.ctx)) }},
		{"cut off", f.cutOff},
		{"reached again", func() { f.gateway.losing(nil) }},
	}
	if f.sealed {
		f.pause()
		f.must(f.bao.Unseal(f.ctx))
		f.sealed = false
	}
	one := faults[f.random.IntN(len(faults))]
	f.done[one.name]++
	one.do()
}

func (f *baoFaults) pause() { time.Sleep(time.Duration(f.random.IntN(300)) * time.Millisecond) }

// calm ends all faults.
func (f *baoFaults) calm() {
	f.Helper()
	f.gateway.losing(nil)
	if f.sealed {
		f.must(f.bao.Unseal(f.ctx))
		f.sealed = false
	}
	f.must(f.env.cluster.DropOldSigningKeys(f.ctx))
}

// rotate has the API server sign with a new key. Both are published, so that
// nobody is locked out.
func (f *baoFaults) rotate() {
	f.Helper()
	f.done["rotated"]++
	f.must(f.env.cluster.RotateSigningKey(f.ctx))
}

// byHand changes what the contract names, as far as the operator may undo it.
func (f *baoFaults) byHand() {
	changes := f.tampering()
	names := slices.Sorted(maps.Keys(changes))
	changes[names[f.random.IntN(len(names))]]()
}

// cutOff has one request in four get lost, or its answer.
func (f *baoFaults) cutOff() {
	random := rand.New(rand.NewPCG(f.random.Uint64(), 3)) //nolint:gosec // to be replayed
	f.gateway.losing(func(string) loss {
		return []loss{nothing, nothing, nothing, nothing, nothing, nothing, theRequest, theAnswer}[random.IntN(8)]
	})
}

// tooOften lists the seconds in which the server was asked more often than the
// limits allow.
func (f *baoFaults) tooOften() []string {
	var wrong []string
	exchanges := f.gateway.exchanged()
	looks := slices.DeleteFunc(slices.Clone(exchanges), func(e exchange) bool { return e.request != "GET sys/health" })
	for _, limit := range []struct {
		what string
		of   []exchange
		most int
	}{{"questions for the health", looks, healthPerLook * looksPerSecond}, {"requests", exchanges, looksPerSecond * requestsPerLook}} {
		first := 0
		for i, e := range limit.of {
			for e.at.Sub(limit.of[first].at) > time.Second {
				first++
			}
			if n := i - first + 1; n > limit.most {
				wrong = append(wrong, fmt.Sprintf("%d %s within a second until %s", n, limit.what, e.at.Format("15:04:05.000")))
				break
			}
		}
	}
	return wrong
}

// liveLogins returns how many logins of the contract's roles live.
func (b *baoEnv) liveLogins() int {
	b.Helper()
	n := 0
	for _, policy := range []string{bootstrapperRole, operatorRole, backupRole, "openbao-operator-restore", upgradeRole} {
		n += b.live(policy)
	}
	return n
}

// leftLogins returns how many logins may live on because the operator never learned
// of them, or could not end them.
func (g *gateway) leftLogins() int {
	n := 0
	for _, e := range g.exchanged() {
		// Without an answer nobody knows.
		answered := e.status != 0 && e.status != http.StatusBadGateway
		switch _, path, _ := strings.Cut(e.request, " "); path {
		case "auth/" + mount + "/login":
			if e.lost == theAnswer && e.status == http.StatusOK || e.lost != theRequest && !answered {
				n++
			}
		case "auth/token/revoke-self":
			if e.status != http.StatusNoContent {
				n++
			}
		}
	}
	return n
}

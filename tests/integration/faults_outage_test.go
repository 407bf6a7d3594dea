// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// The API server goes away, and then etcd behind it, while remotes change: when
// they are back the operator, which lives on, makes all as it must be.
func TestOutageOfTheControlPlane(t *testing.T) {
	t.Parallel()
	outage := 5 * time.Second
	if os.Getenv(durationVariable) != "" {
		outage = 30 * time.Second
	}
	seed, _ := randomRun(t, 2*outage)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	t.Cleanup(cancel)
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{manifests + "/crds"}})
	if err := install(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	m := newModelOn(t, cluster, "default", seed)
	m.start()
	for _, part := range []struct {
		name  string
		stop  func() error
		start func(context.Context) error
	}{
		{"the API server", cluster.StopAPIServer, cluster.StartAPIServer},
		{"etcd", cluster.StopEtcd, cluster.StartEtcd},
	} {
		m.play(3 * time.Second)
		t.Logf("Stopping %s", part.name)
		if err := part.stop(); err != nil {
			t.Fatal(err)
		}
		back := time.Now().Add(outage)
		for time.Now().Before(back) {
			a := m.actors[m.random.IntN(len(m.actors))]
			vanish := m.random.IntN(2) == 0 && kindCases[a.kind].remote != "service"
			for _, remote := range a.remotes(m.env) {
				switch {
				case vanish:
					m.note("vanish", a, a.vanish(m.env, remote))
				case a.disturb != nil:
					m.note("disturb", a, a.disturb(m.env))
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err := part.start(ctx); err != nil {
			t.Fatal(err)
		}
		// What failed again and again meanwhile is tried again after minutes.
		m.settle(6 * time.Minute)
	}
	m.end()
}

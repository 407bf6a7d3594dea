// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/baosim"
)

// openBaoCluster is the kind of OpenBao's objects.
const openBaoCluster = "OpenBaoCluster"

// vaults are many OpenBao servers.
type vaults []*baosim.Server

func startVaults(n int) vaults {
	servers := make(vaults, n)
	for i := range servers {
		servers[i] = baosim.Start(fmt.Sprintf("bao-%d", i))
	}
	return servers
}

func (v vaults) close() {
	for _, s := range v {
		s.Close()
	}
}

// counts adds up the requests to all servers, and returns when the last was.
func (v vaults) counts() (all counts, last time.Time) {
	all = counts{}
	for _, s := range v {
		one, at := s.Counts()
		for op, n := range one {
			all[op] += n
		}
		if at.After(last) {
			last = at
		}
	}
	return all, last
}

// quiet waits until the servers have heard nothing for quietFor.
func (v vaults) quiet(ctx context.Context) error {
	return until(ctx, time.Second, func() (bool, error) {
		_, last := v.counts()
		return time.Since(last) >= quietFor, nil
	})
}

// counts are requests by operation.
type counts map[string]int

func (c counts) minus(earlier counts) counts {
	out := maps.Clone(c)
	for op, n := range earlier {
		out[op] -= n
	}
	maps.DeleteFunc(out, func(_ string, n int) bool { return n == 0 })
	return out
}

func (c counts) total() int {
	n := 0
	for _, one := range c {
		n += one
	}
	return n
}

// per renders the counts for each of n servers.
func (c counts) per(n int) string {
	var parts []string
	for _, op := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, fmt.Sprintf("%.2f %s", float64(c[op])/float64(n), op))
	}
	return strings.Join(parts, ", ")
}

// clusterOf is an object for a server, and the Secret with its administrator's
// token, which says what server it is for.
func (w *world) clusterOf(ctx context.Context, s *baosim.Server, name string) (object, error) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-admin"},
		Type:       openbaov1alpha1.SecretTypeCredential,
		Data:       map[string][]byte{"token": []byte(s.AdminToken()), openbaov1alpha1.CredentialAddressKey: []byte(s.URL())},
	}
	_, err := w.kube.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{})
	return object{
		APIVersion: "openbao.org/v1alpha1", Kind: openBaoCluster, Metadata: metadata{Name: name, Namespace: namespace},
		Spec: map[string]any{"authorization": map[string]any{
			"mode": "Enforce", "address": s.URL(), "caBundle": string(s.CAPEM()), "adminTokenSecretRef": map[string]any{"name": secret.Name},
		}},
	}, err
}

// openbao200 brings the authorization of many clusters onto their servers, and
// has it checked again.
func openbao200(ctx context.Context, b *bench) ([]row, error) {
	n := b.some(200)
	servers := startVaults(n)
	defer servers.close()
	return in(ctx, b, "openbao200", aivensim.Timing{}, func(w *world, r *rowsOf) error {
		if b.operator != "" {
			return errors.New("what it sets up is this operator's contract")
		}
		var objects []object
		for i, s := range servers {
			o, err := w.clusterOf(ctx, s, fmt.Sprintf("bao-%d", i))
			if err != nil {
				return err
			}
			objects = append(objects, o)
		}
		op, err := w.startIdle(ctx, 0)
		if err != nil {
			return err
		}
		wall, u, err := w.measured(ctx, r, op, objects)
		if err != nil {
			return err
		}
		// What ran out of time is done again, and is no part of the check.
		if err := errors.Join(servers.quiet(ctx), w.quiet(ctx)); err != nil {
			return err
		}
		first, _ := servers.counts()
		r.check("Apply until all Ready, and proved", "60 s", wall < time.Minute, "%.1f s", wall.Seconds())
		r.note("Requests per cluster", "%.1f: %s", float64(first.total())/float64(n), first.per(n))
		r.note("Kube writes in detail", "%s", u.kube)
		r.note("CPU", "%.2f s", u.cpu.Seconds())

		began := time.Now()
		s, err := w.begin(ctx, op)
		if err != nil {
			return err
		}
		if err := w.refresh(ctx, objects); err != nil {
			return err
		}
		asked := time.Since(began)
		if err := errors.Join(w.quiet(ctx), servers.quiet(ctx)); err != nil {
			return err
		}
		all, last := servers.counts()
		again := all.minus(first)
		for i, server := range servers {
			if one, _ := server.Counts(); one["AuthMounts"] < 2 {
				return fmt.Errorf("the contract of server %d was not checked again: %v", i, one)
			}
			if unknown := server.Unknown(); len(unknown) > 0 {
				return fmt.Errorf("the fake server knows no such request: %s", unknown[0])
			}
		}
		if u, err = s.end(ctx, op, time.Now()); err != nil {
			return err
		}
		took := last.Sub(began)
		r.check("A check of all with no drift", "5 s", took < 5*time.Second, "%.1f s, of which %.1f s until all were asked for", took.Seconds(), asked.Seconds())
		r.note("Requests per cluster and check", "%.1f: %s", float64(again.total())/float64(n), again.per(n))
		r.check("Logins for it", "0: one login for each lease", again["Login"] == 0, "%d", again["Login"])
		r.check("Changes of servers", "0", again["WriteConfig"]+again["WritePolicy"]+again["WriteRole"] == 0, "%d", again["WriteConfig"]+again["WritePolicy"]+again["WriteRole"])
		r.check("Kube writes for it", "0", len(u.kube) == 0, "%d %s", u.kube.total(anyWrite), u.kube)
		peak, err := op.peak()
		if err != nil {
			return err
		}
		r.note("CPU of the check, peak memory", "%.2f s, %s", u.cpu.Seconds(), mebibytes(peak))
		return nil
	})
}

// refresh asks for a look at each object, as a user does.
func (w *world) refresh(ctx context.Context, objects []object) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(creators)
	for _, o := range objects {
		group.Go(func() error {
			_, err := w.send(ctx, http.MethodPatch, collection(o.Kind, namespace)+"/"+o.Metadata.Name, "application/merge-patch+json",
				[]byte(`{"metadata":{"annotations":{"bailiwick.dev/refresh":"1"}}}`))
			if err == nil {
				w.own.add(writeKey{verb: "PATCH", resource: plural(o.Kind)}, 1)
			}
			return err
		})
	}
	return group.Wait()
}

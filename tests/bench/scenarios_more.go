// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// secrets2000 compares the memory of an operator in a cluster without and with
// Secrets that are none of its business.
func secrets2000(ctx context.Context, b *bench) ([]row, error) {
	const (
		n    = 2000
		size = 50_000
		runs = 3
	)
	return in(ctx, b, "secrets2000", aivensim.Timing{}, func(w *world, r *rowsOf) error {
		if op, err := w.settle(ctx, 0, kafkaWork(namespace, "bench", 10, 10, 10)); err != nil {
			return err
		} else if err := op.stop(); err != nil {
			return err
		}
		// The middle of some starts: a few MiB are the garbage collector's whim.
		sample := func() (int64, error) {
			var peaks []int64
			for range runs {
				op, err := w.startIdle(ctx, 0)
				if err != nil {
					return 0, err
				}
				if err := pause(ctx, 5*time.Second); err != nil {
					return 0, err
				}
				peak, err := op.peak()
				if err != nil {
					return 0, err
				}
				peaks = append(peaks, peak)
				if err := op.stop(); err != nil {
					return 0, err
				}
			}
			slices.Sort(peaks)
			return peaks[runs/2], nil
		}
		before, err := sample()
		if err != nil {
			return err
		}
		if err := w.secrets(ctx, n, size); err != nil {
			return err
		}
		after, err := sample()
		if err != nil {
			return err
		}
		growth := float64(after-before) / float64(before) * 100
		r.check(fmt.Sprintf("Peak memory without and with %d Secrets of %d kB", n, size/1000), "no growth, within 5 %", growth <= 5,
			"%s, %s: %+.1f %%", mebibytes(before), mebibytes(after), growth)
		return nil
	})
}

// secrets creates Secrets of that many bytes, half of them as kubectl apply
// does.
func (w *world) secrets(ctx context.Context, n, size int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(creators)
	for i := range n {
		group.Go(func() error {
			text := strings.Repeat("x", size)
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("unrelated-%d", i)}, Data: map[string][]byte{"key": []byte(text)},
			}
			if i%2 == 0 {
				secret.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: text}
			}
			_, err := w.kube.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{})
			return err
		})
	}
	return group.Wait()
}

// poll2000 is one poll of one service with very many objects in it.
func poll2000(ctx context.Context, b *bench) ([]row, error) {
	return in(ctx, b, "poll2000", aivensim.Timing{}, func(w *world, r *rowsOf) error {
		op, err := w.settle(ctx, b.interval, kafkaWork(namespace, "bench", 500, 500, 1000))
		if err != nil {
			return err
		}
		requests, u, err := w.polls(ctx, op, b.interval)
		if err != nil {
			return err
		}
		r.check("Aiven requests per poll of 500 topics, 500 users, 1,000 ACLs", "10", requests <= 10, "%.1f, %s", requests, mebibytes(u.bytes))
		r.note("CPU per poll interval", "%.2f s", u.cpu.Seconds())
		r.note("Kube writes in all", "%d %s", u.kube.total(anyWrite), u.kube)
		return nil
	})
}

// topicsPerService is how the topics of topics20k are spread.
const topicsPerService = 1000

// topics20k follows time and memory over rising numbers of topics.
func topics20k(ctx context.Context, b *bench) (rows []row, err error) {
	type point struct {
		n    int
		wall time.Duration
		peak int64
	}
	var points []point
	for _, n := range b.sizes {
		services := max(n/topicsPerService, 1)
		got, err := in(ctx, b, fmt.Sprintf("topics %d", n), aivensim.Timing{}, func(w *world, r *rowsOf) error {
			var objects []object
			for s := range services {
				objects = append(objects, kafka(namespace, fmt.Sprintf("kafka-%d", s)))
			}
			for i := range n {
				s := i % services
				objects = append(objects, topic(namespace, fmt.Sprintf("kafka-%d", s), fmt.Sprintf("t-%d", i)))
			}
			op, err := w.startIdle(ctx, 0)
			if err != nil {
				return err
			}
			wall, u, err := w.measured(ctx, r, op, objects)
			if err != nil {
				return err
			}
			peak, err := op.peak()
			if err != nil {
				return err
			}
			if err := w.heapProfile(ctx, op, w.name); err != nil {
				return err
			}
			points = append(points, point{n, wall, peak})
			r.note("Apply until all Ready", "%.1f s, %.2f ms per topic", wall.Seconds(), float64(wall.Microseconds())/1000/float64(n))
			r.check("Peak memory", "400 MiB", peak < 400<<20, "%s", mebibytes(peak))
			r.note("CPU", "%.1f s, %.2f ms per topic", u.cpu.Seconds(), float64(u.cpu.Microseconds())/1000/float64(n))
			r.note("Aiven reads, writes", "%d, %d", u.reads, u.writes)
			r.note("Kube writes in detail", "%s", u.kube)
			if err := op.stop(); err != nil {
				return err
			}
			if op, err = w.startIdle(ctx, b.interval); err != nil {
				return err
			}
			requests, u, err := w.polls(ctx, op, b.interval)
			if err != nil {
				return err
			}
			r.check("Aiven requests per poll, for each service", "10", requests/float64(services) <= 10, "%.2f", requests/float64(services))
			r.note("CPU per poll interval of "+b.interval.String(), "%.2f s", u.cpu.Seconds())
			return nil
		})
		rows = append(rows, got...)
		if err != nil {
			return rows, err
		}
	}
	if len(points) > 1 {
		first, last := points[0], points[len(points)-1]
		r := &rowsOf{scenario: "topics20k"}
		ratio := (last.wall.Seconds() / float64(last.n)) / (first.wall.Seconds() / float64(first.n))
		r.check(fmt.Sprintf("Time per topic at %d, over that at %d", last.n, first.n), "linear: at most 1.3 x", ratio <= 1.3, "%.2f x", ratio)
		slope := float64(last.peak-first.peak) / float64(last.n-first.n)
		r.note("Memory for each further topic", "%.1f KiB", slope/1024)
		rows = append(rows, r.rows...)
	}
	return rows, nil
}

// tenant10k compares how long a tenant's objects take alone and beside another
// tenant whose token is refused.
func tenant10k(ctx context.Context, b *bench) ([]row, error) {
	const (
		bad, good = 10_000, 10
		badTenant = "bad-tenant"
		perTenant = "10 topics"
		allowed   = 1.1
	)
	return in(ctx, b, "tenant10k", aivensim.Timing{}, func(w *world, r *rowsOf) error {
		if err := w.namespace(ctx, badTenant, "rejected-token"); err != nil {
			return err
		}
		if _, err := w.settle(ctx, 0, kafkaWork(namespace, "bench", 1, 0, 0)); err != nil {
			return err
		}
		round := 0
		once := func() (time.Duration, error) {
			round++
			var objects []object
			for i := range good {
				objects = append(objects, topic(namespace, "bench", fmt.Sprintf("good-%d-%d", round, i)))
			}
			running, stop := w.operators[0].lifetime(ctx)
			defer stop()
			began := time.Now()
			_, ready, err := w.work(running, objects)
			return ready.Sub(began), err
		}
		var alone, beside, woken []time.Duration
		for range b.runs {
			took, err := once()
			if err != nil {
				return err
			}
			alone = append(alone, took)
			if err := pause(ctx, 2*time.Second); err != nil {
				return err
			}
		}
		var failing []object
		for i := range bad {
			failing = append(failing, topic(badTenant, "bench", fmt.Sprintf("bad-%d", i)))
		}
		if err := w.apply(ctx, failing); err != nil {
			return err
		}
		took, err := once()
		if err != nil {
			return err
		}
		r.note("10 topics while the other tenant's are new and get their first status", "%.2f s", took.Seconds())
		if err := w.quiet(ctx); err != nil {
			return err
		}
		profile := w.startProfile(ctx, w.operators[0], w.name, b.profile)
		// In turns, so that what else the machine does hits both alike.
		for i := range b.runs {
			took, err := once()
			if err != nil {
				return err
			}
			beside = append(beside, took)
			if err := pause(ctx, 2*time.Second); err != nil {
				return err
			}
			// A change of any annotation renews the token of all that name it, which
			// is no better than the one before.
			patch := fmt.Sprintf(`{"metadata":{"annotations":{"bench.example/round":"%d"}}}`, i)
			_, err = w.send(ctx, http.MethodPatch, collection("KafkaTopic", badTenant)+"/bad-0", "application/merge-patch+json", []byte(patch))
			if err != nil {
				return err
			}
			if took, err = once(); err != nil {
				return err
			}
			woken = append(woken, took)
			if err := pause(ctx, 2*time.Second); err != nil {
				return err
			}
		}
		if err := profile(); err != nil {
			return err
		}
		r.note(perTenant+" alone", "%s", seconds(alone))
		for _, c := range []struct {
			what string
			took []time.Duration
		}{
			{fmt.Sprintf("%s beside %d objects whose token is refused", perTenant, bad), beside},
			{"The same just after their token was renewed, in vain", woken},
		} {
			ratio := median(c.took).Seconds() / median(alone).Seconds()
			r.check(c.what, fmt.Sprintf("%.1f x alone", allowed), ratio <= allowed, "%s: %.2f x", seconds(c.took), ratio)
		}
		r.note("Aiven requests with the rejected token", "%d", w.sim.Count(aivensim.ByToken("unknown")))
		return nil
	})
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}

func seconds(all []time.Duration) string {
	var parts []string
	for _, d := range all {
		parts = append(parts, fmt.Sprintf("%.2f", d.Seconds()))
	}
	return strings.Join(parts, ", ") + " s"
}

// drift measures how soon a user that is deleted outside is there again, by the
// event log alone: the poll is minutes away.
func drift(ctx context.Context, b *bench) ([]row, error) {
	return in(ctx, b, "drift", aivensim.Timing{}, func(w *world, r *rowsOf) error {
		op, err := w.settle(ctx, 0, kafkaWork(namespace, "bench", 10, 10, 10))
		if err != nil {
			return err
		}
		var took []time.Duration
		s, err := w.begin(ctx, op)
		if err != nil {
			return err
		}
		for i := range b.runs {
			before := w.sim.Count(aivensim.ByOperation("ServiceUserCreate"))
			began := time.Now()
			if err := w.sim.Outside(project, "bench").DeleteUser(fmt.Sprintf("u-%d", i)); err != nil {
				return err
			}
			if err := w.sim.WaitCount(ctx, before+1, aivensim.ByOperation("ServiceUserCreate")); err != nil {
				return err
			}
			took = append(took, time.Since(began))
			// So that the rounds begin at different times between two reads.
			if err := pause(ctx, time.Duration(i)*3*time.Second); err != nil {
				return err
			}
		}
		window := time.Since(s.began)
		u, err := s.end(ctx, op, time.Now())
		if err != nil {
			return err
		}
		r.check("Deleted outside until created again", "30 s", slices.Max(took) < 30*time.Second, "%s", seconds(took))
		r.note("Reads of the event log of the one project", "%d in %.0f s", u.logReads, window.Seconds())
		r.note("Other Aiven requests", "%s", u.aivenByOperation())
		return nil
	})
}

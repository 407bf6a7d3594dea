// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// scenario runs one on servers of its own and returns its figures. The figures
// that were taken before an error are good.
type scenario func(ctx context.Context, b *bench) ([]row, error)

// scenarios returns all by name.
func scenarios() map[string]scenario {
	return map[string]scenario{
		"kafka901":    kafka901,
		"postgres200": postgres200,
		"steady":      steady,
		"restart":     restart,
		"secrets2000": secrets2000,
		"poll2000":    poll2000,
		"topics20k":   topics20k,
		"tenant10k":   tenant10k,
		"drift":       drift,
		"openbao200":  openbao200,
	}
}

// names returns the scenarios in the order of the report.
func names() []string {
	return []string{"kafka901", "postgres200", "steady", "restart", "secrets2000", "poll2000", "topics20k", "tenant10k", "drift", "openbao200"}
}

// in runs do in a new world.
func in(ctx context.Context, b *bench, name string, timing aivensim.Timing, do func(*world, *rowsOf) error) (rows []row, err error) {
	w, err := newWorld(ctx, b, name, timing)
	if err != nil {
		return nil, fmt.Errorf("start the servers: %w", err)
	}
	defer func() { err = errors.Join(err, w.close()) }()
	r := &rowsOf{scenario: name}
	err = do(w, r)
	if unexpected := w.sim.Unexpected(); len(unexpected) > 0 && err == nil {
		err = fmt.Errorf("the simulator knows no such request: %s %s", unexpected[0].Method, unexpected[0].Path)
	}
	return r.rows, err
}

// startIdle starts the operator and waits until it has nothing left to do.
func (w *world) startIdle(ctx context.Context, interval time.Duration) (*operator, error) {
	op, err := w.start(interval)
	if err != nil {
		return nil, err
	}
	return op, op.idle(ctx)
}

// idle waits until the operator uses next to no processor time.
func (o *operator) idle(ctx context.Context) error {
	const pulse, rest = time.Second, 50 * time.Millisecond
	last := time.Duration(0)
	return until(ctx, pulse, func() (bool, error) {
		select {
		case <-o.done:
			return false, fmt.Errorf("the operator ended: %w; its log is %s", o.err, o.log)
		default:
		}
		now, err := o.cpu()
		idle := now-last < rest && last > 0
		last = now
		return idle, err
	})
}

// work applies objects and waits until all are ready.
func (w *world) work(ctx context.Context, objects []object) (applied, ready time.Time, err error) {
	var kinds []string
	for _, o := range objects {
		if !slices.Contains(kinds, o.Kind) {
			kinds = append(kinds, o.Kind)
		}
	}
	if err := w.ready.follow(ctx, kinds...); err != nil {
		return applied, ready, err
	}
	if err := w.apply(ctx, objects); err != nil {
		return applied, ready, err
	}
	applied = time.Now()
	ready, err = w.ready.wait(ctx, objects)
	return applied, ready, err
}

// settle does work with an operator of that poll interval until nothing is left
// to do.
func (w *world) settle(ctx context.Context, interval time.Duration, objects []object) (*operator, error) {
	op, err := w.startIdle(ctx, interval)
	if err != nil {
		return nil, err
	}
	running, stop := op.lifetime(ctx)
	defer stop()
	if _, _, err := w.work(running, objects); err != nil {
		return nil, err
	}
	if interval > 0 {
		// Polls go on; what is measured next starts when writes have ended.
		return op, op.idle(ctx)
	}
	return op, w.quiet(ctx)
}

// measured does work and measures it from the first apply until nothing is left
// to do.
func (w *world) measured(ctx context.Context, r *rowsOf, op *operator, objects []object) (wall time.Duration, u *use, err error) {
	s, err := w.begin(ctx, op)
	if err != nil {
		return 0, nil, err
	}
	profile := w.startProfile(ctx, op, w.name, w.bench.profile)
	running, stop := op.lifetime(ctx)
	defer stop()
	applied, ready, err := w.work(running, objects)
	if err != nil {
		return 0, nil, err
	}
	wall = ready.Sub(s.began)
	if err := errors.Join(w.quiet(ctx), profile()); err != nil {
		return wall, nil, err
	}
	if u, err = s.end(ctx, op, ready); err != nil {
		return wall, nil, err
	}
	r.note("Objects applied, after the first", "%d, %.1f s", len(objects), applied.Sub(s.began).Seconds())
	return wall, u, nil
}

func kafka901(ctx context.Context, b *bench) ([]row, error) {
	each := b.some(300)
	return in(ctx, b, "kafka901", aivensim.Timing{}, func(w *world, r *rowsOf) error {
		objects := kafkaWork(namespace, "bench", each, each, each)
		n := float64(len(objects))
		op, err := w.startIdle(ctx, 0)
		if err != nil {
			return err
		}
		before, err := op.resident()
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
		if err := op.stop(); err != nil {
			return err
		}
		r.check("Aiven writes per object", "1.2", float64(u.writes)/n <= 1.2, "%.2f", float64(u.writes)/n)
		r.check("Aiven reads per object", "0.1", float64(u.reads)/n <= 0.1, "%.2f", float64(u.reads)/n)
		r.note("Aiven requests, bytes read", "%d, %s", u.reads+u.writes, mebibytes(u.bytes))
		r.note("Reads of the event log", "%d", u.logReads)
		r.check("TCP connections to Aiven", "16, the concurrency limit", u.connections <= 16, "%d", u.connections)
		events := u.kube.total(isEvent)
		r.note("Kube writes without events", "%d", u.kube.total(anyWrite)-events)
		secrets := u.kube.total(func(k writeKey) bool { return k.resource == "secrets" })
		for _, kind := range []string{"KafkaTopic", "ServiceUser", "KafkaACL"} {
			got, limit := float64(u.kube.total(ofKind(kind)))/float64(each), 5.0
			switch kind {
			case "KafkaTopic":
				limit = 4
			case "ServiceUser":
				// The Secret of the Kafka is counted here too.
				got += float64(secrets) / float64(each)
			}
			r.check("Kube writes per "+kind, fmt.Sprintf("%.0f", limit), got <= limit+0.1, "%.2f", got)
		}
		r.check("Events per object", "1 for each transition: created, running", float64(events) <= 2*n+5, "%.2f", float64(events)/float64(n))
		r.note("Kube writes in detail", "%s", u.kube)
		r.note("Aiven requests in detail", "%s", u.aivenByOperation())
		r.check("CPU", "5 s", u.cpu < 5*time.Second, "%.2f s", u.cpu.Seconds())
		r.check("Peak memory", "100 MiB", peak < 100<<20, "%s; %s before the work", mebibytes(peak), mebibytes(before))
		// Last, so that without it the figures above are not lost.
		floor, err := w.floor(ctx, objects, u)
		if err != nil {
			r.note("Apply until all Ready", "%.1f s", wall.Seconds())
			return fmt.Errorf("floor: %w", err)
		}
		r.check("Apply until all Ready", "under 6 s, or 1.5 x the floor", wall < 6*time.Second || wall < floor*3/2, "%.1f s", wall.Seconds())
		r.note("Floor: the same writes and calls with no operator", "%.1f s, so the operator takes %.2f x", floor.Seconds(), wall.Seconds()/floor.Seconds())
		return nil
	})
}

// ofKind selects the writes to the objects of a kind and to their status.
func ofKind(kind string) func(writeKey) bool {
	resource := plural(kind)
	return func(k writeKey) bool { return k.resource == resource || k.resource == resource+"/status" }
}

func postgres200(ctx context.Context, b *bench) ([]row, error) {
	n := b.some(200)
	return in(ctx, b, "postgres200", aivensim.Timing{ServiceBuild: 2 * time.Second}, func(w *world, r *rowsOf) error {
		var objects []object
		for i := range n {
			objects = append(objects, postgres(namespace, fmt.Sprintf("pg-%d", i)))
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
		events := u.kube.total(isEvent)
		r.check("Apply until all Ready", "5 s", wall < 5*time.Second, "%.1f s", wall.Seconds())
		// The certificate of the project's CA is read once for all.
		r.check("Aiven requests per service", "4", u.reads+u.writes <= 4*n+1, "%.2f", float64(u.reads+u.writes)/float64(n))
		r.note("Kube writes without events, per service", "%.2f", float64(u.kube.total(anyWrite)-events)/float64(n))
		r.note("Events per service", "%.2f", float64(events)/float64(n))
		r.note("Kube writes in detail", "%s", u.kube)
		r.note("Aiven requests in detail", "%s", u.aivenByOperation())
		r.note("CPU, peak memory", "%.2f s, %s", u.cpu.Seconds(), mebibytes(peak))
		return nil
	})
}

// polls measures an operator that has nothing to do over some polls, and
// returns what one of them took.
func (w *world) polls(ctx context.Context, op *operator, interval time.Duration) (requests float64, u *use, err error) {
	const polls = 3
	// What is read for the first time is the start's.
	if err := pause(ctx, interval); err != nil {
		return 0, nil, err
	}
	s, err := w.begin(ctx, op)
	if err != nil {
		return 0, nil, err
	}
	profile := w.startProfile(ctx, op, w.name+".polls", w.bench.profile)
	if err := errors.Join(pause(ctx, polls*interval), profile()); err != nil {
		return 0, nil, err
	}
	if u, err = s.end(ctx, op, time.Now()); err != nil {
		return 0, nil, err
	}
	u.cpu /= polls
	u.bytes /= polls
	return float64(u.reads+u.writes) / polls, u, nil
}

func steady(ctx context.Context, b *bench) ([]row, error) {
	each := b.some(300)
	return in(ctx, b, "steady", aivensim.Timing{}, func(w *world, r *rowsOf) error {
		op, err := w.settle(ctx, b.interval, kafkaWork(namespace, "bench", each, each, each))
		if err != nil {
			return err
		}
		requests, u, err := w.polls(ctx, op, b.interval)
		if err != nil {
			return err
		}
		r.note("Poll interval", "%s", b.interval)
		r.check("Aiven requests per poll", "10", requests <= 10, "%.1f, %s", requests, mebibytes(u.bytes))
		r.check("Kube writes in all", "0", len(u.kube) == 0, "%d %s", u.kube.total(anyWrite), u.kube)
		r.check("CPU per poll interval", "0.2 s", u.cpu < 200*time.Millisecond, "%.2f s", u.cpu.Seconds())
		r.note("Reads of the event log in 3 polls", "%d", u.logReads)
		return nil
	})
}

func restart(ctx context.Context, b *bench) ([]row, error) {
	each := b.some(300)
	return in(ctx, b, "restart", aivensim.Timing{}, func(w *world, r *rowsOf) error {
		op, err := w.settle(ctx, 0, kafkaWork(namespace, "bench", each, each, each))
		if err != nil {
			return err
		}
		s, err := w.begin(ctx, op)
		if err != nil {
			return err
		}
		if err := op.stop(); err != nil {
			return err
		}
		stopped := time.Since(s.began)
		if op, err = w.start(0); err != nil {
			return err
		}
		busy, err := w.busyUntil(ctx, op)
		if err != nil {
			return err
		}
		u, err := s.end(ctx, op, time.Now())
		if err != nil {
			return err
		}
		if u.last.After(busy) {
			busy = u.last
		}
		wall := busy.Sub(s.began)
		r.check("SIGTERM until quiet again", "3 s", wall < 3*time.Second, "%.1f s, of which %.1f s until the old process had ended", wall.Seconds(), stopped.Seconds())
		r.check("Aiven writes", "0", u.writes == 0, "%d", u.writes)
		r.check("Aiven reads", "20", u.reads <= 20, "%d", u.reads)
		r.check("Kube writes without events", "0", u.kube.total(anyWrite) == u.kube.total(isEvent), "%s", u.kube)
		r.note("CPU of the new process", "%.2f s", u.cpu.Seconds())
		return nil
	})
}

// busyUntil waits until the operator has used next to no processor time for
// quietFor, and returns when it last used some.
func (w *world) busyUntil(ctx context.Context, op *operator) (time.Time, error) {
	const pulse, rest = 100 * time.Millisecond, 2 * tick
	busy, last := time.Now(), time.Duration(-1)
	err := until(ctx, pulse, func() (bool, error) {
		now, err := op.cpu()
		if err != nil {
			return false, err
		}
		if now-last > rest {
			busy = time.Now()
		}
		last = now
		return time.Since(busy) >= quietFor, nil
	})
	return busy, err
}

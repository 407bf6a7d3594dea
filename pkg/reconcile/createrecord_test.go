// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

func recorded(age time.Duration, asked ...string) func(*v1alpha1.KafkaTopic) {
	record := CreateRecord{At: time.Now().Add(-age), Asked: asked}
	return annotated(AnnotationCreateIntent, record.String())
}

func TestCreateRecordText(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	many := slices.Repeat([]string{"x"}, maxAsked+1)
	tests := map[string]struct {
		text string
		want CreateRecord
	}{
		"time":      {"2026-01-02T03:04:05Z", CreateRecord{At: at}},
		"asked":     {`2026-01-02T03:04:05Z ["a b","\"c"]`, CreateRecord{At: at, Asked: []string{"a b", `"c`}}},
		"no time":   {"t", CreateRecord{}},
		"no list":   {"2026-01-02T03:04:05Z {", CreateRecord{At: at}},
		"too long":  {CreateRecord{At: at, Asked: many}.String(), CreateRecord{At: at}},
		"something": {"", CreateRecord{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := CreateRecordOf(topic("a", annotated(AnnotationCreateIntent, tt.text)))
			if !ok || !got.At.Equal(tt.want.At) || !slices.Equal(got.Asked, tt.want.Asked) {
				t.Errorf("record = %v %v, want %v", got, ok, tt.want)
			}
		})
	}
	if _, ok := CreateRecordOf(topic("a")); ok {
		t.Error("an object without the annotation has a record")
	}
	record := CreateRecord{}
	for i := range maxAsked + 3 {
		record = record.with(fmt.Sprint(i)).with(fmt.Sprint(i))
	}
	if len(record.Asked) != maxAsked || record.Asked[maxAsked-1] != fmt.Sprint(maxAsked+2) {
		t.Errorf("asked = %q, want the last %d", record.Asked, maxAsked)
	}
}

// A process that starts within a minute of a create which Aiven lists late waits as
// the one that sent it would have.
func TestARecordedCreateIsNotSentAgain(t *testing.T) {
	tests := map[string]struct {
		age   time.Duration
		calls []string
	}{
		"just now":           {0, nil},
		"half a minute ago":  {30 * time.Second, nil},
		"long ago":           {2 * time.Minute, []string{"create a"}},
		"in the near future": {-10 * time.Second, nil},
		"in the far future":  {-time.Hour, []string{"create a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := run(t, &world{invisible: true}, topic("a", finalized, recorded(tt.age)))
				f.pass(20 * time.Second)
				f.wantCalls(tt.calls...)
				f.wantReady("a", metav1.ConditionFalse, ReasonCreating)
				if len(tt.calls) == 0 && f.refreshed.Load() == 0 {
					t.Error("nothing asks for the remote to be read again")
				}
				f.pass(2 * time.Minute)
				if f.count() == 0 {
					t.Error("what never became visible was not created again")
				}
			})
		})
	}
}

// A create whose answer was lost may have been carried out.
func TestALostAnswerIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{create: fmt.Errorf("timeout: %w", ErrOutcomeUnknown)}, topic("a"))
		f.pass(40 * time.Second)
		f.wantCalls("create a")
		f.wantReady("a", metav1.ConditionFalse, ReasonCreating)
		f.change(func(w *world) { w.remote["a"], w.create = true, nil })
		f.pass(15 * time.Second)
		f.wantCalls("create a")
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
		if f.get("a").Status.Adopted {
			t.Error("what this object created counts as adopted")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{create: fmt.Errorf("timeout: %w", ErrOutcomeUnknown)}, topic("a"))
		f.change(func(w *world) { w.create = nil })
		f.pass(80 * time.Second)
		f.wantCalls("create a", "create a")
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
	})
}

// What a create makes must not outlive an object that is deleted before Aiven lists
// it.
func TestDeletionWaitsForACreate(t *testing.T) {
	tests := map[string]struct {
		world *world
		age   time.Duration
		waits bool
	}{
		"sent by another process": {&world{}, 10 * time.Second, true},
		"sent long ago":           {&world{}, 2 * time.Minute, false},
		"refused":                 {&world{create: errors.New("no")}, 0, false},
		"answer lost":             {&world{create: ErrOutcomeUnknown}, 0, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				obj := topic("a", finalized)
				if tt.age != 0 {
					obj = topic("a", finalized, deleted, recorded(tt.age))
				}
				f := run(t, tt.world, obj)
				if tt.age == 0 {
					f.update("a", deleted)
				}
				if held := hasFinalizer(f.get("a")); held != tt.waits {
					t.Fatalf("finalizer = %v, want %v", held, tt.waits)
				}
				if !tt.waits {
					return
				}
				f.wantReady("a", metav1.ConditionFalse, ReasonDeleting)
				f.change(func(w *world) { w.remote["a"] = true })
				f.pass(15 * time.Second)
				if f.remains("a") || hasFinalizer(f.get("a")) {
					t.Errorf("remote remains = %v, finalizers = %v, want both gone", f.remains("a"), f.get("a").Finalizers)
				}
			})
		})
	}
}

// A remote that is replaced is recorded before it is asked for, and the record stays
// while one of an earlier spec may become visible yet.
func TestTheRecordNamesWhatWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{remote: map[string]bool{"r": true}, asked: func(o *v1alpha1.KafkaTopic) string { return fmt.Sprint(o.Spec.Partitions) }}
		f := run(t, w, topic("a", named("r")))
		if _, ok := CreateRecordOf(f.get("a")); ok {
			t.Error("an adopted object has a create record")
		}
		spec := func(generation, partitions int64) func(*v1alpha1.KafkaTopic) {
			return func(o *v1alpha1.KafkaTopic) { o.Generation, o.Spec.Partitions = generation, partitions }
		}
		f.change(func(w *world) { w.differs, w.update = []string{"partitions"}, ErrOutcomeUnknown })
		f.update("a", spec(2, 7))
		f.wantCalls("update a")
		if record, _ := CreateRecordOf(f.get("a")); !slices.Equal(record.Asked, []string{"7"}) {
			t.Errorf("asked = %q, want what was sent", record.Asked)
		}
		f.change(func(w *world) { w.update = nil })
		f.update("a", spec(3, 8))
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
		f.pass(10 * time.Second)
		if record, _ := CreateRecordOf(f.get("a")); !slices.Equal(record.Asked, []string{"7", "8"}) {
			t.Errorf("asked = %q right after it was sent, want both", record.Asked)
		}
		if f.refreshed.Load() == 0 {
			t.Error("nothing asks for the remote to be read again")
		}
		f.pass(2 * time.Minute)
		if record, ok := CreateRecordOf(f.get("a")); ok {
			t.Errorf("the record %v stays", record)
		}
	})
}

func exists() error {
	return &Problem{Reason: "AlreadyExists", Message: "It exists.", Phase: PhaseCreateOrUpdate, Next: Retry(ErrExists), Err: ErrExists}
}

// A create that is refused because the remote exists is nobody's creation.
func TestARemoteThatExistsIsNotReportedAsCreated(t *testing.T) {
	t.Run("visible afterwards", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{create: exists()}
			w.onCreate = func() { w.remote["a"] = true }
			f := run(t, w, topic("a"))
			f.wantCalls("create a")
			f.wantReady("a", metav1.ConditionTrue, ReasonReady)
			f.wantEvents(EventAdopted, EventRunning)
			if !f.get("a").Status.Adopted {
				t.Error("it does not count as adopted")
			}
		})
	})
	t.Run("taken and never visible", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := run(t, &world{create: exists()}, topic("a"))
			f.wantReady("a", metav1.ConditionFalse, "AlreadyExists")
			f.pass(20 * time.Minute)
			f.wantReady("a", metav1.ConditionFalse, "AlreadyExists")
			f.wantEvents("AlreadyExists")
			if n := f.count(); n > 10 {
				t.Errorf("%d creates in 20 minutes", n)
			}
			if cond := condition(f.get("a"), ConditionInitialized); cond.Status == metav1.ConditionTrue {
				t.Errorf("Initialized = %+v", cond)
			}
		})
	})
	t.Run("created by a request whose answer was lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{create: exists()}
			w.onCreate = func() { w.remote["a"] = true }
			f := run(t, w, topic("a", finalized, recorded(2*time.Minute)))
			f.wantCalls("create a")
			f.wantReady("a", metav1.ConditionTrue, ReasonReady)
			if f.get("a").Status.Adopted {
				t.Error("it counts as adopted")
			}
		})
	})
}

// Throttling says nothing about the object, but a person must learn why it is not
// Ready.
func TestThrottlingIsReported(t *testing.T) {
	throttled := Delayed(time.Second, "Throttled", "Aiven limits the requests of this token.", errors.New("429"))
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{observe: throttled}, topic("a"))
		if n := f.writes(); n != 0 {
			t.Errorf("%d writes for a short delay, want none", n)
		}
		f.pass(10 * time.Minute)
		f.wantReady("a", metav1.ConditionFalse, "Throttled")
		f.wantEvents("Throttled")
		if n := f.writes(); n != 1 {
			t.Errorf("%d writes, want 1", n)
		}
		f.change(func(w *world) { w.observe = nil })
		f.settle()
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
	})
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{}, topic("a"))
		f.change(func(w *world) { w.observe = throttled })
		f.wake("a")
		f.pass(10 * time.Minute)
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
	})
}

func TestAThrottledObjectKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		w := &world{throttled: map[string]bool{"old": true}}
		f := run(t, w, topic("young", named("r"), created(now)), topic("old", named("r"), created(now.Add(-time.Hour))))
		f.wantReady("young", metav1.ConditionTrue, ReasonReady)
		f.change(func(w *world) { w.throttled = nil })
		f.pass(time.Minute)
		f.wantReady("old", metav1.ConditionFalse, ReasonAlreadyManaged)
		f.wantCalls("create young")
		if message := readyCondition(f.get("old")).Message; !strings.Contains(message, "ns/young") {
			t.Errorf("message = %q", message)
		}
	})
}

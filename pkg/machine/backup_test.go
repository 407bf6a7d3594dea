// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var monday = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func schedule(t *testing.T, expression, zone, uid string) *Schedule {
	t.Helper()
	s, err := ParseSchedule(expression, zone, uid)
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

func TestParseSchedule(t *testing.T) {
	for _, expression := range []string{"", "* * * *", "0 3 * * * *", "@daily", "TZ=UTC 0 3 * * *", "0 25 * * *", "0 0 30 2 *"} {
		if _, err := ParseSchedule(expression, "", "u"); err == nil {
			t.Errorf("%q is accepted", expression)
		}
	}
	for _, zone := range []string{"Mars/Olympus", "local", "../etc/passwd"} {
		if _, err := ParseSchedule("0 3 * * *", zone, "u"); err == nil {
			t.Errorf("the time zone %q is accepted", zone)
		}
	}
}

func TestScheduleIsLateByALittle(t *testing.T) {
	seen := map[time.Duration]bool{}
	for i := range 100 {
		uid := fmt.Sprintf("uid-%d", i)
		s := schedule(t, "0 3 * * *", "", uid)
		next := s.Next(monday)
		slot := time.Date(2026, 3, 3, 3, 0, 0, 0, time.UTC)
		late := next.Sub(slot)
		if late < 0 || late >= maxJitter {
			t.Errorf("%s: %v", uid, next)
		}
		seen[late] = true
		if !next.Equal(schedule(t, "0 3 * * *", "", uid).Next(monday)) || !s.Next(next.Add(-time.Second)).Equal(next) || s.Next(next).Sub(next) != 24*time.Hour {
			t.Errorf("%s: it is not the same each time", uid)
		}
		if late := schedule(t, "* * * * *", "", uid).Next(monday).Sub(monday); late > time.Minute+6*time.Second {
			t.Errorf("every minute: %v late", late)
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d different times", len(seen))
	}
	// Three o'clock in Berlin is two in winter and one in summer.
	s := schedule(t, "0 3 * * *", "Europe/Berlin", "u")
	if h := s.Next(monday).Hour(); h != 2 {
		t.Errorf("winter: %d", h)
	}
	if h := s.Next(monday.AddDate(0, 5, 0)).Hour(); h != 1 {
		t.Errorf("summer: %d", h)
	}
}

func TestLatest(t *testing.T) {
	s := schedule(t, "0 * * * *", "", "u")
	first := s.Next(monday)
	if got := s.Latest(monday, first.Add(-time.Second)); !got.IsZero() {
		t.Errorf("before the first: %v", got)
	}
	if got := s.Latest(monday, first.Add(5*time.Hour+time.Minute)); !got.Equal(first.Add(5 * time.Hour)) {
		t.Errorf("five missed: %v", got)
	}
	every := schedule(t, "* * * * *", "", "u")
	if got := every.Latest(monday.AddDate(-20, 0, 0), monday); monday.Sub(got) > 2*time.Minute {
		t.Errorf("years missed: %v", got)
	}
	for _, expression := range []string{"*/5 2 * * *", "0 3 * * 1", "7 3 1 * *", "0 0 29 2 *"} {
		uneven := schedule(t, expression, "", "u")
		for _, missed := range []int{1, 4, 30, 500, 3000} {
			now := monday.AddDate(0, 0, missed)
			got := uneven.Latest(monday, now)
			if first := uneven.Next(monday); first.After(now) {
				if !got.IsZero() {
					t.Errorf("%s, %d days: %v, before the first", expression, missed, got)
				}
				continue
			}
			if got.IsZero() || got.After(now) || !uneven.Next(got).After(now) {
				t.Errorf("%s, %d days: %v is not the last before %v", expression, missed, got, now)
			}
		}
	}
}

// base is a cluster whose backups are well, a minute after a time of its schedule.
func base(t *testing.T) Backup {
	s := schedule(t, "0 3 * * *", "", "u")
	due := s.Next(monday)
	return Backup{
		Now: due.Add(time.Minute), Wanted: true, Schedule: s, ScheduleNoted: true, Since: monday, Proved: true,
	}
}

func TestBackupIsDue(t *testing.T) {
	due := base(t).Schedule.Next(monday)
	for name, test := range map[string]struct {
		change func(b *Backup)
		want   BackupStep
	}{
		"the schedule":                {func(*Backup) {}, BackupStep{Action: BeginBackup, Kind: ScheduledBackup, Scheduled: due}},
		"not yet":                     {func(b *Backup) { b.Now = monday }, BackupStep{Action: RestBackup, At: due}},
		"served":                      {func(b *Backup) { b.LastScheduled = due }, BackupStep{Action: RestBackup, At: due.Add(24 * time.Hour)}},
		"days missed":                 {func(b *Backup) { b.Now = b.Now.Add(72 * time.Hour) }, BackupStep{Action: BeginBackup, Kind: ScheduledBackup, Scheduled: due.Add(72 * time.Hour)}},
		"a new schedule":              {func(b *Backup) { b.ScheduleNoted = false }, BackupStep{Action: NoteSchedule}},
		"it counts from then on":      {func(b *Backup) { b.Since = b.Now }, BackupStep{Action: RestBackup, At: due.Add(24 * time.Hour)}},
		"not wanted":                  {func(b *Backup) { b.Wanted = false }, BackupStep{Action: RestBackup}},
		"busy":                        {func(b *Backup) { b.Busy = true }, BackupStep{Action: AwaitBackup, Cause: BackupBusy}},
		"not proved":                  {func(b *Backup) { b.Proved = false }, BackupStep{Action: AwaitBackup, Cause: BackupNotProved}},
		"locked":                      {func(b *Backup) { b.Lock = Lock{Holder: "x", Fence: 1, RenewedAt: b.Now} }, BackupStep{Action: AwaitBackup, Cause: BackupLocked}},
		"a lock whose term is over":   {func(b *Backup) { b.Lock = Lock{Holder: "x", Fence: 1, RenewedAt: b.Now.Add(-LockTerm)} }, BackupStep{Action: BeginBackup, Kind: ScheduledBackup, Scheduled: due}},
		"by hand, and the schedule":   {func(b *Backup) { b.Trigger = "a" }, BackupStep{Action: BeginBackup, Kind: ManualBackup, Scheduled: due}},
		"by hand without a schedule":  {func(b *Backup) { b.Trigger, b.Schedule = "a", nil }, BackupStep{Action: BeginBackup, Kind: ManualBackup}},
		"by hand, served":             {func(b *Backup) { b.Trigger, b.Handled, b.Schedule = "a", "a", nil }, BackupStep{Action: RestBackup}},
		"tried again":                 {func(b *Backup) { b.LastScheduled, b.Failures, b.RetryAt = due, 1, b.Now }, BackupStep{Action: BeginBackup, Kind: ScheduledBackup}},
		"later":                       {func(b *Backup) { b.LastScheduled, b.Failures, b.RetryAt = due, 1, b.Now.Add(time.Second) }, BackupStep{Action: RestBackup, At: due.Add(time.Minute + time.Second)}},
		"failed for good":             {func(b *Backup) { b.LastScheduled, b.Failures = due, 1 }, BackupStep{Action: RestBackup, At: due.Add(24 * time.Hour)}},
		"failed for good and changed": {func(b *Backup) { b.LastScheduled, b.Failures, b.Changed = due, 1, true }, BackupStep{Action: BeginBackup, Kind: ScheduledBackup}},
	} {
		t.Run(name, func(t *testing.T) {
			b := base(t)
			test.change(&b)
			if got := b.Next(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestBackupGoesOn(t *testing.T) {
	for name, test := range map[string]struct {
		change func(b *Backup)
		action BackupAction
		cause  BackupCause
	}{
		"begins":                 {func(b *Backup) { b.Lock, b.Operation.Fence = Lock{Fence: 3}, 0 }, TakeLock, ""},
		"somebody was faster":    {func(b *Backup) { b.Lock.Holder, b.Operation.Fence = "x", 0 }, AwaitBackup, BackupLocked},
		"the answer was lost":    {func(b *Backup) { b.Operation.Fence = 0 }, NoteFence, ""},
		"the lock gets old":      {func(b *Backup) { b.Lock.RenewedAt = b.Now.Add(-lockRenewal) }, RenewLock, ""},
		"an earlier one's Jobs":  {func(b *Backup) { b.OldJobs, b.OldPods = true, true }, DropOldJobs, ""},
		"an earlier one's pods":  {func(b *Backup) { b.OldPods = true }, AwaitBackup, BackupOldPods},
		"the Job":                {func(*Backup) {}, RunBackupJob, ""},
		"it runs":                {func(b *Backup) { b.Job = JobRuns }, AwaitBackup, BackupJobRuns},
		"it is done":             {func(b *Backup) { b.Job = JobDone }, NoteBackup, ""},
		"it failed":              {func(b *Backup) { b.Job = JobFailed }, NoteBackupFailure, BackupJobFailed},
		"the lock was taken":     {func(b *Backup) { b.Lock.Holder, b.Lock.Fence = "x", 5 }, NoteBackupFailure, BackupLockLost},
		"taken and given back":   {func(b *Backup) { b.Lock.Fence = 5 }, NoteBackupFailure, BackupLockLost},
		"too long":               {func(b *Backup) { b.Operation.StartedAt = b.Now.Add(-BackupPatience - 1) }, NoteBackupFailure, BackupOverdue},
		"not wanted any more":    {func(b *Backup) { b.Wanted = false }, NoteBackupFailure, BackupUnwanted},
		"retention":              {func(b *Backup) { b.Operation.Phase = Retaining }, RunBackupJob, ""},
		"retention done":         {func(b *Backup) { b.Operation.Phase, b.Job = Retaining, JobDone }, NoteRetention, ""},
		"retention failed":       {func(b *Backup) { b.Operation.Phase, b.Job = Retaining, JobAgain }, NoteRetention, BackupJobFailed},
		"its Jobs are collected": {func(b *Backup) { b.Operation.Phase, b.Jobs = EndingBackup, true }, DropBackupJobs, ""},
		"a pod lasts":            {func(b *Backup) { b.Operation.Phase, b.Pods = EndingBackup, true }, AwaitBackup, BackupOldPods},
		"the lock is given back": {func(b *Backup) { b.Operation.Phase = EndingBackup }, ReleaseLock, ""},
		"the end":                {func(b *Backup) { b.Operation.Phase, b.Lock.Holder = EndingBackup, "" }, EndBackup, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := base(t)
			b.Operation = &BackupOperation{UID: "op", Kind: ScheduledBackup, Phase: TakingBackup, StartedAt: b.Now, Fence: 4}
			b.Lock = Lock{Holder: "op", Fence: 4, RenewedAt: b.Now}
			test.change(&b)
			if got := b.Next(); got.Action != test.action || got.Cause != test.cause {
				t.Errorf("got %+v, want %s %s", got, test.action, test.cause)
			}
		})
	}
}

func TestRetriesRise(t *testing.T) {
	b := base(t)
	b.Operation = &BackupOperation{UID: "op", Phase: TakingBackup, StartedAt: b.Now, Fence: 4}
	b.Lock, b.Job = Lock{Holder: "op", Fence: 4, RenewedAt: b.Now}, JobAgain
	var last time.Duration
	for b.Failures = range 40 {
		wait := b.Next().At.Sub(b.Now)
		if wait < last || wait < firstRetry || wait > lastRetry {
			t.Fatalf("failure %d: %v after %v", b.Failures, wait, last)
		}
		last = wait
	}
	b.Job = JobFailed
	if !b.Next().At.IsZero() {
		t.Error("what cannot pass is tried again")
	}
}

// backupWorld is a cluster with a process that carries out steps and is killed anywhere, Jobs
// that end anyhow, and somebody else who wants the lock.
type backupWorld struct {
	random *rand.Rand
	b      Backup
	// jobs are those that exist, by operation and phase, and pods those that have not
	// ended.
	jobs      map[string]JobState
	pods      map[string]bool
	published map[string]bool
	noted     map[string]int
	failed    map[string]int
	next      int
}

func (w *backupWorld) key() string { return w.b.Operation.UID + "/" + string(w.b.Operation.Phase) }

// observe is what a look finds.
func (w *backupWorld) observe() Backup {
	b := w.b
	b.Job, b.Jobs, b.Pods, b.OldJobs, b.OldPods = NoJob, false, false, false, false
	own := func(key string) bool {
		return b.Operation != nil && len(key) > len(b.Operation.UID) && key[:len(b.Operation.UID)+1] == b.Operation.UID+"/"
	}
	for key, state := range w.jobs {
		if own(key) {
			b.Jobs = true
			if key == w.key() {
				b.Job = state
			}
		} else {
			b.OldJobs = true
		}
	}
	for key := range w.pods {
		if own(key) {
			b.Pods = true
		} else {
			b.OldPods = true
		}
	}
	return b
}

func (w *backupWorld) do(t *testing.T, seed uint64, step BackupStep) {
	b := &w.b
	switch step.Action {
	case NoteSchedule:
		b.ScheduleNoted, b.Since = true, b.Now
	case BeginBackup:
		w.next++
		if !step.Scheduled.IsZero() {
			b.LastScheduled = step.Scheduled
		}
		b.Handled, b.RetryAt = b.Trigger, time.Time{}
		b.Operation = &BackupOperation{UID: fmt.Sprintf("op%d", w.next), Kind: step.Kind, Phase: TakingBackup, StartedAt: b.Now}
	case TakeLock:
		if !b.Lock.free(b.Now) {
			t.Fatalf("seed %d: a lock is taken that is held", seed)
		}
		b.Lock = Lock{Holder: b.Operation.UID, Fence: b.Lock.Fence + 1, RenewedAt: b.Now}
	case RenewLock:
		b.Lock.RenewedAt = b.Now
	case NoteFence:
		b.Operation.Fence = b.Lock.Fence
	case DropOldJobs:
		for key := range w.jobs {
			if key != w.key() && !w.observeOwn(key) {
				delete(w.jobs, key)
			}
		}
	case DropBackupJobs:
		for key := range w.jobs {
			if w.observeOwn(key) {
				delete(w.jobs, key)
			}
		}
	case RunBackupJob:
		if b.Lock.Holder != b.Operation.UID || b.Lock.Fence != b.Operation.Fence {
			t.Fatalf("seed %d: a Job without the lock", seed)
		}
		if len(w.pods) > 0 {
			t.Fatalf("seed %d: a Job beside %v", seed, w.pods)
		}
		w.jobs[w.key()], w.pods[w.key()] = JobRuns, true
	case NoteBackup:
		if !w.published[b.Operation.UID] {
			t.Fatalf("seed %d: a backup counts that was not published", seed)
		}
		w.noted[b.Operation.UID]++
		b.Failures, b.RetryAt = 0, time.Time{}
		b.Operation.Phase = EndingBackup
		if b.Retention {
			b.Operation.Phase = Retaining
		}
	case NoteRetention:
		b.Operation.Phase = EndingBackup
	case NoteBackupFailure:
		w.failed[b.Operation.UID]++
		b.Failures++
		b.RetryAt = step.At
		b.Operation.Phase = EndingBackup
	case ReleaseLock:
		b.Lock.Holder = ""
	case EndBackup:
		b.Operation = nil
	}
}

func (w *backupWorld) observeOwn(key string) bool {
	uid := w.b.Operation.UID
	return len(key) > len(uid) && key[:len(uid)+1] == uid+"/"
}

// happen lets something happen that nobody here decides.
func (w *backupWorld) happen() {
	for key, state := range w.jobs {
		if state == JobRuns && w.random.IntN(4) == 0 {
			w.jobs[key] = []JobState{JobDone, JobDone, JobAgain, JobFailed}[w.random.IntN(4)]
			if w.jobs[key] == JobDone {
				w.published[key[:len(key)-len("/"+string(phaseOf(key)))]] = true
			}
			delete(w.pods, key)
		}
	}
	// A pod whose Job is gone ends after a while.
	for key := range w.pods {
		if _, ok := w.jobs[key]; !ok && w.random.IntN(3) == 0 {
			delete(w.pods, key)
		}
	}
	switch w.random.IntN(20) {
	case 0:
		w.b.Busy = !w.b.Busy
	case 1:
		w.b.Proved = !w.b.Proved
	case 2:
		w.b.Trigger = fmt.Sprint(w.random.IntN(3))
	case 3:
		w.b.Retention = !w.b.Retention
	case 4:
		// Another operation comes once the term is over.
		if w.b.Lock.free(w.b.Now) {
			w.b.Lock = Lock{Holder: "other", Fence: w.b.Lock.Fence + 1, RenewedAt: w.b.Now}
		}
	case 5:
		if w.b.Lock.Holder == "other" {
			w.b.Lock.Holder = ""
		}
	case 6:
		w.b.Now = w.b.Now.Add(time.Duration(w.random.IntN(int(6 * time.Hour))))
	}
	w.b.Now = w.b.Now.Add(time.Duration(w.random.IntN(int(time.Minute))))
}

func phaseOf(key string) BackupPhase {
	for _, phase := range []BackupPhase{TakingBackup, Retaining} {
		if len(key) > len(phase) && key[len(key)-len(phase):] == string(phase) {
			return phase
		}
	}
	return ""
}

// Whatever happens, Jobs run only with the lock and one after the other, nothing counts
// that was not published, each operation has one outcome, and in the end all is given back.
func TestBackupWalk(t *testing.T) {
	succeeded, unsuccessful := 0, 0
	for seed := range uint64(300) {
		w := &backupWorld{
			random: rand.New(rand.NewPCG(seed, 6)), b: base(t), jobs: map[string]JobState{}, pods: map[string]bool{},
			published: map[string]bool{}, noted: map[string]int{}, failed: map[string]int{},
		}
		for range 400 {
			w.happen()
			step := w.observe().Next()
			if w.random.IntN(6) == 0 {
				// The process dies before it does it. What it has not recorded is not known.
				continue
			}
			w.do(t, seed, step)
		}
		// Quiet weather.
		w.b.Busy, w.b.Proved, w.b.Trigger = false, true, w.b.Handled
		if w.b.Lock.Holder == "other" {
			w.b.Lock.Holder = ""
		}
		for range 200 {
			for key, state := range w.jobs {
				if state == JobRuns {
					w.jobs[key], w.published[key[:len(key)-len("/"+string(phaseOf(key)))]] = JobDone, true
				}
			}
			clear(w.pods)
			step := w.observe().Next()
			if step.Action == RestBackup {
				break
			}
			w.do(t, seed, step)
			w.b.Now = w.b.Now.Add(time.Second)
		}
		if w.b.Operation != nil || w.b.Lock.Holder != "" || len(w.jobs) != 0 {
			t.Fatalf("seed %d: left over: %+v, lock %+v, Jobs %v", seed, w.b.Operation, w.b.Lock, w.jobs)
		}
		for i := 1; i <= w.next; i++ {
			uid := fmt.Sprintf("op%d", i)
			if w.noted[uid]+w.failed[uid] != 1 {
				t.Fatalf("seed %d: %s was noted %d times and failed %d times", seed, uid, w.noted[uid], w.failed[uid])
			}
			succeeded += w.noted[uid]
			unsuccessful += w.failed[uid]
		}
	}
	t.Logf("%d backups counted, %d failed", succeeded, unsuccessful)
	if succeeded < 300 || unsuccessful < 100 {
		t.Error("the walk does not get far")
	}
}

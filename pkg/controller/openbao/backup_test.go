// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

var jobResource = batchv1.SchemeGroupVersion.WithResource("jobs")

// backupFixture is a cluster whose servers are well, with an API server, and a kubelet that
// runs the pods of Jobs.
type backupFixture struct {
	t   *testing.T
	api *apiServer
	c   *Controller
	now time.Time
	// ends is what the next Job ends with, by step; none runs on.
	ends map[string]func(*jobstep.Result) int32
	// atOnce is the greatest number of pods of Jobs that ran at the same time, and ran how
	// many did at all.
	atOnce, ran int
}

func newBackupFixture(t *testing.T, change ...func(*openbaov1alpha1.OpenBaoCluster)) *backupFixture {
	t.Helper()
	f := &backupFixture{t: t, api: newAPIServer(), now: testNow, ends: map[string]func(*jobstep.Result) int32{}}
	f.c = &Controller{memories: newMemories(), written: reconcile.NewWrites[*openbaov1alpha1.OpenBaoCluster](), opts: Options{
		Kube: f.api.kube, Clusters: f.api.custom.OpenBaoV1alpha1(), Recorder: record.NewFakeRecorder(1000), Now: func() time.Time { return f.now },
		Gate: func() error { return nil }, NamespaceUID: func(context.Context, string) (types.UID, error) { return namespaceUID, nil },
		JobImage: func(context.Context) (string, error) { return "bailiwick:test", nil },
		Subject:  "system:serviceaccount:bailiwick-system:bailiwick-servers", AuthorizerAccount: "bailiwick", NamespaceRole: "bailiwick-servers-namespace",
		RecheckInterval: DefaultRecheckInterval, ProofInterval: time.Hour,
	}}
	c := initialized()
	c.Status.Authorization.Issuer, c.Status.Authorization.Digest = "https://issuer", "contract"
	c.Status.Authorization.Identities = append(c.Status.Authorization.Identities, openbaov1alpha1.IdentityStatus{
		Role: "openbao-operator-backup", Identity: "backup", State: openbaov1alpha1.Proved, Digest: "d", ProvedAt: new(metav1.NewTime(testNow)),
		Subject: "system:serviceaccount:team-a:dev-backup-serviceaccount",
	})
	c.Spec.Backup = &openbaov1alpha1.BackupSpec{Target: &openbaov1alpha1.BackupTarget{
		Bucket: "b", Endpoint: "https://store", CredentialsSecretRef: &openbaov1alpha1.LocalObjectReference{Name: "store"},
	}}
	for _, one := range change {
		one(c)
	}
	if _, err := f.api.put(Resource, c, c); err != nil {
		t.Fatal(err)
	}
	f.api.takeWrites()
	return f
}

func (f *backupFixture) cluster() *openbaov1alpha1.OpenBaoCluster {
	f.t.Helper()
	object, err := f.api.Get(Resource, "team-a", "dev")
	if err != nil {
		f.t.Fatal(err)
	}
	return object.(*openbaov1alpha1.OpenBaoCluster).DeepCopy()
}

// edit changes the object as a person does.
func (f *backupFixture) edit(change func(*openbaov1alpha1.OpenBaoCluster)) {
	f.t.Helper()
	c := f.cluster()
	change(c)
	if _, err := f.api.put(Resource, c, c); err != nil {
		f.t.Fatal(err)
	}
}

// sync is one look, with all servers well. It returns the task.
func (f *backupFixture) sync() (*task, error) {
	f.t.Helper()
	x := f.c.newTask(f.cluster())
	well := finished(f.t)
	x.step, x.servers, x.certificate, x.statefulSet, x.membership, x.bundle = well.step, well.servers, well.certificate, well.statefulSet, well.membership, []byte("CA")
	x.duty.Duty = "Rest"
	err := x.keepBackups(f.t.Context())
	if err == nil {
		err = x.persist(f.t.Context())
	}
	return x, err
}

func (f *backupFixture) jobs() []batchv1.Job {
	f.t.Helper()
	list, err := f.api.List(jobResource, batchv1.SchemeGroupVersion.WithKind("Job"), "team-a")
	if err != nil {
		f.t.Fatal(err)
	}
	return list.(*batchv1.JobList).Items
}

func (f *backupFixture) pods() []corev1.Pod {
	f.t.Helper()
	list, err := f.api.List(podResource, corev1.SchemeGroupVersion.WithKind("Pod"), "team-a")
	if err != nil {
		f.t.Fatal(err)
	}
	return list.(*corev1.PodList).Items
}

// kubelet runs the pods of Jobs, and ends those whose Job is gone.
func (f *backupFixture) kubelet() {
	f.t.Helper()
	known := map[types.UID]bool{}
	for _, job := range f.jobs() {
		known[job.UID] = true
		name := job.Name + "-pod"
		if _, err := f.api.Get(podResource, "team-a", name); err != nil {
			f.ran++
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name, Labels: job.Spec.Template.Labels, OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID, Controller: new(true),
			}}}}
			pod.Status.Phase = corev1.PodRunning
			if _, err := f.api.put(podResource, pod, pod); err != nil {
				f.t.Fatal(err)
			}
		}
		if end := f.ends[job.Spec.Template.Spec.Containers[0].Args[0]]; end != nil {
			f.end(name, end)
		}
	}
	running := 0
	for _, pod := range f.pods() {
		if !known[pod.OwnerReferences[0].UID] {
			if err := f.api.Delete(podResource, "team-a", pod.Name); err != nil {
				f.t.Fatal(err)
			}
		} else if pod.Status.Phase == corev1.PodRunning {
			running++
		}
	}
	f.atOnce = max(f.atOnce, running)
}

func (f *backupFixture) end(name string, end func(*jobstep.Result) int32) {
	f.t.Helper()
	object, err := f.api.Get(podResource, "team-a", name)
	if err != nil {
		f.t.Fatal(err)
	}
	pod := object.(*corev1.Pod).DeepCopy()
	var result jobstep.Result
	code := end(&result)
	message, err := json.Marshal(result)
	if err != nil {
		f.t.Fatal(err)
	}
	pod.Status.Phase = map[bool]corev1.PodPhase{true: corev1.PodSucceeded, false: corev1.PodFailed}[code == 0]
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "job", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Message: string(message), FinishedAt: metav1.NewTime(f.now),
	}}}}
	if _, err := f.api.put(podResource, pod, pod); err != nil {
		f.t.Fatal(err)
	}
}

func taken(r *jobstep.Result) int32 {
	r.Backup = &jobstep.BackupResult{Name: "team-a/dev/x.snap", Bucket: "b", Digest: "d", Size: 9, Index: 7, Term: 1, Version: "2.6.2", TakenAt: testNow}
	return jobstep.Done
}

func retained(r *jobstep.Result) int32 {
	r.Retain = &jobstep.RetainResult{Kept: 3, Deleted: 1}
	return jobstep.Done
}

// settle looks again and again until nothing is under way. Errors of syncs are those of a
// process that is killed or of an API server that is away.
func (f *backupFixture) settle() *task {
	f.t.Helper()
	for range 60 {
		f.kubelet()
		x, err := f.sync()
		if err == nil && x.obj.Status.Backup != nil && x.obj.Status.Backup.Operation == nil && !x.changed && x.backups.problem == nil {
			return x
		}
		f.now = f.now.Add(time.Second)
	}
	f.t.Fatalf("the backup does not end: %+v", f.cluster().Status.Backup)
	return nil
}

func trigger(c *openbaov1alpha1.OpenBaoCluster) {
	c.Annotations = map[string]string{openbaov1alpha1.AnnotationTriggerBackup: "now"}
}

func withRetention(c *openbaov1alpha1.OpenBaoCluster) {
	c.Spec.Backup.Retention = &openbaov1alpha1.BackupRetention{MaxCount: new(int32(3))}
}

func TestManualBackup(t *testing.T) {
	f := newBackupFixture(t, trigger, withRetention)
	f.ends[jobstep.Backup], f.ends[jobstep.Retain] = taken, retained
	x := f.settle()
	status := x.obj.Status.Backup
	if status.LastBackupName != "team-a/dev/x.snap" || *status.LastBackupSize != 9 || *status.LastBackupIndex != 7 || status.LastBackupDuration == "" ||
		status.HandledTrigger != "now" || *status.ConsecutiveFailures != 0 || *status.Stored != 3 || *status.Deleted != 1 {
		t.Errorf("status %+v", status)
	}
	if c := conditionOf(t, x, openbaov1alpha1.ConditionBackupReady); c.Status != metav1.ConditionTrue || c.Reason != ReasonBackupCurrent {
		t.Errorf("condition %+v", c)
	}
	if len(f.jobs()) != 0 || f.ran != 2 || f.atOnce > 1 {
		t.Errorf("%d Jobs are left, %d ran, %d at once", len(f.jobs()), f.ran, f.atOnce)
	}
	lease := f.lease()
	if *lease.Spec.LeaseTransitions != 1 || lease.Spec.HolderIdentity != nil || x.obj.Status.OperationLock.Holder != "" || x.obj.Status.OperationLock.Fence != 1 {
		t.Errorf("lock %+v, %+v", lease.Spec, x.obj.Status.OperationLock)
	}

	t.Log("The annotation is still there, and nothing more comes of it")
	f.api.takeWrites()
	f.now = f.now.Add(48 * time.Hour)
	f.edit(func(c *openbaov1alpha1.OpenBaoCluster) {})
	if _, err := f.sync(); err != nil {
		t.Fatal(err)
	}
	if actions := f.api.kube.Actions(); len(actions) != 0 {
		t.Errorf("at rest it asks the API server: %v", actions)
	}
	if writes, _ := f.api.takeWrites(); len(writes) != 0 {
		t.Errorf("at rest it writes: %v", writes)
	}
}

func (f *backupFixture) lease() *coordinationv1.Lease {
	f.t.Helper()
	object, err := f.api.Get(leaseResource, "team-a", "dev-operation")
	if err != nil {
		f.t.Fatal(err)
	}
	return object.(*coordinationv1.Lease)
}

func TestJobOfABackup(t *testing.T) {
	f := newBackupFixture(t, trigger, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup.Target.RoleARN = "arn:aws:iam::1:role/x" })
	for len(f.jobs()) == 0 {
		if _, err := f.sync(); err != nil {
			t.Fatal(err)
		}
	}
	job := f.jobs()[0]
	pod := job.Spec.Template.Spec
	if pod.ServiceAccountName != "dev-backup-serviceaccount" || *pod.AutomountServiceAccountToken || job.Labels["openbao.org/component"] != "backup" {
		t.Errorf("the pod runs as %q", pod.ServiceAccountName)
	}
	audiences := map[string]string{}
	for _, v := range pod.Volumes {
		switch {
		case v.Projected != nil:
			audiences[v.Name] = v.Projected.Sources[0].ServiceAccountToken.Audience
		case v.Secret != nil:
			if v.Secret.SecretName != "store" || len(v.Secret.Items) != len(jobstep.CredentialKeys()) {
				t.Errorf("the Secret is %+v", v.Secret)
			}
		case v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil:
		default:
			t.Errorf("a volume more: %+v", v)
		}
	}
	if len(audiences) != 2 || audiences["openbao-token"] != "bailiwick.dev/openbao/"+namespaceUID+"/dev" || audiences["cloud-token"] != "sts.amazonaws.com" {
		t.Errorf("audiences %v", audiences)
	}
	args := pod.Containers[0].Args
	request, err := jobstep.ParseRequest[jobstep.BackupRequest]([]string{strings.ReplaceAll(args[1], "$$", "$")})
	if err != nil {
		t.Fatal(err)
	}
	if request.Operation.Fence != 1 || request.Role != "openbao-operator-backup" || request.Servers[0] != "https://dev-0.dev.team-a.svc:8200" ||
		request.Cluster.ID != thisCluster || request.Contract.Issuer != "https://issuer" || request.Contract.Digest != "contract" || !strings.HasPrefix(request.Name, "team-a/dev/") {
		t.Errorf("request %+v", request)
	}
}

func TestBackupThatFails(t *testing.T) {
	f := newBackupFixture(t, trigger)
	f.ends[jobstep.Backup] = func(r *jobstep.Result) int32 {
		r.Error, r.Reason = "dial tcp: connection refused", jobstep.ReasonStoreUnreachable
		return jobstep.TryAgain
	}
	x := f.settle()
	c := conditionOf(t, x, openbaov1alpha1.ConditionBackupReady)
	status := x.obj.Status.Backup
	if c.Status != metav1.ConditionFalse || c.Reason != jobstep.ReasonStoreUnreachable || !strings.Contains(c.Message, "connection refused") || *status.ConsecutiveFailures != 1 || status.RetryAt == nil {
		t.Fatalf("condition %+v, status %+v", c, status)
	}
	t.Log("It is tried again, and cannot be")
	f.now = status.RetryAt.Time
	f.ends[jobstep.Backup] = func(r *jobstep.Result) int32 {
		r.Error, r.Reason = "no such bucket", jobstep.ReasonBucketMissing
		return jobstep.Final
	}
	if _, err := f.sync(); err != nil {
		t.Fatal(err)
	}
	x = f.settle()
	if status = x.obj.Status.Backup; *status.ConsecutiveFailures != 2 || status.RetryAt != nil || status.LastFailureReason != jobstep.ReasonBucketMissing {
		t.Fatalf("status %+v", status)
	}
	f.now = f.now.Add(2 * time.Hour)
	x = f.settle()
	if got := *x.obj.Status.Backup.ConsecutiveFailures; got != 2 {
		t.Errorf("it was tried again by itself: %d", got)
	}
	t.Log("A person corrects the spec")
	f.ends[jobstep.Backup] = taken
	f.edit(func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Generation++
		c.Status.Conditions[0].ObservedGeneration++
		c.Status.Authorization.Identities[1].ProvedAt = new(metav1.NewTime(f.now))
		meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{Type: openbaov1alpha1.ConditionAuthorizationReady, Status: metav1.ConditionTrue, Reason: "Applied", ObservedGeneration: c.Generation})
	})
	if _, err := f.sync(); err != nil {
		t.Fatal(err)
	}
	if x = f.settle(); *x.obj.Status.Backup.ConsecutiveFailures != 0 {
		t.Errorf("status %+v", x.obj.Status.Backup)
	}
}

func TestBackupWaitsForItsIdentity(t *testing.T) {
	for name, change := range map[string]func(*openbaov1alpha1.OpenBaoCluster){
		"another contract": func(c *openbaov1alpha1.OpenBaoCluster) { c.Generation++ },
		"not proved": func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Status.Authorization.Identities[1].State = openbaov1alpha1.NotProved
		},
		"proved long ago": func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Status.Authorization.Identities[1].ProvedAt = new(metav1.NewTime(testNow.Add(-3 * time.Hour)))
		},
		"another's account": func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Status.Authorization.Identities[1].Subject = "system:serviceaccount:x:y"
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newBackupFixture(t, trigger, change)
			x, err := f.sync()
			if err != nil {
				t.Fatal(err)
			}
			if c := conditionOf(t, x, openbaov1alpha1.ConditionBackupReady); c.Reason != ReasonBackupWaits || len(f.jobs()) != 0 || x.obj.Status.Backup != nil {
				t.Errorf("condition %+v, status %+v", c, x.obj.Status.Backup)
			}
		})
	}
}

func TestMistakesInBackups(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*openbaov1alpha1.BackupSpec)
		says   string
	}{
		"schedule":  {func(b *openbaov1alpha1.BackupSpec) { b.Schedule = "daily" }, "spec.backup.schedule"},
		"time zone": {func(b *openbaov1alpha1.BackupSpec) { b.Schedule, b.TimeZone = "0 3 * * *", "Mars" }, `"Mars"`},
		"token": {func(b *openbaov1alpha1.BackupSpec) {
			b.TokenSecretRef = &openbaov1alpha1.LocalObjectReference{Name: "x"}
		}, "spec.backup.tokenSecretRef"},
		"age": {func(b *openbaov1alpha1.BackupSpec) { b.Retention = &openbaov1alpha1.BackupRetention{MaxAge: "7d"} }, "spec.backup.retention.maxAge"},
		"lock": {func(b *openbaov1alpha1.BackupSpec) {
			b.Target.ObjectLock = &openbaov1alpha1.ObjectLock{Mode: "Governance", RetainFor: "x"}
		}, "spec.backup.target.objectLock.retainFor"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newBackupFixture(t, trigger, func(c *openbaov1alpha1.OpenBaoCluster) { test.change(c.Spec.Backup) })
			x, err := f.sync()
			if err != nil {
				t.Fatal(err)
			}
			if c := conditionOf(t, x, openbaov1alpha1.ConditionBackupReady); c.Reason != ReasonInvalidSpec || !strings.Contains(c.Message, test.says) || len(f.jobs()) != 0 {
				t.Errorf("condition %+v", c)
			}
		})
	}
}

// A mistake that a person makes while a backup is taken ends nothing but the next one.
func TestMistakeDuringABackup(t *testing.T) {
	for _, phase := range []string{"before its Job", "while its Job runs", "while expired ones are deleted"} {
		t.Run(phase, func(t *testing.T) {
			f := newBackupFixture(t, trigger, withRetention, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup.Schedule = "0 3 * * *" })
			for range 30 {
				if _, err := f.sync(); err != nil {
					t.Fatal(err)
				}
				op := f.cluster().Status.Backup.Operation
				if op != nil && (phase == "before its Job" || len(f.jobs()) > 0 && (phase == "while its Job runs" || op.Phase == "Retaining")) {
					break
				}
				if len(f.jobs()) > 0 {
					f.ends[jobstep.Backup] = taken
				}
				f.kubelet()
			}
			f.edit(func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup.Schedule = "oops" })
			f.ends[jobstep.Backup], f.ends[jobstep.Retain] = taken, retained
			x := f.settle()
			status := x.obj.Status.Backup
			if c := conditionOf(t, x, openbaov1alpha1.ConditionBackupReady); c.Reason != ReasonInvalidSpec || !strings.Contains(c.Message, "spec.backup.schedule") {
				t.Errorf("condition %+v", c)
			}
			if counted := *status.ConsecutiveFailures == 0; counted == (phase == "before its Job") || counted != (status.LastBackupName != "") {
				t.Errorf("status %+v", status)
			}
			if f.lease().Spec.HolderIdentity != nil || len(f.jobs()) != 0 {
				t.Error("something is left of it")
			}
			t.Log("It is corrected")
			f.edit(func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup.Schedule = "0 4 * * *" })
			if _, err := f.sync(); err != nil {
				t.Fatal(err)
			}
			if next := f.cluster().Status.Backup.NextScheduledBackup; next == nil || next.UTC().Hour() != 4 {
				t.Errorf("the next one is due at %v", next)
			}
		})
	}
}

// A sync that ends before the backups says so only where one of them is due.
func TestBackupsMissed(t *testing.T) {
	problem := &reconcile.Problem{Reason: ReasonNotGranted, Message: "A right is missing."}
	at := func(d time.Duration) *metav1.Time { return new(metav1.NewTime(testNow.Add(d))) }
	for name, test := range map[string]struct {
		record *openbaov1alpha1.BackupStatus
		err    error
		judged bool
		says   bool
	}{
		"due":                {record: &openbaov1alpha1.BackupStatus{NextScheduledBackup: at(-time.Minute)}, err: problem, says: true},
		"under way":          {record: &openbaov1alpha1.BackupStatus{Operation: &openbaov1alpha1.BackupOperationStatus{UID: "u"}}, err: problem, says: true},
		"not due":            {record: &openbaov1alpha1.BackupStatus{NextScheduledBackup: at(time.Minute)}, err: problem},
		"nothing recorded":   {err: problem},
		"judged":             {record: &openbaov1alpha1.BackupStatus{NextScheduledBackup: at(-time.Minute)}, err: problem, judged: true},
		"all is well":        {record: &openbaov1alpha1.BackupStatus{NextScheduledBackup: at(-time.Minute)}},
		"nobody can do more": {record: &openbaov1alpha1.BackupStatus{NextScheduledBackup: at(-time.Minute)}, err: errAway},
	} {
		t.Run(name, func(t *testing.T) {
			f := newBackupFixture(t)
			x := f.c.newTask(f.cluster())
			x.obj.Status.Backup, x.backups.judged = test.record, test.judged
			meta.RemoveStatusCondition(&x.obj.Status.Conditions, openbaov1alpha1.ConditionBackupReady)
			x.backupsMissed(test.err)
			c := meta.FindStatusCondition(x.obj.Status.Conditions, openbaov1alpha1.ConditionBackupReady)
			if said := c != nil && c.Status == metav1.ConditionFalse && strings.Contains(c.Message, problem.Message); said != test.says {
				t.Errorf("condition %+v", c)
			}
		})
	}
}

// What is said of the next backup follows the schedule.
func TestScheduleComesAndGoes(t *testing.T) {
	f := newBackupFixture(t)
	next := func(schedule string) *metav1.Time {
		f.edit(func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup.Schedule = schedule })
		x := f.syncTwice()
		return x.obj.Status.Backup.NextScheduledBackup
	}
	if at := next("0 3 * * *"); at == nil || at.UTC().Hour() != 3 {
		t.Errorf("at first: %v", at)
	}
	if at := next("0 5 * * *"); at == nil || at.UTC().Hour() != 5 {
		t.Errorf("another one: %v", at)
	}
	if at := next(""); at != nil {
		t.Errorf("none: %v", at)
	}
	f.now = f.now.Add(72 * time.Hour)
	if at := next("0 5 * * *"); at == nil || at.Before(new(metav1.NewTime(f.now))) {
		t.Errorf("again, it is due at %v, and it is %v", at, f.now)
	}
	if len(f.jobs()) != 0 {
		t.Error("what was due without a schedule is made up for")
	}
}

// syncTwice looks twice: once for what is to be recorded, and once more.
func (f *backupFixture) syncTwice() *task {
	f.t.Helper()
	if _, err := f.sync(); err != nil {
		f.t.Fatal(err)
	}
	x, err := f.sync()
	if err != nil {
		f.t.Fatal(err)
	}
	return x
}

// A backup that stands still says for what it waits.
func TestBackupThatStandsStill(t *testing.T) {
	f := newBackupFixture(t, trigger)
	f.ends[jobstep.Backup] = taken
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "left", Labels: map[string]string{
		"openbao.org/cluster": "dev", "openbao.org/component": "backup",
	}, OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "gone", UID: "gone", Controller: new(true)}}}}
	pod.Status.Phase = corev1.PodRunning
	if _, err := f.api.put(podResource, pod, pod); err != nil {
		t.Fatal(err)
	}
	var x *task
	for range 40 {
		var err error
		if x, err = f.sync(); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(10 * time.Second)
	}
	if c := conditionOf(t, x, openbaov1alpha1.ConditionBackupReady); c.Status != metav1.ConditionFalse || c.Reason != ReasonBackupWaits || !strings.Contains(c.Message, "delete pod left") {
		t.Errorf("condition %+v", c)
	}
	if len(f.jobs()) != 0 {
		t.Error("it went on")
	}
	if err := f.api.Delete(podResource, "team-a", "left"); err != nil {
		t.Fatal(err)
	}
	t.Log("A pod that no Job has made says nothing")
	pod.OwnerReferences = nil
	if _, err := f.api.put(podResource, pod, pod); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := f.sync(); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.jobs()) != 1 {
		t.Errorf("%d Jobs", len(f.jobs()))
	}
}

// A correction that is made while a Job runs that fails is tried at once.
func TestCorrectionDuringABackup(t *testing.T) {
	f := newBackupFixture(t, trigger)
	for len(f.jobs()) == 0 {
		if _, err := f.sync(); err != nil {
			t.Fatal(err)
		}
	}
	f.edit(func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Generation++
		c.Spec.Backup.Target.Bucket = "right"
		c.Status.Conditions[0].ObservedGeneration++
		meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{Type: openbaov1alpha1.ConditionAuthorizationReady, Status: metav1.ConditionTrue, Reason: "Applied", ObservedGeneration: c.Generation})
	})
	first := f.jobs()[0].Name + "-pod"
	f.ends[jobstep.Backup] = taken
	f.kubelet()
	f.end(first, func(r *jobstep.Result) int32 {
		r.Error, r.Reason = "no such bucket", jobstep.ReasonBucketMissing
		return jobstep.Final
	})
	if _, err := f.sync(); err != nil {
		t.Fatal(err)
	}
	if got := *f.cluster().Status.Backup.ConsecutiveFailures; got != 1 {
		t.Fatalf("%d failed", got)
	}
	if x := f.settle(); *x.obj.Status.Backup.ConsecutiveFailures != 0 {
		t.Errorf("status %+v", x.obj.Status.Backup)
	}
}

// A Job of an operation that has lost its record is deleted, and its pod waited for, before
// another one begins.
func TestOldJobsGoFirst(t *testing.T) {
	f := newBackupFixture(t, trigger)
	for len(f.jobs()) == 0 {
		if _, err := f.sync(); err != nil {
			t.Fatal(err)
		}
	}
	f.kubelet()
	old := f.jobs()[0].Name
	f.edit(func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Status.Backup = nil
		c.Annotations[openbaov1alpha1.AnnotationTriggerBackup] = "again"
	})
	f.now = f.now.Add(10 * time.Minute)
	f.ends[jobstep.Backup] = taken
	for range 10 {
		// The node of the old pod does not answer: the pod stays.
		if _, err := f.sync(); err != nil {
			t.Fatal(err)
		}
	}
	if jobs := f.jobs(); len(jobs) != 0 {
		t.Fatalf("there is the Job %s while a pod of the Job %s runs", jobs[0].Name, old)
	}
	if fence := *f.lease().Spec.LeaseTransitions; fence != 2 {
		t.Errorf("the lock has the number %d", fence)
	}
	f.settle()
	if f.atOnce > 1 {
		t.Errorf("%d pods ran at once", f.atOnce)
	}
}

var errAway = errors.New("the API server is away")

// Whatever write fails, or is done and its answer lost, there is one backup, all is given
// back, and no two Jobs run at once.
func TestBackupSurvivesEverything(t *testing.T) {
	const most = 14
	reached := 0
	for at := 1; at <= most; at++ {
		for _, lost := range []bool{false, true} {
			f := newBackupFixture(t, trigger, withRetention)
			f.ends[jobstep.Backup], f.ends[jobstep.Retain] = taken, retained
			writes := 0
			for _, client := range []*clienttesting.Fake{&f.api.kube.Fake, &f.api.custom.Fake} {
				react := client.ReactionChain[0]
				client.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
					if !slices.Contains([]string{"create", "patch", "update", "delete"}, action.GetVerb()) {
						return false, nil, nil
					}
					if writes++; writes != at {
						return false, nil, nil
					}
					if lost {
						_, _, _ = react.React(action)
					}
					return true, nil, errAway
				})
			}
			x := f.settle()
			what := fmt.Sprintf("write %d, lost %v", at, lost)
			if s := x.obj.Status.Backup; s.LastBackupName == "" || *s.ConsecutiveFailures != 0 || s.HandledTrigger != "now" {
				t.Errorf("%s: status %+v", what, s)
			}
			if len(f.jobs()) != 0 || f.lease().Spec.HolderIdentity != nil || f.atOnce > 1 || f.ran > 3 {
				t.Errorf("%s: %d Jobs are left, the lock is %+v, %d ran, %d at once", what, len(f.jobs()), f.lease().Spec.HolderIdentity, f.ran, f.atOnce)
			}
			if writes >= at {
				reached = at
			}
		}
	}
	if reached >= most {
		t.Errorf("a backup is more than %d writes", most)
	}
}

func TestScheduledBackup(t *testing.T) {
	f := newBackupFixture(t, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup.Schedule = "0 * * * *" })
	f.ends[jobstep.Backup] = taken
	x := f.settle()
	if x.obj.Status.Backup.LastBackupTime != nil || x.obj.Status.Backup.Schedule != "0 * * * *" || x.nextLook.IsZero() {
		t.Fatalf("status %+v, next look %v", x.obj.Status.Backup, x.nextLook)
	}
	if c := conditionOf(t, x, openbaov1alpha1.ConditionBackupReady); c.Reason != ReasonBackupPending {
		t.Errorf("condition %+v", c)
	}
	f.now = x.nextLook
	f.edit(func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Status.Authorization.Identities[1].ProvedAt = new(metav1.NewTime(f.now))
	})
	if _, err := f.sync(); err != nil {
		t.Fatal(err)
	}
	x = f.settle()
	if s := x.obj.Status.Backup; s.LastBackupTime == nil || s.NextScheduledBackup == nil || s.NextScheduledBackup.Sub(s.LastAttemptScheduledTime.Time) != time.Hour {
		t.Errorf("status %+v", s)
	}
}

// The retention of a backup knows the snapshot that was just published, and says what is not
// as it should be.
func TestRetentionKnowsWhatWasPublished(t *testing.T) {
	f := newBackupFixture(t, trigger, withRetention)
	f.ends[jobstep.Backup] = taken
	f.ends[jobstep.Retain] = func(r *jobstep.Result) int32 {
		r.Retain = &jobstep.RetainResult{Kept: 3, Held: 1, Future: 2, Foreign: 3, Unreadable: 4}
		return jobstep.Done
	}
	var request jobstep.RetainRequest
	for range 60 {
		for _, job := range f.jobs() {
			if args := job.Spec.Template.Spec.Containers[0].Args; args[0] == jobstep.Retain {
				var err error
				if request, err = jobstep.ParseRequest[jobstep.RetainRequest]([]string{strings.ReplaceAll(args[1], "$$", "$")}); err != nil {
					t.Fatal(err)
				}
			}
		}
		f.kubelet()
		if _, err := f.sync(); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(time.Second)
	}
	if request.Keep != (jobstep.Kept{Name: "team-a/dev/x.snap", Digest: "d"}) || request.ClusterID != thisCluster || request.ClusterUID != string(f.cluster().UID) {
		t.Errorf("request %+v", request)
	}
	message := f.cluster().Status.Backup.RetentionMessage
	for _, part := range []string{"1 have expired", "2 say that", "3 belong to another OpenBaoCluster", "4 have a manifest"} {
		if !strings.Contains(message, part) {
			t.Errorf("the message %q lacks %q", message, part)
		}
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
)

func task() Task {
	return Task{
		Owner:     metav1.OwnerReference{APIVersion: "openbao.org/v1alpha1", Kind: "OpenBaoCluster", Name: "prod", UID: "u", Controller: new(true)},
		Namespace: "ns", Labels: map[string]string{"a": "b"}, Operation: "o", Step: jobstep.InspectRaft, Server: "prod-1", VolumeUID: "v",
		Claim: "data-prod-1", ReadOnly: true, Image: "image", Args: jobstep.InspectArgs(), Deadline: 5 * time.Minute,
		Pod: corev1.PodSpec{SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true)}, NodeSelector: map[string]string{"c": "d"}},
	}
}

func TestName(t *testing.T) {
	one := task()
	names := map[string]string{one.Name(): "itself"}
	for what, change := range map[string]func(*Task){
		"owner": func(t *Task) { t.Owner.UID = "x" }, "operation": func(t *Task) { t.Operation = "x" }, "step": func(t *Task) { t.Step = jobstep.RecoverRaft },
		"server": func(t *Task) { t.Server = "prod-2" }, "volume": func(t *Task) { t.VolumeUID = "x" }, "attempt": func(t *Task) { t.Attempt++ },
	} {
		other := task()
		change(&other)
		if same := names[other.Name()]; same != "" {
			t.Errorf("another %s has the name of another %s", what, same)
		}
		names[other.Name()] = what
		if is := other.Is(one.Job()); is != (what == "owner" || what == "attempt") {
			t.Errorf("with another %s, it is the same: %t", what, is)
		}
	}
	// That of a StatefulSet has 52 characters at most.
	one.Owner.Name = strings.Repeat("x", 52)
	if name := one.Name(); len(name) > 63 {
		t.Errorf("the name %s has %d characters", name, len(name))
	}
}

func TestJob(t *testing.T) {
	job := task().Job()
	pod := job.Spec.Template.Spec
	if *job.Spec.BackoffLimit != 0 || *job.Spec.ActiveDeadlineSeconds != 300 || job.Spec.TTLSecondsAfterFinished != nil || pod.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("the Job is %+v", job.Spec)
	}
	if *pod.AutomountServiceAccountToken || len(pod.Volumes) != 1 || pod.Volumes[0].PersistentVolumeClaim.ClaimName != "data-prod-1" ||
		!pod.Containers[0].VolumeMounts[0].ReadOnly || !*pod.SecurityContext.RunAsNonRoot || pod.NodeSelector["c"] != "d" {
		t.Errorf("the pod is %+v", pod)
	}
	if !metav1.IsControlledBy(job, &metav1.ObjectMeta{UID: "u"}) || job.Labels["a"] != "b" || job.Spec.Template.Labels["a"] != "b" {
		t.Errorf("the Job is %+v", job.ObjectMeta)
	}
}

func TestRead(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	pod := func(age time.Duration, status corev1.PodStatus) []corev1.Pod {
		return []corev1.Pod{
			{ObjectMeta: metav1.ObjectMeta{Name: "other"}, Status: ended(3, `{"error":"of another Job"}`, "")},
			{ObjectMeta: metav1.ObjectMeta{
				Namespace: "ns", Name: "p", CreationTimestamp: metav1.NewTime(now.Add(-age)), OwnerReferences: []metav1.OwnerReference{{UID: "j", Controller: new(true)}},
			}, Status: status},
		}
	}
	waiting := func(reason, message string) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: containerName, Image: "image", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}}
	}
	unscheduled := corev1.PodStatus{Conditions: []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "node(s) had volume node affinity conflict",
	}}}
	for name, tc := range map[string]struct {
		pods        []corev1.Pod
		condition   batchv1.JobConditionType
		reason      string
		state       State
		unreachable bool
		why         string
	}{
		"no pod yet":             {nil, "", "", Running, false, "no pod yet"},
		"not scheduled":          {pod(time.Second, unscheduled), "", "", Running, false, "affinity conflict"},
		"not scheduled for long": {pod(11*time.Minute, unscheduled), "", "", Running, true, "affinity conflict"},
		"being created":          {pod(time.Second, waiting("ContainerCreating", "")), "", "", Running, false, "describe pod p"},
		"being created for long": {pod(11*time.Minute, waiting("ContainerCreating", "")), "", "", Running, true, "describe pod p"},
		"no image":               {pod(time.Second, waiting("ImagePullBackOff", "no such host")), "", "", Failed, false, "the image image: ImagePullBackOff: no such host"},
		"done":                   {pod(time.Second, ended(0, `{"raft":{"last":{"index":4,"term":2}}}`, "")), "", "", Done, false, ""},
		"done without a report":  {pod(time.Second, ended(0, "", "")), batchv1.JobComplete, "", Again, false, "reported nothing"},
		"done and gone":          {nil, batchv1.JobComplete, "", Again, false, "gone with its report"},
		"try again":              {pod(time.Second, ended(2, `{"error":"in use"}`, "")), batchv1.JobFailed, "BackoffLimitExceeded", Again, false, "in use"},
		"final":                  {pod(time.Second, ended(3, `{"error":"as planned"}`, "")), batchv1.JobFailed, "BackoffLimitExceeded", Failed, false, "as planned"},
		"out of memory":          {pod(time.Second, ended(137, "", "OOMKilled")), batchv1.JobFailed, "BackoffLimitExceeded", Failed, false, "code 137: OOMKilled"},
		"evicted":                {pod(time.Second, corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "low on memory"}), batchv1.JobFailed, "BackoffLimitExceeded", Again, false, "Evicted: low on memory"},
		"deadline":               {nil, batchv1.JobFailed, "DeadlineExceeded", Again, false, "DeadlineExceeded"},
	} {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{UID: "j"}}
		if tc.condition != "" {
			job.Status.Conditions = []batchv1.JobCondition{{Type: tc.condition, Status: corev1.ConditionTrue, Reason: tc.reason}}
		}
		got := Read(job, tc.pods, now)
		if got.State != tc.state || got.Unreachable != tc.unreachable || !strings.Contains(got.Why, tc.why) {
			t.Errorf("%s: got %+v", name, got)
		}
		if tc.state == Done && (got.Result.Raft == nil || got.Result.Raft.Last.Index != 4) {
			t.Errorf("%s: got the result %+v", name, got.Result)
		}
	}
}

func ended(code int32, message, reason string) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		Name: containerName, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: message, Reason: reason}},
	}}}
}

func TestEncode(t *testing.T) {
	long := strings.Repeat("ä", 5000)
	raw, err := jobstep.Result{Error: long, Raft: &jobstep.Raft{Problem: long}}.Encode()
	if err != nil || len(raw) > 4096 {
		t.Fatalf("%d bytes, and %v", len(raw), err)
	}
	if got, err := jobstep.Decode(string(raw)); err != nil || !strings.HasPrefix(long, got.Error) || got.Error == "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

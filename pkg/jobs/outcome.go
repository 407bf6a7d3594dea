// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
)

// State is how far a Job is.
type State int

const (
	// Running means that it has not ended.
	Running State = iota
	// Done means that it succeeded, and Outcome.Result is its report.
	Done
	// Again means that it failed, and may succeed if it is run again.
	Again
	// Failed means that a person has to see to it.
	Failed
)

// Outcome is what came of a Job.
type Outcome struct {
	State  State
	Result jobstep.Result
	// Why says why it failed, or what it waits for.
	Why string
	// Unreachable means that its pod did not get to run in time, since there is no node for
	// it, or its volume cannot be mounted. Why has what Kubernetes says of that.
	Unreachable bool
	// Ended is when it did, as far as that is known.
	Ended time.Time
}

// startPatience is how long a pod may wait for a node and its volume. Kubernetes takes six
// minutes to detach a volume from a node that is lost.
const startPatience = 10 * time.Minute

// Read returns what came of a Job. Of the pods, those count that it controls.
func Read(job *batchv1.Job, pods []corev1.Pod, now time.Time) Outcome {
	var pod *corev1.Pod
	for i := range pods {
		if metav1.IsControlledBy(&pods[i], job) && (pod == nil || pod.CreationTimestamp.Before(&pods[i].CreationTimestamp)) {
			pod = &pods[i]
		}
	}
	complete, failed := condition(job, batchv1.JobComplete), condition(job, batchv1.JobFailed)
	var ended time.Time
	for _, c := range []*batchv1.JobCondition{complete, failed} {
		if c != nil {
			ended = c.LastTransitionTime.Time
		}
	}
	out := Outcome{Ended: ended}
	if pod != nil {
		if status := terminated(pod); status != nil {
			// The Job follows its pod with some delay, and the pod has all that matters.
			out = ofExit(status)
			out.Ended = status.FinishedAt.Time
			return out
		}
	}
	switch {
	case complete != nil:
		out.State, out.Why = Again, "it succeeded, and its pod is gone with its report"
	case failed != nil && pod != nil && pod.Status.Phase == corev1.PodFailed:
		// The node had no room for it, or was shut down.
		out.State, out.Why = Again, "its pod was ended: "+said(pod.Status.Reason, pod.Status.Message)
	case failed != nil:
		out.State, out.Why = Again, "it was ended: "+said(failed.Reason, failed.Message)
	case pod == nil:
		out.Why = "it has no pod yet"
	default:
		out = ofStart(pod, now)
	}
	return out
}

// ofStart is the outcome of a pod that has not ended.
func ofStart(pod *corev1.Pod, now time.Time) Outcome {
	late := now.Sub(pod.CreationTimestamp.Time) >= startPatience
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return Outcome{Why: "there is no node for its pod: " + said(c.Reason, c.Message), Unreachable: late}
		}
	}
	for _, s := range pod.Status.ContainerStatuses {
		switch w := s.State.Waiting; {
		case s.State.Running != nil:
			return Outcome{Why: "it runs"}
		case w == nil || w.Reason == "" || w.Reason == "ContainerCreating" || w.Reason == "PodInitializing":
		default:
			// The image cannot be had, or not be run. That says nothing of the volume.
			return Outcome{State: Failed, Why: fmt.Sprintf("its pod cannot run the image %s: %s", s.Image, said(w.Reason, w.Message))}
		}
	}
	return Outcome{Why: "its pod has not started: kubectl -n " + pod.Namespace + " describe pod " + pod.Name, Unreachable: late}
}

// ofExit is the outcome of a program that has ended.
func ofExit(status *corev1.ContainerStateTerminated) Outcome {
	result, err := jobstep.Decode(status.Message)
	switch {
	case status.ExitCode == jobstep.Done && err == nil:
		return Outcome{State: Done, Result: result}
	case status.ExitCode == jobstep.Done:
		return Outcome{State: Again, Why: err.Error()}
	case status.ExitCode == jobstep.TryAgain:
		return Outcome{State: Again, Result: result, Why: cmp.Or(result.Error, "it could not be done now")}
	case status.ExitCode == jobstep.Final && result.Error != "":
		return Outcome{State: Failed, Result: result, Why: result.Error}
	}
	return Outcome{State: Failed, Why: fmt.Sprintf("its program ended with code %d: %s", status.ExitCode, said(status.Reason, status.Message))}
}

func condition(job *batchv1.Job, kind batchv1.JobConditionType) *batchv1.JobCondition {
	for i, c := range job.Status.Conditions {
		if c.Type == kind && c.Status == corev1.ConditionTrue {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

func terminated(pod *corev1.Pod) *corev1.ContainerStateTerminated {
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == containerName {
			return s.State.Terminated
		}
	}
	return nil
}

func said(reason, message string) string {
	text := strings.Trim(reason+": "+strings.TrimRight(message, ". \n"), ": ")
	return cmp.Or(text, "no reason is given")
}

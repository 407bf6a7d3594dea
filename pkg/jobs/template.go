// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
)

const (
	// AnnotationOperation, AnnotationStep, AnnotationServer and AnnotationVolume say what a
	// Job is for: the operation, the step, the pod of the server, and the UID of the
	// PersistentVolumeClaim that it was made for.
	AnnotationOperation = "bailiwick.dev/operation"
	AnnotationStep      = "bailiwick.dev/step"
	AnnotationServer    = "bailiwick.dev/server"
	AnnotationVolume    = "bailiwick.dev/volume-uid"

	containerName = "job"
	volumeName    = "data"
)

// Task is what one Job is for.
type Task struct {
	// Owner controls the Job. Its name is the beginning of that of the Job.
	Owner     metav1.OwnerReference
	Namespace string
	// Labels are those of the Job and its pod.
	Labels map[string]string
	// Operation, Step, Server and VolumeUID tell the Job from others, and Attempt from
	// itself.
	Operation, Step, Server, VolumeUID string
	Attempt                            int
	// Claim is the name of the PersistentVolumeClaim, empty for none.
	Claim    string
	ReadOnly bool
	// Login is what the program logs in at the servers with, nil for nothing.
	Login *Login
	// Credentials is the Secret whose keys CredentialKeys the program finds in
	// jobstep.CredentialsDir, as far as it has them. Empty means none.
	Credentials    string
	CredentialKeys []string
	// Spool is room for a snapshot, nil for none.
	Spool *resource.Quantity
	Image string
	Args  []string
	// Deadline is how long it may take, with all that comes before its start.
	Deadline time.Duration
	// Pod says who the program runs as, and where.
	Pod corev1.PodSpec
}

// Login is the identity of a Job: tokens of a ServiceAccount.
type Login struct {
	Account string
	// Audience is who the token in jobstep.TokenDir is for, and CloudAudience who that in
	// jobstep.CloudTokenDir is for. Empty means that there is none.
	Audience, CloudAudience string
}

// tokenLife is how long the token of a Job is valid, the least that Kubernetes makes. The
// kubelet renews it.
const tokenLife = 10 * time.Minute

// mount is a volume, and where the program finds it.
type mount struct {
	volume   corev1.Volume
	path     string
	readOnly bool
}

// mounts are the volumes of a task.
func (t Task) mounts() []mount {
	var out []mount
	if t.Claim != "" {
		out = append(out, mount{corev1.Volume{Name: volumeName, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: t.Claim},
		}}, jobstep.DataDir, t.ReadOnly})
	}
	if t.Login != nil {
		// Without an audience it would be a token for the Kubernetes API.
		if t.Login.Audience != "" {
			out = append(out, mount{tokenVolume("openbao-token", t.Login.Audience), jobstep.TokenDir, true})
		}
		if t.Login.CloudAudience != "" {
			out = append(out, mount{tokenVolume("cloud-token", t.Login.CloudAudience), jobstep.CloudTokenDir, true})
		}
	}
	if t.Credentials != "" {
		// Only known keys, and each only if it is there.
		items := make([]corev1.KeyToPath, 0, len(t.CredentialKeys))
		for _, key := range t.CredentialKeys {
			items = append(items, corev1.KeyToPath{Key: key, Path: key})
		}
		out = append(out, mount{corev1.Volume{Name: "credentials", VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: t.Credentials, Items: items, Optional: new(true), DefaultMode: new(int32(0o440))},
		}}, jobstep.CredentialsDir, true})
	}
	if t.Spool != nil {
		out = append(out, mount{corev1.Volume{Name: "spool", VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: t.Spool},
		}}, jobstep.SpoolDir, false})
	}
	return out
}

func tokenVolume(name, audience string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: new(int32(0o440)),
		Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
			Audience: audience, ExpirationSeconds: new(int64(tokenLife / time.Second)), Path: jobstep.TokenFile,
		}}},
	}}}
}

// Name returns the name of the Job.
func (t Task) Name() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%s/%s/%s/%d", t.Owner.UID, t.Operation, t.Step, t.Server, t.VolumeUID, t.Attempt))
	// Of the 63 characters of a name, the name of a StatefulSet leaves 11.
	return t.Owner.Name + "-" + hex.EncodeToString(sum[:5])
}

// Job returns the Job of a task.
func (t Task) Job() *batchv1.Job {
	pod := *t.Pod.DeepCopy()
	pod.RestartPolicy = corev1.RestartPolicyNever
	pod.AutomountServiceAccountToken = new(false)
	pod.EnableServiceLinks = new(false)
	pod.Containers = []corev1.Container{{
		Name: containerName, Image: t.Image, Command: []string{jobstep.Program}, Args: t.Args,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
		},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
	}}
	pod.Volumes = nil
	for _, m := range t.mounts() {
		pod.Volumes = append(pod.Volumes, m.volume)
		pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, corev1.VolumeMount{
			Name: m.volume.Name, MountPath: m.path, ReadOnly: m.readOnly,
		})
	}
	if t.Login != nil {
		pod.ServiceAccountName = t.Login.Account
	}
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: t.Name(), Namespace: t.Namespace, Labels: maps.Clone(t.Labels), OwnerReferences: []metav1.OwnerReference{t.Owner},
			Annotations: map[string]string{
				AnnotationOperation: t.Operation, AnnotationStep: t.Step, AnnotationServer: t.Server, AnnotationVolume: t.VolumeUID,
			},
		},
		Spec: batchv1.JobSpec{
			// Whether it is run again is decided with what it reports.
			BackoffLimit:          new(int32(0)),
			ActiveDeadlineSeconds: new(int64(t.Deadline / time.Second)),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(t.Labels)},
				Spec:       pod,
			},
		},
	}
}

// Is reports whether a Job is that of a task, in any attempt.
func (t Task) Is(job *batchv1.Job) bool {
	a := job.Annotations
	return a[AnnotationOperation] == t.Operation && a[AnnotationStep] == t.Step && a[AnnotationServer] == t.Server && a[AnnotationVolume] == t.VolumeUID
}

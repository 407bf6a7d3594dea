// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

const anAudience = "bailiwick.dev/openbao/0b7c4f5a-7f0e-4f0e-9d44-1d4f2f6b0c11/bao"

// backupJobOf is a Job of a backup as Bailiwick makes it, with what a change makes of it. A
// patch is merged into the Job; its field volume is one volume more.
func (s *serversTest) backupJobOf(t *testing.T, step string, change func(task *jobs.Task), patch string) *unstructured.Unstructured {
	t.Helper()
	c := &openbaov1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "bao"}}
	pod, err := workload.BackupPod(c)
	if err != nil {
		t.Fatal(err)
	}
	args, err := jobstep.RetainArgs(jobstep.RetainRequest{})
	login := &jobs.Login{Account: authz.BackupAccount(c)}
	task := jobs.Task{
		Owner: byCluster()[0], Namespace: s.ns, Labels: workload.BackupLabels(c), Operation: "o", Step: step, Image: "bailiwick", Deadline: time.Hour, Pod: pod,
		Login: login, Credentials: "store", CredentialKeys: jobstep.CredentialKeys(),
	}
	if step == jobstep.Backup {
		args, err = jobstep.BackupArgs(jobstep.BackupRequest{})
		login.Audience, login.CloudAudience, task.Spool = anAudience, "sts.amazonaws.com", new(resource.MustParse("1Gi"))
	}
	if err != nil {
		t.Fatal(err)
	}
	task.Args = args
	if change != nil {
		change(&task)
	}
	job := task.Job()
	job.APIVersion, job.Kind = "batch/v1", "Job"
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(job)
	if err != nil {
		t.Fatal(err)
	}
	if patch != "" {
		var patched map[string]any
		if err := yaml.UnmarshalStrict([]byte(patch), &patched); err != nil {
			t.Fatalf("%v in %s", err, patch)
		}
		if volume, ok := patched["volume"]; ok {
			delete(patched, "volume")
			list, _, err := unstructured.NestedSlice(content, "spec", "template", "spec", "volumes")
			if err == nil {
				err = unstructured.SetNestedSlice(content, append(list, volume), "spec", "template", "spec", "volumes")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		merge(content, patched)
	}
	return &unstructured.Unstructured{Object: content}
}

// A Job of a backup has the identity of its cluster and nothing else that could be used.
func TestServersBackupJobs(t *testing.T) {
	t.Parallel()
	s := newServersTest(t)
	s.until(t, "the rights and the policies to be in force", func() error {
		return denied(s.create(s.servers, s.backupJobOf(t, jobstep.Backup, nil, "{metadata: {labels: {openbao.org/cluster: other}}}")), "only Jobs with the label")
	})
	for _, step := range []string{jobstep.Backup, jobstep.Retain} {
		want(t, step, s.create(s.servers, s.backupJobOf(t, step, nil, "")), "")
	}
	const (
		account = "run as the ServiceAccount <cluster>-backup-serviceaccount"
		volumes = "may have only these volumes"
		program = "which runs /bailiwick-job"
	)
	for name, tc := range map[string]struct {
		change  func(*jobs.Task)
		patch   string
		refusal string
	}{
		"the account of restores":    {func(j *jobs.Task) { j.Login.Account = "bao-restore-serviceaccount" }, "", account},
		"another cluster's account":  {func(j *jobs.Task) { j.Login.Account = "other-backup-serviceaccount" }, "", account},
		"a token for the API":        {nil, "{spec: {template: {spec: {automountServiceAccountToken: true}}}}", account},
		"another audience":           {func(j *jobs.Task) { j.Login.Audience = "vault" }, "", volumes},
		"another cluster's audience": {func(j *jobs.Task) { j.Login.Audience = anAudience + "2" }, "", volumes},
		"the API server's audience":  {nil, "{volume: {name: a, projected: {sources: [{serviceAccountToken: {path: token}}]}}}", volumes},
		"another cloud":              {func(j *jobs.Task) { j.Login.CloudAudience = "https://kubernetes.default.svc" }, "", volumes},
		"a whole Secret":             {func(j *jobs.Task) { j.CredentialKeys = nil }, "", volumes},
		"a Secret of a cluster":      {func(j *jobs.Task) { j.Credentials = "other-root-token" }, "", volumes},
		"the unseal key":             {func(j *jobs.Task) { j.Credentials, j.CredentialKeys = "bao-unseal-key", []string{"key"} }, "", volumes},
		"the key of the certificate": {func(j *jobs.Task) { j.Credentials, j.CredentialKeys = "bao-tls-server", []string{"tls.key"} }, "", volumes},
		"the volume of a server":     {func(j *jobs.Task) { j.Claim = "data-bao-0" }, "", volumes},
		"files of the node":          {nil, "{volume: {name: a, hostPath: {path: /}}}", volumes},
		"a projected Secret":         {nil, "{volume: {name: a, projected: {sources: [{secret: {name: x}}]}}}", volumes},
		"a spool without a limit":    {nil, "{volume: {name: other, emptyDir: {}}}", volumes},
		"a step of a recovery":       {func(j *jobs.Task) { j.Args = jobstep.InspectArgs() }, "", program},
		"an argument more":           {func(j *jobs.Task) { j.Args = append(j.Args, "--x") }, "", program},
		"as a recovery":              {nil, "{spec: {template: {metadata: {labels: {openbao.org/component: recovery}}}}}", account},
		"as a restore":               {nil, "{spec: {template: {metadata: {labels: {openbao.org/component: restore}}}}}", "by which their network is limited"},
		"longer than an hour":        {func(j *jobs.Task) { j.Deadline = 2 * time.Hour }, "", "for an hour at most"},
	} {
		want(t, name, s.create(s.servers, s.backupJobOf(t, jobstep.Backup, tc.change, tc.patch)), tc.refusal)
	}
}

// The account that runs servers writes the Lease of a cluster that controls it, and its own.
func TestServersLocks(t *testing.T) {
	t.Parallel()
	s := newServersTest(t)
	lease := func(name string, change func(*coordinationv1.Lease)) *unstructured.Unstructured {
		l := &coordinationv1.Lease{
			TypeMeta:   metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"},
			ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name, Labels: map[string]string{"openbao.org/cluster": "bao"}, OwnerReferences: byCluster()},
		}
		if change != nil {
			change(l)
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(l)
		if err != nil {
			t.Fatal(err)
		}
		return &unstructured.Unstructured{Object: content}
	}
	s.until(t, "the rights and the policies to be in force", func() error {
		return denied(s.create(s.servers, lease("other", nil)), "may write only the Lease")
	})
	want(t, "the lock", s.create(s.servers, lease("bao-operation", nil)), "")
	for name, change := range map[string]func(*coordinationv1.Lease){
		"another name":    func(l *coordinationv1.Lease) { l.Name = "kube-scheduler" },
		"another cluster": func(l *coordinationv1.Lease) { l.Labels["openbao.org/cluster"] = "other" },
		"no owner":        func(l *coordinationv1.Lease) { l.OwnerReferences = nil },
		"a finalizer":     func(l *coordinationv1.Lease) { l.Finalizers = []string{"a.b/c"} },
	} {
		want(t, name, s.create(s.servers, lease("bao-operation", change)), "may write only the Lease")
	}
}

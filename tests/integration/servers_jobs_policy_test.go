// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// jobOf is a Job as Bailiwick makes it, with what a change makes of it.
func (s *serversTest) jobOf(t *testing.T, step string, change func(job map[string]any)) *unstructured.Unstructured {
	t.Helper()
	c := &openbaov1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "bao"}}
	pod, err := workload.JobPod(c)
	if err != nil {
		t.Fatal(err)
	}
	task := jobs.Task{
		Owner: byCluster()[0], Namespace: s.ns, Labels: workload.RecoveryLabels(c), Operation: "o", Step: step, Server: "bao-2", VolumeUID: "v",
		Claim: workload.VolumeClaimName(c, 2), ReadOnly: step == jobstep.InspectRaft, Image: "bailiwick", Args: jobstep.InspectArgs(), Deadline: time.Minute, Pod: pod,
	}
	if step == jobstep.RecoverRaft {
		task.Args = jobstep.RecoverArgs(jobstep.Voter{ID: "bao-2", Address: workload.RaftAddress(c, 2), Last: jobstep.Position{Index: 1, Term: 1}})
	}
	job := task.Job()
	job.APIVersion, job.Kind = "batch/v1", "Job"
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(job)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(content)
	}
	return &unstructured.Unstructured{Object: content}
}

// The account that runs servers runs one program, on one volume of the cluster that
// controls the Job, and nothing else as a Job.
func TestServersJobs(t *testing.T) {
	t.Parallel()
	s := newServersTest(t)
	patched := func(patch string) func(map[string]any) {
		return func(job map[string]any) {
			var change map[string]any
			if err := yaml.UnmarshalStrict([]byte(patch), &change); err != nil {
				t.Fatalf("%v in %s", err, patch)
			}
			merge(job, change)
		}
	}
	container := func(patch string) func(map[string]any) {
		return func(job map[string]any) {
			list, _, err := unstructured.NestedSlice(job, "spec", "template", "spec", "containers")
			if err != nil {
				t.Fatal(err)
			}
			var change map[string]any
			if err := yaml.UnmarshalStrict([]byte(patch), &change); err != nil {
				t.Fatalf("%v in %s", err, patch)
			}
			one := list[0].(map[string]any)
			merge(one, change)
			list[0] = one
			// What YAML reads as an int is none of an unstructured object.
			raw, err := json.Marshal(list)
			if err == nil {
				err = json.Unmarshal(raw, &list)
			}
			if err == nil {
				err = unstructured.SetNestedSlice(job, list, "spec", "template", "spec", "containers")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	s.until(t, "the rights and the policies to be in force", func() error {
		return denied(s.create(s.servers, s.jobOf(t, jobstep.InspectRaft, patched("{metadata: {labels: {openbao.org/cluster: other}}}"))), "only Jobs with the label")
	})
	for _, step := range []string{jobstep.InspectRaft, jobstep.RecoverRaft} {
		want(t, step, s.create(s.servers, s.jobOf(t, step, nil)), "")
	}
	const (
		whose    = "only Jobs with the label openbao.org/cluster"
		network  = "by which their network is limited"
		token    = "may have no token for the Kubernetes API"
		volume   = "one volume, which is that of a server"
		program  = "which runs /bailiwick-job"
		once     = "must run once"
		node     = "nothing of their node"
		security = `the level "restricted"`
	)
	for name, tc := range map[string]struct {
		change  func(map[string]any)
		refusal string
	}{
		"another cluster":      {patched("{metadata: {labels: {openbao.org/cluster: other}}}"), whose},
		"another name":         {patched("{metadata: {name: other-1}}"), whose},
		"no owner":             {patched("{metadata: {ownerReferences: null}}"), whose},
		"an owner of a kind":   {patched("{metadata: {ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: bao, uid: x, controller: true}]}}"), whose},
		"a finalizer":          {patched("{metadata: {finalizers: [a.b/c]}}"), "further owners or finalizers"},
		"a server's component": {patched("{spec: {template: {metadata: {labels: {openbao.org/component: server}}}}}"), network},
		"no component":         {patched("{spec: {template: {metadata: {labels: null}}}}"), network},
		"a token":              {patched("{spec: {template: {spec: {automountServiceAccountToken: true}}}}"), token},
		"an account":           {patched("{spec: {template: {spec: {serviceAccountName: bao-serviceaccount}}}}"), token},
		"a Secret":             {patched("{spec: {template: {spec: {volumes: [{name: data, secret: {secretName: bao-unseal-key}}]}}}}"), volume},
		"the node's files":     {patched("{spec: {template: {spec: {volumes: [{name: data, hostPath: {path: /}}]}}}}"), volume},
		"another volume":       {patched("{spec: {template: {spec: {volumes: [{name: data, persistentVolumeClaim: {claimName: data-other-0}}]}}}}"), volume},
		"a longer name":        {patched("{spec: {template: {spec: {volumes: [{name: data, persistentVolumeClaim: {claimName: data-bao-2-0}}]}}}}"), volume},
		"a projected token": {patched("{spec: {template: {spec: {volumes: [{name: data, persistentVolumeClaim: {claimName: data-bao-2}}, " +
			"{name: token, projected: {sources: [{serviceAccountToken: {path: token}}]}}]}}}}"), volume},
		"another program":  {container("{command: [/bin/sh]}"), program},
		"another step":     {container("{args: [destroy, --path=/bao/data]}"), program},
		"another path":     {container("{args: [inspect-raft, --path=/]}"), program},
		"two paths":        {container("{args: [inspect-raft, --path=/bao/data, --path=/]}"), program},
		"a variable":       {container("{env: [{name: A, valueFrom: {secretKeyRef: {name: bao-unseal-key, key: key}}}]}"), program},
		"a hook":           {container("{lifecycle: {postStart: {exec: {command: [a]}}}}"), program},
		"written":          {container("{volumeMounts: [{name: data, mountPath: /bao/data}]}"), "read-only"},
		"tried often":      {patched("{spec: {backoffLimit: 3}}"), once},
		"without an end":   {patched("{spec: {activeDeadlineSeconds: null}}"), once},
		"the node's net":   {patched("{spec: {template: {spec: {hostNetwork: true}}}}"), node},
		"the node's name":  {patched("{spec: {template: {spec: {nodeName: a}}}}"), node},
		"root":             {patched("{spec: {template: {spec: {securityContext: {runAsUser: 0}}}}}"), security},
		"perhaps root":     {patched("{spec: {template: {spec: {securityContext: {runAsNonRoot: null}}}}}"), security},
		"no profile":       {patched("{spec: {template: {spec: {securityContext: {seccompProfile: null}}}}}"), security},
		"a capability":     {container("{securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}"), security},
		"escalation":       {container("{securityContext: {allowPrivilegeEscalation: true}}"), security},
		"a writable root":  {container("{securityContext: {readOnlyRootFilesystem: false}}"), security},
		"an SELinux role":  {patched("{spec: {template: {spec: {securityContext: {seLinuxOptions: {role: a}}}}}}"), security},
		"an unsafe sysctl": {patched("{spec: {template: {spec: {securityContext: {sysctls: [{name: kernel.msgmax, value: \"1\"}]}}}}}"), security},
	} {
		job := s.jobOf(t, jobstep.InspectRaft, tc.change)
		want(t, name, s.create(s.servers, job), tc.refusal)
	}
	elsewhere := s.jobOf(t, jobstep.InspectRaft, nil)
	elsewhere.SetName("somebody")
	elsewhere.SetOwnerReferences(nil)
	s.make(t, elsewhere)
	want(t, "deleting the Job of somebody else", s.delete(s.servers, elsewhere), whose)
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/certs"
	"github.com/bailiwick-operator/bailiwick/pkg/owned"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

func problemOf(t *testing.T, err error) *reconcile.Problem {
	t.Helper()
	var problem *reconcile.Problem
	if !errors.As(err, &problem) {
		t.Fatalf("got %v, want a Problem", err)
	}
	return problem
}

func TestInvalidSpecListsEachMistakeOnce(t *testing.T) {
	c := development()
	c.Spec.Version, c.Spec.TLS.Enabled, c.Spec.Replicas = "2.3.9", false, new(int32(12))
	c.Spec.SelfInit = &openbaov1alpha1.SelfInitSpec{Enabled: true}
	c.Spec.RecoveryKeys = &openbaov1alpha1.RecoveryKeysSpec{}
	problem := problemOf(t, newTestTask(t, c).desire())
	if problem.Reason != ReasonInvalidSpec || problem.Next != reconcile.After(DefaultRecheckInterval) {
		t.Errorf("got %s and then %+v", problem.Reason, problem.Next)
	}
	for _, field := range []string{"spec.version:", "spec.tls.enabled:", "spec.replicas:", "spec.recoveryKeys:"} {
		if n := strings.Count(problem.Message, field); n != 1 {
			t.Errorf("%s is named %d times in %s", field, n, problem.Message)
		}
	}
}

func TestDesireAccepts(t *testing.T) {
	if err := newTestTask(t, development()).desire(); err != nil {
		t.Error(err)
	}
}

func TestObjectProblem(t *testing.T) {
	secrets := schema.GroupResource{Resource: "secrets"}
	conflict := owned.ConflictError{Kind: "Secret", Namespace: "team-a", Name: "dev-x"}
	outliving := conflict
	outliving.Outlives = true
	for name, c := range map[string]struct {
		err     error
		reason  string
		message []string
	}{
		"no right": {
			apierrors.NewForbidden(secrets, "dev", errors.New(`User "system:serviceaccount:bailiwick-system:bailiwick-servers" cannot create resource "secrets"`)), ReasonNotGranted,
			[]string{"Run: kubectl -n team-a create rolebinding bailiwick-servers --clusterrole=bailiwick-servers-namespace --serviceaccount=bailiwick-system:bailiwick-servers"},
		},
		"admission": {
			apierrors.NewForbidden(secrets, "dev", errors.New("ValidatingAdmissionPolicy 'x' denied request")), ReasonFailed, []string{"The API server refuses an object"},
		},
		"quota":   {apierrors.NewForbidden(secrets, "dev", errors.New("exceeded quota: pods")), ReasonFailed, []string{"exceeded quota"}},
		"invalid": {apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "dev", nil), ReasonFailed, []string{"The API server refuses an object"}},
		"foreign": {&conflict, ReasonConflict, []string{"is not this cluster's", "kubectl -n team-a delete secret dev-x"}},
		"foreign that outlives": {&outliving, ReasonConflict, []string{
			"kubectl -n team-a annotate secret dev-x bailiwick.dev/owner-uid=cluster-uid --overwrite", "kubectl -n team-a delete secret dev-x",
		}},
		"something else": {errors.New("it timed out"), ReasonFailed, []string{"It timed out."}},
		"a Problem":      {waiting(ReasonPaused, "Wait.", time.Second), ReasonPaused, []string{"Wait."}},
	} {
		t.Run(name, func(t *testing.T) {
			problem := problemOf(t, newTestTask(t, development()).objectProblem(c.err))
			if problem.Reason != c.reason {
				t.Errorf("got the reason %s, want %s", problem.Reason, c.reason)
			}
			for _, want := range c.message {
				if !strings.Contains(problem.Message, want) {
					t.Errorf("there is no %q in %s", want, problem.Message)
				}
			}
		})
	}
	if err := newTestTask(t, development()).objectProblem(nil); err != nil {
		t.Errorf("nothing is a problem: %v", err)
	}
}

func TestGrantNamesTheAccountsOfJobs(t *testing.T) {
	c := development()
	if got := newTestTask(t, c).grantMessage(); strings.Contains(got, "create role ") {
		t.Errorf("without jobs: got %s", got)
	}
	c.Spec.Backup, c.Spec.Restore = &openbaov1alpha1.BackupSpec{}, &openbaov1alpha1.RestoreSpec{}
	got := newTestTask(t, c).grantMessage()
	for _, want := range []string{
		"create role bailiwick-prove-dev ", "--resource-name=dev-backup-serviceaccount --resource-name=dev-restore-serviceaccount",
		"create rolebinding bailiwick-prove-dev --role=bailiwick-prove-dev --serviceaccount=bailiwick-system:bailiwick",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in %s", want, got)
		}
	}
}

// The names in the command are those of the installation that prints it.
func TestGrantNamesWhatIsInstalled(t *testing.T) {
	c := development()
	c.Spec.Backup = &openbaov1alpha1.BackupSpec{}
	sync := newTestTask(t, c)
	sync.opts.Subject = "system:serviceaccount:wombat:platypus-servers"
	sync.opts.NamespaceRole, sync.opts.AuthorizerAccount = "platypus-servers-namespace", "numbat"
	got := sync.grantMessage()
	for _, want := range []string{
		"kubectl -n team-a create rolebinding platypus-servers --clusterrole=platypus-servers-namespace --serviceaccount=wombat:platypus-servers ;",
		"kubectl -n team-a create role numbat-prove-dev ",
		"kubectl -n team-a create rolebinding numbat-prove-dev --role=numbat-prove-dev --serviceaccount=wombat:numbat",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in %s", want, got)
		}
	}
	if strings.Contains(strings.ReplaceAll(got, "Bailiwick", ""), "ailiwick") {
		t.Errorf("a name of the manifests is left over in %s", got)
	}
}

func TestUnsealKey(t *testing.T) {
	key := func(uid string, length int) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: workload.UnsealKeySecretName(development()), Annotations: map[string]string{owned.OwnerUIDAnnotation: uid}},
			Data:       map[string][]byte{workload.UnsealKeyKey: make([]byte, length)},
		}
	}
	volume := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: volumeName(development())}}
	for name, c := range map[string]struct {
		cluster *openbaov1alpha1.OpenBaoCluster
		secret  *corev1.Secret
		volume  *corev1.PersistentVolumeClaim
		paused  bool
		reason  string
		made    bool
	}{
		"a new cluster":       {development(), nil, nil, false, "", true},
		"a new one, paused":   {development(), nil, nil, true, "", false},
		"there is one":        {development(), key("cluster-uid", 32), nil, false, "", false},
		"gone, initialized":   {initialized(), nil, nil, false, ReasonUnsealKeyLost, false},
		"gone, with a volume": {development(), nil, volume, false, ReasonUnsealKeyLost, false},
		"too short":           {development(), key("cluster-uid", 16), nil, false, ReasonUnsealKeyLost, false},
		"of another cluster":  {development(), key("other", 32), nil, false, ReasonConflict, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.cluster.Spec.Paused = &c.paused
			var objects []runtime.Object
			if c.secret != nil {
				objects = append(objects, c.secret)
			}
			if c.volume != nil {
				objects = append(objects, c.volume)
			}
			x := newTestTask(t, c.cluster, objects...)
			err := x.prepareUnsealKey(t.Context())
			if c.reason == "" && err != nil || c.reason != "" && problemOf(t, err).Reason != c.reason {
				t.Errorf("got %v, want %q", err, c.reason)
			}
			secret, err := x.opts.Kube.CoreV1().Secrets("team-a").Get(t.Context(), workload.UnsealKeySecretName(c.cluster), metav1.GetOptions{})
			if made := err == nil && c.secret == nil; made != c.made {
				t.Fatalf("a key was made: %t", made)
			}
			if c.made && (len(secret.Data[workload.UnsealKeyKey]) != 32 || secret.Immutable == nil || !*secret.Immutable ||
				len(secret.OwnerReferences) > 0 || secret.Annotations[owned.OwnerUIDAnnotation] != "cluster-uid") {
				t.Errorf("the Secret is %+v", secret.ObjectMeta)
			}
		})
	}
}

func TestRecoveryKeys(t *testing.T) {
	for name, c := range map[string]struct {
		shares, threshold *int32
		recipients        int
		wantShares        int
		wantThreshold     int
		wrong             bool
	}{
		"none":                        {nil, nil, 0, 1, 1, false},
		"two":                         {new(int32(2)), nil, 0, 2, 2, false},
		"three":                       {new(int32(3)), nil, 0, 3, 2, false},
		"four":                        {new(int32(4)), nil, 0, 4, 3, false},
		"five recipients":             {nil, nil, 5, 5, 3, false},
		"another threshold":           {new(int32(5)), new(int32(5)), 0, 5, 5, false},
		"more than there are":         {new(int32(3)), new(int32(4)), 0, 3, 4, true},
		"one share alone makes a key": {new(int32(3)), new(int32(1)), 0, 3, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := development()
			keys := &openbaov1alpha1.RecoveryKeysSpec{Shares: c.shares, Threshold: c.threshold}
			for range c.recipients {
				keys.Recipients = append(keys.Recipients, openbaov1alpha1.RecoveryKeyRecipient{Name: "someone", PGPPublicKey: "key"})
			}
			cluster.Spec.RecoveryKeys = keys
			request, names := recoveryKeys(cluster)
			if request.Shares != c.wantShares || request.Threshold != c.wantThreshold || len(names) != c.wantShares {
				t.Errorf("got %d of %d shares for %q", request.Threshold, request.Shares, names)
			}
			if err := checkRecoveryKeys(cluster); (err != nil) != c.wrong {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestProvenCertificates(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(testNow)}, Data: map[string][]byte{certs.KeyCA: []byte("bundle")}}
	pod := func(created, started time.Duration) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(testNow.Add(created))}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: workload.ContainerName, State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(testNow.Add(started))},
		}}}
		return p
	}
	digest := certs.BundleDigest([]byte("bundle"))
	for name, c := range map[string]struct {
		pods    []*corev1.Pod
		serials []string
		want    certs.Proven
	}{
		"no pods":                          {nil, nil, certs.Proven{}},
		"a pod made after the change":      {[]*corev1.Pod{pod(time.Minute, 2*time.Minute)}, []string{"a"}, certs.Proven{BundleDigest: digest, LeafSerials: []string{"a"}}},
		"a container restarted soon after": {[]*corev1.Pod{pod(-time.Hour, time.Minute)}, []string{"a"}, certs.Proven{LeafSerials: []string{"a"}}},
		"a container restarted long after": {[]*corev1.Pod{pod(-time.Hour, time.Hour)}, []string{"a"}, certs.Proven{BundleDigest: digest, LeafSerials: []string{"a"}}},
		"a container that does not run":    {[]*corev1.Pod{{}}, []string{"a"}, certs.Proven{LeafSerials: []string{"a"}}},
		"a server that does not answer":    {[]*corev1.Pod{pod(time.Minute, time.Minute)}, []string{""}, certs.Proven{BundleDigest: digest}},
		"a server that was not asked yet":  {[]*corev1.Pod{pod(time.Minute, time.Minute), pod(time.Minute, time.Minute)}, []string{"a"}, certs.Proven{BundleDigest: digest}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTestTask(t, development())
			x.pods = c.pods
			for _, serial := range c.serials {
				x.obj.Status.Servers = append(x.obj.Status.Servers, openbaov1alpha1.ServerStatus{CertificateSerial: serial})
			}
			got := x.provenCertificates(secret)
			if got.BundleDigest != c.want.BundleDigest || strings.Join(got.LeafSerials, ",") != strings.Join(c.want.LeafSerials, ",") {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openbao/openbao/api/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// foreignCRD writes the CRD as it is without the fields of this operator, which
// is how the openbao-operator installs it.
func foreignCRD(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(manifests + "/crds/openbao.org_openbaoclusters.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd map[string]any
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	versions, _, err := unstructured.NestedSlice(crd, "spec", "versions")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		for _, part := range []string{"spec", "status"} {
			path := []string{"schema", "openAPIV3Schema", "properties", part, "properties", "authorization"}
			if _, ok, err := unstructured.NestedMap(v.(map[string]any), path...); err != nil || !ok {
				t.Fatalf("The CRD has no %s: %v", strings.Join(path, "."), err)
			}
			unstructured.RemoveNestedField(v.(map[string]any), path...)
			// Rules between our fields and others.
			unstructured.RemoveNestedField(v.(map[string]any), "schema", "openAPIV3Schema", "properties", part, "x-kubernetes-validations")
		}
	}
	if err := unstructured.SetNestedSlice(crd, versions, "spec", "versions"); err != nil {
		t.Fatal(err)
	}
	if raw, err = yaml.Marshal(crd); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "crd.yaml")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestBootstrapBeside works under a CRD that has none of our fields, with settings
// and record in annotations, beside another operator that writes the status.
func TestBootstrapBeside(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	t.Cleanup(cancel)
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{foreignCRD(t)}})
	if err := install(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	kube, err := kubernetes.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	server := stack.NewOpenBao(t, stack.OpenBaoOptions{})
	root, err := server.Client()
	if err != nil {
		t.Fatal(err)
	}
	b := &baoEnv{env: newEnvOn(t, cluster, "team", aivensim.Options{}), bao: server, root: root, gateway: newGateway(t, server)}
	b.change = append(b.change, func(o *app.Options) { o.Controllers = []string{bootstrap.Kind} })
	secret, err := root.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{Policies: []string{"root"}, TTL: "10m"})
	if err != nil {
		t.Fatal(err)
	}
	b.tokens = append(b.tokens, secret.Auth.ClientToken)
	b.setSecret("admin", map[string]string{"token": secret.Auth.ClientToken})
	b.setSecret("bao-tls-ca", map[string]string{"ca.crt": b.gateway.ca()})

	obj := &v1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Name: "bao", Annotations: map[string]string{
		v1alpha1.AnnotationMode: "Enforce", v1alpha1.AnnotationAddress: b.gateway.URL, v1alpha1.AnnotationAdminTokenSecret: "admin",
	}}}
	obj.Spec.Backup = &v1alpha1.BackupSpec{}
	clusters := b.api.OpenBaoV1alpha1().OpenBaoClusters(b.ns)
	created, err := clusters.Create(ctx, obj, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	created.Status.ObservedGeneration = 7
	created.Status.Conditions = []metav1.Condition{{Type: "Available", Status: metav1.ConditionTrue, Reason: "AllReplicasReady", LastTransitionTime: metav1.Now()}}
	if _, err := clusters.UpdateStatus(ctx, created, metav1.UpdateOptions{FieldManager: "openbao-operator"}); err != nil {
		t.Fatal(err)
	}
	before := b.holds()
	b.start(soon)
	want := func(reason string) *v1alpha1.OpenBaoCluster {
		t.Helper()
		status := metav1.ConditionFalse
		if reason == bootstrap.ReasonApplied {
			status = metav1.ConditionTrue
		}
		b.wantCondition(v1alpha1.ConditionAuthorizationReady, status, reason, b.clusterConditions("bao"))
		return b.getCluster("bao")
	}
	got := want(bootstrap.ReasonApplied)
	var types []string
	for _, c := range got.Status.Conditions {
		types = append(types, c.Type)
	}
	if slices.Sort(types); !slices.Equal(types, []string{"AuthorizationReady", "Available", "SigningKeysCurrent"}) || got.Status.ObservedGeneration != 7 {
		t.Errorf("The status is %+v", got.Status)
	}
	record := bootstrap.RecordOf(got)
	if record == nil || record.Mount != mount || !slices.Contains(record.Roles, backupRole) || !slices.Contains(record.Roles, bootstrapperRole) {
		t.Fatalf("The record is %s", got.Annotations[v1alpha1.AnnotationRecord])
	}
	if c := meta.FindStatusCondition(got.Status.Conditions, "Available"); c == nil || c.Reason != "AllReplicasReady" {
		t.Errorf("The condition of the other operator is %+v", c)
	}
	for _, entry := range got.ManagedFields {
		if strings.HasPrefix(entry.Manager, bootstrap.FieldManager) && entry.Operation != metav1.ManagedFieldsOperationApply {
			t.Errorf("%s wrote by %s", entry.Manager, entry.Operation)
		}
	}

	t.Log("It repairs, and writes nothing where nothing changed")
	held := b.holds()
	b.remove("sys/policies/acl/" + backupRole)
	b.heldAgain("the repair", held)
	b.eventually("the record to settle", func() error {
		version := b.getCluster("bao").ResourceVersion
		for range 2 {
			b.anotherLook(len(b.gateway.all()))
		}
		if now := b.getCluster("bao").ResourceVersion; now != version {
			return fmt.Errorf("version %s became %s", version, now)
		}
		return nil
	})

	t.Log("A new process knows what was written")
	b.stopOperator()
	b.start(soon)
	b.patchCluster("bao", `{"spec":{"backup":null}}`)
	b.eventually("the removal of the backup", func() error {
		if got := added(t, before, b.holds()); slices.Contains(got, "role "+backupRole) || slices.Contains(got, "policy "+backupRole) {
			return fmt.Errorf("the server holds %q", got)
		}
		return nil
	})
	want(bootstrap.ReasonApplied)

	t.Log("Nothing is requested any more")
	token, err := root.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{Policies: []string{"root"}, TTL: "10m"})
	if err != nil {
		t.Fatal(err)
	}
	b.setSecret("admin", map[string]string{"token": token.Auth.ClientToken})
	b.patchCluster("bao", fmt.Sprintf(`{"metadata":{"annotations":{%q:null}}}`, v1alpha1.AnnotationMode))
	want(bootstrap.ReasonNotRequested)
	b.heldAgain("the removal", before)
	b.eventually("the record to be gone", func() error {
		if record := b.getCluster("bao").Annotations[v1alpha1.AnnotationRecord]; record != "" {
			return fmt.Errorf("it is %s", record)
		}
		return nil
	})
	if got := b.holds(); !maps.Equal(got, before) {
		t.Errorf("The server held %v and holds %v", before, got)
	}
	b.noTokenAnywhere()
}

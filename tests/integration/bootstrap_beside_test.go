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

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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

// peerOpenBaoCRDs names the folder of the openbao-operator's CRDs. Without it ours
// stands for them, without our fields.
const peerOpenBaoCRDs = "BAILIWICK_OPENBAO_CRDS"

// newBesideEnv makes a baoEnv with an API server of its own, which has the CRD of
// the openbao-operator.
func newBesideEnv(t *testing.T) *baoEnv {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	t.Cleanup(cancel)
	var crd string
	if folder := os.Getenv(peerOpenBaoCRDs); folder != "" {
		crd = filepath.Join(folder, "openbao.org_openbaoclusters.yaml")
	} else {
		crd = foreignCRD(t)
	}
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{crd}, APIServerArgs: audited(t)})
	if err := install(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	server := stack.NewOpenBao(t, stack.OpenBaoOptions{})
	root, err := server.Client()
	if err != nil {
		t.Fatal(err)
	}
	b := &baoEnv{env: newEnvOn(t, cluster, "team", aivensim.Options{}), bao: server, root: root, gateway: newGateway(t, server)}
	b.address, b.ca = b.gateway.URL, b.gateway.ca()
	b.change = append(b.change, func(o *app.Options) { o.Controllers = []string{bootstrap.Kind} })
	if _, err := b.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	b.setSecret("bao-tls-ca", map[string]string{"ca.crt": b.gateway.ca()})
	return b
}

// besideSpec is the least that the openbao-operator's CRD takes, with a backup.
func besideSpec() v1alpha1.OpenBaoClusterSpec {
	return v1alpha1.OpenBaoClusterSpec{
		Version: "2.6.2", Replicas: new(int32(3)),
		TLS:     &v1alpha1.TLSSpec{Enabled: true, Mode: "OperatorManaged", RotationPeriod: "720h"},
		Storage: &v1alpha1.StorageSpec{Size: "10Gi"},
		Backup:  &v1alpha1.BackupSpec{Schedule: "0 3 * * *", Target: &v1alpha1.BackupTarget{Endpoint: "https://s3.example.com", Bucket: "bao"}},
	}
}

// wantAuthorization waits for a reason of AuthorizationReady, beside which there is
// no condition Ready, and returns the message.
func (b *baoEnv) wantAuthorization(reason string) string {
	b.Helper()
	status := metav1.ConditionFalse
	if reason == bootstrap.ReasonApplied {
		status = metav1.ConditionTrue
	}
	return b.wantCondition(v1alpha1.ConditionAuthorizationReady, status, reason, b.clusterConditions("bao")).Message
}

// TestBootstrapBeside works under a CRD that has none of our fields, with settings
// and record in annotations, beside another operator that writes the status.
func TestBootstrapBeside(t *testing.T) {
	t.Parallel()
	b := newBesideEnv(t)
	ctx := b.ctx
	b.setSecret("admin", map[string]string{"token": b.adminToken("root")})

	obj := &v1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Name: "bao", Annotations: map[string]string{
		v1alpha1.AnnotationMode: "Enforce", v1alpha1.AnnotationAddress: b.gateway.URL, v1alpha1.AnnotationAdminTokenSecret: "admin",
	}}}
	obj.Spec = besideSpec()
	clusters := b.api.OpenBaoV1alpha1().OpenBaoClusters(b.ns)
	created, err := clusters.Create(ctx, obj, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	created.Status.ObservedGeneration = 7
	created.Status.Conditions = []metav1.Condition{{Type: "Available", Status: metav1.ConditionTrue, Reason: "AllReplicasReady", LastTransitionTime: metav1.Now()}}
	theirs, err := clusters.UpdateStatus(ctx, created, metav1.UpdateOptions{FieldManager: "openbao-operator"})
	if err != nil {
		t.Fatal(err)
	}
	before := b.holds()
	b.start(soon)
	want := func(reason string) *v1alpha1.OpenBaoCluster {
		t.Helper()
		b.wantAuthorization(reason)
		return b.getCluster("bao")
	}
	got := want(bootstrap.ReasonApplied)
	var types []string
	for _, c := range got.Status.Conditions {
		types = append(types, c.Type)
	}
	if slices.Sort(types); !slices.Equal(types, []string{"AuthorizationReady", "Available", "SigningKeysCurrent"}) ||
		// Their schema has no such field.
		got.Status.ObservedGeneration != theirs.Status.ObservedGeneration {
		t.Errorf("The status is %+v", got.Status)
	}
	record := bootstrap.ShownRecord(got)
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

	t.Log("A new process knows what was written, whatever the annotation says by then")
	b.stopOperator()
	b.patchCluster("bao", fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationRecord, `{"roles":["theirs"],"policies":["theirs"]}`))
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
	b.setSecret("admin", map[string]string{"token": b.adminToken("root")})
	b.patchCluster("bao", fmt.Sprintf(`{"metadata":{"annotations":{%q:null}}}`, v1alpha1.AnnotationMode))
	want(bootstrap.ReasonNotRequested)
	b.heldAgain("the removal", before)
	b.eventually("the record to be gone", func() error {
		if record := b.getCluster("bao").Annotations[v1alpha1.AnnotationRecord]; record != "" {
			return fmt.Errorf("it is %s", record)
		}
		name := "bailiwick-openbao-record-" + string(b.getCluster("bao").UID)
		if _, err := b.kube.CoreV1().ConfigMaps(operatorNamespace).Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the ConfigMap is there: %w", err)
		}
		return nil
	})
	b.marked("")
	if got := b.holds(); !maps.Equal(got, before) {
		t.Errorf("The server held %v and holds %v", before, got)
	}
	b.noTokenAnywhere()
}

// TestBootstrapHandOver takes a server over that the openbao-operator has set up by
// its own self-init, as the guide says, and leaves that operator its way in.
func TestBootstrapHandOver(t *testing.T) {
	t.Parallel()
	b := newBesideEnv(t)
	const peer = "openbao-operator-controller"
	b.serviceAccount(b.ns, peer)
	b.serviceAccount(b.ns, "bao-backup-serviceaccount")

	t.Log("What the self-init of that operator leaves")
	b.write("sys/auth/"+mount, map[string]any{"type": "jwt", "description": "Auth method for OpenBao Operator"})
	b.write("auth/"+mount+"/config", map[string]any{"bound_issuer": b.env.cluster.Issuer, "jwt_validation_pubkeys": b.publishedKeys()})
	for role, account := range map[string]string{operatorRole: peer, backupRole: "bao-backup-serviceaccount"} {
		text := backupText
		if role == operatorRole {
			text = operatorText
		}
		b.write("sys/policies/acl/"+role, map[string]any{"policy": text})
		b.write("auth/"+mount+"/role/"+role, map[string]any{
			"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{peerAudience},
			"bound_subject":  "system:serviceaccount:" + b.ns + ":" + account,
			"token_policies": []string{role}, "policies": []string{role}, "ttl": "1h",
		})
	}
	b.write("sys/policies/acl/team", map[string]any{"policy": foreignPolicy})
	b.wantLoginFor(t, peerAudience, operatorRole, b.ns, peer, operatorRole)
	b.wantLoginFor(t, peerAudience, backupRole, b.ns, "bao-backup-serviceaccount", backupRole)
	before := b.holds()

	b.setSecret("admin", map[string]string{"token": b.adminToken("root")})
	obj := &v1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Name: "bao", Annotations: map[string]string{
		v1alpha1.AnnotationMode: "Enforce", v1alpha1.AnnotationAddress: b.gateway.URL, v1alpha1.AnnotationAdminTokenSecret: "admin",
		v1alpha1.AnnotationOperatorServiceAccount: b.ns + "/" + peer,
	}}, Spec: besideSpec()}
	// That operator's tokens carry the audience that its schema has by default.
	obj.Spec.SelfInit = &v1alpha1.SelfInitSpec{OIDC: &v1alpha1.SelfInitOIDC{Enabled: true}}
	if _, err := b.api.OpenBaoV1alpha1().OpenBaoClusters(b.ns).Create(b.ctx, obj, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	b.start(soon)
	message := b.wantAuthorization(bootstrap.ReasonConfigConflict)
	for _, part := range []string{
		"config " + mount + " differs in jwt_supported_algs", "role " + operatorRole + " differs in bound_audiences, token_max_ttl",
		"role " + backupRole + " differs in bound_audiences, token_max_ttl", "remove it: bao auth disable " + mount,
	} {
		if !strings.Contains(message, part) {
			t.Errorf("The message does not say %q: %s", part, message)
		}
	}
	if got := b.holds(); !maps.Equal(got, before) {
		t.Errorf("The server held %v and holds %v", before, got)
	}

	_, command, _ := strings.Cut(message, "remove it: ")
	if b.bao.Kind == stack.Bao {
		b.run(command)
	} else if command == "bao auth disable "+mount {
		b.remove("sys/auth/" + mount) // There is no bao to run it.
	} else {
		t.Fatalf("The command is %q", command)
	}
	b.refresh("bao")
	b.wantAuthorization(bootstrap.ReasonApplied)
	b.wantLoginFor(t, peerAudience, operatorRole, b.ns, peer, operatorRole)
	b.wantLoginFor(t, peerAudience, backupRole, b.ns, "bao-backup-serviceaccount", backupRole)
	b.wantRefused(t, operatorRole, operatorNamespace, operatorAccount, b.audience())
	after := b.holds()
	for _, name := range []string{"policy " + operatorRole, "policy " + backupRole, "policy team", "auth " + mount + "/"} {
		if after[name] != before[name] {
			t.Errorf("%s was %q and is %q", name, before[name], after[name])
		}
	}
	for _, token := range b.tokens[:1] {
		if b.accepted(token) {
			t.Error("The admin token still lives")
		}
	}
	b.noTokenAnywhere()
}

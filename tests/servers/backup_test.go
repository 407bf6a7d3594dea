// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// bucketStore is an S3 server on the machine of the test, whose buckets are folders.
type bucketStore struct {
	*world
	host string
	port int
	// folder is that of the bucket.
	folder string
}

const (
	storeSecret = "store"
	// rarely is a schedule that is not due while a test runs, but on a leap day.
	rarely = "0 3 29 2 *"
)

// newStore starts an S3 server that pods reach, and makes the Secret with its credentials.
func (w *world) newStore() *bucketStore {
	w.Helper()
	binary, err := stack.Tool("versitygw")
	if err != nil {
		w.Fatal(err)
	}
	s := &bucketStore{world: w, host: shared.GatewayAddr()}
	listener, err := net.Listen("tcp", net.JoinHostPort(s.host, "0"))
	if err != nil {
		w.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		w.Fatal(err)
	}
	root := w.TempDir()
	s.folder = filepath.Join(root, "backups")
	if err := os.Mkdir(s.folder, 0o700); err != nil {
		w.Fatal(err)
	}
	server := exec.Command(binary, "--port", net.JoinHostPort(s.host, fmt.Sprint(s.port)), "posix", root)
	server.Env = append(os.Environ(), "ROOT_ACCESS_KEY=access", "ROOT_SECRET_KEY=secret-key")
	server.WaitDelay = 5 * time.Second
	if err := server.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // It was killed.
	})
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: storeSecret}, StringData: map[string]string{"accessKeyId": "access", "secretAccessKey": "secret-key"}}
	if _, err := w.kube.CoreV1().Secrets(w.ns).Create(w.ctx, secret, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
	return s
}

// backedUp has a cluster take backups there.
func (s *bucketStore) backedUp(c *openbaov1alpha1.OpenBaoCluster) {
	c.Spec.Backup = &openbaov1alpha1.BackupSpec{
		Schedule: rarely,
		Target: &openbaov1alpha1.BackupTarget{
			Endpoint: fmt.Sprintf("http://%s:%d", s.host, s.port), Bucket: "backups", PathPrefix: "test", UsePathStyle: new(true),
			CredentialsSecretRef: &openbaov1alpha1.LocalObjectReference{Name: storeSecret},
		},
		Retention: &openbaov1alpha1.BackupRetention{MaxCount: new(int32(2))},
		Spool:     &openbaov1alpha1.BackupSpool{},
	}
	port := intstr.FromInt32(int32(s.port))
	c.Spec.Network.EgressRules = append(c.Spec.Network.EgressRules, openbaov1alpha1.NetworkPolicyEgressRule{
		To:    []openbaov1alpha1.NetworkPolicyPeer{{IPBlock: &openbaov1alpha1.IPBlock{CIDR: s.host + "/32"}}},
		Ports: []openbaov1alpha1.NetworkPolicyPort{{Protocol: new("TCP"), Port: &port}},
	})
}

// grantBackup lets Bailiwick prove the backup identity of a cluster.
func (w *world) grantBackup(name string) {
	w.Helper()
	w.sh(fmt.Sprintf("kubectl -n %s create role prove-%s --verb=get,create --resource=serviceaccounts,serviceaccounts/token --resource-name=%s-backup-serviceaccount && "+
		"kubectl -n %s create rolebinding prove-%s --role=prove-%s --serviceaccount=bailiwick-system:bailiwick", w.ns, name, name, w.ns, name, name))
}

// published returns the manifests in the bucket, and fails if one is of a snapshot that is
// not whole.
func (s *bucketStore) published() map[string]snapshot.Manifest {
	s.Helper()
	found := map[string]snapshot.Manifest{}
	err := filepath.WalkDir(s.folder, func(path string, entry fs.DirEntry, err error) error {
		of, isManifest := snapshot.SnapshotOf(path)
		if err != nil || entry.IsDir() || !isManifest {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		m, err := snapshot.ReadManifest(path, bytes.NewReader(raw))
		if err != nil {
			return err
		}
		file, err := os.Open(of)
		if err != nil {
			return err
		}
		archive, err := snapshot.Verify(file, io.Discard)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("%s: %w", of, err)
		}
		found[filepath.Base(of)] = m
		return m.Matches(archive)
	})
	if err != nil {
		s.Fatal(err)
	}
	return found
}

// backUp asks for a backup, and waits until it has been taken.
func (s *bucketStore) backUp(name, trigger string) *openbaov1alpha1.OpenBaoCluster {
	s.Helper()
	s.sh(fmt.Sprintf("kubectl -n %s annotate openbaocluster %s --overwrite openbao.org/trigger-backup=%s", s.ns, name, trigger))
	s.eventually("the backup "+trigger, s.served(name, trigger))
	return s.get(name)
}

func (s *bucketStore) served(name, trigger string) func() error {
	return func() error {
		c := s.get(name)
		b := c.Status.Backup
		if b == nil || b.HandledTrigger != trigger || b.Operation != nil {
			condition := meta.FindStatusCondition(c.Status.Conditions, openbaov1alpha1.ConditionBackupReady)
			return fmt.Errorf("status %+v, condition %+v", b, condition)
		}
		return nil
	}
}

// TestBackup takes backups of a running cluster to a real S3 server: when asked, on a
// schedule, and with what can be wrong.
func TestBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.grantBackup("prod")
	w.start()
	s := w.newStore()
	k := w.keep("prod", s.backedUp)
	c := k.sing("while-backing-up")

	began := time.Now()
	got := s.backUp("prod", "first")
	t.Logf("a backup: %s", time.Since(began).Round(100*time.Millisecond))
	if b := got.Status.Backup; b.ConsecutiveFailures == nil || *b.ConsecutiveFailures != 0 || b.LastBackupIndex == nil || *b.LastBackupIndex == 0 {
		t.Fatalf("status %+v, %+v", b, got.Status.Conditions)
	}
	manifests := s.published()
	if len(manifests) != 1 {
		t.Fatalf("%d are published", len(manifests))
	}
	for name, m := range manifests {
		if m.Cluster.ID != got.Status.ClusterID || m.Cluster.Name != "prod" || m.Cluster.UID != string(got.UID) || m.Kind != snapshot.Manual || m.Fence < 1 ||
			m.Version == "" || m.Contract.Issuer == "" || len(m.Contract.Keys) == 0 || !strings.HasSuffix(got.Status.Backup.LastBackupName, name) {
			t.Errorf("manifest %+v", m)
		}
	}
	if pods, err := w.kube.CoreV1().Pods(w.ns).List(w.ctx, metav1.ListOptions{LabelSelector: "openbao.org/component=backup"}); err != nil || len(pods.Items) != 0 {
		t.Errorf("pods are left: %v, %v", len(pods.Items), err)
	}

	t.Log("Retention")
	for _, trigger := range []string{"second", "third"} {
		s.backUp("prod", trigger)
	}
	if manifests := s.published(); len(manifests) != 2 {
		t.Errorf("%d are published, want 2", len(manifests))
	}

	t.Log("On a schedule")
	before := w.get("prod").Status.Backup.LastBackupName
	w.sh(fmt.Sprintf(`kubectl -n %s patch openbaocluster prod --type merge --patch '{"spec":{"backup":{"schedule":"* * * * *"}}}'`, w.ns))
	w.eventually("a backup of the schedule", func() error {
		b := w.get("prod").Status.Backup
		if b.LastBackupName == before || b.NextScheduledBackup == nil {
			return fmt.Errorf("status %+v", b)
		}
		return nil
	})
	w.sh(fmt.Sprintf(`kubectl -n %s patch openbaocluster prod --type merge --patch '{"spec":{"backup":{"schedule":%q}}}'`, w.ns, rarely))

	t.Log("A bucket that does not exist")
	w.sh(fmt.Sprintf(`kubectl -n %s patch openbaocluster prod --type merge --patch '{"spec":{"backup":{"target":{"bucket":"none"}}}}'`, w.ns))
	w.ready("prod")
	s.backUp("prod", "nowhere")
	w.eventually("the condition to say so", w.condition("prod", openbaov1alpha1.ConditionBackupReady, metav1.ConditionFalse, "BucketMissing"))
	if _, err := os.Stat(filepath.Join(filepath.Dir(s.folder), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a bucket was created: %v", err)
	}
	w.ready("prod")
	c.stop()
	c.unbroken()
}

// TestBackupIsKilled deletes the pod of the backup, and the process of Bailiwick, again and
// again: nothing is published that is not whole, and the next one succeeds.
func TestBackupIsKilled(t *testing.T) {
	long(t)
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.grantBackup("prod")
	w.start()
	s := w.newStore()
	w.create(w.cluster("prod", s.backedUp))
	w.ready("prod")
	for i := range 10 {
		trigger := fmt.Sprintf("kill-%d", i)
		w.sh(fmt.Sprintf("kubectl -n %s annotate openbaocluster prod --overwrite openbao.org/trigger-backup=%s", w.ns, trigger))
		w.eventually("the backup to begin", func() error {
			if b := w.get("prod").Status.Backup; b == nil || b.HandledTrigger != trigger {
				return fmt.Errorf("status %+v", b)
			}
			return nil
		})
		time.Sleep(time.Duration(i) * 400 * time.Millisecond)
		if i%2 == 0 {
			w.stop(serving)
			w.start(serving)
		} else {
			w.sh(fmt.Sprintf("kubectl -n %s delete pods -l openbao.org/component=backup --grace-period=0 --force", w.ns))
		}
		s.published()
	}
	w.eventually("a backup that counts", func() error {
		b := w.get("prod").Status.Backup
		if b.Operation != nil || b.ConsecutiveFailures == nil || *b.ConsecutiveFailures != 0 {
			return fmt.Errorf("status %+v", b)
		}
		return nil
	})
	s.published()
	lease, err := w.kube.CoordinationV1().Leases(w.ns).Get(w.ctx, "prod-operation", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" {
		t.Errorf("the lock is held: %+v, %v", lease.Spec, err)
	}
}

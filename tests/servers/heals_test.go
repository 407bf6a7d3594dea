// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/tests/internal/baoimage"
)

// TestLeaderIsLost takes the leader away in three ways while a client writes.
func TestLeaderIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	k := w.keep("prod", asNobodySays)
	t.Run("not while volumes grow", func(t *testing.T) { k.in(t).volumesGrow() })
	for _, way := range []struct {
		name string
		lose func(k *kept, leader string) error
	}{
		{"deleted", func(k *kept, leader string) error {
			return k.kube.CoreV1().Pods(k.ns).Delete(k.ctx, leader, metav1.DeleteOptions{})
		}},
		{"evicted", func(k *kept, leader string) error {
			// As a drain does: Kubernetes counts a pod that is ready again a moment later.
			k.eventually("the disruption budget to allow it", func() error {
				return k.kube.CoreV1().Pods(k.ns).EvictV1(k.ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: k.ns, Name: leader}})
			})
			return nil
		}},
		{"killed", func(k *kept, leader string) error {
			pid, err := k.processOf(leader)
			if err != nil {
				return err
			}
			return syscall.Kill(pid, syscall.SIGKILL)
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			k := k.in(t)
			leader, _ := k.leader()
			seen, c := k.watch(), k.sing(way.name)
			began := time.Now()
			if err := way.lose(k, leader); err != nil {
				t.Fatal(err)
			}
			k.eventually("another leader", func() error {
				now, err := k.leading()
				if err == nil && now == leader {
					err = errMessage("it is the same")
				}
				return err
			})
			k.Logf("%s: the client could not write for %s", way.name, c.gap(began).Round(10*time.Millisecond))
			k.whole()
			seen.stop()
			if way.name == "killed" {
				// The others have to notice first, which takes OpenBao longer than a client tries.
				c.stop()
			} else {
				c.unbroken()
			}
			if len(seen.leaders) != 2 {
				t.Errorf("These have led: %v, want one change", seen.leaders)
			}
		})
	}
}

// TestHeals has volumes go while a client writes. What was written survives all of it.
func TestHeals(t *testing.T) {
	long(t)
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	k := w.keep("prod")
	t.Run("a follower without its volume and pod", func(t *testing.T) {
		k := k.in(t)
		_, follower := k.leader()
		k.heals("follower", func() { k.lose(follower) }, follower)
	})
	t.Run("a leader whose volume is being deleted", func(t *testing.T) {
		k := k.in(t)
		leader, _ := k.leader()
		k.heals("leader", func() { k.sh("kubectl -n " + k.ns + " delete pvc data-" + leader + " --wait=false") }, leader)
	})
	t.Run("all servers whose volumes are being deleted", func(t *testing.T) {
		k := k.in(t)
		k.heals("all", func() {
			k.sh("kubectl -n " + k.ns + " delete pvc --selector openbao.org/cluster=" + k.name + " --wait=false")
		}, "prod-0", "prod-1", "prod-2")
	})
	t.Run("a follower whose volume is lost", func(t *testing.T) {
		k := k.in(t)
		_, follower := k.leader()
		k.heals("lost", func() {
			claim, err := k.kube.CoreV1().PersistentVolumeClaims(k.ns).Get(k.ctx, "data-"+follower, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			volume := claim.Spec.VolumeName
			k.sh("kubectl delete pv " + volume + " --wait=false && kubectl patch pv " + volume + ` --type=merge -p '{"metadata":{"finalizers":null}}'`)
			k.eventually("the volume to be lost", func() error {
				claim, err := k.kube.CoreV1().PersistentVolumeClaims(k.ns).Get(k.ctx, "data-"+follower, metav1.GetOptions{})
				if err == nil && claim.Status.Phase != corev1.ClaimLost {
					err = fmt.Errorf("it is %s", claim.Status.Phase)
				}
				return err
			})
			k.sh("kubectl -n " + k.ns + " delete pod " + follower)
		}, follower)
	})
	t.Run("a follower with the volume of another cluster", func(t *testing.T) { k.in(t).turnsAway() })
}

// heals has servers lose their volumes, and waits until they have joined the cluster again
// on others.
func (k *kept) heals(what string, lose func(), servers ...string) {
	k.Helper()
	before := k.volumes()
	id := k.get(k.name).Status.ClusterID
	c := k.sing(what)
	began := time.Now()
	lose()
	for _, name := range servers {
		k.joinsAgain(name, before[name])
	}
	k.Logf("%s: %s after the loss, %s had joined again and voted", what, time.Since(began).Round(100*time.Millisecond), strings.Join(servers, ", "))
	if now := k.whole(); now.Status.ClusterID != id {
		k.Errorf("The cluster is %s, and was %s", now.Status.ClusterID, id)
	}
	k.eventually("the right to remove a server to be gone", k.cannotRemove)
	c.unbroken()
	for name, uid := range k.volumes() {
		if same := before[name] == uid; same == slices.Contains(servers, name) {
			k.Errorf("%s has the volume of before: %t", name, same)
		}
	}
}

// joinsAgain waits until a server votes that has another volume than before.
func (k *kept) joinsAgain(name string, before types.UID) {
	k.Helper()
	k.eventually(name+" to vote on another volume", func() error {
		switch now := k.volumes()[name]; now {
		case "":
			return errMessage("it has no volume")
		case before:
			return errMessage("it has the volume of before")
		}
		n, err := k.probe(k.name, name)
		if err != nil {
			return err
		}
		if n.Sealed || !n.Initialized {
			return fmt.Errorf("it says %+v", n)
		}
		votes, err := k.raft()
		if err == nil && !votes[name] {
			err = errMessage("it does not vote")
		}
		return err
	})
}

// turnsAway gives a server a volume that somebody has initialized elsewhere, with the same
// key, and checks that clients do not get there.
func (k *kept) turnsAway() {
	k.Helper()
	leader, follower := k.leader()
	claim, err := k.kube.CoreV1().PersistentVolumeClaims(k.ns).Get(k.ctx, "data-"+follower, metav1.GetOptions{})
	if err != nil {
		k.Fatal(err)
	}
	volume, err := k.kube.CoreV1().PersistentVolumes().Get(k.ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		k.Fatal(err)
	}
	before := k.volumes()
	other := k.foreignData(follower)
	c := k.sing("another-cluster")
	pid, err := k.processOf(follower)
	if err != nil {
		k.Fatal(err)
	}
	// The server goes on with the files that it has open until it ends.
	k.exchange(volume.Spec.HostPath.Path, other)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		k.Fatal(err)
	}

	k.eventually("the cluster to say so", k.condition(k.name, openbaov1alpha1.ConditionReady, metav1.ConditionFalse, "OtherCluster"))
	message := meta.FindStatusCondition(k.get(k.name).Status.Conditions, openbaov1alpha1.ConditionReady).Message
	if !strings.Contains(message, follower) {
		k.Errorf("The condition does not name %s: %s", follower, message)
	}
	k.eventually("the server to get no traffic", func() error {
		pod := k.pod(follower)
		if label := pod.Labels["openbao.org/traffic"]; label != "none" {
			return fmt.Errorf("its pod has the label %q", label)
		}
		for _, service := range []string{k.name + "-public", k.name + "-active"} {
			addresses, err := k.endpoints(service)
			if err != nil {
				return err
			}
			if slices.Contains(addresses, pod.Status.PodIP) {
				return fmt.Errorf("%s leads to it", service)
			}
			if !slices.Contains(addresses, k.pod(leader).Status.PodIP) {
				return fmt.Errorf("%s does not lead to the leader, but to %v", service, addresses)
			}
		}
		return nil
	})
	if n, err := k.probe(k.name, follower); err != nil || n.Sealed || n.ClusterID == k.get(k.name).Status.ClusterID {
		k.Errorf("%s says %+v, and %v", follower, n, err)
	}

	command := regexp.MustCompile(`kubectl -n \S+ delete pvc .*`).FindString(message)
	if command == "" {
		k.Fatalf("The condition has no command: %s", message)
	}
	k.sh(strings.TrimRight(command, "."))
	k.joinsAgain(follower, before[follower])
	k.whole()
	if label := k.pod(follower).Labels["openbao.org/traffic"]; label != "clients" {
		k.Errorf("The next pod of %s has the label %q", follower, label)
	}
	c.unbroken()
}

// endpoints are the addresses that a Service leads to.
func (k *kept) endpoints(service string) ([]string, error) {
	list, err := k.kube.DiscoveryV1().EndpointSlices(k.ns).List(k.ctx, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + service})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, slice := range list.Items {
		for _, endpoint := range slice.Endpoints {
			out = append(out, endpoint.Addresses...)
		}
	}
	return out, nil
}

// foreignData runs a server of its own on this machine, under the name of one of the
// cluster and with its key, has it initialized, and returns the folder of its data.
func (k *kept) foreignData(name string) string {
	k.Helper()
	binary, err := baoimage.Binary()
	if err != nil || os.Getenv("BAO_IMAGE") != "" {
		k.Skipf("the server is not at hand as a binary: %v", err)
	}
	secret, err := k.kube.CoreV1().Secrets(k.ns).Get(k.ctx, k.name+"-unseal-key", metav1.GetOptions{})
	if err != nil {
		k.Fatal(err)
	}
	folder := k.TempDir()
	data := filepath.Join(folder, "data")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		k.Fatal(err)
	}
	address := listener.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err := errors.Join(err, listener.Close()); err != nil {
		k.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(data, 0o700), os.WriteFile(filepath.Join(folder, "key"), secret.Data["key"], 0o600),
		os.WriteFile(filepath.Join(folder, "server.hcl"), fmt.Appendf(nil, `
cluster_name = %q
listener "tcp" {
  address         = %q
  cluster_address = "127.0.0.1:0"
  tls_disable     = true
}
storage "raft" {
  path = %q
}
seal "static" {
  current_key    = "file://%s/key"
  current_key_id = %q
}
`, k.name, address, data, folder, serverconfig.DefaultStaticKeyID), 0o600)); err != nil {
		k.Fatal(err)
	}
	ctx, cancel := context.WithCancel(k.ctx)
	defer cancel()
	var log bytes.Buffer
	server := exec.CommandContext(ctx, binary, "server", "-config="+filepath.Join(folder, "server.hcl"))
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	server.WaitDelay = 30 * time.Second
	server.Stdout, server.Stderr = &log, &log
	server.Env = append(os.Environ(), "BAO_RAFT_NODE_ID="+name, "BAO_API_ADDR=http://127.0.0.1:"+port,
		fmt.Sprintf("BAO_CLUSTER_ADDR=https://%s.%s.%s.svc:8201", name, k.name, k.ns))
	if err := server.Start(); err != nil {
		k.Fatal(err)
	}
	initialized := false
	k.eventually("a server of its own to lead", func() error {
		url := "http://" + address + "/v1/sys/"
		if !initialized {
			if _, err := ask(ctx, http.DefaultClient, http.MethodPut, url+"init", "", map[string]any{"recovery_shares": 1, "recovery_threshold": 1}); err != nil {
				return err
			}
			initialized = true
		}
		answer, err := ask(ctx, http.DefaultClient, http.MethodGet, url+"health", "", nil)
		if err != nil {
			return err
		}
		var health struct{ Sealed, Standby bool }
		if err := json.Unmarshal(answer, &health); err != nil || health.Sealed || health.Standby {
			return fmt.Errorf("it says %s", answer)
		}
		return nil
	})
	cancel()
	if err := server.Wait(); err != nil && server.ProcessState == nil {
		k.Fatalf("%v\n%s", err, log.String())
	}
	return data
}

// exchange puts data in the place of what is on a volume.
func (k *kept) exchange(volume, data string) {
	k.Helper()
	info, err := os.Stat(filepath.Join(volume, "vault.db"))
	if err != nil {
		k.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	entries, err := os.ReadDir(volume)
	if err != nil {
		k.Fatal(err)
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(volume, entry.Name())); err != nil {
			k.Fatal(err)
		}
	}
	if err := os.CopyFS(volume, os.DirFS(data)); err != nil {
		k.Fatal(err)
	}
	if err := filepath.WalkDir(volume, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == volume {
			return err
		}
		return os.Chown(path, int(owner.Uid), int(owner.Gid))
	}); err != nil {
		k.Fatal(err)
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// seen is what was seen of one server.
type seen struct {
	pod *corev1.Pod
	// node is what it says of itself, nil if it does not answer; err says why.
	node *bao.Node
	err  error
}

// membership is what the leader says of all servers.
type membership struct {
	// known says that it was read.
	known bool
	peers []bao.Peer
	// lag is by how many entries of the log a server is behind, by its node id.
	lag map[string]int64
	// newest is the index of the last entry of any server.
	newest int64
	// healthy are those that the autopilot counts as healthy.
	healthy map[string]bool
	// problem says why it could not be read.
	problem error
}

// addressOf is the URL of one server.
func addressOf(c *openbaov1alpha1.OpenBaoCluster, pod string) string {
	return fmt.Sprintf("https://%s.%s.%s.svc:8200", pod, c.Name, c.Namespace)
}

// observe asks each server what it is, all at once, and then the leader about all.
func (t *task) observe(ctx context.Context) {
	t.servers = make([]seen, len(t.pods))
	slices.SortFunc(t.pods, func(a, b *corev1.Pod) int {
		x, _ := workload.ParseOrdinal(t.obj, a.Name)
		y, _ := workload.ParseOrdinal(t.obj, b.Name)
		return x - y
	})
	var wg sync.WaitGroup
	for i, pod := range t.pods {
		t.servers[i].pod = pod
		switch {
		case pod.DeletionTimestamp != nil:
			t.servers[i].err = errors.New("the pod is being deleted")
		case containerStarted(pod).IsZero():
			t.servers[i].err = errors.New(whyNotRunning(pod))
		case len(t.bundle) == 0:
			t.servers[i].err = errors.New("there is no certificate to know it by")
		default:
			wg.Go(func() {
				node, err := t.opts.Probe(ctx, bao.Options{
					Address: addressOf(t.obj, pod.Name), CABundle: t.bundle, AllowLocal: t.opts.AllowLocalAddresses, Timeout: probeTimeout,
				})
				if err != nil {
					t.servers[i].err = err
					return
				}
				t.servers[i].node = &node
			})
		}
	}
	wg.Wait()
	t.observed = true
	if t.initialized() {
		t.readMembership(ctx)
	}
}

// whyNotRunning says what the kubelet says of a container that does not run.
func whyNotRunning(pod *corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name != workload.ContainerName {
			continue
		}
		if w := status.State.Waiting; w != nil && w.Reason != "" {
			return fmt.Sprintf("the container does not run: %s", w.Reason)
		}
		if e := status.State.Terminated; e != nil {
			return fmt.Sprintf("the server ended with code %d", e.ExitCode)
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return fmt.Sprintf("the pod is not scheduled: %s", condition.Message)
		}
	}
	return "the pod does not run yet"
}

// first returns what was seen of the server of ordinal 0, nil if it has no pod.
func (t *task) first() *seen {
	if len(t.servers) > 0 && t.servers[0].pod.Name == workload.PodName(t.obj, 0) {
		return &t.servers[0]
	}
	return nil
}

// ofThisCluster reports whether a server is part of the cluster that is recorded, as far
// as it says.
func (t *task) ofThisCluster(s seen) bool {
	recorded := t.obj.Status.ClusterID
	return s.node != nil && (s.node.ClusterID == "" || recorded == "" || s.node.ClusterID == recorded)
}

// leader returns the active server, nil if none says that it is.
func (t *task) leader() *seen {
	for i, s := range t.servers {
		if s.node != nil && s.node.Initialized && !s.node.Sealed && !s.node.Standby && t.ofThisCluster(s) {
			return &t.servers[i]
		}
	}
	return nil
}

// readMembership asks the leader who is part of the cluster.
func (t *task) readMembership(ctx context.Context) {
	leader := t.leader()
	if leader == nil {
		return
	}
	client, err := t.session(ctx, leader.pod.Name, leader.node.ClusterID)
	if err == nil {
		t.membership, err = readMembership(ctx, client)
	}
	if t.membership.newest > 0 {
		t.memory.lastEntry = entry{t.membership.newest, t.now}
	}
	if bao.ClassOf(err) == bao.Unauthenticated || bao.ClassOf(err) == bao.PermissionDenied {
		// The server has forgotten the login, or its policy has changed.
		t.logins.End(ctx, t.name)
	}
	if err != nil {
		t.membership.problem = err
		klog.FromContext(ctx).V(2).Info("Could not read who is part of the cluster", "err", err)
	}
}

func readMembership(ctx context.Context, client bao.Interface) (membership, error) {
	peers, err := client.Peers(ctx)
	if err != nil {
		return membership{}, err
	}
	m := membership{known: true, peers: peers, lag: map[string]int64{}, healthy: map[string]bool{}}
	state, err := client.Autopilot(ctx)
	if err != nil {
		// A leader of a few seconds has none yet. Who votes is known without.
		m.lag = nil
		return m, nil //nolint:nilerr // It is shown as unknown.
	}
	for _, s := range state.Servers {
		m.newest = max(m.newest, s.LastIndex)
	}
	for _, s := range state.Servers {
		m.lag[s.ID], m.healthy[s.ID] = m.newest-s.LastIndex, s.Healthy
	}
	return m, nil
}

// session returns a client that is logged in at one server as the membership identity.
func (t *task) session(ctx context.Context, pod, clusterID string) (bao.Interface, error) {
	connections, to, err := t.target(ctx, pod, clusterID, membershipRole)
	if err != nil {
		return nil, err
	}
	defer connections.Close()
	held := t.logins.Get(t.name)
	if held != nil && held.Target == to && t.now.Before(held.RenewAt) {
		return held.Client, nil
	}
	if err := t.mayWrite(); err != nil {
		return nil, err
	}
	fresh, err := connections.LogIn(ctx, "standing", to, t.now)
	if err != nil {
		return nil, err
	}
	if before := t.logins.Put(t.name, fresh); before != nil {
		before.Revoke(ctx)
	}
	return fresh.Client, nil
}

// target is one server, and an identity of the contract that this process has the account
// of.
func (t *task) target(ctx context.Context, pod, clusterID, role string) (*server.Connections, server.Target, error) {
	audience, err := t.audience(ctx)
	if err != nil {
		return nil, server.Target{}, err
	}
	namespace, name, _ := authz.ParseSubject(t.opts.Subject)
	connections := t.access.Connections(server.Route{Address: addressOf(t.obj, pod), CABundle: string(t.bundle)})
	to, err := connections.Target(ctx, t.obj.UID, clusterID, server.Identity{
		Mount: authz.MountPath, Role: role, Account: server.Account{Namespace: namespace, Name: name}, Audience: audience,
	})
	return connections, to, err
}

// membershipRole is the role of the membership identity (package authz).
const membershipRole = "bailiwick-membership"

// audience is that of all tokens that are made for the cluster.
func (t *task) audience(ctx context.Context) (string, error) {
	uid, err := t.opts.NamespaceUID(ctx, t.obj.Namespace)
	if err != nil {
		return "", fmt.Errorf("read the namespace %s, whose UID the audience is derived from: %w", t.obj.Namespace, err)
	}
	return authz.DerivedAudience(uid, t.obj.Name)
}

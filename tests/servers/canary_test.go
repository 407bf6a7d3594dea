// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

const (
	// connectTimeout is that of each connection of a canary, and answerTimeout how long it
	// waits for an answer on one.
	connectTimeout = time.Second
	answerTimeout  = 3 * time.Second
	// retriesFor is how long it tries to write a number until that counts as failed. How long
	// it took is logged: what a busy machine can do in a few seconds says nothing.
	retriesFor = 2 * time.Minute
	// betweenWrites lets the other programs of this machine work.
	betweenWrites = 50 * time.Millisecond
)

// withCanary gives a cluster a mount of the test's own, and a token that writes there and
// reads what the test looks at.
func withCanary(t *testing.T, token string) func(*openbaov1alpha1.OpenBaoCluster) {
	t.Helper()
	return func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.SelfInit.Requests = append(append([]openbaov1alpha1.SelfInitRequest{{
			Name: "canary", Operation: openbaov1alpha1.RequestUpdate, Path: "sys/mounts/canary",
			SecretEngine: &openbaov1alpha1.SecretEngineRequest{Type: "kv"},
		}}, asking("canary", `
path "canary/*"                        { capabilities = ["create", "read", "update", "list"] }
path "sys/storage/raft/configuration"  { capabilities = ["read"] }
path "sys/policies/acl"                { capabilities = ["list"] }
path "sys/policies/acl/"               { capabilities = ["list"] }
path "auth/`+authz.MountPath+`/role"   { capabilities = ["list"] }
path "auth/`+authz.MountPath+`/role/"  { capabilities = ["list"] }
`)...), tokenOf(t, "canary", token))
	}
}

// kept is a cluster whose clients are watched while Bailiwick looks after it.
type kept struct {
	*world
	name, token string
}

// keep makes a cluster with three servers, unless a change says otherwise, and waits until
// it is Ready.
func (w *world) keep(name string, change ...func(*openbaov1alpha1.OpenBaoCluster)) *kept {
	w.Helper()
	k := &kept{world: w, name: name, token: rand.Text()}
	w.create(w.cluster(name, append([]func(*openbaov1alpha1.OpenBaoCluster){withCanary(w.T, k.token)}, change...)...))
	w.isWhole(w.ready(name))
	return k
}

// in returns the cluster for a subtest.
func (k *kept) in(t *testing.T) *kept {
	t.Helper()
	w := *k.world
	w.T = t
	return &kept{world: &w, name: k.name, token: k.token}
}

// canary writes increasing numbers through the Service for clients, one after the other,
// as a client does that tries again on another connection.
type canary struct {
	k      *kept
	prefix string
	client *http.Client
	url    string
	cancel context.CancelFunc
	done   chan struct{}

	mu sync.Mutex
	// acknowledged are the numbers that a server has said it has written, and at when each
	// was.
	acknowledged []int
	at           []time.Time
	// failed are the numbers that were not written in time, with the last error.
	failed []string
	// tries counts the errors after which it tried again, by what they say.
	tries map[string]int
}

// sing starts a canary. It ends with the test at the latest.
func (k *kept) sing(prefix string) *canary {
	k.Helper()
	service, err := k.kube.CoreV1().Services(k.ns).Get(k.ctx, k.name+"-public", metav1.GetOptions{})
	if err != nil {
		k.Fatal(err)
	}
	host := fmt.Sprintf("%s-public.%s.svc", k.name, k.ns)
	ctx, cancel := context.WithCancel(k.ctx)
	c := &canary{
		k: k, prefix: prefix, cancel: cancel, done: make(chan struct{}), tries: map[string]int{},
		client: k.client(host), url: "https://" + net.JoinHostPort(service.Spec.ClusterIP, "8200") + "/v1/canary/" + prefix + "/",
	}
	c.client.Transport.(*http.Transport).DisableKeepAlives = true
	go func() {
		defer close(c.done)
		for n := 1; ctx.Err() == nil; n++ {
			c.write(ctx, n)
			select {
			case <-ctx.Done():
			case <-time.After(betweenWrites):
			}
		}
	}()
	k.Cleanup(func() { cancel(); <-c.done })
	k.eventually("the canary to sing", func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.acknowledged) == 0 {
			return fmt.Errorf("it was told %v", c.tries)
		}
		return nil
	})
	return c
}

// client returns a client that trusts the CA of the cluster for one name.
func (k *kept) client(host string) *http.Client {
	k.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(k.tls(k.name).Data["ca.crt"])
	return &http.Client{Timeout: connectTimeout + answerTimeout, Transport: &http.Transport{
		// A standby that cannot forward a request names the leader, as pods know it.
		DialContext: (&net.Dialer{Timeout: connectTimeout, Resolver: &net.Resolver{
			PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(shared.Address(), "53"))
			},
		}}).DialContext,
		TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: answerTimeout,
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12},
	}}
}

// write tries to write a number until a server says that it has, or the time is over.
func (c *canary) write(ctx context.Context, n int) {
	began := time.Now()
	for {
		_, err := ask(ctx, c.client, http.MethodPut, c.url+fmt.Sprint(n), c.k.token, map[string]any{"n": n})
		now := time.Now()
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.acknowledged, c.at = append(c.acknowledged, n), append(c.at, now)
			return
		}
		if ctx.Err() != nil {
			return // Nobody was told that it is written.
		}
		c.mu.Lock()
		c.tries[shortError(err)]++
		if now.Sub(began) > retriesFor {
			c.failed = append(c.failed, fmt.Sprintf("%d: %v", n, err))
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(betweenWrites):
		}
	}
}

// shortError is an error without the addresses in it.
func shortError(err error) string {
	text := err.Error()
	return text[strings.LastIndex(text, ": ")+1:]
}

// ask sends a request, and returns the body of an answer that is good.
func ask(ctx context.Context, client *http.Client, method, url, token string, body any) ([]byte, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Vault-Token", token)
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("%s: %d %s", method, response.StatusCode, bytes.TrimSpace(answer))
	}
	return answer, nil
}

// gap waits until numbers are acknowledged again, and returns for how long none was since
// a moment.
func (c *canary) gap(since time.Time) time.Duration {
	c.k.Helper()
	known := -1
	c.k.eventually("the canary to sing again", func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if known < 0 {
			known = len(c.acknowledged)
		}
		// What was under way may have been carried out before.
		if len(c.acknowledged) < known+2 {
			return fmt.Errorf("it was told %v", c.tries)
		}
		return nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	var longest time.Duration
	for i, at := range c.at[1:] {
		if at.After(since) {
			longest = max(longest, at.Sub(c.at[i]))
		}
	}
	return longest
}

// stop ends the canary and says what it has seen. Every number that a server has
// acknowledged must be readable through every server.
func (c *canary) stop() {
	c.k.Helper()
	c.cancel()
	<-c.done
	var longest time.Duration
	for i, at := range c.at[1:] {
		longest = max(longest, at.Sub(c.at[i]))
	}
	c.k.Logf("%s: %d numbers acknowledged, none for at most %s, %d not written within %s; tried again after %v",
		c.prefix, len(c.acknowledged), longest.Round(10*time.Millisecond), len(c.failed), retriesFor, c.tries)
	for _, s := range c.k.get(c.k.name).Status.Servers {
		if lost := c.missing(s.Name); len(lost) > 0 {
			c.k.Errorf("%s: %d numbers were acknowledged, and through %s cannot be read: %v", c.prefix, len(lost), s.Name, lost)
		}
	}
}

// unbroken also requires that every number was written in time.
func (c *canary) unbroken() {
	c.k.Helper()
	c.stop()
	if len(c.failed) > 0 {
		c.k.Errorf("%s: these were not written within %s: %s", c.prefix, retriesFor, strings.Join(c.failed, "; "))
	}
}

// missing returns the acknowledged numbers that one server does not give back. The leader
// has all of them. Another one reads what it has itself, which after it was away is
// everything only when the leader has tried it again (hashicorp/raft waits up to 41 s).
func (c *canary) missing(pod string) []int {
	c.k.Helper()
	opts := c.k.serverOptions(c.k.name, pod, openbao.Token{})
	client := c.k.client(opts.ServerName)
	defer client.CloseIdleConnections()
	began, until := time.Now(), time.Now()
	if pod != c.k.get(c.k.name).Status.ActiveLeader {
		until = began.Add(patience)
	}
	var lost []int
	var late time.Duration
	for _, n := range c.acknowledged {
		var found struct{ Data struct{ N int } }
		for {
			there := true
			c.k.eventually(fmt.Sprintf("%s to be asked for %d", pod, n), func() error {
				answer, err := ask(c.k.ctx, client, http.MethodGet, opts.Address+"/v1/canary/"+c.prefix+"/"+fmt.Sprint(n), c.k.token, nil)
				if err != nil && strings.Contains(err.Error(), ": 404 ") {
					there = false
					return nil
				}
				if err != nil {
					return err
				}
				return json.Unmarshal(answer, &found)
			})
			if there || time.Now().After(until) {
				break
			}
			time.Sleep(100 * time.Millisecond)
			late = time.Since(began)
		}
		if found.Data.N != n {
			lost = append(lost, n)
		}
	}
	if late > 0 {
		c.k.Logf("%s: %s had caught up after %s", c.prefix, pod, late.Round(100*time.Millisecond))
	}
	return lost
}

// raft asks the leader who is part of the cluster, and returns whether each votes.
func (k *kept) raft() (map[string]bool, error) {
	leader, err := k.leading()
	if err != nil {
		return nil, err
	}
	var found struct {
		Data struct {
			Config struct {
				Servers []struct {
					NodeID string `json:"node_id"`
					Voter  bool
				}
			}
		}
	}
	if err := k.read(leader, http.MethodGet, "sys/storage/raft/configuration", &found); err != nil {
		return nil, err
	}
	votes := map[string]bool{}
	for _, s := range found.Data.Config.Servers {
		votes[s.NodeID] = s.Voter
	}
	return votes, nil
}

// leading returns the server that leads, as far as the status says.
func (k *kept) leading() (string, error) {
	c, err := k.api.OpenBaoV1alpha1().OpenBaoClusters(k.ns).Get(k.ctx, k.name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if c.Status.ActiveLeader == "" {
		return "", errMessage("there is no leader")
	}
	return c.Status.ActiveLeader, nil
}

// read asks one server for something with the token of the test.
func (k *kept) read(pod, method, path string, into any) error {
	opts, err := k.optionsOf(k.name, pod)
	if err != nil {
		return err
	}
	client := k.client(opts.ServerName)
	defer client.CloseIdleConnections()
	answer, err := ask(k.ctx, client, method, opts.Address+"/v1/"+path, k.token, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// watched is what was seen of the servers of a cluster over some time.
type watched struct {
	k      *kept
	cancel context.CancelFunc
	done   chan struct{}

	// leaders are the pods that were seen to lead, in their order, without repetitions.
	leaders []string
	// replaced are the names of the pods that were made again, in their order.
	replaced []string
	// ready is the least number of pods that were ready at once.
	ready int
	// upgrades are the records of an upgrade that the status had, as it went on.
	upgrades []openbaov1alpha1.UpgradeStatus
}

// watch looks at the servers many times a second until stop.
func (k *kept) watch() *watched {
	k.Helper()
	ctx, cancel := context.WithCancel(k.ctx)
	o := &watched{k: k, cancel: cancel, done: make(chan struct{}), ready: 1 << 10}
	bundle := k.tls(k.name).Data["ca.crt"]
	uids := map[string]types.UID{}
	o.look(ctx, bundle, uids)
	if len(o.leaders) != 1 {
		k.Fatalf("%d servers lead at first", len(o.leaders))
	}
	go func() {
		defer close(o.done)
		for ctx.Err() == nil {
			o.look(ctx, bundle, uids)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	k.Cleanup(o.stop)
	return o
}

func (o *watched) stop() {
	o.cancel()
	<-o.done
}

func (o *watched) look(ctx context.Context, bundle []byte, uids map[string]types.UID) {
	list, err := o.k.kube.CoreV1().Pods(o.k.ns).List(ctx, metav1.ListOptions{LabelSelector: "openbao.org/component=server,openbao.org/cluster=" + o.k.name})
	if err != nil {
		return
	}
	ready := 0
	for _, pod := range list.Items {
		if before, known := uids[pod.Name]; known && before != pod.UID {
			o.replaced = append(o.replaced, pod.Name)
		}
		uids[pod.Name] = pod.UID
		if pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		}) {
			ready++
		}
	}
	o.ready = min(o.ready, ready)
	o.lookForLeader(ctx, list.Items, bundle)
	c, err := o.k.api.OpenBaoV1alpha1().OpenBaoClusters(o.k.ns).Get(ctx, o.k.name, metav1.GetOptions{})
	if err != nil || c.Status.Upgrade == nil {
		return
	}
	if n := len(o.upgrades); n == 0 || !slices.Equal(o.upgrades[n-1].CompletedPods, c.Status.Upgrade.CompletedPods) {
		o.upgrades = append(o.upgrades, *c.Status.Upgrade)
	}
}

// lookForLeader asks all servers at once. While none leads, or two say so, nothing is
// learnt: one of the two has not noticed yet.
func (o *watched) lookForLeader(ctx context.Context, pods []corev1.Pod, bundle []byte) {
	leads := make([]bool, len(pods))
	var wg sync.WaitGroup
	for i, pod := range pods {
		if pod.Status.PodIP == "" {
			continue
		}
		wg.Go(func() {
			n, err := openbao.ProbeNode(ctx, openbao.Options{
				Address: "https://" + net.JoinHostPort(pod.Status.PodIP, "8200"), ServerName: fmt.Sprintf("%s.%s.%s.svc", pod.Name, o.k.name, o.k.ns),
				CABundle: bundle, Timeout: time.Second,
			})
			leads[i] = err == nil && n.Initialized && !n.Sealed && !n.Standby
		})
	}
	wg.Wait()
	first := slices.Index(leads, true)
	if first < 0 || slices.Contains(leads[first+1:], true) {
		return
	}
	leader := pods[first].Name + "/" + string(pods[first].UID)
	if n := len(o.leaders); n == 0 || o.leaders[n-1] != leader {
		o.leaders = append(o.leaders, leader)
	}
}

// pods returns the UIDs of the pods of the servers, by their names.
func (k *kept) pods() map[string]types.UID {
	k.Helper()
	list, err := k.kube.CoreV1().Pods(k.ns).List(k.ctx, metav1.ListOptions{LabelSelector: "openbao.org/component=server,openbao.org/cluster=" + k.name})
	if err != nil {
		k.Fatal(err)
	}
	out := map[string]types.UID{}
	for _, pod := range list.Items {
		out[pod.Name] = pod.UID
	}
	return out
}

// volumes returns the UIDs of the volumes of the servers, by the names of the servers.
func (k *kept) volumes() map[string]types.UID {
	k.Helper()
	list, err := k.kube.CoreV1().PersistentVolumeClaims(k.ns).List(k.ctx, metav1.ListOptions{LabelSelector: "openbao.org/cluster=" + k.name})
	if err != nil {
		k.Fatal(err)
	}
	out := map[string]types.UID{}
	for _, claim := range list.Items {
		if claim.DeletionTimestamp == nil {
			out[strings.TrimPrefix(claim.Name, "data-")] = claim.UID
		}
	}
	return out
}

// leader returns the server that leads, and another one.
func (k *kept) leader() (leader, follower string) {
	k.Helper()
	status := k.get(k.name).Status
	for _, s := range status.Servers {
		if s.Name != status.ActiveLeader {
			follower = s.Name
		}
	}
	if status.ActiveLeader == "" || follower == "" {
		k.Fatalf("The status has the leader %q and the follower %q", status.ActiveLeader, follower)
	}
	return status.ActiveLeader, follower
}

// whole waits until the cluster is Ready, with all its servers.
func (k *kept) whole() *openbaov1alpha1.OpenBaoCluster {
	k.Helper()
	// One server may be away while a cluster is Ready, such as the last one of a roll.
	k.eventually("all servers to run", func() error {
		c, err := k.api.OpenBaoV1alpha1().OpenBaoClusters(k.ns).Get(k.ctx, k.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(c.Status.Servers) != int(*c.Spec.Replicas) {
			return fmt.Errorf("the status has %d", len(c.Status.Servers))
		}
		for _, s := range c.Status.Servers {
			if s.Current == nil || !*s.Current || s.Sealed == nil || *s.Sealed {
				return fmt.Errorf("the status has %+v", s)
			}
		}
		return nil
	})
	c := k.ready(k.name)
	k.isWhole(c)
	return c
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubernetesfake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2/ktesting"

	openbaofake "github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/fake"
	openbaoinformers "github.com/bailiwick-operator/bailiwick/generated/informers/externalversions/openbao/v1alpha1"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// server is an OpenBao server in memory, and the log of what was asked of it.
type server struct {
	mu       sync.Mutex
	health   openbao.Health
	mounts   map[string]openbao.Mount
	config   map[string]any
	policies map[string]string
	roles    map[string]map[string]any
	tokens   map[string]bool
	// fail returns the error of an operation, such as "WriteRole backup".
	fail   func(op string) error
	writes []string
	// open counts the clients that were not closed.
	open int
}

func newServer(id string) *server {
	return &server{
		health:   openbao.Health{Initialized: true, ClusterID: id, Version: "2.6.2"},
		mounts:   map[string]openbao.Mount{"token": {Type: "token"}},
		policies: map[string]string{}, roles: map[string]map[string]any{}, tokens: map[string]bool{},
		fail: func(string) error { return nil },
	}
}

// client is one client of the server.
type client struct {
	*server
	token string
}

func class(c openbao.Class) error {
	return &openbao.Error{Class: c, Op: "do it", Detail: "as told by the test"}
}

// do checks token and failure of an operation, and logs writes.
func (c *client) do(write bool, format string, args ...any) error {
	op := fmt.Sprintf(format, args...)
	if err := c.fail(op); err != nil {
		return err
	}
	if !c.tokens[c.token] {
		return class(openbao.Unauthenticated)
	}
	if write {
		c.writes = append(c.writes, op)
	}
	return nil
}

func (c *client) Health(context.Context) (openbao.Health, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.health, c.fail("Health")
}

func (c *client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
}

func (c *client) LookupSelf(context.Context) (openbao.TokenInfo, error) {
	return openbao.TokenInfo{}, fmt.Errorf("not expected")
}

func (c *client) CapabilitiesSelf(context.Context, ...string) (map[string][]string, error) {
	return nil, fmt.Errorf("not expected")
}

func (c *client) LoginJWT(context.Context, string, string, openbao.Token) (openbao.Login, error) {
	return openbao.Login{}, fmt.Errorf("not expected")
}

func (c *client) RevokeSelf(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do(true, "RevokeSelf"); err != nil {
		return err
	}
	delete(c.tokens, c.token)
	return nil
}

func (c *client) AuthMounts(context.Context) (map[string]openbao.Mount, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do(false, "AuthMounts"); err != nil {
		return nil, err
	}
	return c.mounts, nil
}

func (c *client) EnableAuth(_ context.Context, path string, mount openbao.Mount) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do(true, "EnableAuth %s", path); err != nil {
		return err
	}
	c.mounts[path] = mount
	return nil
}

func (c *client) ReadConfig(context.Context, string) (map[string]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do(false, "ReadConfig"); err != nil {
		return nil, err
	}
	if c.config == nil {
		return nil, class(openbao.NotFound)
	}
	return c.config, nil
}

func (c *client) WriteConfig(_ context.Context, mount string, data map[string]any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do(true, "WriteConfig %s", mount); err != nil {
		return err
	}
	c.config = decoded(data)
	return nil
}

func (c *client) ReadRole(_ context.Context, _, name string) (map[string]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do(false, "ReadRole %s", name); err != nil {
		return nil, err
	}
	if role, ok := c.roles[name]; ok {
		return role, nil
	}
	return nil, class(openbao.NotFound)
}

func (c *client) WriteRole(_ context.Context, _, name string, data map[string]any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do(true, "WriteRole %s", name); err != nil {
		return err
	}
	c.roles[name] = decoded(data)
	return nil
}

func (c *client) DeleteRole(_ context.Context, _, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do(true, "DeleteRole %s", name); err != nil {
		return err
	}
	delete(c.roles, name)
	return nil
}

func (c *client) ReadPolicy(_ context.Context, name string) (openbao.Policy, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do(false, "ReadPolicy %s", name); err != nil {
		return openbao.Policy{}, err
	}
	if text, ok := c.policies[name]; ok {
		return openbao.Policy{Text: text}, nil
	}
	return openbao.Policy{}, class(openbao.NotFound)
}

func (c *client) WritePolicy(_ context.Context, name, text string, read *openbao.Policy) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do(true, "WritePolicy %s", name); err != nil {
		return err
	}
	if now, ok := c.policies[name]; ok != (read != nil) || (ok && now != read.Text) {
		return class(openbao.Conflict)
	}
	c.policies[name] = text
	return nil
}

func (c *client) DeletePolicy(_ context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do(true, "DeletePolicy %s", name); err != nil {
		return err
	}
	delete(c.policies, name)
	return nil
}

// decoded returns data as it comes back from a server.
func decoded(data map[string]any) map[string]any {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	out := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&out); err != nil {
		panic(err)
	}
	return out
}

const adminToken = "s.AdminT0ken"

// fixture runs syncs of a controller without its goroutines.
type fixture struct {
	t          *testing.T
	controller *Controller
	informer   cache.SharedIndexInformer
	clusters   *openbaofake.Clientset
	kubernetes *kubernetesfake.Clientset
	events     *record.FakeRecorder
	// servers by address, and the options that they were reached with.
	servers map[string]*server
	opts    []openbao.Options
	issuer  Issuer
	// issuerErr and gateErr, if set, are what reading the issuer and asking for
	// leave to write fail with.
	issuerErr, gateErr error
	// runs is true where the test runs the whole controller.
	runs bool
}

const address = "https://bao.example:8200"

func newFixture(t *testing.T) *fixture {
	t.Helper()
	_, ctx := ktesting.NewTestContext(t)
	f := &fixture{
		t:          t,
		clusters:   openbaofake.NewClientset(),
		kubernetes: kubernetesfake.NewClientset(),
		events:     record.NewFakeRecorder(100),
		servers:    map[string]*server{address: newServer("id-1")},
		issuer: Issuer{
			URL:  "https://kubernetes.default.svc",
			Keys: []authz.Key{{ID: "k1", Algorithm: "RS256", PEM: "-----BEGIN PUBLIC KEY-----\nQQ==\n-----END PUBLIC KEY-----"}},
		},
	}
	f.server().tokens[adminToken] = true
	f.informer = openbaoinformers.NewOpenBaoClusterInformer(f.clusters, metav1.NamespaceAll, 0,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	controller, err := New(ctx, Options{
		Clusters: f.clusters.OpenBaoV1alpha1(),
		Secrets:  f.kubernetes.CoreV1(),
		Informer: func(string) cache.SharedIndexInformer { return f.informer },
		Recorder: f.events,
		Issuer: func(context.Context) (Issuer, error) {
			return f.issuer, f.issuerErr
		},
		OperatorSubject: authz.ServiceAccountSubject("bailiwick-system", "bailiwick"),
		Gate:            func() error { return f.gateErr },
		Connect: func(o openbao.Options) (openbao.Interface, error) {
			// The real constructor checks the options.
			if _, err := openbao.New(o); err != nil {
				return nil, err
			}
			f.opts = append(f.opts, o)
			srv := f.servers[o.Address]
			if srv == nil {
				srv = newServer("")
				srv.fail = func(string) error { return class(openbao.Unavailable) }
			}
			token := ""
			if !o.Token.IsZero() {
				// The only token that the test uses, unless it was replaced.
				token = f.secretValue("admin", "token")
			}
			srv.mu.Lock()
			defer srv.mu.Unlock()
			srv.open++
			return &client{srv, token}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.controller = controller
	f.secret("ca", map[string]string{"ca.crt": testCA})
	f.secret("admin", map[string]string{"token": adminToken + "\n"})
	return f
}

func (f *fixture) server() *server { return f.servers[address] }

func (f *fixture) secret(name string, data map[string]string) {
	f.t.Helper()
	secrets := f.kubernetes.CoreV1().Secrets("ns")
	_ = secrets.Delete(f.t.Context(), name, metav1.DeleteOptions{})
	if data == nil {
		return
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Data: map[string][]byte{}}
	for k, v := range data {
		secret.Data[k] = []byte(v)
	}
	if _, err := secrets.Create(f.t.Context(), secret, metav1.CreateOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) secretValue(name, key string) string {
	secret, err := f.kubernetes.CoreV1().Secrets("ns").Get(f.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(secret.Data[key]))
}

// create makes an object that asks for authorization.
func (f *fixture) create(name string, age int, mutate ...func(*openbaov1alpha1.OpenBaoCluster)) {
	f.t.Helper()
	obj := &openbaov1alpha1.OpenBaoCluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: name, UID: types.UID("uid-" + name), Generation: 1,
			CreationTimestamp: metav1.Unix(int64(1000-age), 0),
		},
		Spec: openbaov1alpha1.OpenBaoClusterSpec{Authorization: &openbaov1alpha1.AuthorizationSpec{
			Address:             address,
			CASecretRef:         &openbaov1alpha1.CASecretReference{Name: "ca"},
			AdminTokenSecretRef: &openbaov1alpha1.SecretKeyReference{Name: "admin"},
		}},
	}
	for _, m := range mutate {
		m(obj)
	}
	created, err := f.clusters.OpenBaoV1alpha1().OpenBaoClusters("ns").Create(f.t.Context(), obj, metav1.CreateOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	if f.runs {
		return // the informer sees it by itself
	}
	if err := f.informer.GetIndexer().Add(created); err != nil {
		f.t.Fatal(err)
	}
}

// change edits the spec of an object.
func (f *fixture) change(name string, mutate func(*openbaov1alpha1.OpenBaoCluster)) {
	f.t.Helper()
	obj := f.get(name).DeepCopy()
	mutate(obj)
	obj.Generation++
	updated, err := f.clusters.OpenBaoV1alpha1().OpenBaoClusters("ns").Update(f.t.Context(), obj, metav1.UpdateOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.informer.GetIndexer().Update(updated); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) get(name string) *openbaov1alpha1.OpenBaoCluster {
	f.t.Helper()
	obj, err := f.clusters.OpenBaoV1alpha1().OpenBaoClusters("ns").Get(f.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return obj
}

// sync runs one sync and lets the cache catch up.
func (f *fixture) sync(name string) reconcile.Outcome {
	f.t.Helper()
	outcome := f.controller.sync(f.t.Context(), cache.NewObjectName("ns", name))
	for at, srv := range f.servers {
		if srv.open != 0 {
			f.t.Errorf("%d clients of %s were not closed", srv.open, at)
		}
	}
	if err := f.informer.GetIndexer().Update(f.get(name)); err != nil {
		f.t.Fatal(err)
	}
	return outcome
}

// expect checks reason and status of the object's conditions.
func (f *fixture) expect(name string, reason string) metav1.Condition {
	f.t.Helper()
	obj := f.get(name)
	want := metav1.ConditionFalse
	if reason == ReasonApplied {
		want = metav1.ConditionTrue
	}
	var found metav1.Condition
	for _, conditionType := range []string{openbaov1alpha1.ConditionReady, openbaov1alpha1.ConditionAuthorizationReady} {
		condition := meta.FindStatusCondition(obj.Status.Conditions, conditionType)
		if condition == nil {
			f.t.Fatalf("%s has no condition %s", name, conditionType)
		}
		if condition.Reason != reason || condition.Status != want || condition.ObservedGeneration != obj.Generation {
			f.t.Fatalf("%s has %s=%s, reason %s, generation %d of %d: %s, want reason %s", name, conditionType,
				condition.Status, condition.Reason, condition.ObservedGeneration, obj.Generation, condition.Message, reason)
		}
		found = *condition
	}
	return found
}

// takeWrites returns what was written to the server since the last call.
func (s *server) takeWrites() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	writes := slices.Clone(s.writes)
	s.writes = nil
	return writes
}

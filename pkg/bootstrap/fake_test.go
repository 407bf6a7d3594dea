// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	kubernetesfake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2/ktesting"

	openbaofake "github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/fake"
	openbaoinformers "github.com/bailiwick-operator/bailiwick/generated/informers/externalversions/openbao/v1alpha1"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

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
	servers map[string]*fakeServer
	opts    []openbao.Options
	issuer  Issuer
	// now is the clock.
	now time.Time
	// foreign says that the schema is the openbao-operator's.
	foreign bool
	// meant is the address that credentials are for.
	meant string
	// versions counts the versions of Secrets.
	versions int
	// accounts are the ServiceAccounts that exist, and the error that making a
	// token of one fails with, if any. minted counts the tokens.
	accounts map[string]error
	minted   int
	// uids are those of accounts that were created again, and readErrs what reading an
	// account fails with.
	uids     map[string]string
	readErrs map[string]error
	// issuerErr and gateErr, if set, are what reading the issuer and asking for
	// leave to write fail with.
	issuerErr, gateErr error
	// namespaces are the UIDs of namespaces, and namespaceErr, if set, what reading
	// one fails with.
	namespaces   map[string]types.UID
	namespaceErr error
	// legacy is what a person allowed of audiences of earlier versions.
	legacy map[cache.ObjectName]string
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
		meant:      address,
		servers:    map[string]*fakeServer{address: newServer("id-1")},
		issuer:     Issuer{URL: "https://kubernetes.default.svc", Keys: []authz.Key{key("k1", "QQ==")}},
		now:        time.Unix(1_800_000_000, 0),
		namespaces: map[string]types.UID{"ns": "uid-of-ns"},
		legacy:     map[cache.ObjectName]string{},
		accounts: map[string]error{
			"bailiwick-system/bailiwick": nil, "bailiwick-system/bootstrapper": nil, "bailiwick-system/decoy": nil,
			"ns/prod-backup-serviceaccount": nil, "ns/prod-restore-serviceaccount": nil, "ns/prod-upgrade-serviceaccount": nil,
		},
	}
	f.kubernetes.PrependReactor("create", "serviceaccounts", f.mint)
	f.kubernetes.PrependReactor("get", "serviceaccounts", f.readAccount)
	f.server().tokens[adminToken] = true
	f.informer = openbaoinformers.NewOpenBaoClusterInformer(f.clusters, metav1.NamespaceAll, 0,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	controller, err := New(ctx, Options{
		Clusters:              f.clusters.OpenBaoV1alpha1(),
		Secrets:               f.kubernetes.CoreV1(),
		ConfigMaps:            f.kubernetes.CoreV1(),
		ServiceAccounts:       f.kubernetes.CoreV1(),
		DeclaresAuthorization: func(context.Context) (bool, error) { return !f.foreign, nil },
		NamespaceUID: func(_ context.Context, name string) (types.UID, error) {
			return f.namespaces[name], f.namespaceErr
		},
		LegacyAudiences:     f.legacy,
		Now:                 func() time.Time { return f.now },
		BootstrapperSubject: authz.ServiceAccountSubject("bailiwick-system", "bootstrapper"),
		DecoySubject:        authz.ServiceAccountSubject("bailiwick-system", "decoy"),
		Informer:            func(string) cache.SharedIndexInformer { return f.informer },
		Recorder:            f.events,
		Issuer: func(context.Context) (Issuer, error) {
			return f.issuer, f.issuerErr
		},
		OperatorSubject: authz.ServiceAccountSubject("bailiwick-system", "bailiwick"),
		ServersSubject:  authz.ServiceAccountSubject("bailiwick-system", "bailiwick-servers"),
		Gate:            func() error { return f.gateErr },
		Connect: func(o openbao.Options) (openbao.Interface, error) {
			// The real constructor checks the options.
			if _, err := openbao.New(o); err != nil {
				return nil, err
			}
			f.opts = append(f.opts, o)
			srv := f.servers[o.Address]
			if in := f.servers[o.Address+"/"+o.Namespace]; in != nil {
				srv = in
			}
			if srv == nil {
				srv = newServer("")
				srv.fail = func(string) error { return class(openbao.Unavailable) }
			}
			return &client{fakeServer: srv, token: reveal(o.Token)}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.controller = controller
	f.secret("ca", map[string]string{"ca.crt": testCA})
	f.credential("admin", map[string]string{"token": adminToken + "\n"})
	return f
}

// key makes a signing key.
func key(id, value string) authz.Key {
	return authz.Key{ID: id, Algorithm: "RS256", PEM: "-----BEGIN PUBLIC KEY-----\n" + value + "\n-----END PUBLIC KEY-----"}
}

// mint answers a TokenRequest. The last of the published keys signs.
func (f *fixture) mint(action clienttesting.Action) (bool, runtime.Object, error) {
	create, ok := action.(clienttesting.CreateActionImpl)
	if !ok || create.Subresource != "token" {
		return false, nil, nil
	}
	err, exists := f.accounts[create.Namespace+"/"+create.Name]
	if !exists {
		err = apierrors.NewNotFound(corev1.Resource("serviceaccounts"), create.Name)
	}
	if err != nil {
		return true, nil, err
	}
	f.minted++
	request := create.Object.(*authenticationv1.TokenRequest).DeepCopy()
	if *request.Spec.ExpirationSeconds != server.TokenSeconds || len(request.Spec.Audiences) != 1 {
		f.t.Errorf("asked for the token %+v", request.Spec)
	}
	request.Status.Token = jwt(f.issuer.URL, f.issuer.Keys[len(f.issuer.Keys)-1].PEM,
		authz.ServiceAccountSubject(create.Namespace, create.Name), request.Spec.Audiences[0], f.uidOf(create.Namespace+"/"+create.Name))
	return true, request, nil
}

// uidOf returns the UID of a ServiceAccount.
func (f *fixture) uidOf(account string) string {
	return cmp.Or(f.uids[account], "uid-of-"+account)
}

// readAccount answers a get of a ServiceAccount.
func (f *fixture) readAccount(action clienttesting.Action) (bool, runtime.Object, error) {
	get, ok := action.(clienttesting.GetActionImpl)
	if !ok {
		return false, nil, nil
	}
	account := get.Namespace + "/" + get.Name
	if err := f.readErrs[account]; err != nil {
		return true, nil, err
	}
	if _, exists := f.accounts[account]; !exists {
		return true, nil, apierrors.NewNotFound(corev1.Resource("serviceaccounts"), get.Name)
	}
	return true, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: get.Namespace, Name: get.Name, UID: types.UID(f.uidOf(account))}}, nil
}

// audienceOf is the audience of the tokens of an object.
func (f *fixture) audienceOf(name string) string {
	return "bailiwick.dev/openbao/" + string(f.namespaces["ns"]) + "/" + name
}

func (f *fixture) server() *fakeServer { return f.servers[address] }

// credential makes a Secret that may be sent to the server at f.meant.
func (f *fixture) credential(name string, data map[string]string) {
	f.t.Helper()
	data = maps.Clone(data)
	data[openbaov1alpha1.CredentialAddressKey] = f.meant
	f.secret(name, data, func(s *corev1.Secret) { s.Type = openbaov1alpha1.SecretTypeCredential })
}

// meantFor moves the admin token's Secret to another address.
func (f *fixture) meantFor(address string) {
	f.t.Helper()
	f.meant = address
	f.credential("admin", map[string]string{"token": adminToken})
}

func (f *fixture) secret(name string, data map[string]string, mutate ...func(*corev1.Secret)) {
	f.t.Helper()
	secrets := f.kubernetes.CoreV1().Secrets("ns")
	_ = secrets.Delete(f.t.Context(), name, metav1.DeleteOptions{})
	if data == nil {
		return
	}
	f.versions++
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, ResourceVersion: fmt.Sprint(f.versions)}, Data: map[string][]byte{}}
	for k, v := range data {
		secret.Data[k] = []byte(v)
	}
	for _, m := range mutate {
		m(secret)
	}
	if _, err := secrets.Create(f.t.Context(), secret, metav1.CreateOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

// admin gives a new admin token.
func (f *fixture) admin(value string) {
	f.t.Helper()
	f.credential("admin", map[string]string{"token": value})
	f.server().tokens[value] = true
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

// keyIDs are the ids of the recorded signing keys.
func (f *fixture) keyIDs(name string) []string {
	var ids []string
	for _, k := range f.get(name).Status.Authorization.SigningKeys {
		ids = append(ids, k.ID)
	}
	return ids
}

func (f *fixture) name(name string) cache.ObjectName { return cache.NewObjectName("ns", name) }

// forbidden is how the API server refuses a token.
func forbidden(why string) error {
	return apierrors.NewForbidden(corev1.Resource("serviceaccounts/token"), "x", errors.New(why))
}

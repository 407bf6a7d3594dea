// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/openbao/openbao/api/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	mount = "jwt-operator"
	// peerAudience is that of the openbao-operator's tokens.
	peerAudience = "openbao-internal"
)

// baoEnv is an env with an OpenBao server.
type baoEnv struct {
	*env
	bao  *stack.OpenBao
	root *api.Client
	// address is that of a gateway which records the requests to the server, ca
	// the authority behind it.
	address string
	ca      string
	gateway *gateway
	// tokens are all admin tokens that were made.
	tokens []string
}

// newBaoEnv makes an env whose operator runs the bootstrapper only, with a
// server of its own.
func newBaoEnv(t testing.TB) *baoEnv {
	t.Helper()
	return newBaoEnvFor(t, envTime)
}

// newBaoEnvFor is newBaoEnv for a test of a certain length.
func newBaoEnvFor(t testing.TB, length time.Duration) *baoEnv {
	t.Helper()
	b := newBaoEnvOn(t, stack.NewOpenBao(t, stack.OpenBaoOptions{}))
	ctx, cancel := context.WithTimeout(context.Background(), length)
	t.Cleanup(cancel)
	b.ctx = ctx
	return b
}

func newBaoEnvOn(t testing.TB, server *stack.OpenBao) *baoEnv {
	t.Helper()
	return newEnv(t, aivensim.Options{}).bootstrapping(server)
}

// newRotatedEnv is newBaoEnvFor with an API server of its own. Rotating its keys
// restarts it, and ends the tokens that it has issued.
func newRotatedEnv(t testing.TB, length time.Duration) *baoEnv {
	t.Helper()
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{manifests + "/crds"}, APIServerArgs: audited(t)})
	ctx, cancel := context.WithTimeout(context.Background(), length)
	t.Cleanup(cancel)
	if err := install(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	b := newEnvOn(t, cluster, cluster.Namespace(t), aivensim.Options{}).bootstrapping(stack.NewOpenBao(t, stack.OpenBaoOptions{}))
	b.ctx = ctx
	return b
}

// bootstrapping adds a server, and leaves all other kinds alone.
func (e *env) bootstrapping(server *stack.OpenBao) *baoEnv {
	e.Helper()
	b := e.with(server)
	b.change = append(b.change, func(o *app.Options) { o.Controllers = []string{bootstrap.Kind} })
	return b
}

// with adds a server, behind a gateway of its own.
func (e *env) with(server *stack.OpenBao) *baoEnv {
	e.Helper()
	root, err := server.Client()
	if err != nil {
		e.Fatal(err)
	}
	b := &baoEnv{env: e, bao: server, root: root, gateway: newGateway(e, server)}
	b.address, b.ca = b.gateway.URL, b.gateway.ca()
	return b
}

// anotherLook waits until there were more requests than before.
func (b *baoEnv) anotherLook(before int) {
	b.Helper()
	b.eventually("another look at the server", func() error {
		if n := len(b.gateway.all()); n == before {
			return fmt.Errorf("there are still %d requests", n)
		}
		return nil
	})
}

// adminToken makes a one-time admin token. "root" stands for the policy of the guide:
// a token that may do anything is refused.
func (b *baoEnv) adminToken(policies ...string) string {
	b.Helper()
	for i, policy := range policies {
		if policy == "root" {
			b.write("sys/policies/acl/bailiwick-admin", map[string]any{"policy": codeOf(b, openBaoGuide, "admin.hcl")})
			policies[i] = "bailiwick-admin"
		}
	}
	secret, err := b.root.Auth().Token().CreateWithContext(b.ctx, &api.TokenCreateRequest{Policies: policies, TTL: "10m"})
	if err != nil {
		b.Fatal(err)
	}
	b.tokens = append(b.tokens, secret.Auth.ClientToken)
	return secret.Auth.ClientToken
}

// accepted tells whether the server knows a token.
func (b *baoEnv) accepted(token string) bool {
	b.Helper()
	client := b.as(token)
	_, err := client.Auth().Token().LookupSelfWithContext(b.ctx)
	if refused(err) {
		return false
	}
	if err != nil {
		b.Fatal(err)
	}
	return true
}

func refused(err error) bool {
	var response *api.ResponseError
	return errors.As(err, &response) && (response.StatusCode == http.StatusForbidden || response.StatusCode == http.StatusBadRequest)
}

// as returns a client with a token that may be empty.
func (b *baoEnv) as(token string) *api.Client {
	b.Helper()
	client, err := b.bao.Client()
	if err != nil {
		b.Fatal(err)
	}
	client.SetToken(token)
	return client
}

func (b *baoEnv) write(path string, data map[string]any) {
	b.Helper()
	if _, err := b.root.Logical().WriteWithContext(b.ctx, path, data); err != nil {
		b.Fatal(err)
	}
}

func (b *baoEnv) remove(path string) {
	b.Helper()
	if _, err := b.root.Logical().DeleteWithContext(b.ctx, path); err != nil {
		b.Fatal(err)
	}
}

func (b *baoEnv) read(path string) map[string]any {
	b.Helper()
	data := b.peek(path)
	if data == nil {
		b.Fatalf("There is nothing at %s", path)
	}
	return data
}

// peek returns what is at a path, or nil.
func (b *baoEnv) peek(path string) map[string]any {
	b.Helper()
	secret, err := b.root.Logical().ReadWithContext(b.ctx, path)
	if err != nil {
		b.Fatal(err)
	}
	if secret == nil {
		return nil
	}
	return secret.Data
}

func (b *baoEnv) list(path string) []string {
	b.Helper()
	secret, err := b.root.Logical().ListWithContext(b.ctx, path)
	if err != nil {
		b.Fatal(err)
	}
	if secret == nil {
		return nil
	}
	var names []string
	for _, key := range secret.Data["keys"].([]any) {
		names = append(names, key.(string))
	}
	return names
}

// marked checks whose the server is, empty for nobody's.
func (b *baoEnv) marked(name string) {
	b.Helper()
	want := ""
	if name != "" {
		want = b.getCluster(name).Status.Authorization.Audience
	}
	b.eventually("the mark of the server", func() error {
		got := authz.Mark{}
		if data := b.peek("sys/policies/acl/" + authz.MarkPolicy); data != nil {
			text, _ := data["policy"].(string)
			got, _ = authz.ParseMark(text)
			if text != got.Text() {
				return fmt.Errorf("it is %q", text)
			}
		}
		if got.Audience != want {
			return fmt.Errorf("it is that of %q, want %q", got.Audience, want)
		}
		return nil
	})
}

// holds returns all that a bootstrap could touch: the policies but for the mark, the
// mounts, and the config and roles of the JWT mount.
func (b *baoEnv) holds() map[string]string {
	b.Helper()
	out := map[string]string{}
	for _, name := range b.list("sys/policies/acl") {
		// What was listed may be gone by now. The policy of admin tokens is the test's.
		if data := b.peek("sys/policies/acl/" + name); name != "root" && name != "bailiwick-admin" && name != authz.MarkPolicy && data != nil {
			out["policy "+name], _ = data["policy"].(string)
		}
	}
	auth, err := b.root.Sys().ListAuthWithContext(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	for path, m := range auth {
		out["auth "+path] = m.Type + " " + m.Description
	}
	mounts, err := b.root.Sys().ListMountsWithContext(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	for path, m := range mounts {
		out["mount "+path] = m.Type + " " + m.Description
	}
	if m := auth[mount+"/"]; m != nil && m.Type == "jwt" {
		// The config of a mount that was never configured reads as none.
		config, err := b.root.Logical().ReadWithContext(b.ctx, "auth/"+mount+"/config")
		if err != nil {
			b.Fatal(err)
		}
		if config != nil {
			out["config"] = encode(b, config.Data)
		}
		for _, name := range b.list("auth/" + mount + "/role") {
			if data := b.peek("auth/" + mount + "/role/" + name); data != nil {
				out["role "+name] = encode(b, data)
			}
		}
	}
	return out
}

func encode(t testing.TB, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// added returns what is in after and not in before, and fails if anything else
// differs.
func added(t testing.TB, before, after map[string]string) []string {
	t.Helper()
	for name, value := range before {
		if after[name] != value {
			t.Errorf("%s was %q and is %q", name, value, after[name])
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(after)), func(name string) bool { _, ok := before[name]; return ok })
}

func (b *baoEnv) policy(name string) string {
	b.Helper()
	text, _ := b.peek("sys/policies/acl/" + name)["policy"].(string)
	return text
}

// audience is that of the tokens of the object "bao".
func (b *baoEnv) audience() string {
	b.Helper()
	namespace, err := b.kube.CoreV1().Namespaces().Get(b.ctx, b.ns, metav1.GetOptions{})
	if err != nil {
		b.Fatal(err)
	}
	audience, err := authz.DerivedAudience(namespace.UID, "bao")
	if err != nil {
		b.Fatal(err)
	}
	return audience
}

// login logs a ServiceAccount in, as a workload does.
func (b *baoEnv) login(role, namespace, account string, audiences ...string) (*api.SecretAuth, error) {
	b.Helper()
	jwt, err := b.env.cluster.ServiceAccountToken(b.ctx, namespace, account, audiences...)
	if err != nil {
		b.Fatal(err)
	}
	secret, err := b.as("").Logical().WriteWithContext(b.ctx, "auth/"+mount+"/login", map[string]any{"role": role, "jwt": jwt})
	if err != nil {
		return nil, err
	}
	return secret.Auth, nil
}

// uidOf returns the UID of a ServiceAccount.
func (b *baoEnv) uidOf(name string) string {
	b.Helper()
	account, err := b.kube.CoreV1().ServiceAccounts(b.ns).Get(b.ctx, name, metav1.GetOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return string(account.UID)
}

func (b *baoEnv) serviceAccount(namespace, name string) {
	b.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := b.kube.CoreV1().ServiceAccounts(namespace).Create(b.ctx, account, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
}

// cluster makes an OpenBaoCluster for the server, with the Secret <name>-admin
// as its admin token.
func (b *baoEnv) cluster(name string, change ...func(*v1alpha1.OpenBaoClusterSpec)) {
	b.Helper()
	obj := &v1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	obj.Spec.Authorization = &v1alpha1.AuthorizationSpec{
		Address: b.address, CABundle: b.ca, AdminTokenSecretRef: &v1alpha1.SecretKeyReference{Name: name + "-admin"},
	}
	for _, f := range change {
		f(&obj.Spec)
	}
	if _, err := b.api.OpenBaoV1alpha1().OpenBaoClusters(b.ns).Create(b.ctx, obj, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
}

func (b *baoEnv) getCluster(name string) *v1alpha1.OpenBaoCluster {
	b.Helper()
	obj, err := b.api.OpenBaoV1alpha1().OpenBaoClusters(b.ns).Get(b.ctx, name, metav1.GetOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return obj
}

func (b *baoEnv) patchCluster(name, body string) {
	b.Helper()
	_, err := b.api.OpenBaoV1alpha1().OpenBaoClusters(b.ns).Patch(b.ctx, name, "application/merge-patch+json", []byte(body),
		metav1.PatchOptions{FieldManager: "kubectl"})
	if err != nil {
		b.Fatal(err)
	}
}

func (b *baoEnv) deleteCluster(name string) {
	b.Helper()
	if err := b.api.OpenBaoV1alpha1().OpenBaoClusters(b.ns).Delete(b.ctx, name, metav1.DeleteOptions{}); err != nil {
		b.Fatal(err)
	}
}

// refresh has the operator look again, as the annotation does for people.
func (b *baoEnv) refresh(name string) {
	b.Helper()
	// Any value that was not there before; each change has a new version.
	b.patchCluster(name, fmt.Sprintf(`{"metadata":{"annotations":{"bailiwick.dev/refresh":%s}}}`,
		strconv.Quote(b.getCluster(name).ResourceVersion)))
}

func (b *baoEnv) clusterConditions(name string) func() (metav1.Object, []metav1.Condition, error) {
	return func() (metav1.Object, []metav1.Condition, error) {
		obj, err := b.api.OpenBaoV1alpha1().OpenBaoClusters(b.ns).Get(b.ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, nil, err
		}
		return obj, obj.Status.Conditions, nil
	}
}

// applied waits until the server holds all that a cluster asks for and returns
// the message.
func (b *baoEnv) applied(name string) string {
	b.Helper()
	b.wantCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, bootstrap.ReasonApplied, b.clusterConditions(name))
	return b.wantCondition(v1alpha1.ConditionAuthorizationReady, metav1.ConditionTrue, bootstrap.ReasonApplied, b.clusterConditions(name)).Message
}

// refusal waits until a cluster is not authorized for a reason and returns the
// message, which must contain all texts and no token.
func (b *baoEnv) refusal(name, reason string, texts ...string) string {
	b.Helper()
	b.wantCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, b.clusterConditions(name))
	message := b.wantCondition(v1alpha1.ConditionAuthorizationReady, metav1.ConditionFalse, reason, b.clusterConditions(name)).Message
	for _, text := range texts {
		if !strings.Contains(message, text) {
			b.Errorf("The message of %s does not say %q: %s", reason, text, message)
		}
	}
	b.noTokenIn("the message of "+reason, message)
	return message
}

// says returns an error unless the message of an object has a text.
func (b *baoEnv) says(name, text string) error {
	c := meta.FindStatusCondition(b.getCluster(name).Status.Conditions, v1alpha1.ConditionAuthorizationReady)
	if c == nil || !strings.Contains(c.Message, text) {
		return fmt.Errorf("AuthorizationReady is %+v", c)
	}
	return nil
}

// noTokenAnywhere searches all that the operator wrote in the namespace, and
// its log.
func (b *baoEnv) noTokenAnywhere() {
	b.Helper()
	b.noTokenIn("the log", b.logs.String())
	objects, err := b.api.OpenBaoV1alpha1().OpenBaoClusters(b.ns).List(b.ctx, metav1.ListOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.noTokenIn("an object", encode(b, objects))
	events, err := b.kube.CoreV1().Events(b.ns).List(b.ctx, metav1.ListOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.noTokenIn("an event", encode(b, events))
}

func (b *baoEnv) noTokenIn(where, text string) {
	b.Helper()
	for _, token := range b.tokens {
		if strings.Contains(text, token) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(token))) {
			b.Errorf("An admin token is in %s", where)
		}
	}
}

// setSecret makes or replaces a Secret.
func (b *baoEnv) setSecret(name string, data map[string]string) {
	b.Helper()
	secrets := b.kube.CoreV1().Secrets(b.ns)
	if err := ignoreNotFound(secrets.Delete(b.ctx, name, metav1.DeleteOptions{})); err != nil {
		b.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: maps.Clone(data)}
	if _, ok := data["token"]; ok || strings.HasSuffix(name, "admin") {
		// It agrees to be sent to the server of the test.
		secret.Type = v1alpha1.SecretTypeCredential
		if _, named := data[v1alpha1.CredentialAddressKey]; !named {
			secret.StringData[v1alpha1.CredentialAddressKey] = b.address
		}
	}
	if _, err := secrets.Create(b.ctx, secret, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
}

// follow runs the command that a message ends with, with a new admin token.
func (b *baoEnv) follow(message string) {
	b.Helper()
	at := strings.LastIndex(message, "run: ")
	if at < 0 {
		b.Fatalf("The message has no command: %s", message)
	}
	b.run(message[at+len("run: "):])
}

// run runs a command of a message, with a new admin token as the login of bao and in
// ADMIN_TOKEN.
func (b *baoEnv) run(command string) {
	b.Helper()
	kubectl, err := stack.Tool("kubectl")
	if err != nil {
		b.Fatal(err)
	}
	token := b.adminToken("root")
	cmd := exec.CommandContext(b.ctx, "sh", "-ec", command)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(kubectl)+":"+b.baoCommand()+":"+os.Getenv("PATH"),
		"KUBECONFIG="+b.env.cluster.Kubeconfig, "BAO_TOKEN="+token, "ADMIN_TOKEN="+token, "BAO_ADDR="+b.bao.Address, "BAO_CACERT="+b.bao.CAFile)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s", command, err, out)
	}
}

// baoCommand returns a folder with the command bao, if there is one.
func (b *baoEnv) baoCommand() string {
	b.Helper()
	folder := b.TempDir()
	if b.bao.Kind != stack.Bao {
		return folder
	}
	if err := os.Symlink(b.bao.Binary(), filepath.Join(folder, "bao")); err != nil {
		b.Fatal(err)
	}
	return folder
}

// publishedKeys returns the API server's signing keys as PEM.
func (e *env) publishedKeys() []string {
	e.Helper()
	content, err := e.kube.Discovery().RESTClient().Get().AbsPath("/openid/v1/jwks").DoRaw(e.ctx)
	if err != nil {
		e.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(content, &set); err != nil {
		e.Fatal(err)
	}
	var keys []string
	for _, key := range set.Keys {
		der, err := x509.MarshalPKIXPublicKey(key.Key)
		if err != nil {
			e.Fatal(err)
		}
		keys = append(keys, strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))))
	}
	slices.Sort(keys)
	return keys
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/openbao/openbao/api/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// verifyOpenBao checks for the OpenBaoCluster of the samples that its policies
// and roles are on the server, that each identity can log in and may do what its
// policy says and nothing else, that nobody else can log in as it, and that the
// admin token is no longer good.
func (d *demo) verifyOpenBao(ctx context.Context) error {
	f := &findings{out: d.out}
	for _, object := range d.openBao {
		// The sample has no status, which says what tokens must be for.
		live, err := d.dynamic.Resource(openbaov1alpha1.SchemeGroupVersion.WithResource("openbaoclusters")).Namespace(object.GetNamespace()).
			Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		cluster := &openbaov1alpha1.OpenBaoCluster{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, cluster); err != nil {
			return err
		}
		if cluster.Status.Authorization == nil {
			f.check(errors.New("the object has no status.authorization"), "%s/%s says what it has", cluster.Namespace, cluster.Name)
			continue
		}
		if err := d.verifyCluster(ctx, f, cluster); err != nil {
			return err
		}
	}
	return f.err()
}

func (d *demo) verifyCluster(ctx context.Context, f *findings, cluster *openbaov1alpha1.OpenBaoCluster) error {
	root, err := d.stack.OpenBao.Client()
	if err != nil {
		return err
	}
	f.check(d.checkMount(ctx, root), "auth method jwt-operator trusts the issuer %s", d.stack.Kubernetes.Issuer)
	expected := expectations(cluster)
	for _, e := range expected {
		f.check(checkRole(ctx, root, e), "policy %s, and role %s for %s", e.policy, e.role, e.account)
	}
	// A stranger exists in every namespace.
	others := append(accountsOf(expected), account{namespace, "default"})
	for _, e := range expected {
		client, err := d.loginAs(ctx, e.role, e.account, cluster.Status.Authorization.Audience)
		if !f.check(err, "%s logs in as %s", e.account, e.role) {
			continue
		}
		f.check(checkCapabilities(ctx, client, e), "role %s has exactly the rights of its policy on %d paths", e.role, len(catalogue()))
		reads, err := tryReads(ctx, client, e)
		f.check(err, "role %s reads %s, and is refused the rest", e.role, orNothing(reads))
		if err := client.Auth().Token().RevokeSelfWithContext(ctx, ""); err != nil {
			return fmt.Errorf("revoking the token of %s: %w", e.role, err)
		}
		f.check(d.refused(ctx, e, others, cluster.Status.Authorization.Audience), "nobody else, and no token for another audience, logs in as %s", e.role)
	}
	f.check(checkProved(cluster, len(expected)), "Bailiwick has proved %d/%d identities itself", len(expected), len(expected))
	f.check(d.checkRevoked(ctx), "the one-time admin token is revoked")
	return nil
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// checkMount checks that tokens of this API server are trusted.
func (d *demo) checkMount(ctx context.Context, root *api.Client) error {
	config, err := root.Logical().ReadWithContext(ctx, "auth/jwt-operator/config")
	if err != nil {
		return err
	}
	if config == nil {
		return errors.New("it has no config")
	}
	if issuer := config.Data["bound_issuer"]; issuer != d.stack.Kubernetes.Issuer {
		return fmt.Errorf("its issuer is %v", issuer)
	}
	return nil
}

// checkRole checks that a policy is there, and that a role gives it, alone, to
// one account.
func checkRole(ctx context.Context, root *api.Client, e expectation) error {
	text, err := root.Sys().GetPolicyWithContext(ctx, e.policy)
	if err != nil {
		return err
	}
	if text == "" {
		return errors.New("there is no such policy")
	}
	role, err := root.Logical().ReadWithContext(ctx, "auth/jwt-operator/role/"+e.role)
	if err != nil {
		return err
	}
	if role == nil {
		return errors.New("there is no such role")
	}
	if subject := role.Data["bound_subject"]; subject != e.account.subject() {
		return fmt.Errorf("the role is bound to %v", subject)
	}
	if policies := stringsOf(role.Data["token_policies"]); !slices.Equal(policies, []string{e.policy}) {
		return fmt.Errorf("the role gives the policies %q", policies)
	}
	return nil
}

// loginAs logs in with a new token of a ServiceAccount, and returns a client
// with the rights of the role.
func (d *demo) loginAs(ctx context.Context, role string, as account, audience string) (*api.Client, error) {
	jwt, err := d.stack.Kubernetes.ServiceAccountToken(ctx, as.namespace, as.name, audience)
	if err != nil {
		return nil, err
	}
	client, err := d.stack.OpenBao.Client()
	if err != nil {
		return nil, err
	}
	client.ClearToken()
	login, err := client.Logical().WriteWithContext(ctx, "auth/jwt-operator/login", map[string]any{"role": role, "jwt": jwt})
	if err != nil {
		return nil, err
	}
	client.SetToken(login.Auth.ClientToken)
	return client, nil
}

// refused checks that all accounts but the right one, and the right one with a
// token for somebody else, are refused.
func (d *demo) refused(ctx context.Context, e expectation, others []account, audience string) error {
	for _, other := range others {
		if other == e.account {
			continue
		}
		if err := wantRefusal(d.loginAs(ctx, e.role, other, audience)); err != nil {
			return fmt.Errorf("%s: %w", other, err)
		}
	}
	if err := wantRefusal(d.loginAs(ctx, e.role, e.account, "somebody-else")); err != nil {
		return fmt.Errorf("%s with another audience: %w", e.account, err)
	}
	return nil
}

// wantRefusal returns an error unless the server has answered that it refuses.
func wantRefusal(_ *api.Client, err error) error {
	if err == nil {
		return errors.New("the login succeeded")
	}
	var answer *api.ResponseError
	if errors.As(err, &answer) && (answer.StatusCode == http.StatusBadRequest || answer.StatusCode == http.StatusForbidden) {
		return nil
	}
	return fmt.Errorf("the login was not refused but failed: %w", err)
}

// checkCapabilities asks the server what a client may do on every path of the
// catalogue.
func checkCapabilities(ctx context.Context, client *api.Client, e expectation) error {
	answer, err := client.Logical().WriteWithContext(ctx, "sys/capabilities-self", map[string]any{"paths": catalogue()})
	if err != nil {
		return err
	}
	var wrong []string
	for _, path := range catalogue() {
		want := e.capabilities[path]
		if want == nil {
			want = []string{"deny"}
		}
		got := stringsOf(answer.Data[path])
		slices.Sort(got)
		if !slices.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("%q on %s, not %q", got, path, want))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("it may %s", strings.Join(wrong, "; "))
	}
	return nil
}

// tryReads really reads what can be read without harm, and returns what was
// given. It is an error if that is not what the policy says.
func tryReads(ctx context.Context, client *api.Client, e expectation) (given []string, err error) {
	for _, path := range readable {
		allowed := slices.Contains(e.capabilities[path], "read")
		err := read(ctx, client, path)
		var answer *api.ResponseError
		switch {
		case err == nil && allowed:
			given = append(given, path)
		case err == nil:
			return given, fmt.Errorf("it read %s", path)
		case !allowed && errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden:
		default:
			return given, fmt.Errorf("reading %s: %w", path, err)
		}
	}
	return given, nil
}

func read(ctx context.Context, client *api.Client, path string) error {
	response, err := client.Logical().ReadRawWithContext(ctx, path)
	if response == nil {
		return err
	}
	// A snapshot that breaks off was not read.
	_, copyErr := io.Copy(io.Discard, response.Body)
	return errors.Join(err, copyErr, response.Body.Close())
}

// checkProved checks what the object says of its identities.
func checkProved(cluster *openbaov1alpha1.OpenBaoCluster, identities int) error {
	if got, want := cluster.Status.Authorization.Proved, fmt.Sprintf("%d/%d", identities, identities); got != want {
		return fmt.Errorf("status.authorization.proved is %q", got)
	}
	return nil
}

// checkRevoked checks that the admin token is refused.
func (d *demo) checkRevoked(ctx context.Context) error {
	client, err := d.stack.OpenBao.Client()
	if err != nil {
		return err
	}
	client.SetToken(d.secrets.all()[adminTokenName])
	_, err = client.Auth().Token().LookupSelfWithContext(ctx)
	var answer *api.ResponseError
	if errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden {
		return nil
	}
	return errors.Join(err, errors.New("the server did not refuse it"))
}

// stringsOf returns a list of a decoded answer.
func stringsOf(value any) []string {
	var out []string
	list, _ := value.([]any)
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	return out
}

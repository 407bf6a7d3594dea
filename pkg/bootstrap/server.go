// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"cmp"
	"context"
	"fmt"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// addressOf returns the URL of an object's server. The default is the Service
// that the openbao-operator makes for a cluster.
func addressOf(obj *openbaov1alpha1.OpenBaoCluster) string {
	if a := obj.Spec.Authorization; a != nil && a.Address != "" {
		return a.Address
	}
	return fmt.Sprintf("https://%s.%s.svc:8200", obj.Name, obj.Namespace)
}

func namespaceOf(obj *openbaov1alpha1.OpenBaoCluster) string {
	if a := obj.Spec.Authorization; a != nil {
		return a.Namespace
	}
	return ""
}

// connect returns a client of the object's server. It sends nothing to it.
func (s *session) connect(ctx context.Context, token openbao.Token) (openbao.Interface, error) {
	bundle, source, err := s.caBundle(ctx)
	if err != nil {
		return nil, err
	}
	opts := openbao.Options{
		Address: addressOf(s.obj), CABundle: bundle, Namespace: namespaceOf(s.obj), Token: token,
	}
	if a := s.obj.Spec.Authorization; a != nil {
		opts.ServerName = a.TLSServerName
	}
	server, err := s.opts.Connect(opts)
	if err != nil {
		return nil, connectProblem(source, err)
	}
	s.connected = append(s.connected, server)
	return server, nil
}

// disconnect closes the connections of the sync: the next look may be far away.
func (s *session) disconnect() {
	for _, server := range s.connected {
		server.Close()
	}
}

// observe reads from the server all that the contract and the record name.
func observe(ctx context.Context, server openbao.Interface, contract authz.Contract, recorded authz.Recorded) (authz.Observed, map[string]openbao.Policy, error) {
	observed := authz.Observed{Policies: map[string]string{}, Roles: map[string]map[string]any{}}
	policies := map[string]openbao.Policy{}
	for _, name := range distinct(append(contract.PolicyNames(), recorded.Policies...)) {
		policy, err := server.ReadPolicy(ctx, name)
		if openbao.IsNotFound(err) {
			continue
		}
		if err != nil {
			return observed, nil, err
		}
		policies[name] = policy
		observed.Policies[name] = policy.Text
	}

	mounts, err := server.AuthMounts(ctx)
	if err != nil {
		return observed, nil, err
	}
	mount, ok := mounts[contract.Mount.Path]
	if !ok {
		return observed, policies, nil
	}
	observed.Mount = &authz.Mount{Path: contract.Mount.Path, Type: mount.Type, Description: mount.Description}
	if mount.Type != contract.Mount.Type {
		// What such a mount holds has other meanings.
		return observed, policies, nil
	}
	if observed.Config, err = server.ReadConfig(ctx, contract.Mount.Path); err != nil && !openbao.IsNotFound(err) {
		return observed, nil, err
	}
	for _, name := range distinct(append(contract.RoleNames(), recorded.Roles...)) {
		role, err := server.ReadRole(ctx, contract.Mount.Path, name)
		if openbao.IsNotFound(err) {
			continue
		}
		if err != nil {
			return observed, nil, err
		}
		observed.Roles[name] = role
	}
	return observed, policies, nil
}

// apply makes one change. policies are those that were read.
func apply(ctx context.Context, server openbao.Interface, mount authz.Mount, change authz.Change, policies map[string]openbao.Policy) error {
	data := change.Request.Data
	switch {
	case change.Kind == authz.KindMount:
		return server.EnableAuth(ctx, change.Name, openbao.Mount{Type: mount.Type, Description: mount.Description})
	case change.Kind == authz.KindConfig:
		return server.WriteConfig(ctx, change.Name, data)
	case change.Kind == authz.KindPolicy && change.Action == authz.Delete:
		return server.DeletePolicy(ctx, change.Name)
	case change.Kind == authz.KindPolicy:
		text, _ := data["policy"].(string)
		var read *openbao.Policy
		if policy, ok := policies[change.Name]; ok {
			read = &policy
		}
		return server.WritePolicy(ctx, change.Name, text, read)
	case change.Kind == authz.KindRole && change.Action == authz.Delete:
		return server.DeleteRole(ctx, mount.Path, change.Name)
	case change.Kind == authz.KindRole:
		return server.WriteRole(ctx, mount.Path, change.Name, data)
	}
	return fmt.Errorf("no way to %s a %s", change.Action, change.Kind)
}

// caSecretRef returns where the CA of an object's server is, by default where
// the openbao-operator puts it.
func caSecretRef(obj *openbaov1alpha1.OpenBaoCluster) openbaov1alpha1.CASecretReference {
	var ref openbaov1alpha1.CASecretReference
	if a := obj.Spec.Authorization; a != nil && a.CASecretRef != nil {
		ref = *a.CASecretRef
	}
	ref.Name = cmp.Or(ref.Name, obj.Name+"-tls-ca")
	ref.Key = cmp.Or(ref.Key, "ca.crt")
	return ref
}

// adminTokenRef returns where the one-time admin token is, nil if nowhere.
func adminTokenRef(obj *openbaov1alpha1.OpenBaoCluster) *openbaov1alpha1.SecretKeyReference {
	if obj.Spec.Authorization == nil || obj.Spec.Authorization.AdminTokenSecretRef == nil {
		return nil
	}
	ref := *obj.Spec.Authorization.AdminTokenSecretRef
	ref.Key = cmp.Or(ref.Key, "token")
	return &ref
}

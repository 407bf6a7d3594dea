// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"fmt"
	"slices"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// claimAudience returns a Problem if an older object of another namespace has the
// same audience. Tokens of Bailiwick's accounts go to the server that an object
// names; for an audience of its own a server must be sure that nobody else got
// some. The default audience is everybody's.
func (t *task) claimAudience(ctx context.Context) error {
	audience := t.settings.Audience
	if audience == authz.DefaultAudience {
		return nil
	}
	for _, informer := range t.informers {
		for _, item := range informer.GetIndexer().List() {
			other, ok := item.(*openbaov1alpha1.OpenBaoCluster)
			if !ok || other.Namespace == t.obj.Namespace || !claimantOf(other).olderThan(claimantOf(t.obj)) || !authz.Requested(other) {
				continue
			}
			// What contradicts itself gets no tokens.
			if settings, err := authz.SettingsOf(other); err == nil && settings.Audience == audience {
				t.endLogin(ctx)
				return t.audienceClaimed(audience, claimantOf(other))
			}
		}
	}
	return nil
}

// mintFor is mint for an account that the object names. For the default audience,
// which other servers may accept too, an object gets tokens of Bailiwick's accounts
// and those of its own namespace only.
func (t *task) mintFor(ctx context.Context, subject, audience string) (openbao.Token, error) {
	who, ok := accountOf(subject)
	ours := []string{t.opts.OperatorSubject, t.opts.BootstrapperSubject, t.opts.DecoySubject}
	if ok && audience == authz.DefaultAudience && who.namespace != t.obj.Namespace && !slices.Contains(ours, subject) {
		return openbao.Token{}, &mintError{message: fmt.Sprintf(
			"The ServiceAccount %s is in another namespace, and other servers may accept its tokens for the audience %q. Give this cluster an audience of its own, "+
				"and list it in the ConfigMap bailiwick-openbao-audiences: "+
				`kubectl -n %s patch openbaocluster %s --type=merge -p '{"spec":{"authorization":{"audience":"AUDIENCE"}}}'`,
			who, audience, t.obj.Namespace, t.obj.Name)}
	}
	return t.mint(ctx, subject, audience)
}

func (t *task) audienceClaimed(audience string, holder claimant) error {
	return &reconcile.Problem{Reason: ReasonAudienceClaimed, Message: fmt.Sprintf(
		"The audience %q belongs to the older OpenBaoCluster %s, which is in another namespace: a server that gets tokens for it could use them there. "+
			"Nothing was sent. Set another audience, and list it in the ConfigMap bailiwick-openbao-audiences: "+
			`kubectl -n %s patch openbaocluster %s --type=merge -p '{"spec":{"authorization":{"audience":"AUDIENCE"}}}'`,
		audience, holder.name, t.obj.Namespace, t.obj.Name)}
}

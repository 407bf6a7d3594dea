// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
)

// notReadable stands in identities[].alsoAccepts for what cannot be read.
const notReadable = "Unknown"

// NamespaceUIDs reads the UID of a namespace from the API server.
func NamespaceUIDs(client corev1client.NamespacesGetter) func(ctx context.Context, name string) (types.UID, error) {
	return func(ctx context.Context, name string) (types.UID, error) {
		namespace, err := client.Namespaces().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		return namespace.UID, nil
	}
}

// deriveAudience finds out the audience of the object's tokens. It is read at every
// sync, and never taken from what is recorded: anyone who may write a status could
// put another object's there.
func (t *task) deriveAudience(ctx context.Context) error {
	if !authz.Requested(t.obj, t.runsServers) && t.record() == nil {
		return nil
	}
	uid, err := t.opts.NamespaceUID(ctx, t.obj.Namespace)
	if apierrors.IsForbidden(err) {
		own, _ := accountOf(t.opts.OperatorSubject)
		return retry(ReasonNamespaceUnavailable, fmt.Sprintf(
			"Bailiwick may not read the namespace %s, whose UID the audience of this cluster is derived from. Run: "+
				"kubectl -n %s create role bailiwick-namespace --verb=get --resource=namespaces && "+
				"kubectl -n %s create rolebinding bailiwick-namespace --role=bailiwick-namespace --serviceaccount=%s:%s",
			t.obj.Namespace, t.obj.Namespace, t.obj.Namespace, own.Namespace, own.Name), err)
	}
	if err == nil {
		t.audience, err = authz.DerivedAudience(uid, t.obj.Name)
	}
	if err != nil {
		return retry(ReasonNamespaceUnavailable, text.Sentence(fmt.Sprintf(
			"The namespace %s, whose UID the audience of this cluster is derived from, cannot be read: %v", t.obj.Namespace, err)), err)
	}
	// A server with the mark of this audience is this object's.
	t.claims.Acquire(t.audience, claimantOf(t.obj))
	if record := t.record(); record != nil {
		migrateAudience(record)
		record.Audience = t.audience
	}
	return nil
}

// migrateAudience keeps the audience that a version wrote which let the author of
// an object choose it.
func migrateAudience(record *openbaov1alpha1.AuthorizationStatus) {
	if record.Audience != "" && !authz.IsDerivedAudience(record.Audience) {
		record.LegacyAudience = record.Audience
	}
}

// standingAudience returns the audience to log in with as the bootstrapper. Roles
// that still accept the audience of an earlier version can be used only where a
// person allowed that one for this object; otherwise the error is a *lacking.
func (t *task) standingAudience() (string, error) {
	record := t.record()
	if record == nil || record.LegacyAudience == "" {
		return t.audience, nil
	}
	if t.opts.LegacyAudiences[t.name] == record.LegacyAudience {
		return record.LegacyAudience, nil
	}
	return "", &lacking{t.migrationNeed()}
}

// migrationNeed says what it requires to replace the audience of an earlier version.
func (t *task) migrationNeed() need {
	return need{ReasonAdminTokenRequired, fmt.Sprintf(
		"The roles on the server accept the audience %q, which other servers may accept as well. They are to accept %q, which is this cluster's own. "+
			"Nothing was changed, and logins with the old audience go on until then. Jobs that use the old one and are to keep it need it in spec.authorization.audience.",
		t.record().LegacyAudience, t.audience)}
}

// alsoAccepts returns the audiences besides the derived one that a role accepts, as
// it was read in this sync. In mode Once it is read with an admin token only, and
// that would say nothing about the time after.
func (t *task) alsoAccepts(role string) []string {
	audiences, ok := t.audiencesRead[role]
	if !ok || t.settings.Mode == openbaov1alpha1.AuthorizationOnce {
		return []string{notReadable}
	}
	others := slices.DeleteFunc(slices.Clone(audiences), func(audience string) bool { return audience == t.audience })
	slices.Sort(others)
	return slices.Compact(others)
}

// ParseLegacyAudiences reads the audiences of Options.LegacyAudiences by
// "namespace/name".
func ParseLegacyAudiences(entries map[string]string) (map[cache.ObjectName]string, error) {
	legacy := map[cache.ObjectName]string{}
	for object, audience := range entries {
		name, err := cache.ParseObjectName(object)
		if err != nil || name.Namespace == "" || name.Name == "" || audience == "" {
			return nil, fmt.Errorf("%q is not NAMESPACE/NAME=AUDIENCE", object+"="+audience)
		}
		// Whoever receives a token for it can log in to the API server.
		if strings.HasPrefix(audience, "https://kubernetes.default") {
			return nil, fmt.Errorf("%q is an audience of the API server", object+"="+audience)
		}
		legacy[name] = audience
	}
	return legacy, nil
}

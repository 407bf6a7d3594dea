// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
)

// ShownRecord returns what an object shows of its record: its status.authorization, or
// the annotation that stands for it under a schema without that field. It returns nil
// if there is neither, or if the annotation is damaged. Anyone who may write the
// object may write the annotation, so that it is good for nothing but to be shown. The
// record must not be changed.
func ShownRecord(obj *openbaov1alpha1.OpenBaoCluster) *openbaov1alpha1.AuthorizationStatus {
	if obj.Status.Authorization != nil {
		return obj.Status.Authorization
	}
	record, _ := annotatedRecord(obj)
	return record
}

// annotatedRecord reads the record in the annotation.
func annotatedRecord(obj *openbaov1alpha1.OpenBaoCluster) (*openbaov1alpha1.AuthorizationStatus, error) {
	raw := obj.Annotations[openbaov1alpha1.AnnotationRecord]
	if raw == "" {
		return nil, nil
	}
	record := &openbaov1alpha1.AuthorizationStatus{}
	if err := json.Unmarshal([]byte(raw), record); err != nil {
		return nil, fmt.Errorf("the annotation %s cannot be read: %w", openbaov1alpha1.AnnotationRecord, err)
	}
	return record, nil
}

func encodeRecord(record *openbaov1alpha1.AuthorizationStatus) (string, error) {
	raw, err := json.Marshal(record)
	return string(raw), err
}

// withRecord returns an object with its record in the status, wherever it is stored.
// Neither may be changed.
func (t *task) withRecord(ctx context.Context, obj *openbaov1alpha1.OpenBaoCluster) (*openbaov1alpha1.OpenBaoCluster, error) {
	if obj.Status.Authorization != nil {
		return obj, nil
	}
	record, err := t.records.get(ctx, obj.UID)
	if t.ours && apierrors.IsForbidden(err) {
		// Without the right to read records, none was written under another schema.
		return obj, nil
	}
	if err != nil || record == nil {
		return obj, err
	}
	obj = obj.DeepCopy()
	obj.Status.Authorization = record
	return obj, nil
}

// loadRecord fills in the record of the object. One that an earlier version left in
// the annotation says nothing yet, since others may write it: until a login has
// confirmed what is in it, it is only where to look, and nothing is recorded.
func (t *task) loadRecord(ctx context.Context, latest *openbaov1alpha1.OpenBaoCluster) {
	recorded, err := t.withRecord(ctx, latest)
	if err != nil {
		t.recordError = t.recordProblem("this object", latest.UID, err)
		return
	}
	if t.obj.Status.Authorization = recorded.Status.Authorization.DeepCopy(); !t.ours {
		t.before.Status.Authorization = t.obj.Status.Authorization.DeepCopy()
	}
	if t.ours || t.obj.Status.Authorization != nil {
		return
	}
	annotated, err := annotatedRecord(latest)
	if err != nil {
		t.notes = append(t.notes, text.Sentence(text.Capital(err.Error()))+" It counts as none, so that what is on the server may look like someone else's.")
	}
	if annotated != nil && len(annotated.Policies)+len(annotated.Roles) > 0 {
		t.unproved, t.obj.Status.Authorization = annotated, provisional(annotated)
	}
}

// recordProblem says that the record of an object cannot be read.
func (t *task) recordProblem(whose string, uid types.UID, err error) error {
	message := text.Sentence(fmt.Sprintf("What was written for %s is recorded in the ConfigMap %s%s in Bailiwick's namespace, and cannot be read. "+
		"Nothing is changed before it can: %v", whose, recordPrefix, uid, err))
	if errors.Is(err, errRecordDamaged) {
		own, _ := accountOf(t.opts.OperatorSubject)
		message += fmt.Sprintf(" Put it back as it was. If nobody can, Bailiwick forgets what it wrote, which stays on the server as somebody else's, after: "+
			"kubectl -n %s delete configmap %s%s", own.Namespace, recordPrefix, uid)
	}
	return retry(ReasonRecordUnavailable, message, err)
}

// provisional is what an unproved record may say: how the server is reached, and what
// would otherwise be asked for once more.
func provisional(unproved *openbaov1alpha1.AuthorizationStatus) *openbaov1alpha1.AuthorizationStatus {
	return &openbaov1alpha1.AuthorizationStatus{
		Server: unproved.Server, Namespace: unproved.Namespace, Mount: authz.MountPath,
		Address: unproved.Address, TLSServerName: unproved.TLSServerName, CABundle: unproved.CABundle, CASecretRef: unproved.CASecretRef,
		Audience: unproved.Audience, AdminTokenSecretVersion: unproved.AdminTokenSecretVersion,
	}
}

// unprovedNames are the names of a kind in an unproved record.
func (t *task) unprovedNames(kind authz.Kind) []string {
	switch {
	case t.unproved == nil:
		return nil
	case kind == authz.KindPolicy:
		return t.unproved.Policies
	}
	return t.unproved.Roles
}

// proveRecord fills in what a login confirms of an unproved record, and reports whether
// that is a role. It stays unproved until the server is known to be the object's: the
// server of another one has roles of the same names.
func (s session) proveRecord(ctx context.Context) (confirmed bool, err error) {
	if s.unproved == nil {
		return false, nil
	}
	observed, err := s.observe(ctx, !s.client.admin)
	if err != nil {
		return false, err
	}
	claimed := authz.Recorded{
		Mount: s.unproved.Mount, MountCreated: s.unproved.MountCreated, Config: s.unproved.Mount != "" && s.unproved.Digest != "",
		Policies: s.unproved.Policies, Roles: s.unproved.Roles,
	}
	proved, err := authz.Confirm(s.obj, s.inputs(), claimed, observed.Observed)
	if err != nil {
		return false, desiredProblem(err)
	}
	record := s.record()
	record.Mount, record.MountCreated, record.ConfigWritten = proved.Mount, proved.MountCreated, proved.Config
	record.Policies, record.Roles = distinct(proved.Policies), distinct(proved.Roles)
	return len(proved.Roles) > 0, nil
}

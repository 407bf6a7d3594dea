// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"encoding/json"
	"fmt"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// RecordOf returns what is recorded of an object: its status.authorization, or
// the annotation that stands for it under a schema without that field. It
// returns nil if there is neither, or if the annotation is damaged. The record
// must not be changed.
func RecordOf(obj *openbaov1alpha1.OpenBaoCluster) *openbaov1alpha1.AuthorizationStatus {
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

// encodeRecord is the inverse of annotatedRecord.
func encodeRecord(record *openbaov1alpha1.AuthorizationStatus) (string, error) {
	raw, err := json.Marshal(record)
	return string(raw), err
}

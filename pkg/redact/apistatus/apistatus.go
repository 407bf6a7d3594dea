// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apistatus takes secrets out of what the API server says. Whoever may
// write an admission policy or webhook chooses these texts, and a schema quotes
// what it refuses.
package apistatus

import (
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/redact"
)

// Hide returns an answer of the API server whose texts show none of the secrets,
// and any other error as it is. What it is told by stays: its reason, its code and
// the fields it is about.
func Hide(secrets *redact.Secrets, err error) error {
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		return err
	}
	out := status.ErrStatus
	out.Message = secrets.Hide(out.Message)
	if out.Details != nil {
		details := *out.Details
		details.Causes = make([]metav1.StatusCause, 0, len(out.Details.Causes))
		for _, cause := range out.Details.Causes {
			cause.Message = secrets.Hide(cause.Message)
			details.Causes = append(details.Causes, cause)
		}
		out.Details = &details
	}
	return &apierrors.StatusError{ErrStatus: out}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package apistatus_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bailiwick-operator/bailiwick/pkg/redact"
	"github.com/bailiwick-operator/bailiwick/pkg/redact/apistatus"
)

func TestHide(t *testing.T) {
	const secret = "value-of-the-secret"
	secrets := &redact.Secrets{}
	secrets.Add(secret)
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "Thing"}, "x", field.ErrorList{field.Invalid(field.NewPath("spec", "token"), secret, "is bad")})
	got := apistatus.Hide(secrets, invalid)
	if !apierrors.IsInvalid(got) || !strings.Contains(got.Error(), "spec.token") {
		t.Errorf("got %v", got)
	}
	status := got.(apierrors.APIStatus).Status()
	if text := fmt.Sprintf("%v %+v", got, status.Details); strings.Contains(text, secret) || status.Details.Causes[0].Field != "spec.token" {
		t.Errorf("got %s", text)
	}
	if !strings.Contains(invalid.Error(), secret) || !strings.Contains(invalid.ErrStatus.Details.Causes[0].Message, secret) {
		t.Error("the error itself was changed")
	}
	for _, err := range []error{nil, errors.New("another")} {
		if got := apistatus.Hide(secrets, err); got != err { //nolint:errorlint // The same error is meant.
			t.Errorf("%v became %v", err, got)
		}
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/token"
)

func testProblems() problems {
	return problems{resource: "kafkatopics.aiven.io", poll: time.Minute, rejection: func(ref token.Ref) *token.Error {
		return &token.Error{Reason: token.TokenRejected, Ref: ref}
	}}
}

func testTopic() *v1alpha1.KafkaTopic {
	obj := &v1alpha1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "t"}}
	obj.Spec.Project, obj.Spec.ServiceName = "p", "s"
	return obj
}

// What became of a request decides whether it may be sent again.
func TestWritesWhoseOutcomeIsNotKnown(t *testing.T) {
	tests := map[string]struct {
		err     *aiven.Error
		unknown bool
	}{
		"no answer":           {&aiven.Error{Class: aiven.Unknown}, true},
		"failed on the way":   {&aiven.Error{Class: aiven.Unavailable, Status: 502}, true},
		"gateway gave up":     {&aiven.Error{Class: aiven.Unavailable, Status: 504}, true},
		"failed within":       {&aiven.Error{Class: aiven.Unavailable, Status: 500}, true},
		"not accepted now":    {&aiven.Error{Class: aiven.Unavailable, Status: 503}, false},
		"not sent":            {&aiven.Error{Class: aiven.Unavailable}, false},
		"invalid":             {&aiven.Error{Class: aiven.Invalid, Status: 400}, false},
		"throttled":           {&aiven.Error{Class: aiven.Throttled, Status: 429}, false},
		"the gate was closed": {&aiven.Error{Class: aiven.GateClosed}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := testProblems().ofWrite(fmt.Errorf("create: %w", tt.err), testTopic(), token.Ref{})
			if got := errors.Is(err, reconcile.ErrOutcomeUnknown); got != tt.unknown {
				t.Errorf("outcome unknown = %v, want %v: %v", got, tt.unknown, err)
			}
		})
	}
}

func TestExistsProblem(t *testing.T) {
	err := existsProblem(testTopic(), &aiven.Error{Class: aiven.AlreadyExists, Status: 409, Message: "Topic 't' already exists."})
	var p *reconcile.Problem
	if !errors.Is(err, reconcile.ErrExists) || !errors.As(err, &p) || p.Reason != reasonAlreadyExists {
		t.Fatalf("problem = %v", err)
	}
	if strings.Contains(p.Message, "Created") || !strings.Contains(p.Message, "Topic 't' already exists") {
		t.Errorf("message = %q", p.Message)
	}
}

// Commands name the kind with its group: project is another kind on OpenShift.
func TestCommandsNameTheGroup(t *testing.T) {
	for _, reason := range []token.Reason{token.NoToken, token.SecretNotFound, token.TokenRejected} {
		p := testProblems().tokenProblem(&token.Error{Reason: reason, Ref: token.Ref{Namespace: "ns", Name: "n", Key: "k"}}, testTopic())
		if !strings.Contains(p.Message, "kafkatopics.aiven.io t ") || strings.Contains(p.Message, "kafkatopic t") {
			t.Errorf("message of %s = %q, want the kind with its group", reason, p.Message)
		}
	}
}

func TestInService(t *testing.T) {
	for _, tt := range []struct {
		obj  v1alpha1.Object
		want bool
	}{
		{testTopic(), true},
		{&v1alpha1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "k"}}, false},
		{&v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, false},
		{&v1alpha1.OrganizationProject{Spec: v1alpha1.OrganizationProjectSpec{OrganizationID: "o"}}, false},
		{&v1alpha1.ProjectVPC{}, false},
	} {
		if got := inService(tt.obj); got != tt.want {
			t.Errorf("inService(%T) = %v, want %v", tt.obj, got, tt.want)
		}
	}
}

// What can change without the object is not given up on.
func TestWhatOthersCanFixIsNotFinal(t *testing.T) {
	var p *reconcile.Problem
	if err := invalidWith("m"); !errors.As(err, &p) || p.Next.Err() != nil {
		t.Errorf("problem = %+v, want one that is tried again at each poll", p)
	}
}

func TestSharedIdentities(t *testing.T) {
	if a, b := sharedIdentities[*v1alpha1.Kafka]("Kafka"), sharedIdentities[*v1alpha1.PostgreSQL]("PostgreSQL"); a != b || a == "" {
		t.Errorf("services share %q and %q", a, b)
	}
	if a, b := sharedIdentities[*v1alpha1.Project](kindProject), sharedIdentities[*v1alpha1.OrganizationProject](kindOrganizationProject); a != b || a == "" {
		t.Errorf("projects share %q and %q", a, b)
	}
	if got := sharedIdentities[*v1alpha1.KafkaTopic]("KafkaTopic"); got != "" {
		t.Errorf("topics share %q", got)
	}
}

// What a handler remembers of an object ends with it, however the object ended.
func TestHandlerMemoriesEndWithTheirObject(t *testing.T) {
	h := newKafkaSchema()
	h.accepted.set(types.UID("u"), acceptedSchema{id: 1})
	var f forgetter = h
	f.Forget("u")
	if got := h.accepted.get("u"); got.id != 0 {
		t.Errorf("remembered %+v", got)
	}
}

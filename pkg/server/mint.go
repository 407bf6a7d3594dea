// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// TokenSeconds is the life of the tokens that logins use: the least that the API
// server gives.
const TokenSeconds = 600

// Account is a ServiceAccount.
type Account struct {
	Namespace, Name string
}

// String implements fmt.Stringer.
func (a Account) String() string { return a.Namespace + "/" + a.Name }

// MintError says why there is no token of a ServiceAccount, and what fixes it.
type MintError struct {
	// Message is a full sentence, or more, for people.
	Message string
	// Temporary means that trying again may help by itself.
	Temporary bool
	// Err is the cause, if any.
	Err error
}

// Error implements error.
func (e *MintError) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *MintError) Unwrap() error { return e.Err }

// Mint asks the API server for a token of a ServiceAccount. The error is a
// *MintError.
func (a *Access) Mint(ctx context.Context, who Account, audience string) (openbao.Token, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{audience}, ExpirationSeconds: new(int64(TokenSeconds)),
	}}
	answer, err := a.opts.ServiceAccounts.ServiceAccounts(who.Namespace).CreateToken(ctx, who.Name, request, metav1.CreateOptions{})
	if err != nil {
		return openbao.Token{}, a.mintError(who, audience, err)
	}
	return openbao.NewToken(answer.Status.Token), nil
}

func (a *Access) mintError(who Account, audience string, err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return &MintError{Err: err, Message: fmt.Sprintf(
			"The ServiceAccount %s does not exist. If nothing else makes it, run: kubectl -n %s create serviceaccount %s", who, who.Namespace, who.Name)}
	case strings.Contains(err.Error(), "ValidatingAdmissionPolicy"):
		return &MintError{Err: err, Message: fmt.Sprintf(
			"An admission policy does not let Bailiwick have a token of the ServiceAccount %s for the audience %q. Allow that audience in the policy that it names: %s",
			who, audience, text.Sentence(err.Error()))}
	case apierrors.IsForbidden(err):
		return &MintError{Err: err, Message: fmt.Sprintf(
			"Bailiwick may not make tokens for the ServiceAccount %s. Run: "+
				"kubectl -n %s create role bailiwick-mint-%s --verb=create --resource=serviceaccounts/token --resource-name=%s && "+
				"kubectl -n %s create rolebinding bailiwick-mint-%s --role=bailiwick-mint-%s --serviceaccount=%s:%s",
			who, who.Namespace, who.Name, who.Name, who.Namespace, who.Name, who.Name, a.opts.Self.Namespace, a.opts.Self.Name)}
	}
	return &MintError{Err: err, Temporary: true, Message: text.Sentence(fmt.Sprintf("The API server gave no token for the ServiceAccount %s: %v", who, err))}
}

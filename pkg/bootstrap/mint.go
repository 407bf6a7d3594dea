// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// jwtSeconds is the life of the tokens that logins use: the least that the API
// server gives.
const jwtSeconds = 600

// account is a ServiceAccount.
type account struct {
	namespace, name string
}

func (a account) String() string { return a.namespace + "/" + a.name }

// accountOf parses the sub claim of a ServiceAccount's tokens.
func accountOf(subject string) (account, bool) {
	namespace, name, ok := authz.ParseSubject(subject)
	return account{namespace, name}, ok
}

// mintError says why there is no token for a ServiceAccount, and what mends it.
type mintError struct {
	// message is a full sentence, or more, for people.
	message string
	// passing means that trying again may help by itself.
	passing bool
	err     error
}

func (e *mintError) Error() string { return e.message }
func (e *mintError) Unwrap() error { return e.err }

// mint asks the API server for a token of a ServiceAccount.
func (c *Controller) mint(ctx context.Context, subject, audience string) (openbao.Token, error) {
	who, ok := accountOf(subject)
	if !ok {
		return openbao.Token{}, &mintError{message: fmt.Sprintf("%q is not a ServiceAccount.", subject)}
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{audience}, ExpirationSeconds: new(int64(jwtSeconds)),
	}}
	answer, err := c.opts.ServiceAccounts.ServiceAccounts(who.namespace).CreateToken(ctx, who.name, request, metav1.CreateOptions{})
	if err != nil {
		return openbao.Token{}, c.mintProblem(who, audience, err)
	}
	return openbao.NewToken(answer.Status.Token), nil
}

func (c *Controller) mintProblem(who account, audience string, err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return &mintError{err: err, message: fmt.Sprintf(
			"The ServiceAccount %s does not exist. If nothing else makes it, run: kubectl -n %s create serviceaccount %s", who, who.namespace, who.name)}
	case strings.Contains(err.Error(), "ValidatingAdmissionPolicy"):
		return &mintError{err: err, message: fmt.Sprintf(
			"An admission policy does not let Bailiwick have a token of the ServiceAccount %s for the audience %q. Allow that audience in the policy that it names: %s",
			who, audience, sentence(err.Error()))}
	case apierrors.IsForbidden(err):
		own, _ := accountOf(c.opts.OperatorSubject)
		return &mintError{err: err, message: fmt.Sprintf(
			"Bailiwick may not make tokens for the ServiceAccount %s. Run: "+
				"kubectl -n %s create role bailiwick-mint-%s --verb=create --resource=serviceaccounts/token --resource-name=%s && "+
				"kubectl -n %s create rolebinding bailiwick-mint-%s --role=bailiwick-mint-%s --serviceaccount=%s:%s",
			who, who.namespace, who.name, who.name, who.namespace, who.name, who.name, own.namespace, own.name)}
	}
	return &mintError{err: err, passing: true, message: sentence(fmt.Sprintf("The API server gave no token for the ServiceAccount %s: %v", who, err))}
}

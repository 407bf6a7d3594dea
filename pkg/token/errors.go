// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Reason says why there is no usable token. The values are condition reasons
// and stable.
type Reason string

const (
	// SecretNotFound: the Secret does not exist.
	SecretNotFound Reason = "SecretNotFound"
	// KeyNotFound: the Secret exists and lacks the key.
	KeyNotFound Reason = "KeyNotFound"
	// EmptyToken: the key holds nothing but white space.
	EmptyToken Reason = "EmptyToken"
	// MalformedToken: the value has characters that no token has.
	MalformedToken Reason = "MalformedToken"
	// SecretForbidden: the operator may not read the Secret.
	SecretForbidden Reason = "SecretForbidden"
	// SecretUnavailable: the API server did not answer properly.
	SecretUnavailable Reason = "SecretUnavailable"
	// NoToken: the object names no Secret and the operator has no default.
	NoToken Reason = "NoToken"
	// DefaultTokenUnavailable: there is a default token, and it could not be
	// read yet.
	DefaultTokenUnavailable Reason = "DefaultTokenUnavailable"
	// TokenRejected: Aiven refused the token.
	TokenRejected Reason = "TokenRejected"
)

// Error is the error of Cache.Token.
type Error struct {
	// Reason is the class of the failure.
	Reason Reason
	// Ref is the reference that was asked for.
	Ref Ref
	// RetryAfter says when asking again can give another answer; zero leaves it
	// to the caller's backoff.
	RetryAfter time.Duration
	// Err is the cause, if it is another error. For DefaultTokenUnavailable by a
	// Secret it is an *Error with that Secret's Ref.
	Err error

	// source is the Secret behind the default token; zero for the environment.
	source Ref
	// operator names the operator's own objects for FixCommands.
	operator Operator
}

// Error implements error. It names the Secret and the key, never a value.
func (e *Error) Error() string {
	secret := fmt.Sprintf("%s/%s", e.Ref.Namespace, e.Ref.Name)
	switch e.Reason {
	case SecretNotFound:
		return fmt.Sprintf("secret %q with the Aiven token in key %q does not exist", secret, e.Ref.Key)
	case KeyNotFound:
		return fmt.Sprintf("secret %q has no key %q", secret, e.Ref.Key)
	case EmptyToken:
		return fmt.Sprintf("secret %q has an empty value in key %q", secret, e.Ref.Key)
	case MalformedToken:
		return fmt.Sprintf("secret %q has a value in key %q that is no token: it holds white space or unprintable characters", secret, e.Ref.Key)
	case SecretForbidden:
		return fmt.Sprintf("the operator may not get secret %q (key %q): %v", secret, e.Ref.Key, e.Err)
	case SecretUnavailable:
		return fmt.Sprintf("get secret %q (key %q): %v", secret, e.Ref.Key, e.Err)
	case NoToken:
		return "no Aiven API token: spec.authSecretRef is not set and the operator has no default token"
	case DefaultTokenUnavailable:
		return fmt.Sprintf("spec.authSecretRef is not set and the operator's default token can't be read yet: %v", e.Err)
	case TokenRejected:
		return fmt.Sprintf("the Aiven API refused the token of %s", e.tokenName())
	}
	return fmt.Sprintf("token %s: %v", e.Ref, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ReasonFor returns the Reason of err, or "" if err is not an *Error.
func ReasonFor(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func (e *Error) tokenName() string {
	switch {
	case !e.Ref.Default():
		return fmt.Sprintf("secret %q, key %q", e.Ref.Namespace+"/"+e.Ref.Name, e.Ref.Key)
	case e.source.Default():
		return "the environment variable DEFAULT_AIVEN_TOKEN (the operator's default)"
	default:
		return fmt.Sprintf("secret %q, key %q (the operator's default)", e.source.Namespace+"/"+e.source.Name, e.source.Key)
	}
}

// FixCommands returns the commands that put the failure right for the object of that
// kind, namespace and name, one per line. Changing an annotation is what makes
// the operator read an auth Secret again.
func (e *Error) FixCommands(kind, namespace, name string) string {
	kind = strings.ToLower(kind)
	if e.Reason == NoToken {
		return strings.Join([]string{
			"set spec.authSecretRef (name, key) to a Secret in the object's namespace:",
			fmt.Sprintf(`kubectl patch %s %s --namespace %s --type merge --patch '{"spec":{"authSecretRef":{"name":"aiven-token","key":"token"}}}'`, kind, name, namespace),
			"or give the operator a default token with --default-token-secret-name and --default-token-secret-key",
		}, "\n")
	}
	if e.Ref.Default() {
		return e.mendDefault()
	}
	retry := fmt.Sprintf(`kubectl annotate %s %s --namespace %s --overwrite token-renewed-at="$(date +%%s)"`, kind, name, namespace)
	if fix := e.mendSecret(e.Ref); fix != "" {
		return fix + "\n" + retry
	}
	return retry
}

// mendDefault returns the commands for the default token. Until it was read
// once the operator reads it again by itself; after that only a restart does.
func (e *Error) mendDefault() string {
	restart := fmt.Sprintf("kubectl rollout restart deployment/%s --namespace %s", e.operator.Deployment, e.operator.Namespace)
	var cause *Error
	switch {
	case e.Reason == TokenRejected && e.source.Default():
		return fmt.Sprintf("kubectl set env deployment/%s --namespace %s DEFAULT_AIVEN_TOKEN=YOUR_AIVEN_API_TOKEN", e.operator.Deployment, e.operator.Namespace)
	case e.Reason == TokenRejected:
		return e.mendSecret(e.source) + "\n" + restart
	case errors.As(e.Err, &cause):
		return cause.mendSecret(cause.Ref)
	default:
		return restart
	}
}

// mendSecret returns the command that puts the Secret of ref right, or "" if
// there is none to run.
func (e *Error) mendSecret(ref Ref) string {
	switch e.Reason {
	case SecretNotFound:
		return fmt.Sprintf("kubectl create secret generic %s --namespace %s --from-literal=%s=YOUR_AIVEN_API_TOKEN", ref.Name, ref.Namespace, ref.Key)
	case KeyNotFound, EmptyToken, MalformedToken, TokenRejected:
		return fmt.Sprintf(`kubectl patch secret %s --namespace %s --type merge --patch '{"stringData":{"%s":"YOUR_AIVEN_API_TOKEN"}}'`, ref.Name, ref.Namespace, ref.Key)
	case SecretForbidden:
		return fmt.Sprintf("kubectl create role bailiwick-token-reader --namespace %s --verb=get --resource=secrets --resource-name=%s\n"+
			"kubectl create rolebinding bailiwick-token-reader --namespace %s --role=bailiwick-token-reader --serviceaccount=%s:%s",
			ref.Namespace, ref.Name, ref.Namespace, e.operator.Namespace, e.operator.ServiceAccount)
	}
	return ""
}

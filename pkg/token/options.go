// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"errors"
	"fmt"
	"time"

	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/backoff"
)

const (
	defaultLoadTimeout   = 10 * time.Second
	defaultProbeInterval = 10 * time.Minute
)

// defaultRetry is how the default token is read again until that succeeds once:
// soon, since nothing works without it, then less often.
func defaultRetry() backoff.Rising {
	return backoff.Rising{First: 5 * time.Second, Max: time.Minute, Factor: 2}
}

// Options configure a Cache.
type Options struct {
	// Secrets reads Secrets from the API server, not from an informer.
	Secrets corev1client.SecretsGetter
	// Default names the Secret of the default token, in the operator's own
	// namespace. The zero Ref means there is none.
	Default Ref
	// DefaultValue is the default token from the environment. It is used only
	// if Default is zero: a Secret that can't be used never falls back to it.
	// White space alone counts as absent.
	DefaultValue string
	// LoadTimeout bounds one GET of a Secret. 10 s if zero.
	LoadTimeout time.Duration
	// ProbeInterval is how often a token that Aiven goes on refusing is tried: it
	// is tried after 5 s, then less often up to this. 10 min if zero.
	ProbeInterval time.Duration
	// Named reports whether an object names the Secret. It must not call back. Nil
	// means that one always does.
	Named func(namespace, name string) bool
	// Operator names the operator's own objects.
	Operator Operator
}

// Operator names the operator's objects for the commands that Error.FixCommands
// suggests.
type Operator struct {
	Namespace      string
	Deployment     string
	ServiceAccount string
}

func (o Options) complete() (Options, error) {
	if o.Secrets == nil {
		return o, errors.New("token cache needs a client for Secrets")
	}
	if d := o.Default; d != (Ref{}) && (d.Namespace == "" || d.Name == "" || d.Key == "") {
		return o, fmt.Errorf("default token reference %q needs a namespace, a name and a key", d)
	}
	if o.LoadTimeout < 0 || o.ProbeInterval < 0 {
		return o, errors.New("token cache intervals must not be negative")
	}
	if o.LoadTimeout == 0 {
		o.LoadTimeout = defaultLoadTimeout
	}
	if o.ProbeInterval == 0 {
		o.ProbeInterval = defaultProbeInterval
	}
	if o.Named == nil {
		o.Named = func(string, string) bool { return true }
	}
	for field, value := range map[*string]string{
		&o.Operator.Namespace:      "bailiwick-system",
		&o.Operator.Deployment:     "bailiwick",
		&o.Operator.ServiceAccount: "bailiwick",
	} {
		if *field == "" {
			*field = value
		}
	}
	return o, nil
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// Options configures an Access. All fields are required unless they say otherwise.
type Options struct {
	// Secrets reads the Secrets that routes and credentials name.
	Secrets corev1client.SecretsGetter
	// ServiceAccounts makes tokens of ServiceAccounts.
	ServiceAccounts corev1client.ServiceAccountsGetter
	// Self is the ServiceAccount of this process, for the commands that grant it
	// a right.
	Self Account
	// AllowLocal permits addresses of this machine and its link.
	AllowLocal bool
	// Connect returns a client of a server. Nil means openbao.New.
	Connect func(opts openbao.Options) (openbao.Interface, error)
	// CountLogin counts a login by purpose and result, which is ok, refused or
	// error. Nil counts nothing.
	CountLogin func(purpose, result string)
}

// Access is what this process needs to reach servers. It is safe for concurrent use.
type Access struct {
	opts Options
}

// New returns an Access.
func New(opts Options) *Access {
	if opts.Connect == nil {
		opts.Connect = func(o openbao.Options) (openbao.Interface, error) { return openbao.New(o) }
	}
	if opts.CountLogin == nil {
		opts.CountLogin = func(string, string) {}
	}
	return &Access{opts: opts}
}

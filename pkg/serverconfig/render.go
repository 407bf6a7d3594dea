// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// Rendered is what a server reads when it starts.
type Rendered struct {
	// Public is the text of PublicFile. It holds no secret.
	Public []byte
	// Secret is the text of SecretFile: the stanzas that hold a credential of the
	// spec. It is nil if there is none. A stanza is in one of the files as a whole,
	// since OpenBao reads the files of a folder in any order and merges no stanzas.
	Secret []byte
	// Env is the environment that the seal needs, in a fixed order.
	Env []EnvVar
	// Digest changes if and only if Public, Secret or Env changes.
	Digest string
}

// EnvVar is a variable of a server's environment.
type EnvVar struct {
	Name string
	// Value is the value, unless SecretKey is set.
	Value string
	// SecretKey is the key with the value in the Secret that
	// spec.unseal.credentialsSecretRef names.
	SecretKey string
	// Optional says that the key may be missing.
	Optional bool
}

// renderer collects the files and the mistakes of one object.
type renderer struct {
	problems
	name, namespace string
	spec            *openbaov1alpha1.OpenBaoClusterSpec
	version         Version
	public, secret  body
	env             []EnvVar
}

// Render returns the configuration of the servers of an object. It does not depend on
// spec.replicas, nor on what distinguishes one server from another: the node id and
// the addresses of a server come from its environment (BAO_RAFT_NODE_ID,
// BAO_API_ADDR, BAO_CLUSTER_ADDR).
//
// The error joins one *authz.SpecError for each mistake in the spec.
func Render(c *openbaov1alpha1.OpenBaoCluster) (Rendered, error) {
	r := &renderer{name: c.Name, namespace: c.Namespace, spec: &c.Spec}
	var err error
	if r.version, err = ParseVersion(c.Spec.Version); err != nil {
		r.add("spec.version", "%v", err)
	}
	r.texts("spec.configuration", reflect.ValueOf(c.Spec.Configuration))
	r.texts("spec.unseal", reflect.ValueOf(c.Spec.Unseal))
	r.texts("spec.audit", reflect.ValueOf(c.Spec.Audit))
	r.texts("spec.plugins", reflect.ValueOf(c.Spec.Plugins))
	r.texts("spec.telemetry", reflect.ValueOf(c.Spec.Telemetry))
	r.settings()
	r.listeners()
	r.seal()
	r.storage()
	r.audit()
	r.plugins()
	r.telemetry()
	if err := r.err(); err != nil {
		return Rendered{}, err
	}
	out := Rendered{Public: r.public.bytes(), Secret: r.secret.bytes(), Env: r.env}
	out.Digest = digest(out)
	return out, nil
}

// lacks reports whether servers of the version are known to lack a feature.
func (r *renderer) lacks(f Feature) bool {
	return r.version != Version{} && !r.version.Supports(f)
}

// needs records a field whose feature comes with a later version.
func (r *renderer) needs(f Feature, field string) {
	if r.lacks(f) {
		r.add(field, "it needs OpenBao %s or later, and spec.version is %s; remove it, or set a later version", f.available().since, r.version)
	}
}

// stanza adds a top-level block to the file that it belongs to.
func (r *renderer) stanza(secret bool, content body, name string, labels ...string) {
	if secret {
		r.secret.add(content, name, labels...)
	} else {
		r.public.add(content, name, labels...)
	}
}

func digest(r Rendered) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d\n%s%s", len(r.Public), len(r.Secret), r.Public, r.Secret)
	for _, e := range r.Env {
		fmt.Fprintf(h, "%q %q %q %t\n", e.Name, e.Value, e.SecretKey, e.Optional)
	}
	return hex.EncodeToString(h.Sum(nil))
}

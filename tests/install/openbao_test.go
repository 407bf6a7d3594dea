// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bailiwick-operator/bailiwick/tests/guide"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// baoPort is the one that the operator's NetworkPolicy lets out for OpenBao.
const baoPort = "8200"

// authorizesOpenBao follows the quick start of the page on OpenBao, from the admin token
// to the proof that each identity may do what it should, with a server outside of the
// cluster. The operator's pod gets all tokens of identities by its own rights.
func (r *reader) authorizesOpenBao(bao *stack.OpenBao) {
	const page = "docs/openbao.md"
	found, _, err := guide.Read(filepath.Join(checkout, page))
	if err != nil {
		r.Fatal(err)
	}
	// The reader has the optional rights of a checkout, a CA and a login.
	manifests, err := filepath.Abs(filepath.Join(checkout, "manifests"))
	if err != nil {
		r.Fatal(err)
	}
	binary := bao.Binary()
	if bao.Kind != stack.Bao {
		if binary, err = os.Executable(); err != nil {
			r.Fatal(err)
		}
	}
	for name, target := range map[string]string{"manifests": manifests, "ca.pem": bao.CAFile, baoCommand: binary} {
		link := filepath.Join(r.folder, name)
		if err := os.Symlink(target, link); err != nil {
			r.Fatal(err)
		}
		defer func() {
			if err := os.Remove(link); err != nil {
				r.Error(err)
			}
		}()
	}
	for i, variable := range r.environment {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			r.environment = slices.Clone(r.environment)
			r.environment[i] = "PATH=" + r.folder + ":" + path
		}
	}
	r.environment = append(r.environment, "BAO_ADDR="+bao.Address, "BAO_CACERT=ca.pem", "BAO_TOKEN="+bao.RootToken)
	r.ours = append([]string{"https://bao.example.com:8200", bao.Address}, r.ours...)

	var script strings.Builder
	for _, b := range found {
		switch {
		case b.Section != "Quick start":
		case b.Comment != "":
			if err := os.WriteFile(filepath.Join(r.folder, b.Comment), []byte(b.Code), 0o600); err != nil {
				r.Fatal(err)
			}
		// All in one shell. The first step is the installation, and the last one a Job with an
		// image of OpenBao's.
		case b.Language == guide.Shell && b.Step != "1" && b.Step != "6":
			script.WriteString(b.Code)
		}
	}
	script.WriteString("kubectl kustomize manifests/rbac/optional/prove-identities > prove-identities.yaml\n")
	printed := r.shell(page, script.String())
	for _, want := range []string{"condition met", "Applied", "4/4"} {
		if !strings.Contains(printed, want) {
			r.Errorf("Printed %q, want %q in it", printed, want)
		}
	}
	r.authorized()
}

// forgetsOpenBao removes what the reader has made for it, once its object is gone.
func (r *reader) forgetsOpenBao() {
	r.Helper()
	r.sh("kubectl delete -f prove-identities.yaml\n" +
		"kubectl delete serviceaccount demo-bao-backup-serviceaccount demo-bao-upgrade-serviceaccount\n" +
		"kubectl delete secret demo-bao-tls-ca")
}

// authorized waits until everything is in place, and proved.
func (r *reader) authorized() {
	r.Helper()
	r.eventually("the OpenBaoCluster to be authorized", func(context.Context) error {
		printed := r.sh("kubectl get openbaocluster demo-bao --no-headers")
		if fields := strings.Fields(printed); len(fields) < 5 || fields[1] != "True" || fields[2] != "Applied" || fields[4] != "4/4" {
			return fmt.Errorf("it is %s", printed)
		}
		return nil
	})
}

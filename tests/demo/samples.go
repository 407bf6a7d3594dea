// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	aivenv1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// place says what the samples leave to the reader.
type place struct {
	namespace, project, openBaoAddress string
}

// secretKey names a key of a Secret.
type secretKey struct{ name, key string }

// prepared are samples that can be applied, and what they rely on.
type prepared struct {
	objects []*unstructured.Unstructured
	// tokens are where objects take their Aiven token from.
	tokens []secretKey
	// adminTokens and authorities are where OpenBaoClusters take the one-time
	// token and the CA of their server from.
	adminTokens, authorities []secretKey
	// accounts are the ServiceAccounts of OpenBao jobs.
	accounts []string
}

// parseObjects reads a stream of YAML documents.
func parseObjects(documents string) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(documents), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// prepareSamples fills in the place, and changes nothing else of the samples.
func prepareSamples(samples []*unstructured.Unstructured, p place) (prepared, error) {
	out := prepared{}
	for _, sample := range samples {
		object := sample.DeepCopy()
		object.SetNamespace(p.namespace)
		var err error
		switch object.GroupVersionKind().Group {
		case aivenv1alpha1.GroupName:
			err = out.prepareAiven(object, p)
		case openbaov1alpha1.GroupName:
			err = out.prepareOpenBao(object, p)
		default:
			err = errors.New("the demo does not know what this needs")
		}
		if err != nil {
			return prepared{}, fmt.Errorf("%s: %w", nameOf(object), err)
		}
		out.objects = append(out.objects, object)
	}
	if len(out.authorities) > 1 {
		return prepared{}, fmt.Errorf("the samples have %d OpenBaoClusters, and one server can hold the contract of one", len(out.authorities))
	}
	return out, nil
}

func (out *prepared) prepareAiven(object *unstructured.Unstructured, p place) error {
	if err := unstructured.SetNestedField(object.Object, p.project, "spec", "project"); err != nil {
		return err
	}
	token, err := reference(object, "authSecretRef", secretKey{})
	if err != nil {
		return err
	}
	if token.name == "" {
		return errors.New("it names no token")
	}
	if !slices.Contains(out.tokens, token) {
		out.tokens = append(out.tokens, token)
	}
	return nil
}

func (out *prepared) prepareOpenBao(object *unstructured.Unstructured, p place) error {
	if err := unstructured.SetNestedField(object.Object, p.openBaoAddress, "spec", "authorization", "address"); err != nil {
		return err
	}
	admin, err := reference(object, "authorization.adminTokenSecretRef", secretKey{key: "token"})
	if err != nil {
		return err
	}
	if admin.name == "" {
		return errors.New("it names no admin token")
	}
	ca, err := reference(object, "authorization.caSecretRef", secretKey{object.GetName() + "-tls-ca", "ca.crt"})
	if err != nil {
		return err
	}
	out.adminTokens, out.authorities = append(out.adminTokens, admin), append(out.authorities, ca)
	for _, job := range []string{"backup", "restore", "upgrade"} {
		if _, found, err := unstructured.NestedMap(object.Object, "spec", job); err != nil {
			return err
		} else if found {
			out.accounts = append(out.accounts, object.GetName()+"-"+job+"-serviceaccount")
		}
	}
	return nil
}

// reference reads a Secret reference of a spec; path has dots between fields.
func reference(object *unstructured.Unstructured, path string, byDefault secretKey) (secretKey, error) {
	fields := append([]string{"spec"}, strings.Split(path, ".")...)
	name, _, err := unstructured.NestedString(object.Object, append(fields, "name")...)
	if err != nil {
		return secretKey{}, err
	}
	key, _, err := unstructured.NestedString(object.Object, append(fields, "key")...)
	if err != nil {
		return secretKey{}, err
	}
	return secretKey{cmp.Or(name, byDefault.name), cmp.Or(key, byDefault.key)}, nil
}

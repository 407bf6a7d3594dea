// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// APIServerSchema tells whether the schema that an API server has for the kind
// declares spec.authorization and status.authorization. The openbao-operator's
// own schema has neither, and what is not declared can't be written.
func APIServerSchema(client rest.Interface) func(ctx context.Context) (bool, error) {
	path := "/openapi/v3/apis/" + openbaov1alpha1.GroupVersion.String()
	return func(ctx context.Context) (bool, error) {
		raw, err := client.Get().AbsPath(path).SetHeader("Accept", "application/json").Do(ctx).Raw()
		if err != nil {
			return false, fmt.Errorf("read the schema of %s from the API server: %w", Resource.GroupResource(), err)
		}
		return declaresAuthorization(raw)
	}
}

// declaresAuthorization looks into an OpenAPI v3 document.
func declaresAuthorization(raw []byte) (bool, error) {
	type object struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Kinds      []schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
				Properties struct {
					Spec   object `json:"spec"`
					Status object `json:"status"`
				} `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return false, fmt.Errorf("parse the schema of %s: %w", Resource.GroupResource(), err)
	}
	want := schema.GroupVersionKind{Group: openbaov1alpha1.GroupVersion.Group, Version: openbaov1alpha1.GroupVersion.Version, Kind: Kind}
	for _, s := range document.Components.Schemas {
		if len(s.Kinds) == 1 && s.Kinds[0] == want {
			_, spec := s.Properties.Spec.Properties["authorization"]
			_, status := s.Properties.Status.Properties["authorization"]
			return spec && status, nil
		}
	}
	return false, fmt.Errorf("the API server's OpenAPI document of %s does not describe %s", openbaov1alpha1.GroupVersion, Kind)
}

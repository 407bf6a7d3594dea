// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

var crdResource = schema.GroupVersionResource{
	Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
}

// InstallCRDs creates the CustomResourceDefinitions in manifest files, or in all
// .yaml files below directories, and waits until all are served. One that
// exists already stays as it is.
func InstallCRDs(ctx context.Context, config *rest.Config, paths ...string) error {
	crds, err := readCRDs(paths)
	if err != nil || len(crds) == 0 {
		return err
	}
	dynamicClient, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	client := dynamicClient.Resource(crdResource)
	for _, crd := range crds {
		if _, err := client.Create(ctx, crd, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating CustomResourceDefinition %s: %w", crd.GetName(), err)
		}
	}
	return WaitForCRDs(ctx, dynamicClient)
}

// WaitForCRDs waits until all CustomResourceDefinitions that exist are served.
func WaitForCRDs(ctx context.Context, client dynamic.Interface) error {
	var missing string
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		crds, err := client.Resource(crdResource).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		i := slices.IndexFunc(crds.Items, func(crd unstructured.Unstructured) bool { return !isEstablished(crd) })
		if i >= 0 {
			missing = crds.Items[i].GetName()
		}
		return i < 0, nil
	})
	if err != nil {
		return fmt.Errorf("waiting until CustomResourceDefinition %s is served: %w", missing, err)
	}
	return nil
}

func isEstablished(crd unstructured.Unstructured) bool {
	// A new definition has null here.
	field, _, err := unstructured.NestedFieldNoCopy(crd.Object, "status", "conditions")
	if err != nil {
		return false
	}
	conditions, _ := field.([]any)
	return slices.ContainsFunc(conditions, func(condition any) bool {
		fields, ok := condition.(map[string]any)
		return ok && fields["type"] == "Established" && fields["status"] == "True"
	})
}

func readCRDs(paths []string) ([]*unstructured.Unstructured, error) {
	var crds []*unstructured.Unstructured
	for _, path := range paths {
		err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			// A file that was named is read whatever its name.
			if entry.IsDir() || file != path && filepath.Ext(file) != ".yaml" {
				return nil
			}
			found, err := readCRDFile(file)
			crds = append(crds, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return crds, nil
}

func readCRDFile(file string) ([]*unstructured.Unstructured, error) {
	content, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	decoder := yaml.NewYAMLOrJSONDecoder(content, 4096)
	var crds []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return crds, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if object.GetKind() == "CustomResourceDefinition" {
			crds = append(crds, object)
		}
	}
}

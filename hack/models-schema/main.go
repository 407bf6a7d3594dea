// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command models-schema prints the OpenAPI definitions of the API types as a
// Swagger document. applyconfiguration-gen embeds that document in the apply
// configurations, where the fake clientset finds how fields are merged.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/bailiwick-operator/bailiwick/generated/openapi"
)

func main() {
	if err := json.NewEncoder(os.Stdout).Encode(document()); err != nil {
		fmt.Fprintln(os.Stderr, "models-schema:", err)
		os.Exit(1)
	}
}

// document returns all definitions in one Swagger document. Where a definition
// comes in two forms, the one for Swagger 2 is taken.
func document() *spec.Swagger {
	definitions := spec.Definitions{}
	for name, d := range openapi.GetOpenAPIDefinitions(reference) {
		definitions[name] = d.Schema
		if v2, ok := d.Schema.Extensions[common.ExtensionV2Schema].(spec.Schema); ok {
			definitions[name] = v2
		}
	}
	return &spec.Swagger{SwaggerProps: spec.SwaggerProps{
		Swagger:     "2.0",
		Info:        &spec.Info{InfoProps: spec.InfoProps{Title: "Bailiwick", Version: "unversioned"}},
		Definitions: definitions,
	}}
}

// reference returns the reference to the definition called name.
func reference(name string) spec.Ref {
	return spec.MustCreateRef("#/definitions/" + name)
}

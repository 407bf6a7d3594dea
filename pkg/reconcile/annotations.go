// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
)

// operatorAnnotation reports whether an annotation is written by this operator
// or, like kubectl's, by tools with every apply. They say nothing about what
// the user wants, so a change of one never renews a token.
func operatorAnnotation(key string) bool {
	switch key {
	case corev1.LastAppliedConfigAnnotation,
		AnnotationProcessed, AnnotationRunning, AnnotationCreateIntent,
		"controllers.aiven.io/secret-source-updated",
		"controllers.aiven.io/kafka-schema-applied":
		return true
	}
	return false
}

// UserAnnotationsEqual reports whether two sets of annotations agree in all
// that users write.
func UserAnnotationsEqual(a, b map[string]string) bool {
	users := func(m map[string]string) map[string]string {
		out := maps.Clone(m)
		maps.DeleteFunc(out, func(k, _ string) bool { return operatorAnnotation(k) })
		return out
	}
	return maps.Equal(users(a), users(b))
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import corev1 "k8s.io/api/core/v1"

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
	left := 0
	for k, v := range a {
		if operatorAnnotation(k) {
			continue
		}
		if other, ok := b[k]; !ok || other != v {
			return false
		}
		left++
	}
	for k := range b {
		if !operatorAnnotation(k) {
			left--
		}
	}
	return left == 0
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"fmt"
	"net/http"
)

// apiError is an answer of the API with a status of 4xx or 5xx.
type apiError struct {
	status  int
	message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d: %s", e.status, e.message) }

// errorBody is the shape of the API's failed answers
// (https://api.aiven.io/doc/, "Failed responses").
type errorBody struct {
	Message string      `json:"message"`
	Errors  []errorItem `json:"errors"`
}

type errorItem struct {
	Message  string `json:"message"`
	MoreInfo string `json:"more_info"`
	Status   int    `json:"status"`
}

func (e *apiError) body() errorBody {
	return errorBody{
		Message: e.message,
		Errors:  []errorItem{{Message: e.message, MoreInfo: "https://api.aiven.io/doc/", Status: e.status}},
	}
}

func errf(status int, format string, args ...any) *apiError {
	return &apiError{status: status, message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *apiError {
	return errf(http.StatusBadRequest, format, args...)
}

func notFound(format string, args ...any) *apiError {
	return errf(http.StatusNotFound, format, args...)
}

func conflict(format string, args ...any) *apiError {
	return errf(http.StatusConflict, format, args...)
}

func forbidden(format string, args ...any) *apiError {
	return errf(http.StatusForbidden, format, args...)
}

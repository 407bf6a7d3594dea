// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package publish

import "github.com/bailiwick-operator/bailiwick/pkg/redact"

// withheldError is an error whose text shows no connection details: an admission
// policy or webhook that refuses a Secret may quote it.
type withheldError struct {
	text string
	err  error
}

func (e *withheldError) Error() string { return e.text }
func (e *withheldError) Unwrap() error { return e.err }

// withhold returns err as it is unless its text shows a secret of these
// connection details.
func withhold(err error, details ...map[string][]byte) error {
	if err == nil {
		return nil
	}
	secrets := &redact.Secrets{}
	for _, data := range details {
		for key, value := range data {
			secrets.AddField(key, string(value))
		}
	}
	text := secrets.Hide(err.Error())
	if text == err.Error() {
		return err
	}
	return &withheldError{text: text, err: err}
}

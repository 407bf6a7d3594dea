// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// convert copies a value of one of the API's own types into the type of the same name
// of k8s.io/api, which has the same fields. A field that the target lacks is an error,
// so that nothing of a spec gets lost.
func convert[To any](from any) (To, error) {
	var to To
	data, err := json.Marshal(from)
	if err != nil {
		return to, fmt.Errorf("copy %T: %w", from, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&to); err != nil {
		return to, fmt.Errorf("copy %T: %w", from, err)
	}
	return to, nil
}

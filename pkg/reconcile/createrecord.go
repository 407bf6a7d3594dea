// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DefaultVisibleWithin is Options.VisibleWithin where that is zero.
const DefaultVisibleWithin = time.Minute

// maxAsked bounds CreateRecord.Asked, and so the size of the annotation.
const maxAsked = 16

// CreateRecord is what an object keeps of the creates that were sent for it and
// are not known to have ended well. It is on the API server before Aiven receives
// a request, so that neither a crash nor a lost answer makes the operator create
// twice, or lose what it created.
//
// It is in AnnotationCreateIntent, which anyone who may edit the object can edit
// too. Authority never rests on it: it delays a create by at most VisibleWithin,
// and Asked leads a handler to nothing that a change of the spec would not.
type CreateRecord struct {
	// At is when the last one was sent, to the second.
	At time.Time
	// Asked is what Kind.Asked returned for each, without duplicates.
	Asked []string
}

// CreateRecordOf returns the record of an object; ok is false if it has none. A
// record that can't be read has the zero values.
func CreateRecordOf(obj metav1.Object) (record CreateRecord, ok bool) {
	text, ok := obj.GetAnnotations()[AnnotationCreateIntent]
	if !ok {
		return CreateRecord{}, false
	}
	at, asked, _ := strings.Cut(text, " ")
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		record.At = t
	}
	if json.Unmarshal([]byte(asked), &record.Asked) != nil || len(record.Asked) > maxAsked {
		record.Asked = nil
	}
	return record, true
}

// String is the form that CreateRecordOf reads: the time in RFC 3339 and, if
// anything was asked for by name, a JSON list of that.
func (r CreateRecord) String() string {
	at := r.At.UTC().Format(time.RFC3339)
	if len(r.Asked) == 0 {
		return at
	}
	asked, _ := json.Marshal(r.Asked) // strings always marshal
	return at + " " + string(asked)
}

// with returns the record with one more create, that of asked, sent now. Of too
// many the oldest goes.
func (r CreateRecord) with(asked string) CreateRecord {
	out := CreateRecord{At: time.Now(), Asked: slices.Clone(r.Asked)}
	if asked != "" && !slices.Contains(out.Asked, asked) {
		out.Asked = append(out.Asked, asked)
	}
	if extra := len(out.Asked) - maxAsked; extra > 0 {
		out.Asked = out.Asked[extra:]
	}
	return out
}

// recent reports whether what was created then may not be visible yet. A clock
// that differs from that of another replica does no harm, and a time far in the
// future counts for nothing.
func (r CreateRecord) recent(visibleWithin time.Duration) bool {
	age := time.Since(r.At)
	return -visibleWithin < age && age < visibleWithin
}

// onlyAsked reports whether nothing but asked was asked for.
func (r CreateRecord) onlyAsked(asked string) bool {
	return !slices.ContainsFunc(r.Asked, func(s string) bool { return s != asked })
}

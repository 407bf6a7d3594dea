// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// This file has what random faults have found, each in the shortest form.

// An entry whose replacement stops halfway, or whose creation is not known to have
// worked, is not left behind when the spec changes again before the next try.
func TestACLThatChangesWhileItChanges(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]aivensim.Fault{
		"the old one can't be deleted":         {Operation: "ServiceKafkaAclDelete", Count: 1},
		"the answer to the create is lost":     {Operation: "ServiceKafkaAclAdd", Action: aivensim.Reset, Apply: true, Skip: 1, Count: 1},
		"the first answer of a create is lost": {Operation: "ServiceKafkaAclAdd", Action: aivensim.Reset, Apply: true, Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			e.hostOf("kafka")
			hit := e.sim.InjectFault(fault)
			e.start()
			e.create(e.object("KafkaACL", "x"))
			if fault.Skip > 0 || fault.Action == "" {
				e.ready("KafkaACL", "x")
				e.patch("KafkaACL", "x", `{"spec":{"permission":"write"}}`)
			}
			if err := hit.WaitHits(e.ctx, 1); err != nil {
				t.Fatal(err)
			}
			e.patch("KafkaACL", "x", `{"spec":{"permission":"admin"}}`)
			e.ready("KafkaACL", "x")
			if acls := mustService(t, e, "host").ACLs; len(e.remotes("KafkaACL")) != 1 || acls[len(acls)-1].Permission != "admin" {
				t.Errorf("entries are %+v", acls)
			}
			e.delete("KafkaACL", "x")
			e.gone("KafkaACL", "x")
			e.noRemote("KafkaACL")
		})
	}
}

// A successful answer that holds none of what was asked for says nothing about
// what exists: nothing is created twice, and nothing is taken for deleted.
func TestAnswerWithoutContent(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.change = append(e.change, func(o *app.Options) { o.PollInterval = 300 * time.Millisecond })
	e.start()
	e.create(e.object("ProjectVPC", "x"))
	e.ready("ProjectVPC", "x")
	name := e.onlyRemote("ProjectVPC")
	empty := e.sim.InjectFault(aivensim.Fault{Method: http.MethodGet, Action: aivensim.Huge, Size: 100})
	if err := empty.WaitHits(e.ctx, 4); err != nil {
		t.Fatal(err)
	}
	e.delete("ProjectVPC", "x")
	e.unready("ProjectVPC", "x", "Failed")
	if got := e.remotes("ProjectVPC"); fmt.Sprint(got) != fmt.Sprint([]string{name}) {
		t.Errorf("remotes are %v, want %s", got, name)
	}
	e.get("ProjectVPC", "x") // it must not be gone
	empty.Remove()
	e.gone("ProjectVPC", "x")
	e.noRemote("ProjectVPC")
}

// A conflict at the API server need not mean that the object is gone: the write is
// tried again.
func TestConflictIsNoLoss(t *testing.T) {
	t.Parallel()
	for _, step := range []int{1, 2, 3} {
		t.Run(fmt.Sprintf("of write %d", step), func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			e.hostOf("kafka")
			var writes, releases atomic.Int32
			e.start(func(o *app.Options) {
				o.RESTConfig.Wrap(func(next http.RoundTripper) http.RoundTripper {
					return roundTripper(func(r *http.Request) (*http.Response, error) {
						if r.Method != http.MethodPatch || !strings.Contains(r.URL.Path, "/kafkatopics/") {
							return next.RoundTrip(r)
						}
						release := r.Header.Get("Content-Type") == string(types.JSONPatchType)
						if release && releases.Add(1) == 1 || !release && writes.Add(1) == int32(step) {
							return refusal(r, http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified"), nil
						}
						return next.RoundTrip(r)
					})
				})
			})
			e.create(e.object("KafkaTopic", "x"))
			e.ready("KafkaTopic", "x")
			e.onlyRemote("KafkaTopic")
			e.eventually("the annotations", func() error {
				if e.get("KafkaTopic", "x").GetAnnotations()["controllers.aiven.io/instance-is-running"] == "" {
					return errors.New("there are none")
				}
				return nil
			})
			e.delete("KafkaTopic", "x")
			e.gone("KafkaTopic", "x")
			e.noRemote("KafkaTopic")
		})
	}
}

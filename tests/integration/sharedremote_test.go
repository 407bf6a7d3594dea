// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// Both kinds of project stand for one thing at Aiven.
func TestOneProjectOneObject(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.start()
	e.create(e.object("Project", "org-project"))
	e.ready("Project", "org-project")
	e.sim.ResetRequests()
	e.create(e.object("OrganizationProject", "x"))
	if message := e.unready("OrganizationProject", "x", "AlreadyManaged"); !strings.Contains(message, "Project "+e.ns+"/org-project") {
		t.Errorf("message = %q", message)
	}
	e.unchanged()

	t.Log("The one that goes leaves the project to the other")
	e.delete("Project", "org-project")
	e.gone("Project", "org-project")
	e.ready("OrganizationProject", "x")
	e.onlyRemote("Project")
	e.delete("OrganizationProject", "x")
	e.gone("OrganizationProject", "x")
	e.noRemote("Project")
}

// An integration is one, whether its endpoint is named by id or by object.
func TestOneIntegrationOneObject(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.hostOf("kafka")
	e.start()
	e.create(e.object("ServiceIntegrationEndpoint", "logs"))
	e.ready("ServiceIntegrationEndpoint", "logs")
	endpoint := e.sim.Project(project).Endpoints()[0].ID
	integration := func(end map[string]any) func(map[string]any) {
		return func(spec map[string]any) {
			clear(spec)
			maps.Copy(spec, map[string]any{"project": project, "integrationType": "rsyslog", "sourceServiceName": "host"})
			maps.Copy(spec, end)
		}
	}
	e.create(e.object("ServiceIntegration", "by-object", integration(map[string]any{"destinationEndpointRef": map[string]any{"name": "logs"}})))
	e.ready("ServiceIntegration", "by-object")
	e.create(e.object("ServiceIntegration", "by-id", integration(map[string]any{"destinationEndpointId": endpoint})))
	e.unready("ServiceIntegration", "by-id", "AlreadyManaged")
	remote := e.onlyRemote("ServiceIntegration")

	t.Log("It is made again by the one that has it")
	e.outside(e.sim.OutsideProject(project).DeleteIntegration(remote))
	e.eventually("another integration", func() error {
		if remote == e.onlyRemote("ServiceIntegration") {
			return errors.New("it is still the old one")
		}
		return nil
	})
	e.ready("ServiceIntegration", "by-object")
	remote = e.onlyRemote("ServiceIntegration")
	// It can inherit what it knows of.
	e.eventually("the one that waits to know the new integration", func() error {
		obj, err := e.client("ServiceIntegration").Get(e.ctx, "by-id", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if id, _, _ := unstructured.NestedString(obj.Object, "status", "id"); id != remote {
			return fmt.Errorf("it knows %q, want %q", id, remote)
		}
		return nil
	})
	e.unready("ServiceIntegration", "by-id", "AlreadyManaged")

	t.Log("The one that waits takes it over")
	e.delete("ServiceIntegration", "by-object")
	e.gone("ServiceIntegration", "by-object")
	e.ready("ServiceIntegration", "by-id")
	if got := e.onlyRemote("ServiceIntegration"); got != remote {
		t.Errorf("the integration is %s, want still %s", got, remote)
	}
	e.delete("ServiceIntegration", "by-id")
	e.gone("ServiceIntegration", "by-id")
	e.noRemote("ServiceIntegration")
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
)

// serviceState is what connection details are built from.
type serviceState struct {
	service    *service.ServiceGetOut
	users      []*service.UserOut
	components []service.ComponentOut
	ca         string
}

// info returns the details that depend on the type; what a service lacks is not
// set.
func (s serviceState) info() *service.ConnectionInfoOut {
	if s.service.ConnectionInfo == nil {
		return &service.ConnectionInfoOut{}
	}
	return s.service.ConnectionInfo
}

// login is where the service is and who its administrator is.
func (s serviceState) login() []pair {
	p := s.service.ServiceUriParams
	return []pair{{"HOST", p["host"]}, {"PORT", p["port"]}, {"USER", p["user"]}, {"PASSWORD", p["password"]}}
}

// connectionOf builds the connection details of a running service, nil if there
// are none to publish.
func (h serviceHandler[T]) connectionOf(r *remote, obj T, view *aiven.ServiceView) (connection, error) {
	if !publishes(obj) {
		return nil, nil
	}
	state := serviceState{service: view.Service(), users: view.Users(), components: view.Components()}
	if h.needsCA {
		project, _ := obj.ServiceRef()
		var err error
		if state.ca, err = r.CA(project); err != nil {
			return nil, err
		}
	}
	return h.connection(obj, state), nil
}

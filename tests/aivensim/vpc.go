// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	codegen "github.com/aiven/go-client-codegen/handler/vpc"
)

// VPC is a network of a project.
type VPC struct {
	ID          string
	Cloud       string
	NetworkCIDR string
	// State is APPROVED, ACTIVE or DELETING; a deleted VPC is gone.
	State      string
	CreateTime time.Time
	UpdateTime time.Time

	// changesAt ends APPROVED and DELETING.
	changesAt time.Time
}

const (
	vpcApproved = string(codegen.VpcStateTypeApproved)
	vpcActive   = string(codegen.VpcStateTypeActive)
	vpcDeleting = string(codegen.VpcStateTypeDeleting)
)

func vpcRoutes() []route {
	const pattern = "/v1/project/{project}/vpcs"
	return []route{
		{operation: "VpcList", method: http.MethodGet, pattern: pattern, handle: (*call).vpcList},
		{operation: "VpcCreate", method: http.MethodPost, pattern: pattern, handle: (*call).vpcCreate},
		{operation: "VpcGet", method: http.MethodGet, pattern: pattern + "/{project_vpc_id}", handle: (*call).vpcGet},
		{operation: "VpcDelete", method: http.MethodDelete, pattern: pattern + "/{project_vpc_id}", handle: (*call).vpcDelete},
	}
}

// settleVPCs brings the VPCs up to date with the clock.
func (p *project) settleVPCs(now time.Time) {
	p.vpcs = slices.DeleteFunc(p.vpcs, func(v *VPC) bool {
		if v.State != vpcActive && !now.Before(v.changesAt) {
			return v.advance(now)
		}
		return false
	})
}

// advance ends APPROVED and DELETING; true means that the VPC is gone.
func (v *VPC) advance(now time.Time) bool {
	if v.State == vpcDeleting {
		return true
	}
	v.State, v.UpdateTime = vpcActive, now
	return false
}

func (p *project) vpc(id string) *VPC {
	for _, v := range p.vpcs {
		if v.ID == id {
			return v
		}
	}
	return nil
}

func (v *VPC) view() map[string]any {
	return map[string]any{
		"project_vpc_id": v.ID, "cloud_name": v.Cloud, "network_cidr": v.NetworkCIDR, "state": v.State,
		"create_time": timestamp(v.CreateTime), "update_time": timestamp(v.UpdateTime),
		"peering_connections": []any{}, "pending_build_only_peering_connections": nil,
	}
}

func (c *call) vpcList() (any, error) {
	out := []any{}
	for _, v := range c.project.vpcs {
		out = append(out, v.view())
	}
	return map[string]any{"vpcs": out}, nil
}

func (c *call) vpcCreate() (any, error) {
	var in codegen.VpcCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if len(in.PeeringConnections) > 0 {
		return nil, badRequest("Invalid 'peering_connections': the simulator has no peering")
	}
	if !cloudNamePattern.MatchString(in.CloudName) {
		return nil, badRequest("Invalid 'cloud_name': '%s'", in.CloudName)
	}
	cidr, err := netip.ParsePrefix(in.NetworkCidr)
	if err != nil || cidr != cidr.Masked() || !cidr.Addr().Is4() || !cidr.Addr().IsPrivate() || cidr.Bits() < 16 || cidr.Bits() > 24 {
		return nil, badRequest("Invalid 'network_cidr': '%s' is not a private IPv4 network of /16 to /24", in.NetworkCidr)
	}
	for _, v := range c.project.vpcs {
		if v.Cloud == in.CloudName && v.NetworkCIDR == in.NetworkCidr && v.State != vpcDeleting {
			return nil, conflict("VPC %s in cloud %s already exists", v.NetworkCIDR, v.Cloud)
		}
	}
	v := &VPC{
		ID: c.server.newUUID(), Cloud: in.CloudName, NetworkCIDR: in.NetworkCidr, State: vpcApproved,
		CreateTime: c.now, UpdateTime: c.now, changesAt: deadline(c.now, c.server.timing.VPCBuild),
	}
	c.project.vpcs = append(c.project.vpcs, v)
	c.log("project_vpc_create", "", "Created VPC %s in cloud %s", v.NetworkCIDR, v.Cloud)
	return v.view(), nil
}

func (c *call) findVPC() (*VPC, error) {
	if v := c.project.vpc(c.vars["project_vpc_id"]); v != nil {
		return v, nil
	}
	return nil, notFound("VPC not found")
}

func (c *call) vpcGet() (any, error) {
	v, err := c.findVPC()
	if err != nil {
		return nil, err
	}
	return v.view(), nil
}

func (c *call) vpcDelete() (any, error) {
	v, err := c.findVPC()
	if err != nil {
		return nil, err
	}
	for _, sv := range c.project.services {
		sv.settle(c.now)
		if sv.ProjectVPCID == v.ID {
			return nil, conflict("VPC cannot be deleted while there are services in it")
		}
		if sv.leaving == v.ID {
			return nil, conflict("VPC cannot be deleted while there are services migrating from it")
		}
	}
	if v.State != vpcDeleting {
		v.State, v.UpdateTime, v.changesAt = vpcDeleting, c.now, deadline(c.now, c.server.timing.VPCDelete)
		c.log("project_vpc_delete", "", "Deleted VPC %s in cloud %s", v.NetworkCIDR, v.Cloud)
	}
	return v.view(), nil
}

// checkVPC refuses to put a service into a VPC that cannot take it.
func (p *project) checkVPC(sv *Service) error {
	if sv.ProjectVPCID == "" {
		return nil
	}
	v := p.vpc(sv.ProjectVPCID)
	switch {
	case v == nil:
		return notFound("VPC '%s' not found", sv.ProjectVPCID)
	case v.State != vpcActive:
		return conflict("VPC '%s' is not active", v.ID)
	case v.Cloud != sv.Cloud:
		return badRequest("Invalid 'project_vpc_id': the VPC is in cloud '%s', the service in '%s'", v.Cloud, sv.Cloud)
	}
	return nil
}

// FinishVPC ends APPROVED or DELETING of a VPC at once.
func (s *Server) FinishVPC(project, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.projects[project]
	if p == nil || p.vpc(id) == nil {
		return notFound("VPC not found")
	}
	v := p.vpc(id)
	if v.State != vpcActive && v.advance(time.Now()) {
		p.vpcs = slices.DeleteFunc(p.vpcs, func(o *VPC) bool { return o == v })
	}
	s.wake()
	return nil
}

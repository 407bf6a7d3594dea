// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"time"
)

// What every simulated API has: one organization with its account, one billing
// group and one card.
const (
	DefaultOrganizationID = "org0000000001"
	DefaultAccountID      = "a0000000001"
	DefaultBillingGroupID = "00000000-0000-4000-8000-000000000001"
	DefaultCardID         = "card-0000000001"
)

// unit is an organization or an organizational unit. Both have an id of the
// account form and one of the organization form.
type unit struct {
	organizationID string
	accountID      string
	name           string
	// root is the organization, which is its own root.
	root    *unit
	created time.Time
}

// billingGroup pays for projects.
type billingGroup struct {
	id      string
	name    string
	account *unit
	created time.Time
}

func newOrganization(now time.Time) *unit {
	u := &unit{organizationID: DefaultOrganizationID, accountID: DefaultAccountID, name: "Acme", created: now}
	u.root = u
	return u
}

func organizationRoutes() []route {
	return []route{
		{operation: "AccountList", method: http.MethodGet, pattern: "/v1/account", handle: (*call).accountList},
		{operation: "AccountGet", method: http.MethodGet, pattern: "/v1/account/{account_id}", handle: (*call).accountGet},
		{operation: "OrganizationGet", method: http.MethodGet, pattern: "/v1/organization/{organization_id}", handle: (*call).organizationGet},
		{operation: "UserOrganizationsList", method: http.MethodGet, pattern: "/v1/organizations", handle: (*call).organizationList},
		{operation: "BillingGroupList", method: http.MethodGet, pattern: "/v1/billing-group", handle: (*call).billingGroupList},
		{operation: "BillingGroupGet", method: http.MethodGet, pattern: "/v1/billing-group/{billing_group_id}", handle: (*call).billingGroupGet},
		{operation: "UserCreditCardsList", method: http.MethodGet, pattern: "/v1/card", handle: (*call).cardList},
	}
}

// unit finds a unit by its id in either form.
func (s *Server) unit(id string) *unit {
	for _, u := range s.units {
		if id != "" && (u.accountID == id || u.organizationID == id) {
			return u
		}
	}
	return nil
}

func (s *Server) billingGroup(id string) *billingGroup {
	for _, g := range s.billingGroups {
		if g.id == id {
			return g
		}
	}
	return nil
}

// AddUnit creates an organizational unit in the organization and returns its ids
// in the two forms that the API uses.
func (s *Server) AddUnit(name string) (accountID, organizationID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &unit{organizationID: s.newID("org"), accountID: s.newID("a"), name: name, root: s.units[0], created: time.Now()}
	s.units = append(s.units, u)
	return u.accountID, u.organizationID
}

// AddBillingGroup creates a billing group and returns its id.
func (s *Server) AddBillingGroup(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &billingGroup{id: s.newUUID(), name: name, account: s.units[0], created: time.Now()}
	s.billingGroups = append(s.billingGroups, g)
	return g.id
}

func (u *unit) accountView() map[string]any {
	out := map[string]any{
		"account_id": u.accountID, "account_name": u.name, "account_owner_team_id": "at0000000001",
		"create_time": timestamp(u.created), "update_time": timestamp(u.created), "is_account_member": true, "is_account_owner": true,
		"organization_id": u.organizationID, "parent_account_id": nil, "root_account_id": u.root.accountID,
		"primary_billing_group_id": DefaultBillingGroupID, "features": map[string]any{},
	}
	if u.root != u {
		out["parent_account_id"] = u.root.accountID
	}
	return out
}

func (u *unit) organizationView() map[string]any {
	return map[string]any{
		"account_id": u.accountID, "organization_id": u.organizationID, "organization_name": u.name, "tier": "business",
		"create_time": timestamp(u.created), "update_time": timestamp(u.created),
	}
}

func (c *call) accountList() (any, error) {
	out := []any{}
	for _, u := range c.server.units {
		out = append(out, u.accountView())
	}
	return map[string]any{"accounts": out}, nil
}

func (c *call) accountGet() (any, error) {
	for _, u := range c.server.units {
		if u.accountID == c.vars["account_id"] {
			return map[string]any{"account": u.accountView()}, nil
		}
	}
	return nil, notFound("Account does not exist")
}

func (c *call) organizationGet() (any, error) {
	for _, u := range c.server.units {
		if u.organizationID == c.vars["organization_id"] {
			return u.organizationView(), nil
		}
	}
	return nil, notFound("Organization does not exist")
}

func (c *call) organizationList() (any, error) {
	return map[string]any{"organizations": []any{c.server.units[0].organizationView()}}, nil
}

func (g *billingGroup) view() map[string]any {
	return map[string]any{
		"account_id": g.account.accountID, "account_name": g.account.name, "address_lines": []any{}, "billing_address": "",
		"billing_address_id": "", "billing_contact_emails": []any{}, "billing_currency": "USD", "billing_emails": []any{},
		"billing_extra_text": "", "billing_group_id": g.id, "billing_group_name": g.name, "billing_type": "card_stripe",
		"card_info": card(), "city": "", "company": "", "country": "", "country_code": "", "create_time": timestamp(g.created),
		"estimated_balance_local": "0.00", "estimated_balance_usd": "0.00", "payment_method": "no_payment_expected",
		"shipping_address_id": "", "state": "", "vat_id": "", "zip_code": "",
	}
}

func (c *call) billingGroupList() (any, error) {
	out := []any{}
	for _, g := range c.server.billingGroups {
		out = append(out, g.view())
	}
	return map[string]any{"billing_groups": out}, nil
}

func (c *call) billingGroupGet() (any, error) {
	if g := c.server.billingGroup(c.vars["billing_group_id"]); g != nil {
		return map[string]any{"billing_group": g.view()}, nil
	}
	return nil, notFound("Billing group does not exist")
}

func card() map[string]any {
	return map[string]any{
		"brand": "Visa", "card_id": DefaultCardID, "country": "Finland", "country_code": "FI",
		"exp_month": 12, "exp_year": 2099, "last4": "4242", "name": "Acme", "user_email": "owner@example.com",
	}
}

func (c *call) cardList() (any, error) {
	view := card()
	view["projects"] = []any{}
	return map[string]any{"cards": []any{view}}, nil
}

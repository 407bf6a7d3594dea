// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"regexp"
	"slices"
	"strings"

	codegen "github.com/aiven/go-client-codegen/handler/project"
)

// ProjectSettings is what a project is besides its name. Emails are without
// duplicates and have a domain in lower case.
type ProjectSettings struct {
	// AccountID is the organization or unit that the project is in, in the form
	// of an account.
	AccountID        string
	OrganizationID   string
	BillingGroupID   string
	BillingAddress   string
	BillingCurrency  string
	BillingEmails    []string
	BillingExtraText string
	CardID           string
	Cloud            string
	Company          string
	CountryCode      string
	VatID            string
	Tags             map[string]string
	TechEmails       []string
	// BasePort is 0 when none was asked for.
	BasePort         int
	EstimatedBalance string
	AvailableCredits string
}

func (s *Server) defaultSettings() ProjectSettings {
	root := s.units[0]
	return ProjectSettings{
		AccountID: root.accountID, OrganizationID: root.organizationID, BillingGroupID: DefaultBillingGroupID,
		Cloud: defaultCloud, Tags: map[string]string{}, EstimatedBalance: "0.00", AvailableCredits: "0.00",
	}
}

// view is the project as ProjectGet shows it.
func (p *project) view(s *Server) map[string]any {
	set := p.settings
	payment, group := "no_payment_expected", ""
	out := map[string]any{}
	if set.CardID != "" {
		payment = "card"
		out["card_info"] = card()
	}
	if g := s.billingGroup(set.BillingGroupID); g != nil {
		group = g.name
	}
	for key, value := range map[string]any{
		"account_id": set.AccountID, "organization_id": set.OrganizationID, "project_name": p.name,
		"available_credits": set.AvailableCredits, "estimated_balance": set.EstimatedBalance, "estimated_balance_local": set.EstimatedBalance,
		"billing_address": set.BillingAddress, "billing_emails": emails(set.BillingEmails), "billing_extra_text": nullable(set.BillingExtraText),
		"billing_group_id": set.BillingGroupID, "billing_group_name": group, "company": set.Company,
		"country": countryName(set.CountryCode), "country_code": set.CountryCode, "default_cloud": set.Cloud,
		"payment_method": payment, "tags": set.Tags, "tech_emails": emails(set.TechEmails), "vat_id": set.VatID,
		"features": map[string]any{},
	} {
		out[key] = value
	}
	if set.BillingCurrency != "" {
		out["billing_currency"] = set.BillingCurrency
	}
	return out
}

// countryName knows the names of a few countries; others keep their code.
func countryName(code string) string {
	names := map[string]string{"DE": "Germany", "FI": "Finland", "FR": "France", "GB": "United Kingdom", "US": "United States"}
	if name, ok := names[code]; ok {
		return name
	}
	return code
}

// normalEmails drops duplicates and writes the domains in lower case.
func normalEmails(field string, in []string) ([]string, error) {
	var out []string
	for _, address := range in {
		at := strings.LastIndexByte(address, '@')
		if at < 1 || at == len(address)-1 {
			return nil, badRequest("Invalid '%s': '%s' is not an email address", field, address)
		}
		address = address[:at] + strings.ToLower(address[at:])
		if !slices.Contains(out, address) {
			out = append(out, address)
		}
	}
	if len(out) > 10 {
		return nil, badRequest("Invalid '%s': more than 10 items", field)
	}
	return out, nil
}

func checkTags(tags map[string]string) error {
	for key := range tags {
		if !tagKeyPattern.MatchString(key) {
			return badRequest("Invalid 'tags': the key '%s' does not match '%s'", key, tagKeyPattern)
		}
	}
	return nil
}

var countryCodePattern = regexp.MustCompile(`^([A-Z]{2})?$`)

// apply changes what the request gives. Creation uses it, too: its request has
// the same fields and a few more.
func (set *ProjectSettings) apply(s *Server, in codegen.ProjectUpdateIn) error {
	if in.AccountId != nil {
		u := s.unit(*in.AccountId)
		if u == nil {
			return notFound("Account does not exist")
		}
		set.AccountID, set.OrganizationID = u.accountID, u.root.organizationID
	}
	if in.BillingGroupId != nil {
		if s.billingGroup(*in.BillingGroupId) == nil {
			return notFound("Billing group does not exist")
		}
		set.BillingGroupID = *in.BillingGroupId
	}
	if in.CardId != nil {
		if *in.CardId != "" && *in.CardId != DefaultCardID {
			return notFound("Card does not exist")
		}
		set.CardID = *in.CardId
	}
	if in.Cloud != nil {
		if !cloudNamePattern.MatchString(*in.Cloud) {
			return badRequest("Invalid 'cloud': '%s'", *in.Cloud)
		}
		set.Cloud = *in.Cloud
	}
	if in.CountryCode != nil && !countryCodePattern.MatchString(*in.CountryCode) {
		return badRequest("Invalid 'country_code': '%s'", *in.CountryCode)
	}
	if err := oneOf("billing_currency", in.BillingCurrency, codegen.BillingCurrencyTypeChoices()); err != nil {
		return err
	}
	if in.BillingCurrency != "" {
		set.BillingCurrency = string(in.BillingCurrency)
	}
	for value, target := range map[*string]*string{
		in.BillingAddress: &set.BillingAddress, in.BillingExtraText: &set.BillingExtraText, in.Company: &set.Company,
		in.CountryCode: &set.CountryCode, in.VatId: &set.VatID,
	} {
		if value != nil {
			*target = *value
		}
	}
	if in.Tags != nil {
		if err := checkTags(*in.Tags); err != nil {
			return err
		}
		set.Tags = deepCopy(*in.Tags)
	}
	return set.applyEmails(in)
}

func (set *ProjectSettings) applyEmails(in codegen.ProjectUpdateIn) error {
	var err error
	if in.TechEmails != nil {
		var list []string
		for _, e := range *in.TechEmails {
			list = append(list, e.Email)
		}
		if set.TechEmails, err = normalEmails("tech_emails", list); err != nil {
			return err
		}
	}
	if in.BillingEmails != nil {
		var list []string
		for _, e := range *in.BillingEmails {
			list = append(list, e.Email)
		}
		set.BillingEmails, err = normalEmails("billing_emails", list)
	}
	return err
}

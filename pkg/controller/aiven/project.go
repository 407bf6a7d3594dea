// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"strings"

	api "github.com/aiven/go-client-codegen/handler/project"
	"github.com/aiven/go-client-codegen/handler/user"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// aivenProject handles Project objects.
type aivenProject struct{}

// Identity implements identifier.
func (aivenProject) Identity(obj *v1alpha1.Project) string { return projectIdentity(obj.RemoteName()) }

func (aivenProject) read(r *remote, obj *v1alpha1.Project) (*aiven.Reading[api.ProjectGetOut], error) {
	name := obj.RemoteName()
	return aiven.Read(r.Client, aiven.Resource[api.ProjectGetOut]{
		Kind: "project", Project: name,
		Fetch: func(ctx context.Context, d aiven.Doer) (*api.ProjectGetOut, error) {
			h := api.NewHandler(d)
			return h.ProjectGet(ctx, name)
		},
	})
}

func (h aivenProject) Observe(_ context.Context, r *remote, obj *v1alpha1.Project) (reconcile.Observation, error) {
	reading, err := h.read(r, obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	got := reading.Value()
	if got == nil {
		return reconcile.Observation{}, nil
	}
	status := &obj.Status
	status.VatID, status.AvailableCredits, status.EstimatedBalance = got.VatId, deref(got.AvailableCredits), got.EstimatedBalance
	status.Country, status.PaymentMethod = got.Country, got.PaymentMethod
	fields := compareProject(obj, got)
	obs := reconcile.Observation{Exists: true, Ready: true, Differs: fields.differs, Note: joinNotes(fields.notes...)}
	if len(obs.Differs) == 0 {
		rememberGiven(obj, &obj.Status.SettingsStatus, fields)
	}
	obs.Connection, err = r.projectConnection(obj, obj.RemoteName(), unprefixed)
	return obs, err
}

// compareProject compares a project with the spec. What was copied from another
// project is not the spec's.
func compareProject(obj *v1alpha1.Project, got *api.ProjectGetOut) optionalFields {
	spec := &obj.Spec
	text := func(name, want, shown string) optionalField {
		return optionalField{name: name, named: want != "", equal: want == shown, kept: keptNote(name, shown)}
	}
	card := deref(got.CardInfo)
	cardID := text("cardId", spec.CardID, card.CardId)
	cardID.equal = cardID.equal || spec.CardID == card.Last4
	account := text("accountId", spec.AccountID, got.AccountId)
	account.equal = account.equal || spec.AccountID == got.OrganizationId
	fields := append([]optionalField{
		account,
		text("billingAddress", spec.BillingAddress, got.BillingAddress),
		text("billingCurrency", spec.BillingCurrency, string(got.BillingCurrency)),
		text("billingExtraText", spec.BillingExtraText, deref(got.BillingExtraText)),
		text("billingGroupId", spec.BillingGroupID, got.BillingGroupId),
		cardID,
		text("cloud", spec.Cloud, got.DefaultCloud),
		text("countryCode", spec.CountryCode, got.CountryCode),
		{
			name: fieldBillingEmails, named: spec.BillingEmails != nil,
			equal: addressesEqual(spec.BillingEmails, addresses(got.BillingEmails, func(e api.BillingEmailOut) string { return e.Email })),
		},
	}, projectFields(spec.Tags, spec.TechnicalEmails, got.Tags, addresses(got.TechEmails, func(e api.TechEmailOut) string { return e.Email }))...)
	return compareOptional(obj.Status.Settings, fields...)
}

const fieldBillingEmails = "billingEmails"

// change is what a create and an update send alike: what the spec says, and what
// goes back to its default.
func (h aivenProject) change(ctx context.Context, r *remote, obj *v1alpha1.Project, fields optionalFields) (*api.ProjectUpdateIn, error) {
	spec := obj.Spec
	in := &api.ProjectUpdateIn{
		AccountId:        optional(spec.AccountID),
		BillingAddress:   optional(spec.BillingAddress),
		BillingCurrency:  api.BillingCurrencyType(spec.BillingCurrency),
		BillingExtraText: optional(spec.BillingExtraText),
		BillingGroupId:   optional(spec.BillingGroupID),
		Cloud:            optional(spec.Cloud),
		CountryCode:      optional(spec.CountryCode),
	}
	if fields.sends(fieldBillingEmails) {
		in.BillingEmails = addressed(spec.BillingEmails, func(a string) api.BillingEmailIn { return api.BillingEmailIn{Email: a} })
	}
	if fields.sends(fieldEmails) {
		in.TechEmails = addressed(spec.TechnicalEmails, func(a string) api.TechEmailIn { return api.TechEmailIn{Email: a} })
	}
	if fields.sends(fieldTags) {
		in.Tags = new(tagsOf(spec.Tags))
	}
	if spec.CardID != "" {
		id, err := h.card(ctx, r, spec.CardID)
		if err != nil {
			return nil, err
		}
		in.CardId = &id
	}
	return in, nil
}

// card returns the id of the card that a spec names by it or by its last digits.
func (aivenProject) card(ctx context.Context, r *remote, name string) (string, error) {
	users := user.NewHandler(r)
	cards, err := users.UserCreditCardsList(ctx)
	if err != nil {
		return "", err
	}
	for _, c := range cards {
		if c.CardId == name || c.Last4 == name {
			return c.CardId, nil
		}
	}
	return "", invalidWith(fmt.Sprintf("The token's user has no card %q, named by spec.cardId. Add the card to that user, or correct spec.cardId.", strings.TrimSpace(name)))
}

func (h aivenProject) Create(ctx context.Context, r *remote, obj *v1alpha1.Project) error {
	fields := compareProject(obj, &api.ProjectGetOut{})
	in, err := h.change(ctx, r, obj, fields)
	if err != nil {
		return err
	}
	_, err = r.projects().ProjectCreate(ctx, &api.ProjectCreateIn{
		AccountId:        in.AccountId,
		BillingAddress:   in.BillingAddress,
		BillingCurrency:  in.BillingCurrency,
		BillingEmails:    in.BillingEmails,
		BillingExtraText: in.BillingExtraText,
		BillingGroupId:   in.BillingGroupId,
		CardId:           in.CardId,
		Cloud:            in.Cloud,
		CopyFromProject:  optional(obj.Spec.CopyFromProject),
		CountryCode:      in.CountryCode,
		Project:          obj.RemoteName(),
		Tags:             in.Tags,
		TechEmails:       in.TechEmails,
	})
	if err == nil {
		rememberGiven(obj, &obj.Status.SettingsStatus, fields)
	}
	return err
}

func (h aivenProject) Update(ctx context.Context, r *remote, obj *v1alpha1.Project) error {
	reading, err := h.read(r, obj)
	if err != nil {
		return err
	}
	got := reading.Value()
	if got == nil {
		return reconcile.Retryable("the project vanished during an update")
	}
	fields := compareProject(obj, got)
	in, err := h.change(ctx, r, obj, fields)
	if err != nil {
		return err
	}
	if _, err = r.projects().ProjectUpdate(ctx, obj.RemoteName(), in); err == nil {
		rememberGiven(obj, &obj.Status.SettingsStatus, fields)
	}
	return err
}

func (h aivenProject) Delete(ctx context.Context, r *remote, obj *v1alpha1.Project) (bool, error) {
	reading, err := h.read(r, obj)
	if err != nil || reading.Value() == nil {
		return err == nil, err
	}
	err = r.projects().ProjectDelete(ctx, obj.RemoteName())
	return false, projectInUse(err)
}

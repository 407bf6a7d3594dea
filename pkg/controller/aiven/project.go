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
	obs := reconcile.Observation{Exists: true, Ready: true, Differs: projectDiffers(&obj.Spec, got)}
	obs.Connection, err = r.projectConnection(obj, obj.RemoteName(), unprefixed)
	return obs, err
}

// projectDiffers names the settings in which a project is not what the spec
// says. What the spec leaves out is not compared, but for tags and technical
// emails: there an empty list means none, unless another project was copied.
func projectDiffers(spec *v1alpha1.ProjectSpec, got *api.ProjectGetOut) []string {
	var differs differences
	text := func(want, got, field string) { differs.add(want != "" && want != got, field) }
	if spec.AccountID != got.OrganizationId {
		text(spec.AccountID, got.AccountId, "accountId")
	}
	text(spec.BillingAddress, got.BillingAddress, "billingAddress")
	text(spec.BillingCurrency, string(got.BillingCurrency), "billingCurrency")
	text(spec.BillingExtraText, deref(got.BillingExtraText), "billingExtraText")
	text(spec.BillingGroupID, got.BillingGroupId, "billingGroupId")
	if card := deref(got.CardInfo); spec.CardID != card.Last4 {
		text(spec.CardID, card.CardId, "cardId")
	}
	text(spec.Cloud, got.DefaultCloud, "cloud")
	text(spec.CountryCode, got.CountryCode, "countryCode")
	billing := addresses(got.BillingEmails, func(e api.BillingEmailOut) string { return e.Email })
	differs.add(len(spec.BillingEmails) > 0 && !addressesEqual(spec.BillingEmails, billing), "billingEmails")
	wanted := projectSettings{tags: spec.Tags, emails: spec.TechnicalEmails, copied: spec.CopyFromProject != ""}
	wanted.compare(&differs, got.Tags, addresses(got.TechEmails, func(e api.TechEmailOut) string { return e.Email }))
	return differs
}

// change is what a create and an update send alike.
func (h aivenProject) change(ctx context.Context, r *remote, obj *v1alpha1.Project) (*api.ProjectUpdateIn, error) {
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
	if len(spec.BillingEmails) > 0 {
		in.BillingEmails = addressed(spec.BillingEmails, func(a string) api.BillingEmailIn { return api.BillingEmailIn{Email: a} })
	}
	copied := spec.CopyFromProject != ""
	if !copied || len(spec.TechnicalEmails) > 0 {
		in.TechEmails = addressed(spec.TechnicalEmails, func(a string) api.TechEmailIn { return api.TechEmailIn{Email: a} })
	}
	if !copied || len(spec.Tags) > 0 {
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
	in, err := h.change(ctx, r, obj)
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
	return err
}

func (h aivenProject) Update(ctx context.Context, r *remote, obj *v1alpha1.Project) error {
	in, err := h.change(ctx, r, obj)
	if err != nil {
		return err
	}
	_, err = r.projects().ProjectUpdate(ctx, obj.RemoteName(), in)
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

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"slices"
	"testing"
	"time"

	"github.com/aiven/go-client-codegen/handler/account"
	"github.com/aiven/go-client-codegen/handler/billinggroup"
	"github.com/aiven/go-client-codegen/handler/organization"
	"github.com/aiven/go-client-codegen/handler/organizationprojects"
	projecthandler "github.com/aiven/go-client-codegen/handler/project"
	"github.com/aiven/go-client-codegen/handler/service"
	"github.com/aiven/go-client-codegen/handler/upgradepipeline"
	"github.com/aiven/go-client-codegen/handler/user"
	"github.com/aiven/go-client-codegen/handler/vpc"
)

func TestVPC(t *testing.T) {
	s := startSim(t, Options{Timing: Timing{VPCBuild: -1, VPCDelete: -1, ServiceChange: -1}})
	ctx, handler := t.Context(), vpc.NewHandler(s.doer)
	_, err := handler.VpcCreate(ctx, testProject, &vpc.VpcCreateIn{CloudName: "aws-eu-west-1", NetworkCidr: "8.8.8.0/24"})
	wantStatus(t, err, 400, "network_cidr")
	created, err := handler.VpcCreate(ctx, testProject, &vpc.VpcCreateIn{CloudName: defaultCloud, NetworkCidr: "10.0.0.0/24"})
	must(t, err)
	id := created.ProjectVpcId
	_, err = s.service.ServiceCreate(ctx, testProject, &service.ServiceCreateIn{ServiceName: "db", ServiceType: "pg", Plan: "startup-4", ProjectVpcId: &id})
	wantStatus(t, err, 409, "not active")
	must(t, s.FinishVPC(testProject, id))
	_, err = s.service.ServiceCreate(ctx, testProject, &service.ServiceCreateIn{ServiceName: "db", ServiceType: "pg", Plan: "startup-4", ProjectVpcId: &id})
	must(t, err)
	_, err = handler.VpcDelete(ctx, testProject, id)
	wantStatus(t, err, 409, "VPC cannot be deleted while there are services in it")
	must(t, s.raw(t, "PUT", "/v1/project/acme/service/db", `{"project_vpc_id":null}`))
	_, err = handler.VpcDelete(ctx, testProject, id)
	wantStatus(t, err, 409, "migrating from it")
	must(t, s.FinishService(testProject, "db"))
	deleted, err := handler.VpcDelete(ctx, testProject, id)
	must(t, err)
	if created.State != "APPROVED" || deleted.State != "DELETING" {
		t.Errorf("states are %s and %s", created.State, deleted.State)
	}
	must(t, s.FinishVPC(testProject, id))
	_, err = handler.VpcGet(ctx, testProject, id)
	wantStatus(t, err, 404, "VPC not found")
}

func TestVPCBecomesActive(t *testing.T) {
	s := startSim(t, Options{Timing: Timing{VPCBuild: 20 * time.Millisecond}})
	_, err := s.OutsideProject(testProject).CreateVPC(defaultCloud, "10.0.0.0/24")
	must(t, err)
	must(t, s.WaitUntil(testContext(t), func() bool { return s.Project(testProject).VPCs()[0].State == vpcActive }))
}

func TestIntegrations(t *testing.T) {
	s := startSim(t, Options{})
	ctx := t.Context()
	s.create(t, "kafka", "kafka", "business-4")
	s.create(t, "kafka_connect", "connect", "startup-4")
	created, err := s.service.ServiceIntegrationCreate(ctx, testProject, &service.ServiceIntegrationCreateIn{
		IntegrationType: "kafka_connect", SourceService: new("kafka"), DestService: new("connect"),
		UserConfig: &map[string]any{"kafka_connect": map[string]any{"group_id": "connect"}}})
	must(t, err)
	if !created.Active || !created.Enabled || created.SourceServiceType != "kafka" || created.DestServiceType != "kafka_connect" {
		t.Errorf("integration is %+v", created)
	}
	for _, name := range []string{"kafka", "connect"} {
		if list := s.get(t, name, false).ServiceIntegrations; len(list) != 1 || list[0].ServiceIntegrationId != created.ServiceIntegrationId {
			t.Errorf("%s lists %+v", name, list)
		}
	}
	config := map[string]any{"kafka_connect": map[string]any{"group_id": "connect"}}
	_, err = s.service.ServiceIntegrationUpdate(ctx, testProject, created.ServiceIntegrationId, &service.ServiceIntegrationUpdateIn{UserConfig: config})
	wantStatus(t, err, 400, "ser config not changed")
	config["kafka_connect"].(map[string]any)["group_id"] = "other"
	updated, err := s.service.ServiceIntegrationUpdate(ctx, testProject, created.ServiceIntegrationId, &service.ServiceIntegrationUpdateIn{UserConfig: config})
	must(t, err)
	if got, _ := updated.UserConfig["kafka_connect"].(map[string]any); got["group_id"] != "other" {
		t.Errorf("configuration is %v", updated.UserConfig)
	}
	_, err = s.service.ServiceIntegrationCreate(ctx, testProject, &service.ServiceIntegrationCreateIn{
		IntegrationType: "kafka_connect", SourceService: new("connect"), DestService: new("kafka")})
	wantStatus(t, err, 400, "source_service")
	must(t, s.service.ServiceDelete(ctx, testProject, "connect"))
	if list := s.get(t, "kafka", false).ServiceIntegrations; len(list) != 0 {
		t.Errorf("the integrations of a deleted service are left: %+v", list)
	}
}

func TestIntegrationEndpoints(t *testing.T) {
	s := startSim(t, Options{})
	ctx := t.Context()
	s.create(t, "pg", "db", "startup-4")
	created, err := s.service.ServiceIntegrationEndpointCreate(ctx, testProject, &service.ServiceIntegrationEndpointCreateIn{
		EndpointName: "dd", EndpointType: "datadog", UserConfig: map[string]any{"datadog_api_key": "abc", "site": "datadoghq.eu"}})
	must(t, err)
	hidden, err := s.service.ServiceIntegrationEndpointGet(ctx, testProject, created.EndpointId)
	must(t, err)
	shown, err := s.service.ServiceIntegrationEndpointGet(ctx, testProject, created.EndpointId, service.ServiceIntegrationEndpointGetIncludeSecrets(true))
	must(t, err)
	if hidden.UserConfig["datadog_api_key"] != nil || hidden.UserConfig["site"] != "datadoghq.eu" || shown.UserConfig["datadog_api_key"] != "abc" {
		t.Errorf("hidden %v, shown %v", hidden.UserConfig, shown.UserConfig)
	}
	_, err = s.service.ServiceIntegrationEndpointCreate(ctx, testProject, &service.ServiceIntegrationEndpointCreateIn{EndpointName: "x", EndpointType: "datadog", UserConfig: map[string]any{}})
	wantStatus(t, err, 400, "datadog_api_key")
	id, err := s.OutsideProject(testProject).CreateIntegration(map[string]any{"integration_type": "datadog", "source_service": "db", "dest_endpoint_id": created.EndpointId})
	must(t, err)
	wantStatus(t, s.service.ServiceIntegrationEndpointDelete(ctx, testProject, created.EndpointId), 409, "in use")
	must(t, s.OutsideProject(testProject).UpdateEndpoint(created.EndpointId, map[string]any{"site": "datadoghq.com"}))
	must(t, s.OutsideProject(testProject).DeleteIntegration(id))
	must(t, s.OutsideProject(testProject).DeleteEndpoint(created.EndpointId))
	if n := len(s.Project(testProject).Endpoints()); n != 0 {
		t.Errorf("%d endpoints are left", n)
	}
}

func TestProjects(t *testing.T) {
	s := startSim(t, Options{})
	ctx := t.Context()
	users := user.NewHandler(s.doer)
	cards, err := users.UserCreditCardsList(ctx)
	must(t, err)
	created, err := s.project.ProjectCreate(ctx, &projecthandler.ProjectCreateIn{
		Project: "new", BillingAddress: new("NYC"), Cloud: new("aws-eu-west-1"), CardId: &cards[0].CardId, CountryCode: new("FI"),
		Tags: &map[string]string{"env": "prod"}, TechEmails: &[]projecthandler.TechEmailIn{{Email: "a@EXAMPLE.com"}, {Email: "a@example.com"}}})
	must(t, err)
	if created.BillingAddress != "NYC" || created.EstimatedBalance != "0.00" || created.PaymentMethod != "card" || created.Country != "Finland" ||
		len(created.TechEmails) != 1 || created.TechEmails[0].Email != "a@example.com" || created.Tags["env"] != "prod" {
		t.Errorf("project is %+v", created)
	}
	updated, err := s.project.ProjectUpdate(ctx, "new", &projecthandler.ProjectUpdateIn{Tags: &map[string]string{}, BillingAddress: new("LA")})
	must(t, err)
	if updated.BillingAddress != "LA" || len(updated.Tags) != 0 || updated.CountryCode != "FI" {
		t.Errorf("updated project is %+v", updated)
	}
	_, err = s.project.ProjectCreate(ctx, &projecthandler.ProjectCreateIn{Project: "new"})
	wantStatus(t, err, 409, "already exists")
	must(t, s.SetBalance("new", "1.50"))
	wantStatus(t, s.project.ProjectDelete(ctx, "new"), 403, "open balance")
	must(t, s.SetBalance("new", "0.00"))
	must(t, s.project.ProjectDelete(ctx, "new"))
	_, err = s.project.ProjectGet(ctx, "new")
	wantStatus(t, err, 404, "Project does not exist")
}

func TestOrganizationProjects(t *testing.T) {
	s := startSim(t, Options{})
	ctx, handler := t.Context(), organizationprojects.NewHandler(s.doer)
	accountID, unitID := s.AddUnit("team")
	billing, organizations, accounts := billinggroup.NewHandler(s.doer), organization.NewHandler(s.doer), account.NewHandler(s.doer)
	groups, err := billing.BillingGroupList(ctx)
	must(t, err)
	org, err := organizations.OrganizationGet(ctx, unitID)
	must(t, err)
	acc, err := accounts.AccountGet(ctx, accountID)
	must(t, err)
	if org.AccountId != accountID || acc.OrganizationId != unitID || acc.RootAccountId != DefaultAccountID {
		t.Errorf("organization %+v, account %+v", org, acc)
	}
	created, err := handler.OrganizationProjectsCreate(ctx, DefaultOrganizationID, &organizationprojects.OrganizationProjectsCreateIn{
		ProjectId: "new", ParentId: &unitID, BillingGroupId: groups[0].BillingGroupId, BasePort: new(12000), Tags: map[string]string{}})
	must(t, err)
	if created.ParentId != accountID || created.OrganizationId != DefaultOrganizationID || *created.BasePort != 12000 {
		t.Errorf("project is %+v", created)
	}
	updated, err := handler.OrganizationProjectsUpdate(ctx, DefaultOrganizationID, "new", &organizationprojects.OrganizationProjectsUpdateIn{
		Tags: &map[string]string{"a": "b"}, TechEmails: &[]organizationprojects.TechEmailIn{{Email: "x@Example.com"}}})
	must(t, err)
	if updated.Tags["a"] != "b" || updated.TechEmails[0].Email != "x@example.com" || *updated.BasePort != 12000 {
		t.Errorf("updated project is %+v", updated)
	}
	_, err = handler.OrganizationProjectsGet(ctx, "org-absent", "new")
	wantStatus(t, err, 404, "Organization")
	must(t, handler.OrganizationProjectsDelete(ctx, DefaultOrganizationID, "new"))
	wantStatus(t, handler.OrganizationProjectsDelete(ctx, DefaultOrganizationID, "new"), 404, "Project does not exist")
}

func TestUpgradePipeline(t *testing.T) {
	s := startSim(t, Options{})
	ctx, handler := t.Context(), upgradepipeline.NewHandler(s.doer)
	for _, name := range []string{"dev", "test", "prod"} {
		s.create(t, "pg", name, "startup-4")
	}
	in := &upgradepipeline.UpgradePipelineStepCreateIn{
		SourceProjectName: testProject, SourceServiceName: "dev", DestinationProjectName: testProject, DestinationServiceName: "prod"}
	created, err := handler.UpgradePipelineStepCreate(ctx, DefaultOrganizationID, in)
	must(t, err)
	_, err = handler.UpgradePipelineStepCreate(ctx, DefaultOrganizationID, in)
	wantStatus(t, err, 409, "already exists")
	in.SourceServiceName = "test"
	_, err = handler.UpgradePipelineStepCreate(ctx, DefaultOrganizationID, in)
	must(t, err)
	updated, err := handler.UpgradePipelineStepUpdate(ctx, DefaultOrganizationID, created.StepId, &upgradepipeline.UpgradePipelineStepUpdateIn{AutoValidationDelayDays: new(3)})
	must(t, err)
	if created.AutoValidationDelayDays != 7 || updated.AutoValidationDelayDays != 3 {
		t.Errorf("delays are %d and %d", created.AutoValidationDelayDays, updated.AutoValidationDelayDays)
	}
	must(t, handler.UpgradePipelineStepValidate(ctx, testProject, "dev", &upgradepipeline.UpgradePipelineStepValidateIn{Comment: new("fine")}))
	var found []string
	for cursor := ""; ; {
		page, err := handler.UpgradePipelineStepList(ctx, DefaultOrganizationID, upgradepipeline.UpgradePipelineStepListLimit(1), upgradepipeline.UpgradePipelineStepListCursor(cursor))
		must(t, err)
		for _, step := range page.Steps {
			found = append(found, step.SourceServiceName+" "+step.LastValidation.Comment)
		}
		if page.Next == nil {
			break
		}
		cursor = *page.Next
	}
	if !slices.Equal(found, []string{"dev fine", "test "}) {
		t.Errorf("steps are %q", found)
	}
	one, err := handler.UpgradePipelineStepList(ctx, DefaultOrganizationID, upgradepipeline.UpgradePipelineStepListSourceServiceName("test"))
	must(t, err)
	if len(one.Steps) != 1 || s.UpgradeSteps()[0].Comment != "fine" {
		t.Errorf("filtered steps are %+v", one.Steps)
	}
	must(t, handler.UpgradePipelineStepDelete(ctx, DefaultOrganizationID, created.StepId))
	_, err = handler.UpgradePipelineStepGet(ctx, DefaultOrganizationID, created.StepId)
	wantStatus(t, err, 404, "step not found")
}

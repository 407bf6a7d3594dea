// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aiven/go-client-codegen/handler/kafka"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// kafkaQuota handles KafkaQuota objects. User and client id are the identity of
// a quota.
type kafkaQuota struct{}

// quotas reads the quotas of a service, all with one request. The official
// client's type for the answer can't tell a limit of 0 from none; that of a
// single quota can.
func (r *remote) quotas(project, service string) (*aiven.Reading[[]kafka.ServiceKafkaQuotaDescribeOut], error) {
	return aiven.Read(r.Client, aiven.Resource[[]kafka.ServiceKafkaQuotaDescribeOut]{
		Kind: "quotas", Project: project, Service: service,
		Fetch: func(ctx context.Context, d aiven.Doer) (*[]kafka.ServiceKafkaQuotaDescribeOut, error) {
			path := fmt.Sprintf("/v1/project/%s/service/%s/quota", url.PathEscape(project), url.PathEscape(service))
			answer, err := d.Do(ctx, "ServiceKafkaQuotaList", http.MethodGet, path, nil)
			if err != nil {
				return nil, err
			}
			var out struct {
				Quotas []kafka.ServiceKafkaQuotaDescribeOut `json:"quotas"`
			}
			if err := json.Unmarshal(answer, &out); err != nil {
				return nil, fmt.Errorf("decode quotas: %w", err)
			}
			return &out.Quotas, nil
		},
	})
}

// findQuota returns the object's quota, nil if there is none.
func (r *remote) findQuota(obj *v1alpha1.KafkaQuota) (*kafka.ServiceKafkaQuotaDescribeOut, error) {
	reading, err := r.quotas(obj.Spec.Project, obj.Spec.ServiceName)
	if err != nil {
		return nil, err
	}
	all := deref(reading.Value())
	for i := range all {
		if q := &all[i]; deref(q.User) == obj.Spec.User && deref(q.ClientId) == obj.Spec.ClientID {
			return q, nil
		}
	}
	return nil, nil
}

func (kafkaQuota) Observe(_ context.Context, r *remote, obj *v1alpha1.KafkaQuota) (reconcile.Observation, error) {
	if _, err := r.runningService(obj); err != nil {
		return reconcile.Observation{}, err
	}
	quota, err := r.findQuota(obj)
	if err != nil || quota == nil {
		return reconcile.Observation{}, err
	}
	differs, _ := quotaDiffers(&obj.Spec, quota)
	return reconcile.Observation{Exists: true, Ready: true, Differs: differs}, nil
}

// quotaDiffers names the limits in which a quota is not what the spec says, and
// tells whether it has one that the spec does not have. The spec holds all of
// them.
func quotaDiffers(spec *v1alpha1.KafkaQuotaSpec, quota *kafka.ServiceKafkaQuotaDescribeOut) (differs []string, excess bool) {
	for _, limit := range []struct {
		name      string
		want, got *float64
	}{
		{"consumerByteRate", toFloat(spec.ConsumerByteRate), quota.ConsumerByteRate},
		{"producerByteRate", toFloat(spec.ProducerByteRate), quota.ProducerByteRate},
		{"requestPercentage", spec.RequestPercentage, quota.RequestPercentage},
	} {
		if (limit.want == nil) != (limit.got == nil) || deref(limit.want) != deref(limit.got) {
			differs = append(differs, limit.name)
			excess = excess || limit.want == nil
		}
	}
	return differs, excess
}

func toFloat(p *int64) *float64 {
	if p == nil {
		return nil
	}
	return new(float64(*p))
}

func (kafkaQuota) Create(ctx context.Context, r *remote, obj *v1alpha1.KafkaQuota) error {
	return r.kafka().ServiceKafkaQuotaCreate(ctx, obj.Spec.Project, obj.Spec.ServiceName, &kafka.ServiceKafkaQuotaCreateIn{
		User:              optional(obj.Spec.User),
		ClientId:          optional(obj.Spec.ClientID),
		ConsumerByteRate:  toFloat(obj.Spec.ConsumerByteRate),
		ProducerByteRate:  toFloat(obj.Spec.ProducerByteRate),
		RequestPercentage: obj.Spec.RequestPercentage,
	})
}

// Update sets limits in place. Aiven keeps those that it is not given, so one
// that has to go takes the whole quota with it for a moment.
func (h kafkaQuota) Update(ctx context.Context, r *remote, obj *v1alpha1.KafkaQuota) error {
	quota, err := r.findQuota(obj)
	if err != nil {
		return err
	}
	if quota != nil {
		if _, excess := quotaDiffers(&obj.Spec, quota); excess {
			if err := h.remove(ctx, r, obj); err != nil {
				return err
			}
		}
	}
	return h.Create(ctx, r, obj)
}

func (h kafkaQuota) Delete(ctx context.Context, r *remote, obj *v1alpha1.KafkaQuota) (bool, error) {
	quota, err := r.findQuota(obj)
	if err != nil || quota == nil {
		return err == nil, err
	}
	return false, h.remove(ctx, r, obj)
}

func (kafkaQuota) remove(ctx context.Context, r *remote, obj *v1alpha1.KafkaQuota) error {
	var selector [][2]string
	if obj.Spec.User != "" {
		selector = append(selector, kafka.ServiceKafkaQuotaDeleteUser(obj.Spec.User))
	}
	if obj.Spec.ClientID != "" {
		selector = append(selector, kafka.ServiceKafkaQuotaDeleteClientId(obj.Spec.ClientID))
	}
	err := r.kafka().ServiceKafkaQuotaDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, selector...)
	return ignore(aiven.NotFound, err)
}

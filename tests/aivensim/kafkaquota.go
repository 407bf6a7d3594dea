// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"slices"

	codegen "github.com/aiven/go-client-codegen/handler/kafka"
)

// Quota limits the clients of a user, of a client id or of both. The empty
// string stands for a selector that is not given; limits that are nil are not
// set. Rates are in bytes per second and the request share in percent.
type Quota struct {
	User              string
	ClientID          string
	ConsumerByteRate  *float64
	ProducerByteRate  *float64
	RequestPercentage *float64
}

func kafkaQuotaRoutes() []route {
	const pattern = servicePattern + "/quota"
	return []route{
		{operation: "ServiceKafkaQuotaList", method: http.MethodGet, pattern: pattern, handle: (*call).quotaList},
		{operation: "ServiceKafkaQuotaCreate", method: http.MethodPost, pattern: pattern, handle: (*call).quotaCreate},
		{operation: "ServiceKafkaQuotaDelete", method: http.MethodDelete, pattern: pattern, handle: (*call).quotaDelete},
		{operation: "ServiceKafkaQuotaDescribe", method: http.MethodGet, pattern: pattern + "/describe", handle: (*call).quotaDescribe},
	}
}

func (q *Quota) view() map[string]any {
	out := map[string]any{}
	for key, value := range map[string]string{"user": q.User, "client-id": q.ClientID} {
		if value != "" {
			out[key] = value
		}
	}
	for key, value := range map[string]*float64{
		"consumer_byte_rate": q.ConsumerByteRate, "producer_byte_rate": q.ProducerByteRate, "request_percentage": q.RequestPercentage,
	} {
		if value != nil {
			out[key] = *value
		}
	}
	return out
}

func (sv *Service) quota(user, clientID string) *Quota {
	for _, q := range sv.Quotas {
		if q.User == user && q.ClientID == clientID {
			return q
		}
	}
	return nil
}

func (c *call) quotaList() (any, error) {
	if err := c.only("kafka"); err != nil {
		return nil, err
	}
	out := []any{}
	for _, q := range c.service.Quotas {
		out = append(out, q.view())
	}
	return map[string]any{"quotas": out}, nil
}

// quotaCreate adds to the limits of the selector: one that is not given stays,
// as with Kafka's own AlterClientQuotas.
func (c *call) quotaCreate() (any, error) {
	var in codegen.ServiceKafkaQuotaCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.kafka(); err != nil {
		return nil, err
	}
	var user, clientID string
	if in.User != nil {
		user = *in.User
	}
	if in.ClientId != nil {
		clientID = *in.ClientId
	}
	if user == "" && clientID == "" {
		return nil, badRequest("One of 'user' and 'client-id' is required")
	}
	limits := []struct {
		field   string
		value   *float64
		highest float64
	}{
		{"consumer_byte_rate", in.ConsumerByteRate, 1 << 30}, {"producer_byte_rate", in.ProducerByteRate, 1 << 30},
		{"request_percentage", in.RequestPercentage, 100},
	}
	given := false
	for _, l := range limits {
		if l.value == nil {
			continue
		}
		given = true
		if *l.value < 0 || *l.value > l.highest {
			return nil, badRequest("Invalid '%s': %v is out of range", l.field, *l.value)
		}
	}
	if !given {
		return nil, badRequest("At least one limit is required")
	}
	q := c.service.quota(user, clientID)
	if q == nil {
		q = &Quota{User: user, ClientID: clientID}
		c.service.Quotas = append(c.service.Quotas, q)
	}
	for i, target := range []**float64{&q.ConsumerByteRate, &q.ProducerByteRate, &q.RequestPercentage} {
		if limits[i].value != nil {
			*target = limits[i].value
		}
	}
	c.log("service_kafka_quota_create", c.service.Name, "Set the quota of user '%s' and client '%s'", user, clientID)
	return message("created"), nil
}

// quotaSelector reads the selector of a query and refuses other parameters.
func (c *call) quotaSelector() (user, clientID string, err error) {
	for key := range c.query {
		if key != "user" && key != "client-id" && key != "limit" {
			return "", "", badRequest("Unknown parameter '%s'", key)
		}
	}
	user, clientID = c.query.Get("user"), c.query.Get("client-id")
	if user == "" && clientID == "" {
		return "", "", badRequest("One of 'user' and 'client-id' is required")
	}
	return user, clientID, nil
}

func (c *call) quotaDelete() (any, error) {
	if err := c.kafka(); err != nil {
		return nil, err
	}
	user, clientID, err := c.quotaSelector()
	if err != nil {
		return nil, err
	}
	q := c.service.quota(user, clientID)
	if q == nil {
		return nil, notFound("Quota not found")
	}
	c.service.Quotas = slices.DeleteFunc(c.service.Quotas, func(o *Quota) bool { return o == q })
	c.log("service_kafka_quota_delete", c.service.Name, "Deleted the quota of user '%s' and client '%s'", user, clientID)
	return message("deleted"), nil
}

// quotaDescribe answers an empty object when there is no quota.
func (c *call) quotaDescribe() (any, error) {
	if err := c.only("kafka"); err != nil {
		return nil, err
	}
	user, clientID, err := c.quotaSelector()
	if err != nil {
		return nil, err
	}
	if q := c.service.quota(user, clientID); q != nil {
		return map[string]any{"quota": q.view()}, nil
	}
	return map[string]any{"quota": map[string]any{}}, nil
}

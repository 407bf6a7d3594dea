// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"
)

// creators is how many objects are created at once.
const creators = 16

// object is a custom resource, or a Secret, as a user writes it.
type object struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   metadata       `json:"metadata"`
	Spec       map[string]any `json:"spec,omitempty"`
}

type metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	UID         string            `json:"uid,omitempty"`
	Generation  int64             `json:"generation,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// aivenObject returns an object of a kind of Aiven's.
func aivenObject(kind, ns, name string, spec map[string]any) object {
	spec["project"] = project
	spec["authSecretRef"] = map[string]any{"name": tokenSecret, "key": "token"}
	return object{APIVersion: "aiven.io/v1alpha1", Kind: kind, Metadata: metadata{Name: name, Namespace: ns}, Spec: spec}
}

// kafka has the parts without whose addresses the aiven-operator publishes
// nothing.
func kafka(ns, name string) object {
	return aivenObject("Kafka", ns, name, map[string]any{
		"cloudName": "google-europe-west1", "plan": "business-4", "connInfoSecretTarget": map[string]any{"name": name},
		"userConfig": map[string]any{"kafka_rest": true, "schema_registry": true},
	})
}

func topic(ns, service, name string) object {
	return aivenObject("KafkaTopic", ns, name, map[string]any{
		"serviceName": service, "partitions": 3, "replication": 2,
		"config": map[string]any{"cleanup_policy": "delete", "retention_ms": 604800000},
	})
}

func user(ns, service, name string) object {
	return aivenObject("ServiceUser", ns, name, map[string]any{
		"serviceName": service, "connInfoSecretTarget": map[string]any{"name": name},
	})
}

func acl(ns, service, name, username, topic string) object {
	return aivenObject("KafkaACL", ns, name, map[string]any{
		"serviceName": service, "username": username, "topic": topic, "permission": "readwrite",
	})
}

func postgres(ns, name string) object {
	return aivenObject("PostgreSQL", ns, name, map[string]any{
		"cloudName": "google-europe-west1", "plan": "startup-4", "connInfoSecretTarget": map[string]any{"name": name},
	})
}

// kafkaWork is one Kafka service and what lives in it, the kinds mixed as in a
// folder of manifests per application.
func kafkaWork(ns, service string, topics, users, acls int) []object {
	objects := []object{kafka(ns, service)}
	for i := range max(topics, users, acls) {
		if i < topics {
			objects = append(objects, topic(ns, service, fmt.Sprintf("t-%d", i)))
		}
		if i < users {
			objects = append(objects, user(ns, service, fmt.Sprintf("u-%d", i)))
		}
		if i < acls {
			// Several entries per user differ in their topic.
			objects = append(objects, acl(ns, service, fmt.Sprintf("a-%d", i), fmt.Sprintf("u-%d", i%max(users, 1)), fmt.Sprintf("t-%d", i)))
		}
	}
	return objects
}

// ownWrites counts the successful creates of the driver, by resource.
type ownWrites struct {
	mu     sync.Mutex
	counts writes
}

func (o *ownWrites) add(key writeKey, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.counts == nil {
		o.counts = writes{}
	}
	o.counts[key] += n
}

func (o *ownWrites) get() writes {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts.minus(nil)
}

// apply creates all objects, many at once.
func (w *world) apply(ctx context.Context, objects []object) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(creators)
	for _, o := range objects {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			_, err := w.create(ctx, o)
			return err
		})
	}
	return group.Wait()
}

// create creates one custom resource and returns its UID.
func (w *world) create(ctx context.Context, o object) (uid string, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	answer, err := w.send(ctx, http.MethodPost, collection(o.Kind, o.Metadata.Namespace), "application/json", body)
	if err != nil {
		return "", fmt.Errorf("create %s %s: %w", o.Kind, o.Metadata.Name, err)
	}
	w.own.add(writeKey{verb: "POST", resource: plural(o.Kind)}, 1)
	var made object
	if err := json.Unmarshal(answer, &made); err != nil {
		return "", err
	}
	return made.Metadata.UID, nil
}

// collection is where the API server serves the objects of a kind in a
// namespace, or in all ("").
func collection(kind, ns string) string {
	group := "/apis/aiven.io/v1alpha1/"
	if kind == openBaoCluster {
		group = "/apis/openbao.org/v1alpha1/"
	}
	if ns != "" {
		group += "namespaces/" + ns + "/"
	}
	return group + plural(kind)
}

// send sends one request to the API server and returns the answer's body.
func (w *world) send(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, w.cluster.Server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := w.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	return answer, nil
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

const (
	// floorWorkers and floorAiven are how many objects, and Aiven requests, the
	// floor has under way at once: what the operator's defaults allow.
	floorWorkers, floorAiven = 32, 16
	floorManager             = "bench-floor"
)

// floor sends, with no operator, as many writes to the API server and calls to
// Aiven as an operator did for the same objects, of the same kind and size, and
// returns how long that takes: the time below which only fewer writes lead.
// Nothing is decided, compared, read from a watch or waited for.
func (w *world) floor(ctx context.Context, objects []object, u *use) (time.Duration, error) {
	f := &floor{world: w, counts: u.kube, perKind: map[string]int{}, status: map[string]json.RawMessage{}, aiven: make(chan struct{}, floorAiven)}
	f.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: floorAiven}}
	defer f.client.CloseIdleConnections()
	for _, o := range objects {
		f.perKind[o.Kind]++
	}
	f.all = len(objects)
	for kind := range f.perKind {
		if err := f.sample(ctx, kind); err != nil {
			return 0, err
		}
	}
	copies := make([]object, len(objects))
	for i, o := range objects {
		copies[i] = o
		copies[i].Metadata.Namespace = floorNamespace
		if o.Spec["serviceName"] != nil {
			copies[i].Spec["serviceName"] = "floor"
		} else {
			copies[i].Metadata.Name = "floor"
		}
	}
	w.sim.ResetRequests()
	began := time.Now()
	// The service first, as all else needs it.
	if err := f.do(ctx, copies[0]); err != nil {
		return 0, err
	}
	// Users create while the operator works.
	made := make(chan object, len(copies))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(made)
		creating, ctx := errgroup.WithContext(ctx)
		creating.SetLimit(creators)
		for _, o := range copies[1:] {
			creating.Go(func() error {
				uid, err := w.create(ctx, o)
				o.Metadata.UID = uid
				made <- o
				return err
			})
		}
		return creating.Wait()
	})
	for range floorWorkers {
		group.Go(func() error {
			for o := range made {
				if err := f.writes(ctx, o); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		for range u.reads {
			if err := f.call(ctx, http.MethodGet, "/service/floor?include_secrets=true", nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if n := w.sim.Count(aivensim.Mutating); n < u.writes {
		return 0, fmt.Errorf("sent %d writes to Aiven where the operator sent %d", n, u.writes)
	}
	return took, nil
}

type floor struct {
	world   *world
	client  *http.Client
	counts  writes
	perKind map[string]int
	all     int
	// status is that of one object of each kind, as the operator left it.
	status map[string]json.RawMessage
	aiven  chan struct{}
}

// sample keeps the status that an operator gave to an object of the kind.
func (f *floor) sample(ctx context.Context, kind string) error {
	body, err := f.world.send(ctx, http.MethodGet, collection(kind, namespace)+"?limit=1", "", nil)
	if err != nil {
		return err
	}
	var list struct {
		Items []struct {
			Status json.RawMessage `json:"status"`
		} `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	if len(list.Items) == 0 || len(list.Items[0].Status) == 0 {
		return fmt.Errorf("no %s has a status", kind)
	}
	f.status[kind] = list.Items[0].Status
	return nil
}

func (f *floor) do(ctx context.Context, o object) error {
	uid, err := f.world.create(ctx, o)
	if err != nil {
		return err
	}
	o.Metadata.UID = uid
	return f.writes(ctx, o)
}

// times returns how often an object gets a write that objects of its kind got
// that often in all.
func times(total, objects int) int { return (total + objects/2) / objects }

// writes sends what the operator sent for such an object.
func (f *floor) writes(ctx context.Context, o object) error {
	n, resource := f.perKind[o.Kind], plural(o.Kind)
	metadataWrites := times(f.counts.total(func(k writeKey) bool { return k.resource == resource }), n)
	statusWrites := times(f.counts.total(func(k writeKey) bool { return k.resource == resource+"/status" }), n)
	path := collection(o.Kind, floorNamespace) + "/" + o.Metadata.Name
	apply := func(suffix string, change map[string]any) error {
		document := map[string]any{"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": map[string]any{"name": o.Metadata.Name, "uid": o.Metadata.UID}}
		for key, value := range change {
			document[key] = value
		}
		body, err := json.Marshal(document)
		if err != nil {
			return err
		}
		_, err = f.world.send(ctx, http.MethodPatch, path+suffix+"?force=true&fieldManager="+floorManager, "application/apply-patch+yaml", body)
		return err
	}
	mark := func(i int) error {
		return apply("", map[string]any{"metadata": map[string]any{
			"name": o.Metadata.Name, "uid": o.Metadata.UID, "finalizers": []string{"bench.example/floor"},
			"annotations": map[string]string{annotationRunning: "true", annotationProcessed: fmt.Sprint(i)},
		}})
	}
	if metadataWrites > 0 {
		if err := mark(0); err != nil {
			return err
		}
	}
	if err := f.createRemote(ctx, o); err != nil {
		return err
	}
	var errs []error
	if o.Kind == "ServiceUser" || o.Kind == "Kafka" {
		errs = append(errs, f.secrets(ctx, o))
	}
	for i := range times(f.counts.total(isEvent), f.all) {
		errs = append(errs, f.event(ctx, o, i))
	}
	for i := range statusWrites {
		status := f.status[o.Kind]
		if i < statusWrites-1 {
			status = json.RawMessage(strings.ReplaceAll(string(status), `"status":"True"`, `"status":"Unknown"`))
		}
		errs = append(errs, apply("/status", map[string]any{"status": status}))
	}
	for i := 1; i < metadataWrites; i++ {
		errs = append(errs, mark(i))
	}
	return errors.Join(errs...)
}

// secrets sends an object's share of the writes to Secrets.
func (f *floor) secrets(ctx context.Context, o object) error {
	data := map[string]string{}
	for _, key := range []string{"HOST", "PORT", "USERNAME", "PASSWORD", "SASL_HOST", "SASL_PORT", "SCHEMA_REGISTRY_HOST", "SCHEMA_REGISTRY_PORT"} {
		data["USER_"+key] = strings.Repeat("x", 20)
	}
	for _, key := range []string{"ACCESS_CERT", "ACCESS_KEY", "CA_CERT"} {
		data["USER_"+key] = strings.Repeat("x", 1500)
	}
	path := "/api/v1/namespaces/" + floorNamespace + "/secrets"
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": o.Metadata.Name}, "stringData": data,
	})
	if err != nil {
		return err
	}
	publishers := f.perKind["ServiceUser"] + f.perKind["Kafka"]
	for i := range times(f.counts.total(func(k writeKey) bool { return k.resource == "secrets" }), publishers) {
		if i == 0 {
			_, err = f.world.send(ctx, http.MethodPost, path, "application/json", body)
		} else {
			_, err = f.world.send(ctx, http.MethodPatch, path+"/"+o.Metadata.Name+"?force=true&fieldManager="+floorManager, "application/apply-patch+yaml", body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *floor) event(ctx context.Context, o object, i int) error {
	now := time.Now().UTC().Format(time.RFC3339)
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata":       map[string]any{"name": fmt.Sprintf("%s.%s.%d", strings.ToLower(o.Kind), o.Metadata.Name, i)},
		"involvedObject": map[string]any{"apiVersion": o.APIVersion, "kind": o.Kind, "namespace": floorNamespace, "name": o.Metadata.Name, "uid": o.Metadata.UID},
		"reason":         "Created", "message": "Created at Aiven", "type": "Normal",
		"firstTimestamp": now, "lastTimestamp": now, "count": 1, "source": map[string]any{"component": floorManager},
	})
	if err != nil {
		return err
	}
	_, err = f.world.send(ctx, http.MethodPost, "/api/v1/namespaces/"+floorNamespace+"/events", "application/json", body)
	return err
}

// createRemote creates at Aiven what the object stands for.
func (f *floor) createRemote(ctx context.Context, o object) error {
	switch o.Kind {
	case "Kafka":
		return f.call(ctx, http.MethodPost, "/service", map[string]any{
			"service_name": o.Metadata.Name, "service_type": "kafka", "plan": o.Spec["plan"], "cloud": o.Spec["cloudName"],
		})
	case "KafkaTopic":
		return f.call(ctx, http.MethodPost, "/service/floor/topic", map[string]any{
			"topic_name": o.Metadata.Name, "partitions": o.Spec["partitions"], "replication": o.Spec["replication"], "config": o.Spec["config"],
		})
	case "ServiceUser":
		return f.call(ctx, http.MethodPost, "/service/floor/user", map[string]any{"username": o.Metadata.Name})
	case "KafkaACL":
		return f.call(ctx, http.MethodPost, "/service/floor/acl", map[string]any{
			"topic": o.Spec["topic"], "username": o.Spec["username"], "permission": o.Spec["permission"],
		})
	}
	return fmt.Errorf("the floor knows no %s", o.Kind)
}

// call sends one request to Aiven, within the concurrency that a token has.
func (f *floor) call(ctx context.Context, method, path string, in any) error {
	f.aiven <- struct{}{}
	defer func() { <-f.aiven }()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, f.world.sim.URL()+"/v1/project/"+project+path, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "aivenv1 "+goodToken)
	request.Header.Set("Content-Type", "application/json")
	response, err := f.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return drain(response)
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/kafkatopic"
	"github.com/aiven/go-client-codegen/handler/postgresql"
	projecthandler "github.com/aiven/go-client-codegen/handler/project"
	"github.com/aiven/go-client-codegen/handler/service"
)

const (
	testProject = "acme"
	testTimeout = 30 * time.Second
)

// doer is the smallest transport that the official typed handlers accept.
type doer struct {
	url    string
	token  string
	client *http.Client
}

func (d *doer) Do(ctx context.Context, _, method, path string, in any, query ...[2]string) ([]byte, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	values := url.Values{"limit": {"999"}}
	for _, q := range query {
		values.Set(q[0], q[1])
	}
	req, err := http.NewRequestWithContext(ctx, method, d.url+path+"?"+values.Encode(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "aivenv1 "+d.token)
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		var failed errorBody
		if err := json.Unmarshal(data, &failed); err != nil || len(failed.Errors) != 1 || failed.Errors[0].Status != resp.StatusCode {
			return nil, errors.New("failed answer of an unknown shape: " + string(data))
		}
		return nil, errf(resp.StatusCode, "%s", failed.Message)
	}
	return data, nil
}

// sim is a started server with typed clients.
type sim struct {
	*Server
	doer    *doer
	service service.ServiceHandler
	pg      postgresql.PostgreSQLHandler
	topic   kafkatopic.KafkaTopicHandler
	kafka   kafka.KafkaHandler
	project projecthandler.ProjectHandler
}

func startSim(t *testing.T, opts Options) *sim {
	t.Helper()
	if opts.Projects == nil {
		opts.Projects = []string{testProject}
	}
	server, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	address, err := server.Start()
	if err != nil {
		t.Fatal(err)
	}
	s := &sim{Server: server}
	s.use(t, address, "secret")
	return s
}

func (s *sim) use(t *testing.T, address, token string) {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	d := &doer{url: address, token: token, client: &http.Client{Transport: transport}}
	s.doer = d
	s.service, s.pg, s.topic = service.NewHandler(d), postgresql.NewHandler(d), kafkatopic.NewHandler(d)
	s.kafka, s.project = kafka.NewHandler(d), projecthandler.NewHandler(d)
}

// as returns a view of the same server with another token.
func (s *sim) as(t *testing.T, token string) *sim {
	other := &sim{Server: s.Server}
	other.use(t, s.URL(), token)
	return other
}

func (s *sim) create(t *testing.T, kind, name, plan string) *service.ServiceCreateOut {
	t.Helper()
	out, err := s.service.ServiceCreate(t.Context(), testProject, &service.ServiceCreateIn{ServiceName: name, ServiceType: kind, Plan: plan})
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return out
}

func (s *sim) get(t *testing.T, name string, secrets bool) *service.ServiceGetOut {
	t.Helper()
	out, err := s.service.ServiceGet(t.Context(), testProject, name, service.ServiceGetIncludeSecrets(secrets))
	if err != nil {
		t.Fatalf("get %s: %v", name, err)
	}
	return out
}

// wantStatus checks the status and a part of the message of a refused request.
func wantStatus(t *testing.T, err error, status int, part string) {
	t.Helper()
	var apiErr *apiError
	if !errors.As(err, &apiErr) {
		t.Fatalf("got %v, want an API error %d", err, status)
	}
	if apiErr.status != status || !bytes.Contains([]byte(apiErr.message), []byte(part)) {
		t.Fatalf("got %v, want %d with %q", apiErr, status, part)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// raw sends a request with a body of the test's own.
func (s *sim) raw(t *testing.T, method, path, body string) error {
	t.Helper()
	var in any
	if body != "" {
		in = json.RawMessage(body)
	}
	_, err := s.doer.Do(t.Context(), "", method, path, in)
	return err
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

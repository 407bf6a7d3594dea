// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package podlabels

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// serviceAccount is where a pod finds the token of its ServiceAccount.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// requestTimeout bounds one request to the API server.
const requestTimeout = 5 * time.Second

// pod is the pod of this process.
type pod struct {
	namespace, name string
	// accountDir holds token and ca.crt.
	accountDir string
}

// patch is an operation of a JSON patch.
type patch struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value string `json:"value"`
}

// setLabels reads the pod and then patches it, as OpenBao does, so that rights
// that suffice here suffice there: get and patch of pods.
func (p pod) setLabels(ctx context.Context, labels map[string]string, order []string) error {
	if err := p.request(ctx, http.MethodGet, nil); err != nil {
		return err
	}
	var patches []patch
	for _, label := range order {
		patches = append(patches, patch{Op: "add", Path: "/metadata/labels/" + label, Value: labels[label]})
	}
	body, err := json.Marshal(patches)
	if err != nil {
		return err
	}
	return p.request(ctx, http.MethodPatch, body)
}

func (p pod) request(ctx context.Context, method string, body []byte) error {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; run in a pod, or remove service_registration")
	}
	// Both files are renewed while the process runs.
	token, err := os.ReadFile(filepath.Join(p.accountDir, "token"))
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(filepath.Join(p.accountDir, "ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)

	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	url := fmt.Sprintf("https://%s/api/v1/namespaces/%s/pods/%s", net.JoinHostPort(host, port), p.namespace, p.name)
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	if body != nil {
		request.Header.Set("Content-Type", "application/json-patch+json")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s of pod %s/%s: %s", method, p.namespace, p.name, response.Status)
	}
	return nil
}

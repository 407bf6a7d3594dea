// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	logsapi "k8s.io/component-base/logs/api/v1"
	logsjson "k8s.io/component-base/logs/json"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	"github.com/bailiwick-operator/bailiwick/pkg/token"
)

const (
	secretValue = "correct-horse-battery-staple"
	bearerToken = "kube-bearer-0123456789"
)

// output is a buffer that many may write to.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// newLoggers returns a logger per format that writes all levels to the output.
func newLoggers() map[string]func(io.Writer) logr.Logger {
	return map[string]func(io.Writer) logr.Logger{
		"text": func(w io.Writer) logr.Logger {
			return textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(10), textlogger.Output(w)))
		},
		"json": func(w io.Writer) logr.Logger {
			logger, _ := logsjson.NewJSONLogger(10, logsjson.AddNopSync(w), nil, nil)
			return logger
		},
	}
}

// secretServer answers every request with a Secret, or a list or watch of it.
func secretServer(t *testing.T) *rest.Config {
	secret := corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b", ResourceVersion: "1"},
		Data:       map[string][]byte{"token": []byte(secretValue)},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		var answer any = secret
		switch {
		case r.URL.Query().Get("watch") != "":
			answer = map[string]any{"type": "ADDED", "object": secret}
		case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/secrets"):
			answer = corev1.SecretList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}, Items: []corev1.Secret{secret}}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL, BearerToken: bearerToken}
}

// useSecrets sends every kind of request that carries a Secret.
func useSecrets(ctx context.Context, t *testing.T, config *rest.Config) {
	t.Helper()
	for _, contentType := range []string{"application/json", "application/vnd.kubernetes.protobuf"} {
		config := rest.CopyConfig(config)
		config.ContentType, config.AcceptContentTypes = contentType, "application/json"
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		secrets := client.CoreV1().Secrets("a")
		if _, err := secrets.Get(ctx, "b", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := secrets.List(ctx, metav1.ListOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := secrets.Create(ctx, &corev1.Secret{Data: map[string][]byte{"x": []byte(secretValue)}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := secrets.Apply(ctx, corev1ac.Secret("b", "a").WithStringData(map[string]string{"x": secretValue}), metav1.ApplyOptions{FieldManager: "test"}); err != nil {
			t.Fatal(err)
		}
		watch, err := secrets.Watch(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		<-watch.ResultChan()
		watch.Stop()
	}
}

// leaks returns the secrets that text shows, in any form that client-go writes.
func leaks(text string) []string {
	var out []string
	for _, s := range []string{
		secretValue, bearerToken,
		base64.StdEncoding.EncodeToString([]byte(secretValue)),
		// A hex dump shows 16 bytes per line: any 8 in a row will do.
		secretValue[4:12], secretValue[12:20],
	} {
		if strings.Contains(text, s) {
			out = append(out, s)
		}
	}
	return out
}

func TestBodiesAreWithheld(t *testing.T) {
	for format, newLogger := range newLoggers() {
		t.Run(format, func(t *testing.T) {
			config := secretServer(t)
			var plain, guarded output
			useSecrets(klog.NewContext(t.Context(), newLogger(&plain)), t, config)
			if len(leaks(plain.String())) == 0 {
				t.Fatal("client-go logs no secrets even without the redactor: this test proves nothing")
			}
			useSecrets(klog.NewContext(t.Context(), withholdSecrets(newLogger(&guarded))), t, config)
			if got := leaks(guarded.String()); len(got) > 0 {
				t.Errorf("logged %q in:\n%s", got, guarded.String())
			}
			for _, want := range []string{"Request Body", "Response Body", withheld} {
				if !strings.Contains(guarded.String(), want) {
					t.Errorf("nothing logged with %q", want)
				}
			}
		})
	}
}

func TestSetupLogging(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			config := logsapi.NewLoggingConfiguration()
			config.Format, config.Verbosity = format, 10
			var out output
			if err := SetupLogging(config, &logsapi.LoggingOptions{ErrorStream: &out, InfoStream: &out}, nil); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := logsapi.ResetForTest(nil); err != nil {
					t.Error(err)
				}
			})
			// No logger in the context: client-go falls back to klog's own.
			useSecrets(t.Context(), t, secretServer(t))
			klog.InfoS("structured", "body", secretValue)
			klog.Infof("formatted %d", 42)
			klog.Flush()
			if got := leaks(out.String()); len(got) > 0 {
				t.Errorf("logged %q in:\n%s", got, out.String())
			}
			for _, want := range []string{"Response Body", "curl -v", "structured", "formatted 42"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("nothing logged with %q", want)
				}
			}
		})
	}
}

// revealer is a secret that does nothing against being printed.
type revealer struct{ Text string }

func (r revealer) Reveal() string { return r.Text }

func TestRedact(t *testing.T) {
	for format, newLogger := range newLoggers() {
		t.Run(format, func(t *testing.T) {
			var out output
			logger := withholdSecrets(withholdSecrets(newLogger(&out)))
			secret := corev1.Secret{StringData: map[string]string{"x": secretValue}}
			logger = logger.WithName("name").WithValues("tokenValue", token.NewValue(secretValue), "other", revealer{secretValue}, "body", secretValue)
			logger.V(4).WithCallDepth(0).Info("Message", "secret", secret, "pointer", &secret, "list", corev1.SecretList{Items: []corev1.Secret{secret}},
				"applied", corev1ac.Secret("a", "b").WithStringData(map[string]string{"x": secretValue}),
				"headers", http.Header{"Authorization": {secretValue}}, "Body", []byte(secretValue), "kept", "visible", "odd")
			logger.Error(io.EOF, "Failed", "body", secretValue, "kept", "visible")
			got := out.String()
			if leaked := leaks(got); len(leaked) > 0 {
				t.Errorf("logged %q in:\n%s", leaked, got)
			}
			if strings.Count(got, "visible") != 2 || strings.Count(got, "name") < 2 || !strings.Contains(got, "EOF") {
				t.Errorf("harmless parts are missing in:\n%s", got)
			}
			if format == "text" && strings.Count(got, "redact_test.go:") != 2 {
				t.Errorf("the place of the call is wrong in:\n%s", got)
			}
		})
	}
}

func TestRedactLeavesTheCallersValues(t *testing.T) {
	pairs := []any{"a", 1, "body", secretValue}
	if got := redact(pairs); got[1] != 1 || strings.Contains(got[3].(string), secretValue) {
		t.Errorf("got %q", got)
	}
	if pairs[3] != secretValue {
		t.Error("the caller's slice was changed")
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package config reads the configuration of a server as OpenBao 2.6 writes it,
// and is stricter: what it does not know is an error, with file and line.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/hcl/ast"
)

// Config is what the files of a configuration say together.
type Config struct {
	Listeners           []Listener
	Storage             Storage
	Seals               []Seal
	ServiceRegistration *ServiceRegistration
	// Telemetry is nil unless the configuration has a telemetry block.
	Telemetry  *Telemetry
	Audits     []Audit
	Initialize []Initialize

	APIAddr         string
	ClusterAddr     string
	ClusterName     string
	LogLevel        string
	LogFormat       string
	MaxLeaseTTL     time.Duration
	DefaultLeaseTTL time.Duration

	// Missing names what the configuration asks for and this server does not do.
	Missing []string
}

// Listener is a listener "tcp".
type Listener struct {
	Address        string
	ClusterAddress string

	TLSDisable                    bool
	TLSCertFile                   string
	TLSKeyFile                    string
	TLSClientCAFile               string
	TLSRequireAndVerifyClientCert bool
	TLSDisableClientCerts         bool
	// TLSMinVersion is tls12, tls13 or empty.
	TLSMinVersion string

	// MaxRequestSize is in bytes; 0 is the core's default.
	MaxRequestSize     int64
	MaxRequestDuration time.Duration

	UnauthenticatedMetricsAccess bool
}

// Storage is a storage "raft". Its zero value has no settings.
type Storage struct {
	// Settings are as the core's backend takes them, retry_join included.
	Settings map[string]string
}

// Seal is a seal with the settings of its type. Values may be secret.
type Seal struct {
	Type     string
	Disabled bool
	Settings map[string]string
}

// ServiceRegistration is a service_registration "kubernetes". The environment
// comes before both fields.
type ServiceRegistration struct {
	Namespace string
	PodName   string
}

// Telemetry is a telemetry block.
type Telemetry struct {
	PrometheusRetention time.Duration
	DisableHostname     bool
	EnableHostnameLabel bool
	MetricsPrefix       string
}

// Audit is a declared audit device.
type Audit struct {
	Type        string
	Path        string
	Description string
	Local       bool
	Options     map[string]string
}

// Load reads a file, or all files *.hcl and *.json of a directory in the order
// of their names. Later files override single values of earlier ones and add to
// what can occur several times.
func Load(path string) (*Config, error) {
	files, err := filesOf(path)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	var problems []error
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		problems = append(problems, c.add(file, content))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return c, c.validate()
}

func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		file := filepath.Join(path, entry.Name())
		if ext := filepath.Ext(file); ext != ".hcl" && ext != ".json" {
			continue
		}
		// In a mounted volume the entries are links.
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no file *.hcl or *.json", path)
	}
	return files, nil
}

// add reads the content of one file into c.
func (c *Config) add(file string, content []byte) error {
	r := &reader{file: file}
	items, err := r.parse(content)
	if err != nil {
		return err
	}
	blocks := map[string]func(*reader, *ast.ObjectItem, *ast.ObjectList){
		"listener":             c.addListener,
		"storage":              c.setStorage,
		"seal":                 c.addSeal,
		"service_registration": c.setServiceRegistration,
		"telemetry":            c.setTelemetry,
		"audit":                c.addAudit,
		"initialize":           c.addInitialize,
		"plugin":               addPlugin,
		"user_lockout":         addUserLockout,
	}
	attributesOnly := &ast.ObjectList{}
	for _, item := range items.Items {
		read, ok := blocks[name(item)]
		if !ok {
			attributesOnly.Add(item)
			continue
		}
		if body := r.body(item); body != nil {
			read(r, item, body)
		}
	}
	c.setAttributes(r, attributesOnly)
	c.Missing = append(c.Missing, r.missing...)
	return errors.Join(r.problems...)
}

func (c *Config) setAttributes(r *reader, items *ast.ObjectList) {
	v := r.values("the configuration", items, attributes())
	for key, target := range map[string]*string{
		"api_addr":     &c.APIAddr,
		"cluster_addr": &c.ClusterAddr,
		"cluster_name": &c.ClusterName,
		"log_level":    &c.LogLevel,
		"log_format":   &c.LogFormat,
	} {
		if s := v.text(key); s != "" {
			*target = s
		}
	}
	c.MaxLeaseTTL = max(c.MaxLeaseTTL, v.duration("max_lease_ttl"))
	c.DefaultLeaseTTL = max(c.DefaultLeaseTTL, v.duration("default_lease_ttl"))
	if locked, set := v["disable_mlock"].(bool); set && !locked {
		r.problem(items.Pos(), "disable_mlock = false is not possible, memory is never locked; remove it")
	}
}

func (c *Config) addListener(r *reader, item *ast.ObjectItem, body *ast.ObjectList) {
	label, ok := r.label(item)
	if !ok {
		return
	}
	if label != "tcp" {
		r.problem(item.Pos(), `listener %q is not supported; use listener "tcp"`, label)
		return
	}
	where := `listener "tcp"`
	v := r.values(where, body, listenerTCP(), "telemetry", "profiling", "inflight_requests_logging", "custom_response_headers")
	l := Listener{
		Address:                       v.text("address"),
		ClusterAddress:                v.text("cluster_address"),
		TLSDisable:                    v.boolean("tls_disable"),
		TLSCertFile:                   v.text("tls_cert_file"),
		TLSKeyFile:                    v.text("tls_key_file"),
		TLSClientCAFile:               v.text("tls_client_ca_file"),
		TLSRequireAndVerifyClientCert: v.boolean("tls_require_and_verify_client_cert"),
		TLSDisableClientCerts:         v.boolean("tls_disable_client_certs"),
		TLSMinVersion:                 v.text("tls_min_version"),
		MaxRequestDuration:            v.duration("max_request_duration"),
	}
	if size := v.text("max_request_size"); size != "" {
		if err := json.Unmarshal([]byte(size), &l.MaxRequestSize); err != nil {
			r.problem(item.Pos(), "%s: max_request_size must be a whole number of bytes", where)
		}
	}
	for _, inner := range body.Items {
		switch name(inner) {
		case "telemetry":
			if b := r.body(inner); b != nil {
				l.UnauthenticatedMetricsAccess = r.values(where+" telemetry", b, listenerTelemetry()).boolean("unauthenticated_metrics_access")
			}
		case "profiling", "inflight_requests_logging", "custom_response_headers":
			r.missing = append(r.missing, name(inner)+" of "+where+" (ignored)")
		}
	}
	c.Listeners = append(c.Listeners, l)
}

func (c *Config) setStorage(r *reader, item *ast.ObjectItem, body *ast.ObjectList) {
	label, ok := r.label(item)
	if !ok {
		return
	}
	if label != "raft" {
		r.problem(item.Pos(), `storage %q is not supported; use storage "raft"`, label)
		return
	}
	settings := r.values(`storage "raft"`, body, storageRaft(), "retry_join").asText()
	var joins []map[string]any
	for _, inner := range body.Items {
		if name(inner) != "retry_join" {
			continue
		}
		block, ok := inner.Val.(*ast.ObjectType)
		if !ok || len(labels(inner)) > 0 {
			r.problem(inner.Pos(), "retry_join must be a block without a label")
			continue
		}
		join := map[string]any{}
		for key, value := range r.values("retry_join", block.List, retryJoin()) {
			join[key] = value
		}
		if port, ok := join["auto_join_port"].(string); ok {
			join["auto_join_port"] = json.Number(port)
		}
		if (join["leader_api_addr"] == nil) == (join["auto_join"] == nil) {
			r.problem(inner.Pos(), "retry_join needs either leader_api_addr or auto_join")
		}
		joins = append(joins, join)
	}
	if len(joins) > 0 {
		encoded, err := json.Marshal(joins)
		if err != nil {
			r.problem(item.Pos(), "retry_join: %v", err)
		}
		settings["retry_join"] = string(encoded)
	}
	c.Storage = Storage{Settings: settings}
}

func (c *Config) addSeal(r *reader, item *ast.ObjectItem, body *ast.ObjectList) {
	label, ok := r.label(item)
	if !ok {
		return
	}
	known, ok := sealKeys(label)
	if !ok {
		r.problem(item.Pos(), "there is no seal type %q; correct the label", label)
		return
	}
	v := r.values(fmt.Sprintf("seal %q", label), body, known)
	seal := Seal{Type: label, Disabled: v.boolean("disabled")}
	delete(v, "disabled")
	seal.Settings = v.asText()
	c.Seals = append(c.Seals, seal)
}

func (c *Config) setServiceRegistration(r *reader, item *ast.ObjectItem, body *ast.ObjectList) {
	label, ok := r.label(item)
	if !ok {
		return
	}
	if label != "kubernetes" {
		r.problem(item.Pos(), `service_registration %q is not supported; use service_registration "kubernetes"`, label)
		return
	}
	v := r.values(`service_registration "kubernetes"`, body, serviceRegistrationKubernetes())
	c.ServiceRegistration = &ServiceRegistration{Namespace: v.text("namespace"), PodName: v.text("pod_name")}
}

func (c *Config) setTelemetry(r *reader, _ *ast.ObjectItem, body *ast.ObjectList) {
	v := r.values("telemetry", body, telemetry())
	c.Telemetry = &Telemetry{
		PrometheusRetention: v.duration("prometheus_retention_time"),
		DisableHostname:     v.boolean("disable_hostname"),
		EnableHostnameLabel: v.boolean("enable_hostname_label"),
		MetricsPrefix:       v.text("metrics_prefix"),
	}
}

func (c *Config) addAudit(r *reader, item *ast.ObjectItem, body *ast.ObjectList) {
	all := labels(item)
	if len(all) != 2 {
		r.problem(item.Pos(), `audit needs two labels: write audit "TYPE" "PATH" { ... }`)
		return
	}
	if all[0] != "file" {
		r.problem(item.Pos(), `audit %q is not supported; use audit "file"`, all[0])
		return
	}
	v := r.values(fmt.Sprintf("audit %q %q", all[0], all[1]), body, auditDevice())
	options, _ := v["options"].(map[string]any)
	c.Audits = append(c.Audits, Audit{
		Type:        all[0],
		Path:        strings.Trim(all[1], "/"),
		Description: v.text("description"),
		Local:       v.boolean("local"),
		Options:     values(options).asText(),
	})
}

func addPlugin(r *reader, item *ast.ObjectItem, body *ast.ObjectList) {
	all := labels(item)
	if len(all) != 2 {
		r.problem(item.Pos(), `plugin needs two labels: write plugin "TYPE" "NAME" { ... }`)
		return
	}
	where := fmt.Sprintf("plugin %q %q", all[0], all[1])
	r.values(where, body, pluginKeys())
	r.missing = append(r.missing, where+" ("+noPlugins+")")
}

func addUserLockout(r *reader, item *ast.ObjectItem, body *ast.ObjectList) {
	if label, ok := r.label(item); ok {
		r.values(fmt.Sprintf("user_lockout %q", label), body, userLockout())
	}
}

// validate checks what only holds of all files together.
func (c *Config) validate() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if len(c.Listeners) == 0 {
		problem(`the configuration has no listener; add listener "tcp"`)
	}
	for _, l := range c.Listeners {
		if !l.TLSDisable && (l.TLSCertFile == "" || l.TLSKeyFile == "") {
			problem(`listener "tcp" %s: tls_cert_file and tls_key_file are needed, or tls_disable = true`, l.Address)
		}
		if l.TLSRequireAndVerifyClientCert && l.TLSDisableClientCerts {
			problem(`listener "tcp" %s: tls_require_and_verify_client_cert and tls_disable_client_certs exclude each other`, l.Address)
		}
		if v := l.TLSMinVersion; v != "" && v != "tls12" && v != "tls13" {
			problem(`listener "tcp" %s: tls_min_version must be tls12 or tls13`, l.Address)
		}
	}
	if c.Storage.Settings == nil {
		problem(`the configuration has no storage; add storage "raft"`)
	} else if c.Storage.Settings["path"] == "" {
		problem(`storage "raft": path is required`)
	}
	enabled := 0
	for _, s := range c.Seals {
		if s.Disabled {
			problem("seal %q is disabled: this server cannot migrate from one seal to another; remove the block", s.Type)
			continue
		}
		enabled++
	}
	if enabled > 1 {
		problem("only one seal can be in use; remove the others")
	}
	switch c.LogFormat {
	case "", "standard", "json":
	default:
		problem(`log_format must be "standard" or "json"`)
	}
	return errors.Join(problems...)
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"math"
	"time"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// defaultLease is the default of both lifetimes of leases in OpenBao.
const defaultLease = 768 * time.Hour

// settings renders the settings at the top of the file.
func (r *renderer) settings() {
	c := r.spec.Configuration
	if c == nil {
		c = &openbaov1alpha1.ConfigurationSpec{}
	}
	out := &r.public
	out.set("ui", c.UI == nil || *c.UI)
	out.set("cluster_name", r.name)
	out.setText("log_level", c.LogLevel)
	if l := c.Logging; l != nil {
		r.logging(l)
	}
	r.leases(c)
	setNumber(out, "cache_size", c.CacheSize)
	if c.CacheSize != nil && *c.CacheSize < 0 {
		r.add("spec.configuration.cacheSize", "%d is negative; set the number of entries, or remove it", *c.CacheSize)
	}
	out.setBool("disable_cache", c.DisableCache)
	if c.DetectDeadlocks != nil {
		// The setting is a list of locks, and these are all that OpenBao can watch.
		locks := ""
		if *c.DetectDeadlocks {
			locks = "statelock,quotas,expiration"
		}
		out.set("detect_deadlocks", locks)
	}
	out.setBool("raw_storage_endpoint", c.RawStorageEndpoint)
	out.setBool("introspection_endpoint", c.IntrospectionEndpoint)
	out.setBool("imprecise_lease_role_tracking", c.ImpreciseLeaseRoleTracking)
	out.setBool("unsafe_allow_api_audit_creation", c.UnsafeAllowAPIAuditCreation)
	out.setBool("allow_audit_log_prefixing", c.AllowAuditLogPrefixing)
	out.setBool("enable_response_header_hostname", c.EnableResponseHeaderHostname)
	out.setBool("enable_response_header_raft_node_id", c.EnableResponseHeaderRaftNodeID)
	r.pluginSettings(c.Plugin)
	if c.ACMECARoot != "" {
		r.add("spec.configuration.acmeCARoot", "it belongs to spec.tls.mode ACME, which Bailiwick does not run yet; remove it")
	}
}

func (r *renderer) logging(l *openbaov1alpha1.LoggingSpec) {
	out := &r.public
	out.setText("log_format", l.Format)
	out.setText("log_file", l.File)
	r.writable("spec.configuration.logging.file", l.File)
	out.setText("log_rotate_duration", l.RotateDuration)
	r.duration("spec.configuration.logging.rotateDuration", l.RotateDuration, 0)
	setNumber(out, "log_rotate_bytes", l.RotateBytes)
	setNumber(out, "log_rotate_max_files", l.RotateMaxFiles)
	out.setText("pid_file", l.PIDFile)
	r.writable("spec.configuration.logging.pidFile", l.PIDFile)
}

// leases renders the lifetimes of leases. A server does not start with a default
// that is longer than the maximum, either of which may be left out.
func (r *renderer) leases(c *openbaov1alpha1.ConfigurationSpec) {
	r.public.setText("default_lease_ttl", c.DefaultLeaseTTL)
	r.public.setText("max_lease_ttl", c.MaxLeaseTTL)
	before := len(r.problems)
	usual := r.duration("spec.configuration.defaultLeaseTTL", c.DefaultLeaseTTL, 0)
	longest := r.duration("spec.configuration.maxLeaseTTL", c.MaxLeaseTTL, 0)
	if len(r.problems) > before {
		return
	}
	if usual == 0 {
		usual = defaultLease
	}
	if longest == 0 {
		longest = defaultLease
	}
	if usual <= longest {
		return
	}
	if c.DefaultLeaseTTL == "" {
		r.add("spec.configuration.defaultLeaseTTL", "its default of %s is longer than maxLeaseTTL, %s; set both", shortDuration(defaultLease), c.MaxLeaseTTL)
		return
	}
	r.add("spec.configuration.defaultLeaseTTL", "%s is longer than maxLeaseTTL, which is %s; raise maxLeaseTTL, or lower this",
		c.DefaultLeaseTTL, shortDuration(longest))
}

func (r *renderer) pluginSettings(p *openbaov1alpha1.PluginSettings) {
	out := &r.public
	if p != nil || len(r.spec.Plugins) > 0 {
		out.set("plugin_directory", PluginDir)
	}
	if p == nil {
		return
	}
	setNumber(out, "plugin_file_uid", p.FileUID)
	if p.FileUID != nil && (*p.FileUID < 0 || *p.FileUID > math.MaxUint32) {
		r.add("spec.configuration.plugin.fileUID", "%d is no user id; set one between 0 and %d", *p.FileUID, uint32(math.MaxUint32))
	}
	out.setText("plugin_file_permissions", p.FilePermissions)
	r.octal("spec.configuration.plugin.filePermissions", p.FilePermissions)
	out.setBool("plugin_auto_download", p.AutoDownload)
	out.setBool("plugin_auto_register", p.AutoRegister)
	if p.AutoDownload != nil && *p.AutoDownload {
		r.needs(DeclarativePlugins, "spec.configuration.plugin.autoDownload")
	}
	if p.AutoRegister != nil && *p.AutoRegister {
		r.needs(DeclarativePlugins, "spec.configuration.plugin.autoRegister")
	}
	switch p.DownloadBehavior {
	case "":
	case "fail", "continue":
		out.set("plugin_download_behavior", p.DownloadBehavior)
		r.needs(DeclarativePlugins, "spec.configuration.plugin.downloadBehavior")
	default:
		r.add("spec.configuration.plugin.downloadBehavior", "OpenBao knows fail, which is its default, and continue, but not %s; remove it", p.DownloadBehavior)
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// audit renders the audit devices. A device that sends requests is in the secret
// file: its address and its headers are what it authenticates with.
func (r *renderer) audit() {
	var paths []string
	for i, d := range r.spec.Audit {
		field := fmt.Sprintf("spec.audit[%d]", i)
		// OpenBao lets no path be within another.
		path := strings.Trim(d.Path, "/") + "/"
		r.required(field+".path", strings.Trim(d.Path, "/"))
		for _, other := range paths {
			if strings.HasPrefix(path, other) || strings.HasPrefix(other, path) {
				r.add(field+".path", "%q is the path of another device, or within it; choose another", d.Path)
				break
			}
		}
		paths = append(paths, path)

		options := r.auditOptions(field, d)
		var b, o body
		b.setText("description", d.Description)
		for _, name := range slices.Sorted(maps.Keys(options)) {
			o.set(name, options[name])
		}
		b.add(o, "options")
		r.stanza(d.Type == "http", b, "audit", d.Type, d.Path)
	}
}

// auditOptions returns the options of a device by the names of OpenBao, whose values
// are all texts.
func (r *renderer) auditOptions(field string, d openbaov1alpha1.AuditDevice) map[string]string {
	r.auditBlocks(field, d)
	options := r.rawOptions(field+".options", d.Options)
	given := func(name, at, value string) {
		if value == "" {
			return
		}
		if _, twice := options[name]; twice {
			r.add(field+"."+at, "%s is in options as well; remove one of the two", name)
		}
		options[name] = value
	}
	switch d.Type {
	case "file":
		if o := d.FileOptions; o != nil {
			given("file_path", "fileOptions.filePath", o.FilePath)
			given("mode", "fileOptions.mode", o.Mode)
		}
		r.auditFile(field+".fileOptions", options)
	case "http":
		r.needs(HTTPAudit, field+".type")
		if o := d.HTTPOptions; o != nil {
			given("uri", "httpOptions.uri", o.URI)
			given("headers", "httpOptions.headers", r.auditHeaders(field+".httpOptions.headers", o.Headers))
		}
		r.required(field+".httpOptions.uri", options["uri"])
		// An error of url.Parse repeats the address, which may hold a credential.
		if _, err := url.Parse(options["uri"]); err != nil {
			r.add(field+".httpOptions.uri", "it is not a URL; write https://collector.example.com/audit for example")
		}
	case "socket":
		if o := d.SocketOptions; o != nil {
			given("address", "socketOptions.address", o.Address)
			given("socket_type", "socketOptions.socketType", o.SocketType)
			given("write_timeout", "socketOptions.writeTimeout", o.WriteTimeout)
		}
		r.auditSocket(field+".socketOptions", options)
	case "syslog":
		r.add(field+".type", "no syslog service runs in the servers' pods; use the type socket, or file with the path stdout")
	default:
		r.add(field+".type", "OpenBao has no audit device %q; set file, http or socket", d.Type)
	}
	r.auditFormat(field+".options", options)
	return options
}

// auditBlocks records the options of other types.
func (r *renderer) auditBlocks(field string, d openbaov1alpha1.AuditDevice) {
	for _, b := range []struct {
		of, name string
		given    bool
	}{
		{"file", "fileOptions", d.FileOptions != nil},
		{"http", "httpOptions", d.HTTPOptions != nil},
		{"syslog", "syslogOptions", d.SyslogOptions != nil},
		{"socket", "socketOptions", d.SocketOptions != nil},
	} {
		if b.given && b.of != d.Type {
			r.add(field+"."+b.name, "it has no effect with the type %s; remove it", d.Type)
		}
	}
}

func (r *renderer) auditFile(field string, options map[string]string) {
	file := options["file_path"]
	if file == "" {
		file = options["path"] // an older name
	}
	switch strings.ToLower(file) {
	case "":
		r.required(field+".filePath", file)
	case "stdout", "discard":
	default:
		r.writable(field+".filePath", file)
	}
	r.octal(field+".mode", options["mode"])
}

func (r *renderer) auditSocket(field string, options map[string]string) {
	r.required(field+".address", options["address"])
	switch options["socket_type"] {
	case "", "tcp", "udp", "unix":
	default:
		r.add(field+".socketType", "OpenBao has no socket %q; set tcp, udp or unix", options["socket_type"])
	}
	r.duration(field+".writeTimeout", options["write_timeout"], 0)
}

// auditFormat checks the options that all types have.
func (r *renderer) auditFormat(field string, options map[string]string) {
	if format, ok := options["format"]; ok && format != "json" {
		r.add(field+".format", "OpenBao writes json, not %s; remove it", format)
	}
	for _, name := range []string{"hmac_accessor", "log_raw", "elide_list_responses"} {
		if value, ok := options[name]; ok {
			if _, err := strconv.ParseBool(value); err != nil {
				r.add(field+"."+name, "%q is neither true nor false; set one of them", value)
			}
		}
	}
	c := r.spec.Configuration
	allowed := c != nil && c.AllowAuditLogPrefixing != nil && *c.AllowAuditLogPrefixing
	if _, ok := options["prefix"]; ok && !allowed {
		r.add(field+".prefix", "a server allows it only with spec.configuration.allowAuditLogPrefixing; set that to true, or remove this")
	}
}

// rawOptions reads an object of texts, numbers and booleans. It never returns nil.
func (r *renderer) rawOptions(field string, raw *runtime.RawExtension) map[string]string {
	out := map[string]string{}
	var object map[string]any
	if !r.decode(field, raw, &object) {
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		text, ok := "", true
		switch v := object[name].(type) {
		case string:
			text = v
		case bool:
			text = strconv.FormatBool(v)
		case json.Number:
			text = v.String()
		default:
			ok = false
		}
		switch {
		case !ok:
			r.add(field+"."+name, "it must be a text, a number or a boolean; write anything else as a text with JSON")
		case !printable(name) || !printable(text):
			r.add(field, "a configuration file holds no NUL character and nothing but UTF-8; remove what is not")
		default:
			out[name] = text
		}
	}
	return out
}

// auditHeaders returns the headers as JSON, a list of values for each, which is how
// OpenBao reads them.
func (r *renderer) auditHeaders(field string, raw *runtime.RawExtension) string {
	var object map[string]any
	if !r.decode(field, raw, &object) || len(object) == 0 {
		return ""
	}
	headers := map[string][]string{}
	for name, value := range object {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, item := range list {
			text, ok := item.(string)
			if !ok || !printable(name) || !printable(text) {
				r.add(field, "the value of a header must be a text, or a list of texts, without NUL characters")
				return ""
			}
			headers[name] = append(headers[name], text)
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(headers); err != nil {
		r.add(field, "the headers cannot be written as JSON; write a text, or a list of texts, for each")
		return ""
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// decode reads raw JSON of the object and reports whether there is any. Errors of the
// decoder may repeat what it read, so that they are left out.
func (r *renderer) decode(field string, raw *runtime.RawExtension, into *map[string]any) bool {
	if raw == nil || len(raw.Raw) == 0 {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(raw.Raw))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		r.add(field, "it must be an object; write name: value for each member")
		return false
	}
	return true
}

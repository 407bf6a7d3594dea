// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "k8s.io/apimachinery/pkg/runtime"

// AuditDevice is an audit device in the configuration of the servers. The
// options of its type apply; options holds others.
type AuditDevice struct {
	// type is where the device writes to.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Enum=file;syslog;socket;http
	Type string `json:"type"`
	// path is the name of the device.
	// +kubebuilder:validation:MinLength=1
	Path string `json:"path"`
	// description is for people.
	// +optional
	Description string `json:"description,omitempty"`
	// fileOptions are the options of the type file.
	// +optional
	FileOptions *FileAuditOptions `json:"fileOptions,omitempty"`
	// httpOptions are the options of the type http.
	// +optional
	HTTPOptions *HTTPAuditOptions `json:"httpOptions,omitempty"`
	// syslogOptions are the options of the type syslog, which is refused where Bailiwick
	// runs the servers: no syslog service runs in their pods.
	// +optional
	SyslogOptions *SyslogAuditOptions `json:"syslogOptions,omitempty"`
	// socketOptions are the options of the type socket.
	// +optional
	SocketOptions *SocketAuditOptions `json:"socketOptions,omitempty"`
	// options are options by the names of OpenBao.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Options *runtime.RawExtension `json:"options,omitempty"`
}

// FileAuditOptions are the options of an audit device that writes to a file.
type FileAuditOptions struct {
	// filePath is the file; stdout is a file as well.
	// +kubebuilder:validation:MinLength=1
	FilePath string `json:"filePath"`
	// mode are the permissions of the file, 0600 for example.
	// +optional
	Mode string `json:"mode,omitempty"`
}

// HTTPAuditOptions are the options of an audit device that sends requests.
type HTTPAuditOptions struct {
	// uri is where requests are sent to.
	// +kubebuilder:validation:MinLength=1
	URI string `json:"uri"`
	// headers are the headers of the requests.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Headers *runtime.RawExtension `json:"headers,omitempty"`
}

// SyslogAuditOptions are the options of an audit device that writes to syslog.
type SyslogAuditOptions struct {
	// facility is the facility of the entries.
	// +optional
	Facility string `json:"facility,omitempty"`
	// tag is the tag of the entries.
	// +optional
	Tag string `json:"tag,omitempty"`
}

// SocketAuditOptions are the options of an audit device that writes to a socket.
type SocketAuditOptions struct {
	// address is the address of the socket.
	// +optional
	Address string `json:"address,omitempty"`
	// socketType is tcp, udp or unix.
	// +optional
	SocketType string `json:"socketType,omitempty"`
	// writeTimeout is how long a write may take, 2s for example.
	// +optional
	WriteTimeout string `json:"writeTimeout,omitempty"`
}

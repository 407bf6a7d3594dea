// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// ServiceSpec is the Service for clients.
type ServiceSpec struct {
	// type is the type of the Service. The default is ClusterIP.
	// +optional
	Type string `json:"type,omitempty"`
	// annotations are put on the Service.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// IngressSpec publishes the servers by an Ingress.
type IngressSpec struct {
	// enabled says whether there is an Ingress.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// className is the class of the Ingress.
	// +optional
	ClassName *string `json:"className,omitempty"`
	// host is the name that clients use.
	// +kubebuilder:validation:MinLength=1
	Host string `json:"host"`
	// path is the path that is passed on. The default is /.
	// +optional
	Path string `json:"path,omitempty"`
	// tlsSecretName names the Secret with the certificate of the host.
	// +optional
	TLSSecretName string `json:"tlsSecretName,omitempty"`
	// annotations are put on the Ingress.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// GatewaySpec publishes the servers by an HTTPRoute, or by a TLSRoute where TLS
// is passed through.
type GatewaySpec struct {
	// enabled says whether there is a route.
	Enabled bool `json:"enabled"`
	// gatewayRef names the Gateway.
	GatewayRef GatewayReference `json:"gatewayRef"`
	// listenerName is the listener of the Gateway. The default is any that fits.
	// +optional
	ListenerName string `json:"listenerName,omitempty"`
	// hostname is the name that clients use.
	// +kubebuilder:validation:MinLength=1
	Hostname string `json:"hostname"`
	// path is the path that is passed on. The default is /.
	// +optional
	Path string `json:"path,omitempty"`
	// annotations are put on the route.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// backendTLS says how the Gateway connects to the servers.
	// +optional
	BackendTLS *BackendTLSSpec `json:"backendTLS,omitempty"`
	// tlsPassthrough leaves TLS to the servers.
	// +optional
	TLSPassthrough *bool `json:"tlsPassthrough,omitempty"`
}

// GatewayReference names a Gateway.
type GatewayReference struct {
	// name is the name of the Gateway.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// namespace is the namespace of the Gateway. The default is that of the cluster.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// BackendTLSSpec says how a Gateway connects to the servers.
type BackendTLSSpec struct {
	// enabled has the Gateway check the servers' certificates.
	// +kubebuilder:default=true
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// hostname is the name that the certificates must carry.
	// +optional
	Hostname string `json:"hostname,omitempty"`
}

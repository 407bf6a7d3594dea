// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// TLSMode says where certificates come from.
// +enum
type TLSMode string

const (
	// TLSOperatorManaged makes a CA and certificates for the cluster.
	TLSOperatorManaged TLSMode = "OperatorManaged"
	// TLSExternal takes the Secret <name>-tls-server with tls.crt, tls.key and ca.crt,
	// which somebody else keeps, cert-manager for example. No other Secret is needed.
	TLSExternal TLSMode = "External"
	// TLSACME has the servers get their certificates by themselves. Bailiwick does not
	// run such servers yet.
	TLSACME TLSMode = "ACME"
)

// TLSSpec says where the certificates of the servers come from.
type TLSSpec struct {
	// enabled has the servers listen with TLS.
	Enabled bool `json:"enabled"`
	// mode says where the certificates come from.
	// +kubebuilder:validation:Enum=OperatorManaged;External;ACME
	// +kubebuilder:default=OperatorManaged
	// +optional
	Mode TLSMode `json:"mode,omitempty"`
	// acme are the settings of the mode ACME.
	// +optional
	ACME *ACMESpec `json:"acme,omitempty"`
	// rotationPeriod is how long before its end a certificate of the mode
	// OperatorManaged is replaced, 720h for example.
	// +kubebuilder:validation:MinLength=1
	// +optional
	RotationPeriod string `json:"rotationPeriod,omitempty"`
	// extraSANs are further names and addresses that the certificates carry.
	// +optional
	ExtraSANs []string `json:"extraSANs,omitempty"`
}

// ACMESpec says how the servers get certificates by themselves.
// +kubebuilder:validation:XValidation:rule="!(has(self.domain) && has(self.domains) && size(self.domains) > 0)",message="tls.acme.domain and tls.acme.domains are mutually exclusive; use only one"
type ACMESpec struct {
	// directoryURL is the directory of the ACME authority.
	// +kubebuilder:validation:MinLength=1
	DirectoryURL string `json:"directoryURL"`
	// domain is the name that a certificate is asked for.
	//
	// Deprecated: Use domains.
	// +kubebuilder:validation:MinLength=1
	// +optional
	Domain string `json:"domain,omitempty"`
	// domains are the names that a certificate is asked for.
	// +kubebuilder:validation:MinItems=1
	// +optional
	Domains []string `json:"domains,omitempty"`
	// email is the contact of the account at the authority.
	// +optional
	Email string `json:"email,omitempty"`
}

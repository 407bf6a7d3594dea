// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"cmp"
	"net"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

const (
	// StaticKeyFile is the file of the default key of the static seal.
	StaticKeyFile = UnsealDir + "/key"
	// DefaultStaticKeyID is the name of the default key of the static seal.
	DefaultStaticKeyID = "operator-generated-v1"
)

// sealer renders one seal. Its values are texts, as the servers read them.
type sealer struct {
	*renderer
	out body
	// credentials says that there is a Secret with credentials.
	credentials bool
	// inline says that the stanza holds a credential.
	inline bool
}

// seal renders the seal, and the environment that it reads. A variable of the
// environment takes precedence over the setting in the file.
func (r *renderer) seal() {
	u := openbaov1alpha1.UnsealSpec{}
	if r.spec.Unseal != nil {
		u = *r.spec.Unseal
	}
	u.Type = cmp.Or(u.Type, openbaov1alpha1.UnsealStatic)
	s := &sealer{renderer: r, credentials: u.CredentialsSecretRef != nil}
	if s.credentials {
		r.required("spec.unseal.credentialsSecretRef.name", u.CredentialsSecretRef.Name)
	}
	if s.block(u) {
		switch u.Type {
		case openbaov1alpha1.UnsealStatic:
			s.static(u.Static)
		case openbaov1alpha1.UnsealAWSKMS:
			s.awskms(u.AWSKMS)
		case openbaov1alpha1.UnsealAzureKeyVault:
			s.azureKeyVault(u.AzureKeyVault)
		case openbaov1alpha1.UnsealGCPCloudKMS:
			s.gcpCloudKMS(u.GCPCloudKMS)
		case openbaov1alpha1.UnsealTransit:
			s.transit(u.Transit)
		case openbaov1alpha1.UnsealKMIP:
			s.kmip(u.KMIP)
		case openbaov1alpha1.UnsealOCIKMS:
			s.ocikms(u.OCIKMS)
		case openbaov1alpha1.UnsealPKCS11:
			s.pkcs11(u.PKCS11)
		}
	}
	s.builtIn(u.Type)
	r.stanza(s.inline, s.out, "seal", string(u.Type))
}

// block reports whether the block of the type is there, and records those of other
// types.
func (s *sealer) block(u openbaov1alpha1.UnsealSpec) bool {
	found, known := u.Type == openbaov1alpha1.UnsealStatic, false
	for _, b := range []struct {
		of    openbaov1alpha1.UnsealType
		field string
		block any
	}{
		{openbaov1alpha1.UnsealStatic, "static", u.Static},
		{openbaov1alpha1.UnsealAWSKMS, "awskms", u.AWSKMS},
		{openbaov1alpha1.UnsealAzureKeyVault, "azureKeyVault", u.AzureKeyVault},
		{openbaov1alpha1.UnsealGCPCloudKMS, "gcpCloudKMS", u.GCPCloudKMS},
		{openbaov1alpha1.UnsealTransit, "transit", u.Transit},
		{openbaov1alpha1.UnsealKMIP, "kmip", u.KMIP},
		{openbaov1alpha1.UnsealOCIKMS, "ocikms", u.OCIKMS},
		{openbaov1alpha1.UnsealPKCS11, "pkcs11", u.PKCS11},
	} {
		given := !reflect.ValueOf(b.block).IsNil()
		switch {
		case b.of == u.Type:
			known, found = true, found || given
			if !found {
				s.add("spec.unseal."+b.field, "it is required with spec.unseal.type %s; set it", u.Type)
			}
		case given:
			s.add("spec.unseal."+b.field, "it has no effect with spec.unseal.type %s; remove it, or set the type to %s", u.Type, b.of)
		}
	}
	if !known {
		s.add("spec.unseal.type", "%q is no seal that Bailiwick configures; set one of those that the schema lists", u.Type)
	}
	return found && known
}

// builtIn records a seal that servers of the version have in a plugin only, and no
// plugin of that name.
func (s *sealer) builtIn(of openbaov1alpha1.UnsealType) {
	switch of {
	case openbaov1alpha1.UnsealAWSKMS, openbaov1alpha1.UnsealAzureKeyVault, openbaov1alpha1.UnsealGCPCloudKMS,
		openbaov1alpha1.UnsealOCIKMS, openbaov1alpha1.UnsealPKCS11:
	default:
		return
	}
	for _, p := range s.spec.Plugins {
		if p.Type == pluginKMS && p.Name == string(of) {
			return
		}
	}
	if s.lacks(BuiltInProviderSeals) {
		s.add("spec.unseal.type", "OpenBao %s has no seal %s built in; add its plugin to spec.plugins, with type %s and name %s, or set another type",
			s.version, of, pluginKMS, of)
		return
	}
	if of == openbaov1alpha1.UnsealPKCS11 && s.spec.Image == "" && !s.version.hsm {
		s.add("spec.image", "the official image of OpenBao has neither PKCS#11 nor the library of a module; name an image of the HSM distribution that has the library")
	}
}

// text adds a setting that may be left out.
func (s *sealer) text(name, value string) { s.out.setText(name, value) }

// must adds a setting that a server does not start without.
func (s *sealer) must(name, field, value string) {
	s.required(field, value)
	s.text(name, value)
}

// flag adds a boolean setting that may be left out.
func (s *sealer) flag(name string, value *bool) {
	if value != nil {
		s.text(name, strconv.FormatBool(*value))
	}
}

// file adds the path of a file that may be left out.
func (s *sealer) file(name, field, value string) {
	s.text(name, value)
	s.mounted(field, value)
}

// mounted records a file that cannot be there.
func (s *sealer) mounted(field, file string) {
	if file != "" && s.absolute(field, file) && below(file, SealCredentialsDir) && !s.credentials {
		s.add(field, "there is nothing in %s without spec.unseal.credentialsSecretRef; name the Secret with the file there", SealCredentialsDir)
	}
}

// fromSecret adds a variable with the value of a key of the Secret with credentials,
// if there is a Secret.
func (s *sealer) fromSecret(variable, key string, optional bool) {
	if s.credentials {
		s.env = append(s.env, EnvVar{Name: variable, SecretKey: key, Optional: optional})
	}
}

// credential adds a setting that is a credential. It is known to whoever may read the
// object, which only the profile Development allows. The Secret with credentials has
// it under the key.
func (s *sealer) credential(name, field, value, key string) {
	if value == "" {
		return
	}
	switch {
	case s.credentials:
		s.add(field, "spec.unseal.credentialsSecretRef is there for it; keep it under the key %s of that Secret, and remove it here", key)
	case s.spec.Profile != openbaov1alpha1.ProfileDevelopment:
		s.add(field, "whoever may read the object can read it here, which only the profile Development allows; put it into the Secret of spec.unseal.credentialsSecretRef, under the key %s", key)
	}
	s.inline = true
	s.text(name, value)
}

func (s *sealer) static(k *openbaov1alpha1.StaticUnseal) {
	const field = "spec.unseal.static.currentKey"
	if k == nil {
		k = &openbaov1alpha1.StaticUnseal{}
	}
	key := cmp.Or(k.CurrentKey, "file://"+StaticKeyFile)
	file, ok := strings.CutPrefix(key, "file://")
	switch {
	case !ok:
		// It may be the key itself, which the error must not repeat.
		s.add(field, "it must be the URL of a file; write file://%s for example", StaticKeyFile)
	case !s.absolute(field, file):
	case below(file, UnsealDir):
	case below(file, SealCredentialsDir):
		s.mounted(field, file)
	default:
		s.add(field, "%s is not mounted into the servers; use a file in %s or, with spec.unseal.credentialsSecretRef, in %s", file, UnsealDir, SealCredentialsDir)
	}
	s.text("current_key", key)
	s.text("current_key_id", cmp.Or(k.CurrentKeyID, DefaultStaticKeyID))
}

func (s *sealer) awskms(k *openbaov1alpha1.AWSKMSUnseal) {
	s.must("region", "spec.unseal.awskms.region", k.Region)
	s.must("kms_key_id", "spec.unseal.awskms.kmsKeyID", k.KMSKeyID)
	s.text("endpoint", k.Endpoint)
	s.credential("access_key", "spec.unseal.awskms.accessKey", k.AccessKey, "AWS_ACCESS_KEY_ID")
	s.credential("secret_key", "spec.unseal.awskms.secretKey", k.SecretKey, "AWS_SECRET_ACCESS_KEY")
	s.credential("session_token", "spec.unseal.awskms.sessionToken", k.SessionToken, "AWS_SESSION_TOKEN")
	if (k.AccessKey == "") != (k.SecretKey == "") || (k.SessionToken != "" && k.AccessKey == "") {
		s.add("spec.unseal.awskms", "accessKey and secretKey go together, and sessionToken goes with both; set what is missing, or remove them all")
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		s.fromSecret(name, name, true)
	}
}

func (s *sealer) azureKeyVault(k *openbaov1alpha1.AzureKeyVaultUnseal) {
	s.must("vault_name", "spec.unseal.azureKeyVault.vaultName", k.VaultName)
	s.must("key_name", "spec.unseal.azureKeyVault.keyName", k.KeyName)
	s.text("tenant_id", k.TenantID)
	s.text("client_id", k.ClientID)
	s.credential("client_secret", "spec.unseal.azureKeyVault.clientSecret", k.ClientSecret, "AZURE_CLIENT_SECRET")
	s.text("resource", k.Resource)
	s.text("environment", k.Environment)
	for _, v := range []struct{ name, set string }{
		{"AZURE_TENANT_ID", k.TenantID},
		{"AZURE_CLIENT_ID", k.ClientID},
		{"AZURE_CLIENT_SECRET", ""},
		{"AZURE_ENVIRONMENT", k.Environment},
		{"AZURE_AD_RESOURCE", k.Resource},
	} {
		// What the spec says, the Secret does not override.
		if v.set == "" {
			s.fromSecret(v.name, v.name, true)
		}
	}
}

func (s *sealer) gcpCloudKMS(k *openbaov1alpha1.GCPCloudKMSUnseal) {
	s.must("project", "spec.unseal.gcpCloudKMS.project", k.Project)
	s.must("region", "spec.unseal.gcpCloudKMS.region", k.Region)
	s.must("key_ring", "spec.unseal.gcpCloudKMS.keyRing", k.KeyRing)
	s.must("crypto_key", "spec.unseal.gcpCloudKMS.cryptoKey", k.CryptoKey)
	s.file("credentials", "spec.unseal.gcpCloudKMS.credentials", k.Credentials)
	if s.credentials && k.Credentials == "" {
		s.env = append(s.env, EnvVar{Name: "GOOGLE_APPLICATION_CREDENTIALS", Value: SealCredentialsDir + "/credentials.json"})
	}
}

// transit reads the token from a variable of its own. VAULT_TOKEN would do as well,
// but the server would also send it to other servers when it joins them. The CA comes
// as text, since a variable with the name of a file that does not exist keeps the
// server from starting, and the key may be missing from the Secret.
func (s *sealer) transit(k *openbaov1alpha1.TransitUnseal) {
	const prefix = "spec.unseal.transit."
	s.must("address", prefix+"address", k.Address)
	if u, err := url.Parse(k.Address); k.Address != "" && (err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http")) {
		s.add(prefix+"address", "%q is not the URL of a server; write https://bao.example.com:8200 for example", k.Address)
	}
	s.must("key_name", prefix+"keyName", k.KeyName)
	s.must("mount_path", prefix+"mountPath", k.MountPath)
	s.text("namespace", k.Namespace)
	s.credential("token", prefix+"token", k.Token, "token")
	if k.Token == "" && !s.credentials {
		s.add("spec.unseal.credentialsSecretRef", "the type transit needs a token; name a Secret that has it under the key token")
	}
	s.flag("disable_renewal", k.DisableRenewal)
	s.file("tls_ca_cert", prefix+"tlsCACert", k.TLSCACert)
	s.file("tls_client_cert", prefix+"tlsClientCert", k.TLSClientCert)
	s.file("tls_client_key", prefix+"tlsClientKey", k.TLSClientKey)
	s.pair(prefix+"tlsClientCert", k.TLSClientCert, prefix+"tlsClientKey", k.TLSClientKey)
	s.text("tls_server_name", k.TLSServerName)
	s.flag("tls_skip_verify", k.TLSSkipVerify)
	s.fromSecret("VAULT_TRANSIT_SEAL_TOKEN", "token", false)
	if k.TLSCACert == "" {
		s.fromSecret("BAO_CACERT_BYTES", "ca.crt", true)
	}
}

// pair records one of a client certificate and its key without the other.
func (s *sealer) pair(certField, cert, keyField, key string) {
	switch {
	case cert != "" && key == "":
		s.add(keyField, "a client certificate needs its key; set it, or remove the certificate")
	case cert == "" && key != "":
		s.add(certField, "the key of a client certificate needs the certificate; set it, or remove the key")
	}
}

func (s *sealer) kmip(k *openbaov1alpha1.KMIPUnseal) {
	const prefix = "spec.unseal.kmip."
	s.must("endpoint", prefix+"address", k.Address)
	if _, _, err := net.SplitHostPort(k.Address); k.Address != "" && err != nil {
		s.add(prefix+"address", "%q is not a host and a port; write kmip.example.com:5696 for example", k.Address)
	}
	s.required(prefix+"certificate", k.Certificate)
	s.file("client_cert", prefix+"certificate", k.Certificate)
	s.required(prefix+"key", k.Key)
	s.file("client_key", prefix+"key", k.Key)
	s.file("ca_cert", prefix+"caCert", k.CACert)
	s.text("server_name", k.TLSServerName)
	if !s.credentials {
		s.add("spec.unseal.credentialsSecretRef", "the type kmip needs the id of a key, for which there is no field; name a Secret that has it under the key BAO_KMIP_WRAPPER_KEY_ID")
	}
	s.fromSecret("BAO_KMIP_WRAPPER_KEY_ID", "BAO_KMIP_WRAPPER_KEY_ID", false)
}

func (s *sealer) ocikms(k *openbaov1alpha1.OCIKMSUnseal) {
	const prefix = "spec.unseal.ocikms."
	s.must("key_id", prefix+"keyID", k.KeyID)
	s.must("crypto_endpoint", prefix+"cryptoEndpoint", k.CryptoEndpoint)
	s.must("management_endpoint", prefix+"managementEndpoint", k.ManagementEndpoint)
	switch k.AuthType {
	case "":
	case "instance_principal":
		s.text("auth_type_api_key", "false")
	default:
		s.add(prefix+"authType", "the servers can log in as the instance that they run on, and have no file with an API key; set instance_principal, or remove it")
	}
	if k.CompartmentID != "" {
		s.add(prefix+"compartmentID", "OpenBao finds the key by keyID and reads no compartment; remove it")
	}
}

func (s *sealer) pkcs11(k *openbaov1alpha1.PKCS11Unseal) {
	const prefix = "spec.unseal.pkcs11."
	s.required(prefix+"lib", k.Lib)
	s.file("lib", prefix+"lib", k.Lib)
	s.must("key_label", prefix+"keyLabel", k.KeyLabel)
	if k.Slot == "" {
		s.add(prefix+"slot", "OpenBao needs the slot in decimal digits, since there is no field for the label of a token; set it")
	}
	s.text("slot", k.Slot)
	s.credential("pin", prefix+"pin", k.PIN, "BAO_HSM_PIN")
	if k.PIN == "" && !s.credentials {
		s.add("spec.unseal.credentialsSecretRef", "the type pkcs11 needs a PIN; name a Secret that has it under the key BAO_HSM_PIN")
	}
	if k.HMACKeyLabel != "" {
		s.add(prefix+"hmacKeyLabel", "OpenBao uses no HMAC key; remove it")
	}
	if k.GenerateKey != nil && *k.GenerateKey {
		s.add(prefix+"generateKey", "OpenBao makes no key in the module; make it with the tool of the module, and remove this")
	}
	if k.RSAEncryptLocal != nil {
		s.text("disable_software_encryption", strconv.FormatBool(!*k.RSAEncryptLocal))
	}
	s.text("rsa_oaep_hash", k.RSAOAEPHash)
	s.fromSecret("BAO_HSM_PIN", "BAO_HSM_PIN", false)
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

func unseal(u openbaov1alpha1.UnsealSpec) change {
	return func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Unseal = &u }
}

// credentials names the Secret with the credentials of the seal.
func credentials(s *openbaov1alpha1.OpenBaoClusterSpec) {
	s.Unseal.CredentialsSecretRef = &openbaov1alpha1.LocalObjectReference{Name: "creds"}
}

func image(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Image = "registry.example.com/bao-hsm:1" }

// seals returns a block of each type with all that OpenBao can use, apart from
// credentials. They are new ones each time.
func seals() map[openbaov1alpha1.UnsealType]openbaov1alpha1.UnsealSpec {
	return map[openbaov1alpha1.UnsealType]openbaov1alpha1.UnsealSpec{
		openbaov1alpha1.UnsealStatic: {Static: &openbaov1alpha1.StaticUnseal{CurrentKey: "file:///etc/bao/seal-creds/key", CurrentKeyID: "k1"}},
		openbaov1alpha1.UnsealAWSKMS: {AWSKMS: &openbaov1alpha1.AWSKMSUnseal{Region: "eu-west-1", KMSKeyID: "arn:k", Endpoint: "https://kms"}},
		openbaov1alpha1.UnsealAzureKeyVault: {AzureKeyVault: &openbaov1alpha1.AzureKeyVaultUnseal{
			VaultName: "v", KeyName: "k", TenantID: "t", ClientID: "c", Resource: "vault.azure.net", Environment: "AZUREPUBLICCLOUD",
		}},
		openbaov1alpha1.UnsealGCPCloudKMS: {GCPCloudKMS: &openbaov1alpha1.GCPCloudKMSUnseal{
			Project: "p", Region: "r", KeyRing: "kr", CryptoKey: "ck", Credentials: "/etc/bao/seal-creds/own.json",
		}},
		openbaov1alpha1.UnsealTransit: {Transit: &openbaov1alpha1.TransitUnseal{
			Address: "https://keys:8200", KeyName: "k", MountPath: "transit", Namespace: "ns1", DisableRenewal: new(true),
			TLSCACert: "/etc/bao/seal-creds/own-ca.crt", TLSClientCert: "/etc/bao/seal-creds/tls.crt", TLSClientKey: "/etc/bao/seal-creds/tls.key",
			TLSServerName: "keys.internal", TLSSkipVerify: new(false),
		}},
		openbaov1alpha1.UnsealKMIP: {KMIP: &openbaov1alpha1.KMIPUnseal{
			Address: "kmip:5696", Certificate: "/etc/bao/seal-creds/tls.crt", Key: "/etc/bao/seal-creds/tls.key", CACert: "/etc/bao/seal-creds/ca.crt", TLSServerName: "kmip.internal",
		}},
		openbaov1alpha1.UnsealOCIKMS: {OCIKMS: &openbaov1alpha1.OCIKMSUnseal{
			KeyID: "ocid1.key", CryptoEndpoint: "https://crypto", ManagementEndpoint: "https://management", AuthType: "instance_principal",
		}},
		openbaov1alpha1.UnsealPKCS11: {PKCS11: &openbaov1alpha1.PKCS11Unseal{Lib: "/usr/lib/softhsm.so", KeyLabel: "k", Slot: "7", RSAEncryptLocal: new(true), RSAOAEPHash: "sha256"}},
	}
}

func sealOf(of openbaov1alpha1.UnsealType) change {
	u := seals()[of]
	u.Type = of
	return unseal(u)
}

func TestSeals(t *testing.T) {
	optional := func(names ...string) (env []serverconfig.EnvVar) {
		for _, name := range names {
			env = append(env, serverconfig.EnvVar{Name: name, SecretKey: name, Optional: true})
		}
		return env
	}
	for name, c := range map[string]struct {
		changes []change
		seal    string
		want    map[string]any
		env     []serverconfig.EnvVar
	}{
		"nothing": {
			seal: "static",
			want: map[string]any{"current_key": "file:///etc/bao/unseal/key", "current_key_id": "operator-generated-v1"},
		},
		"static without a block": {
			changes: []change{unseal(openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealStatic}), hardened},
			seal:    "static",
			want:    map[string]any{"current_key": "file:///etc/bao/unseal/key", "current_key_id": "operator-generated-v1"},
		},
		"static": {
			changes: []change{sealOf(openbaov1alpha1.UnsealStatic), credentials, hardened},
			seal:    "static",
			want:    map[string]any{"current_key": "file:///etc/bao/seal-creds/key", "current_key_id": "k1"},
		},
		"awskms": {
			changes: []change{sealOf(openbaov1alpha1.UnsealAWSKMS), credentials, hardened},
			seal:    "awskms",
			want:    map[string]any{"region": "eu-west-1", "kms_key_id": "arn:k", "endpoint": "https://kms"},
			env:     optional("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
		},
		"awskms by the identity of the pod": {
			changes: []change{sealOf(openbaov1alpha1.UnsealAWSKMS), hardened},
			seal:    "awskms",
			want:    map[string]any{"region": "eu-west-1", "kms_key_id": "arn:k", "endpoint": "https://kms"},
		},
		"awskms by plugin": {
			changes: []change{sealOf(openbaov1alpha1.UnsealAWSKMS), version("2.7.0"), withPlugins(openbaov1alpha1.PluginSpec{
				Type: "kms", Name: "awskms", Version: "v1.0.0", Command: "awskms", BinaryName: "awskms", SHA256Sum: sum,
			})},
			seal: "awskms",
			want: map[string]any{"region": "eu-west-1", "kms_key_id": "arn:k", "endpoint": "https://kms"},
		},
		"azurekeyvault": {
			changes: []change{sealOf(openbaov1alpha1.UnsealAzureKeyVault), credentials, hardened},
			seal:    "azurekeyvault",
			want:    map[string]any{"vault_name": "v", "key_name": "k", "tenant_id": "t", "client_id": "c", "resource": "vault.azure.net", "environment": "AZUREPUBLICCLOUD"},
			env:     optional("AZURE_CLIENT_SECRET"),
		},
		"azurekeyvault from the Secret": {
			changes: []change{unseal(openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealAzureKeyVault, AzureKeyVault: &openbaov1alpha1.AzureKeyVaultUnseal{
				VaultName: "v", KeyName: "k",
			}}), credentials},
			seal: "azurekeyvault",
			want: map[string]any{"vault_name": "v", "key_name": "k"},
			env:  optional("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_ENVIRONMENT", "AZURE_AD_RESOURCE"),
		},
		"gcpckms": {
			changes: []change{sealOf(openbaov1alpha1.UnsealGCPCloudKMS), credentials, hardened},
			seal:    "gcpckms",
			want:    map[string]any{"project": "p", "region": "r", "key_ring": "kr", "crypto_key": "ck", "credentials": "/etc/bao/seal-creds/own.json"},
		},
		"gcpckms from the Secret": {
			changes: []change{sealOf(openbaov1alpha1.UnsealGCPCloudKMS), credentials, func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Unseal.GCPCloudKMS.Credentials = "" }},
			seal:    "gcpckms",
			want:    map[string]any{"project": "p", "region": "r", "key_ring": "kr", "crypto_key": "ck"},
			env:     []serverconfig.EnvVar{{Name: "GOOGLE_APPLICATION_CREDENTIALS", Value: "/etc/bao/seal-creds/credentials.json"}},
		},
		"transit": {
			changes: []change{sealOf(openbaov1alpha1.UnsealTransit), credentials, hardened},
			seal:    "transit",
			want: map[string]any{
				"address": "https://keys:8200", "key_name": "k", "mount_path": "transit", "namespace": "ns1", "disable_renewal": "true",
				"tls_ca_cert": "/etc/bao/seal-creds/own-ca.crt", "tls_client_cert": "/etc/bao/seal-creds/tls.crt", "tls_client_key": "/etc/bao/seal-creds/tls.key",
				"tls_server_name": "keys.internal", "tls_skip_verify": "false",
			},
			env: []serverconfig.EnvVar{{Name: "VAULT_TRANSIT_SEAL_TOKEN", SecretKey: "token"}},
		},
		"transit with a CA from the Secret": {
			changes: []change{unseal(openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealTransit, Transit: &openbaov1alpha1.TransitUnseal{
				Address: "https://keys:8200", KeyName: "k", MountPath: "transit",
			}}), credentials, version("2.7.0")},
			seal: "transit",
			want: map[string]any{"address": "https://keys:8200", "key_name": "k", "mount_path": "transit"},
			env: []serverconfig.EnvVar{
				{Name: "VAULT_TRANSIT_SEAL_TOKEN", SecretKey: "token"},
				{Name: "BAO_CACERT_BYTES", SecretKey: "ca.crt", Optional: true},
			},
		},
		"kmip": {
			changes: []change{sealOf(openbaov1alpha1.UnsealKMIP), credentials, hardened, version("2.7.0")},
			seal:    "kmip",
			want: map[string]any{
				"endpoint": "kmip:5696", "client_cert": "/etc/bao/seal-creds/tls.crt", "client_key": "/etc/bao/seal-creds/tls.key", "ca_cert": "/etc/bao/seal-creds/ca.crt", "server_name": "kmip.internal",
			},
			env: []serverconfig.EnvVar{{Name: "BAO_KMIP_WRAPPER_KEY_ID", SecretKey: "BAO_KMIP_WRAPPER_KEY_ID"}},
		},
		"ocikms": {
			changes: []change{sealOf(openbaov1alpha1.UnsealOCIKMS), hardened},
			seal:    "ocikms",
			want:    map[string]any{"key_id": "ocid1.key", "crypto_endpoint": "https://crypto", "management_endpoint": "https://management", "auth_type_api_key": "false"},
		},
		"pkcs11": {
			changes: []change{sealOf(openbaov1alpha1.UnsealPKCS11), credentials, hardened, image},
			seal:    "pkcs11",
			want:    map[string]any{"lib": "/usr/lib/softhsm.so", "key_label": "k", "slot": "7", "disable_software_encryption": "false", "rsa_oaep_hash": "sha256"},
			env:     []serverconfig.EnvVar{{Name: "BAO_HSM_PIN", SecretKey: "BAO_HSM_PIN"}},
		},
		"pkcs11 with the HSM distribution": {
			changes: []change{sealOf(openbaov1alpha1.UnsealPKCS11), credentials, version("2.6.2-hsm"), func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Unseal.PKCS11.RSAEncryptLocal = new(false)
			}},
			seal: "pkcs11",
			want: map[string]any{"lib": "/usr/lib/softhsm.so", "key_label": "k", "slot": "7", "disable_software_encryption": "true", "rsa_oaep_hash": "sha256"},
			env:  []serverconfig.EnvVar{{Name: "BAO_HSM_PIN", SecretKey: "BAO_HSM_PIN"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := mustRender(t, cluster(c.changes...))
			if out.Secret != nil {
				t.Errorf("without a credential there is a secret file:\n%s", out.Secret)
			}
			blocks := parse(t, out.Public)["seal"].([]map[string]any)
			if len(blocks) != 1 || len(blocks[0]) != 1 {
				t.Fatalf("the seals are %v", blocks)
			}
			if got := blocks[0][c.seal].([]map[string]any)[0]; !maps.Equal(got, c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
			if !slices.Equal(out.Env, c.env) {
				t.Errorf("got the environment %+v\nwant %+v", out.Env, c.env)
			}
		})
	}
}

// TestInlineCredentials checks for each credential of a seal that it is in the secret
// file alone, and where it is refused.
func TestInlineCredentials(t *testing.T) {
	const value = "credential-5d41"
	for field, c := range map[string]struct {
		of       openbaov1alpha1.UnsealType
		set      change
		settings []string
		key      string
	}{
		"awskms.accessKey": {
			openbaov1alpha1.UnsealAWSKMS,
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Unseal.AWSKMS.AccessKey, s.Unseal.AWSKMS.SecretKey = value+"a", value+"b"
			},
			[]string{"access_key", "secret_key"}, "AWS_ACCESS_KEY_ID",
		},
		"awskms.sessionToken": {
			openbaov1alpha1.UnsealAWSKMS,
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Unseal.AWSKMS.AccessKey, s.Unseal.AWSKMS.SecretKey, s.Unseal.AWSKMS.SessionToken = value+"a", value+"b", value+"c"
			},
			[]string{"access_key", "secret_key", "session_token"}, "AWS_SESSION_TOKEN",
		},
		"azureKeyVault.clientSecret": {
			openbaov1alpha1.UnsealAzureKeyVault,
			func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Unseal.AzureKeyVault.ClientSecret = value },
			[]string{"client_secret"}, "AZURE_CLIENT_SECRET",
		},
		"transit.token": {
			openbaov1alpha1.UnsealTransit,
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Unseal.Transit.Token = value
				s.Unseal.Transit.TLSCACert, s.Unseal.Transit.TLSClientCert, s.Unseal.Transit.TLSClientKey = "", "", ""
			},
			[]string{"token"}, "token",
		},
		"pkcs11.pin": {
			openbaov1alpha1.UnsealPKCS11,
			func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Unseal.PKCS11.PIN, s.Image = value, "hsm" },
			[]string{"pin"}, "BAO_HSM_PIN",
		},
	} {
		out := mustRender(t, cluster(sealOf(c.of), c.set))
		if bytes.Contains(out.Public, []byte(value)) || bytes.Contains(out.Public, []byte("seal ")) {
			t.Errorf("%s: the credential or its stanza is in the public file", field)
		}
		got := parse(t, out.Secret)["seal"].([]map[string]any)[0][string(c.of)].([]map[string]any)[0]
		for _, name := range c.settings {
			if text, ok := got[name].(string); !ok || !strings.HasPrefix(text, value) {
				t.Errorf("%s: %s is not in the secret file", field, name)
			}
		}
		for _, e := range out.Env {
			t.Errorf("%s: without a Secret there is a variable %s", field, e.Name)
		}

		for what, changes := range map[string][]change{
			"spec.unseal." + field + ": whoever may read the object can read it here, which only the profile Development allows; put it into the Secret of spec.unseal.credentialsSecretRef, under the key " + c.key: {sealOf(c.of), c.set, hardened},
			"spec.unseal." + field + ": spec.unseal.credentialsSecretRef is there for it; keep it under the key " + c.key + " of that Secret, and remove it here":                                                    {sealOf(c.of), c.set, credentials},
		} {
			_, err := serverconfig.Render(cluster(changes...))
			if got := refusals(t, err); !slices.Contains(got, what) {
				t.Errorf("got  %q\nwant %q", got, what)
			} else if strings.Contains(err.Error(), value) {
				t.Errorf("%s: the error repeats the credential", field)
			}
		}
	}
}

// TestStaticKeyIsNotRepeated checks that a key in the place of a file is refused
// without being shown.
func TestStaticKeyIsNotRepeated(t *testing.T) {
	_, err := serverconfig.Render(cluster(unseal(openbaov1alpha1.UnsealSpec{Static: &openbaov1alpha1.StaticUnseal{CurrentKey: "0123456789abcdef0123456789abcdef"}})))
	want := []string{"spec.unseal.static.currentKey: it must be the URL of a file; write file:///etc/bao/unseal/key for example"}
	if got := refusals(t, err); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

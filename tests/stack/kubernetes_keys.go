// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/bailiwick-operator/bailiwick/tests/internal/pki"
)

// signingKeys are the keys of ServiceAccount tokens.
type signingKeys struct {
	// made counts the keys that were ever made, to name their files.
	made int
	// files hold the keys that tokens are verified with, the newest last: that
	// one signs.
	files []string
}

func (s *signingKeys) signer() string { return s.files[len(s.files)-1] }

// writeCredentials writes the certificates, the administrator's and the
// controller manager's kubeconfig, and the first signing key.
func (k *Kubernetes) writeCredentials() error {
	ca, err := pki.NewAuthority("kubernetes-ca")
	if err != nil {
		return err
	}
	server, err := ca.Server([]net.IP{net.ParseIP(loopback)}, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
	if err != nil {
		return err
	}
	if k.admin, err = ca.Client("admin", "system:masters"); err != nil {
		return err
	}
	manager, err := ca.Client("system:kube-controller-manager", "system:masters")
	if err != nil {
		return err
	}
	k.CAPEM = ca.PEM

	for name, content := range map[string][]byte{
		"ca.crt":        ca.PEM,
		"apiserver.crt": server.Certificate,
		"apiserver.key": server.Key,
	} {
		if _, err := k.workDir.write(name, content); err != nil {
			return err
		}
	}

	k.Kubeconfig = k.workDir.join("admin.kubeconfig")
	if err := WriteKubeconfig(k.Kubeconfig, k.Config()); err != nil {
		return err
	}
	config := k.anonymousConfig()
	config.CertData, config.KeyData = manager.Certificate, manager.Key
	if err := WriteKubeconfig(k.workDir.join("controller-manager.kubeconfig"), config); err != nil {
		return err
	}
	return k.addSigningKey()
}

// RotateSigningKey makes the API server sign ServiceAccount tokens with a new
// key, which takes a restart of it. Tokens of earlier keys stay valid, and their
// keys in the key set at /openid/v1/jwks, until DropOldSigningKeys.
func (k *Kubernetes) RotateSigningKey(ctx context.Context) error {
	if err := k.addSigningKey(); err != nil {
		return err
	}
	return k.restartAPIServer(ctx)
}

// DropOldSigningKeys leaves only the newest key, which takes a restart of the
// API server: all tokens of earlier keys become invalid.
func (k *Kubernetes) DropOldSigningKeys(ctx context.Context) error {
	k.keys.files = []string{k.keys.signer()}
	return k.restartAPIServer(ctx)
}

func (k *Kubernetes) restartAPIServer(ctx context.Context) error {
	if err := k.StopAPIServer(); err != nil {
		return err
	}
	return k.StartAPIServer(ctx)
}

// addSigningKey makes a key that the next start of the API server signs with.
func (k *Kubernetes) addSigningKey() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	encoded, err := pki.EncodeKey(key)
	if err != nil {
		return err
	}
	file, err := k.workDir.write(fmt.Sprintf("service-account-%d.key", k.keys.made), encoded)
	if err != nil {
		return err
	}
	k.keys.made++
	k.keys.files = append(k.keys.files, file)
	return nil
}

// WriteKubeconfig writes a kubeconfig with the access that config gives, for
// programs that read one. Only the user can read the file.
func WriteKubeconfig(path string, config *rest.Config) error {
	const name = "bailiwick"
	return clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {
			Server:                   config.Host,
			CertificateAuthorityData: config.CAData,
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{name: {
			ClientCertificateData: config.CertData,
			ClientKeyData:         config.KeyData,
			Token:                 config.BearerToken,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}, path)
}

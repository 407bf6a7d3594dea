// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"encoding/json"
	"fmt"
)

// The images that every node has.
const (
	pauseImage = "localhost/pause:1"
	// ProbeImage is an image for pods of tests; hack/tools/node/probe says what it
	// does.
	ProbeImage = "localhost/probe:1"
)

// Ports of a node, on its address.
const (
	apiServerPort    = 6443
	kubeletPort      = 10250
	proxyHealthPort  = 10256
	dnsReadyPort     = 8181
	routerHealthPort = 20244
	etcdMetricsPort  = 2381
)

// provisionerName is what the storage class names, and className its own name.
const (
	provisionerName = "bailiwick.dev/folder"
	className       = "standard"
)

// object is a document, in JSON or in the part of YAML that is JSON.
type object = map[string]any

func containerdConfig(m *machine, plugins string) string {
	return fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
  address = %q
[debug]
  level = "warn"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  # A score below one's own takes a right that root in a container may lack.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`, m.path("containerd"), m.path("containerd-state"), m.socket(), pauseImage, plugins, m.path("cni"))
}

func cniConfig(m *machine, pods string) object {
	return object{
		"cniVersion": "1.0.0",
		"name":       "pods",
		"plugins": []object{
			{
				"type": "bridge", "bridge": "pods", "isGateway": true, "hairpinMode": true,
				"ipam": object{
					"type": "host-local", "dataDir": m.path("addresses"),
					"ranges": [][]object{{{"subnet": pods}}},
					"routes": []object{{"dst": "0.0.0.0/0"}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}
}

func kubeletConfig(m *machine, dns string) object {
	return object{
		"apiVersion":         "kubelet.config.k8s.io/v1beta1",
		"kind":               "KubeletConfiguration",
		"address":            m.address,
		"port":               kubeletPort,
		"healthzBindAddress": "127.0.0.1",
		"tlsCertFile":        m.path("kubelet.crt"),
		"tlsPrivateKeyFile":  m.path("kubelet.key"),
		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true},
			"x509":      object{"clientCAFile": m.path("ca.crt")},
		},
		"authorization":            object{"mode": "Webhook"},
		"containerRuntimeEndpoint": "unix://" + m.socket(),
		"cgroupDriver":             "cgroupfs",
		"cgroupRoot":               "/" + m.cgroup,
		"enforceNodeAllocatable":   []string{},
		"failCgroupV1":             false,
		"failSwapOn":               false,
		"clusterDNS":               []string{dns},
		"clusterDomain":            "cluster.local",
		"resolvConf":               m.path("resolv.conf"),
		"podLogsDir":               m.path("pod-logs"),
		"volumePluginDir":          m.path("volume-plugins"),
		// A full disk evicts no pods and deletes no images: nothing brings them back.
		"evictionHard": map[string]string{
			"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.inodesFree": "0%",
			"memory.available": "1Mi",
		},
		"imageGCHighThresholdPercent": 100,
		"imageMaximumGCAge":           "0s",
		"nodeStatusUpdateFrequency":   "4s",
		"logging":                     object{"verbosity": 2},
	}
}

func proxyConfig(m *machine, pods string) object {
	return object{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"mode":               "nftables",
		"clientConnection":   object{"kubeconfig": m.path("kube-proxy.kubeconfig")},
		"clusterCIDR":        pods,
		"hostnameOverride":   m.name,
		"nodePortAddresses":  []string{"primary"},
		"healthzBindAddress": fmt.Sprintf("%s:%d", m.address, proxyHealthPort),
		"metricsBindAddress": "127.0.0.1:10249",
		"nftables":           object{"minSyncPeriod": "100ms"},
		// The limits belong to the machine outside.
		"conntrack": object{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	}
}

func corefile(m *machine) string {
	return fmt.Sprintf(`.:53 {
  bind %[1]s
  errors
  ready %[1]s:%[2]d
  # The root zone is for programs outside of pods, which have no search path.
  kubernetes cluster.local . in-addr.arpa ip6.arpa {
    kubeconfig %[3]s
    pods insecure
    # Pods of tests come and go quickly.
    ttl 1
  }
}
`, m.address, dnsReadyPort, m.path("coredns.kubeconfig"))
}

func render(document object) ([]byte, error) { return json.MarshalIndent(document, "", "  ") }

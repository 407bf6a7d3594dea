// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/bailiwick-operator/bailiwick/tests/node/internal/agent"
)

// programs are those that a node takes from the machine. hack/install-deps.sh
// installs them where it can.
var programs = [...]string{"containerd", "ctr", "runc", "ip", "nft", "ipset", "iptables"}

// plugins are the CNI plugins that a node takes from the machine.
var plugins = [...]string{"bridge", "host-local", "loopback", "portmap"}

// pluginFolders are where packages put CNI plugins.
var pluginFolders = [...]string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

// Available returns nil if this machine can run a node, and otherwise an error that
// says what is missing. Binaries that hack/build-tools.sh builds are not looked at:
// without them Start fails.
func Available() error {
	if runtime.GOOS != "linux" {
		return errors.New("a node needs Linux")
	}
	if os.Geteuid() != 0 {
		return errors.New("a node needs root")
	}
	var missing []string
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if _, err := pluginFolder(); err != nil {
		missing = append(missing, "CNI plugins")
	}
	if len(missing) > 0 {
		return fmt.Errorf("a node needs %s: run hack/install-deps.sh", strings.Join(missing, ", "))
	}
	if _, err := os.Stat("/proc/sys/net/bridge/bridge-nf-call-iptables"); err != nil {
		return errors.New("a node needs the kernel module br_netfilter")
	}
	if err := agent.TryNamespaces(); err != nil {
		return fmt.Errorf("a node needs namespaces of its own, and this process may not make any: %w", err)
	}
	return nil
}

// pluginFolder returns the folder of the CNI plugins.
func pluginFolder() (string, error) {
	for _, folder := range pluginFolders {
		complete := true
		for _, plugin := range plugins {
			if _, err := os.Stat(filepath.Join(folder, plugin)); err != nil {
				complete = false
				break
			}
		}
		if complete {
			return folder, nil
		}
	}
	return "", fmt.Errorf("none of %s has the CNI plugins %s",
		strings.Join(pluginFolders[:], ", "), strings.Join(plugins[:], ", "))
}

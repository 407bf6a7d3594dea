// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "strings"

// hints says how to look further.
func (d *demo) hints() string {
	text := `
Logs of the node and its pods: LOGS
To keep the node and look around: make demo-openbao DEMO_FLAGS=--keep
`
	if d.keep {
		text = `
To look further, in another terminal:

  export KUBECONFIG=CONFIG PATH="BIN:$PATH"
  kubectl get openbaoclusters,pods
  kubectl get openbaocluster NAME -o jsonpath='{range .status.servers[*]}{.name}{"\t"}{.role}{"\t"}{.version}{"\n"}{end}'
  kubectl describe openbaocluster NAME     # conditions and events
  kubectl logs NAME-0                      # of a server
  kubectl -n SYSTEM logs deployment/bailiwick-servers
  # take a server's volume away, and see it join again:
  kubectl delete pvc data-NAME-0 --wait=false && kubectl delete pod NAME-0

Ctrl-C ends everything.
`
	}
	return strings.NewReplacer("LOGS", d.path(logFolder), "CONFIG", d.path(kubeconfigFile), "BIN", d.bin,
		"NAME", clusterName, "SYSTEM", operatorNamespace).Replace(text)
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
)

// printHints says how to look further, and what happens next.
func (d *demo) printHints() {
	d.out.Plain(hints(map[string]string{
		"KUBECONFIG": d.path(kubeconfigFile),
		"BIN":        filepath.Dir(d.kubectl),
		"SIMULATOR":  d.simulator.URL(),
		"PROJECT":    project,
		"BAO":        d.stack.OpenBao.Address,
		"CA":         d.stack.OpenBao.CAFile,
		"LOG":        d.operator.logFile,
	}, d.wait))
}

// hints fills in the text; while the servers run, it is about them.
func hints(values map[string]string, running bool) string {
	text := `
The operator's log: $LOG
To keep everything running and look around: make demo DEMO_FLAGS=--wait
`
	if running {
		text = `
To look further, in another terminal:

  export KUBECONFIG=$KUBECONFIG PATH="$BIN:$PATH"
  kubectl get aiven,openbaoclusters        # all samples, with Ready and why not
  kubectl describe postgresqls             # conditions and events
  kubectl get secrets                      # published connection details
  kubectl get events --sort-by=.lastTimestamp
  curl -s $SIMULATOR/_sim/state            # what exists at the simulated Aiven
  curl -s $SIMULATOR/_sim/requests         # and the requests that it was sent
  # change something behind the operator's back, as a person at Aiven's console would, and see it repaired:
  curl -s $SIMULATOR/_sim/console -d '{"method":"PUT","path":"/v1/project/$PROJECT/service/demo-pg","body":{"plan":"business-4"}}'
  # have Aiven refuse the next 20 requests, and see what the conditions say; DELETE ends it:
  curl -s $SIMULATOR/_sim/faults -d '{"status":429,"count":20}'
  curl -s -X DELETE $SIMULATOR/_sim/faults
  curl -s --cacert $CA $BAO/v1/sys/health
  tail -f $LOG

Try to delete or change an object, or to annotate one. Ctrl-C ends everything.
`
	}
	return os.Expand(text, func(name string) string {
		if value, ok := values[name]; ok {
			return value
		}
		// The reader's own, such as PATH.
		return "$" + name
	})
}

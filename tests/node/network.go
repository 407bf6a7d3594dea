// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bailiwick-operator/bailiwick/tests/node/internal/agent"
)

// ids is a range of ids that a cluster may have; cluster 77 has the addresses
// 10.77.0.0/16.
type ids struct{ first, last int }

// commonIDs leave out what machines and their virtual networks use most.
var commonIDs = ids{first: 77, last: 99}

// uplink is the name that every machine of a cluster has for its link.
const uplink = "eth0"

// network is the share of a cluster of the machine's addresses:
//
//	10.ID.N.0/24     pods of node N; 0 is the first one
//	10.ID.128.0/20   Services
//	10.ID.254.0/24   links between the first node and others
//	10.ID.255.0/30   the link between this machine (.1) and the first node (.2)
type network struct {
	id int
	// lock is held by this process and by the first node's agent, until both are
	// gone. It is a socket without a file, so nothing of it stays.
	lock *os.File
}

// acquireNetwork takes the first free id, and removes what is left of a cluster
// that had it and was ended together with its agents.
func acquireNetwork(ctx context.Context, among ids) (*network, error) {
	for id := among.first; id <= among.last; id++ {
		n := &network{id: id}
		if err := n.acquire(ctx); err != nil {
			continue
		}
		used := false
		err := n.sweep(ctx)
		if err == nil {
			used, err = n.used(ctx)
		}
		if err == nil && !used {
			return n, nil
		}
		if err := errors.Join(err, n.close()); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("all addresses from 10.%d.0.0 to 10.%d.255.255 are in use", among.first, among.last)
}

// acquire takes the id, or fails if anybody has it. Nobody else can listen on the
// same socket.
func (n *network) acquire(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", "@"+n.name())
	if err != nil {
		return err
	}
	defer listener.Close()
	socket, ok := listener.(*net.UnixListener)
	if !ok {
		return fmt.Errorf("%s is no socket", n.name())
	}
	n.lock, err = socket.File()
	return err
}

// used tells whether this machine has other routes into the network.
func (n *network) used(ctx context.Context) (bool, error) {
	routes, err := host(ctx, "ip", "-4", "route", "show", "table", "all", "root", n.prefix())
	return routes != "", err
}

// sweep removes what was left by a cluster that had this id, when none has it now.
func (n *network) sweep(ctx context.Context) error {
	if linked(n.hostLink()) {
		// The kernel may be about to do the same.
		if _, err := host(ctx, "ip", "link", "delete", n.hostLink()); err != nil && linked(n.hostLink()) {
			return err
		}
	}
	folders, err := n.folders()
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	for worker := 0; worker <= maxWorkers; worker++ {
		if err := agent.RemoveCgroups(n.machineName(worker)); err != nil {
			return err
		}
	}
	return nil
}

// linked tells whether this machine has a link.
func linked(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

// folders returns the folders of all nodes of the cluster.
func (n *network) folders() ([]string, error) {
	return filepath.Glob(filepath.Join(os.TempDir(), n.name()+"[^0-9]*"))
}

// name is the name of the cluster on this machine.
func (n *network) name() string { return fmt.Sprintf("bailiwick-node-%d", n.id) }

// machineName is the name on this machine of a node of the cluster.
func (n *network) machineName(index int) string {
	if index == 0 {
		return n.name()
	}
	return fmt.Sprintf("%s.%d", n.name(), index)
}

func (n *network) prefix() string        { return fmt.Sprintf("10.%d.0.0/16", n.id) }
func (n *network) services() string      { return fmt.Sprintf("10.%d.128.0/20", n.id) }
func (n *network) firstService() string  { return fmt.Sprintf("10.%d.128.1", n.id) }
func (n *network) gateway() string       { return fmt.Sprintf("10.%d.255.1", n.id) }
func (n *network) hostLink() string      { return fmt.Sprintf("bailiwick%d", n.id) }
func (n *network) pods(index int) string { return fmt.Sprintf("10.%d.%d.0/24", n.id, index) }
func (n *network) uplinkOf(index int) string {
	if index == 0 {
		return n.gateway()
	}
	return fmt.Sprintf("10.%d.254.%d", n.id, 4*index+1)
}
func (n *network) address(index int) string {
	if index == 0 {
		return fmt.Sprintf("10.%d.255.2", n.id)
	}
	return fmt.Sprintf("10.%d.254.%d", n.id, 4*index+2)
}

// connect links the first node to this machine. The link goes with its far end.
func (n *network) connect(ctx context.Context, node *agent.Agent) error {
	link := n.hostLink()
	for _, command := range [][]string{
		{"link", "add", link, "type", "veth", "peer", "name", uplink, "netns", fmt.Sprint(node.PID())},
		{"address", "add", n.gateway() + "/30", "dev", link},
		{"link", "set", link, "up"},
		{"route", "add", n.prefix(), "via", n.address(0)},
	} {
		if _, err := host(ctx, "ip", command...); err != nil {
			return err
		}
	}
	return n.configure(ctx, node, 0)
}

// connectWorker links a further node to the first one.
func (n *network) connectWorker(ctx context.Context, node, worker *agent.Agent, index int) error {
	link := fmt.Sprintf("worker%d", index)
	if _, err := host(ctx, "ip", "link", "add", link, "netns", fmt.Sprint(node.PID()),
		"type", "veth", "peer", "name", uplink, "netns", fmt.Sprint(worker.PID())); err != nil {
		return err
	}
	if err := ip(ctx, node,
		"address add "+n.uplinkOf(index)+"/30 dev "+link,
		"link set "+link+" up",
	); err != nil {
		return err
	}
	if err := n.configure(ctx, worker, index); err != nil {
		return err
	}
	return ip(ctx, node, "route add "+n.pods(index)+" via "+n.address(index))
}

// configure sets up a machine's end of its link.
func (n *network) configure(ctx context.Context, machine *agent.Agent, index int) error {
	return ip(ctx, machine,
		"link set lo up",
		"address add "+n.address(index)+"/30 dev "+uplink,
		"link set "+uplink+" up",
		"route add default via "+n.uplinkOf(index),
	)
}

// ip runs commands of ip in a machine, one a line.
func ip(ctx context.Context, machine *agent.Agent, commands ...string) error {
	_, err := machine.Run(ctx, strings.Join(commands, "\n"), "ip", "-batch", "-")
	return err
}

// host runs a program outside of all machines.
func host(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// close gives the id back, once the agent has ended too.
func (n *network) close() error { return n.lock.Close() }

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/config"
)

// defaultAddress is where a listener without an address listens.
const defaultAddress = "127.0.0.1:8200"

// addresses are where the server listens and what it tells others.
type addresses struct {
	// listen and clusterListen are host:port.
	listen, clusterListen []string
	// api and cluster are URLs.
	api, cluster string
}

// resolveAddresses applies OpenBao's defaults: the port of the cluster is that
// after the API's. The environment comes before the configuration.
func resolveAddresses(c *config.Config) (addresses, error) {
	var a addresses
	for _, l := range c.Listeners {
		listen := cmp.Or(l.Address, defaultAddress)
		next, err := nextPort(listen)
		if err != nil {
			return addresses{}, fmt.Errorf(`listener "tcp": address %q: %w`, listen, err)
		}
		a.listen = append(a.listen, listen)
		a.clusterListen = append(a.clusterListen, cmp.Or(l.ClusterAddress, next))
	}

	a.api = cmp.Or(variable("API_ADDR"), c.APIAddr)
	if a.api == "" {
		host, port, err := net.SplitHostPort(a.listen[0])
		if err != nil {
			return addresses{}, err
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			return addresses{}, fmt.Errorf("api_addr is needed where the listener has no address of its own; set it or BAO_API_ADDR")
		}
		scheme := "https"
		if c.Listeners[0].TLSDisable {
			scheme = "http"
		}
		a.api = scheme + "://" + net.JoinHostPort(host, port)
	}

	a.cluster = cmp.Or(variable("CLUSTER_ADDR"), c.ClusterAddr)
	if a.cluster == "" {
		parsed, err := url.Parse(a.api)
		if err != nil {
			return addresses{}, fmt.Errorf("api_addr: %w", err)
		}
		next, err := nextPort(net.JoinHostPort(parsed.Hostname(), cmp.Or(parsed.Port(), "443")))
		if err != nil {
			return addresses{}, fmt.Errorf("api_addr %q: %w", a.api, err)
		}
		a.cluster = "https://" + next
	}
	return a, nil
}

func nextPort(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return "", fmt.Errorf("port %q is not a number", port)
	}
	return net.JoinHostPort(host, strconv.Itoa(number+1)), nil
}

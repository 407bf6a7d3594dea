// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// defaultPort is that of https.
const defaultPort = 443

// ErrLocalAddress says that an address leads to the machine that this process runs
// on, or to its link.
var ErrLocalAddress = errors.New("the address is a loopback, link-local or unspecified one")

// CanonicalAddress returns the one spelling of the https URL of a server: scheme and
// host in lower case, always with the port, and without a slash at the end. The error
// is an ErrAddress.
func CanonicalAddress(address string) (string, error) {
	host, port, err := parseAddress(address)
	if err != nil {
		return "", err
	}
	return "https://" + net.JoinHostPort(host, port), nil
}

// hostName is a name as DNS has it.
var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$`)

// parseAddress returns host and port of the https URL of a server, both in their one
// spelling.
func parseAddress(address string) (host, port string, err error) {
	refused := fmt.Errorf("%w: %q", ErrAddress, address)
	u, err := url.Parse(address)
	if err != nil || !strings.EqualFold(u.Scheme, "https") || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", "", refused
	}
	host = strings.ToLower(u.Hostname())
	// A zone names an interface of this machine.
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" {
		host = ip.String()
	} else if !hostName.MatchString(host) {
		return "", "", refused
	}
	number := uint64(defaultPort)
	if written := u.Port(); written != "" {
		if number, err = strconv.ParseUint(written, 10, 16); err != nil || number == 0 {
			return "", "", refused
		}
	}
	return host, strconv.FormatUint(number, 10), nil
}

// isLocalHost reports whether a host is local as it is written. What a name leads to
// is known only when it is dialled.
func isLocalHost(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && isLocal(ip)
}

// compatible are the IPv6 addresses that stand for IPv4 ones in a form of old.
var compatible = netip.MustParsePrefix("::/96")

// isLocal reports whether an IP address is of this machine or of its link.
func isLocal(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && compatible.Contains(ip) {
		// Also :: and ::1, which are among them.
		bytes := ip.As16()
		return ip.IsLoopback() || isLocal(netip.AddrFrom4([4]byte(bytes[12:])))
	}
	// All of 0.0.0.0/8 is this host.
	return ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || (ip.Is4() && ip.As4()[0] == 0)
}

// refuseLocal is a Control of net.Dialer. It sees what names lead to.
func refuseLocal(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("parse the address of a connection: %w", err)
	}
	if isLocal(at.Addr()) {
		return ErrLocalAddress
	}
	return nil
}

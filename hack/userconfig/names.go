// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"unicode"
)

// initialisms are the words that Go names write in capitals.
var initialisms = map[string]string{
	"acl": "ACL", "api": "API", "aws": "AWS", "cpu": "CPU", "dns": "DNS", "gcp": "GCP",
	"ha": "HA", "http": "HTTP", "https": "HTTPS", "id": "ID", "ids": "IDs", "io": "IO",
	"ip": "IP", "ips": "IPs", "jwt": "JWT", "oidc": "OIDC", "sasl": "SASL", "sql": "SQL",
	"ssl": "SSL", "tcp": "TCP", "tls": "TLS", "ttl": "TTL", "uri": "URI", "url": "URL",
	"urls": "URLs", "vpc": "VPC", "jit": "JIT", "saml": "SAML", "ui": "UI", "ipv6": "IPv6",
}

// goName turns a property name of the API, such as pg_partman_bgw.interval, into
// an exported Go name.
func goName(property string) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(property, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		if s, ok := initialisms[strings.ToLower(word)]; ok {
			b.WriteString(s)
			continue
		}
		r := []rune(word)
		b.WriteRune(unicode.ToUpper(r[0]))
		b.WriteString(string(r[1:]))
	}
	name := b.String()
	if name == "" || unicode.IsDigit(rune(name[0])) {
		return "X" + name
	}
	return name
}

// packageName turns a type's name at Aiven into the name of its Go package.
func packageName(aivenType string) string {
	return strings.ReplaceAll(aivenType, "_", "")
}

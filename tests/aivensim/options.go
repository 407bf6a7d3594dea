// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import "time"

// Options configure a Server. The zero value listens on a free loopback port,
// knows no project, accepts any token and answers without delay.
type Options struct {
	// Address to listen on, host:port. Empty means 127.0.0.1 and a free port.
	Address string
	// Projects exist from the start.
	Projects []string
	// AutoProjects creates a project when a request first names it.
	AutoProjects bool
	// Tokens that are accepted. Empty means that every token is, under the
	// names token-1, token-2, ... in the order of their first use.
	Tokens []Token
	// Timing holds the delays; SetTiming changes them later.
	Timing Timing
	// RateLimit is the number of requests per second that one token may send
	// before it is answered 429. Zero means no limit.
	RateLimit float64
	// RateBurst is the number of requests a token may send at once when
	// RateLimit is set. Zero means 1.
	RateBurst int
	// RealPostgres backs every pg service by a PostgreSQL of its own, reached on
	// 127.0.0.1 with TLS. The first pg service makes a template (initdb); a
	// service's process is started by the first connection to it, so services
	// that nobody connects to cost one listener. See FindPostgres.
	RealPostgres bool
	// PostgresBinDir holds initdb, postgres and psql. Empty means FindPostgres.
	PostgresBinDir string
	// Admin serves, without a token, GET /_sim/state and GET /_sim/requests, and takes
	// console changes and faults by POST to /_sim/console and /_sim/faults.
	Admin bool
	// SecretsUnasked shows passwords also without include_secrets=true, which the
	// aiven-operator takes for granted.
	SecretsUnasked bool
	// HiddenPasswords are the types of services whose users show no password that
	// somebody chose for them, only one that Aiven made.
	HiddenPasswords []string
	// Seed feeds the faults that have a probability.
	Seed uint64
}

// Token is one credential of the simulated API.
type Token struct {
	// Name is what the request log shows instead of the value.
	Name string
	// Value is what the client sends.
	Value string
	// Projects that the token may use. Empty means all.
	Projects []string
	// ReadOnly refuses every request that changes something with a 403.
	ReadOnly bool
}

// Timing is how long things take. A negative duration means never: the thing
// stays as it is until FinishService, FinishTopic or FinishVPC is called.
type Timing struct {
	// Latency is added to every request before it is handled.
	Latency time.Duration
	// ServiceBuild is the time from REBUILDING to RUNNING of a new service.
	ServiceBuild time.Duration
	// PowerOn is the time from REBUILDING to RUNNING of a service that was off.
	PowerOn time.Duration
	// ServiceChange is the time in REBALANCING after a change of plan or place.
	ServiceChange time.Duration
	// VPCBuild is the time from APPROVED to ACTIVE of a new VPC.
	VPCBuild time.Duration
	// VPCDelete is the time in DELETING of a deleted VPC.
	VPCDelete time.Duration
	// TopicVisible is the time until a new topic shows up in lists and gets.
	TopicVisible time.Duration
	// TopicActive is the time from CONFIGURING to ACTIVE of a new topic.
	TopicActive time.Duration
}

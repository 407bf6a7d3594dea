// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/openbao/openbao/api/v2"

	"github.com/bailiwick-operator/bailiwick/tests/internal/pki"
	"github.com/bailiwick-operator/bailiwick/tests/internal/process"
)

// OpenBaoOptions configure the OpenBao part.
type OpenBaoOptions struct {
	// Dir and Keep are as in Options.
	Dir  string
	Keep bool
	// SelfInit, unless nil, has the server initialise itself at its first start, as
	// a user does who is given initialize stanzas. It takes FeatureSelfInit.
	SelfInit *SelfInit
	// Join, unless nil, is a server whose cluster this one joins, as one without a
	// vote. It takes FeaturePromoteDemote.
	Join *OpenBao
	// Listen is the host:port of the API, by IP address. Empty means loopback and a free
	// port.
	Listen string
}

// SelfInit is how a server initialises itself. It unseals itself, too, with a key
// in a file.
type SelfInit struct {
	// Stanzas is a configuration file of its own.
	Stanzas string
	// RootToken is a token that one of the requests makes, or empty: the server
	// revokes the one that it carries them out with.
	RootToken string
}

// OpenBao is a server of the OpenBao API: a node on raft storage, behind TLS,
// initialised and unsealed. Unless it joined another it is alone and active.
type OpenBao struct {
	// Dir holds all files of the part, and the log of the server as
	// logs/openbao.log.
	Dir string
	// Address is the URL of the server, the same for the life of the part.
	Address string
	// CAPEM is the certificate of the authority behind Address. CAFile is a file
	// that holds it.
	CAPEM  []byte
	CAFile string
	// RootToken may do everything.
	RootToken string
	// Kind is which server this is.
	Kind OpenBaoKind
	// Version is what the server says of itself, such as 2.6.2.
	Version string

	workDir workDir
	// listen is the address of the API, and basePort its port on loopback unless the
	// options say where it listens; the next one is the port of raft.
	listen   string
	basePort int
	server   *process.Process
	args     []string
	// initFile keeps the credentials over restarts.
	initFile  string
	unsealKey string
	selfInit  *SelfInit
	leader    *OpenBao
}

// StartOpenBao starts the part and returns when the server is unsealed and, unless
// it joined another, active. ctx bounds the start only. After an error nothing is left running.
func StartOpenBao(ctx context.Context, opts OpenBaoOptions) (*OpenBao, error) {
	b := &OpenBao{}
	err := b.prepare(opts)
	if err == nil {
		err = b.StartServer(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, b.Stop())
	}
	return b, nil
}

// prepare finds the binary and writes all files.
func (b *OpenBao) prepare(opts OpenBaoOptions) error {
	dir, err := newWorkDir(opts.Dir, opts.Keep)
	if err != nil {
		return err
	}
	b.workDir, b.Dir, b.selfInit, b.leader = dir, dir.path, opts.SelfInit, opts.Join
	b.initFile = dir.join("init.json")
	b.server = &process.Process{Name: "openbao", LogFile: dir.join("logs", "openbao.log"), Grace: 10 * time.Second}

	if b.basePort, err = freePorts(2); err != nil {
		return err
	}
	if b.listen = opts.Listen; b.listen == "" {
		b.listen = address(b.basePort)
	}
	b.Address = "https://" + b.listen

	ca, err := pki.NewAuthority("openbao-ca")
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(b.listen)
	if err != nil {
		return fmt.Errorf("the address of OpenBao: %w", err)
	}
	pair, err := ca.Server([]net.IP{net.ParseIP(loopback), net.ParseIP(host)}, "localhost")
	if err != nil {
		return err
	}
	b.CAPEM = ca.PEM
	if b.CAFile, err = dir.write("ca.crt", ca.PEM); err != nil {
		return err
	}
	if _, err := dir.write("tls.crt", pair.Certificate); err != nil {
		return err
	}
	if _, err := dir.write("tls.key", pair.Key); err != nil {
		return err
	}
	return b.chooseServer()
}

// StartServer starts the server on the data and the address that it had before,
// and waits until it is unsealed and active.
func (b *OpenBao) StartServer(ctx context.Context) error {
	if err := b.server.Start(b.args); err != nil {
		return err
	}
	if b.leader != nil {
		return b.joinLeader(ctx)
	}
	if b.Kind == Bao && b.selfInit == nil {
		if err := b.initAndUnseal(ctx); err != nil {
			return err
		}
	}
	if err := b.waitActive(ctx); err != nil {
		return err
	}
	if b.selfInit != nil {
		b.RootToken = b.selfInit.RootToken
		return nil
	}
	return b.loadCredentials()
}

// Binary is the path of the server's binary, which is the command bao as well if
// Kind is Bao.
func (b *OpenBao) Binary() string { return b.server.Path }

// StopServer stops the server and keeps its data. Connections to it are refused
// until it is started again.
func (b *OpenBao) StopServer() error { return b.server.Stop() }

// KillServer is StopServer without a warning to the server.
func (b *OpenBao) KillServer() error { return b.server.Kill() }

// Stop ends the server, waits for it and removes a temporary directory. It may
// be called more than once.
func (b *OpenBao) Stop() error {
	var err error
	if b.server != nil {
		err = b.server.Stop()
	}
	return errors.Join(err, b.workDir.remove())
}

// Seal seals the server: it answers every request but those for its state with
// 503 until Unseal.
func (b *OpenBao) Seal(ctx context.Context) error {
	client, err := b.Client()
	if err != nil {
		return err
	}
	return client.Sys().SealWithContext(ctx)
}

// Unseal unseals the server and waits until it is active.
func (b *OpenBao) Unseal(ctx context.Context) error {
	client, err := b.Client()
	if err != nil {
		return err
	}
	if _, err := client.Sys().UnsealWithContext(ctx, b.unsealKey); err != nil {
		return fmt.Errorf("unsealing: %w", err)
	}
	return b.waitActive(ctx)
}

// Client returns a client with the root token that takes nothing from the
// environment. The caller owns it.
func (b *OpenBao) Client() (*api.Client, error) {
	config := api.NewConfig()
	config.DisableEnvironment = true
	config.Address = b.Address
	if err := config.ConfigureTLS(&api.TLSConfig{CACertBytes: b.CAPEM}); err != nil {
		return nil, err
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	client.SetToken(b.RootToken)
	return client, nil
}

// probeClient returns a client for questions that are asked again if the answer
// is late.
func (b *OpenBao) probeClient() (*api.Client, error) {
	client, err := b.Client()
	if err != nil {
		return nil, err
	}
	client.SetMaxRetries(0)
	client.SetClientTimeout(process.ProbeTimeout)
	return client, nil
}

// waitActive waits until the server has unsealed itself and leads.
func (b *OpenBao) waitActive(ctx context.Context) error {
	client, err := b.probeClient()
	if err != nil {
		return err
	}
	return b.server.WaitReady(ctx, func(ctx context.Context) error {
		health, err := client.Sys().HealthWithContext(ctx)
		if err != nil {
			return err
		}
		if !health.Initialized || health.Sealed || health.Standby {
			return fmt.Errorf("initialized %t, sealed %t, standby %t", health.Initialized, health.Sealed, health.Standby)
		}
		b.Version = health.Version
		return nil
	})
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package baocli is the part of the command bao that the guides use, for tests on
// machines without bao. It prints what bao prints for these commands, and refuses
// every other command and flag.
package baocli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/openbao/openbao/api/v2"
)

// command is one command: it parses its own flags.
type command struct {
	words []string
	run   func(ctx context.Context, client *api.Client, args []string, out io.Writer) error
}

var errUsage = errors.New("wrong number of arguments")

func commands() []command {
	return []command{
		{[]string{"policy", "write"}, policyWrite},
		{[]string{"token", "create"}, tokenCreate},
		{[]string{"token", "revoke"}, tokenRevoke},
		{[]string{"operator", "raft", "snapshot", "save"}, snapshotSave},
		{[]string{"auth", "disable"}, authDisable},
		{[]string{"write"}, write},
	}
}

// Run carries out a command. The server and the token are those of the environment:
// BAO_ADDR, BAO_CACERT and BAO_TOKEN.
func Run(ctx context.Context, args []string, out io.Writer) error {
	for _, c := range commands() {
		if len(args) < len(c.words) || !slices.Equal(args[:len(c.words)], c.words) {
			continue
		}
		client, err := api.NewClient(nil)
		if err != nil {
			return err
		}
		if err := c.run(ctx, client, args[len(c.words):], out); err != nil {
			return fmt.Errorf("bao %s: %w", strings.Join(c.words, " "), err)
		}
		return nil
	}
	return fmt.Errorf("bao %s: not a command of the guides", strings.Join(args, " "))
}

// parse parses flags, which precede all other arguments, as with bao, and returns
// those, of which there are between least and most.
func parse(flags *flag.FlagSet, args []string, least, most int) ([]string, error) {
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() < least || flags.NArg() > most {
		return nil, errUsage
	}
	return flags.Args(), nil
}

func policyWrite(ctx context.Context, client *api.Client, args []string, out io.Writer) error {
	args, err := parse(flag.NewFlagSet("", flag.ContinueOnError), args, 2, 2)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	if err := client.Sys().PutPolicyWithContext(ctx, args[0], string(text)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Success! Uploaded policy: %s\n", args[0])
	return err
}

func tokenCreate(ctx context.Context, client *api.Client, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	policy := flags.String("policy", "", "")
	ttl := flags.String("ttl", "", "")
	field := flags.String("field", "", "")
	if _, err := parse(flags, args, 0, 0); err != nil {
		return err
	}
	secret, err := client.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{Policies: []string{*policy}, TTL: *ttl})
	if err != nil {
		return err
	}
	return printField(out, secret, *field)
}

func tokenRevoke(ctx context.Context, client *api.Client, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	self := flags.Bool("self", false, "")
	if _, err := parse(flags, args, 0, 0); err != nil {
		return err
	}
	if !*self {
		return errors.New("only -self is supported")
	}
	if err := client.Auth().Token().RevokeSelfWithContext(ctx, ""); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "Success! Revoked token (if it existed)")
	return err
}

func authDisable(ctx context.Context, client *api.Client, args []string, out io.Writer) error {
	args, err := parse(flag.NewFlagSet("", flag.ContinueOnError), args, 1, 1)
	if err != nil {
		return err
	}
	if err := client.Sys().DisableAuthWithContext(ctx, args[0]); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Success! Disabled the auth method (if it existed) at: %s/\n", args[0])
	return err
}

func write(ctx context.Context, client *api.Client, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	field := flags.String("field", "", "")
	args, err := parse(flags, args, 2, math.MaxInt)
	if err != nil {
		return err
	}
	data := map[string]any{}
	for _, pair := range args[1:] {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q is not a key and a value", pair)
		}
		if file, ok := strings.CutPrefix(value, "@"); ok {
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			value = string(content)
		}
		data[key] = value
	}
	secret, err := client.Logical().WriteWithContext(ctx, args[0], data)
	if err != nil {
		return err
	}
	return printField(out, secret, *field)
}

// printField prints the token of an answer, without a line break, as bao does where
// its output is not a terminal.
func printField(out io.Writer, secret *api.Secret, field string) error {
	if field != "token" {
		return errors.New("only -field=token is supported")
	}
	if secret == nil || secret.Auth == nil {
		return errors.New(`field "token" not present in secret`)
	}
	_, err := io.WriteString(out, secret.Auth.ClientToken)
	return err
}

func snapshotSave(ctx context.Context, client *api.Client, args []string, _ io.Writer) error {
	args, err := parse(flag.NewFlagSet("", flag.ContinueOnError), args, 1, 1)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(client.Sys().RaftSnapshotWithContext(ctx, file), file.Close())
}

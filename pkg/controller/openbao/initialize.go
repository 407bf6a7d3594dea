// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// putInitialize writes the requests that the first server sends itself: the contract,
// those of the object, and the settings of the autopilot.
func (t *task) putInitialize(ctx context.Context) error {
	contract, err := t.contract(ctx)
	if err != nil {
		return err
	}
	requests, err := authz.RenderSelfInit(t.obj.Spec.SelfInit.Requests)
	if err != nil {
		return invalidSpec(err)
	}
	autopilot, err := t.autopilot()
	if err != nil {
		return err
	}
	content := slices.Concat(authz.RenderInitialize(contract), authz.RenderRequest("configure-autopilot", autopilot), requests)
	return t.applySecret(ctx, t.newSecret(workload.InitializeSecretName(t.obj), false, map[string][]byte{workload.InitializeKey: content}))
}

// contract is what the servers are to hold from their first second.
func (t *task) contract(ctx context.Context) (authz.Contract, error) {
	issuer, keys, err := t.opts.Issuer(ctx)
	if err != nil {
		return authz.Contract{}, retry(ReasonFailed, text.Sentence(fmt.Sprintf("The signing keys of the API server cannot be read: %v", err)), err)
	}
	audience, err := t.audience(ctx)
	if err != nil {
		return authz.Contract{}, retry(ReasonFailed, text.Sentence(text.Capital(err.Error())), err)
	}
	in := authz.Inputs{
		Issuer: issuer, Keys: keys, Audience: audience, RunsServers: true,
		OperatorSubject: t.opts.Subject, ServersSubject: t.opts.Subject, BootstrapperSubject: t.opts.BootstrapperSubject,
	}
	if t.obj.Spec.Restore != nil {
		// It is made with the other objects, before this.
		account, err := t.opts.Kube.CoreV1().ServiceAccounts(t.obj.Namespace).Get(ctx, authz.RestoreAccount(t.obj), metav1.GetOptions{})
		if err != nil {
			return authz.Contract{}, t.objectProblem(fmt.Errorf("read ServiceAccount %s: %w", authz.RestoreAccount(t.obj), err))
		}
		in.RestoreAccountUID = string(account.UID)
	}
	contract, err := authz.Desired(t.obj, in)
	if err != nil {
		return authz.Contract{}, invalidSpec(err)
	}
	return contract, nil
}

// autopilot is the request that configures what looks after the peers.
func (t *task) autopilot() (authz.Request, error) {
	data, err := serverconfig.Autopilot(t.obj)
	if err != nil {
		return authz.Request{}, invalidSpec(err)
	}
	return authz.Request{
		ID: "configure-autopilot-request", Operation: authz.OperationUpdate, Path: "sys/storage/raft/autopilot/configuration", Data: data,
	}, nil
}

const recoverySecretSuffix = "-recovery-keys"

// recoverySecretName is the Secret with the recovery shares.
func recoverySecretName(c *openbaov1alpha1.OpenBaoCluster) string {
	if r := c.Spec.RecoveryKeys; r != nil && r.SecretName != "" {
		return r.SecretName
	}
	return c.Name + recoverySecretSuffix
}

// recoveryKeys returns what the initialization is asked for, and the keys of the Secret
// that the shares go to.
func recoveryKeys(c *openbaov1alpha1.OpenBaoCluster) (bao.InitRequest, []string) {
	request := bao.InitRequest{Shares: 1, Threshold: 1}
	var names []string
	if r := c.Spec.RecoveryKeys; r != nil {
		for _, recipient := range r.Recipients {
			request.PGPKeys = append(request.PGPKeys, recipient.PGPPublicKey)
			names = append(names, recipient.Name)
		}
		if len(names) > 0 {
			request.Shares = len(names)
		}
		if r.Shares != nil {
			request.Shares = int(*r.Shares)
		}
		if request.Shares > 1 {
			request.Threshold = request.Shares/2 + 1
		}
		if r.Threshold != nil {
			request.Threshold = int(*r.Threshold)
		}
	}
	for i := len(names); i < request.Shares; i++ {
		names = append(names, "share-"+strconv.Itoa(i+1))
	}
	return request, names
}

// checkRecoveryKeys refuses what nobody would get.
func checkRecoveryKeys(c *openbaov1alpha1.OpenBaoCluster) error {
	if c.Spec.RecoveryKeys == nil {
		return nil
	}
	if name := recoverySecretName(c); name != c.Name+recoverySecretSuffix && workload.IsManagedSecretName(name) {
		return &authz.SpecError{Field: "spec.recoveryKeys.secretName", Problem: fmt.Sprintf(
			"%q can be a Secret that Bailiwick keeps for a cluster; choose another name, or leave it out", name)}
	}
	if c.Spec.SelfInit != nil && c.Spec.SelfInit.Enabled {
		return &authz.SpecError{Field: "spec.recoveryKeys", Problem: "a cluster that initializes itself (spec.selfInit) has no recovery key. " +
			"Remove one of the two fields"}
	}
	// The admission policy of the account that writes it holds this as well.
	if name := c.Spec.RecoveryKeys.SecretName; name != "" && !strings.HasPrefix(name, c.Name+"-") {
		return &authz.SpecError{Field: "spec.recoveryKeys.secretName", Problem: fmt.Sprintf("%q does not begin with the name of the cluster and a hyphen (%s-)", name, c.Name)}
	}
	request, _ := recoveryKeys(c)
	if request.Threshold > request.Shares || request.Shares > 1 && request.Threshold < 2 {
		return &authz.SpecError{Field: "spec.recoveryKeys.threshold", Problem: fmt.Sprintf(
			"it takes from 2 to %d of %d shares to make the key; set a threshold in between", request.Shares, request.Shares)}
	}
	return nil
}

// sendInit asks the first server to initialize itself, once. The place for the shares is
// there before they are, and that the server was asked is recorded before it is: where
// the answer is lost, so is the root token, and the first start begins again.
func (t *task) sendInit(ctx context.Context) error {
	contract, err := t.contract(ctx)
	if err != nil {
		return err
	}
	request, names := recoveryKeys(t.obj)
	reserved, err := t.readSecret(ctx, recoverySecretName(t.obj))
	if err != nil {
		return err
	}
	if reserved != nil {
		if err := t.ownSecret(reserved, true); err != nil {
			return err
		}
	}
	// What is in it is of an attempt before, whose storage is gone.
	if err := t.replaceSecret(ctx, reserved, t.newSecret(recoverySecretName(t.obj), true, nil)); err != nil {
		return err
	}
	sentBefore := t.recorded().InitSent
	t.obj.Status.FirstStart.InitSentAt = t.stamp()
	if err := t.persistRecord(ctx); err != nil {
		return err
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	client, err := t.firstClient(ctx, bao.Token{})
	if err != nil {
		return err
	}
	t.memory.forgetInit()
	answer, err := client.Init(ctx, request)
	if bao.ClassOf(err) == bao.Invalid {
		if !sentBefore {
			// It did nothing, and never did: whoever initializes it now has the keys, and what
			// is on the volume is theirs. Where an answer was lost before, it may be ours.
			t.obj.Status.FirstStart.InitSentAt = nil
			if err := t.persistRecord(ctx); err != nil {
				return err
			}
		}
		return retry(ReasonInitRefused, text.Sentence(fmt.Sprintf("The server refused to be initialized: %v", err)), err)
	}
	if err == nil && len(answer.Shares) != len(names) {
		err = fmt.Errorf("the server gave %d recovery shares of %d", len(answer.Shares), len(names))
	}
	if err != nil {
		return retry(ReasonStarting, "The answer to the initialization was lost, and with it the root token. The first start begins again by itself.", err)
	}
	klog.FromContext(ctx).Info("Initialized the first server", "recoveryShares", len(answer.Shares))
	t.memory.root = answer.RootToken
	if err := t.keepShares(ctx, names, answer.Shares); err != nil {
		// Without them, nobody could ever recover the cluster.
		t.memory.forgetInit()
		return err
	}
	return t.write(ctx, contract)
}

// keepShares puts the shares into their Secret.
func (t *task) keepShares(ctx context.Context, names []string, shares []bao.Token) error {
	data := map[string][]byte{}
	for i, name := range names {
		data[name] = shares[i].Reveal()
	}
	return t.applySecret(ctx, t.newSecret(recoverySecretName(t.obj), true, data))
}

// writeContract goes on where the contract could not be written at first.
func (t *task) writeContract(ctx context.Context) error {
	contract, err := t.contract(ctx)
	if err != nil {
		return err
	}
	return t.write(ctx, contract)
}

// firstClient returns a client of the first server. It waits for answers as long as a
// sync may take: one that is lost costs the whole first start.
func (t *task) firstClient(ctx context.Context, token bao.Token) (bao.Interface, error) {
	connections := t.access.Connections(server.Route{
		Address: addressOf(t.obj, workload.PodName(t.obj, 0)), CABundle: string(t.bundle), Timeout: workTimeout,
	})
	return connections.Client(ctx, token)
}

// write writes the contract with the root token, which ends with it. All requests
// replace what is there, so that they can be sent again.
func (t *task) write(ctx context.Context, contract authz.Contract) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	root, err := t.firstClient(ctx, t.memory.root)
	if err != nil {
		return err
	}
	if err := t.sendContract(ctx, root, contract); err != nil {
		return err
	}
	// That it is void already is the answer of a revocation whose own was lost.
	if err := root.RevokeSelf(ctx); err != nil && bao.ClassOf(err) != bao.Unauthenticated {
		return retry(ReasonStarting, text.Sentence(fmt.Sprintf("The root token of the first start is not revoked yet: %v", err)), err)
	}
	t.memory.root, t.memory.revoked = bao.Token{}, true
	t.changed = true
	return nil
}

// sendContract sends the requests of the contract, once all of them are carried out no
// more.
func (t *task) sendContract(ctx context.Context, root bao.Interface, contract authz.Contract) error {
	if t.memory.sent {
		return nil
	}
	autopilot, err := t.autopilot()
	if err != nil {
		return err
	}
	for _, request := range append(authz.Requests(contract), autopilot) {
		if err := send(ctx, root, contract.Mount, request); err != nil {
			if bao.ClassOf(err) == bao.Unauthenticated {
				t.memory.forgetInit()
			}
			return retry(ReasonStarting, text.Sentence(fmt.Sprintf("The contract is not written yet: %v", err)), err)
		}
	}
	t.memory.sent = true
	return nil
}

// send sends one request of a contract.
func send(ctx context.Context, client bao.Interface, mount authz.Mount, r authz.Request) error {
	switch r.Kind {
	case authz.KindMount:
		err := client.EnableAuth(ctx, mount.Path, bao.Mount{Type: mount.Type, Description: mount.Description})
		if bao.ClassOf(err) == bao.Invalid {
			// It is there from the try before.
			mounts, listErr := client.AuthMounts(ctx)
			if _, there := mounts[mount.Path]; listErr == nil && there {
				return nil
			}
		}
		return err
	case authz.KindConfig:
		return client.WriteConfig(ctx, mount.Path, r.Data)
	case authz.KindPolicy:
		text, _ := r.Data["policy"].(string)
		before, err := client.ReadPolicy(ctx, r.Name)
		switch {
		case bao.IsNotFound(err):
			return client.WritePolicy(ctx, r.Name, text, nil)
		case err != nil:
			return err
		}
		return client.WritePolicy(ctx, r.Name, text, &before)
	case authz.KindRole:
		return client.WriteRole(ctx, mount.Path, r.Name, r.Data)
	}
	return client.WriteAutopilot(ctx, r.Data)
}

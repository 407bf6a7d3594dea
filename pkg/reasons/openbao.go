// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reasons

// Types of the conditions of OpenBaoClusters.
const (
	authorizationReady = "AuthorizationReady"
	signingKeysCurrent = "SigningKeysCurrent"
	clusterLifecycle   = "ClusterLifecycle"
)

// OpenBao returns the reasons of OpenBaoClusters.
func OpenBao() Of {
	both := []string{authorizationReady, ready}
	keys := []string{signingKeysCurrent}
	return Of{
		Packages: []string{"pkg/bootstrap"},
		Preamble: "CLUSTER=demo-bao NAMESPACE=default",
		Sections: []Section{
			{
				Title: "OpenBao: state",
				Intro: "`Ready` has the reason of `AuthorizationReady`, unless what was written is in place and nobody can log in.",
				Entries: []Entry{
					{"Applied", both, "The server holds the contract. The message says what was not proved.", "Nothing, or what the message says.", showIdentities},
					{"NotRequested", both, "The object asks for no authorization. After a withdrawal the message says what is left on the server.", "Set `spec.authorization` to request it.", showAuthorization},
					{"Drifted", both, "Mode `Observe`: the server differs from what was written. The plan in the status names each difference.", "Decide: change the object, or give an admin token, or use the mode `Enforce`.", `kubectl get openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --output jsonpath='{.status.authorization.plan}{"\n"}'`},
					{"ProofFailed", both, "An identity has other rights than the contract gives, or somebody else could log in as it.", "The identities in the status say what is missing and what is too much.", showIdentities},
					{"ServerClaimed", both, "The server belongs to another object, or may do so. Nothing is changed there.", "Follow the message: it names the other object, and what lets this one go on.", showAuthorization},
					{"RestoreIdentityChanged", both, "The ServiceAccount that may restore was deleted and created again. The role stays bound to the old one.", "If that was you, give an admin token. If not, find out who it was.", showAuthorization},
					{"RestoreAccountUnknown", both, "The restore role is bound to the UID of its ServiceAccount, which does not exist or can't be read.", "Create the account, and grant its reading as the message says.", showAuthorization},
				},
			},
			{
				Title: "OpenBao: the admin token",
				Intro: "The message has the commands, with all names. [How to create the token](openbao.md#quick-start) is step 2 of the quick start.",
				Entries: []Entry{
					{"AdminTokenRequired", both, "The server has to change, and nothing that Bailiwick has may change it.", "Give a short-lived admin token with the command in the message.", showAuthorization},
					{"AdminTokenSecretNotFound", both, "The Secret of the admin token does not exist.", "Create it with the command in the message.", showAuthorization},
					{"AdminTokenKeyNotFound", both, "The Secret of the admin token lacks the key.", "Create it again with the command in the message.", showAuthorization},
					{"AdminTokenEmpty", both, "The Secret of the admin token has an empty value.", "Create it again with the command in the message.", showAuthorization},
					{"AdminTokenInvalid", both, "The server does not accept the token: expired, revoked, bound to other addresses, or of another server.", "Give a new one with the command in the message.", showAuthorization},
					{"AdminTokenTooPowerful", both, "The token is a root token. It was not used.", "Give one with the policy of the guide.", showAuthorization},
					{"AdminTokenDoesNotExpire", both, "The token has no end. It was not used.", "Give one with a TTL.", showAuthorization},
					{"AdminTokenNotRevoked", both, "Everything is written, and the token could not be revoked.", "Revoke it by hand, or wait for its end, as the message says.", showAuthorization},
					{"PermissionDenied", both, "The admin token lacks a right. The message names the path.", "Give one with the policy of the guide.", showAuthorization},
				},
			},
			{
				Title: "OpenBao: access to the server",
				Intro: "Bailiwick could not get through to a server that it can work with. It tries again by itself; Secrets are not watched, so change an annotation after you have changed one.",
				Entries: []Entry{
					{"ServerUnreachable", both, "No connection.", "Check `spec.authorization.address`, and that NetworkPolicies let the operator through.", refreshCluster},
					{"ServerUntrusted", both, "The certificate is not from the CA that the object names, or is for another name.", "Check the CA, and `spec.authorization.tlsServerName`.", refreshCluster},
					{"ServerSealed", both, "The server is sealed.", "Unseal it, on the server: `bao operator unseal`.", ""},
					{"ServerNotInitialized", both, "The server was never initialized.", "Initialize it, on the server: `bao operator init`.", ""},
					{"ServerStandby", both, "No connection led to the active server.", "Check that there is one, on the server: `bao operator raft list-peers`.", ""},
					{"ServerThrottled", both, "The server refuses more requests.", "Nothing. If it lasts, raise the rate limit quota of the server.", ""},
					{"ServerError", both, "The server refused or failed. The message has its words.", "See the message, and the log of the server.", showAuthorization},
					{"NamespaceNotFound", both, "The server has no namespace of that name.", "Correct `spec.authorization.namespace`, or create it, on the server: `bao namespace create`.", showAuthorization},
					{"NamespaceSealed", both, "The namespace is sealed.", "Unseal it, on the server: `bao namespace unseal`.", ""},
					{"NamespaceLocked", both, "An administrator has locked the namespace.", "Unlock it, on the server: `bao namespace unlock`.", ""},
					{"AddressNotAllowed", both, "The address is loopback or link-local, and leads to the machine of the operator.", "Set `spec.authorization.address` to the server.", showAuthorization},
					{"CASecretNotFound", both, "The Secret of the CA does not exist.", "Create it, or name another in `spec.authorization.caSecretRef`.", showAuthorization},
					{"CAInvalid", both, "What should be the CA is no PEM certificate.", "Put the CA of the server there.", showAuthorization},
					{"ClientCertificateRequired", both, "The server demands a client certificate.", "Name its Secret in `spec.authorization.clientCertSecretRef`.", showAuthorization},
					{"ClientCertificateSecretNotFound", both, "The Secret of the client certificate does not exist.", "Create it with the command in the message.", showAuthorization},
					{"ClientCertificateInvalid", both, "The Secret holds no certificate with its key.", "Create it again with the command in the message.", showAuthorization},
					{"ClientCertificateRefused", both, "The server does not accept the client certificate.", "Put another into the Secret.", showAuthorization},
					{"SecretNotForServer", both, "The Secret does not agree to be sent to this server: by its type or label, and by the address in it.", "If it is meant for this server, let it agree with the command in the message.", showAuthorization},
					{"SecretUnavailable", both, "A Secret could not be read: no right, or no answer.", "Grant `get` of the Secret, see [the rights](install.md#rights).", showAuthorization},
				},
			},
			{
				Title: "OpenBao: what is in the way",
				Intro: "Nothing that somebody else wrote is ever changed.",
				Entries: []Entry{
					{"MountConflict", both, "The path `jwt-operator` is a mount of another type.", "Move or remove it, as the message says.", showAuthorization},
					{"ConfigConflict", both, "Somebody else configured the mount.", "Remove that configuration if it is not needed, as the message says.", showAuthorization},
					{"PolicyConflict", both, "Somebody else wrote a policy of that name.", "Remove it if it is not needed, as the message says.", showAuthorization},
					{"RoleConflict", both, "Somebody else wrote a role of that name.", "Remove it if it is not needed, as the message says.", showAuthorization},
					{"VerificationFailed", both, "What was written reads back differently.", "Find out who else writes there. It is tried again.", showAuthorization},
					{"NoStandingIdentity", both, "Bailiwick can't log in to read the server.", "Follow the message: the mount, the role or the entity is gone, or its token can't be made.", showAuthorization},
					{"LockedOut", []string{authorizationReady, ready, signingKeysCurrent}, "The server accepts no key that the API server signs with now, and no login is left to write one.", "Give an admin token, or write the keys with the command in the message.", showAuthorization},
				},
			},
			{
				Title: "OpenBao: the Kubernetes side",
				Intro: "These are about the object, its records and the API server.",
				Entries: []Entry{
					{"InvalidSpec", both, "Fields of the spec contradict each other or are not usable.", "Correct the spec as the message says.", showAuthorization},
					{"RecordUnavailable", both, "What was written for the object is recorded in a ConfigMap that can't be read. Nothing is changed meanwhile.", "Grant the right, or put the ConfigMap right, as the message says.", showAuthorization},
					{"IssuerUnavailable", []string{authorizationReady, ready, signingKeysCurrent}, "The issuer and signing keys of the API server can't be read.", "Grant the ClusterRole `system:service-account-issuer-discovery` to the operator.", `kubectl get --raw /.well-known/openid-configuration`},
					{"NamespaceUnavailable", both, "The namespace of the object can't be read. Its UID is part of the audience.", "Grant `get` of namespaces.", showAuthorization},
					{"Failed", both, "Something else failed. The message has the error.", "Nothing at first: it is tried again. If it lasts, look into the log.", operatorLog},
					{"NotManaged", []string{clusterLifecycle}, "The object describes no servers that Bailiwick runs.", "Nothing.", ""},
					{"ServersNotRun", []string{ready, clusterLifecycle}, "The object describes servers, and the part of Bailiwick that runs them has not reconciled it yet.", "Nothing at first. If it lasts, see whether the Deployment `bailiwick-servers` runs.", `kubectl get deployments --namespace bailiwick-system`},
					{"ServersStarting", both, "The servers are not initialized yet. Their first start writes the contract.", "Nothing. If it lasts, see the reason of `ClusterLifecycle`.", showClusterReady},
				},
			},
			{
				Title: "OpenBao: signing keys",
				Intro: "[Signing keys](openbao-reference.md#signing-keys) explains how they are followed.",
				Entries: []Entry{
					{"Current", keys, "The server accepts what the API server signs.", "Nothing.", ""},
					{"Provider", keys, "The server reads the keys by itself.", "Nothing.", ""},
					{"NotWritten", keys, "No key was written yet.", "See the reason of `AuthorizationReady`.", showAuthorization},
					{"KeysMissing", keys, "The server lacks a key that the API server publishes, and nobody may write it.", "Give an admin token, or use the mode `Enforce`.", showAuthorization},
					{"KeysRefused", keys, "A login was refused for its signature, or the mount is gone.", "See the reason of `AuthorizationReady`.", showAuthorization},
					{"KeysUnconfirmed", keys, "A login was refused for another reason, and none has succeeded since.", "See what the identities say.", showIdentities},
				},
			},
			{
				Title: "OpenBao: events",
				Intro: "Every change of `AuthorizationReady` has an event with its reason, too.",
				Entries: []Entry{
					{"Repaired", nil, "Mode `Enforce`: what differed on the server was repaired. The message names it.", "Nothing. If it repeats, somebody else writes there.", `kubectl events --for "openbaocluster/$CLUSTER" --namespace "$NAMESPACE"`},
					{"UnmanagedRoles", nil, "The mount has roles that are not Bailiwick's.", "Move them to another mount.", `kubectl get openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --output jsonpath='{.status.authorization.unmanagedRoles}{"\n"}'`},
				},
			},
		},
	}
}

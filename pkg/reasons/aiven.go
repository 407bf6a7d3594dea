// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reasons

// Types of the conditions of objects of aiven.io.
const (
	ready       = "Ready"
	synced      = "Synced"
	failure     = "Error"
	initialized = "Initialized"
	running     = "Running"
	migration   = "MigrationComplete"
)

// Aiven returns the reasons of the kinds of aiven.io.
func Aiven() Of {
	return Of{
		Packages: []string{"pkg/token", "pkg/reconcile", "pkg/controller/aiven"},
		Preamble: "KIND=postgresql NAME=my-postgresql NAMESPACE=default",
		Sections: []Section{
			{
				Title: "Aiven: tokens",
				Intro: "`Ready` is `False`, and nothing is sent to Aiven for the object. The message has the commands, with the names filled in: run them as printed, with your token in the place of `YOUR_AIVEN_API_TOKEN`. [Tokens](tokens.md) explains the rules.",
				Entries: []Entry{
					{"NoToken", []string{ready}, "The object names no Secret in `spec.authSecretRef`, and the operator has no default token.", "Name a Secret in the spec, or give the operator a default token.", showMessage},
					{"SecretNotFound", []string{ready}, "The Secret with the token does not exist.", "Create it with the command in the message. The operator tries again by itself, with a rising wait.", showMessage},
					{"KeyNotFound", []string{ready}, "The Secret exists and lacks the key that the object names.", "Add the key with the command in the message, or correct `spec.authSecretRef.key`.", showMessage},
					{"EmptyToken", []string{ready}, "The key of the Secret holds nothing but white space.", "Write the token with the command in the message.", showMessage},
					{"MalformedToken", []string{ready}, "The value has white space or unprintable characters inside, so it is no token. White space at its ends is ignored.", "Write the token with the command in the message.", showMessage},
					{"SecretForbidden", []string{ready}, "RBAC does not let the operator read the Secret. The overlay `default-token` takes that right away on purpose.", "Grant `get` of this one Secret with the commands in the message.", showMessage},
					{"SecretUnavailable", []string{ready}, "The API server did not answer the request for the Secret.", "Nothing: the operator tries again. If it lasts, check the API server.", refresh},
					{"DefaultTokenUnavailable", []string{ready}, "The object has no `spec.authSecretRef`, and the Secret of the default token can't be read yet.", "Create or correct that Secret with the command in the message. Until it was read once, the operator reads it again by itself.", showMessage},
					{"TokenRejected", []string{ready}, "Aiven refused the token: it was revoked, has expired, or is mistyped. All objects that use it wait, and one of them tries it again now and then.", "Write a valid token and change an annotation of one object, as the message says. For the default token, restart the operator.", showMessage},
				},
			},
			{
				Title: "Aiven: waiting",
				Intro: "Nothing has failed. Something else must happen first, and the object is reconciled when it does.",
				Entries: []Entry{
					{"Ready", []string{ready}, "It exists at Aiven, is as the spec says, and can be used. The message says what else is worth knowing.", "Nothing.", ""},
					{"Creating", []string{ready}, "The create was sent to Aiven, which does not show the result yet.", "Nothing.", ""},
					{"NotReady", []string{ready}, "It exists at Aiven and is not running yet, is powered off, or has just been updated. The message says which.", "Nothing, unless the message says that it is powered off: then set `spec.powered: true`.", showMessage},
					{"Deleting", []string{ready}, "The deletion was sent to Aiven, which still shows the object.", "Nothing. If it lasts, the events say why.", showEvents},
					{"ProjectNotFound", []string{ready}, "The project does not exist, or the user of the token can't see it. It is waited for.", "Check `spec.project`, and whether the token belongs to a user of that project.", showSpec},
					{"WaitingForService", []string{ready}, "The service that the object belongs to does not exist, is not running, or has too few nodes up.", "Check `spec.serviceName`, and the object of the service.", showAiven},
					{"WaitingForDatabase", []string{ready}, "The database that the spec names does not exist in the service.", "Create the Database, or correct its name.", showAiven},
					{"WaitingForUser", []string{ready}, "The user that the spec names does not exist in the service, or has no password yet.", "Create the ServiceUser, or correct its name.", showAiven},
					{"WaitingForRole", []string{ready}, "The role that a grant names does not exist in the service.", "Create the ClickhouseRole, or correct its name.", showAiven},
					{"WaitingForEndpoint", []string{ready}, "The object in `spec.destinationEndpointRef` does not exist or is not ready.", "Create the ServiceIntegrationEndpoint, or wait for it.", showAiven},
					{"WaitingForVPC", []string{ready}, "The object in `spec.projectVPCRef` does not exist in a watched namespace, or its network is not active.", "Create the ProjectVPC, or wait for it.", showAiven},
					{"WaitingForBackup", []string{ready}, "A read replica is built from a backup, and the source service has none yet.", "Nothing: the replica is created after the first backup.", ""},
					{"WaitingForSchema", []string{ready}, "A schema in `spec.references` does not exist or is not registered yet.", "Create the KafkaSchema, or wait for it.", showAiven},
					{"WaitingForDependents", []string{ready}, "The schema is being deleted, and other schemas still refer to it.", "Delete those first.", showAiven},
					{"WaitingForOtherKinds", []string{ready}, "Objects of another kind can stand for the same thing at Aiven, and are not listed yet.", "Nothing. If it lasts, the operator lacks the right to list that kind.", operatorLog},
					{"UpgradeCheck", []string{ready}, "Aiven checks whether the service can be upgraded to the version in the spec.", "Nothing.", ""},
					{"Throttled", []string{ready}, "Aiven limits the requests of this token.", "Nothing: requests are spaced to what Aiven accepts. If it lasts, give each team a token of its own.", ""},
					{"ProjectInUse", []string{ready}, "The project is being deleted and is not empty.", "Delete what is in it, at Aiven too.", showMessage},
					{"VPCInUse", []string{ready}, "The network is being deleted and services still use it.", "Delete or move those services.", showMessage},
				},
			},
			{
				Title: "Aiven: to correct",
				Intro: "A person has to decide. The condition `Error`, which scripts for the aiven-operator know, is set as well, except where the message says that something is waited for.",
				Entries: []Entry{
					{"InvalidSpec", []string{ready}, "Fields of the spec contradict each other, or what they refer to.", "Correct the spec as the message says.", showMessage},
					{"RejectedByAiven", []string{ready}, "Aiven refused the request as invalid. The message has Aiven's words.", "Correct the spec. The request is tried again at each poll too, in case it depended on something else.", showMessage},
					{"Forbidden", []string{ready}, "The token is valid, and its user lacks the permission in this project.", "Give the user the permission, or name another token in `spec.authSecretRef`.", showMessage},
					{"NotFound", []string{ready, synced}, "Aiven answered not found: the project is misspelt, or another organization's. Of an object that is only observed: it does not exist at Aiven.", "Check `spec.project`. To have an observed object created, remove its annotation.", showMessage},
					{"AlreadyExists", []string{ready}, "Aiven refuses to create it because it exists, and does not show it in this project. Names of services can be taken by a service that is still being deleted.", "Wait if that is so. Otherwise choose another name.", showMessage},
					{"AlreadyManaged", []string{ready}, "Another object stands for the same thing at Aiven, and came first.", "Delete one of the two. To keep what is at Aiven, give the one to delete the annotation `controllers.aiven.io/deletion-policy=Orphan` first.", showMessage},
					{"ServiceTypeMismatch", []string{ready}, "A service of that name exists and is of another type. It was not touched.", "Use another name.", showMessage},
					{"ServicePoweredOff", []string{ready}, "The service that the object belongs to is powered off.", "Power it on: `spec.powered: true` in the object of the service, or in the Aiven Console.", showAiven},
					{"OutOfSync", []string{ready}, "Aiven accepted an update and still shows other values.", "Compare the fields in the message with the Aiven Console. The update is repeated with a rising wait.", showMessage},
					{"TerminationProtection", []string{ready}, "The object is being deleted, and its own spec forbids that.", "Turn the protection off in the spec.", showSpec},
					{"SourceSecretUnusable", []string{ready}, "A Secret that the spec takes a value from, such as a password, does not exist, may not be read, or holds something else.", "Create, grant or correct the Secret as the message says.", showMessage},
					{"SecretConflict", []string{ready}, "The Secret for the connection details exists and is not this object's. It was not changed.", "Choose another name in `spec.connInfoSecretTarget`, or delete that Secret.", showMessage},
					{"UpgradeCheckFailed", []string{ready}, "Aiven's check says that the service can't be upgraded. Nothing was changed.", "Fix in the service what the message names, or set the old version again.", showMessage},
					{"InvalidDeletionPolicy", []string{ready}, "The annotation `controllers.aiven.io/deletion-policy` has another value than `Orphan`.", "Set it to `Orphan`, or remove it.", `kubectl annotate "$KIND" "$NAME" --namespace "$NAMESPACE" controllers.aiven.io/deletion-policy-`},
					{"InvalidManagementPolicy", []string{ready}, "The annotation `bailiwick.dev/management-policy` has another value than `Observe`. Nothing is changed at Aiven meanwhile.", "Set it to `Observe`, or remove it.", `kubectl annotate "$KIND" "$NAME" --namespace "$NAMESPACE" bailiwick.dev/management-policy-`},
					{"ReferenceUnknown", []string{ready}, "The spec refers to an object of a kind that this operator does not handle.", "Select that kind in `--controllers`.", showMessage},
					{"Failed", []string{ready}, "Something else failed: the network, Aiven, or the API server. The message has the error.", "Nothing at first: it is tried again. If it lasts, look into the log.", operatorLog},
				},
			},
			{
				Title: "Aiven: other conditions",
				Intro: "These are not what to wait for. `Synced` exists only for objects that are observed, `MigrationComplete` for services with `spec.migrationSecretSource`; `Initialized`, `Running` and `Error` are those that scripts for the aiven-operator read.",
				Entries: []Entry{
					{"InSync", []string{synced}, "Aiven has what the spec says.", "Nothing.", ""},
					{"Drifted", []string{synced}, "The fields in the message differ at Aiven. Nothing is changed, because the object is only observed.", "Put what is right into the manifest, or take it out. To have it repaired, remove the annotation.", `kubectl annotate "$KIND" "$NAME" --namespace "$NAMESPACE" bailiwick.dev/management-policy-`},
					{"MigrationInProgress", []string{migration}, "The migration has not begun or is running.", "Nothing.", ""},
					{"MigrationFailed", []string{migration}, "Aiven reports that the migration failed, with its reason.", "Correct the source in the Secret that `spec.migrationSecretSource` names.", showMessage},
					{"MigrationDone", []string{migration}, "The migration is complete. The message says what became of its Secret.", "Nothing.", ""},
					{"Created", []string{initialized}, "The object was created at Aiven.", "Nothing.", ""},
					{"Updated", []string{initialized}, "The object was updated at Aiven.", "Nothing.", ""},
					{"CreatedOrUpdated", []string{initialized}, "The object exists at Aiven.", "Nothing.", ""},
					{"CheckRunning", []string{running}, "Whether what exists at Aiven is running.", "Read `Ready` instead.", ""},
					{"Preconditions", []string{failure}, "Something that the object needs is missing or wrong. The message is that of `Ready`.", "See the reason of `Ready`.", showMessage},
					{"CreateOrUpdate", []string{failure}, "Creating or updating failed. The message is that of `Ready`.", "See the reason of `Ready`.", showMessage},
					{"Delete", []string{failure}, "Deleting failed. The message is that of `Ready`.", "See the reason of `Ready`.", showMessage},
					{"ConnInfoSecret", []string{failure}, "The connection details could not be published. The message is that of `Ready`.", "See the reason of `Ready`.", showMessage},
				},
			},
			{
				Title: "Aiven: events",
				Intro: "Events tell what was done. Failures have events with the reason of the condition. `Adopted` is a reason of the condition `Initialized` as well.",
				Entries: []Entry{
					{"CreatedAtAiven", nil, "It was created.", "Nothing.", ""},
					{"UpdatedAtAiven", nil, "It differed from the spec and was updated. The message names the fields.", "Nothing. If it repeats, two programs change the same thing.", showEvents},
					{"Adopted", []string{initialized}, "It existed already, and the object has taken it over.", "Nothing.", ""},
					{"InstanceIsRunning", nil, "It became ready.", "Nothing.", ""},
					{"SuccessfullyDeletedAtAiven", nil, "It was deleted.", "Nothing.", ""},
					{"SkippedDeletionAtAiven", nil, "The object was deleted and what it stands for was kept, for the reason in the message.", "Nothing.", ""},
				},
			},
		},
	}
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reasons

// Servers returns the reasons of OpenBaoClusters whose servers Bailiwick runs.
func Servers() Of {
	both := []string{ready, clusterLifecycle}
	onlyReady := []string{ready}
	backup := []string{"BackupReady"}
	fact := func(conditionType string) []string { return []string{conditionType} }
	return Of{
		Packages: []string{"pkg/controller/openbao", "pkg/certs", "pkg/jobs/jobstep"},
		Preamble: "CLUSTER=my-bao NAMESPACE=default",
		Sections: []Section{
			{
				Title: "OpenBao servers: state",
				Intro: "`ClusterLifecycle` is about the servers alone. `Ready` is also about their authorization, whose reasons are above.",
				Entries: []Entry{
					{"Ready", onlyReady, "All servers that the spec asks for run what they should, are unsealed and vote, and every identity is proved.", "Nothing.", ""},
					{"Running", both, "Bailiwick runs the servers. The message says what of the spec has no effect yet.", "Nothing.", ""},
					{"Starting", both, "The servers start for the first time, or an identity is not proved yet.", "Nothing. If it lasts, the message names the log to read.", showServers},
					{"Scaling", both, "Further servers start, or do not vote yet.", "Nothing. If it lasts, see what the servers report.", showServers},
					{"Degraded", both, "A server is sealed or does not answer. The others do the work, which `Available` says.", "Nothing, if its pod is about to come back. Otherwise read its log with the command in the message.", showServers},
					{"NoQuorum", both, "Too few servers are unsealed to elect a leader, or there is no leader.", "Read the logs of the servers that are sealed or do not answer. If too many of them have lost their data for good, follow [Lose the quorum](openbao-servers.md#lose-the-quorum).", showServers},
					{"RecoveringQuorum", both, "The recovery from a lost quorum goes on. The message says what it waits for, and what helps if that lasts.", "Nothing.", showRecovery},
					{"NotProved", onlyReady, "An identity of the authorization is not proved.", "See what the identities say.", showIdentities},
					{"Rolling", both, "Pods are replaced, because of another version, image, configuration, certificate or restart request: the standbys first, the leader last. Rolling ends when the last one votes again.", "Nothing. `status.servers` shows who is current.", showServers},
					{"Healing", both, "A server lost its volume, or is not part of the cluster any more, and begins again without data.", "Nothing.", showServers},
					{"QuorumGuard", both, "The next step would leave too few voters that work. It is done once the others work.", "Read the logs of the servers that do not work, with the command in the message.", showServers},
					{"Deleting", both, "The object is being deleted, and `spec.deletionPolicy` has its data deleted with it.", "Nothing.", ""},
					{"Paused", both, "`spec.paused` is true, and nothing is changed.", "Set `spec.paused` to false when you are done.", ""},
				},
			},
			{
				Title: "OpenBao servers: to correct",
				Intro: "Bailiwick waits for a person.",
				Entries: []Entry{
					{"ForeignFinalizer", both, "The object is deleted, and only the finalizer of the openbao-operator, which it came from, keeps it. Bailiwick does not remove what another program holds.", "If that operator runs, nothing. If it is gone for good, save the unseal key and remove the finalizer, with the commands in the message: the servers end, volumes stay, and Secrets that the object owns are deleted.", showClusterReady},
					{"NotGranted", both, "Bailiwick may not run servers in the namespace.", "Run the command in the message, once for the namespace.", showClusterReady},
					{"InvalidSpec", both, "The spec has a mistake, or asks for what is not supported. Nothing of it but `spec.tls` is carried out, and the servers are cared for as they were applied last.", "Correct the fields that the message names.", showClusterReady},
					{"ObjectConflict", both, "An object that the servers need exists and belongs to something else. It is left as it is.", "Delete it, or let the cluster take it over, with the commands in the message.", showClusterReady},
					{"CertificateInvalid", []string{ready, clusterLifecycle, "TLSReady"}, "The servers' certificate is missing, has expired, or lacks a name.", "Correct what the message says, where the certificate is issued.", `kubectl get openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --output jsonpath='{.status.conditions[?(@.type=="TLSReady")].message}{"\n"}'`},
					{"RollStuck", both, "A pod that was replaced does not come to work, and no other is touched.", "Read its log with the command in the message, and correct the spec. That replaces this pod first. Another value of `spec.maintenance.restartAt` tries again.", showServers},
					{"ReconcileFailed", both, "A request to the API server failed. The message has the error.", "Nothing at first: it is tried again. If it lasts, look into the log of the Deployment `bailiwick-servers`.", ""},
				},
			},
			{
				Title: "OpenBao servers: data at stake",
				Intro: "Nothing is done until a person decides, because the wrong step can lose data.",
				Entries: []Entry{
					{"RecoveryPlanned", both, "There is a plan for the recovery from a lost quorum. Nothing was changed.", "Read what would be lost and deleted. Approve the plan, or go back, with the commands in the message.", showRecovery},
					{"RecoveryStuck", both, "The recovery from a lost quorum cannot go on by itself: a Job failed, or a volume that it needs is gone.", "Follow the message. A Job that failed is run again when it is deleted.", showRecovery},
					{"UnsealKeyLost", both, "The Secret with the unseal key is gone or has another length. What is on the volumes cannot be read without it.", "Restore the Secret from a backup.", showClusterReady},
					{"FirstStartStuck", both, "The first start cannot go on by itself.", "Read the log first: the message has the command. Where it also has one that deletes a volume, run that only if nothing on it is needed.", showClusterReady},
					{"InitRefused", both, "The first server refused to be initialized.", "Follow the message, and read the log of the first server, the pod of ordinal 0.", ""},
					{"ServerStranded", both, "A server has data, and the leader does not list it. Whose data that is cannot be told.", "If nothing on its volume is needed, delete the volume and the pod with the command in the message.", showServers},
					{"OtherCluster", both, "A server reports another cluster than the recorded one: its volume was exchanged, or somebody initialized it again.", "Find out which of the two has the data. If the server is to join the recorded cluster and nothing on its volume is needed, delete the volume and the pod.", showServers},
				},
			},
			{
				Title: "OpenBao servers: backups",
				Intro: "`BackupReady` is about `spec.backup` alone. It keeps no cluster from being `Ready`.",
				Entries: []Entry{
					{"BackupCurrent", backup, "The last backup succeeded: its snapshot is verified and stored.", "Nothing.", showBackup},
					{"BackupPending", backup, "No backup was taken yet.", "Nothing. The message says when the first is due.", showBackup},
					{"BackupWaits", backup, "A backup is due, and waits until other work on the cluster is over, or until the backup identity is proved.", "Nothing. If it lasts, follow the message.", showBackup},
					{"BackupFailed", backup, "A backup failed, for a reason that has no name of its own.", "Follow the message.", showBackup},
					{"StoreFailed", backup, "The object store refused a request, or did something unexpected.", "Read the message, and correct `spec.backup.target`.", showBackup},
					{"StoreCredentials", backup, "The object store does not accept the credentials, or they lack a right: list, read, write and, for retention, delete.", "Correct the Secret that `spec.backup.target.credentialsSecretRef` names, or the rights of its account. Then ask for a backup.", triggerBackup},
					{"BucketMissing", backup, "There is no such bucket or container. Bailiwick creates none.", "Create it, or correct `spec.backup.target.bucket`. Then ask for a backup.", triggerBackup},
					{"StoreUnreachable", backup, "The object store does not answer. It is tried again after a wait that rises.", "Nothing at first. If it lasts, allow the store in `spec.network.egressRules`.", showBackup},
					{"StoreUntrusted", backup, "The certificate of the object store cannot be verified.", "Put the CA into the key `caCert` of the Secret with the credentials.", showBackup},
					{"ServerFailed", backup, "The servers did not answer, or did not send the snapshot to its end. It is tried again.", "Nothing at first. If it lasts, see what the servers report.", showServers},
					{"LoginRefused", backup, "The servers refused the login of the backup identity.", "See what the identities say.", showIdentities},
					{"RightsDiffer", backup, "The login of the backup identity has other rights than to take snapshots.", "See what the identities say.", showIdentities},
					{"SnapshotDamaged", backup, "The server sent a snapshot that is cut short or damaged. Nothing of it was stored, and it is tried again.", "Nothing at first. If it lasts, read the log of the leader.", showServers},
					{"SpoolTooSmall", backup, "There is too little room for the snapshot where it is verified.", "Raise `spec.backup.spool.size`, or free room on the node.", showBackup},
					{"DeadlinePassed", backup, "The backup took longer than an hour, and did not act any more.", "Nothing. It is tried again.", showBackup},
					{"RequestInvalid", backup, "The Job and the operator do not understand each other: they are of different versions.", "Let `--job-image` of the Deployment `bailiwick-servers` name the image of the same version.", showBackup},
				},
			},
			{
				Title: "OpenBao servers: single facts",
				Intro: "Conditions that other tools read.",
				Entries: []Entry{
					{"Current", fact("TLSReady"), "All servers show the certificate that is in the Secret.", "Nothing.", ""},
					{"Rotating", fact("TLSReady"), "Some servers show an earlier certificate.", "Nothing. They are started again one by one, the leader last.", showServers},
					{"Initialized", fact("OpenBaoInitialized"), "The first start is over. There is an event of this name, too.", "Nothing.", ""},
					{"Sealed", fact("OpenBaoSealed"), "A server is sealed.", "Read its log: the seal says why.", showServers},
					{"Unsealed", fact("OpenBaoSealed"), "No server is sealed.", "Nothing.", ""},
					{"LeaderFound", fact("OpenBaoLeader"), "One server leads.", "Nothing.", ""},
					{"MultipleLeaders", fact("OpenBaoLeader"), "More than one server says that it leads. That passes when the leadership changes.", "Nothing. If it lasts, see whether the servers reach each other.", showServers},
					{"Unknown", []string{ready, "TLSReady", "OpenBaoSealed", "OpenBaoLeader"}, "The servers do not answer, so it is not known.", "See what the servers report.", showServers},
				},
			},
			{
				Title: "OpenBao servers: events",
				Intro: "Every change of `Ready`, `ClusterLifecycle` and `TLSReady` has an event with its reason, too.",
				Entries: []Entry{
					{"QuorumRecovered", nil, "A cluster that had lost its quorum goes on with the data of one server.", "See in `status.recovery` what became of the others.", ""},
					{"FirstStartBegunAgain", nil, "The first start was interrupted before anyone could use the cluster, and began again on an empty volume.", "Nothing.", ""},
					{"BackupTaken", nil, "A snapshot is verified and stored.", "Nothing.", ""},
					{"RetentionFailed", nil, "Expired snapshots were not deleted. The backup itself counts.", "Follow the message.", ""},
					{"CACreated", nil, "A CA for the servers was made.", "Give its certificate, `ca.crt` of the Secret with the suffix `-tls-server`, to clients.", ""},
					{"CAReplaced", nil, "The CA in the Secret is another one than has signed the certificate. Both are trusted before it signs.", "Give the new certificate to clients.", ""},
					{"CAPublished", nil, "The next CA was added to the trusted ones. It signs nothing yet.", "Let clients read `ca.crt` again.", ""},
					{"CASwitched", nil, "The next CA signs from now on. Both are trusted.", "Nothing.", ""},
					{"CAExpired", nil, "The CA expired before it was rotated.", "Give the new certificate to clients.", ""},
					{"NextCADiscarded", nil, "The next CA could not be used, and was given up before it signed anything.", "Nothing.", ""},
					{"CARetired", nil, "The earlier CA is not trusted any more.", "Nothing.", ""},
					{"CertificateIssued", nil, "The servers have a new certificate.", "Nothing.", ""},
				},
			},
		},
	}
}

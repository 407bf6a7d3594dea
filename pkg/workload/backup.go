// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/encryption"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot"
)

// Backup is what the spec says of backups.
type Backup struct {
	Target jobstep.Target
	// Folder is where the snapshots of the cluster are, with a slash at the end.
	Folder string
	// Credentials is the name of the Secret with the credentials, empty for the identity of
	// the pod. CloudAudience is who a token for the cloud provider is for, empty for none.
	Credentials, CloudAudience string
	Retention                  snapshot.Retention
	// Spool is how large a snapshot may be.
	Spool resource.Quantity
	// Encryption has the keys that snapshots are encrypted to. There may be none.
	Encryption encryption.Keys
}

// Limits of uploads: how many parts an object can have, and how much memory the parts may
// take that are sent at one time, of what a Job has.
const (
	maxParts      = 10_000
	maxPartMemory = 160 << 20
)

// defaultRegion is what the schema sets, for all providers.
const defaultRegion = "us-east-1"

// audienceAWS is who AWS wants the tokens to be for that it is given for a role.
const audienceAWS = "sts.amazonaws.com"

// BackupOf reads spec.backup, which has a target, as it is at a time: keys expire. The error
// joins a *authz.SpecError for each mistake in it.
func BackupOf(c *openbaov1alpha1.OpenBaoCluster, now time.Time) (Backup, error) {
	spec, t := c.Spec.Backup, c.Spec.Backup.Target
	var errs []error
	wrong := func(field, problem string) {
		errs = append(errs, &authz.SpecError{Field: "spec.backup." + field, Problem: problem})
	}
	duration := func(field, text string) time.Duration {
		if text == "" {
			return 0
		}
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			wrong(field, "must be a time such as 168h")
		}
		return d
	}
	b := Backup{
		Folder: snapshot.Folder(t.PathPrefix, c.Namespace, c.Name), Spool: resource.MustParse("10Gi"),
		Target: jobstep.Target{
			Provider: string(cmp.Or(t.Provider, openbaov1alpha1.BackupS3)), Endpoint: t.Endpoint, Bucket: t.Bucket, Region: t.Region,
			UsePathStyle: isTrue(t.UsePathStyle), InsecureSkipVerify: isTrue(t.InsecureSkipVerify), RoleARN: t.RoleARN, StorageClass: t.StorageClass,
		},
	}
	if t.Endpoint != "" {
		if u, err := url.Parse(t.Endpoint); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
			wrong("target.endpoint", "must be an https or http URL without user and query")
		}
	}
	prefix := strings.Trim(t.PathPrefix, "/")
	if strings.Contains(prefix, "..") || strings.Contains(prefix, "//") || slices.Contains(strings.Split(prefix, "/"), ".") {
		wrong("target.pathPrefix", "must have no empty parts, and none that are . or have .. in them")
	}
	if strings.HasPrefix(t.Endpoint, "http://") && b.Target.Provider == string(openbaov1alpha1.BackupGCS) && t.CredentialsSecretRef != nil {
		wrong("target.endpoint", "must be an https URL: tokens of Google are sent to it")
	}
	if strings.HasPrefix(t.Endpoint, "http://") && b.Target.Provider == string(openbaov1alpha1.BackupAzure) && t.CredentialsSecretRef == nil {
		wrong("target.endpoint", "must be an https URL: tokens of Azure are sent to it")
	}
	if t.PartSize != nil {
		b.Target.PartSize = int(*t.PartSize)
	}
	if t.Concurrency != nil {
		b.Target.Concurrency = int(*t.Concurrency)
	}
	if t.CredentialsSecretRef != nil {
		b.Credentials = t.CredentialsSecretRef.Name
		b.Target.CredentialsSecret = b.Credentials
		if IsManagedSecretName(b.Credentials) {
			wrong("target.credentialsSecretRef.name", fmt.Sprintf("%q can be a Secret that Bailiwick keeps for a cluster: credentials of the store belong into one of their own", b.Credentials))
		}
	}
	if t.RoleARN != "" {
		if b.Target.Provider != string(openbaov1alpha1.BackupS3) {
			wrong("target.roleArn", "is for the provider s3 only")
		}
		b.CloudAudience = audienceAWS
	}
	if b.Target.Provider != string(openbaov1alpha1.BackupS3) {
		if b.Target.UsePathStyle {
			wrong("target.usePathStyle", "is for the provider s3 only")
		}
		if t.Region != "" && t.Region != defaultRegion {
			wrong("target.region", "is for the provider s3 only")
		}
		b.Target.Region = ""
	}
	if t.Azure != nil && b.Target.Provider != string(openbaov1alpha1.BackupAzure) {
		wrong("target.azure", "is for the provider azure only")
	}
	if t.GCS != nil && b.Target.Provider != string(openbaov1alpha1.BackupGCS) {
		wrong("target.gcs", "is for the provider gcs only")
	}
	if size := int64(b.Target.PartSize) * int64(b.Target.Concurrency+1); size > maxPartMemory {
		wrong("target.partSize", fmt.Sprintf("must be smaller: with %d parts at one time, the Job needs %d bytes, and has %d for them", b.Target.Concurrency, size, maxPartMemory))
	}
	if b.Target.Provider == string(openbaov1alpha1.BackupAzure) && t.Azure != nil {
		b.Target.StorageAccount = t.Azure.StorageAccount
		b.Target.Bucket = cmp.Or(t.Azure.Container, b.Target.Bucket)
	}
	if e := t.ServerSideEncryption; e != nil {
		b.Target.EncryptionAlgorithm, b.Target.EncryptionKey = e.Algorithm, e.Key
		switch {
		case b.Target.Provider != string(openbaov1alpha1.BackupS3):
			b.Target.EncryptionAlgorithm = ""
			if e.Algorithm != "" {
				wrong("target.serverSideEncryption.algorithm", "is for the provider s3 only")
			}
		case e.Algorithm == "" && e.Key != "":
			b.Target.EncryptionAlgorithm = "aws:kms"
		case e.Algorithm == "":
			b.Target.EncryptionAlgorithm = "AES256"
		case e.Algorithm == "AES256" && e.Key != "":
			wrong("target.serverSideEncryption.key", "cannot be used with AES256")
		}
	}
	if l := t.ObjectLock; l != nil {
		b.Target.LockMode, b.Target.LockFor = string(l.Mode), duration("target.objectLock.retainFor", l.RetainFor)
		if b.Target.Provider == string(openbaov1alpha1.BackupAzure) {
			wrong("target.objectLock", "does not exist in Azure, which locks by a policy of the container")
		}
	}
	if r := spec.Retention; r != nil {
		if r.MaxCount != nil {
			b.Retention.MaxCount = int(*r.MaxCount)
		}
		b.Retention.MaxAge = duration("retention.maxAge", r.MaxAge)
	}
	if s := spec.Spool; s != nil && s.Size != nil {
		if b.Spool = *s.Size; b.Spool.Cmp(resource.MustParse("1Mi")) < 0 {
			wrong("spool.size", "must be 1Mi or more")
		}
	}
	if b.Target.PartSize > 0 && b.Spool.Value()/int64(b.Target.PartSize) >= maxParts {
		wrong("target.partSize", fmt.Sprintf("must be larger: an object has at most %d parts, and spec.backup.spool.size allows snapshots of %s", maxParts, b.Spool.String()))
	}
	if e := spec.Encryption; e != nil {
		b.Encryption = encryption.Keys{Age: e.AgeRecipients, PGP: e.PGPPublicKeys}
		errs = append(errs, encryptionProblems(b.Encryption, now)...)
	}
	if spec.TokenSecretRef != nil {
		wrong("tokenSecretRef", "is not supported: backups log in as the ServiceAccount "+authz.BackupAccount(c))
	}
	return b, errors.Join(errs...)
}

// encryptionProblems says what is wrong with the keys that snapshots are encrypted to.
func encryptionProblems(keys encryption.Keys, now time.Time) []error {
	recipients, err := encryption.Parse(keys, now)
	if err == nil && recipients.None() {
		err = errors.New("names no keys: leave it out for snapshots as the servers make them")
	}
	if err == nil {
		return nil
	}
	const field = "spec.backup.encryption"
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // What errors.Join makes.
	if !ok {
		return []error{&authz.SpecError{Field: field, Problem: err.Error()}}
	}
	var errs []error
	for _, err := range joined.Unwrap() {
		var one *encryption.Error
		if !errors.As(err, &one) {
			errs = append(errs, &authz.SpecError{Field: field, Problem: err.Error()})
			continue
		}
		list := "ageRecipients"
		if one.Method == encryption.PGP {
			list = "pgpPublicKeys"
		}
		errs = append(errs, &authz.SpecError{Field: fmt.Sprintf("%s.%s[%d]", field, list, one.Index), Problem: one.Problem})
	}
	return errs
}

func isTrue(b *bool) bool { return b != nil && *b }

// BackupLabels returns the labels of the Jobs of backups, and of their pods. ServerSelector
// does not select them, and the NetworkPolicy of jobs does. The map is the caller's.
func BackupLabels(c *openbaov1alpha1.OpenBaoCluster) map[string]string {
	labels := Labels(c)
	labels[LabelComponent] = ComponentBackup
	return labels
}

// BackupPod is JobPod for a Job that is bound to no volume and no server: any node will do
// that the servers may run on.
func BackupPod(c *openbaov1alpha1.OpenBaoCluster) (corev1.PodSpec, error) {
	pod, err := JobPod(c)
	if pod.Affinity != nil {
		// What keeps servers apart from each other says nothing of a Job.
		pod.Affinity.PodAntiAffinity, pod.Affinity.PodAffinity = nil, nil
	}
	return pod, err
}

// OperationLeaseName returns the name of the Lease that is the lock of a cluster's
// operations.
func OperationLeaseName(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + "-operation" }

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// recipientOfTest is the one of age's own documentation.
const recipientOfTest = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

func backupOfTest(change func(*openbaov1alpha1.BackupSpec)) *openbaov1alpha1.OpenBaoCluster {
	c := &openbaov1alpha1.OpenBaoCluster{}
	c.Namespace, c.Name = "ns", "bao"
	// As the schema fills it in.
	c.Spec.Backup = &openbaov1alpha1.BackupSpec{Target: &openbaov1alpha1.BackupTarget{
		Provider: openbaov1alpha1.BackupS3, Bucket: "b", PartSize: new(int64(10485760)), Concurrency: new(int32(3)), Region: "us-east-1", UsePathStyle: new(false),
	}}
	change(c.Spec.Backup)
	return c
}

func TestBackupOf(t *testing.T) {
	gcs := func(b *openbaov1alpha1.BackupSpec) { b.Target.Provider = openbaov1alpha1.BackupGCS }
	azure := func(b *openbaov1alpha1.BackupSpec) { b.Target.Provider = openbaov1alpha1.BackupAzure }
	encrypted := func(e openbaov1alpha1.BackupEncryption) func(*openbaov1alpha1.BackupSpec) {
		return func(b *openbaov1alpha1.BackupSpec) { b.Encryption = &e }
	}
	for name, test := range map[string]struct {
		change func(*openbaov1alpha1.BackupSpec)
		// fields are those that are refused.
		fields []string
	}{
		"s3":    {func(*openbaov1alpha1.BackupSpec) {}, nil},
		"gcs":   {gcs, nil},
		"azure": {azure, nil},
		"roles": {func(b *openbaov1alpha1.BackupSpec) { gcs(b); b.Target.RoleARN = "r" }, []string{"target.roleArn"}},
		"path style": {func(b *openbaov1alpha1.BackupSpec) { azure(b); b.Target.UsePathStyle = new(true) },
			[]string{"target.usePathStyle"}},
		"region":        {func(b *openbaov1alpha1.BackupSpec) { gcs(b); b.Target.Region = "eu-north-1" }, []string{"target.region"}},
		"azure for s3":  {func(b *openbaov1alpha1.BackupSpec) { b.Target.Azure = &openbaov1alpha1.AzureTarget{} }, []string{"target.azure"}},
		"gcs for azure": {func(b *openbaov1alpha1.BackupSpec) { azure(b); b.Target.GCS = &openbaov1alpha1.GCSTarget{} }, []string{"target.gcs"}},
		"algorithm": {func(b *openbaov1alpha1.BackupSpec) {
			gcs(b)
			b.Target.ServerSideEncryption = &openbaov1alpha1.ServerSideEncryption{Algorithm: "AES256"}
		}, []string{"target.serverSideEncryption.algorithm"}},
		"key of AES256": {func(b *openbaov1alpha1.BackupSpec) {
			b.Target.ServerSideEncryption = &openbaov1alpha1.ServerSideEncryption{Algorithm: "AES256", Key: "k"}
		}, []string{"target.serverSideEncryption.key"}},
		"path prefix": {func(b *openbaov1alpha1.BackupSpec) { b.Target.PathPrefix = "/a/b/" }, nil},
		"path up":     {func(b *openbaov1alpha1.BackupSpec) { b.Target.PathPrefix = "a/../b" }, []string{"target.pathPrefix"}},
		"dots":        {func(b *openbaov1alpha1.BackupSpec) { b.Target.PathPrefix = "a..b" }, []string{"target.pathPrefix"}},
		"empty part":  {func(b *openbaov1alpha1.BackupSpec) { b.Target.PathPrefix = "a//b" }, []string{"target.pathPrefix"}},
		"a Secret that is kept for a cluster": {func(b *openbaov1alpha1.BackupSpec) {
			b.Target.CredentialsSecretRef = &openbaov1alpha1.LocalObjectReference{Name: "other-root-token"}
		}, []string{"target.credentialsSecretRef.name"}},
		"tokens of Google without TLS": {func(b *openbaov1alpha1.BackupSpec) {
			gcs(b)
			b.Target.Endpoint, b.Target.CredentialsSecretRef = "http://x", &openbaov1alpha1.LocalObjectReference{Name: "store"}
		}, []string{"target.endpoint"}},
		"tokens of Azure without TLS": {func(b *openbaov1alpha1.BackupSpec) { azure(b); b.Target.Endpoint = "http://x" }, []string{"target.endpoint"}},
		"lock of azure": {func(b *openbaov1alpha1.BackupSpec) {
			azure(b)
			b.Target.ObjectLock = &openbaov1alpha1.ObjectLock{Mode: openbaov1alpha1.LockCompliance, RetainFor: "1h"}
		}, []string{"target.objectLock"}},
		"parts that are too large": {func(b *openbaov1alpha1.BackupSpec) { b.Target.PartSize = new(int64(64 << 20)) }, []string{"target.partSize"}},
		"parts that are too many": {func(b *openbaov1alpha1.BackupSpec) {
			b.Target.PartSize, b.Spool = new(int64(5242880)), &openbaov1alpha1.BackupSpool{Size: new(resource.MustParse("100Gi"))}
		}, []string{"target.partSize"}},
		"age":           {encrypted(openbaov1alpha1.BackupEncryption{AgeRecipients: []string{recipientOfTest}}), nil},
		"no key":        {encrypted(openbaov1alpha1.BackupEncryption{}), []string{"encryption"}},
		"both kinds":    {encrypted(openbaov1alpha1.BackupEncryption{AgeRecipients: []string{recipientOfTest}, PGPPublicKeys: []string{"x"}}), []string{"encryption"}},
		"no recipients": {encrypted(openbaov1alpha1.BackupEncryption{AgeRecipients: []string{recipientOfTest, "ssh-ed25519 x", "age1x"}}), []string{"encryption.ageRecipients[1]", "encryption.ageRecipients[2]"}},
		"no PGP key":    {encrypted(openbaov1alpha1.BackupEncryption{PGPPublicKeys: []string{"x"}}), []string{"encryption.pgpPublicKeys[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := workload.BackupOf(backupOfTest(test.change), time.Now())
			var fields []string
			if err != nil {
				for _, e := range specErrors(t, err) {
					fields = append(fields, strings.TrimPrefix(e.Field, "spec.backup."))
				}
			}
			slices.Sort(fields)
			if !slices.Equal(fields, test.fields) {
				t.Errorf("refused are %v, want %v: %v", fields, test.fields, err)
			}
			if name == "age" && !slices.Equal(b.Encryption.Age, []string{recipientOfTest}) {
				t.Errorf("keys %v", b.Encryption)
			}
		})
	}
}

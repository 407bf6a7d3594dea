// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/bailiwick-operator/bailiwick/cmd/bailiwick-job/internal/backup"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
)

// memoryGoal is what the parts of an upload are collected for. More is taken only where
// that is not enough.
const memoryGoal = 48 << 20

// isBackupStep reports whether a step is one of backups.
func isBackupStep(step string) bool { return step == jobstep.Backup || step == jobstep.Retain }

// backupStep carries out a step of a backup. A Job that is told to end gives up what it
// has not published.
func backupStep(args []string) (jobstep.Result, int) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	debug.SetMemoryLimit(memoryGoal)
	return runBackup(ctx, args, backup.Options{
		Open: func(ctx context.Context, t jobstep.Target) (backup.Store, error) {
			return backup.OpenStore(ctx, jobstep.CredentialsDir, filepath.Join(jobstep.CloudTokenDir, jobstep.TokenFile), t)
		},
		TokenFile: filepath.Join(jobstep.TokenDir, jobstep.TokenFile),
		SpoolDir:  jobstep.SpoolDir,
		Patience:  backup.NetworkPatience,
		Now:       time.Now,
		Log:       func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) },
	})
}

func runBackup(ctx context.Context, args []string, o backup.Options) (result jobstep.Result, code int) {
	var err error
	if args[0] == jobstep.Backup {
		var request jobstep.BackupRequest
		if request, err = jobstep.ParseRequest[jobstep.BackupRequest](args[1:]); err == nil {
			var done jobstep.BackupResult
			if done, err = backup.Run(ctx, request, o); err == nil {
				return jobstep.Result{Backup: &done}, jobstep.Done
			}
		}
	} else {
		var request jobstep.RetainRequest
		if request, err = jobstep.ParseRequest[jobstep.RetainRequest](args[1:]); err == nil {
			var done jobstep.RetainResult
			done, err = backup.Retain(ctx, request, o)
			result.Retain = &done
		}
	}
	if err == nil {
		return result, jobstep.Done
	}
	result.Error, result.Reason, code = err.Error(), jobstep.ReasonRequestInvalid, jobstep.Final
	var failure *backup.Failure
	if errors.As(err, &failure) {
		result.Reason = failure.Reason
		if failure.Again {
			code = jobstep.TryAgain
		}
	}
	return result, code
}

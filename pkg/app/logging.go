// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"log/slog"

	"github.com/go-logr/logr"
	"k8s.io/component-base/featuregate"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
)

// SetupLogging applies the logging flags and makes klog's own logger one that
// withholds what may hold secrets. It belongs to the process, not to a Run:
// call it once, before anything logs. gate and options may be nil.
func SetupLogging(config *logsapi.LoggingConfiguration, options *logsapi.LoggingOptions, gate featuregate.FeatureGate) error {
	if err := logsapi.ValidateAndApplyWithOptions(config, options, gate); err != nil {
		return fmt.Errorf("set up logging: %w", err)
	}
	logger := withholdSecrets(klog.Background())
	loggerOptions := []klog.LoggerOption{klog.ContextualLogger(true)}
	if w, ok := logger.GetSink().(textlogger.KlogBufferWriter); ok {
		// The text format: unstructured lines keep their header.
		loggerOptions = append(loggerOptions, klog.WriteKlogBuffer(w.WriteKlogBuffer))
	}
	klog.SetLoggerWithOptions(logger, loggerOptions...)
	slog.SetDefault(slog.New(logr.ToSlogHandler(logger)))
	return nil
}

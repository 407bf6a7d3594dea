// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// chartFolder holds the chart.
const chartFolder = "charts/bailiwick"

var (
	chartVersion    = regexp.MustCompile(`(?m)^version:.*$`)
	chartAppVersion = regexp.MustCompile(`(?m)^appVersion:.*$`)
)

// chart packages the chart with the version of the release, which is the tag that it
// installs. The digest stays out of its values: there it would win over a tag that a
// user sets. The archive is what helm package makes, but for times and an order that
// are the same on every run.
func (b *built) chart(ctx context.Context) (file, error) {
	committed, err := b.source.committed(ctx, chartFolder)
	if err != nil {
		return file{}, err
	}
	files, err := readFolder(filepath.Join(b.source.dir, chartFolder))
	if err != nil {
		return file{}, fmt.Errorf("read the chart: %w", err)
	}
	// Helm wants semantic versions, which have no v.
	version := strings.TrimPrefix(b.version, "v")
	found := false
	packaged := make([]file, 0, len(files))
	for _, f := range files {
		// What git ignores is nobody's business, such as somebody's own values.
		if committed != nil && !committed[chartFolder+"/"+f.name] {
			continue
		}
		switch f.name {
		case "Chart.yaml":
			if !chartVersion.Match(f.content) || !chartAppVersion.Match(f.content) {
				return file{}, fmt.Errorf("%s/Chart.yaml has no version or no appVersion", chartFolder)
			}
			found = true
			f.content = chartVersion.ReplaceAll(f.content, []byte("version: "+version))
			f.content = chartAppVersion.ReplaceAll(f.content, []byte(`appVersion: "`+b.version+`"`))
		case ".helmignore":
			// It says what helm package leaves out. Nothing of that is committed.
			continue
		}
		f.name = "bailiwick/" + f.name
		packaged = append(packaged, f)
	}
	if !found {
		return file{}, fmt.Errorf("there is no %s/Chart.yaml", chartFolder)
	}
	var content bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&content, gzip.BestCompression)
	if err != nil {
		return file{}, err
	}
	if err := writeTar(compressed, packaged, b.source.time); err != nil {
		return file{}, fmt.Errorf("package the chart: %w", err)
	}
	if err := compressed.Close(); err != nil {
		return file{}, fmt.Errorf("package the chart: %w", err)
	}
	return file{"bailiwick-" + version + ".tgz", 0o644, content.Bytes()}, nil
}

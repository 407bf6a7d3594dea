// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// buildTools is the script that builds the binaries, from the top of the checkout.
const buildTools = "hack/build-tools.sh"

// Tool returns the path of a binary that hack/build-tools.sh has built, such as
// kube-apiserver. The error for one that is not built names the command that
// builds it. The checkout is the one that holds the working directory, which for
// a test is the directory of its package.
func Tool(name string) (string, error) {
	path, err := pathOf(name)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		root, err := checkout()
		if err != nil {
			return "", err
		}
		return "", fmt.Errorf("%s is not built: run %s %s", name, filepath.Join(root, buildTools), name)
	}
	return path, nil
}

// pathOf asks the script where a program is, or will be.
func pathOf(name string) (string, error) {
	root, err := checkout()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(filepath.Join(root, buildTools), "--path", name).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(strings.TrimSpace(string(exit.Stderr)))
		}
		return "", fmt.Errorf("locating %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func checkout() (string, error) {
	working, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := working; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, buildTools)); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a checkout: no %s there or above", working, buildTools)
		}
	}
}

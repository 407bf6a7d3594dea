// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"maps"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// connection is the content of a connection Secret.
type connection map[string][]byte

type pair struct{ key, value string }

// details builds the keys that carry the prefix of the object's target.
func details(obj v1alpha1.Publisher, pairs ...pair) connection {
	target, _ := obj.ConnInfoTarget()
	out := connection{}
	for _, p := range pairs {
		out[target.Prefix+p.key] = []byte(p.value)
	}
	return out
}

// publishes reports whether the object wants its connection details published.
func publishes(obj v1alpha1.Object) bool {
	publisher, ok := obj.(v1alpha1.Publisher)
	if !ok {
		return false
	}
	_, disabled := publisher.ConnInfoTarget()
	return !disabled
}

// unprefixed builds keys without a prefix, which older applications expect.
func unprefixed(pairs ...pair) connection {
	out := connection{}
	for _, p := range pairs {
		out[p.key] = []byte(p.value)
	}
	return out
}

func (c connection) merge(other connection) connection {
	maps.Copy(c, other)
	return c
}

// postgresEnvironment holds the variables that libpq reads.
func postgresEnvironment(host, port, database, user, password, sslmode, uri string) connection {
	return unprefixed(
		pair{"PGHOST", host}, pair{"PGPORT", port}, pair{"PGDATABASE", database},
		pair{"PGUSER", user}, pair{"PGPASSWORD", password}, pair{"PGSSLMODE", sslmode},
		pair{"DATABASE_URI", uri},
	)
}

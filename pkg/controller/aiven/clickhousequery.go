// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"strings"

	"github.com/aiven/go-client-codegen/handler/clickhouse"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// clickhouseQuery runs one statement.
func clickhouseQuery(ctx context.Context, d aiven.Doer, project, service, query string) ([][]any, error) {
	h := clickhouse.NewHandler(d)
	out, err := h.ServiceClickHouseQuery(ctx, project, service, &clickhouse.ServiceClickHouseQueryIn{Database: "system", Query: query})
	if err != nil {
		return nil, err
	}
	return out.Data, nil
}

// clickhouseRun runs statements in their order, up to the first that fails.
func (r *remote) clickhouseRun(ctx context.Context, obj v1alpha1.Object, statements ...string) error {
	project, service := obj.ServiceRef()
	for _, statement := range statements {
		if _, err := clickhouseQuery(ctx, r, project, service, statement); err != nil {
			return err
		}
	}
	return nil
}

// quoteIdentifier writes any name as an identifier of ClickHouse's SQL, which
// knows the same escapes in it as in a string
// (https://clickhouse.com/docs/sql-reference/syntax#identifiers).
func quoteIdentifier(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}

func quoteIdentifiers(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quoteIdentifier(name)
	}
	return strings.Join(quoted, ", ")
}

// sqlText is a value of an answer as text, NULL as none.
func sqlText(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// sqlFlag reads a UInt8, or what JSON makes of it, as a truth value.
func sqlFlag(v any) bool {
	text := sqlText(v)
	return text == "1" || text == "true"
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aiven/go-client-codegen/handler/service"
)

// readingPosts are the operations that read although their method is POST.
var readingPosts = [...]string{
	"ServiceKafkaTopicListV2",
	"ServiceKafkaTopicMessageList",
	"ServiceSchemaRegistryCompatibility",
	"ProjectGetServiceLogs",
	"ServiceMetricsFetch",
	"ServiceQueryActivity",
	"PGServiceQueryStatistics",
	"MySQLServiceQueryStatistics",
}

// mutates reports whether the operation can change something. Those that are
// not known to read only do.
func mutates(operation, method string) bool {
	if method == http.MethodGet || method == http.MethodHead {
		return false
	}
	return !slices.Contains(readingPosts[:], operation)
}

// write is a request that changes something, as the Store sees it.
type write struct {
	operation string
	method    string
	in        any
	project   string
	// services are those named by the path or the input; none for a write that
	// is about the project or, with integration set, about services that only
	// the snapshots know.
	services []string
	// rest are the path's segments after the service or the project.
	rest []string
	// integration is the id of the service integration that the path names.
	integration string
}

// parseWrite tells which services the request is about. ok is false if it is
// about none.
func parseWrite(operation, method, path string, in any) (w write, ok bool) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i, s := range segments {
		if u, err := url.PathUnescape(s); err == nil {
			segments[i] = u
		}
	}
	// v1/project/{project}/{what}/...
	if len(segments) < 4 || segments[1] != "project" {
		return write{}, false
	}
	w = write{operation: operation, method: method, in: in, project: segments[2], rest: segments[4:]}
	switch what := segments[3]; {
	case what == "service" && len(segments) > 4:
		w.services, w.rest = []string{segments[4]}, segments[5:]
	case what == "service":
		if create, is := in.(*service.ServiceCreateIn); is && create != nil {
			w.services = []string{create.ServiceName}
		}
	case what == "integration" && len(segments) > 4:
		w.integration = segments[4]
	case what == "integration":
		w.rest = []string{what}
		if create, is := in.(*service.ServiceIntegrationCreateIn); is && create != nil {
			for _, name := range []*string{create.SourceService, create.DestService} {
				if name != nil {
					w.services = append(w.services, *name)
				}
			}
		}
	}
	return w, len(w.services) > 0 || w.integration != ""
}

// about returns the first segment after the service: "" is the service itself.
func (w *write) about() string {
	if len(w.rest) == 0 {
		return ""
	}
	return w.rest[0]
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aiven/go-client-codegen/handler/project"
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
	// path are the segments of the path after the version.
	path []string
	// project is an organization where the path names one instead.
	project string
	// services are those named by the path or the input; none for a write that
	// is about the project or, with integration set, about services that only
	// the snapshots know.
	services []string
	// rest are the path's segments after the service or the project.
	rest []string
	// integration is the id of the service integration that the path names.
	integration string
}

// parseWrite tells what the request is about. ok is false if that is nothing
// that the Store could hold.
func parseWrite(operation, method, path string, in any) (w write, ok bool) {
	segments := splitPath(path)
	if len(segments) == 0 {
		return write{}, false
	}
	w = write{operation: operation, method: method, in: in, path: segments}
	switch {
	case segments[0] == "organization" && len(segments) > 1:
		w.project, w.rest = segments[1], segments[2:]
		return w, true
	case segments[0] != "project":
		return write{}, false
	case len(segments) == 1:
		create, is := in.(*project.ProjectCreateIn)
		if !is || create == nil {
			return write{}, false
		}
		w.project = create.Project
		return w, true
	case len(segments) == 2:
		w.project = segments[1]
		return w, true
	}
	// project/{project}/{what}/...
	w.project, w.rest = segments[1], segments[3:]
	switch what := segments[2]; {
	case what == "service" && len(segments) > 3:
		w.services, w.rest = []string{segments[3]}, segments[4:]
	case what == "service":
		if create, is := in.(*service.ServiceCreateIn); is && create != nil {
			w.services = []string{create.ServiceName}
		}
	case what == "integration" && len(segments) > 3:
		w.integration = segments[3]
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
	return w, true
}

// splitPath returns the unescaped segments of a path after the version.
func splitPath(path string) []string {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i, s := range segments {
		if u, err := url.PathUnescape(s); err == nil {
			segments[i] = u
		}
	}
	return segments[1:]
}

// aboutProject reports whether things of the project, apart from its services, can
// have changed: whatever happens inside a service leaves them alone.
func (w *write) aboutProject() bool {
	return !(len(w.path) > 4 && w.path[0] == "project" && w.path[2] == "service")
}

// about returns the first segment after the service: "" is the service itself.
func (w *write) about() string {
	if len(w.rest) == 0 {
		return ""
	}
	return w.rest[0]
}

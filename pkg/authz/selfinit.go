// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/hcltext"
)

// RenderSelfInit returns the further requests of an object (spec.selfInit.requests)
// as initialize stanzas, one for each, to follow those of RenderInitialize. It
// returns nothing for none. They are the user's, for the first start alone: no
// part of a contract, and never sent to a server that runs.
//
// Numbers stay numbers, and null, which HCL does not have, is left out. The error
// is a *SpecError, for what a server could not carry out.
func RenderSelfInit(requests []openbaov1alpha1.SelfInitRequest) ([]byte, error) {
	var b bytes.Buffer
	taken := map[string]bool{initializeName: true}
	for i, r := range requests {
		field := fmt.Sprintf("spec.selfInit.requests[%d]", i)
		if !stanzaName.MatchString(r.Name) {
			return nil, &SpecError{field + ".name", fmt.Sprintf("%q is not the name of an initialize stanza", r.Name)}
		}
		if taken[r.Name] {
			return nil, &SpecError{field + ".name", fmt.Sprintf("the name %q is there twice, and a server takes each once", r.Name)}
		}
		taken[r.Name] = true
		body, err := requestBody(r)
		if err != nil {
			return nil, &SpecError{field, fmt.Sprintf("the request %q: %v", r.Name, err)}
		}
		fmt.Fprintf(&b, "\ninitialize %s {\n", hcltext.String(r.Name))
		writeRequest(&b, Request{ID: r.Name + "-request", Operation: string(r.Operation), Path: r.Path, Data: body}, r.AllowFailure)
		b.WriteString("}\n")
	}
	return b.Bytes(), nil
}

// stanzaName matches what a server takes as the name of a stanza or request.
var stanzaName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// requestBody returns the body of a request, which is in one of its fields at
// most.
func requestBody(r openbaov1alpha1.SelfInitRequest) (map[string]any, error) {
	var bodies []map[string]any
	var names []string
	add := func(name string, body map[string]any, err error) error {
		names, bodies = append(names, name), append(bodies, body)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	var errs []error
	if r.AuditDevice != nil {
		body, err := auditBody(r.AuditDevice)
		errs = append(errs, add("auditDevice", body, err))
	}
	if m := r.AuthMethod; m != nil {
		errs = append(errs, add("authMethod", present(map[string]any{
			"type": m.Type, "description": m.Description, "config": texts(m.Config),
		}), nil))
	}
	if e := r.SecretEngine; e != nil {
		errs = append(errs, add("secretEngine", present(map[string]any{
			"type": e.Type, "description": e.Description, "options": texts(e.Options),
		}), nil))
	}
	if p := r.Policy; p != nil {
		errs = append(errs, add("policy", map[string]any{"policy": p.Policy}, nil))
	}
	if value, err := decoded(r.Data); err != nil || value != nil {
		body, ok := value.(map[string]any)
		if err == nil && !ok {
			err = errors.New("it is not an object")
		}
		if err == nil {
			err = expressible(body, false)
		}
		errs = append(errs, add("data", body, err))
	}
	if len(bodies) > 1 {
		return nil, fmt.Errorf("a request has one body, and this has %s", strings.Join(names, " and "))
	}
	if err := errors.Join(errs...); err != nil || len(bodies) == 0 {
		return nil, err
	}
	return bodies[0], nil
}

// auditBody returns the body of a request for an audit device. Options of another
// type than the device's would be dropped, which is not what was meant.
func auditBody(a *openbaov1alpha1.AuditDeviceRequest) (map[string]any, error) {
	options := map[string]map[string]any{}
	if o := a.FileOptions; o != nil {
		options["file"] = present(map[string]any{"file_path": o.FilePath, "mode": o.Mode})
	}
	if o := a.HTTPOptions; o != nil {
		headers, err := decoded(o.Headers)
		if err != nil {
			return nil, fmt.Errorf("httpOptions.headers: %w", err)
		}
		// Options are texts: this one is JSON (https://openbao.org/docs/audit/http).
		options["http"] = present(map[string]any{"uri": o.URI, "headers": encoded(headers)})
	}
	if o := a.SyslogOptions; o != nil {
		options["syslog"] = present(map[string]any{"facility": o.Facility, "tag": o.Tag})
	}
	if o := a.SocketOptions; o != nil {
		options["socket"] = present(map[string]any{"address": o.Address, "socket_type": o.SocketType, "write_timeout": o.WriteTimeout})
	}
	body := map[string]any{"type": a.Type, "description": a.Description, "options": options[a.Type]}
	delete(options, a.Type)
	for _, other := range slices.Sorted(maps.Keys(options)) {
		return nil, fmt.Errorf("%sOptions are not for the type %s", other, a.Type)
	}
	return present(body), nil
}

// present leaves out what says nothing.
func present(body map[string]any) map[string]any {
	for name, value := range body {
		switch v := value.(type) {
		case string:
			if v == "" {
				delete(body, name)
			}
		case map[string]any:
			if len(v) == 0 {
				delete(body, name)
			}
		}
	}
	return body
}

func texts(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for name, value := range m {
		out[name] = value
	}
	return out
}

// decoded returns the value of JSON, with numbers as they are written and without
// null. It is nil if there is none.
func decoded(raw *runtime.RawExtension) (any, error) {
	if raw == nil || len(raw.Raw) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw.Raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it is not JSON: there is more than one value")
	}
	return withoutNull(value), nil
}

func withoutNull(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
			} else {
				v[name] = withoutNull(member)
			}
		}
	case []any:
		kept := make([]any, 0, len(v))
		for _, item := range v {
			if item != nil {
				kept = append(kept, withoutNull(item))
			}
		}
		return kept
	}
	return value
}

// expressible says why a server would read a value otherwise than it is meant:
// its parser makes a list of every object that is a member of another. The server
// undoes that, but not within lists (helper/profiles/profiles.go of OpenBao).
func expressible(value any, inList bool) error {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			member := v[name]
			if _, object := member.(map[string]any); object && inList {
				return fmt.Errorf("the object %q in an object of a list cannot be given to a server in its configuration", name)
			}
			if err := expressible(member, inList); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := expressible(item, true); err != nil {
				return err
			}
		}
	case json.Number:
		return numberFits(v.String())
	}
	return nil
}

// numberFits checks that the server can hold a number.
func numberFits(text string) error {
	var err error
	if strings.ContainsAny(text, ".eE") {
		_, err = strconv.ParseFloat(text, 64)
	} else {
		_, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		return fmt.Errorf("the number %s is out of range; write it as text", text)
	}
	return nil
}

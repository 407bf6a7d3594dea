// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"maps"
	"net/http"
	"regexp"
	"strconv"

	codegen "github.com/aiven/go-client-codegen/handler/service"
)

// serviceExtraRoutes are the small parts of a service: tags, backups, tasks and
// the state of a migration.
func serviceExtraRoutes() []route {
	return []route{
		{operation: "ProjectServiceTagsList", method: http.MethodGet, pattern: servicePattern + "/tags", handle: (*call).tagsList},
		{operation: "ProjectServiceTagsReplace", method: http.MethodPut, pattern: servicePattern + "/tags", handle: (*call).tagsReplace},
		{operation: "ProjectServiceTagsUpdate", method: http.MethodPatch, pattern: servicePattern + "/tags", handle: (*call).tagsUpdate},
		{operation: "ServiceBackupsGet", method: http.MethodGet, pattern: servicePattern + "/backups", handle: (*call).backupsGet},
		{operation: "ServiceTaskCreate", method: http.MethodPost, pattern: servicePattern + "/task", handle: (*call).taskCreate},
		{operation: "ServiceTaskGet", method: http.MethodGet, pattern: servicePattern + "/task/{task_id}", handle: (*call).taskGet},
		{operation: "ServiceGetMigrationStatus", method: http.MethodGet, pattern: servicePattern + "/migration", handle: (*call).migrationGet},
	}
}

var tagKeyPattern = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_:.-]{0,63}$`)

func (c *call) tagsList() (any, error) {
	return map[string]any{"tags": c.service.Tags}, nil
}

func (c *call) tagsReplace() (any, error) {
	var in struct {
		Tags map[string]string `json:"tags"`
	}
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	changes := map[string]*string{}
	for key, value := range in.Tags {
		changes[key] = &value
	}
	return c.setTags(map[string]string{}, changes)
}

func (c *call) tagsUpdate() (any, error) {
	var in struct {
		Tags map[string]*string `json:"tags"`
	}
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	return c.setTags(maps.Clone(c.service.Tags), in.Tags)
}

func (c *call) setTags(tags map[string]string, changes map[string]*string) (any, error) {
	for key, value := range changes {
		if !tagKeyPattern.MatchString(key) {
			return nil, badRequest("Invalid 'tags': the key '%s' does not match '%s'", key, tagKeyPattern)
		}
		if value == nil {
			delete(tags, key)
		} else {
			tags[key] = *value
		}
	}
	c.service.Tags = tags
	c.log("service_tags_update", c.service.Name, "Updated the tags of the service")
	return message("updated"), nil
}

func (c *call) backupsGet() (any, error) {
	return map[string]any{"backups": c.service.backupViews()}, nil
}

func (c *call) taskCreate() (any, error) {
	var in codegen.ServiceTaskCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if in.TaskType != codegen.TaskTypeUpgradeCheck {
		return nil, badRequest("Invalid 'task_type': '%s' is not supported for this service", in.TaskType)
	}
	target := ""
	switch {
	case in.UpgradeCheck != nil:
		target = in.UpgradeCheck.TargetVersion
	case in.TargetVersion != nil:
		target = *in.TargetVersion
	}
	if err := required("upgrade_check.target_version", target); err != nil {
		return nil, err
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	success, result := true, "All checks passed: the service can be upgraded to "+target
	current, err := strconv.ParseFloat(stringOf(c.service.UserConfig[c.service.Type+"_version"]), 64)
	if wanted, parseErr := strconv.ParseFloat(target, 64); err != nil || parseErr != nil || wanted < current {
		success, result = false, "The service cannot be upgraded to version "+target
	}
	id := c.server.newID("task-")
	task := map[string]any{
		"task_id": id, "task_type": string(in.TaskType), "create_time": timestamp(c.now),
		"success": success, "result": result, "result_codes": []any{},
	}
	c.service.tasks[id] = task
	return map[string]any{"task": task}, nil
}

func (c *call) taskGet() (any, error) {
	task, ok := c.service.tasks[c.vars["task_id"]]
	if !ok {
		return nil, notFound("Task not found")
	}
	return map[string]any{"task": task}, nil
}

// migrationGet knows no running migration: one that user_config asks for is done
// as soon as the service runs.
func (c *call) migrationGet() (any, error) {
	config, _ := c.service.UserConfig["migration"].(map[string]any)
	if config == nil {
		return nil, notFound("No migration is configured for the service")
	}
	status := "done"
	if c.service.State != StateRunning {
		status = "running"
	}
	method := stringOf(config["method"])
	if method == "" {
		method = "replication"
	}
	return map[string]any{"migration": map[string]any{"status": status, "method": method}, "migration_detail": []any{}}, nil
}

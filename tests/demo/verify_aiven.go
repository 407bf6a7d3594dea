// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/scheme"
	aivenv1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// verifyAiven checks that every Aiven sample exists at the simulator as it is
// described, that its connection Secret is complete, and that connections can
// be made with it.
func (d *demo) verifyAiven(ctx context.Context) error {
	f := &findings{out: d.out}
	for _, object := range d.aiven {
		typed, err := asAiven(object)
		if err != nil {
			return err
		}
		text, err := checkRemote(d.simulator, typed)
		if !f.check(err, "%s is %s at Aiven", nameOf(object), text) {
			continue
		}
		publisher, ok := typed.(aivenv1alpha1.Publisher)
		if !ok {
			continue
		}
		target, disabled := publisher.ConnInfoTarget()
		if disabled {
			continue
		}
		data, err := d.readConnection(ctx, publisher, target.Name)
		if err == nil {
			err = checkKeys(data, wantedKeys(publisher, d.hostType(publisher)))
		}
		if !f.check(err, "Secret %s has the %d documented keys of %s", target.Name, len(data), nameOf(object)) {
			continue
		}
		for key, value := range data {
			if isPassword(key) {
				d.secrets.add("the password in Secret "+target.Name, value)
			}
		}
		d.checkConnection(ctx, f, publisher, data)
	}
	for _, r := range d.simulator.Unexpected() {
		f.check(errors.New("the API has no such route"), "%s %s", r.Method, r.Path)
	}
	return f.err()
}

// asAiven converts a sample to its type.
func asAiven(object *unstructured.Unstructured) (aivenv1alpha1.Object, error) {
	typed, err := scheme.Scheme.New(object.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		return nil, fmt.Errorf("%s: %w", nameOf(object), err)
	}
	out, ok := typed.(aivenv1alpha1.Object)
	if !ok {
		return nil, fmt.Errorf("%T is no Aiven object", typed)
	}
	return out, nil
}

// checkRemote compares an object with what exists at the simulator, and
// describes that.
func checkRemote(simulator *aivensim.Server, object aivenv1alpha1.Object) (string, error) {
	project, name := object.ServiceRef()
	service, ok := simulator.Project(project).Service(name)
	if !ok {
		return "a service", fmt.Errorf("project %s has no service %s", project, name)
	}
	remote := object.RemoteName()
	switch o := object.(type) {
	case aivenv1alpha1.Service:
		text := fmt.Sprintf("service %s, type %s, plan %s", name, service.Type, service.Plan)
		if service.State != "RUNNING" || service.Plan != o.CommonSpec().Plan {
			return text, fmt.Errorf("it is %s with plan %s, the object asks for plan %s", service.State, service.Plan, o.CommonSpec().Plan)
		}
		return text, nil
	case *aivenv1alpha1.Database:
		return exists("database", remote, name, slices.ContainsFunc(service.Databases, func(d *aivensim.Database) bool { return d.Name == remote }))
	case *aivenv1alpha1.ConnectionPool:
		return exists("pool", remote, name, slices.ContainsFunc(service.Pools, func(p *aivensim.Pool) bool {
			return p.Name == remote && p.Database == o.Spec.DatabaseName && p.Username == o.Spec.Username
		}))
	case *aivenv1alpha1.ServiceUser:
		_, ok := service.User(remote)
		return exists("user", remote, name, ok)
	case *aivenv1alpha1.KafkaTopic:
		topic, ok := service.Topic(remote)
		text, err := exists("topic", remote, name, ok)
		if err == nil && (topic.State != "ACTIVE" || int64(topic.Partitions) != o.Spec.Partitions || int64(topic.Replication) != o.Spec.Replication) {
			err = fmt.Errorf("it is %s with %d partitions and replication %d", topic.State, topic.Partitions, topic.Replication)
		}
		return text, err
	case *aivenv1alpha1.KafkaACL:
		return exists("ACL entry", remote, name, slices.ContainsFunc(service.ACLs, func(a aivensim.ACL) bool {
			return a.Permission == o.Spec.Permission && a.Topic == o.Spec.Topic && a.Username == o.Spec.Username
		}))
	}
	return "", fmt.Errorf("the demo does not know what a %T is at Aiven", object)
}

func exists(what, name, service string, ok bool) (string, error) {
	text := fmt.Sprintf("%s %s of service %s", what, name, service)
	if !ok {
		return text, errors.New("there is none")
	}
	return text, nil
}

// hostType returns the type of the service that an object is or lives in.
func (d *demo) hostType(object aivenv1alpha1.Object) string {
	project, name := object.ServiceRef()
	service, _ := d.simulator.Project(project).Service(name)
	return service.Type
}

// readConnection reads the Secret that an object publishes. It has to belong to
// the object.
func (d *demo) readConnection(ctx context.Context, object aivenv1alpha1.Publisher, name string) (map[string]string, error) {
	secret, err := d.kube.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, errors.New("it does not exist")
	}
	if err != nil {
		return nil, err
	}
	kind := object.GetObjectKind().GroupVersionKind().Kind
	if owner := metav1.GetControllerOf(secret); owner == nil || owner.Kind != kind || owner.Name != object.GetName() {
		return nil, fmt.Errorf("its controller is %v, not the object", owner)
	}
	data := map[string]string{}
	for key, value := range secret.Data {
		data[key] = string(value)
	}
	return data, nil
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

const (
	defaultImageRepository = "openbao/openbao"

	// gracePeriod is how long a server may take to stop, in seconds. On SIGTERM a
	// leader transfers its leadership before it stops.
	gracePeriod = 60
)

// podTemplate returns the template of the servers' pods.
func podTemplate(c *openbaov1alpha1.OpenBaoCluster, f Facts) (corev1.PodTemplateSpec, error) {
	security, err := podSecurityContext(c)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	pod := corev1.PodSpec{
		ServiceAccountName: ServerAccount(c),
		// The token is mounted explicitly, see apiAccessVolume.
		AutomountServiceAccountToken: new(false),
		// A Service named "bao" or "vault" would otherwise set variables that a server
		// reads.
		EnableServiceLinks:            new(false),
		TerminationGracePeriodSeconds: new(int64(gracePeriod)),
		SecurityContext:               security,
		Containers:                    []corev1.Container{container(c, f)},
		Volumes:                       volumes(c, f.Config),
	}
	for _, secret := range c.Spec.ImagePullSecrets {
		pod.ImagePullSecrets = append(pod.ImagePullSecrets, corev1.LocalObjectReference{Name: secret.Name})
	}
	if err := schedule(c, &pod); err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: podLabels(c), Annotations: podAnnotations(c, f)},
		Spec:       pod,
	}, nil
}

func podLabels(c *openbaov1alpha1.OpenBaoCluster) map[string]string {
	labels := map[string]string{}
	if c.Spec.PodMetadata != nil {
		maps.Copy(labels, c.Spec.PodMetadata.Labels)
	}
	maps.Copy(labels, Labels(c))
	maps.Copy(labels, ServerSelector(c))
	labels[LabelTraffic] = TrafficClients
	return labels
}

func podAnnotations(c *openbaov1alpha1.OpenBaoCluster, f Facts) map[string]string {
	annotations := map[string]string{}
	if c.Spec.PodMetadata != nil {
		maps.Copy(annotations, c.Spec.PodMetadata.Annotations)
	}
	annotations[AnnotationConfigDigest] = f.Config.Digest
	delete(annotations, AnnotationTrustDigest)
	if f.TrustDigest != "" {
		annotations[AnnotationTrustDigest] = f.TrustDigest
	}
	delete(annotations, AnnotationRestartAt)
	if c.Spec.Maintenance != nil && c.Spec.Maintenance.RestartAt != "" {
		annotations[AnnotationRestartAt] = c.Spec.Maintenance.RestartAt
	}
	return annotations
}

// image returns the image of the servers. Check has made sure that the version can be a
// tag where it is used as one.
func image(c *openbaov1alpha1.OpenBaoCluster) string {
	return cmp.Or(c.Spec.Image, defaultImageRepository+":"+imageTag(c))
}

func imageTag(c *openbaov1alpha1.OpenBaoCluster) string {
	return strings.TrimPrefix(c.Spec.Version, "v")
}

// container returns the container of the server, which is the first process of its pod
// and gets the kubelet's signals.
func container(c *openbaov1alpha1.OpenBaoCluster, f Facts) corev1.Container {
	ports := []string{portNameAPI, portNameCluster}
	if metricsEnabled(c) {
		ports = append(ports, portNameMetrics)
	}
	server := corev1.Container{
		Name:            ContainerName,
		Image:           image(c),
		Command:         []string{"bao", "server", "-config=" + configDir},
		Env:             environment(c, f.Config),
		Resources:       resources(c.Spec.Resources),
		SecurityContext: containerSecurityContext(),
		VolumeMounts:    volumeMounts(c),
		// Up to 5 minutes, for a server that replays a long log.
		StartupProbe: probe(livePath, corev1.Probe{PeriodSeconds: 2, TimeoutSeconds: 3, FailureThreshold: 150}),
		// Sealed and not yet initialized servers are alive, but not ready.
		LivenessProbe:  probe(livePath, corev1.Probe{PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 6}),
		ReadinessProbe: probe(readyPath, corev1.Probe{PeriodSeconds: 2, TimeoutSeconds: 3, FailureThreshold: 3}),
		// Why a server ended is then in the status of its pod, which Bailiwick reads.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
	for _, name := range ports {
		server.Ports = append(server.Ports, corev1.ContainerPort{Name: name, ContainerPort: portNumber(name), Protocol: corev1.ProtocolTCP})
	}
	return server
}

// Paths of the probes. The kubelet does not verify the server's certificate.
const (
	readyPath = "/v1/sys/health?standbyok=true"
	livePath  = readyPath + "&sealedcode=204&uninitcode=204"
)

func probe(path string, p corev1.Probe) *corev1.Probe {
	p.HTTPGet = &corev1.HTTPGetAction{Path: path, Port: intstr.FromString(portNameAPI), Scheme: corev1.URISchemeHTTPS}
	return &p
}

// environment returns what differs from server to server, and what the seal needs.
// Addresses are names of the headless Service: certificates carry them, and they outlive
// the pod.
func environment(c *openbaov1alpha1.OpenBaoCluster, config serverconfig.Rendered) []corev1.EnvVar {
	address := func(port int) string {
		// Kubernetes puts in the variable, which must stand before its use.
		return fmt.Sprintf("https://$(BAO_K8S_POD_NAME).%s.%s.svc:%d", c.Name, c.Namespace, port)
	}
	env := []corev1.EnvVar{
		{Name: "BAO_K8S_POD_NAME", ValueFrom: podField("metadata.name")},
		{Name: "BAO_K8S_NAMESPACE", ValueFrom: podField("metadata.namespace")},
		{Name: "BAO_RAFT_NODE_ID", ValueFrom: podField("metadata.name")},
		{Name: "BAO_API_ADDR", Value: address(portAPI)},
		{Name: "BAO_CLUSTER_ADDR", Value: address(portCluster)},
	}
	for _, v := range config.Env {
		if v.SecretKey == "" {
			env = append(env, corev1.EnvVar{Name: v.Name, Value: v.Value})
			continue
		}
		selector := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: sealCredentials(c)}, Key: v.SecretKey}
		if v.Optional {
			selector.Optional = new(true)
		}
		env = append(env, corev1.EnvVar{Name: v.Name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: selector}})
	}
	return env
}

func podField(path string) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}
}

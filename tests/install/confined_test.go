// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// nonroot is the user that the operator runs as.
const nonroot = "65532"

// confined checks what the operator's pods are: as their specs say, and as this machine
// sees their processes.
func (r *reader) confined() {
	namespace, err := r.kube.CoreV1().Namespaces().Get(r.Context(), system, metav1.GetOptions{})
	if err != nil {
		r.Fatal(err)
	}
	if level := namespace.Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" {
		r.Errorf("Pod security is enforced at the level %q, want restricted", level)
	}
	digest := digestOf(r, imageOf(previous))
	for _, pod := range r.readyPods(system) {
		container, status := pod.Spec.Containers[0], pod.Status.ContainerStatuses[0]
		if container.LivenessProbe == nil || container.ReadinessProbe == nil {
			r.Errorf("%s lacks a probe", pod.Name)
		}
		if container.Resources.Limits.Memory().IsZero() || container.Resources.Requests.Memory().IsZero() || container.Resources.Requests.Cpu().IsZero() {
			r.Errorf("%s has the resources %+v", pod.Name, container.Resources)
		}
		if status.RestartCount != 0 {
			r.Errorf("%s was restarted %d times", pod.Name, status.RestartCount)
		}
		if !strings.HasSuffix(status.ImageID, "@"+digest) {
			r.Errorf("%s runs %s, want the release's %s", pod.Name, status.ImageID, digest)
		}
		r.confinedProcess(&pod)
		r.logsAreJSON(&pod)
	}
	r.versions(system, previous)
}

// digestOf reads the digest of the image in the archive of a release.
func digestOf(r *reader, archive string) string {
	r.Helper()
	in, err := os.Open(archive)
	if err != nil {
		r.Fatal(err)
	}
	defer in.Close()
	for files := tar.NewReader(in); ; {
		header, err := files.Next()
		if err != nil {
			r.Fatalf("reading %s: %v", archive, err)
		}
		if path.Clean(header.Name) != "index.json" {
			continue
		}
		var index struct {
			Manifests []struct{ Digest string } `json:"manifests"`
		}
		if err := json.NewDecoder(files).Decode(&index); err != nil || len(index.Manifests) != 1 {
			r.Fatalf("the index of %s has %d images, want one: %v", archive, len(index.Manifests), err)
		}
		return index.Manifests[0].Digest
	}
}

// confinedProcess checks what the kernel says of the operator's process.
func (r *reader) confinedProcess(pod *corev1.Pod) {
	r.Helper()
	pid, err := processOf(pod)
	if err != nil {
		r.Fatal(err)
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	raw, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		r.Fatal(err)
	}
	status := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.Join(strings.Fields(value), " ")
	}
	four := strings.Join([]string{nonroot, nonroot, nonroot, nonroot}, " ")
	for name, want := range map[string]string{
		"Uid": four, "Gid": four, "NoNewPrivs": "1",
		"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapBnd": "0000000000000000",
		"Seccomp": "2", // filtered
	} {
		if status[name] != want {
			r.Errorf("The process of %s has %s %q, want %q", pod.Name, name, status[name], want)
		}
	}
	mounts, err := os.ReadFile(filepath.Join(proc, "mountinfo"))
	if err != nil {
		r.Fatal(err)
	}
	// The fields are: id, parent, device, root, mount point, options.
	root := slices.IndexFunc(strings.Split(string(mounts), "\n"), func(line string) bool {
		fields := strings.Fields(line)
		return len(fields) > 5 && fields[4] == "/" && slices.Contains(strings.Split(fields[5], ","), "ro")
	})
	if root < 0 {
		r.Errorf("The root of %s can be written:\n%s", pod.Name, mounts)
	}
}

// logsAreJSON checks that every line of a log is JSON, as --logging-format says, and none
// is a warning.
func (r *reader) logsAreJSON(pod *corev1.Pod) {
	r.Helper()
	logs, err := r.kube.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	if len(logs) == 0 {
		r.Errorf("The log of %s is empty", pod.Name)
	}
	for line := range strings.Lines(string(logs)) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			r.Errorf("The log of %s has a line that is no JSON: %s", pod.Name, line)
		}
		if entry["caller"] != nil && strings.HasPrefix(fmt.Sprint(entry["caller"]), "clientcmd/") {
			r.Errorf("The log of %s has a warning: %s", pod.Name, line)
		}
	}
}

// fenced checks that the operator reaches what it needs and nothing else, and is
// reached for its metrics only.
func (r *reader) fenced() {
	nobodys := r.serveHere("9999")
	pods := r.readyPods(system)
	// It has the operator's labels, but none of a ReplicaSet, so that no one adopts it.
	insider := r.probe(system, map[string]string{"app.kubernetes.io/name": "bailiwick"})
	outsider := r.probe(r.namespace, map[string]string{"app": "outsider"})

	refused := func(from *corev1.Pod, address string) {
		r.Helper()
		r.eventually(address+" to be refused to "+from.Name, func(ctx context.Context) error {
			if answer, err := fetch(ctx, from, address); err == nil {
				return fmt.Errorf("it answers %q", answer)
			} else if !strings.Contains(err.Error(), "refused") {
				return err
			}
			return nil
		})
	}
	reached := func(from *corev1.Pod, address, want string) {
		r.Helper()
		if answer, err := fetch(r.Context(), from, address); err != nil || !strings.Contains(answer, want) {
			r.Errorf("%s gets %q from %s, want %q: %v", from.Name, answer, address, want, err)
		}
	}
	// That somebody without a policy reaches it shows that the policy is what refuses.
	reached(outsider, nobodys, "9999")
	refused(insider, nobodys)
	reached(insider, r.aiven.url+"/v1/project", "message")
	// The probe does not know OpenBao's CA, and gets no further than its certificate.
	openBao := "https://" + net.JoinHostPort(shared.GatewayAddr(), baoPort)
	if _, err := fetch(r.Context(), insider, openBao); err == nil || !strings.Contains(err.Error(), "certificate") {
		r.Errorf("%s gets %v from OpenBao, want its certificate", insider.Name, err)
	}

	for _, pod := range pods {
		refused(outsider, "http://"+net.JoinHostPort(pod.Status.PodIP, "8081")+"/readyz")
		reached(outsider, "http://"+net.JoinHostPort(pod.Status.PodIP, "8080")+"/metrics", "bailiwick_build_info")
	}
	r.remove(insider, outsider)
}

// serveHere serves, on a port of this machine, the port's number until the end of the
// test, and returns its address for pods.
func (r *reader) serveHere(port string) string {
	r.Helper()
	address := net.JoinHostPort(shared.GatewayAddr(), port)
	listener, err := (&net.ListenConfig{}).Listen(r.Context(), "tcp", address)
	if err != nil {
		r.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, port) })}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	r.Cleanup(func() {
		if err := server.Close(); err != nil {
			r.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			r.Error(err)
		}
	})
	return "http://" + address
}

// budgeted evicts both pods, as two people do who drain nodes at the same time.
func (r *reader) budgeted() {
	budgets := r.kube.PolicyV1().PodDisruptionBudgets(system)
	r.eventually("the budget to allow a disruption", func(ctx context.Context) error {
		budget, err := budgets.Get(ctx, "bailiwick", metav1.GetOptions{})
		if err == nil && (budget.Status.DisruptionsAllowed != 1 || budget.Status.CurrentHealthy != 2) {
			err = fmt.Errorf("its status is %+v", budget.Status)
		}
		return err
	})
	pods := r.readyPods(system)
	evict := func(pod corev1.Pod) error {
		return r.kube.CoreV1().Pods(system).EvictV1(r.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name}})
	}
	if err := evict(pods[0]); err != nil {
		r.Fatalf("The first eviction: %v", err)
	}
	// The budget allows it again only when another pod is Ready, which takes longer than
	// to ask.
	if err := evict(pods[1]); !apierrors.IsTooManyRequests(err) {
		r.Errorf("The second eviction: error = %v, want 429", err)
	}
	r.readyPods(system)
	r.leader(system, "bailiwick")
}

// optionalRights follows the page on installation to the right to watch Secrets, which
// is in a checkout.
func (r *reader) optionalRights() {
	manifests, err := filepath.Abs(filepath.Join(checkout, "manifests"))
	if err != nil {
		r.Fatal(err)
	}
	if err := os.Symlink(manifests, filepath.Join(r.folder, "manifests")); err != nil {
		r.Fatal(err)
	}
	r.blocks("docs/install.md", "Rights", "", "migration")
	r.sh("kubectl --namespace bailiwick-system rollout status deployment/bailiwick")
	r.readyPods(system)
	// A published Secret is repaired long before the next poll.
	want := r.published(guideSecret)
	r.sh(`kubectl patch secret ` + guideSecret + ` --type merge --patch '{"stringData":{"POSTGRESQL_PASSWORD":"edited"}}'`)
	r.eventually("the Secret to be repaired", func(context.Context) error {
		if !maps.EqualFunc(want, r.published(guideSecret), slices.Equal) {
			return errors.New("it is as it was edited")
		}
		return nil
	})
	r.sh("kubectl delete -k manifests/rbac/optional\nkubectl --namespace bailiwick-system rollout restart deployment/bailiwick\n" +
		"kubectl --namespace bailiwick-system rollout status deployment/bailiwick\nrm manifests")
}

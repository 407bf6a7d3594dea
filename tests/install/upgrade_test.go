// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// failsOver takes the leader away twice: its pod by force, and its process. An object
// that is made at that moment, and one that is made later, become Ready.
func (r *reader) failsOver() {
	r.failOver("after-the-pod", func(leader *corev1.Pod) {
		r.sh("kubectl --namespace bailiwick-system delete pod --force --grace-period=0 " + leader.Name)
	})
	r.failOver("after-the-process", func(leader *corev1.Pod) {
		pid, err := processOf(leader)
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			r.Fatal(err)
		}
	})
	r.readyPods(system)
}

func (r *reader) failOver(name string, kill func(leader *corev1.Pod)) {
	r.Helper()
	r.readyPods(system)
	leader, was := r.leader(system, "bailiwick"), r.holder()
	kill(leader)
	r.service(name, ofToken())
	r.eventually("another process to hold the Lease", func(context.Context) error {
		if holder := r.holder(); holder == was || holder == "" {
			return fmt.Errorf("it is held by %q", holder)
		}
		return nil
	})
	later := "later-" + name
	r.service(later, ofToken())
	r.ready(name)
	r.ready(later)
	r.aiven.created(r.T, guideService, name, later)
}

// holder returns who holds the Lease.
func (r *reader) holder() string {
	r.Helper()
	lease, err := r.kube.CoordinationV1().Leases(system).Get(r.Context(), "bailiwick", metav1.GetOptions{})
	if err != nil {
		r.Fatal(err)
	}
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// upgrades follows the page to the next release, while a user makes and changes objects.
func (r *reader) upgrades() {
	settled := []string{guideService, "after-the-pod", "after-the-process"}
	before := map[string]map[string][]byte{guideSecret: r.published(guideSecret)}
	for _, name := range settled[1:] {
		before[name+"-connection"] = r.published(name + "-connection")
	}
	changing := "changes-meanwhile"
	r.service(changing, ofToken())
	r.ready(changing)
	old := r.replicaSet(previous)

	watch := r.watchReady(settled)
	user := r.startUser(changing)
	r.configure(current)
	r.blocks("docs/upgrade-and-uninstall.md", "Upgrade", "")
	made := user.stop(r)
	watch.stop(r)

	for _, name := range append([]string{changing}, made...) {
		r.ready(name)
	}
	r.aiven.created(r.T, append(append([]string{changing}, settled...), made...)...)
	for name, data := range before {
		if !maps.EqualFunc(data, r.published(name), slices.Equal) {
			r.Errorf("Secret %s has other data than before", name)
		}
	}
	r.versions(system, current)
	r.authorized()
	r.eventually("Aiven to see the new release", func(ctx context.Context) error { return r.aiven.saw(ctx, current) })
	r.eventually("the old ReplicaSet to be empty", func(ctx context.Context) error {
		set, err := r.kube.AppsV1().ReplicaSets(system).Get(ctx, old, metav1.GetOptions{})
		if err == nil && set.Status.Replicas != 0 {
			err = fmt.Errorf("it has %d replicas", set.Status.Replicas)
		}
		return err
	})
}

// replicaSet returns the ReplicaSet that runs a release.
func (r *reader) replicaSet(version string) string {
	r.Helper()
	sets, err := r.kube.AppsV1().ReplicaSets(system).List(r.Context(), metav1.ListOptions{})
	if err != nil {
		r.Fatal(err)
	}
	for _, set := range sets.Items {
		if set.Status.Replicas > 0 && strings.Contains(set.Spec.Template.Spec.Containers[0].Image, ":"+version+"@") {
			return set.Name
		}
	}
	r.Fatalf("No ReplicaSet runs %s", version)
	return ""
}

// background is what goes on during a test. Its errors are told when it is stopped.
type background struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	errs []error
	made []string
}

func (b *background) problem(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs = append(b.errs, err)
}

// start runs work until it is stopped, or the test ends.
func (r *reader) start(work func(context.Context, *background)) *background {
	ctx, cancel := context.WithCancel(r.Context())
	b := &background{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		work(ctx, b)
	}()
	r.Cleanup(func() { cancel(); <-b.done })
	return b
}

// stop ends it, tells its errors, and returns the names of what it has made.
func (b *background) stop(r *reader) []string {
	r.Helper()
	b.cancel()
	<-b.done
	for _, err := range b.errs {
		r.Error(err)
	}
	return b.made
}

// watchReady sees that settled objects stay Ready at every moment.
func (r *reader) watchReady(settled []string) *background {
	r.Helper()
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(r.api, 0, r.namespace, nil)
	informer := factory.ForResource(postgresqls).Informer()
	b := r.start(func(ctx context.Context, b *background) {
		check := func(raw any) {
			object, ok := raw.(*unstructured.Unstructured)
			if ok && slices.Contains(settled, object.GetName()) && readyOf(object)["status"] != "True" {
				b.problem(fmt.Errorf("%s has lost Ready, though nobody changed it: %v", object.GetName(), readyOf(object)))
			}
		}
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: check, UpdateFunc: func(_, raw any) { check(raw) },
			DeleteFunc: func(raw any) { b.problem(fmt.Errorf("deleted: %v", raw)) },
		})
		if err != nil {
			b.problem(err)
		}
		informer.Run(ctx.Done())
	})
	r.eventually("the watch to be on", func(context.Context) error {
		if !informer.HasSynced() {
			return errors.New("it is not")
		}
		return nil
	})
	return b
}

// startUser has a user make an object after the other, and change one of them each time.
// The next comes when the one before is Ready, so that it is one at a time, however long
// the upgrade takes.
func (r *reader) startUser(changing string) *background {
	r.Helper()
	objects := r.api.Resource(postgresqls).Namespace(r.namespace)
	return r.start(func(ctx context.Context, b *background) {
		// What is under way when the user stops is finished.
		through := context.WithoutCancel(ctx)
		for i := 0; ctx.Err() == nil; i++ {
			name := fmt.Sprintf("made-meanwhile-%d", i)
			object := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "aiven.io/v1alpha1", "kind": "PostgreSQL", "metadata": map[string]any{"name": name},
				"spec": map[string]any{
					"project": project, "cloudName": "google-europe-west1", "plan": "startup-4",
					"authSecretRef": map[string]any{"name": "aiven-token", "key": "token"},
				},
			}}
			if _, err := objects.Create(through, object, metav1.CreateOptions{}); err != nil {
				b.problem(fmt.Errorf("making %s: %w", name, err))
				return
			}
			b.made = append(b.made, name)
			patch := fmt.Sprintf(`{"spec":{"tags":{"change":"%d"}}}`, i)
			if _, err := objects.Patch(through, changing, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
				b.problem(fmt.Errorf("changing %s: %w", changing, err))
				return
			}
			if err := untilReady(ctx, objects, name); err != nil && ctx.Err() == nil {
				b.problem(err)
				return
			}
		}
	})
}

// untilReady waits until an object is Ready.
func untilReady(ctx context.Context, objects dynamic.ResourceInterface, name string) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		object, err := objects.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		last = fmt.Errorf("%s is not Ready: %v", name, readyOf(object))
		return readyOf(object)["status"] == "True", nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

// rollsBack goes back by applying the old release, as the page says.
func (r *reader) rollsBack() {
	r.configure(previous)
	r.sh("kubectl apply --server-side -f " + releaseURL + "install.yaml\n" +
		"kubectl --namespace bailiwick-system rollout status deployment/bailiwick")
	r.versions(system, previous)
	r.service("after-the-rollback", ofToken())
	r.ready("after-the-rollback")
	r.ready(guideService)
	r.aiven.created(r.T, guideService, "after-the-rollback")
}

// uninstalls follows the last step of the README, which deletes a service, and the page
// on uninstalling, which keeps the others.
func (r *reader) uninstalls() {
	r.sh("kubectl create secret generic aiven-token --from-literal=token=" + token + " --dry-run=client --output yaml > token.yaml")
	r.blocks("README.md", "Install it on a cluster", "4")
	// The other objects have the same Secret, and need it to go.
	r.sh("kubectl apply -f token.yaml")
	if slices.Contains(r.aiven.services(), guideService) {
		r.Errorf("%s still exists at Aiven", guideService)
	}
	kept := r.aiven.services()
	const page = "docs/upgrade-and-uninstall.md"
	for _, number := range []string{"1", "3"} {
		r.blocks(page, "Uninstall without leftovers", number)
	}
	r.noneLeft()
	r.forgetsOpenBao()
	r.blocks(page, "Uninstall without leftovers", "5")
	r.eventually("the page to show that nothing is left", func(context.Context) error {
		if printed := strings.Join(r.blocks(page, "What remains, and the commands to see it", ""), ""); printed != "" {
			return fmt.Errorf("it shows %s", printed)
		}
		return nil
	})
	r.sh("kubectl delete secret aiven-token")
	r.leaves()
	if left := r.aiven.services(); !slices.Equal(left, kept) || len(kept) == 0 {
		r.Errorf("Aiven has %v, want what was kept: %v", left, kept)
	}
}

// noneLeft waits, as the page on uninstalling says, until no object is left and
// Kubernetes has collected what belonged to them.
func (r *reader) noneLeft() {
	r.Helper()
	r.eventually("the page to show that no object is left", func(context.Context) error {
		if printed := strings.Join(r.blocks("docs/upgrade-and-uninstall.md", "Uninstall without leftovers", "4"), ""); strings.TrimSpace(printed) != "" {
			return fmt.Errorf("it shows %s", printed)
		}
		return nil
	})
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"errors"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/certs"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/owned"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// workTimeout leaves the rest of reconcile.DefaultItemTimeout to the report.
const workTimeout = reconcile.DefaultItemTimeout - 5*time.Second

// errMayNotWrite says that another process may be at work by now.
var errMayNotWrite = errors.New("this process may no longer write")

// sync looks after the servers of one cluster, and reports.
func (c *Controller) sync(ctx context.Context, name cache.ObjectName) reconcile.Outcome {
	cached, ok := c.get(name)
	if !ok {
		c.written.Forget(name)
		c.forget(ctx, name)
		return reconcile.Done()
	}
	declared, err := c.opts.Declared(ctx)
	if err != nil {
		return reconcile.Retry(err)
	}
	t := c.newTask(c.written.Newest(cached))
	if cached.DeletionTimestamp != nil {
		c.forget(ctx, name)
		return t.remove(ctx, declared)
	}
	if !declared || !t.obj.DescribesServers() {
		c.forget(ctx, name)
		return t.disown(ctx, declared)
	}
	work, cancel := context.WithTimeout(ctx, workTimeout)
	defer cancel()
	err = t.work(work)
	t.backupsMissed(err)
	return t.report(ctx, err)
}

// forget ends what is kept for a cluster that has no servers any more.
func (c *Controller) forget(ctx context.Context, name cache.ObjectName) {
	c.memories.forget(name)
	c.logins.End(ctx, name)
}

// task is one sync of one cluster.
type task struct {
	*Controller
	name cache.ObjectName
	now  time.Time
	// before is the object as it was last written, and obj the copy worked on.
	before, obj *openbaov1alpha1.OpenBaoCluster
	owner       owned.Owner
	memory      *memory

	// applied is set while the spec has a mistake, see care.
	applied  *asApplied
	settings authz.Settings
	config   serverconfig.Rendered
	notes    []string
	// certificate is what all servers are to show, and bundle what they are verified
	// with; both are empty while there is none.
	certificate certs.Info
	bundle      []byte
	tlsWaiting  string
	// nextLook is when a certificate is to be renewed, or a backup is due.
	nextLook time.Time

	statefulSet *appsv1.StatefulSet
	pods        []*corev1.Pod
	servers     []seen
	// observed says that the servers were asked.
	observed   bool
	membership membership
	step       machine.Step
	// duty is what is next once the first start is over.
	duty machine.UpkeepStep
	// recovery is about a quorum that is lost.
	recovery recovery
	// backups is about snapshots.
	backups backups
	// emptyVolumes are the UIDs of the volumes that servers were seen to have nothing on,
	// by the names of the servers.
	emptyVolumes map[string]string
	// volumes are the UIDs of the volumes that were decided about, by ordinal. volumesRead
	// says that those of all servers are in there.
	volumes     map[int]string
	volumesRead bool
	// problems are what keeps the cluster from being Ready, the first one first.
	problems []*reconcile.Problem
	// changed says that something was done whose effect is to be seen immediately.
	changed bool
	events  []func()
}

func (c *Controller) newTask(latest *openbaov1alpha1.OpenBaoCluster) *task {
	t := &task{
		Controller: c, name: cache.MetaObjectToName(latest), now: c.opts.Now(), before: latest.DeepCopy(), obj: latest.DeepCopy(),
		owner: owned.Owner{Reference: metav1.OwnerReference{
			APIVersion: openbaov1alpha1.GroupVersion.String(), Kind: kind, Name: latest.Name, UID: latest.UID, Controller: new(true),
		}},
	}
	if t.recorded().Initialized {
		t.obj.Status.Initialized = new(true)
	}
	t.emptyVolumes, t.volumes = map[string]string{}, map[int]string{}
	for _, s := range t.obj.Status.Servers {
		t.emptyVolumes[s.Name] = s.EmptyVolumeUID
	}
	t.memory = c.memories.get(t.name, latest.UID)
	return t
}

// work does what can be done now. The error is one that ends the sync; what a person
// reads is in t.problems.
func (t *task) work(ctx context.Context) error {
	t.findPods()
	if !t.paused() {
		if err := t.keepFinalizer(ctx, deletesData(t.obj)); err != nil {
			return err
		}
	}
	err := t.desire()
	if err == nil {
		err = t.checkAccount()
	}
	if err != nil {
		return t.care(ctx, err)
	}
	for _, prepare := range []func(context.Context) error{t.prepareUnsealKey, t.prepareTLS} {
		if err := prepare(ctx); err != nil {
			return err
		}
	}
	t.observe(ctx)
	if !t.paused() {
		if err := errors.Join(t.divertTraffic(ctx), t.growVolumes(ctx)); err != nil {
			return err
		}
	}
	if err := t.start(ctx); err != nil {
		return err
	}
	if err := t.keepBackups(ctx); err != nil {
		return err
	}
	t.judge()
	return nil
}

// dropInitialize deletes the requests of a first start that is over, also where a mistake
// in the spec ends the sync or the cluster is paused: they hold what people put into
// spec.selfInit, and with them a server without a volume would start another cluster.
func (t *task) dropInitialize(ctx context.Context) error {
	if !t.recorded().Initialized {
		return nil
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	_, err := t.keeper.Absent(ctx, t.owner, secretResource, t.obj.Namespace, workload.InitializeSecretName(t.obj))
	return t.objectProblem(err)
}

// desire finds out what the spec asks for.
func (t *task) desire() error {
	var err error
	if t.settings, err = authz.SettingsOf(t.obj, true); err != nil {
		return invalidSpec(err)
	}
	t.config, err = serverconfig.Render(t.obj)
	_, errPeriod := parsePeriod(t.obj.Spec.TLS.RotationPeriod)
	if err := errors.Join(err, workload.Check(t.obj), checkRecoveryKeys(t.obj), errPeriod, t.checkVersion()); err != nil {
		return invalidSpec(err)
	}
	return nil
}

// paused reports whether nothing may be changed.
func (t *task) paused() bool { return t.obj.Spec.Paused != nil && *t.obj.Spec.Paused }

// wanted is how many servers the spec asks for.
func wanted(c *openbaov1alpha1.OpenBaoCluster) int32 {
	if c.Spec.Replicas == nil {
		return 3
	}
	return *c.Spec.Replicas
}

func (t *task) initialized() bool {
	return t.obj.Status.Initialized != nil && *t.obj.Status.Initialized
}

// selfInits reports whether the servers initialize themselves.
func (t *task) selfInits() bool { return t.obj.Spec.SelfInit != nil && t.obj.Spec.SelfInit.Enabled }

// mayWrite asks for leave to do something that another process must not do as well.
func (t *task) mayWrite() error {
	if err := t.opts.Gate(); err != nil {
		return errors.Join(errMayNotWrite, err)
	}
	return nil
}

// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	// seedVariable and durationVariable replay a random test, and let it run
	// longer.
	seedVariable     = "BAILIWICK_FAULTS_SEED"
	durationVariable = "BAILIWICK_FAULTS_DURATION"
	// roundTime is how long users act between two checks.
	roundTime = 10 * time.Second
	// modelPoll is the operator's poll interval: a token that was mended is found
	// out by it.
	modelPoll = 2 * time.Second
	// refusedToken is one that the simulator doesn't know.
	refusedToken = "refused-value-6d20"
)

// randomRun returns the seed and the duration of a random test.
func randomRun(t testing.TB, duration time.Duration) (uint64, time.Duration) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv(seedVariable); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if s := os.Getenv(durationVariable); s != "" {
		var err error
		if duration, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("To replay: %s=%d, for %s", seedVariable, seed, duration)
	return seed, duration
}

// What users and others do in a random order ends as a model says that it must.
func TestModel(t *testing.T) {
	t.Parallel()
	seed, duration := randomRun(t, 2*roundTime)
	m := newModel(t, seed)
	m.start()
	for ; duration > 0; duration -= roundTime {
		m.play(min(roundTime, duration))
		m.settle(2 * time.Minute)
	}
	m.end()
}

// The same while both APIs fail in every way that was thought of: in the end all
// is as it must be, and nobody was asked more often than the limits allow.
func TestModelInBadWeather(t *testing.T) {
	t.Parallel()
	const perSecond, burst, concurrency = 100, 50, 8
	seed, duration := randomRun(t, 2*roundTime)
	m := newModel(t, seed)
	w := newWeather(m.sim, seed)
	m.start(func(o *app.Options) {
		o.Aiven.QPS, o.Aiven.Burst, o.Aiven.Concurrency = perSecond, burst, concurrency
		o.Aiven.RequestTimeout = 2 * time.Second
		o.RESTConfig.Wrap(w.overAPIServer)
	})
	for round := min(duration, 6*roundTime); duration > 0; duration -= round {
		ctx, calm := context.WithTimeout(m.ctx, round)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.storm(ctx)
		}()
		m.play(round)
		calm()
		<-ended
		// What failed again and again is tried again after minutes.
		m.settle(6 * time.Minute)
		t.Log(w.report())
		for _, fault := range tooFast(m.sim.Requests(), perSecond, burst, concurrency) {
			t.Error(fault)
		}
		m.sim.ResetRequests()
	}
	m.end()
}

// model knows what users want, and thereby what must be true once the operator
// has come to rest.
type model struct {
	*env
	random *rand.Rand
	actors []*actor
	wishes map[string]*wish
	// secrets are the values of the token Secrets, empty where there is none.
	secrets map[string]string
	actions []string
	serial  int
}

// wish is what users want of an actor.
type wish struct {
	// wanted is whether there is to be an object, made whether the API server has
	// accepted it: it can't while an earlier one is on its way out.
	wanted, made bool
	version      int
	secret       string
	// left is whether an earlier object may have left its remote.
	left bool
}

// modelTokens are those of the Secrets s0 and s1 by turns, so that each token is
// in one Secret at most.
var modelTokens = map[string][]aivensim.Token{
	"s0": {{Name: "s0-a", Value: "value-9c0a"}, {Name: "s0-b", Value: "value-9c0b"}},
	"s1": {{Name: "s1-a", Value: "value-9c1a"}, {Name: "s1-b", Value: "value-9c1b"}},
}

func newModel(t testing.TB, seed uint64) *model {
	t.Helper()
	return newModelOn(t, shared.Kubernetes, shared.Kubernetes.Namespace(t), seed)
}

// newModelOn is newModel for a namespace of any API server.
func newModelOn(t testing.TB, cluster *stack.Kubernetes, namespace string, seed uint64) *model {
	t.Helper()
	e := newEnvOn(t, cluster, namespace, aivensim.Options{
		Tokens: slices.Concat(modelTokens["s0"], modelTokens["s1"]), Seed: seed,
		Timing: aivensim.Timing{ServiceBuild: 200 * time.Millisecond, TopicVisible: 100 * time.Millisecond, TopicActive: 200 * time.Millisecond},
	})
	var cancel context.CancelFunc
	e.ctx, cancel = context.WithCancel(context.Background()) // settle has limits of its own
	e.Cleanup(cancel)
	e.change = append(e.change, quickEvents, func(o *app.Options) { o.PollInterval = modelPoll })
	m := &model{
		env: e, random: rand.New(rand.NewPCG(seed, 0)), actors: world(), wishes: map[string]*wish{}, //nolint:gosec // to be replayed
		secrets: map[string]string{},
	}
	for _, a := range m.actors {
		m.wishes[a.name] = &wish{secret: "s0"}
	}
	for name, tokens := range modelTokens {
		m.changeSecret(name, tokens[0].Value)
	}
	e.Cleanup(func() {
		if e.Failed() {
			e.Logf("What was done:\n%s", strings.Join(m.actions, "\n"))
		}
	})
	return m
}

// play lets users and others act for a while.
func (m *model) play(d time.Duration) {
	m.Helper()
	for _, a := range m.actors {
		if w := m.wishes[a.name]; !w.wanted {
			m.wantObject(a, w)
		}
	}
	for began := time.Now(); time.Since(began) < d; {
		m.act()
	}
}

// act does one thing. How many numbers it draws doesn't depend on what the
// operator has done by now, so that a seed always means the same actions.
func (m *model) act() {
	m.Helper()
	a := m.actors[m.random.IntN(len(m.actors))]
	what, which, pick, pause := m.random.IntN(100), m.random.IntN(4), m.random.IntN(2), m.random.IntN(60)
	w := m.wishes[a.name]
	// A service that goes takes everything with it, which is to be rare.
	if kindCases[a.kind].remote != "service" || which == 0 || what >= 28 {
		m.do(a, w, what, which, pick)
	}
	time.Sleep(time.Duration(pause) * time.Millisecond)
}

func (m *model) do(a *actor, w *wish, what, which, pick int) {
	m.Helper()
	switch {
	case what < 6:
		name := fmt.Sprintf("s%d", pick)
		m.changeSecret(name, []string{modelTokens[name][0].Value, modelTokens[name][1].Value, refusedToken, ""}[which])
	case what < 12:
		for _, remote := range a.remotes(m.env) {
			m.note("vanish", a, a.vanish(m.env, remote))
		}
	case what < 20 && a.disturb != nil:
		if len(a.remotes(m.env)) > 0 {
			m.note("disturb", a, a.disturb(m.env))
		}
	case !w.wanted:
		m.wantObject(a, w)
	case what < 28:
		m.deleteObject(a, w, which == 0 && a.orphans)
	case what < 38:
		m.changeObject(a, w, "annotate", map[string]any{"metadata": map[string]any{"annotations": map[string]any{"example.com/n": fmt.Sprint(m.serial)}}})
	case what < 50 && !a.frozen:
		w.secret = fmt.Sprintf("s%d", pick)
		m.changeObject(a, w, "token "+w.secret, map[string]any{"spec": map[string]any{"authSecretRef": map[string]any{"name": w.secret, "key": "token"}}})
	case a.edited != nil:
		w.version++
		m.changeObject(a, w, fmt.Sprintf("version %d", w.version), map[string]any{"spec": a.edited(w.version)})
	}
}

// note writes an action down. What fails because of what the operator did
// meanwhile is no failure of the test.
func (m *model) note(what string, a *actor, err error) {
	m.serial++
	line := fmt.Sprintf("%s %d %s %s/%s", time.Now().Format("15:04:05.000"), m.serial, what, a.kind, a.name)
	if err != nil {
		line += ": " + err.Error()
	}
	m.actions = append(m.actions, line)
}

func (m *model) wantObject(a *actor, w *wish) {
	m.Helper()
	w.wanted = true
	w.version++
	m.makeObject(a, w)
}

// makeObject creates the object unless one of that name is still on its way out.
func (m *model) makeObject(a *actor, w *wish) {
	m.Helper()
	obj := m.object(a.kind, a.name, func(spec map[string]any) {
		clear(spec)
		maps.Copy(spec, a.spec)
		if a.edited != nil {
			maps.Copy(spec, a.edited(w.version))
		}
		spec["project"] = project
		tokenOf(w.secret)(spec)
	})
	_, err := m.client(a.kind).Create(m.ctx, obj, metav1.CreateOptions{})
	m.note("create", a, err)
	if w.made = err == nil; !w.made && !apierrors.IsAlreadyExists(err) {
		m.Fatal(err)
	}
}

func (m *model) changeObject(a *actor, w *wish, what string, patch map[string]any) {
	m.Helper()
	if !w.made {
		return
	}
	body, err := json.Marshal(patch)
	if err != nil {
		m.Fatal(err)
	}
	m.note(what, a, nil)
	m.patch(a.kind, a.name, string(body))
}

func (m *model) deleteObject(a *actor, w *wish, orphan bool) {
	m.Helper()
	w.wanted = false
	if !w.made {
		return
	}
	w.made = false
	if orphan {
		m.note("orphan", a, nil)
		m.annotate(a.kind, a.name, "controllers.aiven.io/deletion-policy", "Orphan")
		w.left = true
	} else if _, conditions, err := m.conditions(a.kind, a.name)(); err == nil && meta.IsStatusConditionTrue(conditions, "Initialized") {
		// One that ends before it has found what its predecessor left leaves that.
		w.left = false
	}
	m.note("delete", a, nil)
	m.delete(a.kind, a.name)
}

// changeSecret changes, creates or deletes (no value) a Secret of a token.
func (m *model) changeSecret(name, value string) {
	m.Helper()
	if m.secrets[name] == value {
		return
	}
	m.note("set to "+value, &actor{kind: "Secret", name: name}, nil)
	secrets := m.kube.CoreV1().Secrets(m.ns)
	switch {
	case value == "":
		if err := secrets.Delete(m.ctx, name, metav1.DeleteOptions{}); err != nil {
			m.Fatal(err)
		}
	case m.secrets[name] == "":
		m.tokenSecret(name, value)
	default:
		m.setToken(name, value)
	}
	m.secrets[name] = value
}

// settle has users mend the tokens and waits until all is as it must be, and
// stays so.
func (m *model) settle(limit time.Duration) {
	m.Helper()
	for _, name := range slices.Sorted(maps.Keys(m.secrets)) {
		if value := m.secrets[name]; value == "" || value == refusedToken {
			m.changeSecret(name, modelTokens[name][0].Value)
		}
		m.renewed(name)
	}
	began, told := time.Now(), time.Now()
	var wrong []string
	for calm := 0; calm < 2; {
		for _, a := range m.actors {
			if w := m.wishes[a.name]; w.wanted && !w.made {
				m.makeObject(a, w)
			}
		}
		if wrong = m.wrong(); len(wrong) == 0 {
			calm++
			time.Sleep(modelPoll) // what comes late comes by then
			continue
		}
		calm = 0
		if time.Since(began) > limit || m.ctx.Err() != nil {
			m.Fatalf("After %s without actions:\n%s", time.Since(began).Round(time.Second), strings.Join(wrong, "\n"))
		}
		if time.Since(told) > 10*time.Second {
			m.Logf("After %s without actions:\n%s", time.Since(began).Round(time.Second), strings.Join(wrong, "\n"))
			told = time.Now()
		}
		time.Sleep(100 * time.Millisecond)
	}
	m.Logf("All is well %s after %d actions", time.Since(began).Round(100*time.Millisecond), m.serial)
}

// renewed annotates one object, as the message of a refused token asks. That is
// enough for all objects of the token.
func (m *model) renewed(secret string) {
	m.Helper()
	for _, a := range m.actors {
		obj, err := m.client(a.kind).Get(m.ctx, a.name, metav1.GetOptions{})
		if ignoreNotFound(err) != nil {
			m.Fatal(err)
		}
		if err != nil {
			continue
		}
		if name, _, _ := unstructured.NestedString(obj.Object, "spec", "authSecretRef", "name"); name == secret {
			m.note("token renewed", a, nil)
			body := fmt.Sprintf(`{"metadata":{"annotations":{"token-renewed-at":%q}}}`, fmt.Sprint(m.serial))
			_, err := m.client(a.kind).Patch(m.ctx, a.name, types.MergePatchType, []byte(body), metav1.PatchOptions{FieldManager: "kubectl"})
			if err == nil {
				return
			}
			if ignoreNotFound(err) != nil { // else it has gone just now
				m.Fatal(err)
			}
		}
	}
}

// wrong lists what is not as it must be.
func (m *model) wrong() []string {
	var wrong []string
	known := map[aivensim.Object]bool{}
	for _, a := range m.actors {
		remotes := a.remotes(m.env)
		for _, remote := range remotes {
			known[aivensim.Object{Kind: kindCases[a.kind].remote, Name: remote}] = true
		}
		if err := m.check(a, m.wishes[a.name], remotes); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s %s: %v", a.kind, a.name, err))
		}
	}
	for _, o := range m.sim.Objects() {
		name := o.Name
		if o.Kind == "service" {
			name = o.Service
		}
		if o.Kind != "project" && !known[aivensim.Object{Kind: o.Kind, Name: name}] {
			wrong = append(wrong, fmt.Sprintf("nobody asked for %+v", o))
		}
	}
	return wrong
}

func (m *model) check(a *actor, w *wish, remotes []string) error {
	obj, conditions, err := m.conditions(a.kind, a.name)()
	switch {
	case apierrors.IsNotFound(err):
		if w.wanted {
			return err
		}
		if most := map[bool]int{true: 1}[w.left]; len(remotes) > most {
			return fmt.Errorf("it is gone and left %v", remotes)
		}
		return nil
	case err != nil:
		return err
	case !w.wanted:
		return fmt.Errorf("it is still there, with finalizers %v and conditions %+v", obj.GetFinalizers(), conditions)
	}
	for _, host := range a.hosts {
		if serviceNamed(m.env, host).Name != "" {
			continue
		}
		if len(remotes) > 0 || meta.IsStatusConditionTrue(conditions, "Ready") {
			return fmt.Errorf("%s does not exist; remotes are %v, conditions %+v", host, remotes, conditions)
		}
		return nil
	}
	ready := meta.FindStatusCondition(conditions, "Ready")
	switch {
	case ready == nil || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != obj.GetGeneration():
		return fmt.Errorf("conditions are %+v at generation %d; remotes are %v", conditions, obj.GetGeneration(), remotes)
	case len(remotes) != 1:
		return fmt.Errorf("remotes are %v", remotes)
	case a.shows != nil && !a.shows(m.env, w.version):
		return fmt.Errorf("%v does not show version %d", remotes, w.version)
	case !kindCases[a.kind].publishes:
		return nil
	}
	_, err = m.kube.CoreV1().Secrets(m.ns).Get(m.ctx, a.name, metav1.GetOptions{})
	return err
}

// end deletes all objects and checks that nothing is left.
func (m *model) end() {
	m.Helper()
	for _, a := range slices.Backward(m.actors) {
		w := m.wishes[a.name]
		m.deleteObject(a, w, false)
	}
	m.settle(3 * time.Minute)
	m.noSecretsButTokens()
}

// noSecretsButTokens waits until the connection Secrets are collected.
func (m *model) noSecretsButTokens() {
	m.Helper()
	m.eventually("the connection Secrets to be gone", func() error {
		list, err := m.kube.CoreV1().Secrets(m.ns).List(m.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(list.Items, func(s corev1.Secret) bool { _, ok := m.secrets[s.Name]; return ok })
		if len(left) > 0 {
			return fmt.Errorf("%d are there, such as %s", len(left), left[0].Name)
		}
		return nil
	})
}

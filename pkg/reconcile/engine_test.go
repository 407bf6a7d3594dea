// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2/ktesting"

	aivenac "github.com/bailiwick-operator/bailiwick/generated/applyconfiguration/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// countingIndexer counts look-ups by index.
type countingIndexer struct {
	cache.Indexer
	lookups *int
}

func (c countingIndexer) ByIndex(index, value string) ([]any, error) {
	*c.lookups++
	return c.Indexer.ByIndex(index, value)
}

// indexedInformer is an informer of which only the store is used.
type indexedInformer struct {
	cache.SharedIndexInformer
	indexer countingIndexer
}

func (i indexedInformer) GetIndexer() cache.Indexer { return i.indexer }
func (i indexedInformer) AddIndexers(indexers cache.Indexers) error {
	return i.indexer.AddIndexers(indexers)
}

// kinds builds an engine of several kinds over filled caches, without running it.
type kinds struct {
	t       *testing.T
	engine  *Engine
	lookups int
}

func newKinds(t *testing.T, namespaces int, absent func(schema.GroupVersionResource) bool) *kinds {
	k := &kinds{t: t}
	options := Options{Lanes: NewLanes(1), Absent: absent}
	for i := range namespaces {
		options.Namespaces = append(options.Namespaces, fmt.Sprint("ns", i))
	}
	k.engine = NewEngine(options)
	return k
}

type controller = Controller[*v1alpha1.KafkaTopic, struct{}, aivenac.KafkaTopicApplyConfiguration]

func (k *kinds) add(kind, shares string, references func(*v1alpha1.KafkaTopic) []Reference, objects ...*v1alpha1.KafkaTopic) *controller {
	k.t.Helper()
	_, ctx := ktesting.NewTestContext(k.t)
	c := New(ctx, k.engine, Kind[*v1alpha1.KafkaTopic, struct{}, aivenac.KafkaTopicApplyConfiguration]{
		Name: kind + "-controller", GVK: v1alpha1.SchemeGroupVersion.WithKind(kind), Resource: v1alpha1.SchemeGroupVersion.WithResource(kind),
		Shares: shares, References: references,
		Informer: func(string) cache.SharedIndexInformer {
			return indexedInformer{indexer: countingIndexer{cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{}), &k.lookups}}
		},
		Lane:       func(*v1alpha1.KafkaTopic) string { return "" },
		Credential: func(*v1alpha1.KafkaTopic) string { return "" },
		Identity:   func(o *v1alpha1.KafkaTopic) string { return o.Spec.TopicName },
	})
	for _, inf := range c.source.informers {
		if err := inf.AddIndexers(c.indexers()); err != nil {
			k.t.Fatal(err)
		}
	}
	for _, o := range objects {
		if err := c.source.informers[o.Namespace].GetIndexer().Add(o); err != nil {
			k.t.Fatal(err)
		}
	}
	c.served.Store(true)
	c.synced.Store(true)
	return c
}

func in(namespace string) func(*v1alpha1.KafkaTopic) {
	return func(o *v1alpha1.KafkaTopic) { o.Namespace = namespace }
}

// An event searches the caches of kinds that refer to its kind, and those of kinds
// that share its identities; no others, however many namespaces there are.
func TestEventsSearchOnlyKindsThatCanBeConcerned(t *testing.T) {
	const namespaces = 10
	k := newKinds(t, namespaces, nil)
	refers := func(o *v1alpha1.KafkaTopic) []Reference {
		return []Reference{{Kind: "VPC", Name: cache.NewObjectName(o.Namespace, "vpc")}}
	}
	k.add("Service", "services", refers, topic("s", in("ns3")))
	topics := k.add("Topic", "", nil)
	vpcs := k.add("VPC", "", nil)
	for i := range 20 {
		k.add(fmt.Sprint("Other", i), "", nil)
	}

	topics.wakeReferrers(topic("t", in("ns1")))
	if k.lookups != 0 {
		t.Errorf("%d look-ups for the referrers of a kind that has none", k.lookups)
	}
	vpcs.wakeReferrers(topic("vpc", in("ns3")))
	if k.lookups != namespaces {
		t.Errorf("%d look-ups for the referrers of a kind that one other refers to, want %d", k.lookups, namespaces)
	}
	k.lookups = 0
	k.engine.wakeRivals(topics.shares(), "t", topic("t"))
	if k.lookups != namespaces {
		t.Errorf("%d look-ups for the rivals of a kind that shares its identities with none, want %d", k.lookups, namespaces)
	}
}

// A remote may belong to an object of a kind that is not listed yet.
func TestClaimsWaitForAllKindsThatShareIdentities(t *testing.T) {
	absent := map[string]bool{}
	k := newKinds(t, 1, func(r schema.GroupVersionResource) bool { return absent[r.Resource] })
	pg := k.add("PostgreSQL", "services", nil)
	mysql := k.add("MySQL", "services", nil)
	other := k.add("Topic", "", nil)
	other.synced.Store(false)
	mysql.synced.Store(false)
	mysql.served.Store(false)

	claim := func(want bool) {
		t.Helper()
		err := pg.claim(topic("a"))
		if (err == nil) != want {
			t.Errorf("claim: %v, want it to succeed: %v", err, want)
		}
	}
	claim(false)
	mysql.served.Store(true)
	claim(false)
	mysql.synced.Store(true)
	claim(true)
	k.engine.claims.Release(topic("a").UID)

	mysql.synced.Store(false)
	mysql.served.Store(false)
	absent["MySQL"] = true
	claim(true)
}

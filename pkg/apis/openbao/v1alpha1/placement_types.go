// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Like those of podsecurity_types.go, some types of this file have the fields of
// those of the same name in k8s.io/api/core/v1.

// ResourceRequirements are the resources of a container.
type ResourceRequirements struct {
	// requests are what the container is sure to get.
	// +optional
	Requests map[string]resource.Quantity `json:"requests,omitempty"`
	// limits are what the container gets at most.
	// +optional
	Limits map[string]resource.Quantity `json:"limits,omitempty"`
}

// PodMetadata is put on the servers' pods.
type PodMetadata struct {
	// labels are further labels. Those that Bailiwick sets take precedence.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// annotations are further annotations. Those that Bailiwick sets take precedence.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// SchedulingSpec says where the servers' pods run.
type SchedulingSpec struct {
	// nodeSelector are the labels of the nodes.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// tolerations are the taints that the pods tolerate.
	// +optional
	// +listType=atomic
	Tolerations []Toleration `json:"tolerations,omitempty"`
	// nodeAffinity says which nodes are required, and which are preferred.
	// +optional
	NodeAffinity *NodeAffinity `json:"nodeAffinity,omitempty"`
	// topologySpreadConstraints say how evenly the pods spread. The default prefers
	// another node, and another zone, for each pod. An empty list stands for none.
	// +optional
	// +listType=atomic
	TopologySpreadConstraints []TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	// priorityClassName is the PriorityClass of the pods.
	// +optional
	PriorityClassName string `json:"priorityClassName,omitempty"`
}

// Toleration is a taint that pods tolerate.
type Toleration struct {
	// key is the key of the taint. Empty, with the operator Exists, stands for all.
	// +optional
	Key string `json:"key,omitempty"`
	// operator is Exists or Equal. The default is Equal.
	// +kubebuilder:validation:Enum=Exists;Equal
	// +optional
	Operator string `json:"operator,omitempty"`
	// value is the value of the taint.
	// +optional
	Value string `json:"value,omitempty"`
	// effect is NoSchedule, PreferNoSchedule or NoExecute. Empty stands for all.
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	// +optional
	Effect string `json:"effect,omitempty"`
	// tolerationSeconds is how long a taint NoExecute is tolerated.
	// +optional
	TolerationSeconds *int64 `json:"tolerationSeconds,omitempty"`
}

// NodeAffinity says which nodes pods run on.
type NodeAffinity struct {
	// requiredDuringSchedulingIgnoredDuringExecution are the nodes that are possible.
	// +optional
	Required *NodeSelector `json:"requiredDuringSchedulingIgnoredDuringExecution,omitempty"`
	// preferredDuringSchedulingIgnoredDuringExecution are the nodes that are better.
	// +optional
	// +listType=atomic
	Preferred []PreferredSchedulingTerm `json:"preferredDuringSchedulingIgnoredDuringExecution,omitempty"`
}

// NodeSelector selects nodes that match one of its terms.
type NodeSelector struct {
	// nodeSelectorTerms are the terms.
	// +listType=atomic
	NodeSelectorTerms []NodeSelectorTerm `json:"nodeSelectorTerms"`
}

// NodeSelectorTerm selects nodes that match all of its requirements.
type NodeSelectorTerm struct {
	// matchExpressions are about labels.
	// +optional
	// +listType=atomic
	MatchExpressions []NodeSelectorRequirement `json:"matchExpressions,omitempty"`
	// matchFields are about fields.
	// +optional
	// +listType=atomic
	MatchFields []NodeSelectorRequirement `json:"matchFields,omitempty"`
}

// NodeSelectorRequirement is a condition on a label or field.
type NodeSelectorRequirement struct {
	// key is the label or field.
	Key string `json:"key"`
	// operator is how it is compared.
	// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist;Gt;Lt
	Operator string `json:"operator"`
	// values are what it is compared with.
	// +optional
	// +listType=atomic
	Values []string `json:"values,omitempty"`
}

// PreferredSchedulingTerm prefers some nodes.
type PreferredSchedulingTerm struct {
	// weight is from 1 to 100.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Weight int32 `json:"weight"`
	// preference selects the nodes.
	Preference NodeSelectorTerm `json:"preference"`
}

// TopologySpreadConstraint says how evenly pods spread over the values of a label of
// the nodes.
type TopologySpreadConstraint struct {
	// maxSkew is by how many pods two values may differ.
	// +kubebuilder:validation:Minimum=1
	MaxSkew int32 `json:"maxSkew"`
	// topologyKey is the label, kubernetes.io/hostname for example.
	// +kubebuilder:validation:MinLength=1
	TopologyKey string `json:"topologyKey"`
	// whenUnsatisfiable says what becomes of a pod that fits nowhere.
	// +kubebuilder:validation:Enum=DoNotSchedule;ScheduleAnyway
	WhenUnsatisfiable string `json:"whenUnsatisfiable"`
	// labelSelector selects the pods that count. The default is the servers of the
	// cluster.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
	// minDomains is the least number of values.
	// +optional
	MinDomains *int32 `json:"minDomains,omitempty"`
	// nodeAffinityPolicy is Honor or Ignore.
	// +kubebuilder:validation:Enum=Honor;Ignore
	// +optional
	NodeAffinityPolicy *string `json:"nodeAffinityPolicy,omitempty"`
	// nodeTaintsPolicy is Honor or Ignore.
	// +kubebuilder:validation:Enum=Honor;Ignore
	// +optional
	NodeTaintsPolicy *string `json:"nodeTaintsPolicy,omitempty"`
	// matchLabelKeys are labels of the pod whose values the pods that count share.
	// +optional
	// +listType=atomic
	MatchLabelKeys []string `json:"matchLabelKeys,omitempty"`
}

// RecoveryKeysSpec says what becomes of the recovery key when a cluster is
// initialized that does not initialize itself (spec.selfInit).
// +kubebuilder:validation:XValidation:rule="!has(self.threshold) || self.threshold <= (has(self.shares) ? self.shares : (has(self.recipients) && size(self.recipients) > 0 ? size(self.recipients) : 1))",message="the threshold is at most the number of shares"
// +kubebuilder:validation:XValidation:rule="!has(self.recipients) || size(self.recipients) == 0 || !has(self.shares) || self.shares == size(self.recipients)",message="each recipient gets one share: leave shares out, or set it to the number of recipients"
type RecoveryKeysSpec struct {
	// shares is the number of shares. The default is one for each recipient, or 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=255
	// +optional
	Shares *int32 `json:"shares,omitempty"`
	// threshold is how many shares make the recovery key. The default is 1 for one
	// share, and more than half of them otherwise.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=255
	// +optional
	Threshold *int32 `json:"threshold,omitempty"`
	// recipients get one share each, encrypted for them. With recipients, nobody else
	// can read a share. Without, the shares are in the Secret in clear text.
	// +kubebuilder:validation:MaxItems=16
	// +optional
	// +listType=map
	// +listMapKey=name
	Recipients []RecoveryKeyRecipient `json:"recipients,omitempty"`
	// secretName names the Secret that receives the shares. It is made before the
	// cluster is initialized. The default is <name>-recovery-keys.
	// +optional
	SecretName string `json:"secretName,omitempty"`
}

// RecoveryKeyRecipient is a person who keeps a share.
type RecoveryKeyRecipient struct {
	// name is the key of the share in the Secret.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][-._A-Za-z0-9]{0,62}$`
	Name string `json:"name"`
	// pgpPublicKey is the PGP public key of the recipient, in base64 or armored.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	PGPPublicKey string `json:"pgpPublicKey"`
}

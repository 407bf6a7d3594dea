// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"fmt"
	"slices"
)

// planSet is the names of the plans of a type of service.
type planSet []string

func (p planSet) has(plan string) bool { return slices.Contains(p, plan) }

// with adds plans.
func (p planSet) with(names ...string) planSet { return append(slices.Clip(p), names...) }

// planSizes are the sizes of the plans, in gibibytes of memory for each node.
var planSizes = [...]int{2, 4, 8, 16, 32, 64, 120, 200, 225}

// standardPlans are the plans that most types have. Names in between, startup-7 for
// example, do not exist.
func standardPlans() planSet {
	plans := planSet{"hobbyist"}
	for _, family := range []string{"startup", "business", "premium"} {
		for _, size := range planSizes {
			plans = append(plans, fmt.Sprintf("%s-%d", family, size))
		}
	}
	return plans
}

// multinodePlans are the premium plans that say how many nodes they have.
func multinodePlans() planSet {
	var plans planSet
	for _, nodes := range []int{3, 5, 6, 9, 12, 15, 18, 21, 24, 30} {
		for _, size := range planSizes {
			plans = append(plans, fmt.Sprintf("premium-%dx-%d", nodes, size))
		}
	}
	return plans
}

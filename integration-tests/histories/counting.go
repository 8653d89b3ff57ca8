package main

import (
	"fmt"
	"sort"
)

// oversold tells of a moment at which more units had been promised than there can have been: all that was asked to come
// in or back by then, less what was taken for certain. "" when there is none, which proves nothing: then porcupine
// searches. A crowd that was sold too much would keep it busy for ever, for it tries each choice of who was too much.
func (h *skuHistory) oversold() string {
	type change struct {
		at, quantity int64
		by           *action
	}
	var changes []change
	for _, one := range h.actions {
		gives := one.op == "release" || one.op == "receive" || one.op == "adjust" && one.quantity > 0
		takes := one.certain && (one.op == "reserve" || one.op == "adjust" && one.quantity < 0)
		switch {
		case gives:
			changes = append(changes, change{one.from, one.quantity, one})
		case takes && one.op == "reserve":
			changes = append(changes, change{one.to, -one.quantity, one})
		case takes:
			changes = append(changes, change{one.to, one.quantity, one})
		}
	}
	// What comes in at the same time as something goes out may have been first.
	sort.SliceStable(changes, func(i, j int) bool {
		if changes[i].at != changes[j].at {
			return changes[i].at < changes[j].at
		}
		return changes[i].quantity > changes[j].quantity
	})
	free := int64(0)
	for _, one := range changes {
		free += one.quantity
		if free < 0 {
			return fmt.Sprintf("SKU %s: oversold by %d with the answer of %d us: %s", h.sku, -free, one.at, one.by)
		}
	}
	return ""
}

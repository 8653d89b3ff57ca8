package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// An action is what an operation does to one SKU, whose state is the units that are free and who may give some back.
type action struct {
	op       string
	quantity int64
	refused  bool // there were not so many free
	certain  bool // it happened; else it did if it could
	hold     int  // which hold it makes or ends; -1: one that is never ended
	from, to int64
	entry    *entry
}

// units is the state. Holds is a bit for each hold that stands, so that states can be compared with ==.
type units struct {
	free  int64
	holds string
}

func (u units) has(hold int) bool {
	return hold >= 0 && hold/8 < len(u.holds) && u.holds[hold/8]&(1<<(hold%8)) != 0
}

func (u units) with(hold int, stands bool) units {
	if hold < 0 {
		return u
	}
	bits := []byte(u.holds)
	for len(bits) <= hold/8 {
		bits = append(bits, 0)
	}
	bits[hold/8] &^= 1 << (hold % 8)
	if stands {
		bits[hold/8] |= 1 << (hold % 8)
	}
	return units{u.free, strings.TrimRight(string(bits), "\x00")}
}

// step is the sequential object: whether the action is possible in this state, and the state after it. What is not
// certain is always possible: it may have done nothing.
func (a *action) step(u units) (bool, units) {
	switch a.op {
	case "reserve":
		if a.refused {
			return u.free < a.quantity, u
		}
		if u.free < a.quantity {
			return !a.certain, u
		}
		u.free -= a.quantity
		return true, u.with(a.hold, true)
	case "release":
		if !u.has(a.hold) {
			return !a.certain, u
		}
		u.free += a.quantity
		return true, u.with(a.hold, false)
	case "read":
		return u.free == a.quantity, u
	}
	if u.free+a.quantity < 0 {
		return !a.certain, u
	}
	u.free += a.quantity
	return true, u
}

// A history of one SKU.
type skuHistory struct {
	sku     string
	actions []*action
	holds   map[string]int // by order, those that may be ended
}

type stock map[string]*skuHistory

func (s stock) names() []string {
	names := make([]string, 0, len(s))
	for name := range s {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (s stock) of(sku string) *skuHistory {
	if s[sku] == nil {
		s[sku] = &skuHistory{sku: sku, holds: map[string]int{}}
	}
	return s[sku]
}

// merged are the entries with the retries of each operation made one: from the first invoke to the first answer.
func merged(entries []*entry) ([]*entry, error) {
	type operation struct{ key, op, sku string }
	found := map[operation]*entry{}
	var operations []*entry
	for _, one := range entries {
		if one.SKU == "" || one.Op == "command" || one.didNothing() {
			continue
		}
		copied := *one
		name := operation{one.Key, one.Op, one.SKU}
		before := found[name]
		if one.Key == "" || before == nil {
			found[name] = &copied
			operations = append(operations, &copied)
			continue
		}
		if before.Quantity != one.Quantity {
			return nil, fmt.Errorf("key %s: %s of %s has two quantities, %d and %d", one.Key, one.Op, one.SKU,
				before.Quantity, one.Quantity)
		}
		invoke := before.Invoke
		if one.Invoke < invoke {
			invoke = one.Invoke
		}
		if one.end() < before.end() {
			*before = copied
		}
		before.Invoke = invoke
	}
	return operations, nil
}

// Whom the units are held for.
func (e *entry) owner() string {
	if e.Order != "" {
		return e.Order
	}
	return "key " + e.Key
}

func (h *skuHistory) add(one *entry) {
	made := &action{op: one.Op, quantity: one.Quantity, certain: one.Outcome == "ok", hold: -1,
		from: one.Invoke, to: one.end(), entry: one}
	if one.Outcome == "fail" {
		made.refused = one.Op == "reserve" && one.Code == "out_of_stock"
		if !made.refused {
			return // it did nothing, and why says nothing of the units
		}
	}
	if one.Op == "read" && one.Outcome != "ok" {
		return
	}
	h.actions = append(h.actions, made)
	if one.Op == "reserve" && !made.refused {
		if ends, there := h.holds[one.owner()]; there {
			made.hold = ends
		}
	}
	if one.Op == "release" {
		made.hold = h.holds[one.owner()]
		made.to = endless
	}
}

// endsUnasked: of an unknown purchase nobody knows whether another of its SKUs was missing, so that the units were let go
// again; and an order that waits for another payment lets them go at its deadline.
func (e *entry) endsUnasked() bool {
	return e.Op == "reserve" && (e.Outcome == "unknown" || e.Code == "payment_declined")
}

func (h *skuHistory) endHold(owner string) {
	if _, there := h.holds[owner]; !there {
		h.holds[owner] = len(h.holds)
	}
}

func stockOf(entries []*entry) (stock, error) {
	found := stock{}
	operations, err := merged(entries)
	if err != nil {
		return found, err
	}
	for _, one := range operations {
		if one.Op == "release" && one.Outcome != "fail" {
			found.of(one.SKU).endHold(one.owner())
		}
	}
	for _, one := range operations {
		history := found.of(one.SKU)
		_, isAsked := history.holds[one.owner()]
		if one.endsUnasked() && !isAsked {
			history.endHold(one.owner())
			from := one.Invoke
			if one.Outcome == "ok" {
				from = *one.Return // it was told to be held
			}
			history.actions = append(history.actions, &action{op: "release", quantity: one.Quantity,
				hold: history.holds[one.owner()], from: from, to: endless, entry: one})
		}
		history.add(one)
	}
	return found, nil
}

var model = porcupine.Model{
	Init: func() interface{} { return units{} },
	Step: func(state, input, _ interface{}) (bool, interface{}) {
		possible, after := input.(*action).step(state.(units))
		return possible, after
	},
	DescribeOperation: func(input, _ interface{}) string { return input.(*action).String() },
	DescribeState: func(state interface{}) string {
		return fmt.Sprintf("%d free", state.(units).free)
	},
}

func (a *action) String() string {
	how := a.entry.Outcome
	if a.entry.Code != "" {
		how = a.entry.Code
	}
	return fmt.Sprintf("%s %d (%s) %s", a.op, a.quantity, how, a.entry.Order)
}

// operations are in the order of their beginning, as the search tries them.
func (h *skuHistory) operations() []porcupine.Operation {
	sort.SliceStable(h.actions, func(i, j int) bool { return h.actions[i].from < h.actions[j].from })
	operations := make([]porcupine.Operation, 0, len(h.actions))
	for _, one := range h.actions {
		operations = append(operations, porcupine.Operation{ClientId: one.entry.Process, Input: one, Call: one.from,
			Return: one.to})
	}
	return operations
}

// judge counts, then searches for an order; "" when there is one, else what is wrong. A picture of a search that failed goes
// to `page` if it is named.
func (h *skuHistory) judge(timeout time.Duration, page string) string {
	if complaint := h.oversold(); complaint != "" {
		return complaint
	}
	operations := h.operations()
	result := porcupine.CheckOperationsTimeout(model, operations, timeout)
	if result == porcupine.Ok {
		return ""
	}
	if page != "" {
		_, info := porcupine.CheckOperationsVerbose(model, operations, timeout)
		if out, err := os.Create(page); err == nil {
			err = porcupine.Visualize(model, info, out)
			if closed := out.Close(); err == nil {
				err = closed
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "histories:", err)
			}
		}
	}
	if result == porcupine.Unknown {
		return fmt.Sprintf("SKU %s: no order of its %d operations was found in %s, nor that there is none", h.sku,
			len(operations), timeout)
	}
	return fmt.Sprintf("SKU %s: there is no order in which its %d operations could have happened%s", h.sku,
		len(operations), h.firstImpossible())
}

// firstImpossible names the answer with which it became impossible: the history up to it has no order, up to the one
// before it has.
func (h *skuHistory) firstImpossible() string {
	ends := make([]*action, 0, len(h.actions))
	for _, one := range h.actions {
		if one.to != endless {
			ends = append(ends, one)
		}
	}
	sort.SliceStable(ends, func(i, j int) bool { return ends[i].to < ends[j].to })
	until := sort.Search(len(ends), func(i int) bool { return !h.isPossibleUntil(ends[i].to) })
	if until == len(ends) {
		return ""
	}
	return fmt.Sprintf("; it became impossible with the answer of %d us: %s", ends[until].to, ends[until])
}

// isPossibleUntil judges what was known then: what had been asked for, and of that what had been answered.
func (h *skuHistory) isPossibleUntil(moment int64) bool {
	var operations []porcupine.Operation
	for _, operation := range h.operations() {
		one := operation.Input.(*action)
		if one.from > moment {
			continue
		}
		if one.to > moment {
			if one.refused || one.op == "read" {
				continue
			}
			open := *one
			open.certain = false
			operation.Input, operation.Return = &open, endless
		}
		operations = append(operations, operation)
	}
	return porcupine.CheckOperationsTimeout(model, operations, 10*time.Second) != porcupine.Illegal
}

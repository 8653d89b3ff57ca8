package main

import "fmt"

// told is the answer, as far as it is compared.
func (e *entry) told() string {
	if e.Code == "" {
		return fmt.Sprintf("%s %s %s", e.Outcome, e.Order, e.Answer)
	}
	return fmt.Sprintf("%s (%s) %s %s", e.Outcome, e.Code, e.Order, e.Answer)
}

// judgeKeys tells of keys that were answered in two ways, and how many keys had an answer.
//
// A register that is written once and then read has an order if, and only if, all its answers are the same: whichever
// request was first wrote it. So there is nothing to search for.
func judgeKeys(entries []*entry) (complaints []string, answered int) {
	first := map[string]*entry{}
	for _, one := range entries {
		if one.Key == "" || one.Outcome == "unknown" || one.didNothing() {
			continue
		}
		before, there := first[one.Key]
		if !there {
			first[one.Key] = one
		} else if before.told() != one.told() {
			complaints = append(complaints, fmt.Sprintf("key %s was answered %q, and %q as well",
				one.Key, before.told(), one.told()))
		}
	}
	return complaints, len(first)
}

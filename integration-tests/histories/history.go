package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// An entry is one line of a history: one operation of a client, with the interval in which it happened if it did.
// integration-tests/harness/journal.py and core/testing/simulator/oracle_history.c write them.
//
//	op        receive, adjust (quantity may be negative), reserve, release, read (quantity: the units that were free),
//	          or command: anything else, which has a key alone
//	outcome   ok, fail (refused) or unknown: it happened once at any time from its invoke on, or never
//	return_us null: nobody was told. An ok or fail without one is known from elsewhere, at any time from its invoke on
//	code      of the problem that was answered. payment_declined is an ok: the units are held, the order waits
//	order     whom units are reserved for; a release names it again
//	answer    what tells answers apart, when code and order do not: a digest of the bytes
//
// A purchase of several SKUs is a reserve of each, with the purchase's key, order and interval: each is visited between
// its request and its answer. When it was refused, the SKUs that the answer names as missing are fail, out_of_stock; of
// the others nobody knows whether they were held for a moment: unknown.
// The release of an order is answered when it is decided; its units come free at any time after its invoke.
// Retries under one key may be one entry or several.
type entry struct {
	Process  int    `json:"process"`
	Op       string `json:"op"`
	Key      string `json:"key"`
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Invoke   int64  `json:"invoke_us"`
	Return   *int64 `json:"return_us"`
	Outcome  string `json:"outcome"`
	Code     string `json:"code"`
	Order    string `json:"order"`
	Answer   string `json:"answer"`
}

const lineMaxBytes = 1 << 20

// endless is the end of what may have happened at any time, or never.
const endless = math.MaxInt64

// What is said of one request, not of the command under its key: it did nothing, and another try may be told otherwise.
var saysNothing = map[string]bool{
	"idempotency_key_reused": true,
	"command_expired":        true,
	"database_unavailable":   true,
	"vault_unavailable":      true,
	"log_unavailable":        true,
	"view_behind":            true,
	"query_timeout":          true,
	"overloaded":             true,
	"stopping":               true,
}

func (e *entry) didNothing() bool {
	return e.Outcome == "fail" && saysNothing[e.Code]
}

// end is when it had happened at the latest.
func (e *entry) end() int64 {
	if e.Outcome == "unknown" || e.Return == nil {
		return endless
	}
	return *e.Return
}

func (e *entry) check() error {
	switch e.Op {
	case "receive", "adjust", "reserve", "release", "read", "command":
	default:
		return fmt.Errorf("there is no operation %q", e.Op)
	}
	switch e.Outcome {
	case "ok", "fail", "unknown":
	default:
		return fmt.Errorf("there is no outcome %q", e.Outcome)
	}
	if e.Return != nil && *e.Return < e.Invoke {
		return fmt.Errorf("%s of %q was answered before it was asked", e.Op, e.SKU)
	}
	return nil
}

func readHistory(from io.Reader) ([]*entry, error) {
	var entries []*entry
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, lineMaxBytes)
	for number := 1; lines.Scan(); number++ {
		one := new(entry)
		err := json.Unmarshal(lines.Bytes(), one)
		if err == nil {
			err = one.check()
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		entries = append(entries, one)
	}
	return entries, lines.Err()
}

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A line of a history made by hand. Times are in seconds, so that they can be read; -1: never answered.
type line struct {
	op       string
	quantity int64
	from, to int64
	outcome  string
	code     string
	order    string
	key      string
}

func historyOf(t *testing.T, lines ...line) []*entry {
	t.Helper()
	var text strings.Builder
	for i, one := range lines {
		end := fmt.Sprint(one.to)
		if one.to < 0 {
			end = "null"
		}
		key := one.key
		if key == "" {
			key = fmt.Sprintf("key-%d", i)
		}
		fmt.Fprintf(&text, `{"process": %d, "op": %q, "key": %q, "sku": "TEA", "quantity": %d, "invoke_us": %d,
			"return_us": %s, "outcome": %q, "code": %q, "order": %q}`, i, one.op, key, one.quantity, one.from, end,
			one.outcome, one.code, one.order)
	}
	entries, err := readHistory(strings.NewReader(strings.ReplaceAll(
		strings.ReplaceAll(text.String(), "\n", ""), "}{", "}\n{")))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func complaintOf(t *testing.T, lines ...line) string {
	t.Helper()
	found, err := stockOf(historyOf(t, lines...))
	if err != nil {
		return err.Error()
	}
	return found["TEA"].judge(time.Minute, "")
}

func accepted(t *testing.T, lines ...line) {
	t.Helper()
	if complaint := complaintOf(t, lines...); complaint != "" {
		t.Error(complaint)
	}
}

func refused(t *testing.T, culprit string, lines ...line) {
	t.Helper()
	if complaint := complaintOf(t, lines...); !strings.Contains(complaint, culprit) || complaint == "" {
		t.Errorf("%q does not tell of %q", complaint, culprit)
	}
}

const oos = "out_of_stock"

func TestAShopInOrderIsAccepted(t *testing.T) {
	accepted(t,
		line{op: "receive", quantity: 3, from: 1, to: 2, outcome: "ok"},
		line{op: "reserve", quantity: 2, from: 3, to: 6, outcome: "ok", order: "a"},
		line{op: "reserve", quantity: 2, from: 4, to: 5, outcome: "fail", code: oos, order: "b"},
		line{op: "release", quantity: 2, from: 7, to: 8, outcome: "ok", order: "a"},
		line{op: "reserve", quantity: 3, from: 9, to: 10, outcome: "ok", order: "c"},
		line{op: "read", quantity: 0, from: 11, to: 12, outcome: "ok"})
}

func TestAnOversoldUnitIsRefused(t *testing.T) {
	refused(t, "oversold by 1 with the answer of 6 us: reserve 1 (ok) b",
		line{op: "receive", quantity: 1, from: 1, to: 2, outcome: "ok"},
		line{op: "reserve", quantity: 1, from: 3, to: 5, outcome: "ok", order: "a"},
		line{op: "reserve", quantity: 1, from: 3, to: 6, outcome: "ok", order: "b"})
}

func TestAReservationThatWasLostIsRefused(t *testing.T) {
	// The unit that was sold is there again, though nobody let it go.
	refused(t, "read 1 (ok)",
		line{op: "receive", quantity: 1, from: 1, to: 2, outcome: "ok"},
		line{op: "reserve", quantity: 1, from: 3, to: 4, outcome: "ok", order: "a"},
		line{op: "read", quantity: 1, from: 5, to: 6, outcome: "ok"})
}

func TestAReceiptThatWasLostIsRefused(t *testing.T) {
	refused(t, "reserve 1 (out_of_stock) a",
		line{op: "receive", quantity: 1, from: 1, to: 2, outcome: "ok"},
		line{op: "reserve", quantity: 1, from: 3, to: 4, outcome: "fail", code: oos, order: "a"})
}

func TestAStaleReadIsRefused(t *testing.T) {
	before := line{op: "receive", quantity: 5, from: 1, to: 4, outcome: "ok"}
	accepted(t, before, line{op: "read", quantity: 0, from: 2, to: 3, outcome: "ok"})
	refused(t, "read 0 (ok)", before, line{op: "read", quantity: 0, from: 5, to: 6, outcome: "ok"})
}

func TestAReleaseTakesPlaceAtAnyTimeAfterItWasAskedFor(t *testing.T) {
	sold := []line{
		{op: "receive", quantity: 1, from: 1, to: 2, outcome: "ok"},
		{op: "reserve", quantity: 1, from: 3, to: 4, outcome: "ok", order: "a"},
		{op: "release", quantity: 1, from: 5, to: 6, outcome: "ok", order: "a"},
	}
	accepted(t, append(sold,
		line{op: "reserve", quantity: 1, from: 7, to: 8, outcome: "fail", code: oos, order: "b"},
		line{op: "reserve", quantity: 1, from: 9, to: 10, outcome: "ok", order: "c"})...)
	refused(t, "reserve 1 (ok) d", append(sold,
		line{op: "reserve", quantity: 1, from: 9, to: 10, outcome: "ok", order: "c"},
		line{op: "reserve", quantity: 1, from: 11, to: 12, outcome: "ok", order: "d"})...)
}

func TestAReleaseOfWhatNobodyHoldsIsRefused(t *testing.T) {
	refused(t, "no order",
		line{op: "receive", quantity: 1, from: 1, to: 2, outcome: "ok"},
		line{op: "release", quantity: 1, from: 3, to: 4, outcome: "ok", order: "a"})
}

func TestAnUnknownPurchaseHappensOnceOrNever(t *testing.T) {
	one := line{op: "receive", quantity: 1, from: 1, to: 2, outcome: "ok"}
	unknown := line{op: "reserve", quantity: 1, from: 3, to: -1, outcome: "unknown"}
	// Never.
	accepted(t, one, unknown, line{op: "reserve", quantity: 1, from: 8, to: 9, outcome: "ok", order: "b"})
	// Once, and late.
	accepted(t, one, unknown,
		line{op: "read", quantity: 1, from: 5, to: 6, outcome: "ok"},
		line{op: "reserve", quantity: 1, from: 8, to: 9, outcome: "fail", code: oos, order: "b"})
	// Not twice: two units, one unknown, one sold, and nobody else who could have the rest.
	refused(t, "read 0 (ok)", line{op: "receive", quantity: 3, from: 1, to: 2, outcome: "ok"}, unknown,
		line{op: "reserve", quantity: 1, from: 4, to: 5, outcome: "ok", order: "b"},
		line{op: "read", quantity: 0, from: 8, to: 9, outcome: "ok"})
	// What it may have let go is no more than it took.
	refused(t, "reserve 1 (ok) c", one, unknown,
		line{op: "reserve", quantity: 1, from: 4, to: 5, outcome: "ok", order: "b"},
		line{op: "reserve", quantity: 1, from: 6, to: 7, outcome: "ok", order: "c"})
	// Nothing happens before it was asked for.
	refused(t, "out_of_stock", one,
		line{op: "reserve", quantity: 1, from: 3, to: 4, outcome: "fail", code: oos, order: "b"},
		line{op: "reserve", quantity: 1, from: 5, to: -1, outcome: "unknown"})
}

func TestADeclinedPaymentHoldsItsUnitsUntilItsOrderEnds(t *testing.T) {
	declined := []line{
		{op: "receive", quantity: 1, from: 1, to: 2, outcome: "ok"},
		{op: "reserve", quantity: 1, from: 3, to: 4, outcome: "ok", code: "payment_declined", order: "a"},
	}
	accepted(t, append(declined,
		line{op: "reserve", quantity: 1, from: 5, to: 6, outcome: "fail", code: oos, order: "b"},
		line{op: "reserve", quantity: 1, from: 7, to: 8, outcome: "ok", order: "c"})...)
	refused(t, "reserve 1 (ok) d", append(declined,
		line{op: "reserve", quantity: 1, from: 5, to: 6, outcome: "ok", order: "c"},
		line{op: "reserve", quantity: 1, from: 7, to: 8, outcome: "ok", order: "d"})...)
}

func TestRetriesUnderOneKeyAreOneOperation(t *testing.T) {
	one := line{op: "receive", quantity: 1, from: 1, to: 2, outcome: "ok"}
	unanswered := line{op: "reserve", quantity: 1, from: 3, to: -1, outcome: "unknown", key: "k"}
	accepted(t, one, unanswered,
		line{op: "reserve", quantity: 1, from: 6, to: 7, outcome: "fail", code: "overloaded", key: "k"},
		line{op: "reserve", quantity: 1, from: 8, to: 9, outcome: "ok", order: "a", key: "k"},
		line{op: "reserve", quantity: 1, from: 10, to: 11, outcome: "ok", order: "a", key: "k"},
		line{op: "reserve", quantity: 1, from: 12, to: 13, outcome: "fail", code: oos, order: "b"})
	refused(t, "two quantities", one, unanswered,
		line{op: "reserve", quantity: 2, from: 8, to: 9, outcome: "ok", order: "a", key: "k"})
}

func TestAnAdjustmentTakesWhatIsFreeAlone(t *testing.T) {
	two := line{op: "receive", quantity: 2, from: 1, to: 2, outcome: "ok"}
	accepted(t, two, line{op: "adjust", quantity: -2, from: 3, to: 4, outcome: "ok"})
	refused(t, "adjust -3 (ok)", two, line{op: "adjust", quantity: -3, from: 3, to: 4, outcome: "ok"})
	accepted(t, two, line{op: "adjust", quantity: -3, from: 3, to: 4, outcome: "fail", code: "stock_insufficient"})
}

func TestAKeyThatIsAnsweredInTwoWaysIsFound(t *testing.T) {
	for name, second := range map[string]line{
		"another outcome": {op: "command", outcome: "fail", code: "cart_not_open", order: "a"},
		"another order":   {op: "command", outcome: "ok", order: "b"},
	} {
		second.key, second.from, second.to = "k", 5, 6
		complaints, _ := judgeKeys(historyOf(t,
			line{op: "command", from: 1, to: 2, outcome: "ok", order: "a", key: "k"}, second))
		if len(complaints) != 1 || !strings.Contains(complaints[0], "key k was answered") {
			t.Errorf("%s: %q", name, complaints)
		}
	}
}

func TestAnAnswerOfOtherBytesIsFound(t *testing.T) {
	entries := historyOf(t,
		line{op: "command", from: 1, to: 2, outcome: "ok", order: "a", key: "k"},
		line{op: "command", from: 3, to: 4, outcome: "ok", order: "a", key: "k"})
	entries[0].Answer, entries[1].Answer = "f00d", "beef"
	if complaints, _ := judgeKeys(entries); len(complaints) != 1 {
		t.Errorf("%q", complaints)
	}
}

func TestWhatIsSaidOfOneRequestIsNotTheKeysAnswer(t *testing.T) {
	complaints, answered := judgeKeys(historyOf(t,
		line{op: "command", from: 1, to: 2, outcome: "fail", code: "overloaded", key: "k"},
		line{op: "command", from: 3, to: -1, outcome: "unknown", key: "k"},
		line{op: "command", from: 3, to: 4, outcome: "ok", order: "a", key: "k"},
		line{op: "command", from: 5, to: 6, outcome: "fail", code: "idempotency_key_reused", key: "k"}))
	if len(complaints) != 0 || answered != 1 {
		t.Errorf("%q, %d keys", complaints, answered)
	}
}

func TestALineThatIsNoOperationIsAnError(t *testing.T) {
	for _, text := range []string{
		"no JSON",
		`{"op": "steal", "outcome": "ok", "invoke_us": 1, "return_us": 2}`,
		`{"op": "reserve", "outcome": "maybe", "invoke_us": 1, "return_us": 2}`,
		`{"op": "reserve", "outcome": "ok", "invoke_us": 3, "return_us": 2}`,
	} {
		if _, err := readHistory(strings.NewReader(text)); err == nil {
			t.Errorf("accepted: %s", text)
		}
	}
}

// Ten thousand at once for a hundred units, as test_crowd.py has them: the search must not take long, either way.
func crowd(sold int) []*entry {
	second := int64(1_000_000)
	entries := []*entry{{Op: "receive", SKU: "TEA", Quantity: 100, Outcome: "ok", Invoke: 1, Return: &second}}
	for i := 0; i < 10_000; i++ {
		end := second + 1000 + int64(i*7919%100_000)
		one := &entry{Process: i, Op: "reserve", SKU: "TEA", Key: fmt.Sprint("k", i), Order: fmt.Sprint("o", i),
			Quantity: 1, Invoke: second + int64(i%100), Return: &end, Outcome: "fail", Code: oos}
		if i%(10_000/sold) == 0 {
			one.Outcome, one.Code = "ok", ""
		}
		entries = append(entries, one)
	}
	return entries
}

func TestACrowdIsJudgedInTime(t *testing.T) {
	for _, sold := range []int{100, 125} {
		found, err := stockOf(crowd(sold))
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		complaint := found["TEA"].judge(time.Minute, "")
		if (complaint == "") != (sold == 100) {
			t.Errorf("%d sold: %q", sold, complaint)
		}
		t.Logf("%d sold: judged in %s", sold, time.Since(begun))
	}
}

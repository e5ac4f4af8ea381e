package earnings

import (
	"bytes"
	"fmt"
	"reflect"
)

// Violation is an invariant that doesn't hold, and where.
type Violation struct {
	Invariant string `json:"invariant"` // "L1" to "L10", RELIABILITY.md
	Detail    string `json:"detail"`
}

func (v Violation) String() string { return v.Invariant + ": " + v.Detail }

// Check runs the ledger's invariants over all events anew and returns what doesn't
// hold. L9, the isolation of people, is the store's: its keys start with the person.
func (l *Ledger) Check() []Violation {
	var out []Violation
	bad := func(id, format string, args ...any) { out = append(out, Violation{id, fmt.Sprintf(format, args...)}) }

	sums := map[BalanceKey]int64{}
	purchases := map[string]*Purchase{}
	keys := map[string]string{}
	confirmed, passed := map[BalanceKey]int64{}, map[BalanceKey]int64{}
	hash := ""
	for i, e := range l.events {
		if e.Seq != uint64(i)+1 {
			bad("L3", "event %d stands at place %d", e.Seq, i+1)
		}
		// L7: the chain; L3 follows, since an event that was changed breaks it.
		if want := e.chainHash(hash); want != e.Hash {
			bad("L7", "event %d: hash %.8s, want %.8s", e.Seq, e.Hash, want)
		}
		hash = e.Hash
		// L4: one event per key, whose input is what it says.
		if in := e.inputHash(); in != e.Input {
			bad("L4", "event %d: its input doesn't have the hash it claims", e.Seq)
		}
		if other, twice := keys[e.Key]; twice {
			bad("L4", "event %d: key %q stands twice (%.8s)", e.Seq, e.Key, other)
		}
		keys[e.Key] = e.Input
		// L2: amounts in bounds, with a unit.
		if err := check(e); err != nil {
			bad("L2", "event %d: %v", e.Seq, err)
		}
		p := purchases[e.Purchase]
		if p == nil {
			p = &Purchase{ID: e.Purchase, Portal: e.Portal, For: ForPurchase}
		}
		// L5: legal steps only.
		next, err := nextState(p, e)
		if err != nil {
			bad("L5", "event %d: %v", e.Seq, err)
			continue
		}
		after := *p
		fold(&after, e, next)
		// L1: what an event moves sums to nothing in each unit.
		total := map[Unit]int64{}
		for _, m := range postings(*p, after) {
			total[m.Unit] += m.Minor
			sums[BalanceKey{m.Portal, m.Unit, m.Account}] += m.Minor
		}
		for u, v := range total {
			if v != 0 {
				bad("L1", "event %d: postings in %s sum to %d", e.Seq, u, v)
			}
		}
		// L10: what is passed on was confirmed before, and no more than that.
		if after.Amount != nil {
			k := BalanceKey{Portal: e.Portal, Unit: after.Amount.Unit}
			switch {
			case e.Kind == Confirmed:
				confirmed[k] += after.Amount.Minor
			case e.Kind == Payable && p.State == StateConfirmed:
				passed[k] += after.Amount.Minor
			case e.Kind == AmountChanged && p.State == StateConfirmed:
				confirmed[k] += after.Amount.Minor - p.Amount.Minor
			case e.Kind == AmountChanged && (p.State == StatePayable || p.State == StateRequested):
				confirmed[k] += after.Amount.Minor - p.Amount.Minor
				passed[k] += after.Amount.Minor - p.Amount.Minor
			}
		}
		purchases[e.Purchase] = &after
	}
	// L6: the balances kept are the fold.
	for k, v := range sums {
		if l.balances[k] != v {
			bad("L6", "%s %s %s: kept %d, events say %d", k.Portal, k.Unit, k.State, l.balances[k], v)
		}
	}
	for k, v := range l.balances {
		if v != 0 && sums[k] != v {
			bad("L6", "%s %s %s: kept %d, events say %d", k.Portal, k.Unit, k.State, v, sums[k])
		}
		if k.State != Outside && v < 0 {
			bad("L6", "%s %s %s: %d is below nothing", k.Portal, k.Unit, k.State, v)
		}
	}
	for k, v := range passed {
		if v > confirmed[k] {
			bad("L10", "%s %s: %d was passed on, %d was confirmed", k.Portal, k.Unit, v, confirmed[k])
		}
	}
	// L8: what is exported comes back the same, byte for byte.
	var first, second bytes.Buffer
	if err := WriteEvents(&first, l.events); err != nil {
		bad("L8", "export: %v", err)
	} else if back, err := ReadEvents(bytes.NewReader(first.Bytes())); err != nil {
		bad("L8", "import of the export: %v", err)
	} else if err := WriteEvents(&second, back.events); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		bad("L8", "the export of the import differs (%v)", err)
	} else if !reflect.DeepEqual(l.Balances(), back.Balances()) {
		bad("L8", "the import has other balances")
	}
	return out
}

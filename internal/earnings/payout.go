package earnings

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// PayoutKind is the kind of the documents that hold what arrived (Document.Kind); their
// names are the payouts' ids.
const PayoutKind = "payout"

// Arrival is what a portal paid: kept beside the lines, since it needn't be their sum.
type Arrival struct {
	ID     string    `json:"id"`
	Portal string    `json:"portal"`
	At     time.Time `json:"at"`
	// Arrived is the money, Gross what left the balance for it: more by a fee, less by
	// a bonus.
	Arrived Amount `json:"arrived"`
	Gross   Amount `json:"gross"`
	// Method is the way whose fee or bonus made the difference.
	Method string `json:"method,omitempty"`
	// GivenTo is the association that it went to.
	GivenTo string `json:"given_to,omitempty"`
	// Undone is when it was taken back, since it had been noted wrongly. What is kept of it
	// keeps its name from being given again.
	Undone time.Time `json:"undone,omitzero"`
}

// Document is how an arrival is kept.
func (a Arrival) Document() (Document, error) {
	switch {
	case a.ID == "" || len(a.ID) > MaxName || a.Portal == "":
		return Document{}, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "id"}, "a payout needs a portal and a name of at most %d bytes", MaxName)
	case a.Arrived.Minor <= 0 || a.Arrived.Minor > MaxMinor || a.Gross.Minor <= 0 || a.Gross.Minor > MaxMinor || a.Arrived.Unit != a.Gross.Unit:
		return Document{}, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "amount"}, "a payout needs an amount")
	}
	a.At = a.At.UTC()
	b, err := json.Marshal(a)
	return Document{Kind: PayoutKind, Name: a.ID, Body: b}, err
}

// PaidOut is a payout with the lines that it was for.
type PaidOut struct {
	Arrival
	// Known says that what arrived was noted; else Arrived and Gross are the lines' sum.
	Known bool `json:"known"`
	// Asked says that it was asked for and hasn't arrived.
	Asked bool       `json:"asked,omitempty"`
	Lines []Purchase `json:"lines"`
	// Sum is what the lines amount to, Rest what the payout covers beyond them.
	Sum  Amount `json:"sum"`
	Rest Amount `json:"rest"`
}

// PaidOuts are a person's payouts, the newest first, those that were taken back among them.
// Documents of other kinds are passed over, as is what can't be read.
func PaidOuts(b Book, documents []Document) []PaidOut {
	type place struct {
		portal, id string
		unit       Unit
	}
	at := map[place]int{}
	var out, undone []PaidOut
	for _, d := range documents {
		var a Arrival
		if d.Kind != PayoutKind || json.Unmarshal(d.Body, &a) != nil || a.ID != d.Name {
			continue
		}
		if !a.Undone.IsZero() {
			undone = append(undone, PaidOut{Arrival: a, Known: true, Sum: Amount{0, a.Gross.Unit}, Rest: Amount{0, a.Gross.Unit}})
			continue
		}
		at[place{a.Portal, a.ID, a.Gross.Unit}] = len(out)
		out = append(out, PaidOut{Arrival: a, Known: true, Sum: Amount{0, a.Gross.Unit}, Rest: Amount{0, a.Gross.Unit}})
	}
	for i := range b.Purchases {
		p := &b.Purchases[i]
		if p.Payout == "" || p.Amount == nil || p.State != StateRequested && p.State != StatePaid && p.State != StateDonated {
			continue
		}
		k := place{p.Portal, p.Payout, p.Amount.Unit}
		n, ok := at[k]
		if !ok {
			n = len(out)
			at[k] = n
			out = append(out, PaidOut{Arrival: Arrival{ID: p.Payout, Portal: p.Portal, At: p.Since[p.State], GivenTo: p.Donated}, Asked: p.State == StateRequested, Sum: Amount{0, p.Amount.Unit}, Rest: Amount{0, p.Amount.Unit}})
		}
		out[n].Lines = append(out[n].Lines, *p)
		out[n].Sum.Minor += p.Amount.Minor
	}
	for i := range out {
		x := &out[i]
		if !x.Known {
			x.Arrived, x.Gross = x.Sum, x.Sum
			continue
		}
		x.Rest.Minor = max(0, x.Gross.Minor-x.Sum.Minor)
	}
	out = append(out, undone...)
	slices.SortStableFunc(out, func(a, b PaidOut) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Portal, b.Portal), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Ahead is what a portal has paid beyond whole lines: the next payout's lines sum to that
// much more than it.
func Ahead(list []PaidOut, portal string, u Unit) int64 {
	var rest int64
	for _, x := range list {
		if x.Known && x.Undone.IsZero() && x.Portal == portal && x.Gross.Unit == u {
			rest += x.Gross.Minor - x.Sum.Minor
		}
	}
	return max(0, rest)
}

// FreeName is the name, or one made of it, that no payout has or had: under a name that is
// known nothing is noted again.
func FreeName(list []PaidOut, name string) string {
	for n, try := 2, name; ; n++ {
		if !slices.ContainsFunc(list, func(x PaidOut) bool { return x.ID == try && !x.Asked }) {
			return try
		}
		try = name + " " + strconv.Itoa(n)
	}
}

// UndoPayout are the events that take a payout back which was noted wrongly, and the
// document that is kept of it then, if there was one. Its lines are payable as before, or asked for again where they had been
// asked for before it was noted. Lines that have moved on since stay where they are.
func (l *Ledger) UndoPayout(x PaidOut, at time.Time) (events []Event, documents []Document, err error) {
	for i := range x.Lines {
		p := l.purchases[x.Lines[i].ID]
		if p == nil {
			return nil, nil, cashback.Errorf(cashback.NotFound, "there is no purchase %.50q", x.Lines[i].ID)
		}
		last := strconv.FormatUint(p.Events[len(p.Events)-1], 10)
		event := func(k EventKind, payout string) Event {
			return Event{Kind: k, At: at, Purchase: p.ID, Portal: p.Portal, Payout: payout, Source: "payout:" + payout, Key: "undo:" + last + ":" + string(k)}
		}
		out := []Event{event(PayoutUndone, x.ID)}
		if asked, ok := l.askedFor(p); ok && !x.Asked {
			again := event(PayoutRequested, asked.Payout)
			again.At = asked.At
			out = append(out, again)
		}
		sim := *p
		for _, e := range out {
			if sim, _, err = Apply(&sim, e); err != nil {
				return nil, nil, err
			}
		}
		events = append(events, out...)
	}
	if !x.Known {
		return events, nil, nil
	}
	kept := x.Arrival
	kept.Undone = at.UTC()
	d, err := kept.Document()
	return events, []Document{d}, err
}

// askedFor is the event by which a line was last asked for, if that was an event of its own
// and not a step that its payout implied.
func (l *Ledger) askedFor(p *Purchase) (asked Event, ok bool) {
	for _, n := range p.Events {
		switch e := l.events[n-1]; e.Kind {
		case PayoutRequested:
			asked, ok = e, !e.Implied
		case Payable, PayoutUndone:
			ok = false
		}
	}
	return asked, ok
}

// Payout are the events that note a payout for lines: asked for where it wasn't yet, and
// paid, or given to an association. Its id names the payout, such as the portal's own; a
// payout that is noted again under its id does nothing.
//
// Errors: NotFound for a purchase that isn't there; Invalid for one that can't be paid.
func (b *Book) Payout(id string, purchases []string, at time.Time, givenTo string) ([]Event, error) {
	kind, to := Paid, StatePaid
	if givenTo != "" {
		kind, to = Donation, StateDonated
	}
	var out []Event
	for _, name := range purchases {
		p := b.purchase(name)
		if p == nil {
			return nil, cashback.Errorf(cashback.NotFound, "there is no purchase %.50q", name)
		}
		if p.State == to && p.Payout == id {
			continue // noted before
		}
		kinds := []EventKind{kind}
		if kind == Paid && p.State != StateRequested {
			kinds = []EventKind{PayoutRequested, Paid}
		}
		sim := *p
		for i, k := range kinds {
			e := Event{
				Kind: k, At: at, Purchase: name, Portal: p.Portal, Payout: id, Source: "payout:" + id, Implied: i < len(kinds)-1,
				Key: "payout:" + id + ":" + name + ":" + string(k),
			}
			if k == Donation {
				e.Note = givenTo
			}
			after, _, err := Apply(&sim, e)
			if err != nil {
				return nil, err
			}
			sim = after
			out = append(out, e)
		}
	}
	return out, nil
}

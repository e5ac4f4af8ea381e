package earnings

import (
	"cmp"
	"encoding/json"
	"slices"
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

// PaidOuts are a person's payouts, the newest first. Documents of other kinds are passed
// over, as is what can't be read.
func PaidOuts(b Book, documents []Document) []PaidOut {
	type place struct {
		portal, id string
		unit       Unit
	}
	at := map[place]int{}
	var out []PaidOut
	for _, d := range documents {
		var a Arrival
		if d.Kind != PayoutKind || json.Unmarshal(d.Body, &a) != nil || a.ID != d.Name {
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
		if x.Known && x.Portal == portal && x.Gross.Unit == u {
			rest += x.Gross.Minor - x.Sum.Minor
		}
	}
	return max(0, rest)
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

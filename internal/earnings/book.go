package earnings

import (
	"slices"
	"time"
)

// Book is what a person's events have come to: the purchases and the balances, which
// the store keeps beside the events (L6), so that nothing is folded to look at them.
type Book struct {
	// Purchases in order of their first events.
	Purchases []Purchase
	Balances  []Balance
	// Head is the number of the last event, for who writes what was decided by this.
	Head uint64
}

// Book is the ledger as it stands.
func (l *Ledger) Book() Book {
	return Book{Purchases: l.Purchases(), Balances: l.Balances(), Head: uint64(len(l.events))}
}

// purchase is the one of that id; nil where there is none.
func (b *Book) purchase(id string) *Purchase {
	if i := slices.IndexFunc(b.Purchases, func(p Purchase) bool { return p.ID == id }); i >= 0 {
		return &b.Purchases[i]
	}
	return nil
}

// useStates are entered by something that the shopper, or the portal for them, does
// there; that a shop agrees or refuses, or a claim is answered, is no use.
var useStates = []State{StateClicked, StateExpected, StateTracked, StateRequested, StatePaid, StateDonated}

// used is the last moment at which anything was done at each portal.
func (b *Book) used() map[string]time.Time {
	out := map[string]time.Time{}
	for i := range b.Purchases {
		p := &b.Purchases[i]
		last := out[p.Portal]
		for _, s := range useStates {
			if at := p.Since[s]; at.After(last) {
				last = at
			}
		}
		out[p.Portal] = last
	}
	return out
}

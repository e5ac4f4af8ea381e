package store

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// Known is what watching a person's money needs to know, read when it is asked for: of
// ten thousand events only those of the few cases that are open.
type Known struct {
	earnings.Facts
	// Portals are all, also those that aren't shown any more: purchases outlive them.
	Portals map[string]cashback.Portal

	ctx   context.Context
	l     *Ledgers
	user  account.UserID
	rates map[cashback.MerchantID][]cashback.RatePoint
	err   error
}

// Known prepares the facts about a person's purchases, but for VAT and the words of
// rules, which other rooms know. It is for one look, by one goroutine, within ctx.
func (l *Ledgers) Known(ctx context.Context, user account.UserID) (*Known, error) {
	list, err := l.store.As(Operator).Portals(ctx)
	if err != nil {
		return nil, err
	}
	k := &Known{
		Portals: make(map[string]cashback.Portal, len(list)), ctx: ctx, l: l, user: user,
		rates: map[cashback.MerchantID][]cashback.RatePoint{},
	}
	for _, p := range list {
		k.Portals[p.ID] = p.Portal
	}
	k.Facts = earnings.Facts{
		Portal: func(id string) (cashback.Portal, bool) { p, ok := k.Portals[id]; return p, ok },
		Terms:  k.frozen, Events: k.eventsOf, Rates: k.shown,
	}
	documents, err := l.Documents(ctx, user, earnings.PortalKind)
	if err != nil {
		return nil, err
	}
	for _, p := range earnings.OwnPortals(documents) {
		k.Portals[p.ID] = p
	}
	aside, err := l.Aside(ctx, user)
	if err != nil {
		return nil, err
	}
	if len(aside) > 0 {
		k.Aside = func(id string) bool { return slices.Contains(aside, id) }
	}
	return k, nil
}

// Err is the first error of the disk that a fact has met; what isn't there, or proves
// nothing because it doesn't have its hash, is no error.
func (k *Known) Err() error { return k.err }

func (k *Known) met(err error) {
	if err != nil && cashback.KindOf(err) != cashback.NotFound && cashback.KindOf(err) != cashback.Invalid {
		k.err = errors.Join(k.err, err)
	}
}

func (k *Known) frozen(hash string) (earnings.Terms, bool) {
	if t := k.l.store.frozen.get(k.user, hash); t != nil {
		return *t, true
	}
	e, err := k.l.Evidence(k.ctx, k.user, hash)
	if err == nil {
		var t earnings.Terms
		if t, err = e.Terms(); err == nil {
			k.l.store.frozen.put(k.user, hash, &t)
			return t, true
		}
	}
	k.met(err)
	return earnings.Terms{}, false
}

// termsRead keeps terms that were read and held to their hashes, each person's own. Who
// looks at their money looks again, and reading the documents is most of what it costs.
type termsRead struct {
	mu sync.Mutex
	of map[account.UserID]map[string]*earnings.Terms
	n  int
}

// maxTermsRead is how many terms are kept: some 6 KB each. When there are more, all go.
const maxTermsRead = 2000

func (r *termsRead) get(u account.UserID, hash string) *earnings.Terms {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[u][hash]
}

func (r *termsRead) put(u account.UserID, hash string, t *earnings.Terms) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil || r.n >= maxTermsRead {
		r.of, r.n = map[account.UserID]map[string]*earnings.Terms{}, 0
	}
	if r.of[u] == nil {
		r.of[u] = map[string]*earnings.Terms{}
	}
	if r.of[u][hash] == nil {
		r.n++
	}
	r.of[u][hash] = t
}

// forget drops what is a person's.
func (r *termsRead) forget(u account.UserID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n -= len(r.of[u])
	delete(r.of, u)
}

func (k *Known) eventsOf(p earnings.Purchase) []earnings.Event {
	_, events, err := k.l.Purchase(k.ctx, k.user, p.ID)
	k.met(err)
	return events
}

// shown are the rates of a purchase's shop at its portal.
func (k *Known) shown(p earnings.Purchase) (out []cashback.RatePoint) {
	if p.Merchant == 0 {
		return nil
	}
	all, read := k.rates[p.Merchant]
	if !read {
		var err error
		all, err = k.l.store.As(Operator).History(k.ctx, p.Merchant, p.Bought.AddDate(0, -1, 0))
		k.met(err)
		k.rates[p.Merchant] = all
	}
	for _, x := range all {
		if x.Portal == p.Portal {
			out = append(out, x)
		}
	}
	return out
}

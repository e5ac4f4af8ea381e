package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/view"
)

// shelf is what every answer needs of the portals, read once for each change.
type shelf struct {
	change    uint64
	byID      map[string]*store.Portal
	all       []*store.Portal // by name
	countries []cashback.Country
}

// shelf returns the public portals as of a change, or later.
func (s *Server) shelf(ctx context.Context, change uint64) (*shelf, error) {
	if sh := s.shelves.Load(); sh != nil && sh.change >= change {
		return sh, nil
	}
	sh := &shelf{change: s.truth.LastChange(), byID: map[string]*store.Portal{}}
	portals, err := s.truth.Portals(ctx)
	if err != nil {
		return nil, err
	}
	for i := range portals {
		p := &portals[i]
		sh.byID[p.ID] = p
		sh.all = append(sh.all, p)
		for _, c := range p.Countries {
			if !slices.Contains(sh.countries, c) {
				sh.countries = append(sh.countries, c)
			}
		}
	}
	slices.Sort(sh.countries)
	slices.SortFunc(sh.all, func(a, b *store.Portal) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	s.shelves.Store(sh)
	return sh, nil
}

// staleAfter is when a portal's data, or an offer, no longer counts (RANKING.md).
const staleAfter = 14 * 24 * time.Hour

func portalView(p *store.Portal, now time.Time) view.Portal {
	v := view.Portal{
		ID: p.ID, Name: p.Name, Homepage: p.Homepage, Countries: p.Countries, Languages: p.Languages, Currency: p.Currency,
		Facts: p.Facts, Offers: p.Offers, WithRate: p.WithRate, Health: p.Health.State, ReadAt: p.Health.LastGoodAt,
	}
	v.Stale = v.ReadAt.IsZero() || now.Sub(v.ReadAt) > staleAfter
	return v
}

// settle says how a portal pays out.
func settle(p *store.Portal) view.Settle {
	v := view.Settle{Portal: p.ID, Name: p.Name, Currency: p.Currency, Frequency: cashback.FrequencyUnknown, Methods: []cashback.PayoutMethod{}}
	if f := p.Facts.Payout; f != nil {
		v.Known = true
		v.Frequency = cmp.Or(f.Value.Frequency, cashback.FrequencyUnknown)
		v.Source, v.AsOf = f.Origin.Source, f.Origin.AsOf
		if f.Value.Methods != nil {
			v.Methods = f.Value.Methods
		}
	}
	return v
}

// offersOf reads a merchant's public offers, one of each portal: a portal that lists
// a shop twice is taken by the entry that was read last; of two read together, by
// the one that came later, as the store lists them by age.
func (s *Server) offersOf(ctx context.Context, id cashback.MerchantID) ([]cashback.Offer, error) {
	all, err := s.truth.Offers(ctx, id)
	if err != nil {
		return nil, err
	}
	one := all[:0:0]
	for _, o := range all {
		at := slices.IndexFunc(one, func(x cashback.Offer) bool { return x.Receipt.Portal == o.Receipt.Portal })
		switch {
		case at < 0:
			one = append(one, o)
		case better(o, one[at]):
			one[at] = o
		}
	}
	return one, nil
}

// better says which of two entries of one portal stands for the shop: one that pays
// before one that doesn't, then the younger reading.
func better(a, b cashback.Offer) bool {
	if a.Kind.Pays() != b.Kind.Pays() {
		return a.Kind.Pays()
	}
	return a.Receipt.ReadAt.After(b.Receipt.ReadAt)
}

func merchantView(m cashback.Merchant, portals int) view.Merchant {
	return view.Merchant{ID: m.ID, Name: m.Name, Slug: m.Slug, Country: m.Country, Domain: m.Domain, Category: m.Category, Portals: portals}
}

func serves(p *store.Portal, c cashback.Country) bool { return slices.Contains(p.Countries, c) }

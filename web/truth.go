package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/internal/schedule"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/view"
)

// portal is a portal with what is worked out of it once for each change.
type portal struct {
	store.Portal
	// terms are its facts as the ranking takes them; pays is how it settles, as pages
	// show it.
	terms rank.Portal
	pays  view.Settle
	// home is where its homepage is: the only site that its links may lead to.
	home home
	// late is the age from which what it says is older than twice what its schedule
	// promises.
	late time.Duration
}

func newPortal(p store.Portal) *portal {
	return &portal{Portal: p, terms: rank.PortalOf(p.Portal), pays: settle(&p), home: homeOf(p.Homepage), late: lateUnplanned}
}

// lateUnplanned is when a reading counts as late where nothing is planned: half of what
// it may be old.
const lateUnplanned = 7 * 24 * time.Hour

// lateAfter is when a reading counts as late under a plan (CRAWLING.md, section 3). A
// plan's promise is worked out once.
func (s *Server) lateAfter(p schedule.Plan) time.Duration {
	if p == (schedule.Plan{}) {
		return lateUnplanned
	}
	if known, ok := s.promises.Load(p); ok {
		return known.(time.Duration)
	}
	after := 2 * p.Age()
	s.promises.Store(p, after)
	return after
}

// shelf is what every answer needs of the portals, read once for each change.
type shelf struct {
	change    uint64
	byID      map[string]*portal
	all       []*portal // by name
	countries []cashback.Country
	// currencies are those that the portals pay in.
	currencies []cashback.Currency
}

// shelf returns the public portals as of a change, or later.
func (s *Server) shelf(ctx context.Context, change uint64) (*shelf, error) {
	if sh := s.shelves.Load(); sh != nil && sh.change >= change {
		return sh, nil
	}
	sh := &shelf{change: s.truth.LastChange(), byID: map[string]*portal{}}
	portals, err := s.truth.Portals(ctx)
	if err != nil {
		return nil, err
	}
	jobs, err := s.Store.Jobs(ctx)
	if err != nil {
		return nil, err
	}
	plans := make(map[string]schedule.Plan, len(jobs))
	for i := range jobs {
		plans[jobs[i].Portal] = jobs[i].Plan
	}
	for i := range portals {
		p := newPortal(portals[i])
		p.late = s.lateAfter(plans[p.ID])
		sh.byID[p.ID] = p
		sh.all = append(sh.all, p)
		if !slices.Contains(sh.currencies, p.Currency) {
			sh.currencies = append(sh.currencies, p.Currency)
		}
		for _, c := range p.Countries {
			if !slices.Contains(sh.countries, c) {
				sh.countries = append(sh.countries, c)
			}
		}
	}
	slices.Sort(sh.countries)
	slices.Sort(sh.currencies)
	slices.SortFunc(sh.all, func(a, b *portal) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	s.shelves.Store(sh)
	return sh, nil
}

// staleAfter is when a portal's data, or an offer, no longer counts (RANKING.md).
const (
	staleDays  = 14
	staleAfter = staleDays * 24 * time.Hour
)

func portalView(p *portal, now time.Time) view.Portal {
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

// listing is what one portal lists for a shop: one entry, or several where the portal
// lists the shop more than once, the one that stands for them first.
type listing []cashback.Offer

// shopOf reads a merchant, or the one that its id leads to, with what each portal
// lists for it.
func (s *Server) shopOf(ctx context.Context, id cashback.MerchantID) (cashback.Merchant, []listing, error) {
	m, offers, err := s.truth.Shop(ctx, id)
	if err != nil {
		return m, nil, err
	}
	var all []listing
	for _, o := range offers {
		at := slices.IndexFunc(all, func(l listing) bool { return l[0].Receipt.Portal == o.Receipt.Portal })
		if at < 0 {
			all = append(all, listing{o})
		} else {
			all[at] = append(all[at], o)
		}
	}
	for _, l := range all {
		slices.SortStableFunc(l, func(a, b cashback.Offer) int {
			return cmp.Or(-compareBool(a.Kind.Pays(), b.Kind.Pays()), -compareBool(a.Status == cashback.OK, b.Status == cashback.OK), b.Receipt.ReadAt.Compare(a.Receipt.ReadAt))
		})
	}
	return m, all, nil
}

// compareBool puts false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func merchantView(m cashback.Merchant, portals int) view.Merchant {
	return view.Merchant{ID: m.ID, Name: m.Name, Slug: m.Slug, Country: m.Country, Domain: m.Domain, Category: m.Category, Portals: portals}
}

func serves(p *portal, c cashback.Country) bool { return slices.Contains(p.Countries, c) }

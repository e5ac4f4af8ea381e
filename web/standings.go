package web

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
)

// standings follow the stored truth: what each portal's offers are worth to a new
// shopper (RANKING.md, "Portal score"), and how the portals of each country compare
// by it. A value is computed when its portal publishes, never for a request.
type standings struct {
	now atomic.Pointer[standing]
	// followed says that Follow keeps them up to date; without it, whoever asks does.
	followed atomic.Bool

	updating  sync.Mutex // guards what is below
	worth     map[string]map[cashback.MerchantID]int64
	countries map[cashback.MerchantID]cashback.Country
}

// standing is one immutable state of the standings.
type standing struct {
	change uint64
	day    cashback.Date
	rivals map[cashback.Country]*rivals
}

// rivals are a country's portals side by side.
type rivals struct {
	*rank.Standings
	portals  []*portal // in the order of the scores, which is that of their names
	currency cashback.Currency
}

// at is the place of a portal among the scores, -1 where it isn't one of them. The
// standings may be a moment behind: a portal of which something else may be shown since
// then has no place until they have followed, so that a take-down works at once.
func (f *rivals) at(now *portal) int {
	return slices.IndexFunc(f.portals, func(p *portal) bool { return p.ID == now.ID && p.Publication == now.Publication })
}

// Pace of Follow: changes that come together are taken together, a failure is
// tried again, and a new day makes some offers stale.
const (
	gatherStandings = 300 * time.Millisecond
	retryStandings  = 10 * time.Second
	renewStandings  = 10 * time.Minute
)

// Follow keeps the portals' standings up to date until its context ends, so that no
// request waits for them. Whoever calls it owns it.
func (s *Server) Follow(ctx context.Context) error {
	s.standings.followed.Store(true)
	defer s.standings.followed.Store(false)
	for ctx.Err() == nil {
		wait := renewStandings
		st, err := s.update(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("the portals' standings can't be brought up to date", "error", err)
			wait = retryStandings
		}
		short, cancel := context.WithTimeout(ctx, wait)
		if err != nil {
			<-short.Done()
		} else if s.truth.Wait(short, st.change) == nil {
			gather, done := context.WithTimeout(ctx, gatherStandings)
			<-gather.Done()
			done()
		}
		cancel()
	}
	return nil
}

// standing returns the standings: as they are where somebody keeps them up to date,
// brought up to date where nobody does.
func (s *Server) standing(ctx context.Context) (*standing, error) {
	st := s.standings.now.Load()
	if st != nil && (s.standings.followed.Load() || st.change >= s.truth.LastChange() && st.day == s.today()) {
		return st, nil
	}
	return s.update(ctx)
}

// today is the day that answers are about.
func (s *Server) today() cashback.Date {
	if !s.AsOf.IsZero() {
		return cashback.DateOf(s.AsOf.In(s.Zone))
	}
	return cashback.DateOf(s.Now().In(s.Zone))
}

// update brings the standings up to the last change.
func (s *Server) update(ctx context.Context) (*standing, error) {
	k := &s.standings
	k.updating.Lock()
	defer k.updating.Unlock()
	was := k.now.Load()
	next := &standing{change: s.truth.LastChange(), day: s.today(), rivals: map[cashback.Country]*rivals{}}
	if was != nil && was.change >= next.change && was.day == next.day {
		return was, nil
	}
	sh, err := s.shelf(ctx, next.change)
	if err != nil {
		return nil, err
	}
	touched, all := map[string]bool{}, was == nil || was.day != next.day
	for after := uint64(0); !all; {
		if after == 0 {
			after = was.change
		}
		changes, to, err := s.truth.Changes(ctx, after, recentChanges)
		if cashback.KindOf(err) == cashback.Conflict && err != nil {
			all = true // they aren't kept any more
			break
		}
		if err != nil {
			return nil, err
		}
		for i := range changes {
			touched[changes[i].Portal] = true
		}
		if to <= after {
			break
		}
		after = to
	}
	if all || k.worth == nil {
		all, k.worth, k.countries = true, map[string]map[cashback.MerchantID]int64{}, map[cashback.MerchantID]cashback.Country{}
	}
	for _, p := range sh.all {
		if !all && !touched[p.ID] && k.worth[p.ID] != nil {
			continue
		}
		if k.worth[p.ID], err = s.worthOf(ctx, p, next.day); err != nil {
			return nil, err
		}
	}
	for _, c := range sh.countries {
		if next.rivals[c], err = s.compare(sh, c); err != nil {
			return nil, err
		}
	}
	k.now.Store(next)
	return next, nil
}

// worthOf values a portal's offers for a new shopper, by shop.
func (s *Server) worthOf(ctx context.Context, p *portal, day cashback.Date) (map[cashback.MerchantID]int64, error) {
	offers, err := s.truth.PortalOffers(ctx, p.ID)
	if cashback.KindOf(err) == cashback.NotFound && err != nil {
		return nil, nil // taken down since the shelf was read
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(offers, func(a, b cashback.Offer) int { return cmp.Compare(a.Merchant, b.Merchant) })
	out := map[cashback.MerchantID]int64{}
	for len(offers) > 0 {
		n := 1
		for n < len(offers) && offers[n].Merchant == offers[0].Merchant {
			n++
		}
		of := offers[:n]
		offers = offers[n:]
		id := of[0].Merchant
		of = slices.DeleteFunc(slices.Clone(of), func(o cashback.Offer) bool { return !o.Kind.Pays() })
		if id == 0 || len(of) == 0 {
			continue
		}
		country, known := s.standings.countries[id]
		if !known {
			m, err := s.truth.Merchant(ctx, id)
			if err != nil || m.ID != id {
				continue // merged since; its new offers are a change of their own
			}
			country = m.Country
			s.standings.countries[id] = country
		}
		value, err := rank.NewShopper(p.terms, rank.OfferOf(of...), day, country, s.currencyOfCountry(country), s.rates, s.vat)
		if err != nil {
			return nil, err
		}
		out[id] = value
	}
	return out, nil
}

// compare puts a country's portals side by side.
func (s *Server) compare(sh *shelf, country cashback.Country) (*rivals, error) {
	f := &rivals{currency: s.currencyOfCountry(country)}
	in := rank.Comparison{Currency: f.currency, Rates: s.rates}
	for _, p := range sh.all {
		if !serves(p, country) {
			continue
		}
		for id, value := range s.standings.worth[p.ID] {
			if s.standings.countries[id] == country {
				in.Listings = append(in.Listings, rank.Listing{Merchant: id, Portal: len(f.portals), Value: value})
			}
		}
		f.portals = append(f.portals, p)
		in.Portals = append(in.Portals, p.Portal.Portal)
	}
	var err error
	f.Standings, err = rank.Compare(in)
	return f, err
}

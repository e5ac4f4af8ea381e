package index

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// memory is a Source in memory, with the store's rules.
type memory struct {
	mu       sync.Mutex
	portals  []cashback.Portal
	shops    map[cashback.MerchantID]Shop
	changes  []cashback.Change
	earliest uint64 // changes below it aren't kept
	last     uint64
	fail     error // of every method
	reads    int   // of single shops
}

func newMemory() *memory {
	return &memory{shops: map[cashback.MerchantID]Shop{}, earliest: 1}
}

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func (m *memory) change(c cashback.Change) {
	m.last++
	c.Number, c.At = m.last, noon.Add(time.Duration(m.last)*time.Second)
	m.changes = append(m.changes, c)
}

func (m *memory) setPortals(list ...cashback.Portal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.portals = list
	for _, p := range list {
		m.change(cashback.Change{Kind: cashback.PortalChanged, Portal: p.ID})
	}
}

// set puts a merchant with its offers, as one publication does.
func (m *memory) set(s Shop) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, had := m.shops[s.Merchant.ID]
	for i := range s.Offers {
		s.Offers[i].Merchant = s.Merchant.ID
	}
	m.shops[s.Merchant.ID] = s
	if !had || !sameNames(&old.Merchant, &s.Merchant) || old.Merchant.Country != s.Merchant.Country {
		m.change(cashback.Change{Kind: cashback.MerchantChanged, Merchant: s.Merchant.ID})
	}
	for i := range s.Offers {
		m.change(cashback.Change{Kind: cashback.OfferChanged, Merchant: s.Merchant.ID, Portal: s.Offers[i].Receipt.Portal, After: &s.Offers[i]})
	}
	if len(s.Offers) == 0 && len(old.Offers) > 0 {
		m.change(cashback.Change{Kind: cashback.OfferRemoved, Merchant: s.Merchant.ID, Portal: old.Offers[0].Receipt.Portal, Before: &old.Offers[0]})
	}
}

func (m *memory) remove(id cashback.MerchantID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.shops, id)
	m.change(cashback.Change{Kind: cashback.MerchantChanged, Merchant: id})
}

// confirm moves the time of every offer of a portal, and says so with one change.
func (m *memory) confirm(portal string, to time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, s := range m.shops {
		s.Offers = slices.Clone(s.Offers)
		for i := range s.Offers {
			if s.Offers[i].Receipt.Portal == portal {
				s.Offers[i].Receipt.ReadAt = to
			}
		}
		m.shops[id] = s
	}
	m.change(cashback.Change{Kind: cashback.PortalChecked, Portal: portal})
}

// trim forgets every change so far.
func (m *memory) trim() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes, m.earliest = nil, m.last+1
}

func (m *memory) failing(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func (m *memory) LastChange(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, m.fail
}

func (m *memory) Changes(_ context.Context, after uint64, limit int) ([]cashback.Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	if after+1 < m.earliest {
		return nil, cashback.Errorf(cashback.Conflict, "changes are kept from number %d on", m.earliest)
	}
	i := int(after + 1 - m.earliest)
	if i >= len(m.changes) {
		return nil, nil
	}
	return slices.Clone(m.changes[i:min(len(m.changes), i+limit)]), nil
}

func (m *memory) Portals(context.Context) ([]cashback.Portal, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.portals), m.fail
}

func (m *memory) EachShop(_ context.Context, f func(Shop) error) error {
	m.mu.Lock()
	ids := slices.Sorted(maps.Keys(m.shops))
	err := m.fail
	m.mu.Unlock()
	if err != nil {
		return err
	}
	for _, id := range ids {
		m.mu.Lock()
		s, ok := m.shops[id]
		m.mu.Unlock()
		if ok {
			if err := f(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) Shop(_ context.Context, id cashback.MerchantID) (Shop, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	s, ok := m.shops[id]
	return s, ok, m.fail
}

func (m *memory) Readings(_ context.Context, portal string) (out []Reading, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, s := range m.shops {
		for _, o := range s.Offers {
			if o.Receipt.Portal == portal {
				out = append(out, Reading{id, o.Entry.Key, o.Receipt.ReadAt})
			}
		}
	}
	slices.SortFunc(out, func(a, b Reading) int {
		return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.Key, b.Key))
	})
	return out, m.fail
}

// merchant makes a merchant of a name, a country and a domain.
func merchant(id int, name, country, domain string, aliases ...string) cashback.Merchant {
	return cashback.Merchant{
		ID: cashback.MerchantID(id), Name: name, Slug: fmt.Sprintf("%s-%d", glue(fold(name)), id), Country: cashback.Country(country),
		Domain: domain, Aliases: aliases,
	}
}

// percent makes an offer of one rate.
func percent(portal, rate string) cashback.Offer {
	return cashback.Offer{
		Kind: cashback.Percent, Status: cashback.OK,
		Tiers:   []cashback.Tier{{Components: []cashback.Component{{Kind: cashback.Percent, Value: decimal.MustParse(rate)}}}},
		Receipt: cashback.Receipt{Portal: portal, ReadAt: noon},
	}
}

func portal(id string, mode cashback.Publication) cashback.Portal {
	return cashback.Portal{ID: id, Name: id, Countries: []cashback.Country{"FR"}, Currency: "EUR", Publication: mode}
}

// opened opens an index with short waits. Its clock stands still at the day on which
// the offers were read.
func opened(t testing.TB, dir string, s Source) *Index {
	t.Helper()
	x, err := Open(t.Context(), dir, s, Options{
		Now: func() time.Time { return noon.Add(time.Hour) }, Gather: time.Millisecond, Rest: time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// indexed is opened, run until it is ready, and stopped at the end of the test.
func indexed(t testing.TB, dir string, s Source) *Index {
	t.Helper()
	x := opened(t, dir, s)
	running(t, x)
	ready(t, x, s)
	return x
}

func running(t testing.TB, x *Index) {
	done := make(chan error, 1)
	go func() { done <- x.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := errors2(x.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
}

func errors2(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// ready waits until the index has everything.
func ready(t testing.TB, x *Index, s Source) {
	t.Helper()
	eventually(t, func() bool {
		last, err := s.LastChange(t.Context())
		st := x.Ready()
		return err == nil && st.Ready && st.Applied == last
	}, func() string { return fmt.Sprintf("the index isn't ready: %+v", x.Ready()) })
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t testing.TB, is func() bool, what func() string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); {
		if time.Now().After(end) {
			t.Fatal(what())
		}
		time.Sleep(time.Millisecond)
	}
}

// generated fills a source with shops of made-up names, on n portals, offers at a
// time.
func generated(shops, offers int, seed uint64) *memory {
	m := newMemory()
	r := rand.New(rand.NewPCG(seed, 1))
	currencies := []cashback.Currency{"EUR", "EUR", "GBP", "USD"}
	countries := []string{"FR", "DE", "GB", "US"}
	for i := range 90 {
		p := portal(fmt.Sprintf("portal-%02d", i), cashback.Public)
		p.Currency = currencies[i%len(currencies)]
		p.Countries = []cashback.Country{cashback.Country(countries[i%len(countries)])}
		pay := cashback.Payout{Frequency: frequencies[r.IntN(len(frequencies))], Methods: []cashback.PayoutMethod{}}
		for range 1 + r.IntN(3) {
			pay.Methods = append(pay.Methods, cashback.PayoutMethod{
				Kind: methods[r.IntN(8)], Minimum: cashback.Some(decimal.MustNew(int64(r.IntN(6)*5), 0)),
			})
		}
		p.Facts.Payout = &cashback.Fact[cashback.Payout]{Value: pay}
		p.Facts.PointValues = &cashback.Fact[map[string]cashback.Decimal]{Value: map[string]cashback.Decimal{"points": decimal.MustParse("0.005")}}
		m.portals = append(m.portals, p)
	}
	cats := []string{"fashion", "travel", "electronics", "home", "beauty", "food", "sports", "toys", "garden", "books"}
	for i := range shops {
		name := madeUp(r)
		s := Shop{Merchant: merchant(i+1, name, countries[r.IntN(len(countries))], glue(fold(name))+".com")}
		s.Merchant.Category = cats[r.IntN(len(cats))]
		if r.IntN(3) == 0 {
			s.Merchant.Aliases = []string{madeUp(r)}
		}
		n := offers / shops
		at0 := r.IntN(90)
		for k := range n {
			o := percent(m.portals[(at0+k*7)%90].ID, decimal.MustNew(int64(50+r.IntN(1500)), 2).String())
			switch r.IntN(10) {
			case 0:
				o.Tiers[0].UpTo = true
			case 1:
				c := &o.Tiers[0].Components[0]
				o.Kind, c.Kind, c.Currency = cashback.Fixed, cashback.Fixed, m.portals[(at0+k*7)%90].Currency
			case 2:
				c := &o.Tiers[0].Components[0]
				o.Kind, c.Kind, c.Currency, c.PointsCurrency = cashback.PointsPerUnit, cashback.PointsPerUnit, m.portals[(at0+k*7)%90].Currency, "points"
			}
			o.Merchant = s.Merchant.ID
			s.Offers = append(s.Offers, o)
		}
		m.shops[s.Merchant.ID] = s
	}
	m.change(cashback.Change{Kind: cashback.PortalChanged, Portal: "portal-00"})
	return m
}

// madeUp makes a name of syllables that can be pronounced: some hundred thousands.
func madeUp(r *rand.Rand) string {
	heads := []string{"b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "ch", "cl", "dr", "fl", "gr", "pl", "pr", "st", "tr", ""}
	hearts := []string{"a", "e", "i", "o", "u", "é", "ou", "ai", "ü", "y"}
	tails := []string{"", "", "", "l", "n", "r", "s", "t", "x", "nd"}
	out := ""
	for w := range 1 + r.IntN(2) {
		if w > 0 {
			out += " "
		}
		for range 2 + r.IntN(2) {
			out += heads[r.IntN(len(heads))] + hearts[r.IntN(len(hearts))] + tails[r.IntN(len(tails))]
		}
	}
	return out
}

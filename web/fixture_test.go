package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/index"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/store"
)

// town is a small catalogue in a real store: portals that pay out in different
// ways, and shops that several of them list.
type town struct {
	t testing.TB
	// home, where set, is where every portal is at home: an address of the test's own.
	home      string
	store     *store.Store
	catalogue *merchant.Catalogue
	runs      int
	now       time.Time // the store's
}

func newTown(t testing.TB) *town {
	t.Helper()
	w := &town{t: t, now: today}
	st, err := store.Open(context.Background(), t.TempDir(), store.Options{Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			panic(err) // the common town outlives the test that built it
		}
	})
	rules, err := merchant.NewRules(merchant.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.store, w.catalogue = st, merchant.New(rules)
	return w
}

// listed is a shop as a portal lists it: what a crawl would have read.
type listed struct {
	name, domain, category string
	tiers                  []cashback.Tier
	kind                   cashback.RewardKind
	raw                    string
	status                 cashback.OfferStatus
	conditions             string
	link                   string
}

// publish makes one healthy run of a portal and publishes it.
func (w *town) publish(p cashback.Portal, at time.Time, shops ...listed) {
	w.t.Helper()
	w.runs++
	run := fmt.Sprintf("%s-%d", p.ID, w.runs)
	var offers []cashback.Offer
	var entries []cashback.Entry
	for _, l := range shops {
		link := cmp.Or(l.link, p.Homepage+"/boutique/"+strings.ToLower(strings.ReplaceAll(l.name, " ", "-")))
		e := cashback.Entry{Key: link, Name: l.name, Country: p.Countries[0], Domain: l.domain, Category: l.category, Link: link}
		entries = append(entries, e)
		kind := l.kind
		if kind == "" {
			kind = l.tiers[0].Components[0].Kind
		}
		offers = append(offers, cashback.Offer{
			Entry: e, Kind: kind, Tiers: l.tiers, Status: cmp.Or(l.status, cashback.OK), Conditions: l.conditions,
			Receipt: cashback.Receipt{
				Portal: p.ID, URL: p.Homepage + "/boutiques", ReadAt: at, RawText: l.raw, Hash: fmt.Sprintf("%064x", w.runs), DefinitionVersion: "v1", Run: run,
			},
		})
	}
	_, err := w.store.Publish(context.Background(), store.Publication{
		Snapshot: cashback.Snapshot{
			Portal: p, Offers: offers,
			Run: cashback.Run{ID: run, Portal: p.ID, DefinitionVersion: "v1", StartedAt: at, EndedAt: at.Add(time.Minute), Complete: true, Finish: "done", Offers: len(offers), WithRate: len(offers)},
		},
		Judgement: cashback.Judgement{Verdict: cashback.Publish, Health: cashback.PortalHealth{Portal: p.ID, State: cashback.Healthy, LastGoodAt: at}},
		Plan:      w.catalogue.Upsert(p.ID, entries),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func dec(s string) cashback.Decimal { return decimal.MustParse(s) }

func percent(rate string) cashback.Tier {
	return cashback.Tier{Components: []cashback.Component{{Kind: cashback.Percent, Value: dec(rate)}}}
}

func fixed(amount string, c cashback.Currency) cashback.Tier {
	return cashback.Tier{Components: []cashback.Component{{Kind: cashback.Fixed, Value: dec(amount), Currency: c}}}
}

func fact[T any](v T) *cashback.Fact[T] {
	return &cashback.Fact[T]{Value: v, Origin: cashback.Origin{Source: "https://source.test/conditions", AsOf: "2026-07-01"}}
}

func payout(f cashback.Frequency, methods ...cashback.PayoutMethod) *cashback.Fact[cashback.Payout] {
	return fact(cashback.Payout{Frequency: f, Methods: methods})
}

func by(kind, minimum string) cashback.PayoutMethod {
	m := cashback.PayoutMethod{Kind: kind}
	if minimum != "" {
		m.Minimum = cashback.Some(dec(minimum))
	}
	return m
}

// The portals of the town.
func townPortals() []cashback.Portal {
	portal := func(id, name string, country cashback.Country, c cashback.Currency, f cashback.Facts) cashback.Portal {
		return cashback.Portal{
			ID: id, Name: name, Homepage: "https://www." + id + ".test", Countries: []cashback.Country{country}, Languages: []string{"fr"},
			Locale: "fr-FR", Currency: c, Publication: cashback.Public, Facts: f,
		}
	}
	return []cashback.Portal{
		// Pays high rates, before VAT, late, from a high threshold.
		portal("grandtaux", "Grand Taux", "FR", "EUR", cashback.Facts{
			VATBasis: fact(cashback.VATNet), ValidationDays: fact(120), Payout: payout(cashback.Quarterly, by("bank_transfer", "30.00")),
		}),
		// Pays less, but on the whole price, soon, from the first cent.
		portal("sitot", "Sitôt", "FR", "EUR", cashback.Facts{
			VATBasis: fact(cashback.VATGross), ValidationDays: fact(30), Payout: payout(cashback.OnDemand, by("bank_transfer", "0"), by("paypal", "0"), by("gift_card", "5.00")),
			Donation: fact(cashback.Donation{Possible: true, Associations: []string{"Les Restos"}}), App: fact(true),
			ClaimWindow: fact(cashback.ClaimWindow{FromDays: 10, ToDays: 90}),
		}),
		// A fixed amount makes it the best for small baskets.
		portal("petitpanier", "Petit Panier", "FR", "EUR", cashback.Facts{
			VATBasis: fact(cashback.VATGross), ValidationDays: fact(45), Payout: payout(cashback.Monthly, by("paypal", "1.00")),
		}),
		// Says nothing about itself.
		portal("muet", "Muet", "FR", "EUR", cashback.Facts{}),
		portal("thrift", "Thrift & Co", "GB", "GBP", cashback.Facts{
			VATBasis: fact(cashback.VATGross), Payout: payout(cashback.Monthly, by("bank_transfer", "5.00")),
		}),
	}
}

// populate fills the town with what most tests look at.
func (w *town) populate() {
	w.t.Helper()
	portals := townPortals()
	for i := range portals {
		if w.home != "" {
			portals[i].Homepage = w.home + "/" + portals[i].ID
		}
	}
	if err := w.store.SavePortals(context.Background(), portals); err != nil {
		w.t.Fatal(err)
	}
	before := today.Add(-72 * time.Hour)
	first := map[string][]listed{
		"grandtaux": {
			{name: "Fnac", domain: "fnac.com", category: "culture", raw: "Jusqu'à 9 %", tiers: []cashback.Tier{upTo("9")}},
			{name: "Galeries Lafayette", domain: "galerieslafayette.com", category: "mode", raw: "6 %", tiers: []cashback.Tier{percent("6")}},
			{name: "Sephora", domain: "sephora.fr", category: "beauté", raw: "8 %", tiers: []cashback.Tier{percent("8")}},
			{name: "Darty", domain: "darty.com", category: "high-tech", raw: "4 %", tiers: []cashback.Tier{percent("4")}},
		},
		"sitot": {
			{name: "FNAC", domain: "fnac.com", category: "culture", raw: "3 %", tiers: []cashback.Tier{percent("3")}, conditions: "Hors livres."},
			{name: "Sephora", domain: "sephora.fr", category: "beauté", raw: "5 %", tiers: []cashback.Tier{percent("5")}},
			{name: "Darty", domain: "darty.com", category: "high-tech", raw: "Pas de cashback", kind: cashback.NoCashback},
		},
		"petitpanier": {
			{name: "Fnac", domain: "fnac.com", category: "culture", raw: "2 €", tiers: []cashback.Tier{fixed("2", "EUR")}},
			{name: "Leroy Merlin", domain: "leroymerlin.fr", category: "maison", raw: "???", kind: cashback.Unknown},
		},
		"muet": {
			{name: "Fnac.com", domain: "fnac.com", raw: "5 %", tiers: []cashback.Tier{percent("5")}},
		},
		"thrift": {
			{name: "Argos", domain: "argos.co.uk", category: "department", raw: "2%", tiers: []cashback.Tier{percent("2")}},
		},
	}
	for _, p := range portals {
		w.publish(p, before, first[p.ID]...)
	}
	// A day ago Sephora's rate moved up at one portal, and everything was read again.
	first["sitot"][1].tiers, first["sitot"][1].raw = []cashback.Tier{percent("7")}, "7 %"
	w.publish(portals[1], today.Add(-24*time.Hour), first["sitot"]...)
	for i, p := range portals {
		if i != 1 {
			w.publish(p, today.Add(-2*time.Hour), first[p.ID]...)
		}
	}
}

func upTo(rate string) cashback.Tier {
	t := percent(rate)
	t.UpTo = true
	return t
}

func (w *town) config() Config {
	c := config()
	c.Store, c.Index = w.store, w.index()
	return c
}

// index makes an index of the town and waits until it has caught up.
func (w *town) index() *index.Index {
	w.t.Helper()
	x, err := index.Open(context.Background(), w.t.TempDir(), source{w.store}, index.Options{Now: func() time.Time { return today }, Gather: time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- x.Run(context.Background()) }()
	w.t.Cleanup(func() {
		if err := errors.Join(x.Close(), <-done); err != nil {
			panic(err)
		}
	})
	deadline := time.Now().Add(20 * time.Second)
	for !x.Ready().Ready || x.Applied() < w.store.As(store.Public).LastChange() {
		if time.Now().After(deadline) {
			w.t.Fatalf("the index never caught up: %+v", x.Ready())
		}
		runtime.Gosched()
	}
	return x
}

// source lets the index follow the store.
type source struct{ store *store.Store }

func (s source) all() *store.Reader { return s.store.As(store.Operator) }

func (s source) LastChange(context.Context) (uint64, error) { return s.all().LastChange(), nil }

func (s source) Changes(ctx context.Context, after uint64, limit int) ([]cashback.Change, error) {
	list, _, err := s.all().Changes(ctx, after, limit)
	return list, err
}

func (s source) Portals(ctx context.Context) (out []cashback.Portal, err error) {
	list, err := s.all().Portals(ctx)
	for _, p := range list {
		out = append(out, p.Portal)
	}
	return out, err
}

func (s source) EachShop(ctx context.Context, f func(index.Shop) error) error {
	return s.all().EachMerchant(ctx, func(m cashback.Merchant, offers []cashback.Offer) error {
		return f(index.Shop{Merchant: m, Offers: offers})
	})
}

func (s source) Shop(ctx context.Context, id cashback.MerchantID) (index.Shop, bool, error) {
	m, offers, err := s.all().Shop(ctx, id)
	if cashback.KindOf(err) == cashback.NotFound && err != nil || err == nil && m.ID != id {
		return index.Shop{}, false, nil
	}
	return index.Shop{Merchant: m, Offers: offers}, err == nil, err
}

func (s source) Readings(ctx context.Context, portal string) ([]index.Reading, error) {
	list, err := s.all().Readings(ctx, portal)
	out := make([]index.Reading, len(list))
	for i, r := range list {
		out[i] = index.Reading(r)
	}
	return out, err
}

// common is the town of all tests that only read: it takes half a second to build.
var common struct {
	once   sync.Once
	config Config
	close  []func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, f := range slices.Backward(common.close) {
		f()
	}
	if err := os.RemoveAll(commonFolder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var commonFolder = filepath.Join(os.TempDir(), fmt.Sprintf("cagnotte-web-test-%d", os.Getpid()))

// lasting is a test whose folders and cleanups last until all tests have ended.
type lasting struct {
	testing.TB
	folders int
}

func (l *lasting) Cleanup(f func()) { common.close = append(common.close, f) }

func (l *lasting) TempDir() string {
	l.folders++
	dir := filepath.Join(commonFolder, fmt.Sprint(l.folders))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		l.Fatal(err)
	}
	return dir
}

func testConfig(t testing.TB) Config {
	t.Helper()
	common.once.Do(func() {
		w := newTown(&lasting{TB: t})
		w.populate()
		common.config = w.config()
	})
	return common.config
}

// newServer serves the common town; a test that changes something builds its own.
func newServer(t testing.TB) *Server {
	t.Helper()
	s, err := New(testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if fnac, err := s.operator().MerchantBySlug(t.Context(), "fnac-fr"); err == nil {
		s.Catalogue = shelfOfDoubts{fnac}
	}
	return s
}

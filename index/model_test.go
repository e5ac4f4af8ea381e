package index

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"pgregory.net/rapid"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// The model answers the same questions by reading the nouns, offer by offer, as
// slowly and plainly as it can be said.

type modelOffer struct {
	merchant cashback.MerchantID
	portal   string
	shown    bool
	fails    map[string]bool // dimensions
	own      int64           // -1 without a value
	kinds    []cashback.RewardKind
}

func modelOffers(portals []cashback.Portal, shops map[cashback.MerchantID]Shop, q Query, now time.Time) (out []modelOffer) {
	of := map[string]cashback.Portal{}
	for _, p := range portals {
		of[p.ID] = p
	}
	has := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	for id, s := range shops {
		for _, o := range s.Offers {
			p, known := of[o.Receipt.Portal]
			operator := q.View == OperatorView
			if !known || p.Publication == cashback.Off || p.Publication == cashback.Private && !operator {
				continue
			}
			m := modelOffer{merchant: id, portal: p.ID, shown: p.Publication != cashback.RelationOnly || operator, fails: map[string]bool{}, own: -1}
			f := q.Filter
			fail := func(dimension string, pass bool) {
				if !pass {
					m.fails[dimension] = true
				}
			}
			fail("country", len(f.Countries) == 0 || slices.Contains(f.Countries, s.Merchant.Country))
			fail("category", has(f.Categories, s.Merchant.Category))
			fail("portal", has(f.Portals, p.ID))
			pay := p.Facts.Payout
			fail("frequency", len(f.Frequencies) == 0 || pay != nil && slices.Contains(f.Frequencies, pay.Value.Frequency))
			if len(f.Methods) > 0 || f.MaxMinimum != nil {
				reached := false
				if pay != nil {
					for _, m := range pay.Value.Methods {
						enough := f.MaxMinimum == nil || m.Minimum.Valid && (m.Minimum.Decimal.IsZero() ||
							p.Currency == f.MaxMinimum.Currency && m.Minimum.Decimal.Cmp(decimal.MustNew(f.MaxMinimum.Minor, 2)) <= 0)
						reached = reached || has(f.Methods, m.Kind) && enough
					}
				}
				fail("method", reached)
			}
			if f.Donation {
				gives := p.Facts.Donation != nil && p.Facts.Donation.Value.Possible
				if pay != nil {
					for _, m := range pay.Value.Methods {
						gives = gives || m.Kind == "donation"
					}
				}
				fail("donation", gives)
			}
			ranked := o.Status == cashback.OK && !o.Receipt.ReadAt.Before(now.Add(-staleAfter).Truncate(time.Second))
			ofKind := false
			var head *cashback.Component
			upTo := false
			for i := range o.Tiers {
				for j := range o.Tiers[i].Components {
					c := &o.Tiers[i].Components[j]
					if head == nil {
						head, upTo = c, o.Tiers[i].UpTo
					}
					ofKind = ofKind || slices.Contains(f.Kinds, c.Kind)
				}
			}
			if head == nil {
				ofKind = slices.Contains(f.Kinds, o.Kind)
			}
			fail("kind", len(f.Kinds) == 0 || m.shown && ofKind)
			fail("other", !f.NoUpTo || m.shown && !upTo)
			fail("other", !f.Verified || m.shown && ranked)
			if m.shown {
				m.kinds = []cashback.RewardKind{o.Kind}
				for _, t := range o.Tiers {
					for _, c := range t.Components {
						m.kinds = append(m.kinds, c.Kind)
					}
				}
			}
			if m.shown && ranked {
				m.own = modelOwn(p, o)
			}
			out = append(out, m)
		}
	}
	return out
}

// modelOwn is the face value on a hundred of the portal's currency.
func modelOwn(p cashback.Portal, o cashback.Offer) int64 {
	best := int64(-1)
	for _, t := range o.Tiers {
		sum, any := decimal.Zero, false
		anyFloor := slices.ContainsFunc(t.Components, func(c cashback.Component) bool { return c.Min.Valid })
		for _, c := range t.Components {
			var unit cashback.Decimal
			switch {
			case c.Kind == cashback.Percent:
				unit = decimal.MustParse("100") // minor units for each per cent of 100
			case c.Kind == cashback.Fixed && c.Currency == p.Currency:
				unit = decimal.MustParse("100")
			default:
				continue
			}
			any = true
			v := c.Value
			if c.Min.Valid {
				v = c.Min.Decimal
			} else if t.UpTo && !anyFloor {
				unit, _ = unit.Quo(decimal.MustParse("4"))
			}
			part, _ := v.Mul(unit)
			sum, _ = sum.Add(part)
		}
		if !any {
			return -1
		}
		whole, frac, _ := sum.Int64(6)
		worth := whole*micro + frac
		if best < 0 || worth < best {
			best = worth
		}
	}
	return best
}

func drawOffer(t *rapid.T, portal string) cashback.Offer {
	o := percent(portal, "1")
	o.Entry.Key = rapid.StringMatching(`[a-z]{3}`).Draw(t, "key")
	o.Receipt.ReadAt = noon.Add(-time.Duration(rapid.IntRange(0, 30).Draw(t, "age")) * 24 * time.Hour)
	o.Status = rapid.SampledFrom([]cashback.OfferStatus{cashback.OK, cashback.OK, cashback.OK, cashback.Unverified, cashback.Quarantined}).Draw(t, "status")
	o.Tiers = nil
	for range rapid.IntRange(0, 3).Draw(t, "tiers") {
		tier := cashback.Tier{UpTo: rapid.IntRange(0, 3).Draw(t, "upto") == 0}
		for range rapid.IntRange(1, 2).Draw(t, "components") {
			c := cashback.Component{
				Kind:  rapid.SampledFrom([]cashback.RewardKind{cashback.Percent, cashback.Percent, cashback.Fixed, cashback.PointsFixed}).Draw(t, "kind"),
				Value: decimal.MustNew(int64(rapid.IntRange(2, 4000).Draw(t, "value")), 2),
			}
			if c.Kind == cashback.Fixed {
				c.Currency = rapid.SampledFrom([]cashback.Currency{"EUR", "GBP"}).Draw(t, "currency")
			}
			if c.Kind == cashback.PointsFixed {
				c.PointsCurrency = "miles"
			}
			if rapid.IntRange(0, 3).Draw(t, "ranged") == 0 {
				c.Min = cashback.Some(decimal.MustParse("0.01"))
			}
			tier.Components = append(tier.Components, c)
		}
		o.Tiers = append(o.Tiers, tier)
	}
	o.Kind = cashback.NoCashback
	if len(o.Tiers) > 0 {
		o.Kind = o.Tiers[0].Components[0].Kind
	}
	return o
}

func drawPortals(t *rapid.T) (list []cashback.Portal) {
	for i := range rapid.IntRange(1, 6).Draw(t, "portals") {
		p := portal(fmt.Sprintf("p%d", i), rapid.SampledFrom([]cashback.Publication{cashback.Public, cashback.Public, cashback.RelationOnly, cashback.Private, cashback.Off}).Draw(t, "mode"))
		p.Currency = rapid.SampledFrom([]cashback.Currency{"EUR", "GBP"}).Draw(t, "currency")
		if rapid.Bool().Draw(t, "payout") {
			pay := cashback.Payout{Frequency: rapid.SampledFrom(frequencies).Draw(t, "frequency")}
			for range rapid.IntRange(0, 3).Draw(t, "methods") {
				m := cashback.PayoutMethod{Kind: rapid.SampledFrom(methods[:7]).Draw(t, "method")}
				if rapid.Bool().Draw(t, "stated") {
					m.Minimum = cashback.Some(decimal.MustNew(int64(rapid.IntRange(0, 4).Draw(t, "minimum")*500), 2))
				}
				pay.Methods = append(pay.Methods, m)
			}
			p.Facts.Payout = &cashback.Fact[cashback.Payout]{Value: pay}
		}
		if rapid.Bool().Draw(t, "donation") {
			p.Facts.Donation = &cashback.Fact[cashback.Donation]{Value: cashback.Donation{Possible: rapid.Bool().Draw(t, "possible")}}
		}
		list = append(list, p)
	}
	return list
}

func drawFilter(t *rapid.T) (f Filter) {
	some := func(label string) bool { return rapid.IntRange(0, 3).Draw(t, label) == 0 }
	if some("by country") {
		f.Countries = []cashback.Country{"FR"}
	}
	if some("by category") {
		f.Categories = []string{"travel", "nothing"}
	}
	if some("by portal") {
		f.Portals = []string{"p0", "p3"}
	}
	if some("by kind") {
		f.Kinds = []cashback.RewardKind{rapid.SampledFrom(kinds).Draw(t, "of kind")}
	}
	if some("by method") {
		f.Methods = []string{rapid.SampledFrom(methods[:4]).Draw(t, "of method"), "paypal"}
	}
	if some("by minimum") {
		f.MaxMinimum = &cashback.Money{Minor: int64(rapid.IntRange(0, 3).Draw(t, "most") * 500), Currency: "EUR"}
	}
	if some("by frequency") {
		f.Frequencies = []cashback.Frequency{rapid.SampledFrom(frequencies).Draw(t, "of frequency"), cashback.Monthly}
	}
	f.Donation, f.NoUpTo, f.Verified = some("giving"), some("no up to"), some("verified")
	return f
}

// TestPropertyModel: totals, facets, orders and pages are those of the model, for
// columns that were built at once as well as for those patched step by step.
func TestPropertyModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		portals := drawPortals(t)
		shops := map[cashback.MerchantID]Shop{}
		c := (*columns)(nil).draft().done(0)
		for range rapid.IntRange(1, 4).Draw(t, "patches") {
			d := c.draft()
			for _, p := range portals {
				d.portal(p.ID)
			}
			d.setPortals(portals)
			for range rapid.IntRange(0, 12).Draw(t, "changes") {
				id := cashback.MerchantID(rapid.SampledFrom([]int{1, 2, 3, 4, 5, 255, 256, 257, 511, 512, 900}).Draw(t, "id"))
				if rapid.IntRange(0, 4).Draw(t, "gone") == 0 {
					delete(shops, id)
					d.drop(id)
					continue
				}
				s := Shop{Merchant: merchant(int(id), rapid.SampledFrom([]string{"Alpha", "Beta", "Gamma"}).Draw(t, "name"), rapid.SampledFrom([]string{"FR", "GB"}).Draw(t, "country"), "")}
				s.Merchant.Category = rapid.SampledFrom([]string{"travel", "books", ""}).Draw(t, "category")
				for range rapid.IntRange(0, 4).Draw(t, "offers") {
					s.Offers = append(s.Offers, drawOffer(t, rapid.SampledFrom(portals).Draw(t, "of").ID))
				}
				shops[id] = s
				d.put(s)
			}
			c = d.done(1)
		}
		x := &Index{opt: Options{Now: func() time.Time { return noon }}.defaults()}
		x.columns.Store(c)
		x.state.Store(&Status{Loaded: true})
		q := Query{Filter: drawFilter(t), Facets: true, View: rapid.SampledFrom([]View{PublicView, OperatorView}).Draw(t, "view")}
		model := modelOffers(portals, shops, q, noon)

		// Offers: how many pass, their order, the same page by page.
		q.Limit = MaxLimit
		got, err := x.Offers(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var pass []modelOffer
		for _, m := range model {
			if len(m.fails) == 0 {
				pass = append(pass, m)
			}
		}
		if got.Total != len(pass) || len(got.Rows) != len(pass) {
			t.Fatalf("%d offers pass, the model says %d", got.Total, len(pass))
		}
		slices.SortFunc(pass, func(a, b modelOffer) int { return cmp.Compare(b.own, a.own) })
		for i, r := range got.Rows {
			own := int64(-1)
			if r.Valued {
				own = r.Own
			}
			if own != pass[i].own {
				t.Fatalf("row %d is worth %d, the model says %d", i, own, pass[i].own)
			}
			if !r.Shown && (r.Kind != "" || !r.Value.IsZero() || r.Valued || !r.ReadAt.IsZero()) {
				t.Fatalf("a relation shows more: %+v", r)
			}
		}
		small := q
		small.Limit = rapid.IntRange(1, 3).Draw(t, "page")
		var paged []Row
		for {
			page, err := x.Offers(t.Context(), small)
			if err != nil {
				t.Fatal(err)
			}
			paged = append(paged, page.Rows...)
			if small.After = page.Next; page.Next == "" {
				break
			}
		}
		if fmt.Sprint(paged) != fmt.Sprint(got.Rows) {
			t.Fatalf("page by page:\n%v\nat once:\n%v", paged, got.Rows)
		}

		// Shops and their facets.
		found, err := x.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		want := map[cashback.MerchantID]bool{}
		for _, m := range pass {
			want[m.merchant] = true
		}
		if found.Total != len(want) {
			t.Fatalf("%d shops pass, the model says %d", found.Total, len(want))
		}
		for _, h := range found.Hits {
			if !want[h.Merchant.ID] {
				t.Fatalf("shop %d passes", h.Merchant.ID)
			}
			best, of := int64(-1), map[string]bool{}
			for _, m := range model {
				if m.merchant == h.Merchant.ID {
					of[m.portal] = true
					if len(m.fails) == 0 {
						best = max(best, m.own)
					}
				}
			}
			if (h.Best == "") != (best < 0) || best >= 0 && h.Own != best || h.Portals != len(of) {
				t.Fatalf("shop %d: best %d at %q of %d portals, the model says %d of %d", h.Merchant.ID, h.Own, h.Best, h.Portals, best, len(of))
			}
		}
		compareFacets(t, "shops", found.Facets, modelFacets(portals, shops, model, false))
		compareFacets(t, "offers", got.Facets, modelFacets(portals, shops, model, true))
	})
}

// modelFacets counts distinct shops, or offers, for each value.
func modelFacets(portals []cashback.Portal, shops map[cashback.MerchantID]Shop, model []modelOffer, each bool) map[string]int {
	seen := map[string]bool{}
	out := map[string]int{}
	for i, m := range model {
		unit := fmt.Sprint(m.merchant)
		if each {
			unit = fmt.Sprint(i, "th")
		}
		count := func(dimension, value string) {
			for d := range m.fails {
				if d != dimension {
					return
				}
			}
			if k := dimension + "=" + value; value != "" && !seen[unit+k] {
				seen[unit+k] = true
				out[k]++
			}
		}
		s := shops[m.merchant]
		count("country", string(s.Merchant.Country))
		count("category", s.Merchant.Category)
		count("portal", m.portal)
		for _, k := range m.kinds {
			count("kind", string(k))
		}
		p := portals[slices.IndexFunc(portals, func(p cashback.Portal) bool { return p.ID == m.portal })]
		gives := p.Facts.Donation != nil && p.Facts.Donation.Value.Possible
		if pay := p.Facts.Payout; pay != nil {
			count("frequency", string(pay.Value.Frequency))
			for _, w := range pay.Value.Methods {
				count("method", w.Kind)
				gives = gives || w.Kind == "donation"
			}
		}
		if gives {
			count("donation", "yes")
		}
	}
	return out
}

func compareFacets(t *rapid.T, of string, got *Facets, want map[string]int) {
	n := map[string]int{}
	add := func(dimension string, list []Count) {
		for _, c := range list {
			n[dimension+"="+c.Value] = c.Count
		}
	}
	add("country", got.Countries)
	add("category", got.Categories)
	add("portal", got.Portals)
	add("kind", got.Kinds)
	add("frequency", got.Frequencies)
	add("method", got.Methods)
	if got.Donation > 0 {
		n["donation=yes"] = got.Donation
	}
	for k, w := range want {
		if n[k] != w {
			t.Fatalf("facet of %s %s counts %d, the model says %d", of, k, n[k], w)
		}
		delete(n, k)
	}
	if len(n) > 0 {
		t.Fatalf("facets of %s that the model lacks: %v", of, n)
	}
}

// TestPropertyDistance compares the banded distance with the plain one.
func TestPropertyDistance(t *testing.T) {
	plain := func(a, b []rune) int {
		d := make([][]int, len(a)+1)
		for i := range d {
			d[i] = make([]int, len(b)+1)
			d[i][0] = i
		}
		for j := range b {
			d[0][j+1] = j + 1
		}
		for i := 1; i <= len(a); i++ {
			for j := 1; j <= len(b); j++ {
				same := 1
				if a[i-1] == b[j-1] {
					same = 0
				}
				d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+same)
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					d[i][j] = min(d[i][j], d[i-2][j-2]+1)
				}
			}
		}
		return d[len(a)][len(b)]
	}
	rapid.Check(t, func(t *rapid.T) {
		q := rapid.StringMatching(`[abcé]{0,9}`).Draw(t, "q")
		key := rapid.StringMatching(`[abcé ]{0,12}`).Draw(t, "key")
		limit := rapid.IntRange(1, 2).Draw(t, "limit")
		whole, begin := distance(q, key, limit)
		k := []rune(glue(key))
		want := min(plain([]rune(q), k), limit+1)
		wantBegin := limit + 1
		for n := 0; n <= len(k); n++ {
			wantBegin = min(wantBegin, plain([]rune(q), k[:n]))
		}
		if whole != want || begin != wantBegin {
			t.Fatalf("distance(%q, %q, %d) = %d, %d, not %d, %d", q, key, limit, whole, begin, want, wantBegin)
		}
	})
}

// TestPropertyHeads: the beginnings of names, packed into words of the machine, answer
// as the names do.
func TestPropertyHeads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := rapid.StringMatching(`[abc]{1,7}`).Draw(t, "q")
		key := rapid.StringMatching(`[abc ]{0,12}`).Draw(t, "key")
		head, text := headOf(key), headOf(q)
		if got, want := lowest(head^text, len(q)) == 0, strings.HasPrefix(glue(key), q); got != want {
			t.Fatalf("%q begins with %q: %t", key, q, got)
		}
		_, begin := distance(q, key, 1)
		if got, want := nearHead(head, text, len(q)), begin <= 1; got != want {
			t.Fatalf("%q begins nearly with %q: %t", key, q, got)
		}
	})
}

// TestPropertyScan: what the names in memory match without a typing error, Bleve
// finds too, and with the same grade; a quick answer may leave some out once it has
// enough.
func TestPropertyScan(t *testing.T) {
	m := known(t)
	x := indexed(t, t.TempDir(), m)
	c := x.columns.Load()
	var all []string
	for _, s := range m.shops {
		all = append(all, s.Merchant.Name)
	}
	slices.Sort(all)
	rapid.Check(t, func(t *rapid.T) {
		name := []rune(rapid.SampledFrom(all).Draw(t, "name"))
		from := rapid.IntRange(0, len(name)-1).Draw(t, "from")
		text := string(name[from:rapid.IntRange(from+1, len(name)).Draw(t, "to")])
		if rapid.Bool().Draw(t, "turned") {
			w := strings.Fields(text)
			slices.Reverse(w)
			text = strings.Join(w, " ")
		}
		n := newNeedle(text)
		if n.text == "" {
			return
		}
		want := map[cashback.MerchantID]Grade{}
		scan(c, &n, quick, func(s *shop, _ *page, _ int, g Grade) bool { want[s.ID] = g; return true })
		for _, how := range []effort{quick, thorough} {
			got := map[cashback.MerchantID]Grade{}
			degraded, err := x.match(t.Context(), c, &n, how, func(s *shop, _ *page, _ int, g Grade) bool {
				if g >= Words {
					got[s.ID] = g
				}
				return true
			}, walked{})
			if err != nil || degraded {
				t.Fatal(degraded, err)
			}
			for id, g := range want {
				if got[id] != g && (how == thorough || got[id] != NoMatch || len(got) < enough) {
					t.Fatalf("%q: %q is grade %d, Bleve finds %d", text, m.shops[id].Merchant.Name, g, got[id])
				}
			}
			if len(got) > len(want) {
				t.Fatalf("%q: Bleve finds %d, there are %d", text, len(got), len(want))
			}
		}
	})
}

// TestPropertyConfirmed: columns that followed what a portal changed, confirmed and
// withdrew hold what columns hold that read everything anew. A third of the portals'
// offers stand twice at a shop, some have several rates, and changes are taken over
// one by one or many together.
func TestPropertyConfirmed(t *testing.T) {
	names := []string{"igraal", "poulpeo", "mur"}
	ids := []int{1, 2, 3, 255, 256, 257, 600} // on three pages
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory()
		modes := map[string]cashback.Currency{}
		tell := func() {
			var list []cashback.Portal
			for _, name := range names {
				p := portal(name, cashback.Public)
				p.Currency = cashback.Currency(cmp.Or(string(modes[name]), "EUR"))
				list = append(list, p)
			}
			m.setPortals(list...)
		}
		tell()
		put := func() {
			id := rapid.SampledFrom(ids).Draw(t, "shop")
			s := Shop{Merchant: merchant(id, fmt.Sprintf("Shop %d", id), "FR", "")}
			for _, name := range names {
				for k := range rapid.IntRange(0, 2).Draw(t, "offers") {
					o := percent(name, rapid.SampledFrom([]string{"1", "2.5", "4"}).Draw(t, "rate"))
					o.Entry.Key = fmt.Sprintf("%d-%d", id, k)
					if rapid.Bool().Draw(t, "points") {
						o.Tiers = append(o.Tiers, cashback.Tier{Components: []cashback.Component{{Kind: cashback.PointsPerUnit, Value: decimal.MustParse("3"), PointsCurrency: "miles"}}})
					}
					s.Offers = append(s.Offers, o)
				}
			}
			m.set(s)
		}
		for range 12 {
			put()
		}
		f := &follower{Index: &Index{source: m, log: slog.New(slog.DiscardHandler)}}
		state := func(f *follower) (out []string) {
			c := f.columns.Load()
			c.each(func(p *page, slot int, s *shop) bool {
				for _, o := range p.of(slot) {
					l := c.lanes[o.lane]
					out = append(out, fmt.Sprint(s.ID, s.Name, c.portals[l.portal].ID, l.kind, l.currency, l.points, o.value, o.least, o.readAt, o.flags))
				}
				return true
			})
			return out
		}
		follow := func(f *follower) {
			last, err := m.LastChange(t.Context())
			if err == nil && !f.loaded {
				err = f.load(t.Context(), last)
			}
			if err == nil {
				err = f.follow(t.Context(), last)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		f.columns.Store((*columns)(nil).draft().done(0))
		f.state.Store(new(Status))
		follow(f)
		at := noon
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			at = at.Add(time.Hour)
			switch name := rapid.SampledFrom(names).Draw(t, "portal"); rapid.IntRange(0, 4).Draw(t, "what") {
			case 0, 1:
				m.confirm(name, at)
			case 2:
				put()
			case 3:
				m.remove(cashback.MerchantID(rapid.SampledFrom(ids).Draw(t, "gone")))
			case 4:
				modes[name] = rapid.SampledFrom([]cashback.Currency{"EUR", "GBP"}).Draw(t, "currency")
				tell()
			}
			if rapid.Bool().Draw(t, "follow") {
				follow(f)
			}
		}
		follow(f)
		g := &follower{Index: &Index{source: m, log: f.log}}
		g.columns.Store((*columns)(nil).draft().done(0))
		g.state.Store(new(Status))
		follow(g)
		if got, want := state(f), state(g); !slices.Equal(got, want) {
			t.Fatalf("followed:\n%s\nread anew:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestConfirmedCheaply: what is only confirmed costs no reading of shops.
func TestConfirmedCheaply(t *testing.T) {
	m := small()
	x := indexed(t, t.TempDir(), m)
	before := m.reads
	m.confirm("igraal", noon.Add(time.Hour))
	ready(t, x, m)
	if n := m.reads - before; n != 0 {
		t.Errorf("%d shops were read for a confirmation", n)
	}
}

func proving() bool { return os.Getenv("CAGNOTTE_PROVE") != "" }

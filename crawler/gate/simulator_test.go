package gate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// simulator generates a portal's crawls day by day: rates that move a little,
// weekdays, sales, growth, outages. The truth is known, so that what a gate lets
// through can be compared with it.
type simulator struct {
	rng    *rand.Rand
	day    int
	offers []simOffer
	next   int
	growth float64
	sale   bool
	others map[cashback.MerchantID][]Measure
}

type simOffer struct {
	id       int
	name     string
	kind     cashback.RewardKind
	value    int64 // ten-thousandths, undoubled
	doubled  bool
	upTo     bool
	previous int64
	weekday  int // -1, or the one weekday on which it isn't listed
	merchant cashback.MerchantID
}

var simSyllables = []string{"bo", "ca", "den", "el", "fi", "gar", "hu", "in", "jo", "ka", "lu", "mar", "no", "pi", "ro", "sa", "tel", "ur", "vi", "zen"}

func newSimulator(seed uint64) *simulator {
	s := &simulator{rng: rand.New(rand.NewPCG(seed, 1)), others: map[cashback.MerchantID][]Measure{}}
	s.growth = s.rng.Float64() * .004
	n := 150 + s.rng.IntN(900)
	for range n {
		s.offers = append(s.offers, s.newOffer())
	}
	return s
}

func (s *simulator) newOffer() simOffer {
	s.next++
	o := simOffer{id: s.next, kind: cashback.Percent, weekday: -1, merchant: cashback.MerchantID(s.next)}
	var b strings.Builder
	for range 2 + s.rng.IntN(3) {
		b.WriteString(simSyllables[s.rng.IntN(len(simSyllables))])
	}
	o.name = fmt.Sprintf("%s %d", strings.ToUpper(b.String()[:1])+b.String()[1:], s.next)
	o.value = s.percent()
	if s.rng.IntN(6) == 0 {
		o.kind = cashback.Fixed
		o.value = int64(1+s.rng.IntN(60)) * 5000
	}
	o.upTo = s.rng.IntN(3) == 0
	if s.rng.IntN(8) == 0 {
		o.previous = o.value * int64(4+s.rng.IntN(5)) / 10
	}
	if s.rng.IntN(60) == 0 {
		o.weekday = s.rng.IntN(7)
	}
	// Other portals pay about the same; some shops are listed here only.
	for range s.rng.IntN(7) {
		v := float64(o.value) * math.Exp(s.rng.NormFloat64()*.3)
		unit := "percent"
		if o.kind == cashback.Fixed {
			unit = "fixed EUR"
		}
		s.others[o.merchant] = append(s.others[o.merchant], Measure{unit, max(1000, int64(v)/1000*1000)})
	}
	return o
}

func (s *simulator) percent() int64 {
	v := math.Exp(s.rng.NormFloat64()*.7 + 1.2) // median 3.3 %
	return max(2, min(80, int64(v*2+.5))) * 5000
}

// step moves the world on by one day.
func (s *simulator) step(sale float64) {
	s.day++
	s.sale = sale > 0
	for i := range s.offers {
		o := &s.offers[i]
		o.doubled = s.rng.Float64() < sale
		switch p := s.rng.Float64(); {
		case p < .001:
			o.value = s.percent() * int64(1+s.rng.IntN(2))
		case p < .02:
			f := math.Exp(s.rng.NormFloat64() * .25)
			o.value = max(5000, int64(float64(o.value)*f)/5000*5000)
		}
	}
	s.offers = slices.DeleteFunc(s.offers, func(simOffer) bool { return s.rng.Float64() < .002 })
	for range int(float64(len(s.offers))*(.002+s.growth) + s.rng.Float64()) {
		at := s.rng.IntN(len(s.offers) + 1)
		s.offers = slices.Insert(s.offers, at, s.newOffer())
	}
}

// crawl is what a healthy crawler reads today.
func (s *simulator) crawl() cashback.Snapshot {
	at := time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC).AddDate(0, 0, s.day)
	snap := cashback.Snapshot{
		Portal: cashback.Portal{ID: "sim", Currency: "EUR"},
		Run:    cashback.Run{ID: fmt.Sprint(s.day), EndedAt: at, Complete: true, Finish: "done"},
	}
	for _, o := range s.offers {
		if o.weekday == s.day%7 {
			continue
		}
		snap.Offers = append(snap.Offers, o.offer())
	}
	if s.rng.IntN(40) == 0 { // an outage: the last pages are missing
		snap.Run.Complete = false
		snap.Offers = snap.Offers[:len(snap.Offers)*(3+s.rng.IntN(6))/10]
	}
	for i := 0; i < len(snap.Offers); i += 40 {
		snap.Pages = append(snap.Pages, cashback.PageStat{URL: fmt.Sprint("/p", i/40), Outcome: cashback.PageOK, Items: min(40, len(snap.Offers)-i), Filled: 1000})
	}
	return snap
}

func (o simOffer) offer() cashback.Offer {
	v := o.value
	if o.doubled {
		v *= 2
	}
	c := cashback.Component{Kind: o.kind, Value: decimal.MustNew(v, 4)}
	text := c.Value.Trim(0).String() + " %"
	if o.kind == cashback.Fixed {
		c.Currency = "EUR"
		text = c.Value.Trim(0).String() + " €"
	}
	if o.upTo {
		text = "Jusqu'à " + text
	}
	key := fmt.Sprintf("shop-%d", o.id)
	out := cashback.Offer{
		Entry: cashback.Entry{Key: key, Name: o.name, Link: "https://sim.test/" + key}, Merchant: o.merchant,
		Kind: o.kind, Status: cashback.OK,
		Tiers:   []cashback.Tier{{UpTo: o.upTo, Components: []cashback.Component{c}}},
		Receipt: cashback.Receipt{RawText: text},
	}
	switch {
	case o.doubled && o.id%2 == 0: // half of the shops on sale say what they paid before
		out.Previous = cashback.Some(decimal.MustNew(o.value, 4))
	case o.previous > 0:
		out.Previous = cashback.Some(decimal.MustNew(o.previous, 4))
	}
	return out
}

// published is what a reader sees: the store's part of a publication.
type published struct {
	offers map[string]cashback.Offer
	good   map[string]Measure
	max90  map[string]cashback.Decimal
	health cashback.PortalHealth
}

func (p *published) judge(s *simulator, snap cashback.Snapshot) cashback.Judgement {
	var live []cashback.Offer
	for _, k := range sortedKeys(p.offers) {
		live = append(live, p.offers[k])
	}
	j := Judge(Input{Now: snap.Run.EndedAt, Staged: snap, Live: live, Health: p.health, Others: s.others, LastGood: p.good, Max90: p.max90})
	p.health = j.Health
	if j.Verdict == cashback.Hold {
		return j
	}
	doubt := map[string]bool{}
	for _, k := range j.Unverified {
		doubt[k] = true
	}
	for _, o := range snap.Offers {
		o.Status = cashback.OK
		if doubt[o.Entry.Key] {
			o.Status = cashback.Unverified
		} else if m, ok := MeasureOf(o); ok {
			p.good[o.Entry.Key] = m
			if v := decimal.MustNew(m.Value, 4); p.max90[o.Entry.Key].Cmp(v) < 0 {
				p.max90[o.Entry.Key] = v
			}
		}
		p.offers[o.Entry.Key] = o
	}
	for _, k := range j.Missing {
		o := p.offers[k]
		o.MissedRuns++
		p.offers[k] = o
	}
	for _, k := range j.Remove {
		delete(p.offers, k)
	}
	return j
}

// badScrapes are fourteen ways in which a crawl goes wrong while it looks like a
// page. Each alters a run of n offers starting at from, as a broken page would, and
// names the keys concerned.
var badScrapes = []struct {
	name string
	do   func(s *simulator, snap *cashback.Snapshot, hit []int)
}{
	{"offers vanish", func(s *simulator, snap *cashback.Snapshot, hit []int) { dropOffers(snap, hit) }},
	{"pages become a login wall", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		for i := range snap.Pages {
			if i*len(hit) < len(snap.Offers) && i*40 < len(hit) || i == 0 {
				snap.Pages[i].Outcome, snap.Pages[i].Items = cashback.PageBlocked, 0
			}
		}
		snap.Run.Complete, snap.Run.Finish = false, "blocked"
		dropOffers(snap, hit)
	}},
	{"decimal mark misread", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		up := s.rng.IntN(2) == 0
		for _, i := range hit {
			alter(&snap.Offers[i], func(v int64) int64 {
				if up {
					return v * 10
				}
				return max(1, v/10)
			})
		}
	}},
	{"minor units", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		for _, i := range hit {
			alter(&snap.Offers[i], func(v int64) int64 { return v * 100 })
		}
	}},
	{"currency flips", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		for _, i := range hit {
			c := &snap.Offers[i].Tiers[0].Components[0]
			c.Kind, c.Currency = cashback.Fixed, "GBP"
		}
	}},
	{"percent and amounts confused", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		for _, i := range hit {
			c := &snap.Offers[i].Tiers[0].Components[0]
			if c.Kind == cashback.Percent {
				c.Kind, c.Currency = cashback.Fixed, "EUR"
			} else {
				c.Kind, c.Currency = cashback.Percent, ""
			}
		}
	}},
	{"one value for all", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		v := s.percent()
		for _, i := range hit {
			alter(&snap.Offers[i], func(int64) int64 { return v })
		}
	}},
	{"menu text as names", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		menu := []string{"Se connecter", "Mon compte", "Toutes les boutiques", "Voir plus", "Aide", "Parrainage"}
		for _, i := range hit {
			o := &snap.Offers[i]
			o.Entry.Name = menu[s.rng.IntN(len(menu))]
			o.Entry.Key = fmt.Sprintf("menu-%d", i)
			o.Merchant = 0
		}
	}},
	{"ids given to other shops", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		if len(hit) < 2 {
			return
		}
		first := snap.Offers[hit[0]].Entry.Name
		for n, i := range hit {
			if n+1 < len(hit) {
				snap.Offers[i].Entry.Name = snap.Offers[hit[n+1]].Entry.Name
			} else {
				snap.Offers[i].Entry.Name = first
			}
		}
	}},
	{"rates slip by one row", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		if len(hit) < 2 {
			return
		}
		first := snap.Offers[hit[0]]
		for n, i := range hit {
			from := first
			if n+1 < len(hit) {
				from = snap.Offers[hit[n+1]]
			}
			o := &snap.Offers[i]
			o.Tiers, o.Kind, o.Receipt = from.Tiers, from.Kind, from.Receipt
		}
	}},
	{"previous rate taken for the rate", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		lost, worded := s.rng.IntN(2) == 0, s.rng.IntN(2) == 0
		for _, i := range hit {
			o := &snap.Offers[i]
			if !o.Previous.Valid {
				continue
			}
			now, _ := MeasureOf(*o)
			prev := scaled(o.Previous)
			alter(o, func(int64) int64 { return prev })
			o.Previous = cashback.Some(decimal.MustNew(now.Value, 4))
			if lost { // both selectors find the same element, or the other finds none
				o.Previous = cashback.NullDecimal{}
				if worded {
					o.Receipt.RawText = "était " + o.Receipt.RawText
				}
			}
		}
	}},
	{"coupon taken for the rate", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		for _, i := range hit {
			o := &snap.Offers[i]
			v := int64(1+s.rng.IntN(8)) * 50000
			o.Tiers = []cashback.Tier{{Components: []cashback.Component{{Kind: cashback.Percent, Value: decimal.MustNew(v, 4)}}}}
			o.Kind = cashback.Percent
			o.Receipt.RawText = fmt.Sprintf("%d %% de réduction", v/10000)
		}
	}},
	{"rates missing", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		for _, i := range hit {
			o := &snap.Offers[i]
			o.Kind, o.Tiers, o.Receipt.RawText = cashback.NoCashback, nil, ""
		}
	}},
	{"wrong charset", func(s *simulator, snap *cashback.Snapshot, hit []int) {
		for _, i := range hit {
			snap.Offers[i].Entry.Name = "BÃ©bÃ© " + snap.Offers[i].Entry.Name
		}
	}},
}

func alter(o *cashback.Offer, f func(int64) int64) {
	tier := o.Tiers[0]
	tier.Components = slices.Clone(tier.Components)
	tier.Components[0].Value = decimal.MustNew(f(scaled(cashback.Some(tier.Components[0].Value))), 4)
	o.Tiers = []cashback.Tier{tier}
	o.Receipt.RawText = strings.NewReplacer("0", "").Replace("") + tier.Components[0].Value.Trim(0).String() + " %"
	if tier.UpTo {
		o.Receipt.RawText = "Jusqu'à " + o.Receipt.RawText
	}
}

func dropOffers(snap *cashback.Snapshot, hit []int) {
	gone := map[string]bool{}
	for _, i := range hit {
		gone[snap.Offers[i].Entry.Key] = true
	}
	snap.Offers = slices.DeleteFunc(slices.Clone(snap.Offers), func(o cashback.Offer) bool { return gone[o.Entry.Key] })
}

func newPublished() *published {
	return &published{offers: map[string]cashback.Offer{}, good: map[string]Measure{}, max90: map[string]cashback.Decimal{}}
}

type healthyScore struct {
	normal, normalHeld, sales, salesHeld int
	// Offers shown as unverified although they were right, and all offers shown.
	normalDoubted, normalOffers, salesDoubted, salesOffers int
	// Runs after 2 to 28 days without one.
	late, lateHeld int
}

// healthyDays simulates portals for 40 days each and counts held runs.
func healthyDays(t testing.TB, portals int) (h healthyScore) {
	for p := range portals {
		s := newSimulator(uint64(1000 + p))
		pub := newPublished()
		wasSale := false
		for day := range 40 {
			sale := 0.0
			if day > 5 && s.rng.IntN(10) == 0 {
				sale = s.rng.Float64() * .4
			}
			s.step(sale)
			j := pub.judge(s, s.crawl())
			held := j.Verdict == cashback.Hold
			if held && testing.Verbose() {
				t.Logf("portal %d day %d sale %.2f held: %s", p, day, sale, failures(j))
			}
			// The day after a sale belongs to it: its rates fall back.
			if sale > 0 || wasSale {
				h.sales++
				h.salesDoubted += len(j.Unverified)
				h.salesOffers += len(pub.offers)
				if held {
					h.salesHeld++
				}
			} else {
				h.normal++
				h.normalDoubted += len(j.Unverified)
				h.normalOffers += len(pub.offers)
				if held {
					h.normalHeld++
				}
			}
			wasSale = sale > 0
		}
		// Then it is out of reach for a while, comes back, and again.
		for _, gap := range []int{2, 7, 14, 28} {
			for range gap {
				s.step(0)
			}
			snap := s.crawl()
			j := pub.judge(s, snap)
			h.late++
			if j.Verdict == cashback.Hold {
				h.lateHeld++
				if testing.Verbose() {
					t.Logf("portal %d after %d days held: %s", p, gap, failures(j))
				}
			}
			for pub.health.State != cashback.Healthy || j.Verdict == cashback.Hold {
				s.step(0)
				j = pub.judge(s, s.crawl())
			}
		}
	}
	return h
}

func failures(j cashback.Judgement) string {
	var b strings.Builder
	for _, f := range j.Findings {
		if f.Result == cashback.Fail {
			fmt.Fprintf(&b, "%s %s %s (limit %s); ", f.Rule, f.Reason, f.Measured, f.Limit)
		}
	}
	return b.String()
}

type badScore struct {
	trials, held, caught int
	badBest              int
	recovered            int
}

// badRuns injects one bad scrape of a class and severity into healthy portals.
// gap is how many days lie between the last good run and the bad one.
func badRuns(t testing.TB, class int, severity float64, trials, past, gap int) (score badScore) {
	for n := range trials {
		s := newSimulator(uint64(n)*977 + uint64(class)*31 + uint64(severity*1000))
		pub := newPublished()
		for range past {
			s.step(0)
			pub.judge(s, s.crawl())
		}
		for pub.health.State != cashback.Healthy || pub.health.Good < 2 {
			s.step(0)
			pub.judge(s, s.crawl())
		}
		for range gap {
			s.step(0)
		}
		snap := s.crawl()
		for !snap.Run.Complete {
			snap = s.crawl()
		}
		truth := map[string]cashback.Offer{}
		for _, o := range snap.Offers {
			truth[o.Entry.Key] = o
		}
		size := max(1, int(float64(len(snap.Offers))*severity+.5))
		from := s.rng.IntN(len(snap.Offers) - size + 1)
		var hit []int
		for i := from; i < from+size; i++ {
			hit = append(hit, i)
		}
		before := map[string]cashback.Offer{}
		for k, o := range pub.offers {
			before[k] = o
		}
		badScrapes[class].do(s, &snap, hit)
		j := pub.judge(s, snap)
		score.trials++
		if j.Verdict == cashback.Hold {
			score.held++
		}
		shown, best := badShown(s, pub, before, truth)
		if shown == 0 {
			score.caught++
		} else if testing.Verbose() && severity >= .1 {
			t.Logf("%s at %.0f %%: %d bad values shown", badScrapes[class].name, severity*100, shown)
		}
		score.badBest += best
		if best > 0 && testing.Verbose() {
			t.Logf("%s at %.0f %%: %d bad values shown as best", badScrapes[class].name, severity*100, best)
		}
		// Two healthy runs later all must be true and trusted again.
		var last cashback.Judgement
		for range 2 {
			s.step(0)
			snap := s.crawl()
			for !snap.Run.Complete {
				snap = s.crawl()
			}
			last = pub.judge(s, snap)
			truth = map[string]cashback.Offer{}
			for _, o := range snap.Offers {
				truth[o.Entry.Key] = o
			}
		}
		wrong, _ := badShown(s, pub, pub.offers, truth)
		if pub.health.State == cashback.Healthy && last.Verdict != cashback.Hold && wrong == 0 {
			score.recovered++
		} else if testing.Verbose() {
			t.Logf("%s at %.0f %%: not recovered: %s, %d wrong, %s", badScrapes[class].name, severity*100, pub.health.State, wrong, failures(last))
		}
	}
	return score
}

// badShown counts the values shown as fact that are neither true today nor what
// was published before, and those of them that are shown as a shop's best rate.
func badShown(s *simulator, pub *published, before, truth map[string]cashback.Offer) (shown, best int) {
	for k, o := range pub.offers {
		if o.Status != cashback.OK {
			continue
		}
		m, pays := MeasureOf(o)
		t, real := truth[k]
		tm, truePays := MeasureOf(t)
		if real && m == tm && pays == truePays && o.Entry.Name == t.Entry.Name {
			continue
		}
		b, had := before[k]
		bm, _ := MeasureOf(b)
		if had && bm == m && b.Entry.Name == o.Entry.Name {
			continue
		}
		shown++
		if !pays || o.Merchant == 0 || m.Value <= tm.Value && m.Unit == tm.Unit {
			continue
		}
		others := sameUnit(s.others[o.Merchant], m.Unit)
		if len(others) > 0 && float64(m.Value) > slices.Max(others) {
			best++
		}
	}
	return shown, best
}

// TestGateReport holds the gate to its promises on the simulator and prints the
// table of docs/gate.md: recall ≥ 99.5 % at ≥ 10 % affected and ≥ 95 % at 2 to
// 10 %, false quarantine ≤ 1 % on normal days and ≤ 5 % on sales days, no bad value
// shown as a best rate, recovery within two healthy runs. CAGNOTTE_GATE_REPORT=1
// (make gate-report) runs the full numbers.
func TestGateReport(t *testing.T) {
	portals, trials, past := 2, 1, 4
	severities := []float64{.02, .05, .1, 1}
	full := os.Getenv("CAGNOTTE_GATE_REPORT") != ""
	if full {
		portals, trials, past = 50, 40, 12
		severities = []float64{.01, .02, .05, .10, .20, .50, 1}
	}
	h := healthyDays(t, portals)
	var b strings.Builder
	fmt.Fprintf(&b, "healthy crawls: %d on normal days, %d held (%.2f %%); %d on sales days, %d held (%.2f %%)\n\n",
		h.normal, h.normalHeld, percentOf(h.normalHeld, h.normal), h.sales, h.salesHeld, percentOf(h.salesHeld, h.sales))
	fmt.Fprintf(&b, "healthy crawls after 2 to 28 days without one: %d, %d held (%.2f %%)\n\n", h.late, h.lateHeld, percentOf(h.lateHeld, h.late))
	fmt.Fprintf(&b, "offers that were right and shown as unverified for one run: %.2f %% on normal days, %.2f %% on sales days\n\n",
		percentOf(h.normalDoubted, h.normalOffers), percentOf(h.salesDoubted, h.salesOffers))
	fmt.Fprintf(&b, "| bad scrape |")
	for _, s := range severities {
		fmt.Fprintf(&b, " %.0f %% |", s*100)
	}
	fmt.Fprintf(&b, " held at ≥ 10 %% | bad best rates | recovered |\n|---%s|---|---|---|\n", strings.Repeat("|---", len(severities)))
	var small, large, late badScore
	for c := range badScrapes {
		fmt.Fprintf(&b, "| %s |", badScrapes[c].name)
		var all, big badScore
		for _, sev := range severities {
			score := badRuns(t, c, sev, trials, past, 1)
			fmt.Fprintf(&b, " %.0f %% |", percentOf(score.caught, score.trials))
			all.add(score)
			switch {
			case sev >= .1:
				large.add(score)
				big.add(score)
			case sev >= .02:
				small.add(score)
			}
		}
		after := badRuns(t, c, .2, max(1, trials/4), past, 14)
		late.add(after)
		all.badBest += after.badBest
		fmt.Fprintf(&b, " %.0f %% | %d | %.0f %% |\n", percentOf(big.held, big.trials), all.badBest, percentOf(all.recovered, all.trials))
		if all.badBest > 0 {
			t.Errorf("%s: %d bad values shown as a best rate", badScrapes[c].name, all.badBest)
		}
		if all.recovered < all.trials && (full && percentOf(all.recovered, all.trials) < 98 || !full && all.recovered < all.trials-1) {
			t.Errorf("%s: %d of %d recovered within two healthy runs", badScrapes[c].name, all.recovered, all.trials)
		}
	}
	fmt.Fprintf(&b, "\nrecall: %.2f %% at 10 %% and more affected (%d crawls), %.2f %% at 2 to 10 %% (%d crawls)\n",
		percentOf(large.caught, large.trials), large.trials, percentOf(small.caught, small.trials), small.trials)
	fmt.Fprintf(&b, "\nrecall after a fortnight without a good run, 20 %% affected: %.2f %% (%d crawls)\n", percentOf(late.caught, late.trials), late.trials)
	if full && percentOf(late.caught, late.trials) < 97 {
		t.Errorf("recall after a fortnight is %.2f %%", percentOf(late.caught, late.trials))
	}
	if percentOf(h.lateHeld, h.late) > 5 && h.lateHeld > 1 {
		t.Errorf("%d of %d healthy crawls held after days without one", h.lateHeld, h.late)
	}
	if percentOf(large.caught, large.trials) < 99.5 {
		t.Errorf("recall at ≥ 10 %% affected is %.2f %%", percentOf(large.caught, large.trials))
	}
	if percentOf(small.caught, small.trials) < 95 {
		t.Errorf("recall at 2 to 10 %% affected is %.2f %%", percentOf(small.caught, small.trials))
	}
	if full && percentOf(h.normalHeld, h.normal) > 1 || percentOf(h.normalHeld, h.normal) > 3 {
		t.Errorf("%d of %d healthy crawls held on normal days", h.normalHeld, h.normal)
	}
	if percentOf(h.salesHeld, h.sales) > 5 && h.salesHeld > 1 {
		t.Errorf("%d of %d healthy crawls held on sales days", h.salesHeld, h.sales)
	}
	if full {
		fmt.Println(b.String())
	} else {
		t.Log("\n" + b.String())
	}
}

func (s *badScore) add(o badScore) {
	s.trials += o.trials
	s.held += o.held
	s.caught += o.caught
	s.badBest += o.badBest
	s.recovered += o.recovered
}

func percentOf(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) * 100 / float64(of)
}

package gate

import (
	"fmt"
	"slices"
	"testing"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// TestRules has each rule of CRAWLING.md, section 3, on both sides of its threshold: one
// step below nothing is said, one step above the rule fails, or doubts the offers it is
// about. The portal has 400 offers and five healthy runs.
func TestRules(t *testing.T) {
	live := offers(400)
	// Rates that no neighbour has, far enough apart that none is a power of another.
	spread := func(o []cashback.Offer, n, every int, f func(int64) int64) []cashback.Offer {
		o = slices.Clone(o)
		for i := 0; i < n; i++ {
			alter(&o[(i*every)%len(o)], f)
		}
		return o
	}
	page := func(o []cashback.Offer, change func(*cashback.Snapshot)) cashback.Snapshot {
		s := staged(o)
		if change != nil {
			change(&s)
		}
		return s
	}
	pages := func(walls, others int) cashback.Snapshot {
		return page(live, func(s *cashback.Snapshot) {
			s.Pages = nil
			for i := range others {
				s.Pages = append(s.Pages, cashback.PageStat{URL: fmt.Sprint("/", i), Outcome: cashback.PageOK, Items: 10, Filled: 1000})
			}
			for i := range walls {
				s.Pages = append(s.Pages, cashback.PageStat{URL: fmt.Sprint("/wall", i), Outcome: cashback.PageBlocked})
			}
		})
	}
	filled := func(permille int) cashback.Snapshot {
		return page(live, func(s *cashback.Snapshot) { s.Pages[0].Filled = permille })
	}
	pairs := func(bad int) cashback.Snapshot {
		return page(live, func(s *cashback.Snapshot) {
			for i := range 10 {
				s.Pairs = append(s.Pairs, cashback.ListDetail{Key: live[i].Entry.Key, Agree: i >= bad})
			}
		})
	}
	renamed := func(n int) []cashback.Offer {
		o := slices.Clone(live)
		for i := range n {
			o[i*3].Entry.Name = fmt.Sprintf("Elsewhere %c%c", 'A'+i/26, 'a'+i%26)
		}
		return o
	}
	pounds := func(n int) []cashback.Offer {
		o := slices.Clone(live)
		for i := range n {
			tier := o[i*7].Tiers[0]
			tier.Components = []cashback.Component{{Kind: cashback.Fixed, Value: decimal.MustNew(int64(i+3), 0), Currency: "GBP"}}
			o[i*7].Tiers, o[i*7].Kind = []cashback.Tier{tier}, cashback.Fixed
		}
		return o
	}
	unlinked := func(n int) []cashback.Offer {
		o := slices.Clone(live)
		for i := range n {
			o[i].Entry.Link = ""
		}
		return o
	}
	linked := slices.Clone(live)
	for i := range linked {
		linked[i].Entry.Link = fmt.Sprint("https://p.test/", i)
	}
	live = linked
	others := map[cashback.MerchantID][]Measure{}
	for i := range live {
		m, _ := MeasureOf(live[i])
		others[live[i].Merchant] = []Measure{m, m, m}
	}
	twice := func(v int64) int64 { return 2*v + 3000 }      // more than double, no power of ten
	threefold := func(v int64) int64 { return v * 28 / 10 } // far from every other portal
	canary := []cashback.Canary{{Merchant: live[0].Entry.Name, Low: cashback.Some(decimal.MustNew(10, 1)), High: cashback.Some(decimal.MustNew(20, 1))}}
	for _, c := range []struct {
		rule        cashback.Rule
		what        string
		below, over cashback.Snapshot
		others      map[cashback.MerchantID][]Measure
		canary      []cashback.Canary
	}{
		{rule: Completeness, what: "nothing was extracted", below: staged(live), over: staged(nil)},
		{rule: Volume, what: "under 0.7 of the usual count, or 4 deviations off", below: staged(live[:378]), over: staged(live[:279])},
		{rule: Volume, what: "over 1.5 times the usual count", below: staged(append(slices.Clone(live), named(offers(410)[400:])...)), over: staged(append(slices.Clone(live), named(offers(602)[400:])...))},
		{rule: Churn, what: "over a fifth of the entries are others", below: staged(live), over: staged(renamed(81))},
		{rule: Moves, what: "over 5 % at more than double", below: staged(spread(live, 1, 37, twice)), over: staged(spread(live, 21, 19, twice))},
		{rule: Unit, what: "over 3 % in another currency", below: staged(pounds(2)), over: staged(pounds(13))},
		{rule: Unit, what: "powers of ten at over 3 %", below: staged(spread(live, 1, 37, func(v int64) int64 { return 10 * v })), over: staged(spread(live, 13, 29, func(v int64) int64 { return 10 * v }))},
		{rule: Distribution, what: "a field is missing at 5 points more", below: staged(unlinked(20)), over: staged(unlinked(21))},
		{rule: Canaries, what: "a pinned shop is implausible", below: staged(live), over: staged(change(live, 0, rate(21000))), canary: canary},
		{rule: Signature, what: "a tenth of the pages are walls", below: pages(1, 10), over: pages(1, 9)},
		{rule: Signature, what: "selectors hit less than 0.8 of the usual", below: filled(800), over: filled(799)},
		{rule: CrossPortal, what: "over a tenth is far from every other portal", below: staged(spread(live, 2, 37, threefold)), over: staged(spread(live, 41, 9, threefold)), others: others},
		{rule: SelfConsistency, what: "over a fifth of the pairs disagree", below: pairs(2), over: pairs(3)},
	} {
		t.Run(string(c.rule)+" "+c.what, func(t *testing.T) {
			judge := func(s cashback.Snapshot) cashback.Judgement {
				return Judge(Input{Now: noon, Staged: s, Live: live, Health: known(live, 5), Others: c.others, Canaries: c.canary})
			}
			failed := func(j cashback.Judgement) bool {
				return slices.ContainsFunc(j.Findings, func(f cashback.Finding) bool { return f.Rule == c.rule && f.Result == cashback.Fail })
			}
			if j := judge(c.below); failed(j) || j.Verdict == cashback.Hold {
				t.Errorf("below the threshold: %s %s", j.Verdict, failures(j))
			}
			if j := judge(c.over); !failed(j) || j.Verdict != cashback.Hold {
				t.Errorf("above it: %s %s", j.Verdict, failures(j))
			}
		})
	}
}

// named gives offers other keys and names than any live one has.
func named(o []cashback.Offer) []cashback.Offer {
	for i := range o {
		o[i].Entry.Key, o[i].Entry.Name = fmt.Sprint("new-", i), fmt.Sprintf("Newcomer %c%c", 'A'+i/26, 'a'+i%26)
		o[i].Merchant = 0
	}
	return o
}

// TestYoungPortals: with fewer than three healthy runs the rules that compare with the
// past don't apply, however far a run is from what is live; the absolute ones do.
func TestYoungPortals(t *testing.T) {
	live := offers(400)
	far := slices.Clone(live[:150])
	for i := range far {
		alter(&far[i], func(v int64) int64 { return min(v*5/2, 490_000) })
		far[i].Entry.Name = fmt.Sprintf("Elsewhere %c%c", 'A'+i/26, 'a'+i%26)
	}
	for runs := range 6 {
		j := Judge(Input{Now: noon, Staged: staged(far), Live: live, Health: known(live, runs)})
		if held := j.Verdict == cashback.Hold; held != (runs >= Defaults().HealthyRuns) {
			t.Errorf("after %d healthy runs: %s %s", runs, j.Verdict, failures(j))
		}
	}
}

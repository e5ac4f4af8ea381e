package gate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/govalues/decimal"
	"pgregory.net/rapid"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// offers makes n offers at 1.0, 1.5 … percent, named and keyed by their number.
func offers(n int) []cashback.Offer {
	var out []cashback.Offer
	for i := range n {
		o := simOffer{id: i, name: fmt.Sprintf("Shop %c%c", 'A'+i/26, 'a'+i%26), kind: cashback.Percent, value: int64(10000 + 5000*(i%17)), merchant: cashback.MerchantID(i + 1)}
		out = append(out, o.offer())
	}
	return out
}

func staged(o []cashback.Offer) cashback.Snapshot {
	return cashback.Snapshot{
		Portal: cashback.Portal{ID: "p", Currency: "EUR"},
		Run:    cashback.Run{ID: "r", EndedAt: noon, Complete: true, Finish: "done"},
		Offers: o,
		Pages:  []cashback.PageStat{{URL: "/", Outcome: cashback.PageOK, Items: len(o), Filled: 1000}},
	}
}

// known is a portal's health after n runs like the given one.
func known(o []cashback.Offer, n int) cashback.PortalHealth {
	h := cashback.PortalHealth{Portal: "p", State: cashback.Healthy, Good: n}
	for range n {
		h.Baseline = append(h.Baseline, profileOf(staged(o)))
	}
	return h
}

func change(o []cashback.Offer, i int, f func(*cashback.Offer)) []cashback.Offer {
	o = slices.Clone(o)
	f(&o[i])
	return o
}

func rate(v int64) func(*cashback.Offer) {
	return func(o *cashback.Offer) { alter(o, func(int64) int64 { return v }) }
}

func TestVerdicts(t *testing.T) {
	live := offers(300)
	partial := staged(live[:200])
	partial.Run.Complete, partial.Run.Finish = false, "pages"
	walled := staged(live)
	walled.Pages = append(walled.Pages, cashback.PageStat{URL: "/login", Outcome: cashback.PageBlocked})
	torn := staged(live)
	for i := range 6 {
		torn.Pairs = append(torn.Pairs, cashback.ListDetail{Key: live[i].Entry.Key, Agree: i > 2})
	}
	pounds := slices.Clone(live)
	for i := range pounds {
		tier := pounds[i].Tiers[0]
		tier.Components = []cashback.Component{{Kind: cashback.Fixed, Value: decimal.MustNew(5, 0), Currency: "GBP"}}
		pounds[i].Tiers = []cashback.Tier{tier}
	}
	for _, c := range []struct {
		name   string
		snap   cashback.Snapshot
		runs   int
		canary []cashback.Canary
		want   cashback.Verdict
		rule   cashback.Rule // that must have failed
	}{
		{name: "the same again", snap: staged(live), runs: 5, want: cashback.Publish},
		{name: "nothing extracted", snap: staged(nil), runs: 5, want: cashback.Hold, rule: Completeness},
		{name: "nothing extracted, first run", snap: staged(nil), want: cashback.Hold, rule: Completeness},
		{name: "partial", snap: partial, runs: 5, want: cashback.PublishUpserts},
		{name: "a third is gone", snap: staged(live[:195]), runs: 5, want: cashback.Hold, rule: Volume},
		{name: "a third is gone, too young to compare", snap: staged(live[:195]), runs: 2, want: cashback.Publish},
		{name: "a wall", snap: walled, runs: 5, want: cashback.Hold, rule: Signature},
		{name: "a wall, first run", snap: walled, want: cashback.Hold, rule: Signature},
		{name: "list and page differ", snap: torn, runs: 5, want: cashback.Hold, rule: SelfConsistency},
		{name: "another currency, first run", snap: staged(pounds), want: cashback.Hold, rule: Unit},
		{name: "canary missing", snap: staged(live), runs: 5, canary: []cashback.Canary{{Merchant: "Fnac"}}, want: cashback.Hold, rule: Canaries},
		{name: "canary out of range", snap: staged(live), canary: []cashback.Canary{{Merchant: "SHOP AA", High: cashback.Some(decimal.MustNew(5, 1))}}, want: cashback.Hold, rule: Canaries},
		{name: "canary alive", snap: staged(live), canary: []cashback.Canary{{Merchant: "shop aa", Low: cashback.Some(decimal.MustNew(5, 1))}}, want: cashback.Publish},
		{name: "negative canary found", snap: staged(live), canary: []cashback.Canary{{Merchant: "Shop Ab", Absent: true}}, want: cashback.Hold, rule: Canaries},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := Judge(Input{Now: noon, Staged: c.snap, Live: live, Health: known(live, c.runs), Canaries: c.canary})
			if j.Verdict != c.want {
				t.Errorf("verdict %s, want %s: %s", j.Verdict, c.want, failures(j))
			}
			if c.rule != "" && !slices.ContainsFunc(j.Findings, func(f cashback.Finding) bool { return f.Rule == c.rule && f.Result == cashback.Fail }) {
				t.Errorf("%s did not fail: %s", c.rule, failures(j))
			}
		})
	}
}

func TestDoubtsOfSingleOffers(t *testing.T) {
	live := offers(300)
	key := live[7].Entry.Key
	for _, c := range []struct {
		name   string
		staged []cashback.Offer
		others map[cashback.MerchantID][]Measure
		doubt  bool
	}{
		{"a small rise", change(live, 7, rate(57000)), nil, false},
		{"a doubled rate", change(live, 7, rate(2*45000)), nil, false},
		{"tenfold", change(live, 7, rate(450000)), nil, true},
		{"over the ceiling", change(live, 7, rate(510000)), nil, true},
		{"a neighbour's rate", change(live, 7, rate(50000)), nil, true},
		{"three times the others", change(live, 7, rate(80000)), map[cashback.MerchantID][]Measure{8: {{"percent", 20000}, {"percent", 25000}}}, true},
		{"as the others", change(live, 7, rate(80000)), map[cashback.MerchantID][]Measure{8: {{"percent", 70000}, {"percent", 65000}}}, false},
		{"a rate that vanished", change(live, 7, func(o *cashback.Offer) { o.Kind, o.Tiers = cashback.NoCashback, nil }), nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := Judge(Input{Now: noon, Staged: staged(c.staged), Live: live, Health: known(live, 5), Others: c.others})
			if j.Verdict != cashback.Publish {
				t.Fatalf("verdict %s: %s", j.Verdict, failures(j))
			}
			if got := slices.Contains(j.Unverified, key); got != c.doubt {
				t.Errorf("doubted %v, want %v", got, c.doubt)
			}
		})
	}
}

// A second run that reads the same settles a doubt, unless a canary disagrees.
func TestSecondRunSettles(t *testing.T) {
	live := offers(300)
	high := change(live, 7, rate(510000))
	published := change(high, 7, func(o *cashback.Offer) { o.Status = cashback.Unverified })
	settle := func(next []cashback.Offer, c ...cashback.Canary) []string {
		return Judge(Input{Now: noon, Staged: staged(next), Live: published, Health: known(live, 5), Canaries: c,
			LastGood: map[string]Measure{live[7].Entry.Key: {"percent", 45000}}}).Unverified
	}
	if got := settle(high); len(got) != 0 {
		t.Errorf("read twice, still unverified: %v", got)
	}
	if got := settle(live); len(got) != 0 {
		t.Errorf("back at the last good value, still unverified: %v", got)
	}
	if got := settle(change(live, 7, rate(90000))); len(got) != 1 {
		t.Errorf("a third value settled the doubt: %v", got)
	}
}

// A doubt that was settled stays settled: a high rate that stands isn't doubted anew by
// each run, or by neighbours that pay less.
func TestSettledStaysSettled(t *testing.T) {
	live := change(change(offers(300), 7, rate(510000)), 9, rate(90000))
	others := map[cashback.MerchantID][]Measure{live[9].Merchant: {{"percent", 20000}, {"percent", 25000}}}
	for i := range live {
		live[i].Status = cashback.Unverified
	}
	h := known(live, 5)
	for run := range 4 {
		j := Judge(Input{Now: noon.Add(time.Duration(run) * 6 * time.Hour), Staged: staged(live), Live: live, Health: h, Others: others})
		if j.Verdict != cashback.Publish || len(j.Unverified) != 0 || !j.Health.RecrawlAt.IsZero() {
			t.Fatalf("run %d: %s, unverified %q, a second look at %v", run, j.Verdict, j.Unverified, j.Health.RecrawlAt)
		}
		h, live = j.Health, slices.Clone(live)
		for i := range live {
			live[i].Status = cashback.OK
		}
	}
}

// A portal that is read again after weeks has honestly moved: what speaks against a
// run a day after the last good one is chance then. A flip of everything isn't.
func TestPatienceGrowsWithAge(t *testing.T) {
	live := offers(300)
	for i := range live {
		if i%10 == 0 { // a tenth is on promotion, and says what it paid before
			m, _ := MeasureOf(live[i])
			live[i].Previous = cashback.Some(decimal.MustNew(m.Value*6/10, 4))
		}
	}
	moved, halved, tenfold, swapped := slices.Clone(live), slices.Clone(live), slices.Clone(live), slices.Clone(live)
	for i := range live {
		if i%10 == 0 {
			was := scaled(live[i].Previous)
			rate(was)(&moved[i]) // every promotion has ended
			moved[i].Previous = cashback.NullDecimal{}
			rate(was)(&swapped[i])
			swapped[i].Receipt.RawText = "was " + swapped[i].Receipt.RawText
			swapped[i].Previous = cashback.NullDecimal{}
		}
		if i%40 == 7 {
			rate(400_000)(&halved[i])
		}
		if i%20 == 3 {
			alter(&tenfold[i], func(v int64) int64 { return 10 * v })
		}
	}
	for _, c := range []struct {
		name string
		snap []cashback.Offer
		days int
		want cashback.Verdict
	}{
		{"promotions that end overnight", moved, 1, cashback.Publish},
		{"the struck-out rates are read, overnight", swapped, 1, cashback.Hold},
		{"the struck-out rates are read, weeks later", swapped, 21, cashback.Hold},
		{"jumps overnight", halved, 1, cashback.Hold},
		{"jumps within three weeks", halved, 21, cashback.Publish},
		{"a digit shifts, weeks later", tenfold, 21, cashback.Hold},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := known(live, 5)
			h.LastGoodAt = noon.AddDate(0, 0, -c.days)
			j := Judge(Input{Now: noon, Staged: staged(c.snap), Live: live, Health: h})
			if j.Verdict != c.want {
				t.Errorf("%s, want %s: %s", j.Verdict, c.want, failures(j))
			}
		})
	}
}

func TestRemovals(t *testing.T) {
	live := offers(300)
	fewer := live[:295]
	j := Judge(Input{Now: noon, Staged: staged(fewer), Live: live, Health: known(live, 5)})
	if len(j.Missing) != 5 || len(j.Remove) != 0 {
		t.Errorf("first miss: missing %d, removed %d", len(j.Missing), len(j.Remove))
	}
	missed := slices.Clone(live)
	for i := 295; i < 300; i++ {
		missed[i].MissedRuns = 1
	}
	j = Judge(Input{Now: noon, Staged: staged(fewer), Live: missed, Health: known(live, 5)})
	if len(j.Remove) != 5 || j.Verdict != cashback.Publish {
		t.Errorf("second miss: removed %d, %s", len(j.Remove), j.Verdict)
	}
	snap := staged(fewer)
	snap.Run.Complete = false
	j = Judge(Input{Now: noon, Staged: snap, Live: missed, Health: known(live, 5)})
	if len(j.Remove)+len(j.Missing) != 0 {
		t.Errorf("a partial run removed %d and counted %d", len(j.Remove), len(j.Missing))
	}
	// More than a tenth at once is withheld (too young to compare volumes).
	for i := 260; i < 300; i++ {
		missed[i].MissedRuns = 1
	}
	j = Judge(Input{Now: noon, Staged: staged(live[:260]), Live: missed, Health: known(live, 1)})
	if len(j.Withheld) != 40 || len(j.Remove) != 0 || j.Verdict != cashback.PublishUpserts {
		t.Errorf("forty at once: withheld %d, removed %d, %s", len(j.Withheld), len(j.Remove), j.Verdict)
	}
}

func TestStates(t *testing.T) {
	live := offers(300)
	h := known(live, 5)
	type step struct {
		good    bool
		state   cashback.Health
		verdict cashback.Verdict
	}
	now := noon
	for i, s := range []step{
		{false, cashback.Suspect, cashback.Hold},
		{true, cashback.Suspect, cashback.Publish},
		{true, cashback.Healthy, cashback.Publish},
		{false, cashback.Suspect, cashback.Hold},
		{false, cashback.Quarantine, cashback.Hold},
		{true, cashback.Quarantine, cashback.Hold},
		{true, cashback.Healthy, cashback.Publish},
		{false, cashback.Suspect, cashback.Hold},
		{false, cashback.Quarantine, cashback.Hold},
		{false, cashback.Quarantine, cashback.Hold},
		{false, cashback.Quarantine, cashback.Hold},
		{false, cashback.Broken, cashback.Hold},
		{true, cashback.Quarantine, cashback.Hold}, // a look at its first pages
		{false, cashback.Broken, cashback.Hold},    // the whole is as bad as it was
		{true, cashback.Quarantine, cashback.Hold},
		{true, cashback.Healthy, cashback.Publish},
	} {
		snap := staged(live)
		if !s.good {
			snap = staged(nil)
		}
		now = now.Add(6 * time.Hour)
		j := Judge(Input{Now: now, Staged: snap, Live: live, Health: h})
		h = j.Health
		if h.State != s.state || j.Verdict != s.verdict {
			t.Fatalf("step %d: %s %s, want %s %s", i, h.State, j.Verdict, s.state, s.verdict)
		}
		if wantSoon := !s.good && s.state == cashback.Suspect; wantSoon != !h.RecrawlAt.IsZero() {
			t.Errorf("step %d: early second look at %v", i, h.RecrawlAt)
		}
	}
}

// Accepting a held run makes it the new normal: the next one like it passes.
func TestAccepted(t *testing.T) {
	live := offers(300)
	half := staged(live[:150])
	j := Judge(Input{Now: noon, Staged: half, Live: live, Health: known(live, 14)})
	if j.Verdict != cashback.Hold {
		t.Fatal("half of the offers vanished unnoticed")
	}
	a := Accepted(Input{Now: noon, Staged: half, Live: live, Health: j.Health}, j.Findings)
	if a.Verdict != cashback.Publish || len(a.Remove) != 150 || len(a.Unverified) != 0 {
		t.Errorf("accepted: %s, %d go, %d unverified", a.Verdict, len(a.Remove), len(a.Unverified))
	}
	if j = Judge(Input{Now: noon, Staged: half, Live: half.Offers, Health: a.Health}); j.Verdict != cashback.Publish || j.Health.State != cashback.Healthy {
		t.Errorf("after acceptance: %s, %s", j.Verdict, j.Health.State)
	}
}

// What a partial run lacks stays when it is accepted.
func TestAcceptedPartial(t *testing.T) {
	live := offers(300)
	half := staged(live[:150])
	half.Run.Complete = false
	if a := Accepted(Input{Now: noon, Staged: half, Live: live, Health: known(live, 14)}, nil); a.Verdict != cashback.PublishUpserts || len(a.Remove) != 0 || len(a.Health.Baseline) != 14 {
		t.Errorf("%s, %d go, %d runs are remembered", a.Verdict, len(a.Remove), len(a.Health.Baseline))
	}
}

// An operator's word is about the run: an offer that no shop pays stays unverified, and
// is settled by a second run that reads the same, which is asked for soon.
func TestAcceptedDoubts(t *testing.T) {
	live := offers(300)
	next := slices.Clone(live[:150])
	rate(800000)(&next[7])
	s := staged(next)
	a := Accepted(Input{Now: noon, Staged: s, Live: live, Health: known(live, 14)}, []cashback.Finding{{Rule: Volume, Result: cashback.Fail}})
	if !slices.Equal(a.Unverified, []string{next[7].Entry.Key}) || !a.Health.RecrawlAt.Equal(noon.Add(15*time.Minute)) {
		t.Fatalf("unverified: %q, a second look at %v", a.Unverified, a.Health.RecrawlAt)
	}
	next[7].Status = cashback.Unverified
	if j := Judge(Input{Now: noon.Add(15 * time.Minute), Staged: s, Live: next, Health: a.Health}); j.Verdict != cashback.Publish || len(j.Unverified) != 0 {
		t.Errorf("read again: %s, unverified %q", j.Verdict, j.Unverified)
	}
}

// The order of live offers never matters, a held run never removes, and nothing is
// both removed and counted as missing.
func TestJudgeProperties(t *testing.T) {
	base := offers(120)
	rapid.Check(t, func(t *rapid.T) {
		live := slices.Clone(base)
		next := slices.Clone(base[:rapid.IntRange(60, 120).Draw(t, "size")])
		for range rapid.IntRange(0, 12).Draw(t, "changes") {
			i := rapid.IntRange(0, len(next)-1).Draw(t, "which")
			rate(int64(rapid.IntRange(1, 600000).Draw(t, "value")))(&next[i])
		}
		for i := range live {
			live[i].MissedRuns = rapid.IntRange(0, 1).Draw(t, "missed")
		}
		snap := staged(next)
		snap.Run.Complete = rapid.Bool().Draw(t, "complete")
		in := Input{Now: noon, Staged: snap, Live: live, Health: known(base, rapid.IntRange(0, 5).Draw(t, "runs"))}
		a := Judge(in)
		in.Live = rapid.Permutation(live).Draw(t, "order")
		b := Judge(in)
		if d := cmp.Diff(a.Unverified, b.Unverified) + cmp.Diff(a.Remove, b.Remove); d != "" || a.Verdict != b.Verdict {
			t.Fatalf("the order of live offers changed the judgement: %s → %s %s", a.Verdict, b.Verdict, d)
		}
		if (a.Verdict == cashback.Hold || !snap.Run.Complete) && len(a.Remove) > 0 {
			t.Fatalf("%s, complete %v, removes %d", a.Verdict, snap.Run.Complete, len(a.Remove))
		}
		for _, k := range a.Remove {
			if slices.Contains(a.Missing, k) || slices.Contains(a.Withheld, k) {
				t.Fatalf("%s is removed and missing or withheld", k)
			}
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	live := offers(10000)
	for i := range live {
		live[i].Entry.Name = fmt.Sprintf("Shop number %d", i)
	}
	next := slices.Clone(live)
	for i := 0; i < len(next); i += 50 {
		rate(123000)(&next[i])
	}
	in := Input{Now: noon, Staged: staged(next), Live: live, Health: known(live, 14)}
	b.Run("10000_offers", func(b *testing.B) {
		for b.Loop() {
			Judge(in)
		}
	})
}

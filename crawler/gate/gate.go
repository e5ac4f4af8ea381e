// Package gate judges staged crawls: it keeps what is wrong from being shown.
//
// Its one invariant: Judge is a pure function of what it is given. It removes
// nothing, publishes nothing and reads no clock; whoever calls it carries out the
// judgement in the same transaction that stores the portal's health.
//
// The rules are those of CRAWLING.md, section 3. They work on two levels. A rule
// about the run (a share of offers that is improbable on a healthy day) holds the
// whole run back. A rule about one offer (a jump, a change of kind, a neighbour's
// value) marks that offer unverified until a second run reads the same: it is
// shown as such and never ranked.
package gate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// The twelve rules of CRAWLING.md, section 3.
const (
	Completeness    cashback.Rule = "G1"
	Volume          cashback.Rule = "G2"
	Deletes         cashback.Rule = "G3"
	Churn           cashback.Rule = "G4"
	Moves           cashback.Rule = "G5"
	Ceiling         cashback.Rule = "G6"
	Unit            cashback.Rule = "G7"
	Distribution    cashback.Rule = "G8"
	Canaries        cashback.Rule = "G9"
	Signature       cashback.Rule = "G10"
	CrossPortal     cashback.Rule = "G11"
	SelfConsistency cashback.Rule = "G12"
)

// Limits are the gate's numbers. Shares are in thousandths. The defaults stand in
// CRAWLING.md or were tuned on the simulator (make gate-report).
type Limits struct {
	// HealthyRuns is how many healthy runs must be remembered before the rules that
	// compare with the past apply.
	HealthyRuns int
	// Remembered is how many healthy runs are remembered.
	Remembered int

	VolumeLow, VolumeHigh int // of the median count
	VolumeZ               float64

	DeleteShare, DeleteAbsolute, SmallPortal int
	// Misses is how many complete healthy runs in a row must lack an offer.
	Misses int

	ChurnShare int
	MoveShare  int
	// MedianShift is the largest |median log-ratio| of the rates that moved class by
	// class, in thousandths.
	MedianShift int
	// Improbable is the probability under which a count of odd offers is no longer
	// taken for chance.
	Improbable float64

	CeilingPercent int // in percent
	CeilingFactor  int

	UnitShare     int
	TopFactor     int
	DistinctShare int
	Divergence    float64
	NullPoints    int
	HitRate       int
	CrossShare    int
	CrossMAD      float64
	PairShare     int
	// RecrawlEvery is the least time between two early second looks.
	RecrawlEvery time.Duration
}

// Defaults are the numbers in force unless an operator states others.
func Defaults() Limits {
	return Limits{
		HealthyRuns: 3, Remembered: 14,
		VolumeLow: 700, VolumeHigh: 1500, VolumeZ: 4,
		DeleteShare: 100, DeleteAbsolute: 20, SmallPortal: 200, Misses: cashback.MissesToGo,
		ChurnShare: 200, MoveShare: 50, MedianShift: 50, Improbable: 1e-4,
		CeilingPercent: 50, CeilingFactor: 3,
		UnitShare: 30, TopFactor: 3, DistinctShare: 900, Divergence: .2, NullPoints: 50, HitRate: 800,
		CrossShare: 100, CrossMAD: 4, PairShare: 200,
		RecrawlEvery: 6 * time.Hour,
	}
}

// remember adds a healthy complete run to those that are remembered.
func (l Limits) remember(runs []cashback.RunProfile, p cashback.RunProfile) []cashback.RunProfile {
	runs = append(slices.Clone(runs), p)
	return runs[max(0, len(runs)-l.Remembered):]
}

// Input is everything that a judgement rests on.
type Input struct {
	Now    time.Time
	Staged cashback.Snapshot
	// Live are the portal's published offers, with their status and missed runs.
	Live   []cashback.Offer
	Health cashback.PortalHealth
	// Max90 is the highest headline value published in the last 90 days, by offer
	// key, in the unit of the live offer.
	Max90 map[string]cashback.Decimal
	// Others are, by merchant, the headline values on other portals in the same
	// unit (Measure.Unit), for the ceiling and the comparison across portals.
	Others   map[cashback.MerchantID][]Measure
	Canaries []cashback.Canary
	// LastGood is, for each live offer that is unverified, its last verified headline
	// where it ever had one.
	LastGood map[string]Measure
	Limits   Limits
}

// Measure is an offer's headline: the largest value of its first paying unit.
type Measure struct {
	// Unit is the kind with its currency or points word: "percent", "fixed EUR".
	Unit string
	// Value is in ten-thousandths: 6.5 % is 65000.
	Value int64
}

// MeasureOf is the offer's headline, or false where it pays nothing.
func MeasureOf(o cashback.Offer) (Measure, bool) {
	var m Measure
	for _, t := range o.Tiers {
		for _, c := range t.Components {
			if !c.Kind.Pays() {
				continue
			}
			unit := string(c.Kind)
			switch c.Kind {
			case cashback.Fixed:
				unit += " " + string(c.Currency)
			case cashback.PointsPerUnit, cashback.PointsFixed:
				unit += " " + c.PointsCurrency
			}
			if m.Unit == "" {
				m.Unit = unit
			}
			if unit != m.Unit {
				continue
			}
			whole, frac, ok := c.Value.Int64(4)
			if !ok || whole > math.MaxInt64/20000 {
				whole, frac = math.MaxInt64/20000, 0
			}
			m.Value = max(m.Value, whole*10000+frac)
		}
	}
	return m, m.Unit != "" && m.Value > 0
}

// Judge applies the rules and moves the portal's state.
func Judge(in Input) cashback.Judgement {
	j := newJudge(in)
	j.compare()
	canaries := j.canaries()
	j.completeness()
	j.volume()
	j.churn()
	j.moves()
	j.ceiling(canaries)
	j.unit()
	j.distribution()
	j.signature()
	j.crossPortal()
	j.selfConsistency()
	return j.conclude()
}

func newJudge(in Input) *judge {
	if in.Limits == (Limits{}) {
		in.Limits = Defaults()
	}
	j := &judge{Input: in, live: map[string]*cashback.Offer{}, staged: map[string]*cashback.Offer{}, unverified: map[string]bool{}}
	for i := range in.Live {
		j.live[in.Live[i].Entry.Key] = &in.Live[i]
	}
	for i := range in.Staged.Offers {
		j.staged[in.Staged.Offers[i].Entry.Key] = &in.Staged.Offers[i]
	}
	j.relative = len(in.Health.Baseline) >= in.Limits.HealthyRuns && len(in.Live) > 0
	j.days = daysBetween(in.Health.LastGoodAt, in.Now)
	j.profile = profileOf(in.Staged)
	return j
}

// mostDays is where patience ends: what was read a month ago says as little as what
// was read a season ago.
const mostDays = 30

// daysBetween is how many days' change a run may show. The limits are made for
// portals that are read once a day or more often; one that was down, or held back, or
// paused for weeks has honestly moved further since its last good run.
func daysBetween(last, now time.Time) float64 {
	if last.IsZero() {
		return 1
	}
	return min(max(now.Sub(last).Hours()/24, 1), mostDays)
}

// widened is a limit in thousandths, with so much more for each further day, up to
// half of everything.
func (j *judge) widened(permille, aDay int) int {
	return max(permille, min(permille+int(float64(aDay)*(j.days-1)), 500))
}

// Accepted is the judgement of a run that was held back and that an operator has looked
// at: it is published as it was read, and what a complete run lacks goes. Where a rule
// spoke against it, what was remembered no longer describes the portal, and the memory
// starts anew; one that only waited for a second good run disproves nothing.
//
// The operator speaks for the run, and for how far it is from the portal's own past; not
// for each offer of thousands. One that is implausible by itself or beside other portals
// stays unverified until a second run reads the same.
func Accepted(in Input, held []cashback.Finding) cashback.Judgement {
	if slices.ContainsFunc(held, func(f cashback.Finding) bool { return f.Result == cashback.Fail }) {
		in.Health.Baseline, in.Max90 = nil, nil
	}
	j := newJudge(in)
	j.compare()
	j.ceiling(j.canaries())
	j.selfConsistency()
	out := cashback.Judgement{Verdict: cashback.PublishUpserts, Findings: held, Health: in.Health, Unverified: j.doubted()}
	if in.Staged.Run.Complete {
		out.Verdict = cashback.Publish
		for i := range in.Live {
			if key := in.Live[i].Entry.Key; j.staged[key] == nil {
				out.Remove = append(out.Remove, key)
			}
		}
		slices.Sort(out.Remove)
		out.Health.Baseline = j.Limits.remember(out.Health.Baseline, j.profile)
	}
	h := &out.Health
	h.Portal = in.Staged.Portal.ID
	h.State, h.Bad, h.Good, h.Since, h.LastGoodAt, h.RecrawlAt = cashback.Healthy, 0, 1, in.Now, in.Now, time.Time{}
	if len(out.Unverified) > 0 {
		h.RecrawlAt, h.AskedAt = in.Now.Add(SecondLook), in.Now
	}
	return out
}

type judge struct {
	Input
	live, staged map[string]*cashback.Offer
	relative     bool
	// days is how many days' worth of natural change may lie between what is live and
	// this run.
	days       float64
	profile    cashback.RunProfile
	findings   []cashback.Finding
	unverified map[string]bool
	failed     bool

	// What compare found, by key of the staged offer.
	both                                      int
	big, tenfold, unitChanged, lostRate       []string
	renamed, upToLost, shifted, same, swapped []string
	reverted, reworded                        []string
	repeated, beside, together                []string
	logs                                      map[string][]float64 // log-ratios of all comparable offers, by unit
	up, down                                  int
}

func (j *judge) find(rule cashback.Rule, result cashback.FindingResult, reason string, measured, limit any, sample []string) {
	if result == cashback.Fail {
		j.failed = true
	}
	const shown = 5 // enough to recognise what went wrong
	if len(sample) > shown {
		sample = sample[:shown]
	}
	j.findings = append(j.findings, cashback.Finding{Rule: rule, Result: result, Reason: reason, Measured: fmt.Sprint(measured), Limit: fmt.Sprint(limit), Sample: j.names(sample)})
}

func (j *judge) names(keys []string) []string {
	var names []string
	for _, k := range keys {
		if o := j.staged[k]; o != nil {
			names = append(names, o.Entry.Name)
		} else if o := j.live[k]; o != nil {
			names = append(names, o.Entry.Name)
		} else {
			names = append(names, k)
		}
	}
	return names
}

// of writes a count beside what it was counted among.
func of(n, all int) string { return fmt.Sprintf("%d/%d", n, all) }

// doubt marks offers unverified.
func (j *judge) doubt(keys []string) {
	for _, k := range keys {
		j.unverified[k] = true
	}
}

// compare looks at each offer that is both staged and live.
func (j *judge) compare() {
	j.logs = map[string][]float64{}
	var changed []string // keys whose value changed, in page order
	newValues := map[Measure]int{}
	plain := map[string]bool{} // wordings of live rates without a struck-out one
	for i := range j.Live {
		if l := &j.Live[i]; !l.Previous.Valid && l.Kind.Pays() {
			plain[shape(l.Receipt.RawText)] = true
		}
	}
	offers := j.Staged.Offers
	for i := range offers {
		s := &offers[i]
		key := s.Entry.Key
		l := j.live[key]
		sm, pays := MeasureOf(*s)
		if l == nil {
			continue
		}
		j.both++
		if differentName(l.Entry.Name, s.Entry.Name) {
			j.renamed = append(j.renamed, key)
		}
		lm, paid := MeasureOf(*l)
		if l.Status == cashback.Unverified {
			// A doubted value says nothing about this run. This run settles the doubt:
			// the value is back where it was, or is read again, or is a new doubt.
			good, ok := j.LastGood[key]
			if pays && !(ok && sm == good) && sm != lm {
				j.unverified[key] = true
			}
			continue
		}
		switch {
		case !paid:
			continue
		case !pays:
			j.lostRate = append(j.lostRate, key)
			continue
		case sm.Unit != lm.Unit:
			j.unitChanged = append(j.unitChanged, key)
			continue
		}
		if upTo(l) && !upTo(s) && sm.Value >= lm.Value {
			j.upToLost = append(j.upToLost, key)
		}
		ratio := float64(sm.Value) / float64(lm.Value)
		j.logs[sm.Unit] = append(j.logs[sm.Unit], math.Log(ratio))
		if sm.Value == lm.Value {
			continue
		}
		changed = append(changed, key)
		newValues[sm]++
		if sm.Value > lm.Value {
			j.up++
		} else {
			j.down++
		}
		// A doubled rate is a sale and is rounded to half points; beyond that is odd.
		if ratio > 2.05 || ratio < .487 {
			j.big = append(j.big, key)
		}
		if nearPowerOfTen(ratio) {
			j.tenfold = append(j.tenfold, key)
		}
		if l.Previous.Valid && sm.Value == scaled(l.Previous) {
			// Back to the struck-out rate: a promotion has ended, or the wrong one of two
			// numbers was read. It speaks against the run where both numbers still stand
			// there, or where the words aren't those of an ordinary rate.
			struck := scaled(s.Previous)
			if struck != 0 && (struck == sm.Value || struck == lm.Value) || !plain[shape(s.Receipt.RawText)] {
				j.swapped = append(j.swapped, key)
			} else {
				j.reverted = append(j.reverted, key)
			}
		}
		if sm.Value > lm.Value && shape(s.Receipt.RawText) != shape(l.Receipt.RawText) {
			j.reworded = append(j.reworded, key)
		}
	}
	j.neighbours(changed)
	// One value in the place of many: three or more changed offers that now agree,
	// and are half of all that changed.
	for m, n := range newValues {
		if n >= 3 && 2*n >= len(changed) {
			for _, k := range changed {
				if sm, _ := MeasureOf(*j.staged[k]); sm == m {
					j.same = append(j.same, k)
				}
			}
		}
	}
	j.profile.MovedUp, j.profile.MovedDown = permille(j.up, j.both), permille(j.down, j.both)
}

// reach is how many rows on a page away a slipped or repeated value is looked for.
const reach = 3

// neighbours finds the traces of a page read out of step: changed offers that now
// have what a neighbour on the page had, or the same new value as a changed
// neighbour, those in the midst of such, and newcomers side by side.
func (j *judge) neighbours(changed []string) {
	moved := make(map[string]bool, len(changed))
	for _, k := range changed {
		moved[k] = true
	}
	offers := j.Staged.Offers
	near := func(i, within int, is func(n int) bool) bool {
		for n := max(0, i-within); n <= min(len(offers)-1, i+within); n++ {
			if n != i && is(n) {
				return true
			}
		}
		return false
	}
	odd := map[string]bool{}
	for i := range offers {
		key := offers[i].Entry.Key
		if !moved[key] {
			if j.live[key] == nil && near(i, 1, func(n int) bool { return j.live[offers[n].Entry.Key] == nil }) {
				j.together = append(j.together, key)
			}
			continue
		}
		sm, _ := MeasureOf(offers[i])
		if near(i, 2, func(n int) bool {
			l := j.live[offers[n].Entry.Key]
			if l == nil {
				return false
			}
			lm, _ := MeasureOf(*l)
			return lm == sm
		}) {
			j.shifted = append(j.shifted, key)
			odd[key] = true
		}
		if near(i, reach, func(n int) bool {
			nm, _ := MeasureOf(offers[n])
			return moved[offers[n].Entry.Key] && nm == sm
		}) {
			j.repeated = append(j.repeated, key)
			odd[key] = true
		}
	}
	for _, k := range j.unitChanged {
		odd[k] = true
	}
	for i := range offers {
		key := offers[i].Entry.Key
		if moved[key] && !odd[key] && near(i, 1, func(n int) bool { return odd[offers[n].Entry.Key] }) {
			j.beside = append(j.beside, key)
		}
	}
}

func (j *judge) completeness() {
	r := j.Staged.Run
	if len(j.Staged.Offers) == 0 {
		j.find(Completeness, cashback.Fail, "nothing_extracted", 0, "≥ 1", nil)
		return
	}
	if !r.Complete {
		j.find(Completeness, cashback.Warn, "partial", r.Finish, "done", nil)
		return
	}
	j.find(Completeness, cashback.Pass, "complete", r.Pages, "", nil)
}

// volume is G2: complete runs only, since a partial one is short by nature.
func (j *judge) volume() {
	if !j.relative || !j.Staged.Run.Complete {
		return
	}
	var counts []float64
	for _, p := range j.Health.Baseline {
		counts = append(counts, float64(p.Offers))
	}
	med, mad := robust(counts)
	mad = max(mad, 1, med/100) * math.Sqrt(j.days) // growth and farewells add up
	n := float64(len(j.Staged.Offers))
	// After a gap the last run is nearer to the truth than what was usual before it.
	off := n - med
	if last := n - counts[len(counts)-1]; math.Abs(last) < math.Abs(off) {
		off = last
	}
	z := off / (1.4826 * mad)
	limit := fmt.Sprintf("%.0f–%.0f, |z| ≤ %.0f", med*float64(j.Limits.VolumeLow)/1000, med*float64(j.Limits.VolumeHigh)/1000, j.Limits.VolumeZ)
	switch {
	case n*1000 < med*float64(j.Limits.VolumeLow), n*1000 > med*float64(j.Limits.VolumeHigh), math.Abs(z) > j.Limits.VolumeZ:
		j.find(Volume, cashback.Fail, "volume", fmt.Sprintf("%.0f (z %.1f)", n, z), limit, nil)
	default:
		j.find(Volume, cashback.Pass, "volume", fmt.Sprintf("%.0f (z %.1f)", n, z), limit, nil)
	}
}

func (j *judge) churn() {
	var gone []string
	if j.Staged.Run.Complete {
		for i := range j.Live {
			if k := j.Live[i].Entry.Key; j.staged[k] == nil && j.Live[i].MissedRuns == 0 {
				gone = append(gone, k)
			}
		}
	}
	var came []string
	for i := range j.Staged.Offers {
		if k := j.Staged.Offers[i].Entry.Key; j.live[k] == nil {
			came = append(came, k)
		}
	}
	n := len(came) + len(gone) + len(j.renamed)
	j.profile.Churn = permille(n, max(len(j.Live), 1))
	if !j.relative {
		return
	}
	share := permille(n, max(len(j.Live), len(j.Staged.Offers), 1))
	limit := j.widened(j.Limits.ChurnShare, 10)
	switch {
	case share > limit:
		j.find(Churn, cashback.Fail, "churn", points(share), points(limit), slices.Concat(j.renamed, came))
	case j.improbable(len(j.renamed), j.grown(1)):
		// The name under a key hardly ever changes: ids given to other shops.
		j.find(Churn, cashback.Fail, "renamed", len(j.renamed), "", j.renamed)
	case j.improbable(len(came), j.grown(max(10, 2*medianOf(j.Health.Baseline, func(p cashback.RunProfile) int { return p.Churn })))):
		j.find(Churn, cashback.Fail, "newcomers", len(came), "", came)
	default:
		j.find(Churn, cashback.Pass, "churn", points(share), points(limit), nil)
	}
	j.doubt(j.renamed)
}

// moves is G5, and the per-offer doubts that go with a value that moved.
func (j *judge) moves() {
	if !j.relative {
		return
	}
	for _, odd := range [][]string{j.tenfold, j.unitChanged, j.upToLost, j.shifted, j.same, j.swapped, j.reverted, j.reworded, j.repeated, j.beside, j.together, j.lostRate, j.big} {
		j.doubt(odd)
	}
	share := permille(len(j.big), j.both)
	fail := false
	check := func(odd []string, usual int, reason string) {
		if j.improbable(len(odd), usual) {
			fail = true
			j.find(Moves, cashback.Fail, reason, of(len(odd), j.both), j.most(usual), odd)
		}
	}
	limit := j.widened(j.Limits.MoveShare, 5)
	if share > limit {
		fail = true
		j.find(Moves, cashback.Fail, "moves", points(share), points(limit), j.big)
	}
	// Chance alone makes one offer in a thousand double or halve, and about a sixth
	// of those that moved take the value of a neighbour.
	check(j.big, j.grown(2), "moves")
	check(j.upToLost, 2, "up_to_lost") // how pages are worded doesn't drift
	check(j.swapped, 3, "swapped")
	check(j.lostRate, j.grown(4), "rate_lost")
	moved := j.up + j.down
	if p := tailBinomial(moved, len(j.shifted), .3); len(j.shifted) >= 4 && p < j.Limits.Improbable {
		fail = true
		j.find(Moves, cashback.Fail, "shifted", of(len(j.shifted), moved), "", j.shifted)
	}
	if j.improbable(len(j.same), j.grown(2)) && len(j.same)*10 >= moved*7 {
		fail = true
		j.find(Moves, cashback.Fail, "same_value", of(len(j.same), moved), "", j.same)
	}
	for _, unit := range sortedKeys(j.logs) {
		logs := j.logs[unit]
		// On a sales day nearly half may double; a flip moves all.
		med, _ := robust(logs)
		still := 0
		for _, l := range logs {
			if l == 0 {
				still++
			}
		}
		if len(logs) >= 10 && still*10 <= 3*len(logs) && math.Abs(med)*1000 > float64(j.Limits.MedianShift) {
			fail = true
			j.find(Moves, cashback.Fail, "median_shift", fmt.Sprintf("%s ×%.2f", sign(unit), math.Exp(med)), fmt.Sprintf("±%d ‰", j.Limits.MedianShift), nil)
		}
	}
	if !fail {
		j.find(Moves, cashback.Pass, "moves", points(share), points(limit), nil)
	}
}

// sign is a unit as it stands beside a number, in no language: "%", "EUR", "Avios".
func sign(unit string) string {
	kind, name, _ := strings.Cut(unit, " ")
	if kind == string(cashback.Percent) {
		return "%"
	}
	return cmp.Or(name, kind)
}

// ceiling is G6: it never holds a run, it marks offers.
func (j *judge) ceiling(canariesAgree bool) {
	var over []string
	for i := range j.Staged.Offers {
		s := &j.Staged.Offers[i]
		m, pays := MeasureOf(*s)
		if !pays {
			continue
		}
		key := s.Entry.Key
		if l := j.live[key]; l != nil && l.Status == cashback.OK {
			// It was doubted once, or the operator's word or a canary stood for it: what is
			// believed and hasn't moved isn't doubted anew by each run.
			if lm, ok := MeasureOf(*l); ok && lm == m {
				continue
			}
		}
		factor := int64(j.Limits.CeilingFactor)
		high := m.Unit == string(cashback.Percent) && m.Value > int64(j.Limits.CeilingPercent)*10000
		if own, ok := j.Max90[key]; ok && !high {
			high = m.Value > factor*scaled(cashback.Some(own))
		}
		if others := sameUnit(j.Others[s.Merchant], m.Unit); s.Merchant != 0 && len(others) > 0 && !high {
			med, _ := robust(others)
			high = float64(m.Value) > float64(factor)*med
			// A newcomer has no past to speak for it: it isn't the best on one reading.
			if j.live[key] == nil && j.relative && float64(m.Value) > slices.Max(others) {
				high = true
			}
		}
		if high {
			over = append(over, key)
			j.unverified[key] = true
		}
	}
	// A second run that reads the same, with the canaries alive, settles a doubt.
	for key := range j.unverified {
		l, s := j.live[key], j.staged[key]
		if l == nil || s == nil || !canariesAgree {
			continue
		}
		lm, _ := MeasureOf(*l)
		sm, _ := MeasureOf(*s)
		if l.Status == cashback.Unverified && lm == sm {
			delete(j.unverified, key)
		}
	}
	if len(over) > 0 {
		slices.Sort(over)
		j.find(Ceiling, cashback.Warn, "ceiling", len(over), fmt.Sprintf("%d %%, ×%d", j.Limits.CeilingPercent, j.Limits.CeilingFactor), over)
	} else {
		j.find(Ceiling, cashback.Pass, "ceiling", 0, fmt.Sprintf("%d %%, ×%d", j.Limits.CeilingPercent, j.Limits.CeilingFactor), nil)
	}
}

// unit is G7: a currency that isn't the portal's, powers of ten, changed kinds.
func (j *judge) unit() {
	var foreign []string
	paying := 0
	wasForeign := 0
	for i := range j.Staged.Offers {
		if j.Staged.Offers[i].Kind.Pays() {
			paying++
		}
		for _, t := range j.Staged.Offers[i].Tiers {
			for _, c := range t.Components {
				if c.Kind == cashback.Fixed && c.Currency != "" && c.Currency != j.Staged.Portal.Currency {
					foreign = append(foreign, j.Staged.Offers[i].Entry.Key)
				}
			}
		}
	}
	for i := range j.Live {
		for _, t := range j.Live[i].Tiers {
			for _, c := range t.Components {
				if c.Kind == cashback.Fixed && c.Currency != "" && c.Currency != j.Staged.Portal.Currency {
					wasForeign++
				}
			}
		}
	}
	foreign = slices.Compact(foreign)
	fail := false
	// A few amounts in another currency are real ("10$" on a Brazilian portal); a
	// wave of them is a flip. The share is of all that the portal pays: where nearly
	// everything is a percentage, three dollar amounts among few fixed ones are no
	// wave, and known amounts that change their currency are unit_changed below.
	if share := permille(len(foreign), max(paying, 1)); share > j.Limits.UnitShare && len(foreign) >= 3 && len(foreign) > 2*wasForeign {
		fail = true
		j.find(Unit, cashback.Fail, "currency", points(share), points(j.Limits.UnitShare), foreign)
	}
	if j.relative {
		if share := permille(len(j.tenfold), j.both); share > j.Limits.UnitShare || j.improbable(len(j.tenfold), 1) {
			fail = true
			j.find(Unit, cashback.Fail, "tenfold", of(len(j.tenfold), j.both), points(j.Limits.UnitShare), j.tenfold)
		}
		if j.improbable(len(j.unitChanged), 1) {
			fail = true
			j.find(Unit, cashback.Fail, "unit_changed", len(j.unitChanged), "", j.unitChanged)
		}
	}
	if !fail {
		j.find(Unit, cashback.Pass, "currency", points(permille(len(foreign), max(paying, 1))), points(j.Limits.UnitShare), nil)
	}
}

func (j *judge) distribution() {
	if !j.relative || len(j.Staged.Offers) == 0 { // of nothing there is no distribution
		return
	}
	base := j.Health.Baseline
	usual := func(f func(cashback.RunProfile) int) int { return medianOf(base, f) }
	p := j.profile
	fail := false
	check := func(bad bool, reason string, measured int, least string, limit int) {
		if bad {
			fail = true
			j.find(Distribution, cashback.Fail, reason, points(measured), least+points(limit), nil)
		}
	}
	top := usual(func(p cashback.RunProfile) int { return p.TopShare })
	check(p.TopShare > j.Limits.TopFactor*max(top, 20), "top_value", p.TopShare, "", j.Limits.TopFactor*max(top, 20))
	distinct := usual(func(p cashback.RunProfile) int { return p.Distinct })
	check(p.Distinct < distinct*j.Limits.DistinctShare/1000, "duplicates", p.Distinct, "≥ ", distinct*j.Limits.DistinctShare/1000)
	for _, f := range []struct {
		reason string
		of     func(cashback.RunProfile) int
	}{
		{"no_rate", func(p cashback.RunProfile) int { return p.NoRate }},
		{"no_link", func(p cashback.RunProfile) int { return p.NoLink }},
		{"unread", func(p cashback.RunProfile) int { return p.Unread }},
	} {
		check(f.of(p) > usual(f.of)+j.Limits.NullPoints, f.reason, f.of(p), "", usual(f.of)+j.Limits.NullPoints)
	}
	if d := divergence(p.Letters, base[len(base)-1].Letters); d > j.Limits.Divergence {
		fail = true
		j.find(Distribution, cashback.Fail, "names", strconv.FormatFloat(d, 'f', 2, 64), j.Limits.Divergence, nil)
	}
	if odd := j.oddNames(); j.improbable(len(odd), 1) {
		fail = true
		j.find(Distribution, cashback.Fail, "garbled_names", len(odd), "", odd)
	}
	if !fail {
		j.find(Distribution, cashback.Pass, "distribution", points(p.TopShare), points(j.Limits.TopFactor*max(top, 20)), nil)
	}
}

// canaries is G9. It reports whether all canaries agree.
func (j *judge) canaries() bool {
	if len(j.Canaries) == 0 {
		return true
	}
	var bad []string
	for _, c := range j.Canaries {
		found, plausible := false, false
		for i := range j.Staged.Offers {
			s := &j.Staged.Offers[i]
			if differentName(c.Merchant, s.Entry.Name) {
				continue
			}
			found = true
			m, pays := MeasureOf(*s)
			if pays && (!c.Low.Valid || m.Value >= scaled(c.Low)) && (!c.High.Valid || m.Value <= scaled(c.High)) {
				plausible = true
			}
		}
		switch {
		case c.Absent && found, !c.Absent && found && !plausible, !c.Absent && !found && j.Staged.Run.Complete:
			bad = append(bad, c.Merchant)
		}
	}
	if len(bad) == 0 {
		j.find(Canaries, cashback.Pass, "canaries", of(0, len(j.Canaries)), 0, nil)
		return true
	}
	j.find(Canaries, cashback.Fail, "canaries", of(len(bad), len(j.Canaries)), 0, bad)
	return false
}

// signature is G10: pages that aren't the portal's pages any more.
func (j *judge) signature() {
	pages := j.Staged.Pages
	var walls, poor []string
	strange := 0 // walls that may be one odd page
	baseline := medianOf(j.Health.Baseline, func(p cashback.RunProfile) int { return p.Filled })
	for _, p := range pages {
		switch p.Outcome {
		case cashback.PageBlocked, cashback.PageScriptShell, cashback.PageNotUnderstood:
			walls = append(walls, p.URL)
			if p.Outcome == cashback.PageNotUnderstood {
				strange++
			}
		case cashback.PageOK:
			if j.relative && p.Items > 0 && p.Filled*1000 < baseline*j.Limits.HitRate {
				poor = append(poor, p.URL)
			}
		}
	}
	switch {
	// One page among others that isn't understood only makes the run partial.
	case len(walls) > 0 && len(walls)*10 >= len(pages) && (len(walls) > 1 || strange == 0 || len(pages) == 1):
		j.find(Signature, cashback.Fail, "walls", of(len(walls), len(pages)), "10 %", walls)
	case len(poor) > 0 && len(poor)*50 >= len(pages):
		j.find(Signature, cashback.Fail, "hit_rate", of(len(poor), len(pages)), "2 %", poor)
	case len(walls) > 0:
		j.find(Signature, cashback.Warn, "walls", of(len(walls), len(pages)), "10 %", walls)
	default:
		j.find(Signature, cashback.Pass, "signature", len(pages), "", nil)
	}
}

// crossPortal is G11: one portal against the others at the shops they share.
func (j *judge) crossPortal() {
	if !j.relative {
		return
	}
	compared := 0
	var far []string
	for i := range j.Staged.Offers {
		s := &j.Staged.Offers[i]
		m, pays := MeasureOf(*s)
		others := sameUnit(j.Others[s.Merchant], m.Unit)
		if !pays || s.Merchant == 0 || len(others) < 2 {
			continue
		}
		compared++
		logs := make([]float64, len(others))
		for n, v := range others {
			logs[n] = math.Log(v)
		}
		med, mad := robust(logs)
		// Two portals that happen to agree say little about how far a third may be.
		mad = max(mad, .25)
		if math.Abs(math.Log(float64(m.Value))-med) <= j.Limits.CrossMAD*mad {
			continue
		}
		// Only what has just moved away speaks against this run.
		if l := j.live[s.Entry.Key]; l != nil {
			if lm, ok := MeasureOf(*l); ok && lm == m {
				continue
			}
		}
		far = append(far, s.Entry.Key)
	}
	share := permille(len(far), max(compared, 1))
	if compared >= 20 && share > j.Limits.CrossShare {
		j.find(CrossPortal, cashback.Fail, "cross_portal", points(share), points(j.Limits.CrossShare), far)
		return
	}
	j.doubt(far)
	j.find(CrossPortal, cashback.Pass, "cross_portal", points(share), points(j.Limits.CrossShare), nil)
}

func (j *judge) selfConsistency() {
	var bad []string
	for _, p := range j.Staged.Pairs {
		if !p.Agree {
			bad = append(bad, p.Key)
		}
	}
	j.doubt(bad)
	n := len(j.Staged.Pairs)
	switch {
	case n >= 5 && permille(len(bad), n) > j.Limits.PairShare:
		j.find(SelfConsistency, cashback.Fail, "list_detail", of(len(bad), n), points(j.Limits.PairShare), bad)
	case len(bad) > 0:
		j.find(SelfConsistency, cashback.Warn, "list_detail", of(len(bad), n), points(j.Limits.PairShare), bad)
	case n > 0:
		j.find(SelfConsistency, cashback.Pass, "list_detail", of(0, n), points(j.Limits.PairShare), nil)
	}
}

// conclude turns the findings into a verdict, and moves the state.
func (j *judge) conclude() cashback.Judgement {
	out := cashback.Judgement{Verdict: cashback.Publish, Findings: j.findings, Health: j.Health}
	h := &out.Health
	h.Portal = j.Staged.Portal.ID
	h.RecrawlAt = time.Time{}
	if j.failed {
		out.Verdict = cashback.Hold
		h.Bad++
		h.Good = 0
		state := cashback.Suspect
		switch {
		case h.Bad >= 5:
			state = cashback.Broken
		case h.Bad >= 2:
			state = cashback.Quarantine
		}
		j.enter(h, state)
		if h.Bad == 1 {
			j.lookAgain(h)
		}
		return out
	}
	h.Good++
	if h.State == cashback.Quarantine || h.State == cashback.Broken {
		if h.Good < 2 {
			// One good run after several bad ones may be the other half of an A/B test. Of a
			// broken portal only the first pages were looked at: the second is a whole run,
			// and the count of bad ones stands until it is good too.
			out.Verdict = cashback.Hold
			j.enter(h, cashback.Quarantine)
			return out
		}
	}
	if h.State != cashback.Suspect || h.Good >= 2 {
		h.Bad = 0
		j.enter(h, cashback.Healthy)
	}
	h.LastGoodAt = j.Now
	if !j.Staged.Run.Complete {
		out.Verdict = cashback.PublishUpserts
	} else {
		h.Baseline = j.Limits.remember(h.Baseline, j.profile)
	}
	j.removals(&out)
	if len(out.Withheld) > 0 {
		out.Verdict = cashback.PublishUpserts
	}
	if out.Unverified = j.doubted(); len(out.Unverified) > 0 {
		j.lookAgain(h) // a second run settles doubts: on a sales day there are many
	}
	return out
}

// doubted are the staged offers that are unverified.
func (j *judge) doubted() (keys []string) {
	for key := range j.unverified {
		if j.staged[key] != nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// SecondLook is how long a second look waits, of doubts and of a portal that reads well
// again: soon, but not at once, since the site may
// be deploying.
const SecondLook = 15 * time.Minute

// lookAgain asks for an early second run, at most once in RecrawlEvery. A run that was
// asked for later than now was asked for by a clock that was wrong.
func (j *judge) lookAgain(h *cashback.PortalHealth) {
	if h.AskedAt.IsZero() || j.Now.Sub(h.AskedAt) >= j.Limits.RecrawlEvery || h.AskedAt.After(j.Now) {
		h.RecrawlAt, h.AskedAt = j.Now.Add(SecondLook), j.Now
	}
}

// removals is G3: an offer goes when enough complete healthy runs in a row lack
// it, and not when too many would go at once.
func (j *judge) removals(out *cashback.Judgement) {
	if !j.Staged.Run.Complete {
		return
	}
	var due, missing []string
	for i := range j.Live {
		l := &j.Live[i]
		if j.staged[l.Entry.Key] != nil {
			continue
		}
		if l.MissedRuns+1 >= j.Limits.Misses {
			due = append(due, l.Entry.Key)
		} else {
			missing = append(missing, l.Entry.Key)
		}
	}
	slices.Sort(due)
	slices.Sort(missing)
	out.Missing = missing
	tooMany := len(due)*1000 > len(j.Live)*j.Limits.DeleteShare
	if len(j.Live) < j.Limits.SmallPortal {
		tooMany = len(due) > j.Limits.DeleteAbsolute
	}
	if tooMany {
		out.Withheld = due
		out.Findings = append(out.Findings, cashback.Finding{Rule: Deletes, Result: cashback.Warn, Reason: "deletes", Measured: strconv.Itoa(len(due)), Limit: points(j.Limits.DeleteShare), Sample: j.names(due[:min(5, len(due))])})
		return
	}
	out.Remove = due
	out.Findings = append(out.Findings, cashback.Finding{Rule: Deletes, Result: cashback.Pass, Reason: "deletes", Measured: strconv.Itoa(len(due)), Limit: points(j.Limits.DeleteShare)})
}

func (j *judge) enter(h *cashback.PortalHealth, s cashback.Health) {
	if h.State != s {
		h.State, h.Since = s, j.Now
	}
}

// improbable reports whether n odd offers are too many for a healthy day on which
// usual thousandths of the offers are odd. Fewer than three are always chance.
func (j *judge) improbable(n, usual int) bool {
	if n < 3 {
		return false
	}
	return tailPoisson(j.expected(usual), n) < j.Limits.Improbable
}

// grown is how many thousandths of the offers are odd by chance since the last good
// run, where a day makes usual of them so; never more than a quarter.
func (j *judge) grown(usual int) int { return min(int(float64(usual)*j.days), 250) }

// expected is how many odd offers chance alone makes.
func (j *judge) expected(usual int) float64 {
	return float64(max(j.both, len(j.Live))) * float64(usual) / 1000
}

// most is the largest count that improbable lets pass.
func (j *judge) most(usual int) int {
	n := max(2, int(j.expected(usual)))
	for !j.improbable(n+1, usual) {
		n++
	}
	return n
}

func upTo(o *cashback.Offer) bool {
	return slices.ContainsFunc(o.Tiers, func(t cashback.Tier) bool { return t.UpTo })
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, cmp.Compare)
	return keys
}

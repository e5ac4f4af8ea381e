package rank

import (
	"cmp"
	"iter"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Curve is what each portal leaves of a basket, over the amounts From to To. All
// amounts and values are whole minor units of the basket's currency.
type Curve struct {
	Currency cashback.Currency `json:"currency"`
	From     int64             `json:"from"`
	To       int64             `json:"to"`
	// Leaders cut the range into stretches by who is best, without a gap; each
	// boundary is exact, to the minor unit.
	Leaders []Stretch `json:"leaders"`
	// Lines are the offers that are ranked somewhere in the range, by portal.
	Lines []Line `json:"lines"`
}

// Stretch is a run of amounts, both ends included, with the portals that lead it:
// none where nothing is ranked; one that Rank puts first at each amount; several
// that take turns because rounding decides, each with a lead of at most two minor
// units over those it takes the place of.
type Stretch struct {
	From    int64    `json:"from"`
	To      int64    `json:"to"`
	Portals []string `json:"portals"`
	// Undecided says that the work allowed for a curve was used up, as where two
	// offers run less than a minor unit apart for thousands of euros: the leaders of
	// this stretch are among the portals. No more is claimed of it.
	Undecided bool `json:"undecided,omitempty"`
}

// Line is one offer's value along the amounts: exact at each point, and straight
// between two of them but for steps too small to draw (a day of waiting, a point).
type Line struct {
	Portal string  `json:"portal"`
	Points []Point `json:"points"`
	Kinks  []Kink  `json:"kinks"`
}

// Point is what Rank says at one amount.
type Point struct {
	Amount int64  `json:"amount"`
	Value  int64  `json:"value"`
	Days   int64  `json:"days"`
	Method string `json:"method"`
	// Break says that the offer isn't ranked between the point before and this one.
	Break bool `json:"break,omitempty"`
}

// Kink is the first amount at which another rule decides.
type Kink struct {
	Amount int64 `json:"amount"`
	// Why is min_spend, cap, tier, threshold or method.
	Why string `json:"why"`
}

// The work that one curve may cost: far more than real offers need, and bounded
// for hostile ones.
const (
	maxEvaluations = 200_000
	maxKinks       = 60 // of a line
	maxBends       = 6  // halvings between two kinks
)

// CurveOf follows a case's offers from one amount to another, in minor units of
// the basket's currency; the case's own amount plays no part. Errors are those of
// Rank, and Invalid for amounts that are no basket.
func CurveOf(c Case, from, to int64) (Curve, error) {
	c.Purchase.Amount = cashback.Decimal{}
	if err := c.check(); err != nil {
		return Curve{}, err
	}
	most := cashback.MaxBasket * powers[c.Purchase.Currency.Digits()]
	if from < 0 || to > most || from > to {
		return Curve{}, cashback.Errorf(cashback.Invalid, "a curve from %d to %d can't be drawn: use amounts from 0 to %d minor units, the smaller first", from, to, most)
	}
	e := compile(&c)
	s := search{e: e, out: Curve{Currency: c.Purchase.Currency, From: from, To: to, Leaders: []Stretch{}, Lines: []Line{}}}
	bounds := []int64{from, to + 1}
	for i := range e.offers {
		o := &e.offers[i]
		if o.stale || o.rateless || o.hidden {
			continue
		}
		course := s.course(o, from, to)
		if !course.ranks() {
			continue
		}
		s.courses = append(s.courses, course)
		for _, p := range course.pieces {
			bounds = append(bounds, p.from)
		}
	}
	slices.SortFunc(s.courses, func(x, y *course) int { return strings.Compare(x.o.portal, y.o.portal) })
	s.racers = s.withoutTwins()
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	for i := range len(bounds) - 1 {
		s.lead(bounds[i], bounds[i+1]-1)
	}
	s.level()
	for _, course := range s.courses {
		if l := s.line(course, from, to); len(l.Points) > 0 {
			s.out.Lines = append(s.out.Lines, l)
		}
	}
	if s.beyond {
		return Curve{}, cashback.Errorf(cashback.Invalid, "the offers come to more than can be counted up to %d minor units: draw the curve over smaller amounts", to)
	}
	return s.out, nil
}

// search finds a curve's leaders. It rests on this: between two minimum spends the
// same tiers stand for the same situations, so that an offer's reward is the least
// of sums that never fall as the amount rises, and its value never falls as the
// reward rises (RANKING.md's own property). An offer whose value at the top of an
// interval is below another's at the bottom leads nowhere in it.
type search struct {
	e       *engine
	courses []*course
	racers  []*course // courses, without those that a twin always comes before
	out     Curve
	spent   int
	beyond  bool
}

// course is an offer cut into pieces by its minimum spends.
type course struct {
	o      *offer
	pieces []piece
	// floors says that points for whole units are among what it pays.
	floors bool
}

// piece is what counts from an amount on, up to the next piece.
type piece struct {
	from  int64
	group group // leftOut, unvalued or ranked
	// tiers are those that stand for a situation or tie for it; the certain reward is
	// the least of theirs, or 0 where some situation has none.
	tiers   []int
	without bool
}

func (s *search) course(o *offer, from, to int64) *course {
	c := &course{o: o}
	starts := []int64{from}
	for i := range o.tiers {
		t := &o.tiers[i]
		if start := t.minSpend.mul(whole(powers[s.e.digits])).ceil().int(); start > from && start <= to {
			starts = append(starts, start)
		}
		c.floors = c.floors || len(t.bottom.units) > 0
	}
	slices.Sort(starts)
	for _, start := range slices.Compact(starts) {
		p := piece{from: start, group: leftOut}
		o.situations(s.e, s.amount(start), func(_ cashback.Audience, _ string, equals []int) {
			p.without = p.without || len(equals) == 0
			for _, i := range equals {
				if !o.tiers[i].valued {
					p.group = unvalued
				}
				if p.group == leftOut {
					p.group = ranked
				}
				if !slices.Contains(p.tiers, i) {
					p.tiers = append(p.tiers, i)
				}
			}
		})
		c.pieces = append(c.pieces, p)
	}
	return c
}

func (c *course) ranks() bool {
	return slices.ContainsFunc(c.pieces, func(p piece) bool { return p.group == ranked })
}

// at is the piece that an amount lies in.
func (c *course) at(amount int64) *piece {
	i := len(c.pieces) - 1
	for c.pieces[i].from > amount {
		i--
	}
	return &c.pieces[i]
}

func (s *search) amount(minor int64) number { return fraction(minor, powers[s.e.digits]) }

// withoutTwins drops offers that are the same as another in everything but their
// portal's id, which then decides at every amount.
func (s *search) withoutTwins() []*course {
	var out []*course
	for _, c := range s.courses {
		twin := func(other *course) bool {
			x, y := *c.o, *other.o
			if x.fixedDays != y.fixedDays || x.p.cmp(y.p) != 0 || len(x.ways) != len(y.ways) || len(x.tiers) != len(y.tiers) {
				return false
			}
			x.portal, y.portal = "", ""
			return reflect.DeepEqual(x, y)
		}
		if !slices.ContainsFunc(out, twin) {
			out = append(out, c)
		}
	}
	return out
}

// spot is an offer at one amount.
type spot struct {
	ranked  bool
	minor   int64 // the value, rounded
	value   number
	reward  number
	days    int64
	way     *way
	reached bool // the minimum is reached at once
	tier    int
	capped  bool
}

func (s *search) spot(c *course, minor int64) spot {
	s.spent++
	p := c.at(minor)
	if p.group != ranked {
		return spot{}
	}
	out := spot{}
	out.reward, out.tier, out.capped = c.reward(p, s.amount(minor).div(c.o.net))
	best, _, reached := c.o.settle(s.e, out.reward)
	if !reached {
		return spot{}
	}
	var ok bool
	if out.minor, ok = best.value.minor(s.e.digits); !ok {
		s.beyond = true
	}
	out.ranked, out.value, out.days, out.way = true, best.value, best.days, best.way
	out.reached = best.days == c.o.fixedDays
	return out
}

// reward is the certain reward after the cap.
func (c *course) reward(p *piece, base number) (least number, tier int, capped bool) {
	tier = -1
	for _, i := range p.tiers {
		t := &c.o.tiers[i]
		pays, over := t.bottom.on(base), false
		if t.capped && t.cap.less(pays) {
			pays, over = t.cap, true
		}
		if tier < 0 || pays.less(least) {
			least, tier, capped = pays, i, over
		}
	}
	if p.without && (tier < 0 || least.sign() > 0) {
		return zero, -1, false
	}
	return least, tier, capped
}

// smooth is reward with every whole unit of points counted in full (from above) or
// as if another had just been missed (from below): concave, as sums without
// floors and caps are.
func (c *course) smooth(p *piece, base number, above bool) number {
	var least number
	for n, i := range p.tiers {
		t := &c.o.tiers[i]
		pays := t.bottom.fixed.add(base.mul(t.bottom.rate))
		for _, u := range t.bottom.units {
			units := base.mul(u.perBase)
			if !above {
				units = units.sub(one)
			}
			pays = pays.add(units.mul(u.worth))
		}
		if t.capped && t.cap.less(pays) {
			pays = t.cap
		}
		if n == 0 || pays.less(least) {
			least = pays
		}
	}
	if p.without && least.sign() > 0 {
		return zero
	}
	return least
}

// before orders two offers at one amount as Rank does.
func (x *racer) before(y *racer, at func(*racer) *spot) bool {
	a, b := at(x), at(y)
	if !a.ranked || !b.ranked {
		return a.ranked && !b.ranked
	}
	return cmp.Or(cmp.Compare(b.minor, a.minor), cmp.Compare(a.days, b.days), a.way.minimum.cmp(b.way.minimum), strings.Compare(x.c.o.portal, y.c.o.portal)) < 0
}

// racer is an offer on an interval.
type racer struct {
	c           *course
	lo, mid, hi spot
}

func atLo(r *racer) *spot  { return &r.lo }
func atMid(r *racer) *spot { return &r.mid }
func atHi(r *racer) *spot  { return &r.hi }

func winner(rs []racer, at func(*racer) *spot) *racer {
	var w *racer
	for i := range rs {
		if at(&rs[i]).ranked && (w == nil || rs[i].before(w, at)) {
			w = &rs[i]
		}
	}
	return w
}

// lead finds the leaders from lo to hi, between which no minimum spend lies.
func (s *search) lead(lo, hi int64) {
	rs := make([]racer, 0, len(s.racers))
	for _, c := range s.racers {
		if c.at(lo).group == ranked {
			rs = append(rs, racer{c: c, lo: s.spot(c, lo), hi: s.spot(c, hi)})
		}
	}
	s.within(lo, hi, rs)
	s.emit(hi, hi, winner(rs, atHi))
}

// within finds the leaders from lo up to, but not at, hi.
func (s *search) within(lo, hi int64, rs []racer) {
	if lo == hi {
		return
	}
	first := winner(rs, atLo)
	if hi-lo == 1 {
		s.emit(lo, lo, first)
		return
	}
	// Nobody whose value at the top is below the best one at the bottom leads.
	left := make([]racer, 0, len(rs))
	for _, r := range rs {
		if r.hi.ranked && (first == nil || r.hi.minor >= first.lo.minor) {
			left = append(left, r)
		}
	}
	if len(left) == 0 {
		s.emit(lo, hi-1, nil)
		return
	}
	if len(left) == 1 && first != nil {
		s.emit(lo, hi-1, &left[0])
		return
	}
	if s.spent > maxEvaluations {
		s.giveUp(lo, hi-1, left)
		return
	}
	mid := lo + (hi-lo)/2
	for i := range left {
		left[i].mid = s.spot(left[i].c, mid)
	}
	if w := winner(left, atMid); w != nil && w.lo.ranked {
		kept := left[:0:0]
		b := s.bounds(w, lo, mid, hi, false)
		for i := range left {
			if r := &left[i]; r == w || !s.beats(w, b, r, lo, mid, hi) {
				kept = append(kept, *r)
			}
		}
		if left = kept; len(left) == 1 {
			s.emit(lo, hi-1, &left[0])
			return
		}
	}
	half := make([]racer, len(left))
	for i, r := range left {
		half[i] = racer{c: r.c, lo: r.lo, hi: r.mid}
	}
	s.within(lo, mid, half)
	for i, r := range left {
		half[i] = racer{c: r.c, lo: r.mid, hi: r.hi}
	}
	s.within(mid, hi, half)
}

// bounds is a convex function that the value is never above (or below): the reward
// is replaced by a straight line that it is never above (below), each way's
// threshold wait by its shortest (longest). With those fixed a value is a convex
// function of the reward, fee and all, and the best of several ways is too.
func (s *search) bounds(r *racer, lo, mid, hi int64, above bool) (b [3]number) {
	c := r.c
	p := c.at(lo)
	k := [3]number{r.lo.reward, r.lo.reward, r.lo.reward} // never below the reward at lo
	if above {
		k = [3]number{r.hi.reward, r.hi.reward, r.hi.reward} // never above that at hi
	}
	if r.lo.ranked || above {
		x, y := r.lo.reward, r.hi.reward
		m := r.mid.reward
		if !r.lo.ranked {
			x, _, _ = c.reward(p, s.amount(lo).div(c.o.net))
		}
		if !r.mid.ranked {
			m, _, _ = c.reward(p, s.amount(mid).div(c.o.net))
		}
		slack := false
		if c.floors {
			whole := y.sub(x)
			x, y = c.smooth(p, s.amount(lo).div(c.o.net), above), c.smooth(p, s.amount(hi).div(c.o.net), above)
			m = c.smooth(p, s.amount(mid).div(c.o.net), above)
			slack = whole.less(y.sub(x).mul(fraction(1, 2)))
		}
		chord := x.add(y.sub(x).mul(fraction(mid-lo, hi-lo)))
		// A concave function lies above its chord, and is its chord when it touches it
		// in between.
		if !slack && x.sign() >= 0 && (!above || m.cmp(chord) == 0) {
			k = [3]number{x, chord, y}
		}
	}
	worst := r.lo.reward
	if above {
		worst = r.hi.reward
	}
	for i := range c.o.ways {
		w := &c.o.ways[i]
		if !above && r.mid.way != w {
			continue // one way is enough to hold the best of them from below
		}
		if t := c.o.until(w, worst); !t.never {
			for n, v := range s.pays(c.o, w, t, k) {
				b[n] = most(b[n], v)
			}
		}
	}
	return b
}

// pays is what a way pays out of three rewards, its threshold wait held.
func (s *search) pays(o *offer, w *way, t wait, k [3]number) (v [3]number) {
	for n := range v {
		if n > 0 && k[n].cmp(k[n-1]) == 0 {
			v[n] = v[n-1]
			continue
		}
		s.spent++
		v[n] = o.pay(s.e, w, t, k[n]).value
	}
	return v
}

// latest and soonest are what decides between equal values: the most days and the
// highest minimum, or the fewest and the lowest, of the ways that may be an offer's
// best one somewhere on the interval.
func (s *search) latest(r *racer) (days int64, minimum number) {
	for w := range s.possible(r) {
		t := r.c.o.until(w, r.lo.reward)
		if t.never {
			t = wait{} // it is reached only where nothing has to be waited for
		}
		days, minimum = max(days, t.days.add(whole(r.c.o.fixedDays)).int()), most(minimum, w.minimum)
	}
	return days, minimum
}

func (s *search) soonest(r *racer) (days int64, minimum number) {
	days = math.MaxInt64
	for w := range s.possible(r) {
		t := r.c.o.until(w, r.hi.reward)
		if days == math.MaxInt64 {
			minimum = w.minimum
		}
		days, minimum = min(days, t.days.add(whole(r.c.o.fixedDays)).int()), least(minimum, w.minimum)
	}
	return days, minimum
}

func (s *search) possible(r *racer) iter.Seq[*way] {
	return func(yield func(*way) bool) {
		for i := range r.c.o.ways {
			w := &r.c.o.ways[i]
			if !r.c.o.until(w, r.hi.reward).never && !s.excluded(r, w) && !yield(w) {
				return
			}
		}
	}
}

// excluded proves that a way isn't the offer's best anywhere on the interval: the
// one that is best in the middle comes before it at every reward in between.
func (s *search) excluded(r *racer, w *way) bool {
	best := r.mid.way
	if !r.mid.ranked || w == best {
		return false
	}
	o := r.c.o
	slow, fast := o.until(best, r.lo.reward), o.until(w, r.hi.reward)
	if slow.never {
		return false
	}
	half := r.lo.reward.add(r.hi.reward.sub(r.lo.reward).mul(fraction(1, 2)))
	k := [3]number{r.lo.reward, half, r.hi.reward}
	ours, theirs := s.pays(o, best, slow, k), s.pays(o, w, fast, k)
	strict := cmp.Or(slow.days.cmp(fast.days), best.minimum.cmp(w.minimum), compareKinds(best.kind, w.kind), best.fee.cmp(w.fee)) > 0
	enough := func(x, y number) bool {
		c := x.cmp(y)
		return c > 0 || c == 0 && !strict
	}
	return above(ours, theirs, 1, 1, enough)
}

// above proves that one convex function is above another by their values at three
// points, the middle one left from the first and right from the third as given: a
// convex function lies above the lines through two of its points beyond them, and
// below its chords; so the difference is held by straight lines on each half, and
// those by their ends.
func above(x, y [3]number, left, right int64, enough func(x, y number) bool) bool {
	if !enough(x[1], y[1]) {
		return false
	}
	beyond := x[1].add(x[1].sub(x[0]).mul(fraction(right, left)))
	short := x[1].add(x[1].sub(x[2]).mul(fraction(left, right)))
	return enough(beyond, y[2]) && enough(short, y[0])
}

// beats proves that w comes before r at every amount from lo to hi: b is w's bound
// from below.
func (s *search) beats(w *racer, b [3]number, r *racer, lo, mid, hi int64) bool {
	if r.hi.minor < w.lo.minor {
		return true
	}
	if w.lo.value.less(r.lo.value) || w.hi.value.less(r.hi.value) {
		return false
	}
	a := s.bounds(r, lo, mid, hi, true)
	ahead := func(margin number) bool {
		return above(b, a, mid-lo, hi-mid, func(x, y number) bool { return x.sub(y).cmp(margin) >= 0 })
	}
	if !ahead(zero) {
		return false
	}
	if ahead(s.amount(1)) { // a minor unit is never rounded away
		return true
	}
	days, minimum := s.latest(w)
	soonest, lowest := s.soonest(r)
	return cmp.Or(cmp.Compare(days, soonest), minimum.cmp(lowest), strings.Compare(w.c.o.portal, r.c.o.portal)) < 0
}

// emit adds a stretch with one leader, or none.
func (s *search) emit(from, to int64, r *racer) {
	portals := []string{}
	if r != nil {
		portals = append(portals, r.c.o.portal)
	}
	s.add(Stretch{From: from, To: to, Portals: portals})
}

func (s *search) giveUp(from, to int64, rs []racer) {
	st := Stretch{From: from, To: to, Undecided: true}
	for i := range rs {
		st.Portals = append(st.Portals, rs[i].c.o.portal)
	}
	s.add(st)
}

func (s *search) add(st Stretch) {
	if n := len(s.out.Leaders); n > 0 {
		if last := &s.out.Leaders[n-1]; last.Undecided == st.Undecided && slices.Equal(last.Portals, st.Portals) {
			last.To = st.To
			return
		}
	}
	s.out.Leaders = append(s.out.Leaders, st)
}

// level joins runs of stretches in which rounding alone decides who leads.
func (s *search) level() {
	byPortal := map[string]*course{}
	for _, c := range s.racers {
		byPortal[c.o.portal] = c
	}
	// near says that the leader of x is never two minor units ahead of y's in x: the
	// one at its end, the other at its start.
	near := func(x, y Stretch) bool {
		if len(x.Portals) != 1 || len(y.Portals) != 1 || x.Undecided || y.Undecided {
			return false
		}
		ours, theirs := byPortal[x.Portals[0]], byPortal[y.Portals[0]]
		if ours.at(x.From) != ours.at(x.To) || theirs.at(x.From) != theirs.at(x.To) {
			return false
		}
		a, b := s.spot(ours, x.To), s.spot(theirs, x.From)
		return a.ranked && b.ranked && a.minor-b.minor <= 2
	}
	old := s.out.Leaders
	var out []Stretch
	for i := 0; i < len(old); {
		j := i
		for j > 0 && j < len(old)-1 && near(old[j], old[j-1]) && near(old[j], old[j+1]) {
			j++
		}
		if j-i < 2 {
			out = append(out, old[i])
			i++
			continue
		}
		run := Stretch{From: old[i].From, To: old[j-1].To}
		for _, st := range old[i:j] {
			if !slices.Contains(run.Portals, st.Portals[0]) {
				run.Portals = append(run.Portals, st.Portals[0])
			}
		}
		out = append(out, run)
		i = j
	}
	s.out.Leaders = out
}

// line follows one offer.
func (s *search) line(c *course, from, to int64) Line {
	l := Line{Portal: c.o.portal, Points: []Point{}, Kinks: []Kink{}}
	t := tracer{s: s, c: c, line: &l}
	for i := range c.pieces {
		end := to
		if i+1 < len(c.pieces) {
			end = c.pieces[i+1].from - 1
		}
		start := s.spot(c, c.pieces[i].from)
		if i > 0 && len(l.Kinks) < maxKinks {
			l.Kinks = append(l.Kinks, Kink{c.pieces[i].from, "min_spend"})
		}
		t.point(c.pieces[i].from, start)
		t.trace(c.pieces[i].from, end, start, s.spot(c, end))
	}
	return l
}

// tracer collects a line's points, from left to right.
type tracer struct {
	s    *search
	c    *course
	line *Line
	gap  bool
}

func (t *tracer) point(amount int64, at spot) {
	if !at.ranked {
		t.gap = true
		return
	}
	if n := len(t.line.Points); n > 0 && t.line.Points[n-1].Amount == amount {
		return
	}
	t.line.Points = append(t.line.Points, Point{Amount: amount, Value: at.minor, Days: at.days, Method: at.way.kind, Break: t.gap && len(t.line.Points) > 0})
	t.gap = false
}

// why says which rule decides at b that didn't at a, "" for none.
func why(a, b spot) string {
	switch {
	case !a.ranked && !b.ranked:
		return ""
	case a.ranked != b.ranked:
		return "threshold"
	case a.tier != b.tier:
		return "tier"
	case a.capped != b.capped:
		return "cap"
	case a.way.kind != b.way.kind:
		return "method"
	case a.reached != b.reached:
		return "threshold"
	}
	return ""
}

// trace adds the points after lo, up to hi: both sides of each kink, found by
// halving, and between kinks what the eye needs.
func (t *tracer) trace(lo, hi int64, a, b spot) {
	for why(a, b) != "" && hi-lo > 1 && len(t.line.Kinks) < maxKinks {
		l, r, atL, atR := lo, hi, a, b
		for r-l > 1 {
			mid := l + (r-l)/2
			if at := t.s.spot(t.c, mid); why(a, at) == "" {
				l, atL = mid, at
			} else {
				r, atR = mid, at
			}
		}
		t.bend(lo, l, a, atL, maxBends)
		t.line.Kinks = append(t.line.Kinks, Kink{r, why(atL, atR)})
		t.point(r, atR)
		lo, a = r, atR
	}
	if hi-lo == 1 && why(a, b) != "" && len(t.line.Kinks) < maxKinks {
		t.line.Kinks = append(t.line.Kinks, Kink{hi, why(a, b)})
	}
	t.bend(lo, hi, a, b, maxBends)
}

// bend adds points between two where the value leaves the straight line by more
// than can't be seen: a minor unit, or a two-hundredth of it.
func (t *tracer) bend(lo, hi int64, a, b spot, depth int) {
	if hi-lo > 1 && depth > 0 && a.ranked && b.ranked {
		mid := lo + (hi-lo)/2
		m := t.s.spot(t.c, mid)
		straight := a.minor + (b.minor-a.minor)*(mid-lo)/(hi-lo)
		if off := m.minor - straight; max(off, -off) > 1+b.minor/200 {
			t.bend(lo, mid, a, m, depth-1)
			t.bend(mid, hi, m, b, depth-1)
			return
		}
	}
	t.point(hi, b)
}

package earnings

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// The score of a match between a line and a purchase that was clicked or expected is
// the sum of what speaks for it: the shop (shopSame or shopPart), the day, the money.
const (
	// matchSure: the same shop on the same day or the next, with nothing against it.
	matchSure = 70
	// matchPossible: worth asking.
	matchPossible = 45
	// matchMargin is how much better than every other it must be.
	matchMargin = 15

	matchOrder   = 50 // the same order number settles it
	matchAmount  = 25 // the cashback that was expected, or the basket
	matchNear    = 12 // up to 30 % off: VAT, shipping, a tier
	matchNothing = 10 // nothing was said of money

	// matchDays is how long after a click portals list a purchase at the latest.
	matchDays = 45
)

// byClick finds what lines belong to of all that no list has told of yet: clicks,
// expectations, and what the shopper noted by hand.
func (d *differ) byClick(items []*item) {
	var open []*known
	for _, k := range d.known {
		if !d.taken[k.ID] && k.day == 0 && k.For == ForPurchase {
			open = append(open, k)
		}
	}
	if len(open) == 0 {
		return
	}
	type pairing struct {
		it *item
		k  *known
		c  Candidate
	}
	var pairs []pairing
	of := map[*item][]int{}
	to := map[*known][]int{}
	byPortal := map[string][]*known{}
	for _, k := range open {
		byPortal[k.Portal] = append(byPortal[k.Portal], k)
	}
	for _, it := range items {
		if it.done || it.Line.For != ForPurchase {
			continue
		}
		for _, k := range byPortal[it.Line.Portal] {
			if c, ok := score(it, k); ok {
				of[it] = append(of[it], len(pairs))
				to[k] = append(to[k], len(pairs))
				pairs = append(pairs, pairing{it, k, c})
			}
		}
	}
	best := make([]int, len(pairs))
	for i := range best {
		best[i] = i
	}
	slices.SortStableFunc(best, func(a, b int) int { return cmp.Compare(pairs[b].c.Score, pairs[a].c.Score) })
	// A pair is taken when no other line or purchase that is still free comes near; what
	// can't be told apart (the same click twice, the same line twice) is no rival.
	rival := func(i int) bool {
		p := pairs[i]
		for _, j := range of[p.it] {
			q := pairs[j]
			if q.k != p.k && !d.taken[q.k.ID] && q.c.Score > p.c.Score-matchMargin && !twins(p.k, q.k) {
				return true
			}
		}
		for _, j := range to[p.k] {
			q := pairs[j]
			if q.it != p.it && !q.it.done && q.c.Score > p.c.Score-matchMargin && q.it.print != p.it.print {
				return true
			}
		}
		return false
	}
	for again := true; again; {
		again = false
		for _, i := range best {
			p := pairs[i]
			if p.it.done || d.taken[p.k.ID] || p.c.Score < matchSure || rival(i) {
				continue
			}
			d.claim(p.it, p.k)
			p.it.Candidates = []Candidate{p.c}
			again = true
		}
	}
	for _, it := range items {
		if it.done {
			continue
		}
		for _, i := range of[it] {
			if p := pairs[i]; !d.taken[p.k.ID] {
				it.Candidates = append(it.Candidates, p.c)
			}
		}
		if len(it.Candidates) > 0 {
			slices.SortStableFunc(it.Candidates, func(a, b Candidate) int { return cmp.Compare(b.Score, a.Score) })
			it.Verdict, it.done = VerdictDoubtful, true
			it.Reasons = append(it.Reasons, Because("import.doubt.several", strconv.Itoa(len(it.Candidates))))
		}
	}
}

// twins says that two purchases can't be told apart by anything that a line says.
func twins(a, b *known) bool {
	same := func(p, q *Amount) bool { return (p == nil) == (q == nil) && (p == nil || *p == *q) }
	return a.State == b.State && a.shop == b.shop && cashback.DateOf(a.Bought) == cashback.DateOf(b.Bought) && a.Evidence == b.Evidence &&
		same(a.Amount, b.Amount) && same(a.Basket, b.Basket) && a.Order == b.Order
}

// score says how well a line fits a purchase, and why; false where it can't be it.
func score(it *item, k *known) (Candidate, bool) {
	c := Candidate{Purchase: k.ID}
	say := func(points int, key string, values ...string) {
		c.Score += points
		c.Reasons = append(c.Reasons, Because(key, values...))
	}
	l := it.Line
	switch n := alike(it.shop, k.shop); n {
	case 0:
		return c, false
	case shopPart:
		say(n, "match.shop_part.name", l.Shop, k.Shop)
	default:
		say(n, "match.shop", l.Shop)
	}
	if apart(it, k) && (l.Order == "" || l.Order != k.Order) {
		return c, false
	}
	days := int(l.Date) - int(cashback.DateOf(k.Bought))
	switch {
	case days < -1 || days > matchDays:
		return c, false // a day before: the zones of portal and shopper differ
	case days == 0:
		say(30, "match.day.same")
	case days <= 1 || l.Undated && days <= 5:
		say(25, "match.day.near", strconv.Itoa(days))
	case days <= 3:
		say(18, "match.day.near", strconv.Itoa(days))
	case days <= 7:
		say(10, "match.day.far", strconv.Itoa(days))
	default:
		say(4, "match.day.far", strconv.Itoa(days))
	}
	if l.Order != "" && l.Order == k.Order {
		say(matchOrder, "match.order", l.Order)
	}
	reckoned := k.Expected
	if reckoned == nil {
		reckoned = k.Amount // noted by hand
	}
	basket := l.Basket != nil && k.Basket != nil && l.Basket.Minor > 0 && *l.Basket == *k.Basket
	switch {
	case basket:
		say(matchAmount, "match.basket", l.Basket.String())
	case reckoned == nil || unstated(l) || reckoned.Unit != l.Amount.Unit:
		say(matchNothing, "match.amount.unknown")
	case *reckoned == l.Amount:
		say(matchAmount, "match.amount.exact", l.Amount.String())
	case near(l.Amount.Minor, reckoned.Minor):
		say(matchNear, "match.amount.near", l.Amount.String(), reckoned.String())
	default:
		say(0, "match.amount.off", l.Amount.String(), reckoned.String())
	}
	return c, c.Score >= matchPossible
}

func nearAmount(a, b Amount) bool { return a.Unit == b.Unit && near(a.Minor, b.Minor) }

// near says that two amounts differ by no more than 30 % of the larger.
func near(a, b int64) bool {
	if a < b {
		a, b = b, a
	}
	return b > 0 && (a-b)*10 <= a*3
}

package rank

import (
	"testing"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func TestLessons(t *testing.T) {
	tier := func(value string) cashback.Tier {
		return cashback.Tier{Components: []cashback.Component{{Kind: cashback.Percent, Value: decimal.MustParse(value)}}}
	}
	offer := func(days int, tiers ...cashback.Tier) cashback.Offer {
		return cashback.Offer{Kind: cashback.Percent, Status: cashback.OK, ValidationDays: days, Tiers: tiers}
	}
	var l Lessons
	upTo := tier("9")
	upTo.UpTo = true
	both := tier("3")
	both.Components = append(both.Components, cashback.Component{Kind: cashback.Fixed, Value: decimal.One, Currency: "EUR"})
	other := cashback.Tier{Components: []cashback.Component{{Kind: cashback.Fixed, Value: decimal.One, Currency: "EUR"}}}
	odd := offer(90, tier("8"), tier("1"))
	odd.Status = cashback.Unverified
	for range 30 { // nothing can be learnt from these
		for _, o := range []cashback.Offer{offer(0, tier("5")), offer(0, upTo, tier("3")), offer(0, tier("4"), tier("4")), offer(0, tier("4"), both), offer(0, tier("4"), other), offer(0), odd} {
			l.See(o)
		}
	}
	if _, n, ok := l.UpToShare(); ok || n != 0 {
		t.Errorf("learnt from %d offers that teach nothing", n)
	}
	// 4 of 8, 3 of 9 and 1 of 10: the median is a third, rounded down.
	for range 7 {
		l.See(offer(30, tier("8"), tier("4")))
		l.See(offer(60, tier("9"), tier("3"), tier("6")))
	}
	for range 5 {
		l.See(offer(75, tier("1"), tier("10")))
	}
	if _, n, ok := l.UpToShare(); ok || n != 19 {
		t.Errorf("19 observations are enough, or %d", n)
	}
	l.See(offer(60, tier("9"), tier("3")))
	if share, n, ok := l.UpToShare(); !ok || n != 20 || share.String() != "0.33" {
		t.Errorf("up to: %v of %d, %v", share, n, ok)
	}
	if days, n, ok := l.ValidationDays(); !ok || n != 20 || days != 60 {
		t.Errorf("validation: %d of %d, %v", days, n, ok)
	}
}

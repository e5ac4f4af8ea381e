package rank

import (
	"slices"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// WithDefaults is the shopper with RANKING.md's defaults in place of what isn't
// stated, for showing what an answer assumes. It ranks as the shopper itself does.
func (s Shopper) WithDefaults() Shopper {
	if s.Methods == nil {
		s.Methods = append(slices.Clone(cashMethods[:]), giftCard)
	}
	fill := func(d *cashback.NullDecimal, hundredths int64) {
		if !d.Valid {
			*d = cashback.Some(decimal.MustNew(hundredths, 2).Trim(0))
		}
	}
	fill(&s.GiftCardFactor, 90)
	fill(&s.PatienceRate, 20)
	fill(&s.MonthlyRewards, 500)
	fill(&s.UnknownMinimum, 2000)
	return s
}

// KnownMethods are the payout methods that have a place in the order of equals: those
// that a shopper can be asked about. Any other kind is accepted too.
func KnownMethods() []string { return slices.Clone(methodOrder[:]) }

package index

import (
	"math"
	"math/bits"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Lane is a way in which a portal pays: an offer's number is a per cent, an amount
// of a currency, points, or points for each unit of a currency.
type Lane struct {
	Portal *cashback.Portal
	Kind   cashback.RewardKind
	// Currency of a fixed amount, or of the unit that points are paid for; empty
	// where the page has a bare sign that several currencies share.
	Currency cashback.Currency
	Points   string
}

// Worth is what one unit of a lane's number is worth to the asker, in millionths of
// a minor unit of the asker's own currency: one per cent of the asker's basket, one
// unit of a currency, one point, one point for each unit of a currency spent.
type Worth struct {
	// Unit values what is certain; Ceiling what is only promised as "up to".
	Unit, Ceiling int64
	// Known is false where the lane has no value for the asker: its offers are
	// listed and never ordered first.
	Known bool
}

// Valuer says what a lane is worth to the asker. It is called once for each lane
// and request, never for each offer, so it may take a microsecond. It must not keep
// the lane's portal.
//
// The product of number and worth orders offers like internal/rank as far as that
// is linear in the rate; thresholds and caps of single offers aren't. A caller who
// needs the exact order takes the top candidates, and ranks them.
type Valuer func(Lane) Worth

// FaceValue values offers as a purchase of amount pays them out at face value, for
// portals of the same currency: no chance, no waiting, points only where the portal
// states their value, an "up to" at a quarter (RANKING.md, up_to_share). It is the
// order for an asker of whom nothing is known but a basket.
func FaceValue(amount cashback.Money) Valuer {
	minor := int64(1)
	for range amount.Currency.Digits() {
		minor *= 10
	}
	return func(l Lane) Worth {
		var unit int64
		switch l.Kind {
		case cashback.Percent:
			unit = clamp(amount.Minor, micro/100)
		case cashback.Fixed:
			if l.Currency != amount.Currency {
				return Worth{}
			}
			unit = minor * micro
		case cashback.PointsFixed, cashback.PointsPerUnit:
			if l.Portal.Currency != amount.Currency || l.Portal.Facts.PointValues == nil {
				return Worth{}
			}
			each, ok := l.Portal.Facts.PointValues.Value[l.Points]
			if !ok {
				return Worth{}
			}
			unit = clamp(millionths(each), minor)
			if l.Kind == cashback.PointsPerUnit {
				if l.Currency != amount.Currency {
					return Worth{}
				}
				unit = scale(unit, amount.Minor, minor)
			}
		default:
			return Worth{}
		}
		return Worth{Unit: unit, Ceiling: unit / 4, Known: true}
	}
}

// clamp is a·b of numbers that aren't negative, held at the largest.
func clamp(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(max(a, 0)), uint64(max(b, 0)))
	if hi != 0 || lo > math.MaxInt64/4 {
		return math.MaxInt64 / 4
	}
	return int64(lo)
}

// scale is a·b÷c of numbers that aren't negative, cut off, held at the largest.
func scale(a, b, c int64) int64 {
	if a < 0 || b < 0 || c <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi == 0 {
		return int64(min(lo/uint64(c), math.MaxInt64/4))
	}
	if hi >= uint64(c) {
		return math.MaxInt64 / 4
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(min(q, math.MaxInt64/4))
}

// own is a number's worth in millionths of a minor unit.
func own(number, worth int64) int64 {
	if uint64(number) < 1<<31 && uint64(worth) < 1<<32 {
		return number * worth / micro
	}
	return scale(number, worth, micro)
}

// Package reward reads the texts in which portals state what they pay:
// "Jusqu'à 6,5 % (était 3 %)", "2 pts/$", "bis zu 25,00 EUR statt 10 €".
//
// Its one invariant: nothing is guessed. What comes out as a rate was stated as
// one, digit for digit; a discount never becomes a rate, and a text that can't
// be read is Unknown with the reason and the place, never zero. The package is
// pure: no I/O, no clock, no state.
package reward

import (
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Field says what kind of place on a page a text comes from.
type Field uint8

const (
	// Rate is a place that states what is paid: an amount without any word is a
	// rate.
	Rate Field = iota
	// Coupon is a place for vouchers and deals: only what is called cashback is.
	Coupon
	// Label is the name or condition of a tier: only what is called cashback is.
	Label
)

// Context is what is known of a text besides its letters.
type Context struct {
	// Locale is a BCP 47 tag such as "fr-FR"; its language picks the words, its
	// region what a bare sign means. Empty means English without a region.
	Locale string
	// Currency is the portal's; it resolves a bare "$" or "kr". Empty leaves them
	// to the locale.
	Currency cashback.Currency
	// PointsCurrency is the portal's word for its points; it stands in for a plain
	// "points".
	PointsCurrency string
	Field          Field
}

// Parse reads a text. It never fails: what can't be read has Kind Unknown, with
// Reason and At.
func Parse(text string, c Context) cashback.Reward {
	r := cashback.Reward{Raw: text, Kind: cashback.Unknown, Reason: "no rate in it", At: cashback.Span{End: len(text)}}
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	if !percent {
		return r
	}
	var d cashback.Decimal
	if d.UnmarshalText([]byte(strings.Replace(strings.TrimSpace(number), ",", ".", 1))) != nil || d.IsNeg() {
		return r
	}
	r.Reason, r.At = "", cashback.Span{}
	if d.IsZero() {
		r.Kind = cashback.NoCashback
		return r
	}
	r.Kind = cashback.Percent
	r.Tiers = []cashback.Tier{{Components: []cashback.Component{{Kind: cashback.Percent, Value: d, Span: cashback.Span{End: len(text)}}}}}
	return r
}

package pages

import (
	"github.com/bojanz/currency"
	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/locale"
	"github.com/cagnotte/cagnotte/web/view"
)

// word names a value of an open list: the catalogue's word where it has one, the
// value itself where a portal invented it.
func word(l *locale.Locale, group, value string) string {
	if key := group + "." + value; l.Has(key) {
		return l.T(key)
	}
	return value
}

// Rate is a tier in words: "up to 6.5% + €2".
func Rate(l *locale.Locale, t cashback.Tier) string {
	s := ""
	for i, c := range t.Components {
		part := component(l, c)
		if i == 0 {
			s = part
		} else {
			s = l.T("rate.plus", "First", s, "Second", part)
		}
	}
	if t.UpTo && s != "" {
		s = l.T("rate.up_to", "Rate", s)
	}
	return s
}

func component(l *locale.Locale, c cashback.Component) string {
	s := amountOf(l, c, c.Value)
	if c.Min.Valid && c.Min.Decimal.Cmp(c.Value) != 0 {
		s = l.T("rate.range", "From", amountOf(l, c, c.Min.Decimal), "To", s)
	} else if c.Min.Valid {
		s = l.T("rate.from", "Rate", s)
	}
	if c.PerUnit != "" {
		s = l.T("rate.per_unit", "Rate", s, "Unit", word(l, "unit", c.PerUnit))
	}
	return s
}

func amountOf(l *locale.Locale, c cashback.Component, value cashback.Decimal) string {
	switch c.Kind {
	case cashback.Percent:
		return l.Percent(value)
	case cashback.Fixed:
		return l.Amount(value, c.Currency)
	}
	points := l.Points(value, c.PointsCurrency)
	if c.Kind == cashback.PointsPerUnit {
		per := c.PerAmount
		if per.IsZero() {
			per = decimal.One
		}
		return l.T("rate.points_per", "Points", points, "Amount", l.Each(per, c.Currency))
	}
	return points
}

// best is the tier that stands for an offer in a line: the first one that the page
// states, which is how portals order them.
func best(l *locale.Locale, o *view.Offer) string {
	if len(o.Tiers) == 0 {
		return l.T("rate." + string(kindWord(o.Kind)))
	}
	return Rate(l, o.Tiers[0])
}

func kindWord(k cashback.RewardKind) cashback.RewardKind {
	if k == cashback.NoCashback {
		return k
	}
	return cashback.Unknown
}

// threshold says from how much a method pays out.
func threshold(l *locale.Locale, m *cashback.PayoutMethod, c cashback.Currency) string {
	switch {
	case m == nil || !m.Minimum.Valid:
		return l.T("payout.minimum_unknown")
	case m.Minimum.Decimal.IsZero():
		return l.T("payout.minimum_none")
	}
	return l.T("payout.minimum", "Amount", l.Amount(m.Minimum.Decimal, c))
}

// method is a way to be paid with its threshold, fee and bonus.
func method(l *locale.Locale, m *cashback.PayoutMethod, c cashback.Currency) string {
	s := l.T("payout.method", "Method", word(l, "method", m.Kind), "Minimum", threshold(l, m, c))
	if !m.Fee.IsZero() {
		s = l.T("payout.with", "What", s, "Extra", l.T("payout.fee", "Amount", l.Amount(m.Fee, c)))
	}
	if !m.BonusRate.IsZero() {
		s = l.T("payout.with", "What", s, "Extra", l.T("payout.bonus", "Rate", l.Share(m.BonusRate)))
	}
	return s
}

// CurrencyName is a currency's code, with its sign where it has one of its own.
func CurrencyName(l *locale.Locale, c cashback.Currency) string {
	if s := symbol(l, c); s != string(c) {
		return string(c) + " (" + s + ")"
	}
	return string(c)
}

// symbol is the sign of a currency beside a form field.
func symbol(l *locale.Locale, c cashback.Currency) string {
	s, ok := currency.GetSymbol(string(c), currency.NewLocale(l.Lang))
	if !ok {
		return string(c)
	}
	return s
}

package portal

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// factsShape is what is known about a portal. A fact that isn't stated, or whose
// value is null, is unknown: not zero, not "no".
type factsShape struct {
	// Whether rates count before VAT (net) or after (gross).
	VATBasis *factShape[string] `yaml:"vat_basis,omitempty"`
	// When and how it pays out: payout, below.
	Payout *payoutShape `yaml:"payout,omitempty"`
	// Days until a purchase shows in the account.
	TrackingDays *factShape[int] `yaml:"tracking_days,omitempty"`
	// Days until a purchase is confirmed; of a range the longest.
	ValidationDays *factShape[int] `yaml:"validation_days,omitempty"`
	// When a missing cashback may be claimed.
	ClaimWindow *factShape[claimShape] `yaml:"claim_window,omitempty"`
	// Months without use after which an account or its balance lapses.
	InactiveMonths *factShape[int] `yaml:"inactive_months,omitempty"`
	// What a point is worth, in the portal's currency, by the word used for it.
	PointValues *factShape[map[string]string] `yaml:"point_values,omitempty"`
	// Whether cashback can be given away: donation, below.
	Donation *factShape[donationShape] `yaml:"donation,omitempty"`
	// What a new member gets.
	JoinBonus *factShape[string] `yaml:"join_bonus,omitempty"`
	// What membership costs a year.
	MembershipFee *factShape[string] `yaml:"membership_fee,omitempty"`
	// Whether there is an app.
	App *factShape[bool] `yaml:"app,omitempty"`
	// Whether there is a browser extension.
	Extension *factShape[bool] `yaml:"extension,omitempty"`
	// The portal's own count of shops.
	MerchantsClaimed *factShape[int] `yaml:"merchants_claimed,omitempty"`
	// active, closed, paused …
	Status *factShape[string] `yaml:"status,omitempty"`
	// What a shopper should know besides.
	Notes string `yaml:"notes,omitempty"`
}

// factShape is a value with its source and date.
type factShape[T any] struct {
	// What is known; null where it isn't.
	Value *T `yaml:"value"`
	// Where it was read: an address, or a description.
	Source string `yaml:"source,omitempty"`
	// The day, month or year of the source: 2026-07-01, 2026-07, 2026.
	AsOf string `yaml:"as_of,omitempty"`
	// Words of the source that the fact rests on: a check raises a flag when they are gone.
	Phrase string `yaml:"phrase,omitempty"`
}

// payoutShape is how a portal settles.
type payoutShape struct {
	// on_demand, automatic, weekly, biweekly, monthly, bimonthly, quarterly, half_yearly, yearly or unknown.
	Frequency string `yaml:"frequency,omitempty"`
	// The days of the year on which it pays, MM-DD.
	PayDates []string `yaml:"pay_dates,omitempty"`
	// The ways to be paid; null where none is known.
	Methods []methodShape `yaml:"methods,omitempty"`
	// Where it was read.
	Source string `yaml:"source,omitempty"`
	// The day, month or year of the source.
	AsOf string `yaml:"as_of,omitempty"`
	// Words of the source that it rests on.
	Phrase string `yaml:"phrase,omitempty"`
}

// methodShape is one way to be paid.
type methodShape struct {
	// bank_transfer, paypal, card_credit, cheque, gift_card, points_transfer, donation, crypto, any or unknown.
	Kind string `yaml:"kind"`
	// The threshold in the portal's currency; null is unknown, 0 is none.
	Minimum string `yaml:"minimum,omitempty"`
	// What a payout costs.
	Fee string `yaml:"fee,omitempty"`
	// What is added, as a fraction: 0.05 for 5 %.
	BonusRate string `yaml:"bonus_rate,omitempty"`
	// What reaches the association, as a fraction.
	Share string `yaml:"share,omitempty"`
	// Which association a donation goes to.
	Association string `yaml:"association,omitempty"`
	// What a shopper should know of this way.
	Note string `yaml:"note,omitempty"`
}

// claimShape is when a missing cashback may be claimed, in days after the purchase.
type claimShape struct {
	// The first day on which it can be claimed.
	FromDays int `yaml:"from_days,omitempty"`
	// The last day.
	ToDays int `yaml:"to_days,omitempty"`
	// That the portal takes no claims.
	None bool `yaml:"none,omitempty"`
}

// donationShape says whether cashback can be given away.
type donationShape struct {
	// Whether it is possible.
	Possible bool `yaml:"possible,omitempty"`
	// To whom.
	Associations []string `yaml:"associations,omitempty"`
	// What reaches the association, as a fraction.
	Share string `yaml:"share,omitempty"`
}

var (
	asOfForm    = regexp.MustCompile(`^\d{4}(-\d{2}(-\d{2})?)?$`)
	payDateForm = regexp.MustCompile(`^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$`)
	kindForm    = regexp.MustCompile(`^[a-z][a-z_]{1,30}$`)
)

var frequencies = []cashback.Frequency{
	cashback.OnDemand, cashback.Automatic, cashback.Weekly, cashback.Biweekly, cashback.Monthly, cashback.Bimonthly,
	cashback.Quarterly, cashback.HalfYearly, cashback.Yearly, cashback.FrequencyUnknown,
}

// decimalOf reads a plain number: digits, a dot, a sign, an exponent.
func decimalOf(s string) (cashback.Decimal, error) {
	d, err := decimal.Parse(strings.TrimSpace(s))
	if err != nil {
		return d, err
	}
	return d.Trim(0), nil
}

// facts compiles the facts and the phrases to watch.
func (c *compiler) facts(f *factsShape) (out cashback.Facts) {
	if f == nil {
		return out
	}
	amount := func(path string, s *string) *cashback.Decimal {
		if s == nil {
			return nil
		}
		d, err := decimalOf(*s)
		if err != nil || d.IsNeg() {
			c.fault(path, "%q is not an amount: use digits such as 12 or 12.50", short(*s))
			return nil
		}
		return &d
	}
	if f.VATBasis != nil && f.VATBasis.Value != nil {
		if v := *f.VATBasis.Value; v != string(cashback.VATNet) && v != string(cashback.VATGross) && v != string(cashback.VATUnknown) {
			c.fault("facts.vat_basis.value", "%q is not a VAT basis: use net, gross or unknown", short(v))
		}
	}
	out.VATBasis = factOf(c, "vat_basis", f.VATBasis, func(v string) cashback.VATBasis { return cashback.VATBasis(v) })
	days := func(v int) int { return v }
	out.TrackingDays = factOf(c, "tracking_days", f.TrackingDays, days)
	out.ValidationDays = factOf(c, "validation_days", f.ValidationDays, days)
	out.InactiveMonths = factOf(c, "inactive_months", f.InactiveMonths, days)
	out.MerchantsClaimed = factOf(c, "merchants_claimed", f.MerchantsClaimed, days)
	flag := func(v bool) bool { return v }
	out.App = factOf(c, "app", f.App, flag)
	out.Extension = factOf(c, "extension", f.Extension, flag)
	out.Status = factOf(c, "status", f.Status, func(v string) string { return v })
	out.ClaimWindow = factOf(c, "claim_window", f.ClaimWindow, func(v claimShape) cashback.ClaimWindow {
		if v.FromDays < 0 || v.ToDays < 0 || v.ToDays > 0 && v.ToDays < v.FromDays {
			c.fault("facts.claim_window.value", "the window ends before it begins")
		}
		return cashback.ClaimWindow{FromDays: v.FromDays, ToDays: v.ToDays, None: v.None}
	})
	money := func(path string) func(string) cashback.Decimal {
		return func(v string) cashback.Decimal {
			if d := amount(path, &v); d != nil {
				return *d
			}
			return cashback.Decimal{}
		}
	}
	out.JoinBonus = factOf(c, "join_bonus", f.JoinBonus, money("facts.join_bonus.value"))
	out.MembershipFee = factOf(c, "membership_fee", f.MembershipFee, money("facts.membership_fee.value"))
	out.PointValues = factOf(c, "point_values", f.PointValues, func(v map[string]string) map[string]cashback.Decimal {
		m := make(map[string]cashback.Decimal, len(v))
		for word, s := range v {
			if d := amount("facts.point_values.value."+word, &s); d != nil {
				m[word] = *d
			}
		}
		return m
	})
	out.Donation = factOf(c, "donation", f.Donation, func(v donationShape) cashback.Donation {
		d := cashback.Donation{Possible: v.Possible, Associations: v.Associations}
		if v.Share != "" {
			d.Share = c.fraction("facts.donation.value.share", v.Share)
		}
		return d
	})
	if p := f.Payout; p != nil {
		out.Payout = c.payout(p, amount)
	}
	out.Notes = plain(f.Notes, maxConditions)
	return out
}

func (c *compiler) fraction(path, s string) cashback.NullDecimal {
	d, err := decimalOf(s)
	if err != nil || d.IsNeg() || d.Cmp(decimal.One) > 0 {
		c.fault(path, "%q is not a share: use a fraction between 0 and 1, such as 0.05", short(s))
		return cashback.NullDecimal{}
	}
	return cashback.Some(d)
}

func (c *compiler) payout(p *payoutShape, amount func(string, *string) *cashback.Decimal) *cashback.Fact[cashback.Payout] {
	f := cashback.Frequency(p.Frequency)
	if f == "" {
		f = cashback.FrequencyUnknown
	}
	if !slices.Contains(frequencies, f) {
		c.fault("facts.payout.frequency", "%q is not a frequency: use one of %v", short(p.Frequency), frequencies)
	}
	v := cashback.Payout{Frequency: f, PayDates: p.PayDates}
	for i, day := range p.PayDates {
		if !payDateForm.MatchString(day) {
			c.fault(fmt.Sprintf("facts.payout.pay_dates[%d]", i), "%q is not a day of the year: use MM-DD", short(day))
		}
	}
	if p.Methods != nil {
		v.Methods = make([]cashback.PayoutMethod, 0, len(p.Methods))
	}
	for i, m := range p.Methods {
		at := fmt.Sprintf("facts.payout.methods[%d]", i)
		if !kindForm.MatchString(m.Kind) {
			c.fault(at+".kind", "%q is not a method: use a word such as bank_transfer or gift_card", short(m.Kind))
		}
		out := cashback.PayoutMethod{Kind: m.Kind, Association: m.Association, Note: m.Note}
		if m.Minimum != "" {
			if d := amount(at+".minimum", &m.Minimum); d != nil {
				out.Minimum = cashback.Some(*d)
			}
		}
		if m.Fee != "" {
			if d := amount(at+".fee", &m.Fee); d != nil {
				out.Fee = *d
			}
		}
		if m.BonusRate != "" {
			out.BonusRate = c.fraction(at+".bonus_rate", m.BonusRate).Decimal
		}
		if m.Share != "" {
			out.Share = c.fraction(at+".share", m.Share)
		}
		v.Methods = append(v.Methods, out)
	}
	return &cashback.Fact[cashback.Payout]{Value: v, Origin: c.origin("payout", p.Source, p.AsOf, p.Phrase)}
}

func factOf[S, T any](c *compiler, name string, f *factShape[S], value func(S) T) *cashback.Fact[T] {
	if f == nil || f.Value == nil {
		return nil
	}
	return &cashback.Fact[T]{Value: value(*f.Value), Origin: c.origin(name, f.Source, f.AsOf, f.Phrase)}
}

// origin checks where a fact comes from, and notes its phrase as to be watched
// where its source is a page.
func (c *compiler) origin(fact, source, asOf, phrase string) cashback.Origin {
	if source == "" {
		c.fault("facts."+fact, "the fact has no source: say where it was read")
	}
	if asOf != "" && !asOfForm.MatchString(asOf) {
		c.fault("facts."+fact+".as_of", "%q is not a date: use YYYY-MM-DD, YYYY-MM or YYYY", short(asOf))
	}
	if phrase != "" {
		if u, err := url.Parse(source); err != nil || u.Host == "" {
			c.fault("facts."+fact+".phrase", "a phrase can only be watched where the source is an address")
		} else {
			c.def.watches = append(c.def.watches, Watch{Fact: fact, URL: source, Phrase: phrase, AsOf: asOf})
		}
	}
	return cashback.Origin{Source: source, AsOf: asOf, Phrase: phrase}
}

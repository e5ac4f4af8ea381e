package pages

import (
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/view"
)

// fact is a line of a portal's page.
type fact struct {
	name    string
	lines   []string
	origin  cashback.Origin
	missing bool
}

// facts lists what can be known of a portal, known or not: what is missing is shown
// as missing, so that silence looks like what it is.
func facts(c Chrome, p *view.Portal) []fact {
	f, l := &p.Facts, c.L
	money := func(d cashback.Decimal) string { return l.Amount(d, p.Currency) }
	yes := func(b bool) string {
		if b {
			return l.T("word.yes")
		}
		return l.T("word.no")
	}
	var payout *cashback.Fact[cashback.Payout]
	if f.Payout != nil {
		payout = f.Payout
	}
	out := []fact{
		show(l.T("fact.pays_out"), payout, func(v cashback.Payout) []string {
			if v.Frequency == "" || v.Frequency == cashback.FrequencyUnknown {
				return nil
			}
			return []string{word(l, "frequency", string(v.Frequency))}
		}),
		show(l.T("fact.methods"), payout, func(v cashback.Payout) []string {
			var lines []string
			for i := range v.Methods {
				lines = append(lines, method(l, &v.Methods[i], p.Currency))
			}
			return lines
		}),
		show(l.T("fact.vat"), f.VATBasis, func(v cashback.VATBasis) []string {
			if v == cashback.VATUnknown || v == "" {
				return nil
			}
			return []string{l.T("vat." + string(v))}
		}),
		show(l.T("fact.tracking"), f.TrackingDays, func(n int) []string { return []string{l.Count("fact.days", n)} }),
		show(l.T("fact.validation"), f.ValidationDays, func(n int) []string { return []string{l.Count("fact.days", n)} }),
		show(l.T("fact.confirm"), f.ConfirmRate, func(d cashback.Decimal) []string { return []string{l.Share(d)} }),
		show(l.T("fact.up_to"), f.UpToShare, func(d cashback.Decimal) []string { return []string{l.Share(d)} }),
		show(l.T("fact.claim"), f.ClaimWindow, func(w cashback.ClaimWindow) []string {
			switch {
			case w.None:
				return []string{l.T("fact.claim_none")}
			case w.ToDays > 0:
				return []string{l.T("fact.claim_between", "From", l.Int(w.FromDays), "To", l.Int(w.ToDays))}
			case w.FromDays > 0:
				return []string{l.T("fact.claim_from", "From", l.Int(w.FromDays))}
			}
			return nil
		}),
		show(l.T("fact.inactive"), f.InactiveMonths, func(n int) []string {
			if n == 0 {
				return []string{l.T("word.none")}
			}
			return []string{l.Count("fact.months", n)}
		}),
		show(l.T("fact.donation"), f.Donation, func(d cashback.Donation) []string {
			lines := []string{yes(d.Possible)}
			if len(d.Associations) > 0 {
				lines = append(lines, strings.Join(d.Associations, l.T("list.comma")))
			}
			return lines
		}),
		show(l.T("fact.join"), f.JoinBonus, func(d cashback.Decimal) []string { return []string{money(d)} }),
		show(l.T("fact.fee"), f.MembershipFee, func(d cashback.Decimal) []string {
			if d.IsZero() {
				return []string{l.T("word.none")}
			}
			return []string{money(d)}
		}),
		show(l.T("fact.app"), f.App, func(b bool) []string { return []string{yes(b)} }),
		show(l.T("fact.extension"), f.Extension, func(b bool) []string { return []string{yes(b)} }),
	}
	if len(p.Languages) > 0 {
		var names []string
		for _, code := range p.Languages {
			names = append(names, l.Language(code))
		}
		out = append(out, fact{name: l.T("fact.languages"), lines: []string{strings.Join(names, l.T("list.comma"))}})
	}
	return out
}

func show[T any](name string, f *cashback.Fact[T], lines func(T) []string) fact {
	if f == nil {
		return fact{name: name, missing: true}
	}
	x := fact{name: name, lines: lines(f.Value), origin: f.Origin}
	x.missing = len(x.lines) == 0
	return x
}

package earnings_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"pgregory.net/rapid"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

func fact[T any](v T) *cashback.Fact[T] { return &cashback.Fact[T]{Value: v} }

func at(s string) time.Time { return day(s).Time().Add(10 * time.Hour) }

func euros(s string) *earnings.Amount {
	m, err := cashback.ParseMoney(s, "EUR")
	if err != nil {
		panic(err)
	}
	a := earnings.AmountOf(m)
	return &a
}

// ledgerOf appends "kind day purchase [amount]" lines for portal exemple-fr.
func ledgerOf(t testing.TB, lines ...string) *earnings.Ledger {
	t.Helper()
	l := earnings.NewLedger()
	for i, s := range lines {
		f := strings.Fields(s)
		e := earnings.Event{Kind: earnings.EventKind(f[0]), At: at(f[1]), Purchase: f[2], Portal: "exemple-fr", Shop: "Fnac", Source: "hand", Key: fmt.Sprint(i)}
		for _, extra := range f[3:] {
			switch k, v, _ := strings.Cut(extra, "="); k {
			case "basket":
				e.Basket = euros(v)
			case "evidence":
				e.Evidence = v
			case "wording":
				e.Wording = v
			default:
				e.Amount = euros(extra)
			}
		}
		if _, _, err := l.Append(e, importedAt); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return l
}

func facts(p cashback.Portal) earnings.Facts {
	p.ID, p.Currency, p.Countries = "exemple-fr", "EUR", []cashback.Country{"FR"}
	return earnings.Facts{
		Portal: func(id string) (cashback.Portal, bool) { return p, id == p.ID },
		VAT: func(cashback.Country, cashback.Date) (cashback.Decimal, bool) {
			return decimal.MustParse("0.20"), true
		},
		Uplift: func(_, wording string) bool { return wording == "uplift" },
	}
}

func told(alerts []earnings.Alert) string {
	var out []string
	for _, a := range alerts {
		s := string(a.Kind) + " " + a.Since.String()
		if a.Due != 0 {
			s += " until " + a.Due.String()
		}
		for _, r := range a.Reasons {
			s += " [" + r.String() + "]"
		}
		if a.Over {
			s += " over"
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

// TestWatch looks at purchases on a day.
func TestWatch(t *testing.T) {
	quidco := cashback.Portal{Facts: cashback.Facts{TrackingDays: fact(3), ValidationDays: fact(120), ClaimWindow: fact(cashback.ClaimWindow{FromDays: 3, ToDays: 45})}}
	for _, c := range []struct {
		name   string
		portal cashback.Portal
		events []string
		today  string
		want   string
	}{
		{"within the usual time", quidco, []string{"expected 2026-10-03 a 3.60"}, "2026-10-06", ""},
		{"missing, claim open", quidco, []string{"expected 2026-10-03 a 3.60"}, "2026-10-07",
			"missing 2026-10-07 until 2026-11-17 [watch.missing.stated: 4, 3] [watch.claim.open: 2026-11-17, 42]"},
		{"missing, too late", quidco, []string{"expected 2026-10-03 a 3.60"}, "2026-11-18",
			"missing 2026-10-07 [watch.missing.stated: 46, 3] [watch.claim.closed: 2026-11-17] over"},
		{"missing, a claim is under way", quidco, []string{"expected 2026-10-03 a 3.60", "claim_opened 2026-10-08 a"}, "2026-10-09", ""},
		{"missing where no claims are taken", cashback.Portal{Facts: cashback.Facts{ClaimWindow: fact(cashback.ClaimWindow{None: true})}}, []string{"expected 2026-10-03 a 3.60"}, "2026-10-12",
			"missing 2026-10-11 [watch.missing.usual: 9, 7] [watch.claim.none] over"},
		{"missing, claims only later", cashback.Portal{Facts: cashback.Facts{TrackingDays: fact(30), ClaimWindow: fact(cashback.ClaimWindow{FromDays: 60})}}, []string{"expected 2026-10-03 a 3.60"}, "2026-11-03",
			"missing 2026-11-03 [watch.missing.stated: 31, 30] [watch.claim.early: 2026-12-02]"},
		{"a click that nobody finished", quidco, []string{"clicked 2026-10-03 a"}, "2026-10-04", "unfinished 2026-10-04 [watch.unfinished: 2026-10-03]"},
		{"and is forgotten", quidco, []string{"clicked 2026-10-03 a"}, "2026-11-04", ""},
		{"overdue", quidco, []string{"expected 2026-05-03 a 3.60", "tracked 2026-05-04 a 3.60"}, "2026-10-01", "overdue 2026-09-01 [watch.overdue.portal: 151, 120]"},
		{"declined, still to be claimed", quidco, []string{"tracked 2026-10-03 a 3.60", "declined 2026-10-20 a wording=Declined"}, "2026-10-21",
			"declined 2026-10-20 until 2026-11-17 [watch.declined: Declined] [watch.claim.open: 2026-11-17, 28]"},
		{"short by VAT", cashback.Portal{Facts: cashback.Facts{VATBasis: fact(cashback.VATNet)}}, []string{"expected 2026-10-03 a 12.00", "tracked 2026-10-04 a 10.00"}, "2026-10-05",
			"short 2026-10-04 [watch.short.credited: 10.00 EUR, 12.00 EUR] [watch.short.vat: 20] [watch.do.nothing] over"},
		{"short by a cent is rounding", quidco, []string{"expected 2026-10-03 a 3.60", "tracked 2026-10-04 a 3.59"}, "2026-10-05", ""},
		{"short, to be uplifted", quidco, []string{"expected 2026-10-03 a 3.60", "tracked 2026-10-04 a 1.00 wording=uplift"}, "2026-10-05",
			"short 2026-10-04 until 2026-11-17 [watch.short.credited: 1.00 EUR, 3.60 EUR] [watch.short.uplift: uplift] [watch.do.wait]"},
		{"short by a tier, after VAT", quidco, []string{"expected 2026-10-03 a 6.00 basket=120.00 evidence=terms", "tracked 2026-10-04 a 2.00"}, "2026-10-05",
			"short 2026-10-04 until 2026-11-17 [watch.short.credited: 2.00 EUR, 6.00 EUR] [watch.short.tier_vat: Books, 2 %, 20] [watch.do.wait_or_claim] [watch.claim.early: 2026-10-06]"},
		{"short by a tier", quidco, []string{"expected 2026-10-03 a 6.00 basket=120.00 evidence=terms", "tracked 2026-10-04 a 2.40"}, "2026-10-05",
			"short 2026-10-04 until 2026-11-17 [watch.short.credited: 2.40 EUR, 6.00 EUR] [watch.short.tier: Books, 2 %] [watch.do.wait_or_claim] [watch.claim.early: 2026-10-06]"},
		{"short by a cap", quidco, []string{"expected 2026-10-03 a 60.00 basket=1200.00 evidence=terms", "tracked 2026-10-04 a 25.00"}, "2026-10-05",
			"short 2026-10-04 [watch.short.credited: 25.00 EUR, 60.00 EUR] [watch.short.cap: 25.00 EUR] [watch.do.nothing] over"},
		{"short, and nothing explains it", quidco, []string{"expected 2026-10-03 a 6.00 basket=120.00 evidence=terms", "tracked 2026-10-04 a 0.42"}, "2026-10-05",
			"short 2026-10-04 until 2026-11-17 [watch.short.credited: 0.42 EUR, 6.00 EUR] [watch.short.unexplained] [watch.do.wait_or_claim] [watch.claim.early: 2026-10-06]"},
		{"short, as if part of the basket counted", quidco, []string{"expected 2026-10-03 a 6.00 basket=120.00 evidence=terms", "tracked 2026-10-04 a 5.71"}, "2026-10-05",
			"short 2026-10-04 until 2026-11-17 [watch.short.credited: 5.71 EUR, 6.00 EUR] [watch.short.unexplained] [watch.short.part: 114.20 EUR, 120.00 EUR, 5.80 EUR] [watch.do.wait_or_claim] [watch.claim.early: 2026-10-06]"},
		{"short by VAT that the portal says it counts", cashback.Portal{Facts: cashback.Facts{VATBasis: fact(cashback.VATGross)}}, []string{"expected 2026-10-03 a 12.00", "tracked 2026-10-04 a 10.00", "confirmed 2026-10-20 a"}, "2026-10-21",
			"short 2026-10-04 [watch.short.credited: 10.00 EUR, 12.00 EUR] [watch.short.vat_gross: 20] [watch.do.claim] [watch.claim.unknown]"},
		{"lowered after it was listed", quidco, []string{"expected 2026-10-03 a 6.00 basket=120.00 evidence=terms", "tracked 2026-10-04 a 6.00", "amount_changed 2026-10-09 a 4.10"}, "2026-10-10",
			"short 2026-10-04 until 2026-11-17 [watch.short.credited: 4.10 EUR, 6.00 EUR] [watch.short.lowered: 6.00 EUR, 4.10 EUR, 2026-10-09] [watch.do.wait_or_claim] [watch.claim.open: 2026-11-17, 39]"},
		{"lowered, and too small before that", quidco, []string{"expected 2026-10-03 a 6.00 basket=120.00 evidence=terms", "tracked 2026-10-04 a 5.00", "amount_changed 2026-10-09 a 4.00"}, "2026-10-10",
			"short 2026-10-04 until 2026-11-17 [watch.short.credited: 4.00 EUR, 6.00 EUR] [watch.short.lowered: 5.00 EUR, 4.00 EUR, 2026-10-09] [watch.short.vat_guess: 20] [watch.do.wait_or_claim] [watch.claim.open: 2026-11-17, 39]"},
		{"lowered, and what was listed first isn't explained", quidco, []string{"expected 2026-10-03 a 6.00 basket=120.00 evidence=terms", "tracked 2026-10-04 a 4.44", "amount_changed 2026-10-09 a 4.00"}, "2026-10-10",
			"short 2026-10-04 until 2026-11-17 [watch.short.credited: 4.00 EUR, 6.00 EUR] [watch.short.lowered: 4.44 EUR, 4.00 EUR, 2026-10-09] [watch.short.unexplained] [watch.short.part: 88.80 EUR, 120.00 EUR, 31.20 EUR] [watch.do.wait_or_claim] [watch.claim.open: 2026-11-17, 39]"},
		{"short by a rate that came later", quidco, []string{"expected 2026-10-03 a 6.00 basket=120.00 evidence=terms", "tracked 2026-10-05 a 4.80"}, "2026-10-06",
			"short 2026-10-05 until 2026-11-17 [watch.short.credited: 4.80 EUR, 6.00 EUR] [watch.short.rate_since: 4 %, 2026-10-04] [watch.do.wait_or_claim] [watch.claim.open: 2026-11-17, 43]"},
		{"short by a rate of before, without VAT", quidco, []string{"expected 2026-10-03 a 6.00 basket=120.00 evidence=terms", "tracked 2026-10-05 a 3.00"}, "2026-10-06",
			"short 2026-10-05 until 2026-11-17 [watch.short.credited: 3.00 EUR, 6.00 EUR] [watch.short.rate_then: 3 %, 2026-08-01, 2026-09-15] [watch.do.wait_or_claim] [watch.claim.open: 2026-11-17, 43]"},
		{"short, and no terms were kept", quidco, []string{"expected 2026-10-03 a 6.00", "tracked 2026-10-05 a 4.44"}, "2026-10-06",
			"short 2026-10-05 until 2026-11-17 [watch.short.credited: 4.44 EUR, 6.00 EUR] [watch.short.no_terms] [watch.do.wait_or_claim] [watch.claim.open: 2026-11-17, 43]"},
		{"short, paid, and too late", quidco, []string{"expected 2026-05-03 a 6.00", "tracked 2026-05-05 a 4.44", "confirmed 2026-06-05 a", "payable 2026-06-06 a"}, "2026-10-06",
			"short 2026-05-05 [watch.short.credited: 4.44 EUR, 6.00 EUR] [watch.short.no_terms] [watch.do.late] [watch.claim.closed: 2026-06-17] over"},
		{"short, and the portal has answered", quidco, []string{"expected 2026-10-03 a 6.00", "tracked 2026-10-05 a 4.44", "claim_opened 2026-10-06 a", "claim_sent 2026-10-06 a", "claim_answered 2026-10-20 a"}, "2026-10-21", ""},
		{"unused for 11 months", cashback.Portal{Facts: cashback.Facts{InactiveMonths: fact(12)}}, []string{"tracked 2025-10-31 a 3.60", "confirmed 2025-12-01 a", "payable 2025-12-02 a"}, "2026-10-03",
			"inactive 2026-09-01 until 2026-10-31 [watch.inactive: 11, 28, 3.60 EUR, 2026-10-31]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := facts(c.portal)
			f.Terms = func(hash string) (earnings.Terms, bool) {
				tier := func(label, rate string, limit int64) cashback.Tier {
					t := cashback.Tier{Label: label, Components: []cashback.Component{{Kind: cashback.Percent, Value: decimal.MustParse(rate)}}}
					if limit > 0 {
						t.Cap = &cashback.Money{Minor: limit, Currency: "EUR"}
					}
					return t
				}
				return earnings.Terms{Offer: cashback.Offer{Tiers: []cashback.Tier{tier("Everything", "5", 2500), tier("Books", "2", 0)}}}, hash == "terms"
			}
			l := ledgerOf(t, c.events...)
			f.Events = func(p earnings.Purchase) (out []earnings.Event) {
				for _, e := range l.Events(0) {
					if e.Purchase == p.ID {
						out = append(out, e)
					}
				}
				return out
			}
			f.Rates = func(earnings.Purchase) []cashback.RatePoint {
				point := func(from, to, rate string) cashback.RatePoint {
					return cashback.RatePoint{From: at(from), To: at(to), Tiers: []cashback.Tier{{Components: []cashback.Component{{Kind: cashback.Percent, Value: decimal.MustParse(rate)}}}}, RawText: rate + " %"}
				}
				last := point("2026-10-04", "2026-10-04", "4")
				last.To = time.Time{}
				return []cashback.RatePoint{point("2026-08-01", "2026-09-15", "3"), point("2026-09-15", "2026-10-04", "5"), last}
			}
			if got := told(earnings.Watch(l.Book(), f, at(c.today))); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestCalendar writes reminders that calendars read: folded, escaped, with the same
// UIDs each time.
func TestCalendar(t *testing.T) {
	p := cashback.Portal{Facts: cashback.Facts{
		ClaimWindow: fact(cashback.ClaimWindow{FromDays: 3, ToDays: 45}), InactiveMonths: fact(12),
		Payout: fact(cashback.Payout{Frequency: cashback.Quarterly, PayDates: []string{"02-15", "05-15", "08-15", "11-15"}}),
	}}
	l := ledgerOf(t, "expected 2026-10-03 a 3.60", "tracked 2026-05-03 b 9.00", "confirmed 2026-07-03 b", "payable 2026-07-04 b")
	reminders := earnings.Reminders(l.Book(), facts(p), at("2026-10-04"))
	var days []string
	for _, r := range reminders {
		days = append(days, string(r.Kind)+" "+r.Day.String())
	}
	if got := strings.Join(days, ", "); got != "claim_first 2026-10-06, tracked 2026-10-10, payday 2026-11-15, claim_last 2026-11-17, lapse 2027-10-03" {
		t.Errorf("reminders %s", got)
	}
	write := func(now string) string {
		var b bytes.Buffer
		err := earnings.WriteCalendar(&b, "Cagnotte; à suivre", earnings.Reminders(l.Book(), facts(p), at("2026-10-04")), at(now), func(r earnings.Reminder) earnings.ReminderText {
			return earnings.ReminderText{Summary: "Réclamer, " + r.Portal + ": " + strings.Repeat("é", 60), Description: "a\nb\\c", URL: "https://x.example/p\r\nX:1"}
		})
		if err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := write("2026-10-04")
	for _, line := range strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if len(line) > 75 || strings.ContainsAny(line, "\n\r") || !strings.Contains(line, ":") && !strings.HasPrefix(line, " ") {
			t.Errorf("line %q", line)
		}
	}
	unfolded := strings.ReplaceAll(text, "\r\n ", "")
	for _, want := range []string{
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", `X-WR-CALNAME:Cagnotte\; à suivre`, "DTSTART;VALUE=DATE:20261117\r\nDTEND;VALUE=DATE:20261118\r\n",
		"DTSTAMP:20261004T100000Z", `SUMMARY:Réclamer\, exemple-fr: ` + strings.Repeat("é", 60) + "\r\n", `DESCRIPTION:a\nb\\c`, "URL:https://x.example/pX:1\r\n",
	} {
		if !strings.Contains(unfolded, want) {
			t.Errorf("lacks %q:\n%s", want, unfolded)
		}
	}
	uids := func(s string) (out []string) {
		for _, l := range strings.Split(s, "\r\n") {
			if strings.HasPrefix(l, "UID:") {
				out = append(out, l)
			}
		}
		return out
	}
	if a, b := uids(text), uids(write("2026-10-05")); !slices.Equal(a, b) || len(slices.Compact(slices.Sorted(slices.Values(a)))) != 5 {
		t.Errorf("uids %v, then %v", a, b)
	}
}

// TestCashOut says what can be had, and what is missing.
func TestCashOut(t *testing.T) {
	amount := func(s string) cashback.NullDecimal {
		return cashback.NullDecimal{Decimal: decimal.MustParse(s), Valid: true}
	}
	method := func(kind, minimum, fee, bonus string) cashback.PayoutMethod {
		return cashback.PayoutMethod{Kind: kind, Minimum: amount(minimum), Fee: decimal.MustParse(fee), BonusRate: decimal.MustParse(bonus)}
	}
	payout := func(f cashback.Frequency, dates []string, m ...cashback.PayoutMethod) cashback.Portal {
		return cashback.Portal{Facts: cashback.Facts{Payout: fact(cashback.Payout{Frequency: f, PayDates: dates, Methods: m})}}
	}
	payable := []string{"tracked 2026-05-03 a 18.00", "confirmed 2026-07-03 a", "payable 2026-07-04 a", "tracked 2026-06-03 b 4.00", "confirmed 2026-07-05 b"}
	for _, c := range []struct {
		name   string
		portal cashback.Portal
		want   string
	}{
		{"now", payout(cashback.OnDemand, nil, method("paypal", "10", "0", "0")), "now [cash.now: 18.00 EUR, paypal]"},
		{"the cheaper way", payout(cashback.OnDemand, nil, method("paypal", "10", "0.50", "0"), method("bank_transfer", "15", "0", "0")), "now [cash.now: 18.00 EUR, bank_transfer]"},
		{"with a fee", payout(cashback.OnDemand, nil, method("paypal", "10", "0.50", "0"), method("bank_transfer", "20", "0", "0")), "now [cash.now: 17.50 EUR, paypal] [cash.fee: 0.50 EUR, paypal]"},
		{"a gift card gives more", payout(cashback.OnDemand, nil, method("paypal", "10", "0", "0"), method("gift_card", "5", "0", "0.05")), "now [cash.now: 18.00 EUR, paypal] [cash.bonus: 0.90 EUR, gift_card]"},
		{"below, reached by what is confirmed", payout(cashback.OnDemand, nil, method("bank_transfer", "20", "0", "0")), "[cash.missing: 2.00 EUR, bank_transfer] [cash.missing_confirmed: 4.00 EUR]"},
		{"below, a gift card would do", payout(cashback.OnDemand, nil, method("bank_transfer", "50", "0", "0"), method("gift_card", "5", "0", "0")), "[cash.missing: 32.00 EUR, bank_transfer] [cash.instead: 18.00 EUR, gift_card]"},
		{"a quarter's day", payout(cashback.Quarterly, []string{"02-15", "05-15", "08-15", "11-15"}, method("paypal", "5.01", "0", "0")), "[cash.payday: 18.00 EUR, 2026-11-15, 42]"},
		{"monthly, no day stated", payout(cashback.Monthly, nil, method("paypal", "5", "0", "0")), "[cash.frequency: 18.00 EUR, monthly, 31]"},
		{"an unknown threshold isn't none", payout(cashback.OnDemand, nil, cashback.PayoutMethod{Kind: "paypal"}), "[cash.threshold_unknown]"},
		{"nothing known", cashback.Portal{}, "[cash.unknown]"},
		{"about to lapse", cashback.Portal{Facts: cashback.Facts{InactiveMonths: fact(5)}}, "[cash.unknown] [cash.lapse: 4, 30, 2026-11-03]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := ledgerOf(t, payable...)
			got := earnings.CashOuts(l.Book(), facts(c.portal), at("2026-10-04"))
			if len(got) != 1 || got[0].Payable != 1800 || got[0].Confirmed != 400 {
				t.Fatalf("%+v", got)
			}
			var s []string
			if got[0].Now {
				s = append(s, "now")
			}
			for _, r := range got[0].Reasons {
				s = append(s, "["+r.String()+"]")
			}
			if text := strings.Join(s, " "); text != c.want {
				t.Errorf("got %s\nwant %s", text, c.want)
			}
		})
	}
}

// TestMatchPayout joins payouts with lines.
func TestMatchPayout(t *testing.T) {
	l := ledgerOf(t,
		"tracked 2026-05-01 a 5.00", "confirmed 2026-06-01 a", "payable 2026-06-02 a",
		"tracked 2026-05-02 b 7.30", "confirmed 2026-06-01 b", "payable 2026-06-02 b",
		"tracked 2026-05-03 c 2.20", "confirmed 2026-06-01 c", "payable 2026-06-02 c",
		"tracked 2026-05-04 d 5.00", "confirmed 2026-06-01 d", "payable 2026-06-02 d",
		"tracked 2026-05-05 e 100.00")
	portal := cashback.Portal{ID: "exemple-fr", Currency: "EUR", Facts: cashback.Facts{Payout: fact(cashback.Payout{Methods: []cashback.PayoutMethod{
		{Kind: "paypal", Fee: decimal.MustParse("0.35")}, {Kind: "gift_card", BonusRate: decimal.MustParse("0.05")},
	}})}}
	for _, c := range []struct{ paid, want, way, method string }{
		{"19.50", "a b c d", "all", ""},
		{"12.30", "a b", "oldest", ""},
		{"7.20", "a c", "subset", ""},
		{"5.00", "a", "oldest", ""},
		{"10.00", "a d", "subset", ""},
		{"14.15", "a b c", "oldest", "paypal"},
		{"20.48", "a b c d", "all", "gift_card"},
		{"3.33", "", "", ""},
		{"100.00", "", "", ""},
	} {
		m := earnings.MatchPayout(l.Book(), portal, *euros(c.paid), 0)
		if got := strings.Join(m.Purchases, " "); got != c.want || m.Way != c.way || m.Method != c.method {
			t.Errorf("%s: %q %s %s, want %q %s %s", c.paid, got, m.Way, m.Method, c.want, c.way, c.method)
		}
	}
	before := l.Book()
	events, err := before.Payout("P-1", []string{"a", "c"}, at("2026-10-04"), "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // noted twice, it is one
		for _, e := range events {
			if _, _, err := l.Append(e, importedAt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := l.BalanceOf("exemple-fr", "EUR", earnings.StatePaid); got != 720 {
		t.Errorf("paid %d", got)
	}
	after := l.Book()
	if again, err := after.Payout("P-1", []string{"a", "c"}, at("2026-10-05"), ""); err != nil || len(again) != 0 {
		t.Errorf("again %v %v", again, err)
	}
	if _, err := after.Payout("P-2", []string{"e"}, at("2026-10-05"), ""); err == nil {
		t.Error("paid what is only tracked")
	}
}

// TestPayoutInPart: a portal that pays a round sum regardless of lines is met whole line
// by whole line, and what it paid ahead counts towards the next payout.
func TestPayoutInPart(t *testing.T) {
	l := ledgerOf(t,
		"tracked 2026-05-01 a 5.00", "confirmed 2026-06-01 a", "payable 2026-06-02 a",
		"tracked 2026-05-02 b 7.30", "confirmed 2026-06-01 b", "payable 2026-06-02 b",
		"tracked 2026-05-03 c 12.20", "confirmed 2026-06-01 c", "payable 2026-06-02 c")
	portal := cashback.Portal{ID: "exemple-fr", Currency: "EUR"}
	var documents []earnings.Document
	note := func(id string, paid *earnings.Amount, lines []string, day, to string) {
		t.Helper()
		b := l.Book()
		events, err := b.Payout(id, lines, at(day), to)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if _, _, err := l.Append(e, importedAt); err != nil {
				t.Fatal(err)
			}
		}
		d, err := earnings.Arrival{ID: id, Portal: "exemple-fr", At: at(day), Arrived: *paid, Gross: *paid, GivenTo: to}.Document()
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, d)
	}
	m := earnings.MatchPayout(l.Book(), portal, *euros("20.00"), 0)
	if len(m.Purchases) != 0 || fmt.Sprint(m.Part) != "[a b]" || m.Rest != *euros("7.70") {
		t.Fatalf("20.00 of 5.00, 7.30 and 12.20: %+v", m)
	}
	note("P-1", euros("20.00"), m.Part, "2026-10-04", "")
	list := earnings.PaidOuts(l.Book(), documents)
	if len(list) != 1 || list[0].Rest != *euros("7.70") || list[0].Sum != *euros("12.30") || len(list[0].Lines) != 2 {
		t.Fatalf("%+v", list)
	}
	ahead := earnings.Ahead(list, "exemple-fr", "EUR")
	if m = earnings.MatchPayout(l.Book(), portal, *euros("4.50"), ahead); ahead != 770 || fmt.Sprint(m.Purchases) != "[c]" || m.Sum != *euros("12.20") {
		t.Fatalf("%d ahead: %+v", ahead, m)
	}
	note("P-2", euros("4.50"), m.Purchases, "2026-11-04", "Restos du cœur")
	list = earnings.PaidOuts(l.Book(), append(documents, earnings.Document{Kind: "rule", Name: "x"}, earnings.Document{Kind: earnings.PayoutKind, Name: "x", Body: []byte("{")}))
	if len(list) != 2 || list[0].ID != "P-2" || list[0].GivenTo != "Restos du cœur" || list[0].Rest.Minor != 0 || earnings.Ahead(list, "exemple-fr", "EUR") != 0 {
		t.Errorf("%+v", list)
	}
	if got := l.BalanceOf("exemple-fr", "EUR", earnings.StateDonated); got != 1220 {
		t.Errorf("given away %d", got)
	}
	if m = earnings.MatchPayout(l.Book(), portal, *euros("3.00"), 0); len(m.Purchases)+len(m.Part) != 0 || m.Rest != *euros("3.00") {
		t.Errorf("nothing is left to pay: %+v", m)
	}
	for _, a := range []earnings.Arrival{{}, {ID: "x", Portal: "p"}, {ID: "x", Portal: "p", Arrived: *euros("1.00"), Gross: earnings.Amount{Minor: 100, Unit: "GBP"}}} {
		if _, err := a.Document(); cashback.KindOf(err) != cashback.Invalid {
			t.Errorf("%+v is kept: %v", a, err)
		}
	}
	if v := l.Check(); len(v) > 0 {
		t.Error(v)
	}
}

// TestPropertyPayout: lines that sum to a payout are found, they sum to it, and of
// equal choices the oldest are taken.
func TestPropertyPayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := earnings.NewLedger()
		var sum int64
		n := rapid.IntRange(1, 30).Draw(t, "lines")
		for i := range n {
			a := &earnings.Amount{Minor: rapid.Int64Range(1, 3000).Draw(t, "amount"), Unit: "EUR"}
			id := fmt.Sprintf("p%02d", i)
			for k, kind := range []earnings.EventKind{earnings.Tracked, earnings.Confirmed, earnings.Payable} {
				e := earnings.Event{Kind: kind, At: at("2026-05-01").AddDate(0, 0, i), Purchase: id, Portal: "exemple-fr", Key: fmt.Sprint(id, k)}
				if k == 0 {
					e.Amount = a
				}
				if _, _, err := l.Append(e, importedAt); err != nil {
					t.Fatal(err)
				}
			}
			if rapid.Bool().Draw(t, "paid") {
				sum += a.Minor
			}
		}
		paid := earnings.Amount{Minor: sum, Unit: "EUR"}
		m := earnings.MatchPayout(l.Book(), cashback.Portal{ID: "exemple-fr", Currency: "EUR"}, paid, 0)
		if sum == 0 {
			if len(m.Purchases) > 0 {
				t.Fatal("lines for nothing")
			}
			return
		}
		var got int64
		seen := map[string]bool{}
		for _, id := range m.Purchases {
			p, err := l.Purchase(id)
			if err != nil || seen[id] {
				t.Fatal(err, id)
			}
			seen[id] = true
			got += p.Amount.Minor
		}
		if got != sum || !slices.IsSorted(m.Purchases) {
			t.Fatalf("lines of %d for a payout of %d: %v", got, sum, m.Purchases)
		}
		book := l.Book()
		events, err := book.Payout("X", m.Purchases, importedAt, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if _, _, err := l.Append(e, importedAt); err != nil {
				t.Fatal(err)
			}
		}
		if b := l.BalanceOf("exemple-fr", "EUR", earnings.StatePaid); b != sum {
			t.Fatalf("paid %d of %d", b, sum)
		}
		if v := l.Check(); len(v) > 0 {
			t.Fatal(v)
		}
	})
}

// TestDaysOfTheShopper: the days of a claim are counted from the day on which the shopper
// bought where they live, and a list's days are days everywhere; to the exact first and
// last day, over a leap day too.
func TestDaysOfTheShopper(t *testing.T) {
	window := cashback.Portal{Facts: cashback.Facts{TrackingDays: fact(3), ClaimWindow: fact(cashback.ClaimWindow{FromDays: 3, ToDays: 45})}}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	york, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, bought, want string
		zone               *time.Location
		closed             string
	}{
		{"in the evening in Paris it is the next day", "2026-10-03T22:30:00Z", "2026-11-18", paris, "2026-11-19"},
		{"in New York the day before", "2026-10-04T02:30:00Z", "2026-11-17", york, "2026-11-18"},
		{"a list's day", "2026-10-03T00:00:00Z", "2026-11-17", york, "2026-11-18"},
		{"UTC where nothing is said", "2026-10-03T22:30:00Z", "2026-11-17", nil, "2026-11-18"},
		{"over a leap day", "2028-02-01T10:00:00Z", "2028-03-17", paris, "2028-03-18"},
		{"over a February without one", "2027-02-01T10:00:00Z", "2027-03-18", paris, "2027-03-19"},
	} {
		when, err := time.Parse(time.RFC3339, c.bought)
		if err != nil {
			t.Fatal(err)
		}
		l := earnings.NewLedger()
		if _, _, err := l.Append(earnings.Event{Kind: earnings.Expected, At: when, Purchase: "a", Portal: "exemple-fr", Shop: "Fnac", Amount: euros("3.60"), Source: "hand", Key: "1"}, importedAt); err != nil {
			t.Fatal(err)
		}
		f := facts(window)
		f.Zone = c.zone
		p, err := l.Purchase("a")
		if err != nil {
			t.Fatal(err)
		}
		for today, over := range map[string]bool{c.want: false, c.closed: true} {
			got := earnings.WatchPurchase(p, f, day(today))
			if len(got) != 1 || got[0].Over != over || !over && (got[0].Due.String() != c.want || got[0].Clock.DaysLeft != 1) {
				t.Errorf("%s: on %s %s", c.name, today, told(got))
			}
		}
		first := p.Day(c.zone) + 3
		if got := earnings.ClaimClock(p.Day(c.zone), window.Facts.ClaimWindow, first); got.State != earnings.ClockOpen {
			t.Errorf("%s: on its first day the clock is %s", c.name, got.State)
		}
		if got := earnings.ClaimClock(p.Day(c.zone), window.Facts.ClaimWindow, first-1); got.State != earnings.ClockEarly {
			t.Errorf("%s: on the day before its clock is %s", c.name, got.State)
		}
	}
}

// TestAside: what was put aside comes last, isn't in the calendar, and comes back with the
// next event.
func TestAside(t *testing.T) {
	window := cashback.Portal{Facts: cashback.Facts{TrackingDays: fact(3), InactiveMonths: fact(12), ClaimWindow: fact(cashback.ClaimWindow{FromDays: 3, ToDays: 45})}}
	l := ledgerOf(t, "expected 2026-10-03 a 3.60", "expected 2026-10-04 b 3.60", "tracked 2025-12-01 c 1.00")
	f := facts(window)
	now := at("2026-11-10")
	all := earnings.Watch(l.Book(), f, now)
	aside := map[string]bool{}
	for _, a := range all {
		if a.ID == "" || aside[a.ID] {
			t.Errorf("%s has no id of its own", told([]earnings.Alert{a}))
		}
		if a.Purchase == "a" {
			aside[a.ID] = true
		}
	}
	f.Aside = func(id string) bool { return aside[id] }
	got := earnings.Watch(l.Book(), f, now)
	last := len(got) - 1
	for last > 0 && got[last].Over {
		last--
	}
	if len(got) != len(all) || !got[last].Aside || got[last].Purchase != "a" || got[0].Aside {
		t.Errorf("put aside: %s", told(got))
	}
	for _, r := range earnings.Reminders(l.Book(), f, now) {
		if r.Purchase == "a" {
			t.Errorf("the calendar reminds of what was put aside: %+v", r)
		}
	}
	if _, _, err := l.Append(earnings.Event{Kind: earnings.Expected, At: at("2026-10-03"), Purchase: "a", Portal: "exemple-fr", Amount: euros("4.00"), Source: "hand", Key: "more"}, importedAt); err != nil {
		t.Fatal(err)
	}
	for _, a := range earnings.Watch(l.Book(), f, now) {
		if a.Aside {
			t.Errorf("something happened with it, and it stays aside: %s", told([]earnings.Alert{a}))
		}
	}
}

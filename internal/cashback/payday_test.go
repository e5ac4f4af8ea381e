package cashback_test

import (
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func TestNextPayday(t *testing.T) {
	quarters := []string{"02-15", "05-15", "08-15", "11-15"}
	for _, c := range []struct {
		dates       []string
		today, want string
	}{
		{quarters, "2026-10-03", "2026-11-15"},
		{quarters, "2026-11-15", "2026-11-15"},
		{quarters, "2026-11-16", "2027-02-15"},
		{[]string{"02-29"}, "2026-10-03", "2027-02-28"},
		{[]string{"02-29"}, "2027-10-03", "2028-02-29"},
		{[]string{"13-40"}, "2026-10-03", ""},
		{nil, "2026-10-03", ""},
	} {
		today, err := cashback.ParseDate(c.today)
		if err != nil {
			t.Fatal(err)
		}
		day, ok := cashback.Payout{PayDates: c.dates}.NextPayday(today)
		if got := day.String(); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%v on %s: %s, want %s", c.dates, c.today, got, c.want)
		}
	}
}

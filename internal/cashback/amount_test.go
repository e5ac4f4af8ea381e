package cashback_test

import (
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func TestParseMoney(t *testing.T) {
	for _, c := range []struct {
		in       string
		currency cashback.Currency
		want     int64 // -1: refused
	}{
		{"12", "EUR", 1200}, {"12.5", "EUR", 1250}, {"12,50", "EUR", 1250}, {" 12.50 ", "EUR", 1250}, {"12.", "EUR", 1200}, {"12,", "EUR", 1200},
		{"12.50 €", "EUR", 1250}, {"€12", "EUR", 1200}, {"12 euros", "EUR", 1200}, {"EUR 12", "EUR", 1200}, {"12eur", "EUR", 1200},
		{"£20", "GBP", 2000}, {"20 £GB", "GBP", 2000}, {"R$ 1.234,56", "BRL", 123456}, {"$20", "CAD", 2000}, {"1 234,50 zł", "PLN", 123450},
		{"1 234,56", "EUR", 123456}, {"1\u202f234,56\u00a0€", "EUR", 123456}, {"1 234", "EUR", 123400}, {"1'234.50", "CHF", 123450},
		{"1,234.56", "GBP", 123456}, {"1.234,56", "EUR", 123456}, {"1.234.567", "EUR", 123456700}, {"1,25,000.50", "INR", 12500050}, {"10 000 000", "EUR", 10_000_000_00},
		{"1500", "JPY", 1500}, {"¥1500", "JPY", 1500}, {"1 500円", "JPY", 1500}, {"1,234", "KWD", 1234}, {"1234.500", "EUR", 123450},
		// what may be two numbers
		{"1.234", "EUR", -1}, {"1,234", "GBP", -1}, {"1,500", "JPY", -1}, {"0.000", "EUR", -1},
		// what is none
		{"", "EUR", -1}, {" ", "EUR", -1}, {"abc", "EUR", -1}, {"-5", "EUR", -1}, {"+5", "EUR", -1}, {"5-", "EUR", -1}, {"1e3", "EUR", -1}, {".", "EUR", -1}, {".5", "EUR", -1},
		{"12 34", "EUR", -1}, {"1 2345", "EUR", -1}, {"1.2.3", "EUR", -1}, {"1,234,56", "EUR", -1}, {"1.234,56,7", "EUR", -1}, {"1,2.3,4", "EUR", -1}, {"12.505", "EUR", -1}, {"12.5", "JPY", -1},
		{"10 000 001", "EUR", -1}, {"٣", "EUR", -1}, {"12 bananas", "EUR", -1}, {"€12€", "EUR", -1}, {"1 234 56", "EUR", -1}, {"12345678901234567890123456789012345678901", "EUR", -1},
		// another currency's
		{"£20", "EUR", -1}, {"20 USD", "EUR", -1}, {"$20", "EUR", -1}, {"20 €", "GBP", -1},
	} {
		m, err := cashback.ParseMoney(c.in, c.currency)
		if c.want < 0 {
			if err == nil {
				t.Errorf("%q in %s is read as %s, and should be refused", c.in, c.currency, m)
			} else if cashback.KindOf(err) != cashback.Invalid {
				t.Errorf("%q in %s: %v isn't called invalid", c.in, c.currency, err)
			}
			continue
		}
		if want := (cashback.Money{Minor: c.want, Currency: c.currency}); err != nil || m != want {
			t.Errorf("%q in %s is read as %s, %v; want %s", c.in, c.currency, m, err, want)
		}
	}
}

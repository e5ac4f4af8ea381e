package locale

import (
	"testing"
	"time"
)

func TestReason(t *testing.T) {
	set, err := Load(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		lang, want, key string
		values          []string
	}{
		{"en", "PayPal would give €0.90 more", "cash.bonus", []string{"0.90 EUR", "paypal"}},
		{"fr", "PayPal donnerait 0,90\u00a0€ de plus", "cash.bonus", []string{"0.90 EUR", "paypal"}},
		{"en", "credited with 1,250 points, 1,300.5 points were expected", "watch.short.credited", []string{"1250.00 points:pts", "1300.50 points:pts"}},
		{"en", "the same shop: Paid", "match.shop", []string{"Paid"}},
		{"fr", "une réclamation est possible à partir du 2 octobre 2026", "watch.claim.early", []string{"2026-10-02"}},
	} {
		got := set.Get(c.lang).Reason(c.key, c.values...)
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.key, got, c.want)
		}
	}
}

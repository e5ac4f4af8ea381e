package merchant

import (
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func rules(t testing.TB) *Rules {
	t.Helper()
	r, err := NewRules(Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPairs holds the rules to pairs of names that are one shop, or two.
func TestPairs(t *testing.T) {
	r := rules(t)
	for _, c := range []struct {
		market cashback.Country
		a, b   string
		same   bool
	}{
		{"FR", "Tartemp.com", "Tartemp FR", true},
		{"FR", "Code promo Tartemp", "Tartemp - France", true},
		{"FR", "Tartemp", "Tartemp Belgique", false},
		{"FR", "tartemp-belgique", "Tartemp", false},
		{"FR", "Tartemp", "Tartemp Pro", false},
		{"FR", "Tartemp", "Tartemp Spectacles", false},
		{"FR", "Tartemp", "Tartemp Voyages", false},
		{"FR", "Tartemp &amp; Fils", "Tartemp et Fils", true},
		{"FR", "TartempFils", "tartemp-fils", true},
		{"FR", "Tartemp SAS", "TARTEMP", true},
		{"FR", "Tartemp (ex-Bidule)", "Bidule", true},
		{"GB", "Blithering & Sons Ltd", "Blithering and Sons UK", true},
		{"GB", "Blithering", "Blithering Ireland", false},
		{"GB", "Blithering", "Blithering.ie", false},
		{"GB", "Blithering", "Blitherring", true},
		{"GB", "Blith", "Blyth", false},
		{"GB", "Blithering 24", "Blithering 25", false},
		{"GB", "Blithering 4 u", "Blithering", false},
		{"US", "Blithering - 7 Coupons & 6.0% Cash Back", "Blithering", true},
		{"US", "Blithering Out...", "Blithering Outdoor Living", true},
		{"DE", "Gutscheincode Quackelmann", "Quackelmann GmbH", true},
		{"DE", "Quäckelmann", "Quaeckelmann", true},
		{"DE", "Quackelmann Österreich", "Quackelmann", false},
		{"DE", "Quackelmann Outlet", "Quackelmann", false},
		{"ES", "Cupón Chirimbolo", "Chirimbolo España", true},
		{"IT", "Aggeggio S.r.l.", "Codice sconto Aggeggio", true},
		{"PL", "Dynks sp. z o.o.", "Kod rabatowy Dynks", true},
		{"BR", "Cupom de desconto Trecho", "Trecho Brasil", true},
		{"NL", "Dingetje kortingscode", "Dingetje B.V.", true},
		{"FR", "Air Tartemp", "Air France", false},
		{"FR", "Orange", "Orange Bank", false},
	} {
		ex := r.Explain(Record{Market: c.market, Name: c.a}, Record{Market: c.market, Name: c.b})
		if ex.Same != c.same {
			t.Errorf("%s: %q and %q: same is %v, want %v: %q %q %q", c.market, c.a, c.b, ex.Same, c.same, ex.Reasons, ex.A, ex.B)
		}
	}
}

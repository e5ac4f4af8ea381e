package merchant

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

var shipped = sync.OnceValues(func() (*Rules, error) { return NewRules(Options{}) })

// rules are those of this build, with the alias data.
func rules(t testing.TB) *Rules {
	t.Helper()
	r, err := shipped()
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
		// what is read off a name
		{"FR", "Tartemp : cashback et codes promo", "Tartemp", true},
		{"FR", "Tartemp (France)", "Tartemp", true},
		{"FR", "Tartemp Bidule France", "Tartemp Bidule", true},
		{"FR", "Bijoux France", "Bijoux", false},
		{"FR", "Gaz de France", "Gaz", false},
		{"BR", "Vai de Promo", "Vai", false},
		{"BR", "Farmácia Preço Popular", "Farmácia Preço", false},
		{"GB", "Blithering Exclusive", "Blithering", false},
		{"GB", "Blithering (Exclusive)", "Blithering", true},
		{"GB", "Blithering's since 1851", "Blitherings", true},
		{"GB", "Kooples, The", "The Kooples", true},
		{"DE", "Quackelmann - Nur online", "Quackelmann", true},
		{"NL", "Dingetje B.V.", "Dingetje", true},
		{"PL", "Dynks - kody rabatowe i promocje", "Dynks", true},
		{"IT", "Aggeggio e Figli", "Aggeggio & Figli", true},
		{"ES", "Chirimbolo y Cía", "Chirimbolo & Cia", true},
		// words that change nothing, and words that do
		{"GB", "Blithering Stores", "Blithering", true},
		{"GB", "Blithering & Partners", "Blithering", true},
		{"GB", "Web Blithering", "Blithering", false},
		{"GB", "Shop Blithering", "Blithering", true},
		{"GB", "The Perfume Shop", "The Perfume", false},
		{"GB", "Blithering Lingerie", "Blithering Jeans", false},
		{"ES", "Chirimbolo Hotels", "Chirimbolo Hoteles", true},
		{"GB", "Blithering Cruises", "Blithering Ferries", false},
		{"GB", "Blithering Car Insurance", "Blithering Pet Insurance", false},
		{"GB", "Blithering Insurance", "Blithering", false},
		{"US", "Blithering Inn by Dithering", "Blithering Inn", true},
		{"US", "Blithering Inn by Dithering", "Dithering", false},
		{"US", "Outlet by Dithering", "Outlet", false},
		{"FR", "Privé by Tartemp", "Tartemp Privé", true},
		{"FR", "Tartemp Machin", "Tartemp Truc", false},
		{"FR", "Tartempvoyages", "Tartemp", false},
		// spellings
		{"FR", "Tarttemp Zorglub", "Tartemp Zorglub", true},
		{"FR", "Tratemp", "Tartemp", true},
		{"FR", "Vivara", "Vivaia", false},
		{"FR", "Tartemps 24", "Tartemps 25", false},
		{"GB", "iBlither", "eBlither", false},
		{"FR", "Dr. Tartemp", "Docteur Tartemp", true},
		{"FR", "Tartemp Frères", "Tartemp Bros", true},
		{"FR", "Trois Tartemps", "3 Tartemps", true},
		{"FR", "TZB Tartemp Zorglub Bidule", "TZB", true},
		{"FR", "TZB", "Tartemp Zorglub Bidule", false},
		{"US", "Blithering Dit...", "Blithering Dithering & Co", true},
		{"PL", "Łódzkie Dynksy", "Lodzkie Dynksy", true},
		{"DE", "Schmödel", "Schmoedel", true},
		// the alias data
		{"FR", "Veepee", "vente-privee", true},
		{"DE", "ING-DiBa", "ING", true},
		{"GB", "BT Broadband", "British Telecom", true},
		{"BR", "Magazine Luiza", "Magalu", true},
		{"PL", "BZ WBK", "Santander", true},
		{"NL", "Nuon", "Vattenfall", true},
		{"IT", "Internet Bookshop", "IBS", true},
		{"ES", "ECI", "El Corte Inglés", true},
		{"US", "Ebates", "Rakuten", true},
		{"US", "Rakuten.com Shopping", "Rakuten", false},
	} {
		ex := r.Explain(Record{Market: c.market, Name: c.a}, Record{Market: c.market, Name: c.b})
		if ex.Same != c.same {
			t.Errorf("%s: %q and %q: same is %v, want %v: %q %q %q", c.market, c.a, c.b, ex.Same, c.same, ex.Reasons, ex.A, ex.B)
		}
	}
}

// TestEvidence holds that domains and categories are weighed with the names.
func TestEvidence(t *testing.T) {
	r := rules(t)
	rec := func(name, domain, category string) Record {
		return Record{Market: "GB", Name: name, Domain: domain, Category: category}
	}
	for _, c := range []struct {
		a, b    Record
		same    bool
		because string
	}{
		{rec("Blithering", "blithering.com", ""), rec("Dithering", "blithering.com", ""), true, "they share the domain blithering.com"},
		{rec("Blithering", "awin1.com", ""), rec("Dithering", "awin1.com", ""), false, "nothing in common"},
		{rec("Blithering", "blithering.com", ""), rec("Blithering", "blithering.co.uk", ""), true, "both read"},
		{rec("Blithering", "blithering.com", "travel"), rec("Blithering", "blitheringshop.com", "fashion"), true, "both read"},
		{rec("Blithering", "blithering.com", "travel"), rec("Blithering", "dither.com", "fashion"), false, "another firm of the same name"},
		{rec("BLT", "blitheringlovelytea.com", ""), rec("Blithering Lovely Tea", "", ""), true, "initials"},
		{rec("Blithering", "blitheringoutdoor.com", ""), rec("Blithering Outdoor", "", ""), true, "the domain of the shorter name is the longer name"},
		{rec("Blithering Finance", "blitheringfinance.com", ""), rec("Blithering", "", ""), false, "makes it another shop"},
		{rec("Blithering Exclusive", "blitheringexclusive.co.uk", ""), rec("Blithering", "blithering.co.uk", ""), false, "makes it another shop"},
		{rec("Blithering Holidays", "blithering.com", ""), rec("Blithering", "", ""), true, "the domain of the longer name is the shorter name"},
		{rec("Blithering Holidays", "", ""), rec("Blithering", "", "travel"), false, "may be a shop of its own"},
		{rec("Blithering Bank", "", ""), rec("Blithering", "", "finance"), true, "of that trade"},
		{rec("Blithering Bank", "", ""), rec("Blithering", "", "telecom"), false, "another trade"},
		{rec("Blithering Wines", "", ""), rec("Blithering", "", "grocery"), false, "may be a shop of its own"},
		{rec("Blithernig", "blithering.com", ""), rec("Blithering", "", ""), true, "the domain of one is the other"},
		{rec("The Ditherer", "blithershop.com", ""), rec("BlitherShop.com", "", ""), true, "they share the domain"},
		{rec("Dithering Inn", "blithering.com", ""), rec("Blithering", "blithering.com", ""), false, "a house"},
		{rec("Blithering", "fr.blithering.com", ""), rec("Blithering", "blithering.com", ""), false, "two countries"},
		{rec("Blithering Doings", "blithering.com", ""), rec("Blithering Things", "blithering.com", ""), false, "each has others"},
	} {
		ex := r.Explain(c.a, c.b)
		said := strings.Join(ex.Reasons, "; ")
		if ex.Same != c.same || !strings.Contains(said, c.because) {
			t.Errorf("%+v and %+v: same is %v, want %v because %q; said %q", c.a, c.b, ex.Same, c.same, c.because, said)
		}
		back := r.Explain(c.b, c.a)
		if back.Same != ex.Same || back.Confidence != ex.Confidence {
			t.Errorf("%+v and %+v: the other way round it is %v %.2f, not %v %.2f", c.a, c.b, back.Same, back.Confidence, ex.Same, ex.Confidence)
		}
	}
}

// TestNoChain: a name that only resembles a member isn't a member.
func TestNoChain(t *testing.T) {
	got := map[string]string{}
	for _, d := range rules(t).Resolve([]Record{
		{ID: "lead", Market: "GB", Name: "Blithering", Domain: "blithering.com"},
		{ID: "lead too", Market: "GB", Name: "Blithering"},
		{ID: "one edit", Market: "GB", Name: "Blitherink"},
		{ID: "two edits", Market: "GB", Name: "Blytherink"},
	}) {
		got[d.RecordID] = d.Cluster
	}
	if got["one edit"] != got["lead"] || got["two edits"] == got["lead"] {
		t.Errorf("%v", got)
	}
}

// TestReview: what is doubtful stands for review on both sides, with candidates and
// reasons.
func TestReview(t *testing.T) {
	ds := rules(t).Resolve([]Record{{ID: "a", Market: "GB", Name: "Blithering"}, {ID: "b", Market: "GB", Name: "Blithering Insurance"}})
	for i, d := range ds {
		if !d.Review || len(d.Candidates) != 1 || d.Candidates[0].Cluster != ds[1-i].Cluster || len(d.Candidates[0].Reasons) == 0 || d.Confidence >= 1 {
			t.Errorf("%+v", d)
		}
	}
}

// TestBrands: storefronts of a brand in several countries are several merchants of one
// brand, also where the brand has other names there.
func TestBrands(t *testing.T) {
	c := New(rules(t))
	brand := func(country cashback.Country, name string) string {
		p := c.Upsert("p", []cashback.Entry{{Key: string(country) + name, Name: name, Country: country}})
		if len(p.New) != 1 {
			t.Fatalf("%q in %s isn't a merchant of its own: %+v", name, country, p)
		}
		return p.New[0].Brand
	}
	for _, pair := range [][2]string{
		{brand("FR", "Tartemp"), brand("BE", "Tartemp.be")},
		{brand("DE", "Douglas"), brand("FR", "Nocibé")},
		{brand("FR", "Tartemp Belgique Zorglub"), brand("DE", "Tartemp Belgique Zorglub")},
		{brand("DE", "MediaMarkt"), brand("IT", "MediaWorld")},
		{brand("FR", "vente-privee"), brand("ES", "Privalia")},
	} {
		if pair[0] == "" || pair[0] != pair[1] {
			t.Errorf("the brands are %q", pair)
		}
	}
	if a, b := brand("NL", "Tartemp"), brand("NL", "Bidule"); a == b {
		t.Errorf("two shops have the brand %q", a)
	}
}

// TestReasons: every decision says why.
func TestReasons(t *testing.T) {
	c := New(rules(t))
	c.Upsert("p", []cashback.Entry{
		{Key: "a", Name: "Code promo Tartemp Boutique", Country: "FR"}, {Key: "b", Name: "Tartemp", Country: "FR", Domain: "awin1.com"},
		{Key: "c", Name: "", Country: "FR"}, {Key: "d", Name: "vente-privee", Country: "FR"}, {Key: "e", Name: "Veepee", Country: "FR"},
	})
	for key, want := range map[string]string{
		"a": `the same name but for "boutique", which changes nothing`, "b": "tracking host", "c": "names no shop",
		"d": `is what "Veepee" was called until 2019-01`, "e": "compared with this name",
	} {
		got := c.Reasons(Ref{"p", key})
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("of %s it says %q, want %q", key, got, want)
		}
	}
}

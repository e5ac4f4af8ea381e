package index

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func small() *memory {
	m := newMemory()
	m.setPortals(portal("igraal", cashback.Public), portal("poulpeo", cashback.Public), portal("mur", cashback.RelationOnly),
		portal("secret", cashback.Private), portal("away", cashback.Off))
	m.set(Shop{merchant(1, "Amazon", "FR", "amazon.fr"), []cashback.Offer{percent("igraal", "3"), percent("poulpeo", "2"), percent("mur", "9"), percent("secret", "12")}})
	m.set(Shop{merchant(2, "Yves Rocher", "FR", "yves-rocher.fr"), []cashback.Offer{percent("igraal", "5"), percent("away", "50")}})
	m.set(Shop{merchant(3, "H&M", "FR", "hm.com"), []cashback.Offer{percent("poulpeo", "4")}})
	m.set(Shop{merchant(4, "H&M", "GB", "hm.com"), []cashback.Offer{percent("poulpeo", "6")}})
	m.set(Shop{merchant(5, "Fnac", "FR", "fnac.com"), []cashback.Offer{percent("igraal", "1.5"), percent("poulpeo", "2")}})
	m.set(Shop{merchant(6, "Fnac Spectacles", "FR", "fnacspectacles.com"), []cashback.Offer{percent("igraal", "7"), percent("poulpeo", "8"), percent("mur", "1")}})
	m.set(Shop{merchant(7, "Hidden Shop", "FR", "hidden.fr"), []cashback.Offer{percent("secret", "20")}})
	m.set(Shop{merchant(8, "Gone Shop", "FR", "gone.fr"), []cashback.Offer{percent("away", "20")}})
	m.set(Shop{merchant(9, "L'Occitane en Provence", "FR", "fr.loccitane.com", "L Occitane"), []cashback.Offer{percent("igraal", "4")}})
	m.set(Shop{merchant(10, "楽天市場", "JP", "rakuten.co.jp"), []cashback.Offer{percent("igraal", "1")}})
	return m
}

func TestSuggest(t *testing.T) {
	x := indexed(t, t.TempDir(), small())
	for _, c := range []struct {
		text, country string
		want          cashback.MerchantID
	}{
		{"amaz", "FR", 1}, {"AMAZON", "", 1}, {"amazone", "FR", 1}, {"amzon", "FR", 1}, {"amaozn", "FR", 1}, {"zmazon", "FR", 1},
		{"yvesrocher", "FR", 2}, {"yves rocher", "FR", 2}, {"rocher", "FR", 2}, {"Yvès-Rochér", "FR", 2}, {"rocher yves", "FR", 2}, {"yves roche", "", 2}, {"yve rochet", "", 2},
		{"h&m", "FR", 3}, {"hm", "FR", 3}, {"H & M", "GB", 4}, {"hm", "GB", 4},
		{"fnac", "FR", 5}, {"fnca", "FR", 5}, {"fnc", "FR", 5}, {"fnac spec", "FR", 6}, {"spectacles", "FR", 6},
		{"loccitane", "FR", 9}, {"l'occitane", "FR", 9}, {"occitane", "FR", 9}, {"provence", "FR", 9},
		{"fnac spe", "FR", 6}, {"yvesroche", "FR", 2}, {"yvesrochre", "FR", 2},
		{"楽天", "JP", 10}, {"市場", "JP", 10},
		{"https://www.amazon.fr/dp/B0?th=1", "FR", 1}, {"amazon.fr", "GB", 1},
	} {
		hits, err := x.Suggest(t.Context(), c.text, cashback.Country(c.country), 5)
		if err != nil {
			t.Fatal(err)
		}
		if len(hits) == 0 || hits[0].Merchant.ID != c.want {
			t.Errorf("%q in %q gives %v, not %d", c.text, c.country, names2(hits), c.want)
		}
	}
	for _, text := range []string{"", " ", "!!!", "hidden", "gone", "qqqqqq"} {
		if hits, err := x.Suggest(t.Context(), text, "FR", 5); err != nil || len(hits) > 0 {
			t.Errorf("%q gives %v, %v", text, names2(hits), err)
		}
	}
}

func names2(hits []Hit) (out []string) {
	for _, h := range hits {
		out = append(out, h.Merchant.Name)
	}
	return out
}

func TestPortals(t *testing.T) {
	m := small()
	list := []cashback.Portal{portal("igraal", cashback.Public), portal("poulpeo", cashback.Public), portal("mur", cashback.RelationOnly), portal("secret", cashback.Private), portal("away", cashback.Off)}
	list[1].Countries = []cashback.Country{"BE"}
	list[1].Name = "Poulpéo"
	list[0].Facts.Payout = &cashback.Fact[cashback.Payout]{Value: cashback.Payout{Frequency: cashback.Monthly, Methods: []cashback.PayoutMethod{{Kind: "paypal"}}}}
	m.setPortals(list...)
	x := indexed(t, t.TempDir(), m)
	ask := func(q Query) (ids string) {
		r, err := x.Portals(t.Context(), q, func(p *cashback.Portal) int64 { return int64(len(p.ID)) })
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range r.Hits {
			ids += h.ID + " "
		}
		return ids
	}
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{}, "poulpeo igraal mur "},
		{Query{Country: "FR"}, "igraal mur poulpeo "},
		{Query{View: OperatorView}, "poulpeo igraal secret mur "},
		{Query{Text: "poulpeo"}, "poulpeo "},
		{Query{Text: "pulpeo"}, "poulpeo "},
		{Query{Text: "!"}, ""},
		{Query{Filter: Filter{Methods: []string{"paypal"}}}, "igraal "},
		{Query{Filter: Filter{PortalCountries: []cashback.Country{"BE"}}}, "poulpeo "},
	} {
		if got := ask(c.q); got != c.want {
			t.Errorf("%+v gives %q, not %q", c.q, got, c.want)
		}
	}
	r, err := x.Portals(t.Context(), Query{Facets: true}, nil)
	if err != nil || len(r.Hits) != 3 || r.Hits[0].ID != "igraal" || r.Hits[0].Shops != 6 || len(r.Facets.Countries) != 2 || r.Facets.Methods[0] != (Count{"paypal", 1}) {
		t.Errorf("%+v, %v", r, err)
	}
}

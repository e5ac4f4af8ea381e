package merchant

import (
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// FuzzRead: any name, domain and category is read without harm, twice the same, and
// resolved with an honest neighbour.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"Tartemp", "Code promo Tartemp & Fils - 7 offres", "Tartemp.co.uk (ex Bidule)", "TGW The Golf Warehouse", "CafÃ© MÃ¼ller S.p.A.", "A&B+", "...", "(((", "Days Inn by Wyndham",
		"Аmаzоn", "L'Occitane en Provence | since 1976", "1-800-Flowers.com", "\u202eX", "Bidule Belgique (FR)",
	} {
		f.Add(s, "www.tartemp.fr", "fashion")
	}
	r := rules(f)
	f.Fuzz(func(t *testing.T, name, domain, category string) {
		at := r.site(domain)
		a, okA := r.read("FR", name, at)
		b, okB := r.read("FR", name, at)
		if okA != okB || !reflect.DeepEqual(a, b) {
			t.Fatalf("%q read twice: %+v and %+v", name, a, b)
		}
		if okA != (a.key != "") || okA && (a.core == "" || len(a.words) == 0 || len(a.same) == 0) {
			t.Fatalf("%q: ok is %v, of %+v", name, okA, a)
		}
		if !utf8.ValidString(a.key) || len(a.key) > 4*maxName {
			t.Fatalf("%q has the key %.300q", name, a.key)
		}
		if len(name) <= maxName {
			once, _ := clean(name)
			if twice, _ := clean(once); !strings.Contains(once, "&") && squeeze(twice) != squeeze(once) && !strings.ContainsAny(once, "ÃÂâÅÄÐ") {
				t.Fatalf("%q cleaned is %q, and cleaned again %q", name, once, twice)
			}
		}
		c := New(r)
		c.Upsert("p", []cashback.Entry{{Key: "a", Name: name, Country: "FR", Domain: domain, Category: category}, {Key: "b", Name: "Tartemp", Country: "FR"}})
		if e := c.entries[Ref{"p", "a"}]; (e.merchant != 0) != (e.group != nil) || len(c.reasons(e)) == 0 && e.group == nil {
			t.Fatalf("%q has no clear outcome: %+v", name, e)
		}
		r.Explain(Record{Market: "FR", Name: name, Domain: domain}, Record{Market: "FR", Name: "Tartemp", Category: category})
	})
}

// FuzzAliases: a file of alias data is taken whole, or refused with its place.
func FuzzAliases(f *testing.F) {
	f.Add("Tartemp; Bidule [rebrand 2019]\n[brands]\nTartemp; Machin\n")
	f.Add("# x\n\nTartemp {fashion}; TBX [initials]; Bidule")
	f.Add("[global]\nA; ; [")
	r, err := readRules(shippedFiles(f), Options{NoAliases: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		mine := *r
		mine.aliases = newAliases()
		err := mine.readAliases(fstest.MapFS{"aliases/fr.txt": &fstest.MapFile{Data: []byte(text)}})
		if err != nil && !strings.Contains(err.Error(), "aliases/fr.txt") {
			t.Fatalf("%q: %v doesn't say where", text, err)
		}
	})
}

package merchant

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// TestHostile: whatever a portal writes has one clear outcome: a name that is read
// like the honest one, or an entry without merchant whose review says why.
func TestHostile(t *testing.T) {
	huge := strings.Repeat("Tartemp ", 1<<17)
	for _, c := range []struct {
		what, name, domain, category string
		// like is the honest name it must be joined with; "" where it names no shop, for
		// the reason in says.
		like, says string
	}{
		{what: "empty", says: "names no shop"},
		{what: "blanks", name: " \t\n\u3000 ", says: "names no shop"},
		{what: "signs", name: "*** !!! ---", says: "names no shop"},
		{what: "nothing visible", name: "\u200b\u2060\ufeff\u202e", says: "invisible characters"},
		{what: "a megabyte", name: huge, says: "no shop's has more than 300"},
		{what: "broken bytes", name: "\xff\xfe\xfd", says: "broken UTF-8"},
		{what: "turned around", name: "\u202eTartemp Zorglub\u202c", like: "Tartemp Zorglub"},
		{what: "isolates", name: "\u2066Tartemp\u2069 \u200fZorglub", like: "Tartemp Zorglub"},
		{what: "zero width", name: "Tar\u200btemp Zorg\u00adlub", like: "Tartemp Zorglub"},
		{what: "Cyrillic letters", name: "Таrtеmр Zоrglub", like: "Tartemp Zorglub"},
		{what: "Greek letters", name: "Τartemp Ζorglub", like: "Tartemp Zorglub"},
		{what: "wide letters", name: "Ｔａｒｔｅｍｐ Ｚｏｒｇｌｕｂ", like: "Tartemp Zorglub"},
		{what: "mathematical letters", name: "𝐓𝐚𝐫𝐭𝐞𝐦𝐩 𝐙𝐨𝐫𝐠𝐥𝐮𝐛", like: "Tartemp Zorglub"},
		{what: "combining marks", name: "T\u0301a\u0302r\u0303temp Zorglub", like: "Tartemp Zorglub"},
		{what: "tags", name: "<b>Tartemp</b> Zorglub", like: "b Tartemp b Zorglub"},
		{what: "a huge domain", name: "Tartemp Zorglub", domain: strings.Repeat("a.", 1<<19) + "fr", like: "Tartemp Zorglub"},
		{what: "a domain with a line break", name: "Tartemp Zorglub", domain: "evil.example\nHost: x", like: "Tartemp Zorglub"},
		{what: "an address", name: "Tartemp Zorglub", domain: "https://user:pw@[::1]:80/", like: "Tartemp Zorglub"},
		{what: "a look-alike domain", name: "Tartemp Zorglub", domain: "tаrtemp.fr", like: "Tartemp Zorglub"},
		{what: "a huge category", name: "Tartemp Zorglub", category: huge, like: "Tartemp Zorglub"},
		{what: "digits of another script", name: "Tartemp ٤٢", like: "Tartemp ٤٢"},
	} {
		t.Run(c.what, func(t *testing.T) {
			k := New(rules(t))
			k.Upsert("p", []cashback.Entry{{Key: "a", Name: c.name, Country: "FR", Domain: c.domain, Category: c.category}, {Key: "b", Name: c.like, Country: "FR"}})
			a, b := k.Of(Ref{"p", "a"}), k.Of(Ref{"p", "b"})
			if c.like != "" {
				if a == 0 || a != b {
					t.Errorf("it belongs to %d, the honest one to %d: %q", a, b, k.Reasons(Ref{"p", "a"}))
				}
				return
			}
			at := slices.IndexFunc(k.Reviews(), func(r Review) bool { return r.Ref.Key == "a" })
			if a != 0 || at < 0 {
				t.Fatalf("it belongs to %d, and stands for review at %d", a, at)
			}
			r := k.Reviews()[at]
			if !strings.Contains(strings.Join(r.Reasons, " "), c.says) || len(r.Name) > 100 {
				t.Errorf("the review says %q of %.120q, want %q", r.Reasons, r.Name, c.says)
			}
		})
	}
}

// TestFlood: hundreds of names that all resemble each other join nobody and cost no
// time; what an operator joined stays joined; and the order doesn't matter.
func TestFlood(t *testing.T) {
	r := rules(t)
	var flood []cashback.Entry
	for i := range 60 {
		flood = append(flood, cashback.Entry{Key: fmt.Sprint(i), Name: fmt.Sprintf("Tartemp%cZorglub%c", 'a'+i%20, 'a'+i/20), Country: "FR"})
	}
	flood = append(flood, cashback.Entry{Key: "x", Name: "Bidule", Country: "FR"})
	a, b := New(r), New(r)
	a.maxBlock, b.maxBlock = 16, 16
	a.Upsert("p", flood)
	backwards := slices.Clone(flood)
	slices.Reverse(backwards)
	for _, e := range backwards {
		b.Upsert("p", []cashback.Entry{e})
	}
	for ref, e := range a.entries {
		if got, want := fmt.Sprint(b.Members(b.Of(ref))), fmt.Sprint(a.Members(e.merchant)); got != want {
			t.Fatalf("of %v one says %.200s, the other %.200s", ref, want, got)
		}
	}
	if n := len(a.merchants); n < 50 {
		t.Errorf("%d merchants of 60 doubtful names: a flood joins nobody", n)
	}
	x, y := a.Of(Ref{"p", "0"}), a.Of(Ref{"p", "59"})
	if _, _, err := a.Apply(Event{Number: 1, Kind: Merge, Merchant: x, Other: y}); err != nil {
		t.Fatal(err)
	}
	a.Upsert("q", []cashback.Entry{{Key: "1", Name: "Tartemp Zorglub zz", Country: "FR"}})
	if a.Lead(x) != a.Lead(y) {
		t.Errorf("merged, but %d leads to %d and %d to %d", x, a.Lead(x), y, a.Lead(y))
	}
}

package web

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/view"
)

// Every number tells its age, and what is old or doubtful says so, wherever it is
// shown (issue 7, point 4).
func TestMarksOfAge(t *testing.T) {
	w := newTown(t)
	portals := townPortals()
	if err := w.store.SavePortals(context.Background(), portals); err != nil {
		t.Fatal(err)
	}
	long := today.Add(-20 * 24 * time.Hour)
	// Grand Taux was last read three weeks ago; Sitôt today, with a rate that a second
	// reading hasn't confirmed; Petit Panier twelve days ago.
	w.publish(portals[0], long,
		listed{name: "Fnac", domain: "fnac.com", raw: "9 %", tiers: []cashback.Tier{percent("9")}},
		listed{name: "Darty", domain: "darty.com", raw: "4 %", tiers: []cashback.Tier{percent("4")}})
	w.publish(portals[1], today.Add(-time.Hour),
		listed{name: "Fnac", domain: "fnac.com", raw: "3 %", tiers: []cashback.Tier{percent("3")}},
		listed{name: "Sephora", domain: "sephora.fr", raw: "55 %", tiers: []cashback.Tier{percent("55")}, status: cashback.Unverified})
	w.publish(portals[2], today.Add(-12*24*time.Hour),
		listed{name: "Fnac", domain: "fnac.com", raw: "2 €", tiers: []cashback.Tier{fixed("2", "EUR")}})
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	s.truth = w.store.As(store.Public)

	home := document(t, s, "/en", 200)
	if got := texts(home.Find(".example li span:first-child")); len(got) != 2 || strings.Contains(strings.Join(got, " "), "Grand Taux") {
		t.Errorf("the example ranks %q", got)
	}
	if got := home.Find(".example .small.quiet").Last().Text(); !strings.Contains(got, "21 September 2026") {
		t.Errorf("the example says it is as old as %q: its oldest number is of 21 September", got)
	}
	for q, want := range map[string]string{"fnac": "Sitôt, read today", "darty": "no fresh rate", "sephora": "no fresh rate"} {
		if got := document(t, s, "/en/search?q="+q, 200).Find(".lines .end").First().Text(); !strings.Contains(got, want) {
			t.Errorf("search for %s: %q, want %q", q, got, want)
		}
	}
	// The API's rows say the same as marks: old, doubtful, or neither.
	for _, path := range []string{"/api/v1/offers?country=FR", "/api/v1/merchants/" + itoa(shopNamed(t, s, "fnac").ID) + "/ranking", "/api/v1/merchants/" + itoa(shopNamed(t, s, "fnac").ID), "/api/v1/merchants/" + itoa(shopNamed(t, s, "sephora").ID)} {
		var rows []view.Offer
		if strings.HasSuffix(path, "/ranking") {
			rows = get[view.Ranking](t, s, path).Offers
		} else if strings.Contains(path, "/offers") {
			for _, o := range get[view.Listed](t, s, path).Items {
				rows = append(rows, o.Offer)
			}
		} else {
			rows = get[merchantAnswer](t, s, path).Offers
		}
		if len(rows) == 0 {
			t.Errorf("%s has no rows", path)
		}
		for _, o := range rows {
			doubtful := o.Receipt.RawText == "55 %"
			if o.Stale != (o.Portal == "grandtaux") || (o.Status == cashback.Unverified) != doubtful || o.Receipt.ReadAt.IsZero() {
				t.Errorf("%s: %s %q is marked stale %v, %s, read %s", path, o.Portal, o.Receipt.RawText, o.Stale, o.Status, o.Receipt.ReadAt)
			}
		}
	}
	list := document(t, s, "/en/portals", 200)
	for id, want := range map[string]string{"grandtaux": "Older than 14 days", "sitot": "Fresh", "muet": "Not read yet"} {
		if got := list.Find(`li[data-portal="` + id + `"] .tag`).Text(); !strings.Contains(got, want) {
			t.Errorf("portals: %s is marked %q, want %q", id, got, want)
		}
		if id == "muet" {
			continue
		}
		if got := document(t, s, "/en/join", 200).Find(`li[data-portal="` + id + `"] .tag`).Text(); !strings.Contains(got, want) {
			t.Errorf("join: %s is marked %q, want %q", id, got, want)
		}
	}
	for _, shop := range []string{"darty", "sephora"} {
		d := document(t, s, "/en/shops/"+shopNamed(t, s, shop).Slug, 200)
		if d.Find("ol.rows > li").Length() != 0 || d.Find(".rest li").Length() != 1 {
			t.Errorf("%s: what is old or doubtful is ranked", shop)
		}
	}
}

// TestListedTwice: where a portal lists a shop twice, each of its two offers stands in the
// list of offers, not the same one twice.
func TestListedTwice(t *testing.T) {
	w := newTown(t)
	portals := townPortals()
	if err := w.store.SavePortals(t.Context(), portals); err != nil {
		t.Fatal(err)
	}
	w.publish(portals[0], today.Add(-time.Hour),
		listed{name: "Fnac", domain: "fnac.com", raw: "6 %", tiers: []cashback.Tier{percent("6")}, link: portals[0].Homepage + "/fnac"},
		listed{name: "FNAC", domain: "fnac.com", raw: "2 %", tiers: []cashback.Tier{percent("2")}, link: portals[0].Homepage + "/fnac-2"},
		listed{name: "Fnac", domain: "fnac.com", raw: "jusqu’à 2 %", tiers: []cashback.Tier{upTo("2")}, link: portals[0].Homepage + "/fnac-3"})
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	var raw []string
	for _, o := range get[view.Listed](t, s, "/api/v1/offers").Items {
		raw = append(raw, o.Receipt.RawText)
	}
	if slices.Sort(raw); !slices.Equal(raw, []string{"2 %", "6 %", "jusqu’à 2 %"}) {
		t.Errorf("the offers: %q", raw)
	}
}

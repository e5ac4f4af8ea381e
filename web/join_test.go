package web

import (
	"context"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/view"
)

// The page, the API and RANKING.md's score are the same.
func TestScores(t *testing.T) {
	s := newServer(t)
	got := get[view.Scores](t, s, "/api/v1/scores?country=FR&w_merchants=0&w_rates=10&w_terms=3")
	if got.Weights != (view.Weights{Rates: 10, Methods: 5, Frequency: 5, Terms: 3}) || got.Currency != "EUR" || got.Largest != 4 {
		t.Errorf("%+v", got)
	}
	var ids []string
	for i, it := range got.Items {
		ids = append(ids, it.Portal)
		if i > 0 && it.Total > got.Items[i-1].Total {
			t.Errorf("%s comes after a lower score", it.Portal)
		}
		sum, of := 0.0, 0.0
		for j, w := range []float64{0, 10, 5, 5, 3} {
			sum, of = sum+w*it.Criteria[j].Score, of+w
		}
		if d := it.Total - sum/of; d > 1e-9 || d < -1e-9 {
			t.Errorf("%s: total %v, want %v", it.Portal, it.Total, sum/of)
		}
	}
	if slices.Sort(ids); !slices.Equal(ids, []string{"grandtaux", "muet", "petitpanier", "sitot"}) {
		t.Errorf("portals of FR: %v", ids)
	}
	// What an offer is worth is what the ranking says of it for a basket of 100.
	fnac := shopNamed(t, s, "fnac")
	st, err := s.standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := get[view.Ranking](t, s, "/api/v1/merchants/"+rank.MerchantKey(fnac.ID)+"/ranking?amount=100&customer=existing")
	for _, row := range r.Ranked {
		if worth := s.standings.worth[row.Portal][fnac.ID]; worth != row.Value {
			t.Errorf("%s at Fnac is worth %d in the standings, %d in the ranking", row.Portal, worth, row.Value)
		}
	}
	sh, err := s.shelf(t.Context(), s.truth.LastChange())
	if err != nil {
		t.Fatal(err)
	}
	if st.rivals["GB"] == nil || st.rivals["GB"].at(sh.byID["thrift"]) < 0 || st.rivals["GB"].at(sh.byID["sitot"]) >= 0 {
		t.Errorf("the British portals: %+v", st.rivals["GB"])
	}
}

func TestJoinPage(t *testing.T) {
	s := newServer(t)
	d := document(t, s, "/fr/join?w_merchants=0&w_rates=10", 200)
	want := get[view.Scores](t, s, "/api/v1/scores?country=FR&w_merchants=0&w_rates=10")
	var ids []string
	for _, it := range want.Items {
		ids = append(ids, it.Portal)
	}
	if got := attrs(d.Find("ol.scores > li"), "data-portal"); !slices.Equal(got, ids) {
		t.Errorf("order %v, want %v", got, ids)
	}
	if n := d.Find("ol.scores svg.bar").Length(); n != 5*len(ids) {
		t.Errorf("%d bars for %d portals", n, len(ids))
	}
	if got := d.Find("#w-rates").AttrOr("value", "") + d.Find("#w-merchants").AttrOr("value", "") + d.Find("#w-terms").AttrOr("value", ""); got != "1005" {
		t.Errorf("the sliders stand at %q", got)
	}
	if got := texts(d.Find(`li[data-portal="muet"] .missing`)); len(got) != 3 || !strings.HasPrefix(got[0], "non précisé") {
		t.Errorf("what Muet doesn't say: %q", got)
	}
	// Filters leave out, and scores stay what they are.
	d = document(t, s, "/en/join?method=gift_card&donation=1", 200)
	if got := attrs(d.Find("ol.scores > li"), "data-portal"); !slices.Equal(got, []string{"sitot"}) {
		t.Errorf("with gift cards and giving: %v", got)
	}
	d = document(t, s, "/en/join?country=GB", 200)
	if got := attrs(d.Find("ol.scores > li"), "data-portal"); !slices.Equal(got, []string{"thrift"}) {
		t.Errorf("in Britain: %v", got)
	}
	if n := document(t, s, "/en/join?country=DE", 200).Find("ol.scores > li").Length(); n != 0 {
		t.Errorf("%d portals in a country without any", n)
	}
	for target, says := range map[string]string{
		"/en/join?w_rates=11":  "between 0 and 10",
		"/en/join?w_rates=-1":  "between 0 and 10",
		"/en/join?w_rates=NaN": "between 0 and 10",
		"/en/join?w_merchants=0&w_rates=0&w_methods=0&w_frequency=0&w_terms=0": "at least one",
	} {
		d := document(t, s, target, 400)
		if got := d.Find(".wrong").Text(); !strings.Contains(got, says) {
			t.Errorf("%s: says %q", target, got)
		}
		if d.Find("ol.scores > li").Length() == 0 {
			t.Errorf("%s: no portals beside the fault", target)
		}
	}
}

func TestComparePage(t *testing.T) {
	s := newServer(t)
	d := document(t, s, "/en/compare?portal=sitot&portal=grandtaux", 200)
	// They share Fnac and Sephora (Darty pays nothing at one of them).
	if got := d.Find(".verdict").Text(); got != "They share 2 shops in France." {
		t.Errorf("says %q", got)
	}
	duel := get[view.Duel](t, s, "/api/v1/compare?portal=sitot&portal=grandtaux")
	if duel.Common != 2 || duel.Sides[0].Wins+duel.Sides[1].Wins+duel.Ties != 2 {
		t.Errorf("%+v", duel)
	}
	if got := texts(d.Find(".versus thead th a")); !slices.Equal(got, []string{"Sitôt", "Grand Taux"}) {
		t.Errorf("columns %q", got)
	}
	if n := d.Find(".versus .source").Length(); n < 8 {
		t.Errorf("%d facts with their source", n)
	}
	// On a phone each cell says whose it is.
	if got := attrs(d.Find(".versus tbody:nth-of-type(1) tr:nth-child(2) td"), "data-side"); !slices.Equal(got, []string{"Sitôt", "Grand Taux"}) {
		t.Errorf("cells of %q", got)
	}
	if got := texts(d.Find(".duel li")); len(got) != 2+min(duel.Ties, 1) {
		t.Errorf("%d ties, and says %q", duel.Ties, got)
	}
	if got := d.Find(".duel + p").Text(); !strings.Contains(got, "€100") {
		t.Errorf("the basket: %q", got)
	}
	if got := d.Find(`.picking input[checked]`).Length(); got != 2 {
		t.Errorf("%d portals are ticked", got)
	}
	if d := document(t, s, "/en/compare", 200); d.Find(".versus").Length() != 0 || d.Find(".picking input").Length() != 4 {
		t.Error("nothing chosen: wants the choice alone")
	}
	five := url.Values{"portal": {"a", "b", "c", "d", "e"}}.Encode()
	if d := document(t, s, "/en/compare?"+five, 400); !strings.Contains(d.Find(".wrong").Text(), "one to 4") {
		t.Errorf("five portals: %q", d.Find(".wrong").Text())
	}
	document(t, s, "/en/compare?portal=nobody", 404)
	// Portals that share no country share no shop.
	if d := get[view.Duel](t, s, "/api/v1/compare?portal=sitot&portal=thrift"); d.Common != 0 || len(d.Sides) != 2 {
		t.Errorf("%+v", d)
	}
}

// The standings follow what is published, taken down and stated; nobody asks for
// what hasn't changed.
func TestStandingsFollow(t *testing.T) {
	w := newTown(t)
	w.populate()
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Follow(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	until := func(what string, holds func(*standing) bool) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for {
			if st := s.standings.now.Load(); st != nil && holds(st) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: never", what)
			}
			runtime.Gosched()
		}
	}
	merchants := func(st *standing, id string) int {
		f := st.rivals["FR"]
		if f == nil {
			return -1
		}
		at := slices.IndexFunc(f.portals, func(p *portal) bool { return p.ID == id })
		if at < 0 {
			return -1
		}
		scores, err := f.Weigh(rank.Weights{})
		if err != nil {
			t.Fatal(err)
		}
		return scores[at].Shown.Merchants
	}
	until("as populated", func(st *standing) bool { return merchants(st, "sitot") == 2 })
	portals := townPortals()
	w.publish(portals[1], today,
		listed{name: "FNAC", domain: "fnac.com", raw: "3 %", tiers: []cashback.Tier{percent("3")}},
		listed{name: "Sephora", domain: "sephora.fr", raw: "7 %", tiers: []cashback.Tier{percent("7")}},
		listed{name: "Darty", domain: "darty.com", raw: "2 %", tiers: []cashback.Tier{percent("2")}},
		listed{name: "Boulanger", domain: "boulanger.com", raw: "1 %", tiers: []cashback.Tier{percent("1")}},
	)
	until("after a publication", func(st *standing) bool { return merchants(st, "sitot") == 4 })
	if err := w.store.SetPublication(t.Context(), "sitot", cashback.Private, "test", ""); err != nil {
		t.Fatal(err)
	}
	until("after a take-down", func(st *standing) bool { return merchants(st, "sitot") == -1 })
	if err := w.store.SetPublication(t.Context(), "sitot", cashback.RelationOnly, "test", ""); err != nil {
		t.Fatal(err)
	}
	until("shown without rates", func(st *standing) bool { return merchants(st, "sitot") == 0 })
	if err := w.store.SetPublication(t.Context(), "sitot", cashback.Public, "test", ""); err != nil {
		t.Fatal(err)
	}
	until("shown again", func(st *standing) bool { return merchants(st, "sitot") == 4 })
}

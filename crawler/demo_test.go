package crawler

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/crawler/gate"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/portaltest"
)

// TestDemoPortals is the route from page to store, over real HTTP, for each of the
// demo's techniques: what is published is what the portals pay.
func TestDemoPortals(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	d, err := portaltest.NewDemo(portaltest.DemoConfig{Seed: 1, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	d.Start()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	r := newRig(t, func(c *Config, f *fetch.Config) {
		f.Resolver, f.LocalAddr = d, d.Serves
		f.Limits = fetch.Limits{}
		c.Limits.Pages = 50 // a sample of the shops' own pages
	})
	for _, p := range d.Portals() {
		t.Run(p.Name(), func(t *testing.T) {
			definition, err := p.Definition()
			if err != nil {
				t.Fatal(err)
			}
			def := r.load(definition)
			report := r.crawl(def, Options{})
			if !report.Complete || report.Finish != FinishDone || report.Verdict != cashback.Publish || report.Offers != p.Size() || report.Unread != 0 || report.RobotsDenied != 0 {
				t.Errorf("%+v", report)
			}
			live := r.live(def.ID())
			if len(live) != p.Size() {
				t.Errorf("%d offers are published, the portal lists %d", len(live), p.Size())
			}
			wrong, detailed := 0, 0
			for _, o := range live {
				if problem := differs(p, o, at, &detailed, bytes.Contains(definition, []byte("previous:"))); problem != "" {
					if wrong++; wrong <= 3 {
						t.Errorf("%s: %s in %+v", o.Entry.Name, problem, o)
					}
				}
			}
			if wrong > 3 {
				t.Errorf("%d of %d offers are wrong", wrong, len(live))
			}
			t.Logf("%d offers from %d pages, %d with tiers", report.Offers, report.Pages, detailed)
			if p.Name() != "tirelire" && p.Name() != "point-carre" && p.Name() != "cashmoi" {
				return // one of one page, one with a header, one with shops' pages
			}
			t.Run("again", func(t *testing.T) {
				report := r.crawl(def, Options{})
				if !report.Complete || report.Added+report.Changed+report.Removed != 0 || report.NotModified == 0 {
					t.Errorf("%+v", report)
				}
			})
		})
	}
}

// differs says how an offer is another than what the portal pays at a shop.
func differs(p *portaltest.DemoPortal, o cashback.Offer, at time.Time, detailed *int, previous bool) string {
	text, was, q, ok := p.Past(o.Entry.Link, at)
	if !ok {
		return "the portal has no such page"
	}
	if q.Kind == cashback.NoCashback {
		if o.Kind != cashback.NoCashback && o.Kind != cashback.NotCashback {
			return "it pays nothing"
		}
		return ""
	}
	m, _ := gate.MeasureOf(o)
	want := int64(q.Value) * 100
	switch {
	case o.Kind != q.Kind:
		return "it is of kind " + string(q.Kind)
	case m.Value != want:
		return "it pays “" + text + "”"
	case previous && (was != "") != o.Previous.Valid:
		return "its previous rate is “" + was + "”"
	case o.Status != cashback.OK:
		return "it is " + string(o.Status)
	case o.Receipt.RawText == "" || o.Receipt.URL == "":
		return "it has no receipt"
	}
	if len(o.Tiers) == 1 && len(q.Tiers) > 0 {
		if !o.Tiers[0].UpTo && q.UpTo {
			return "it is a ceiling"
		}
		return ""
	}
	if len(q.Tiers) == 0 {
		return ""
	}
	*detailed++
	if len(o.Tiers) != len(q.Tiers) {
		return "it has other tiers"
	}
	for _, tier := range q.Tiers {
		if !slices.ContainsFunc(o.Tiers, func(got cashback.Tier) bool {
			m, _ := gate.MeasureOf(cashback.Offer{Tiers: []cashback.Tier{got}})
			return m.Value == int64(tier.Value)*100 && got.Audience == tier.Audience
		}) {
			return "it lacks the tier " + tier.Label
		}
	}
	return ""
}

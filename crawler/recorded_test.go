package crawler

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/cagnotte/cagnotte/crawler/definitions"
	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// TestRecordedPages crawls the recorded real pages of the exam as `crawl --pages`
// does: partial runs whose offers were read when the pages were recorded.
func TestRecordedPages(t *testing.T) {
	exam := os.Getenv("CAGNOTTE_EXAM")
	if exam == "" {
		t.Skip("CAGNOTTE_EXAM is unset: the recorded pages aren't here")
	}
	dir := filepath.Join(exam, "data", "pages")
	replay, err := fetch.OpenReplay(dir)
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]string{} // day, by canonical URL
	var index []struct {
		URL        string `json:"url"`
		RecordedAt string `json:"recorded_at"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err == nil {
		err = json.Unmarshal(b, &index)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range index {
		recorded[fetch.CanonicalString(p.URL)] = p.RecordedAt[:10]
	}
	r := newRig(t, func(c *Config, _ *fetch.Config) { c.Opener = replay })
	all, err := definitions.All()
	if err != nil {
		t.Fatal(err)
	}
	total, shops := 0, map[cashback.MerchantID]map[string]bool{}
	for _, def := range all {
		seeds := replay.URLs(def.Hosts()...)
		if len(seeds) == 0 {
			continue
		}
		if err := r.store.SavePortals(t.Context(), []cashback.Portal{def.Portal()}); err != nil {
			t.Fatal(err)
		}
		report := r.crawl(def, Options{Seeds: seeds, Known: replay.Has})
		t.Logf("%s: %d of %d pages, %d offers, %d with a rate, complete %v, %s %s %v", def.ID(), report.Pages, len(seeds), report.Offers, report.WithRate, report.Complete, report.Verdict, report.Reason, report.Outcomes)
		if report.Pages < len(seeds) {
			t.Errorf("%s: %d of %d recorded pages were read: %v", def.ID(), report.Pages, len(seeds), report.Notes)
		}
		if !report.Complete && report.Reason == "" {
			t.Errorf("%s: it is partial and doesn't say why", def.ID())
		}
		if report.Offers > 0 && report.Verdict == cashback.Hold {
			t.Errorf("%s is held back: %s %+v", def.ID(), report.Reason, report.Findings)
		}
		live := r.live(def.ID())
		if len(live) != report.Offers && report.Verdict != cashback.Hold {
			t.Errorf("%s: %d offers are published of %d", def.ID(), len(live), report.Offers)
		}
		for _, o := range live {
			if day := recorded[fetch.CanonicalString(o.Receipt.URL)]; day != o.Receipt.ReadAt.Format("2006-01-02") {
				t.Errorf("%s: %s was read at %v of %s, recorded on %s", def.ID(), o.Entry.Name, o.Receipt.ReadAt, o.Receipt.URL, day)
				break
			}
			if o.Kind.Pays() {
				if shops[o.Merchant] == nil {
					shops[o.Merchant] = map[string]bool{}
				}
				shops[o.Merchant][def.ID()] = true
			}
		}
		total += len(live)
	}
	on := 0
	for _, portals := range shops {
		if len(portals) > 1 {
			on++
		}
	}
	t.Logf("%d offers of %d shops, %d of them on several portals", total, len(shops), on)
	if total < 1000 || on == 0 {
		t.Error("too little")
	}
}

package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/store"
)

// list publishes what a portal lists, as a crawl does.
func list(t *testing.T, dir, portal string, names ...string) {
	t.Helper()
	ctx, now := context.Background(), time.Now().UTC()
	s, err := store.Open(ctx, dir, store.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	if err := s.SavePortals(ctx, []cashback.Portal{{ID: portal, Name: portal}}); err != nil {
		t.Fatal(err)
	}
	rules, err := merchant.NewRules(merchant.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := merchant.New(rules)
	state, err := s.MerchantState(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Restore(state); err != nil {
		t.Fatal(err)
	}
	var entries []cashback.Entry
	p := store.Publication{Judgement: cashback.Judgement{Verdict: cashback.Publish, Health: cashback.PortalHealth{State: cashback.Healthy, LastGoodAt: now}}}
	for _, name := range names {
		e := cashback.Entry{Key: strings.ReplaceAll(strings.ToLower(name), " ", "-"), Name: name, Country: "GB"}
		entries = append(entries, e)
		p.Snapshot.Offers = append(p.Snapshot.Offers, cashback.Offer{Entry: e, Kind: cashback.Unknown, Status: cashback.OK, Receipt: cashback.Receipt{Portal: portal, ReadAt: now, Run: now.String()}})
	}
	p.Plan = c.Upsert(portal, entries)
	for i := range p.Snapshot.Offers {
		p.Snapshot.Offers[i].Merchant = p.Plan.Assign[entries[i].Key]
	}
	p.Snapshot.Portal = cashback.Portal{ID: portal}
	p.Snapshot.Run = cashback.Run{ID: now.String(), Portal: portal, StartedAt: now, EndedAt: now, Complete: true, Finish: "done", Offers: len(names), DefinitionVersion: "v1"}
	if _, err := s.Publish(ctx, p); err != nil {
		t.Fatal(err)
	}
}

// TestCorrections: what is doubtful is listed; merged, split, renamed and undone by
// hand, and what was said holds through the next crawl.
func TestCorrections(t *testing.T) {
	dir := t.TempDir()
	list(t, dir, "one", "Blithering", "Blithering Insurance", "Dithering", "")
	say := func(want []string, args ...string) {
		t.Helper()
		status, stdout, stderr := command(t, "", append([]string{"merchants"}, append(args, "--data", dir)...)...)
		if status != exitOK {
			t.Fatalf("%v: status %d, %s", args, status, stderr)
		}
		for _, s := range want {
			if !strings.Contains(stdout, s) {
				t.Fatalf("%v says\n%s\nwant %q in it", args, stdout, s)
			}
		}
	}
	say([]string{`"Blithering Insurance" at one`, "or to 1 Blithering (0.65)?", "may be a shop of its own"}, "review")
	say([]string{`"candidates":[{"merchant":1`}, "review", "--json")
	say([]string{"correction 1: merge", "2 leads to 1 now", "undo 1"}, "merge", "blithering-gb", "2", "--note", "one firm")
	say([]string{"1 Blithering (GB) /blithering-gb", "one:blithering-insurance", "an operator joined it"}, "show", "2")
	list(t, dir, "two", "Blithering", "Blithering Insurance")
	say([]string{"two:blithering-insurance", "one:blithering\n"}, "show", "1")
	say([]string{"correction 2: rename", "1 The Blither (GB)"}, "rename", "1", "The Blither")
	say([]string{"correction 3: split", "2 Blithering Insurance"}, "split", "1", "one:blithering-insurance", "two:blithering-insurance")
	say([]string{"correction 4: apart"}, "apart", "1", "dithering-gb")
	say([]string{"1 and 2", "one firm", "1 to \"The Blither\"", "2 entries out of 1"}, "history")
	say([]string{"correction 5: undo", "1 Blithering (GB)"}, "undo", "2")
	list(t, dir, "one", "Blithering", "Blithering Insurance", "Dithering")
	say([]string{"1 Blithering (GB)", "two:blithering\n"}, "show", "1")
	for _, c := range []struct{ args, says string }{
		{"merge 1 1", "one merchant already"},
		{"merge 1 99", "no merchant 99"},
		{"merge 1 nobody", "by its number"},
		{"split 1 one", "is no entry"},
		{"split 1 one:nothing", "doesn't belong"},
		{"rename 1 \u200b", "between 1 and"},
		{"undo 99", "no event 99"},
	} {
		args := append([]string{"merchants"}, append(strings.Split(c.args, " "), "--data", dir)...)
		if status, _, stderr := command(t, "", args...); status != exitInvalid || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: status %d, said %q, want %q", c.args, status, stderr, c.says)
		}
	}
}

// TestMerchantsLines: wrong lines are refused with their place.
func TestMerchantsLines(t *testing.T) {
	for _, c := range []struct{ in, says string }{
		{`{"record_id":"a"}`, "stdin:1: portal_market"},
		{`{"record_id":"a","portal_market":"France"}`, "is no country"},
		{"\n{\"portal_market\":\"FR\"}", "stdin:2: record_id"},
		{"{\"record_id\":\"a\",\"portal_market\":\"FR\"}\n{\"record_id\":\"a\",\"portal_market\":\"FR\"}", "stands on line 1 already"},
		{"[]", "stdin:1"},
	} {
		if status, _, stderr := command(t, c.in, "merchants", "resolve"); status != exitInvalid || !strings.Contains(stderr, c.says) {
			t.Errorf("%q: status %d, said %q, want %q", c.in, status, stderr, c.says)
		}
	}
	status, stdout, stderr := command(t, `{"record_id":"a","portal_market":"UK","name_as_listed":null}`, "merchants", "resolve", "--reasons")
	if status != exitOK || !strings.Contains(stdout, `"cluster":"?:a"`) || !strings.Contains(stdout, "names no shop") {
		t.Errorf("a name that is null: status %d, %q %q", status, stdout, stderr)
	}
	if status, stdout, _ := command(t, "", "merchants", "explain", "Orange", "Orange Bank"); status != exitOK || !strings.Contains(stdout, "two shops") || !strings.Contains(stdout, "makes it another shop") {
		t.Errorf("explain: status %d, %q", status, stdout)
	}
}

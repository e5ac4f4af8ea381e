package store

import (
	"archive/zip"
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/merchant"
)

// shops gives a store merchants under given numbers.
func shops(t *testing.T, s *Store, named map[cashback.MerchantID]string) {
	t.Helper()
	var plan merchant.Plan
	for id, name := range named {
		plan.New = append(plan.New, cashback.Merchant{ID: id, Name: name, Slug: name, Country: "FR"})
	}
	if err := s.SavePlan(context.Background(), plan); err != nil {
		t.Fatal(err)
	}
}

func archived(t *testing.T, s *Store, u account.UserID) []byte {
	t.Helper()
	a, err := s.Ledgers().Archive(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := a.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unarchived(t *testing.T, b []byte) earnings.Archive {
	t.Helper()
	a, err := earnings.ReadArchive(bytes.NewReader(b), int64(len(b)), earnings.OwnArchive)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// An archive comes back in another instance with equal balances; where the shops have the
// same numbers, the ledger is the same byte for byte (L8).
func TestArchiveMovesBetweenInstances(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	from := openStore(t, t.TempDir(), options(c))
	shops(t, from, map[cashback.MerchantID]string{1: "fnac", 2: "darty", 3: "gone"})
	anna := shopper(t, from, "anna")
	for i, id := range []string{"1", "2", "3"} {
		e, err := terms(id).Freeze()
		if err != nil {
			t.Fatal(err)
		}
		click, track := step(id, earnings.Clicked, nil), step(id, earnings.Tracked, eur(100*int64(i+1)))
		click.Merchant, click.Evidence = cashback.MerchantID(i+1), e.Hash
		im := earnings.Import{Hash: e.Hash, Rule: "r"}
		if _, err := from.Ledgers().Enter(ctx, anna, Entry{Events: []earnings.Event{click, track}, Evidence: []earnings.Evidence{e}, Import: &im}); err != nil {
			t.Fatal(err)
		}
	}
	if err := from.Ledgers().SaveDocument(ctx, anna, earnings.Document{Kind: "mapping", Name: "x", Body: []byte("y")}); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Accounts().ChangeUser(ctx, anna, func(u *account.User) error { u.Settings.Country = "FR"; return nil }); err != nil {
		t.Fatal(err)
	}
	first := archived(t, from, anna)
	if !bytes.Equal(first, archived(t, from, anna)) {
		t.Error("the same ledger gives two archives")
	}
	c.at = c.at.AddDate(1, 0, 0)

	t.Run("the same numbers", func(t *testing.T) {
		to := openStore(t, t.TempDir(), options(c))
		shops(t, to, map[cashback.MerchantID]string{1: "fnac", 2: "darty", 3: "gone"})
		u := shopper(t, to, "anna")
		for again := range 2 {
			in, err := to.Ledgers().Restore(ctx, u, unarchived(t, first))
			if err != nil || len(in.Added) != 6*(1-again) || len(in.Known) != 6*again {
				t.Fatal(in, err)
			}
		}
		want, _ := from.Ledgers().Events(ctx, anna, 0, 0)
		got, _ := to.Ledgers().Events(ctx, u, 0, 0)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		// All that differs is when the accounts were made.
		a, b := unarchived(t, first), unarchived(t, archived(t, to, u))
		a.Account, b.Account = nil, nil
		if d := cmp.Diff(a, b); d != "" {
			t.Error(d)
		}
		if who, _ := to.Accounts().User(ctx, u); who.Settings.Country != "FR" {
			t.Error("the settings are lost")
		}
	})
	t.Run("other numbers", func(t *testing.T) {
		to := openStore(t, t.TempDir(), options(c))
		shops(t, to, map[cashback.MerchantID]string{1: "darty", 2: "another", 5: "fnac"})
		u := shopper(t, to, "anna")
		if _, err := to.Ledgers().Restore(ctx, u, unarchived(t, first)); err != nil {
			t.Fatal(err)
		}
		want, _ := from.Ledgers().Balances(ctx, anna)
		got, _ := to.Ledgers().Balances(ctx, u)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		purchases, _ := to.Ledgers().Purchases(ctx, u, Filter{})
		for i, want := range []cashback.MerchantID{5, 1, 0} {
			if purchases[i].Merchant != want {
				t.Errorf("purchase %d is at merchant %d, want %d", i, purchases[i].Merchant, want)
			}
		}
		if v, err := to.Ledgers().Check(ctx, u); len(v) > 0 || err != nil {
			t.Error(v, err)
		}
	})
	t.Run("a ledger that says otherwise", func(t *testing.T) {
		to := openStore(t, t.TempDir(), options(c))
		u := shopper(t, to, "anna")
		if _, err := to.Ledgers().Append(ctx, u, step("1", earnings.Tracked, eur(999))); err != nil {
			t.Fatal(err)
		}
		if _, err := to.Ledgers().Restore(ctx, u, unarchived(t, first)); cashback.KindOf(err) != cashback.Invalid && cashback.KindOf(err) != cashback.Conflict {
			t.Errorf("two ledgers are mixed: %v", err)
		}
		if n, _ := to.Ledgers().Head(ctx, u); n != 1 {
			t.Errorf("%d events: half an archive", n)
		}
	})
	t.Run("foreign bytes", func(t *testing.T) {
		for name, change := range map[string]func(map[string][]byte){
			"an event was changed": func(f map[string][]byte) {
				f["events.jsonl"] = bytes.Replace(f["events.jsonl"], []byte("100"), []byte("900"), 1)
			},
			"evidence was changed":  func(f map[string][]byte) { f["evidence/x.json"] = []byte("{}") },
			"the manifest is gone":  func(f map[string][]byte) { delete(f, "manifest.json") },
			"the manifest is later": func(f map[string][]byte) { f["manifest.json"] = []byte(`{"format":"cagnotte-archive","version":9}`) },
			"too large":             func(f map[string][]byte) { f["events.jsonl"] = make([]byte, 3<<20) },
		} {
			files := unzip(t, first)
			change(files)
			b := rezip(t, files)
			if _, err := earnings.ReadArchive(bytes.NewReader(b), int64(len(b)), earnings.ArchiveLimits{Files: 100, Bytes: 1 << 20}); cashback.KindOf(err) != cashback.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func unzip(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		var data bytes.Buffer
		if _, err := data.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		out[f.Name] = data.Bytes()
	}
	return out
}

func rezip(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range sortedKeys(files) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/store"
)

// A ledger leaves one folder and comes into another with the same balances.
func TestLedgerVerbs(t *testing.T) {
	ctx := context.Background()
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	here, there := t.TempDir(), t.TempDir()
	with := func(dir string, f func(*store.Store)) {
		t.Helper()
		s, err := store.Open(ctx, dir, store.Options{Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		f(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	person := func(s *store.Store, email string) account.UserID {
		u, err := s.Accounts().CreateUser(ctx, account.User{Email: email, Role: account.Shopper, Created: at}, nil, "", at)
		if err != nil {
			t.Fatal(err)
		}
		return u.ID
	}
	with(here, func(s *store.Store) {
		person(s, "ben@example.org")
		anna := person(s, "anna@example.org")
		amount := &earnings.Amount{Minor: 450, Unit: "EUR"}
		e := earnings.Event{Kind: earnings.Tracked, Purchase: "1", Portal: "malin", Shop: "=Fnac", At: at, Amount: amount, Key: "1"}
		if _, err := s.Ledgers().Append(ctx, anna, e); err != nil {
			t.Fatal(err)
		}
	})
	with(there, func(s *store.Store) { person(s, "anna@example.net") })

	verb := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		w := &world{ctx: ctx, stdout: &out, stderr: &errs, now: func() time.Time { return at }}
		if got := run(w, append([]string{"ledger"}, args...)); got != want {
			t.Fatalf("ledger %v: status %d, want %d: %s", args, got, want, errs.String())
		}
		return out.String()
	}
	verb(exitInvalid, "balances", "--data", here) // whose?
	verb(exitInvalid, "balances", "--data", t.TempDir())
	if got := verb(0, "balances", "--data", here, "--user", "anna@example.org"); !strings.Contains(got, "4.50 EUR") {
		t.Error(got)
	}
	if got := verb(0, "export", "--format", "csv", "--data", here, "--user", "anna@example.org"); !strings.Contains(got, "'=Fnac") {
		t.Error(got)
	}
	file := filepath.Join(t.TempDir(), "anna.zip")
	verb(0, "export", "--data", here, "--user", "anna@example.org", "--out", file)
	verb(exitInvalid, "export", "--data", here, "--user", "anna@example.org", "--out", file) // it is there
	if got := verb(0, "import-archive", "--data", there, file); got != "1 events are new, 0 were there\n" {
		t.Error(got)
	}
	if got := verb(0, "import-archive", "--data", there, file); got != "0 events are new, 1 were there\n" {
		t.Error(got)
	}
	for _, format := range []string{"csv", "json", "events", "journal"} {
		a := verb(0, "export", "--format", format, "--data", here, "--user", "anna@example.org")
		if b := verb(0, "export", "--format", format, "--data", there); a != b || a == "" {
			t.Errorf("%s differs:\n%s\n%s", format, a, b)
		}
	}
	with(here, func(*store.Store) { verb(exitLocked, "balances", "--data", here) })
}

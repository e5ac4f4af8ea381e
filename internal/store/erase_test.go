package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// person makes a user whose bytes can be recognised, with sessions and a key, and
// changes all of it now and then, so that old forms lie in freed pages too.
func person(t *testing.T, s *Store, name string, at time.Time) account.User {
	t.Helper()
	ctx := context.Background()
	a := s.Accounts()
	u, err := a.CreateUser(ctx, account.User{Email: name + "@example.org", Role: account.Shopper, Password: "hash-of-" + name, Created: at}, nil, "", at)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		id := fmt.Sprint(name, "-session-", i)
		err := a.StartSession(ctx, account.Session{ID: id, User: u.ID, Digest: account.DigestOf(id), Created: at, Seen: at, Rotated: at, Agent: name + "-browser"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.ChangeUser(ctx, u.ID, func(u *account.User) error {
			u.Settings.Portals = append(u.Settings.Portals, fmt.Sprint(name, "-portal-", i))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	k := account.Key{ID: name + "-key", User: u.ID, Name: name + "-nightly", Digest: account.DigestOf(name), Created: at, Expires: at.Add(time.Hour)}
	if err := a.AddKey(ctx, k); err != nil {
		t.Fatal(err)
	}
	earned(t, s, u.ID, name)
	if err := a.PutGrant(ctx, account.Grant{Digest: account.DigestOf(name + "-grant"), Purpose: account.Recover, User: u.ID, Created: at, Expires: at.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	return u
}

// earned gives a person money whose bytes can be recognised.
func earned(t *testing.T, s *Store, u account.UserID, name string) {
	t.Helper()
	ctx := context.Background()
	l := s.Ledgers()
	for i := range 30 {
		e := step(fmt.Sprint(name, "-purchase-", i), earnings.Tracked, eur(100))
		e.Portal, e.Shop, e.Order = name+"-portal", name+"-shop", fmt.Sprint(name, "-order-", i)
		frozen, err := terms(fmt.Sprint(name, "-terms-", i)).Freeze()
		if err != nil {
			t.Fatal(err)
		}
		im := earnings.Import{Hash: frozen.Hash, Rule: name + "-rule", Name: name + ".csv"}
		if _, err := l.Enter(ctx, u, Entry{Events: []earnings.Event{e}, Evidence: []earnings.Evidence{frozen}, Import: &im}); err != nil {
			t.Fatal(err)
		}
		if err := l.SaveDocument(ctx, u, earnings.Document{Kind: "mapping", Name: name, Body: fmt.Append(nil, name, "-mapping-", i)}); err != nil {
			t.Fatal(err)
		}
	}
}

// traces are the files of a folder that hold a text.
func traces(t *testing.T, dir, text string) (out []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte(text)); n > 0 {
			out = append(out, fmt.Sprintf("%s: %d times", filepath.Base(f), n))
		}
	}
	return out
}

func TestDeletionLeavesNothing(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	dir := t.TempDir()
	s, err := Open(ctx, dir, options(c))
	if err != nil {
		t.Fatal(err)
	}
	ben := person(t, s, "benedikt", c.at)
	anna := person(t, s, "annabella", c.at)
	if len(traces(t, dir, "annabella")) == 0 {
		t.Fatal("this test would find nothing")
	}
	// A copy from a migration keeps her as well.
	if err := s.keep(fileName + ".v0"); err != nil {
		t.Fatal(err)
	}
	// A reader is open meanwhile: it keeps what it sees.
	b, err := s.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(100 * time.Millisecond) // while the deletion is under way
		_ = b.Rollback()
	}()
	if err := s.Accounts().DeleteUser(ctx, anna.ID); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"annabella", string(userKey(anna.ID)) + "annabella"} {
		if left := traces(t, dir, text); left != nil {
			t.Errorf("left of her: %v", left)
		}
	}
	for _, d := range []account.Digest{account.DigestOf("annabella"), account.DigestOf("annabella-grant"), account.DigestOf("annabella-session-3")} {
		if left := traces(t, dir, string(d[:])); left != nil {
			t.Errorf("a digest of hers is left: %v", left)
		}
	}
	if _, err := s.Accounts().User(ctx, anna.ID); cashback.KindOf(err) != cashback.NotFound {
		t.Errorf("she is there: %v", err)
	}
	if _, err := s.Accounts().User(ctx, ben.ID); err != nil {
		t.Error(err)
	}
	if l, err := s.Ledgers().Ledger(ctx, ben.ID); err != nil || l.Len() != 30 {
		t.Errorf("his ledger: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rep, err := Check(ctx, dir, options(c))
	if err != nil || rep.Found > 0 {
		t.Errorf("check: %+v, %v", rep, err)
	}
}

// A deletion that was cut short after its transaction is finished by whoever opens the
// folder next.
func TestDeletionIsFinishedLater(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	s, err := Open(context.Background(), dir, options(c))
	if err != nil {
		t.Fatal(err)
	}
	anna := person(t, s, "annabella", c.at)
	b, err := s.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	err = s.Accounts().DeleteUser(ctx, anna.ID)
	if err == nil {
		t.Fatal("the deletion has overwritten what a reader was reading")
	}
	if err := b.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(context.Background(), dir, options(c)); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Erase(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left := traces(t, dir, "annabella"); left != nil {
		t.Errorf("left of her: %v", left)
	}
}

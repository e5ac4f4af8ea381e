package account_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/store"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// desk is one over a real store, with a clock that the test sets.
func desk(t *testing.T) (*account.Desk, *store.Accounts, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	s, err := store.Open(context.Background(), t.TempDir(), store.Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	p, err := account.NewPasswords(rand.Reader, account.Cost{Memory: 8, Passes: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return account.NewDesk(s.Accounts(), p, rand.Reader, c.now), s.Accounts(), c
}

var home = account.Client{Address: netip.MustParseAddr("203.0.113.7"), Agent: "Firefox\x00\n"}

const (
	anna     = "Anna@example.org"
	sentence = "une petite phrase"
)

func kind(t *testing.T, err error, want cashback.Kind) {
	t.Helper()
	if err == nil || cashback.KindOf(err) != want {
		t.Errorf("error %v, want one of kind %s", err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSignUpAndIn(t *testing.T) {
	ctx := context.Background()
	d, accounts, c := desk(t)
	must(t, d.SignUp(ctx, anna, sentence, "", home))
	// The address is taken: the answer doesn't tell, and the account is what it was.
	must(t, d.SignUp(ctx, "anna@EXAMPLE.org", "another sentence", "", home))
	_, _, err := d.SignIn(ctx, anna, "another sentence", home)
	kind(t, err, cashback.Forbidden)
	wrong := err.Error()
	_, _, err = d.SignIn(ctx, "nobody@example.org", sentence, home)
	if kind(t, err, cashback.Forbidden); err.Error() != wrong {
		t.Errorf("an unknown address says %q, a wrong password %q", err, wrong)
	}
	token, s, err := d.SignIn(ctx, " anna@example.org", sentence, home)
	must(t, err)
	v, err := d.Authenticate(ctx, token)
	must(t, err)
	if v.User.Email != anna || v.User.Role != account.Shopper || v.Session.ID != s.ID || v.Renewed != "" {
		t.Errorf("visit %+v", v)
	}
	if s.Agent != "Firefox" || s.Network != "203.0.113.0/24" {
		t.Errorf("session %+v", s)
	}
	_, err = d.Authenticate(ctx, token+"x")
	kind(t, err, cashback.NotFound)

	// A day later the token is replaced; the old one is taken for a minute.
	c.at = c.at.Add(25 * time.Hour)
	v, err = d.Authenticate(ctx, token)
	must(t, err)
	if v.Renewed == "" {
		t.Fatal("the token of a day ago wasn't renewed")
	}
	again, err := d.Authenticate(ctx, token)
	must(t, err)
	if again.Renewed != "" {
		t.Error("a token that was rotated away was renewed")
	}
	c.at = c.at.Add(2 * time.Minute)
	_, err = d.Authenticate(ctx, token)
	kind(t, err, cashback.NotFound)
	_, err = d.Authenticate(ctx, v.Renewed)
	must(t, err)
	c.at = c.at.Add(40 * 24 * time.Hour)
	_, err = d.Authenticate(ctx, v.Renewed)
	kind(t, err, cashback.NotFound)
	list, err := accounts.ListSessions(ctx, v.User.ID)
	must(t, err)
	if len(list) != 1 {
		t.Errorf("%d sessions", len(list))
	}
	// The next sign-in clears what has ended.
	_, _, err = d.SignIn(ctx, anna, sentence, home)
	must(t, err)
	if list, err = accounts.ListSessions(ctx, v.User.ID); err != nil || len(list) != 1 || list[0].ID == s.ID {
		t.Errorf("sessions %+v, %v", list, err)
	}
}

func TestBruteForce(t *testing.T) {
	ctx := context.Background()
	d, _, c := desk(t)
	must(t, d.SignUp(ctx, anna, sentence, "", home))
	var slow *account.TooManyError
	tries := 0
	for range 100 {
		_, _, err := d.SignIn(ctx, anna, "wrong wrong wrong", account.Client{Address: netip.MustParseAddr("198.51.100.9")})
		if errors.As(err, &slow) {
			break
		}
		tries++
	}
	if slow == nil || tries > 10 {
		t.Fatalf("%d tries before the first wait (%v)", tries, slow)
	}
	kind(t, slow, cashback.Unavailable)
	// Meanwhile a browser that is known signs in.
	known := home
	known.Known = true
	_, _, err := d.SignIn(ctx, anna, sentence, known)
	must(t, err)
	c.at = c.at.Add(time.Minute)
	_, _, err = d.SignIn(ctx, anna, sentence, home)
	must(t, err)
}

func TestPasswordsChange(t *testing.T) {
	ctx := context.Background()
	d, accounts, c := desk(t)
	must(t, d.SignUp(ctx, anna, sentence, "", home))
	here, _, err := d.SignIn(ctx, anna, sentence, home)
	must(t, err)
	there, _, err := d.SignIn(ctx, anna, sentence, home)
	must(t, err)
	v, err := d.Authenticate(ctx, here)
	must(t, err)
	kind(t, d.SetPassword(ctx, v, "not the present one", "a new sentence", home), cashback.Forbidden)
	must(t, d.SetPassword(ctx, v, sentence, "a new sentence", home))
	_, err = d.Authenticate(ctx, there)
	kind(t, err, cashback.NotFound)
	_, err = d.Authenticate(ctx, here)
	must(t, err)

	// The operator hands out a link; it works once, and ends every session.
	token, _, err := d.Grant(ctx, account.Recover, v.User.ID)
	must(t, err)
	newer, _, err := d.Grant(ctx, account.Recover, v.User.ID)
	must(t, err)
	_, err = d.Recover(ctx, token, "a third sentence", home)
	kind(t, err, cashback.NotFound) // a newer link has replaced it
	_, err = d.Recover(ctx, newer, "short", home)
	kind(t, err, cashback.Invalid)
	u, err := d.Recover(ctx, newer, "a third sentence", home)
	must(t, err)
	if u.ID != v.User.ID {
		t.Errorf("recovered %d", u.ID)
	}
	_, err = d.Recover(ctx, newer, "a fourth sentence", home)
	kind(t, err, cashback.NotFound)
	_, err = d.Authenticate(ctx, here)
	kind(t, err, cashback.NotFound)
	_, _, err = d.SignIn(ctx, anna, "a third sentence", home)
	must(t, err)
	token, _, err = d.Grant(ctx, account.Recover, v.User.ID)
	must(t, err)
	c.at = c.at.Add(account.RecoverFor)
	_, err = d.Recover(ctx, token, "a fourth sentence", home)
	kind(t, err, cashback.NotFound)
	if grants, err := accounts.Grants(ctx); err != nil || len(grants) != 1 {
		t.Errorf("grants %v, %v", grants, err)
	}
}

func TestFirstOperator(t *testing.T) {
	ctx := context.Background()
	d, accounts, _ := desk(t)
	token, _, err := d.Grant(ctx, account.Found, 0)
	must(t, err)
	kind(t, d.SignUp(ctx, anna, sentence, token+"x", home), cashback.NotFound)
	if found, err := accounts.HasOperator(ctx); err != nil || found {
		t.Errorf("an operator out of nothing: %t, %v", found, err)
	}
	must(t, d.SignUp(ctx, anna, sentence, token, home))
	if found, err := accounts.HasOperator(ctx); err != nil || !found {
		t.Errorf("no operator: %v", err)
	}
	kind(t, d.SignUp(ctx, "mallory@example.org", sentence, token, home), cashback.NotFound)
	u, err := accounts.UserByAddress(ctx, "anna@example.org")
	must(t, err)
	_, err = accounts.ChangeUser(ctx, u.ID, func(u *account.User) error { u.Role = account.Shopper; return nil })
	kind(t, err, cashback.Conflict)

	invite, _, err := d.Grant(ctx, account.Invite, 0)
	must(t, err)
	must(t, d.SignUp(ctx, "ben@example.org", sentence, invite, home))
	ben, err := accounts.UserByAddress(ctx, "ben@example.org")
	must(t, err)
	if ben.Role != account.Shopper {
		t.Errorf("an invited person is %s", ben.Role)
	}
	kind(t, d.SignUp(ctx, "eve@example.org", sentence, invite, home), cashback.NotFound)
}

func TestAPIKeys(t *testing.T) {
	ctx := context.Background()
	d, accounts, c := desk(t)
	must(t, d.SignUp(ctx, anna, sentence, "", home))
	u, err := accounts.UserByAddress(ctx, "anna@example.org")
	must(t, err)
	k, token, err := d.NewKey(ctx, u, "nightly", []account.Scope{account.ReadLedger}, c.at.Add(48*time.Hour))
	must(t, err)
	_, _, err = d.AuthenticateKey(ctx, token, account.ReadLedger)
	must(t, err)
	_, _, err = d.AuthenticateKey(ctx, token, account.WriteLedger)
	kind(t, err, cashback.Forbidden)
	_, _, err = d.AuthenticateKey(ctx, token[:len(token)-1], account.ReadLedger)
	kind(t, err, cashback.NotFound)
	// A session's token opens no API, and a key no page.
	session, _, err := d.SignIn(ctx, anna, sentence, home)
	must(t, err)
	_, _, err = d.AuthenticateKey(ctx, session, account.ReadLedger)
	kind(t, err, cashback.NotFound)
	_, err = d.Authenticate(ctx, token)
	kind(t, err, cashback.NotFound)
	list, err := accounts.ListKeys(ctx, u.ID)
	must(t, err)
	if len(list) != 1 || !list[0].Used.Equal(c.at) {
		t.Errorf("keys %+v", list)
	}
	kind(t, accounts.RevokeKey(ctx, u.ID+1, k.ID), cashback.NotFound)
	c.at = c.at.Add(48 * time.Hour)
	_, _, err = d.AuthenticateKey(ctx, token, account.ReadLedger)
	kind(t, err, cashback.NotFound)
	must(t, accounts.RevokeKey(ctx, u.ID, k.ID))
	_, _, err = d.AuthenticateKey(ctx, token, account.ReadLedger)
	kind(t, err, cashback.NotFound)
}

func TestProveAndEmail(t *testing.T) {
	ctx := context.Background()
	d, accounts, c := desk(t)
	must(t, d.SignUp(ctx, anna, sentence, "", home))
	must(t, d.SignUp(ctx, "ben@example.org", sentence, "", home))
	token, _, err := d.SignIn(ctx, anna, sentence, home)
	must(t, err)
	c.at = c.at.Add(time.Hour)
	v, err := d.Authenticate(ctx, token)
	must(t, err)
	kind(t, d.SetEmail(ctx, v, "anna@example.net"), cashback.Forbidden)
	_, err = d.Prove(ctx, v, "wrong wrong wrong", home)
	kind(t, err, cashback.Forbidden)
	proved, err := d.Prove(ctx, v, sentence, home)
	must(t, err)
	_, err = d.Authenticate(ctx, token)
	kind(t, err, cashback.NotFound) // a step up changes the token at once
	v, err = d.Authenticate(ctx, proved)
	must(t, err)
	kind(t, d.SetEmail(ctx, v, "ben@example.org"), cashback.Conflict)
	must(t, d.SetEmail(ctx, v, "anna@example.net"))
	_, err = accounts.UserByAddress(ctx, "anna@example.org")
	kind(t, err, cashback.NotFound)
	_, _, err = d.SignIn(ctx, "anna@example.net", sentence, home)
	must(t, err)
	// The old address is free.
	must(t, d.SignUp(ctx, anna, sentence, "", home))
	_, _, err = d.SignIn(ctx, anna, sentence, home)
	must(t, err)
}

// The one person at home needs no account; a folder with accounts refuses that.
func TestSole(t *testing.T) {
	ctx := context.Background()
	d, accounts, _ := desk(t)
	one, err := accounts.Sole(ctx)
	must(t, err)
	two, err := accounts.Sole(ctx)
	must(t, err)
	if one.ID != two.ID || one.Role != account.Operator {
		t.Errorf("%+v, then %+v", one, two)
	}
	_, _, err = d.SignIn(ctx, "", "", home)
	kind(t, err, cashback.Forbidden)
	_, _, err = d.Open(ctx, one.ID, home)
	must(t, err)

	d, accounts, _ = desk(t)
	must(t, d.SignUp(ctx, anna, sentence, "", home))
	_, err = accounts.Sole(ctx)
	kind(t, err, cashback.Conflict)
}

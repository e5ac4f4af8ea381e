package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/store"
)

// An account from the command line: made, its password set with the printed link, once,
// and deleted.
func TestUsers(t *testing.T) {
	dir := t.TempDir()
	verb := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		w := &world{ctx: context.Background(), stdout: &out, stderr: &errs, now: time.Now}
		if got := run(w, append(append([]string{"users"}, args...), "--data", dir)); got != want {
			t.Fatalf("users %v: status %d, want %d: %s", args, got, want, errs.String())
		}
		return out.String()
	}
	link, err := url.Parse(strings.TrimSpace(verb(0, "add", "anna@example.org", "--operator", "--site", "https://pot.example.org/x/")))
	if err != nil || link.Host != "pot.example.org" || link.Path != "/x/recover" {
		t.Fatalf("link %s, %v", link, err)
	}
	verb(exitFailed, "add", "Anna@example.org") // taken
	verb(exitInvalid, "add", "anna")
	verb(exitInvalid, "add", "ben@example.org", "--site", "nowhere")
	verb(exitInvalid, "recover", "ben@example.org")

	s, err := store.Open(context.Background(), dir, store.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	p, err := account.NewPasswords(rand.Reader, account.Cost{Memory: 8, Passes: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	d := account.NewDesk(s.Accounts(), p, rand.Reader, time.Now)
	for _, want := range []bool{true, false} {
		if _, err := d.Recover(context.Background(), link.Query().Get("token"), "une petite phrase", account.Client{}); (err == nil) != want {
			t.Errorf("the link: %v", err)
		}
	}
	if _, _, err := d.SignIn(context.Background(), "anna@example.org", "une petite phrase", account.Client{}); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	verb(exitFailed, "role", "anna@example.org", "shopper") // the last operator
	verb(0, "add", "ben@example.org")
	if list := verb(0, "list"); !strings.Contains(list, "anna@example.org") || !strings.Contains(list, "ben@example.org") {
		t.Error(list)
	}
	verb(0, "role", "ben@example.org", "operator")
	verb(exitInvalid, "delete", "anna@example.org")
	verb(0, "delete", "anna@example.org", "--yes")
	if list := verb(0, "list"); strings.Contains(list, "anna") || !strings.Contains(list, "ben@example.org") {
		t.Error(list)
	}
	verb(0, "invite")
}

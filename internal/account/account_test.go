package account

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		" Anna@Example.ORG ":           "anna@example.org",
		"anna+shop@example.org":        "anna+shop@example.org",
		"jörg@exämple.de":              "jörg@xn--exmple-cua.de",
		"Anna <anna@example.org>":      "",
		"anna":                         "",
		"anna@":                        "",
		"a@b@c":                        "",
		"anna@example.org\nBcc: x@y.z": "",
		"\"a b\"@example.org":          "",
		strings.Repeat("a", 250) + "@example.org": "",
	} {
		got, err := Address(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Address(%.40q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	for in, ok := range map[string]bool{
		"une petite phrase":        true,
		"correcthorsebattery":      true,
		"ΠΑΝΤΑ ΡΕΙ ΠΟΤΑΜΟΣ":        true,
		"short":                    false,
		"1234567890":               false,
		"aaaaaaaaaaaaaa":           false,
		"Password2026!":            false,
		"motdepasse2024":           false,
		"azertyuiop":               false,
		"qwertyuiop123":            false,
		"anna@example.org":         false,
		"anna1234567":              false,
		"annaannaanna":             false,
		"bad\xffutf8 password":     false,
		strings.Repeat("x y ", 60): false,
	} {
		if err := CheckPassword(in, "anna@example.org"); (err == nil) != ok {
			t.Errorf("CheckPassword(%.30q) = %v", in, err)
		}
	}
}

// cheap makes tests quick; the cost itself is Recommended's business.
var cheap = Cost{Memory: 8, Passes: 1, Threads: 1}

// counting is randomness that never repeats and can be foretold.
type counting struct{ n byte }

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		c.n++
		b[i] = c.n*31 + byte(i)
	}
	return len(b), nil
}

func TestPasswords(t *testing.T) {
	ctx := context.Background()
	p, err := NewPasswords(&counting{}, cheap)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := p.Hash(ctx, "caf\u00e9 cr\u00e8me et sucre")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=8,t=1,p=1$") {
		t.Errorf("hash %s", hash)
	}
	check := func(hash, password string, want, wantRenew bool) {
		t.Helper()
		ok, renew, err := p.Check(ctx, hash, password)
		if err != nil || ok != want || renew != wantRenew {
			t.Errorf("Check(%q) = %t, %t, %v", password, ok, renew, err)
		}
	}
	check(hash, "caf\u00e9 cr\u00e8me et sucre", true, false)
	check(hash, "cafe\u0301 cre\u0300me et sucre", true, false) // composed otherwise
	check(hash, "cafe creme et sucre", false, false)
	check("", "", false, false)
	dear, err := NewPasswords(&counting{}, Cost{Memory: 16, Passes: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if ok, renew, err := dear.Check(ctx, hash, "caf\u00e9 cr\u00e8me et sucre"); err != nil || !ok || !renew {
		t.Errorf("a cheaper hash: %t, %t, %v", ok, renew, err)
	}
	for _, bad := range []string{"x", "$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA", "$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=8,t=0,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AA"} {
		if _, _, err := p.Check(ctx, bad, "x"); err == nil {
			t.Errorf("Check read %q", bad)
		}
	}
}

// However many people sign in, two hashes are computed at a time, and who comes when
// the queue is full is told so at once.
func TestPasswordsAreBounded(t *testing.T) {
	p, err := NewPasswords(&counting{}, cheap)
	if err != nil {
		t.Fatal(err)
	}
	var releases []func()
	for range hashing {
		release, err := p.take(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	for range queueing {
		go func() { _, err := p.take(ctx); done <- err }()
	}
	for len(p.queue) < hashing+queueing {
		time.Sleep(time.Millisecond) // until they all wait: nothing tells
	}
	if _, err := p.take(ctx); cashback.KindOf(err) != cashback.Unavailable {
		t.Errorf("one too many: %v", err)
	}
	cancel()
	for range queueing {
		if err := <-done; err == nil {
			t.Error("a cancelled wait got a slot")
		}
	}
	for _, r := range releases {
		r()
	}
	if len(p.queue) != 0 || len(p.slots) != 0 {
		t.Errorf("%d in the queue, %d slots taken at the end", len(p.queue), len(p.slots))
	}
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestSessionLife(t *testing.T) {
	s := Session{Digest: DigestOf("now"), Before: DigestOf("before"), Created: noon, Seen: noon, Rotated: noon, Proved: noon}
	for _, c := range []struct {
		role  Role
		after time.Duration
		alive bool
	}{
		{Shopper, 0, true}, {Shopper, 29 * 24 * time.Hour, true}, {Shopper, 30 * 24 * time.Hour, false},
		{Operator, 11 * time.Hour, true}, {Operator, 12 * time.Hour, false},
		{Shopper, -time.Minute, true}, {Shopper, -time.Hour, false},
	} {
		if got := s.Alive(c.role, noon.Add(c.after)); got != c.alive {
			t.Errorf("%s after %s: alive %t", c.role, c.after, got)
		}
	}
	s.Seen = noon.Add(89 * 24 * time.Hour)
	if !s.Alive(Shopper, noon.Add(89*24*time.Hour+time.Hour)) || s.Alive(Shopper, noon.Add(90*24*time.Hour)) {
		t.Error("the absolute lifetime doesn't hold")
	}
	for after, want := range map[time.Duration]bool{30 * time.Second: true, 2 * time.Minute: false} {
		if got := s.Takes(DigestOf("before"), noon.Add(after)); got != want {
			t.Errorf("the token before, after %s: %t", after, got)
		}
	}
	if !s.Takes(DigestOf("now"), noon.Add(time.Hour)) || (Session{}).Takes(Digest{}, noon.Add(time.Hour)) == false {
		t.Error("the session doesn't take its own token")
	}
	if s.Takes(DigestOf("other"), noon) {
		t.Error("the session takes another's token")
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.77": "203.0.113.0/24", "::ffff:203.0.113.77": "203.0.113.0/24", "2001:db8:1:2ff::1": "2001:db8:1:200::/56",
	} {
		if got := Network(netip.MustParseAddr(in)); got != want {
			t.Errorf("Network(%s) = %s", in, got)
		}
	}
	if got := Network(netip.Addr{}); got != "" {
		t.Errorf("no address is %q", got)
	}
}

func TestKeys(t *testing.T) {
	u, op := User{ID: 3, Role: Shopper}, User{ID: 4, Role: Operator}
	k, token, err := NewKey(&counting{}, u, "nightly", []Scope{WriteLedger}, noon.Add(time.Hour), noon)
	if err != nil {
		t.Fatal(err)
	}
	if !IsKey(token) || !strings.HasPrefix(token, "cagnotte_"+k.ID+"_") || k.Digest != DigestOf(token) {
		t.Errorf("key %+v, token %q", k, token)
	}
	if !k.Allows(ReadLedger, u, noon) || !k.Allows(WriteLedger, u, noon) || k.Allows(Operate, u, noon) || k.Allows(ReadLedger, u, noon.Add(time.Hour)) {
		t.Error("scopes or expiry don't hold")
	}
	for _, bad := range []func() error{
		func() error {
			_, _, err := NewKey(&counting{}, u, "x", []Scope{Operate}, noon.Add(time.Hour), noon)
			return err
		},
		func() error { _, _, err := NewKey(&counting{}, u, "x", nil, noon.Add(time.Hour), noon); return err },
		func() error {
			_, _, err := NewKey(&counting{}, u, "", []Scope{ReadLedger}, noon.Add(time.Hour), noon)
			return err
		},
		func() error { _, _, err := NewKey(&counting{}, u, "x", []Scope{ReadLedger}, noon, noon); return err },
		func() error {
			_, _, err := NewKey(&counting{}, u, "x", []Scope{"all"}, noon.Add(time.Hour), noon)
			return err
		},
		func() error {
			_, _, err := NewKey(&counting{}, u, "x", []Scope{ReadLedger}, noon.Add(2*KeyFor), noon)
			return err
		},
	} {
		if bad() == nil {
			t.Error("a key that may not be was made")
		}
	}
	k, _, err = NewKey(&counting{}, op, "desk", []Scope{Operate}, noon.Add(time.Hour), noon)
	if err != nil {
		t.Fatal(err)
	}
	if op.Role = Shopper; k.Allows(Operate, op, noon) {
		t.Error("a key operates for somebody who is no operator any more")
	}
}

func TestLimiter(t *testing.T) {
	l := NewLimiter(SignInPace)
	now := noon
	tries := 0
	for range 3600 { // an hour of trying every second
		if _, ok := l.Try(now, "account a", "network n"); ok {
			tries++
		}
		now = now.Add(time.Second)
	}
	// 10 at once, 2 a minute after, and at most one a minute once the delay has grown.
	if tries < 60 || tries > 75 {
		t.Errorf("%d tries in an hour", tries)
	}
	// Nobody is locked out: a minute later the owner may try.
	if wait, ok := l.Try(now.Add(time.Minute), "account a"); !ok {
		t.Errorf("after a quiet minute the owner waits %s", wait)
	}
	// A browser that is known isn't slowed down by the others.
	if _, ok := l.Try(now, "known a"); !ok {
		t.Error("a known browser waits")
	}
	// A family behind one address signs in all day.
	l = NewLimiter(SignInPace)
	for i := range 200 {
		now = now.Add(time.Minute)
		own := fmt.Sprint("account ", i%5)
		if wait, ok := l.Try(now, own, "network home"); !ok {
			t.Fatalf("sign-in %d waits %s", i, wait)
		}
		l.Succeeded(now, own, "network home")
	}
	// A clock that goes back makes nobody wait longer than the longest delay.
	for range 20 {
		l.Try(now, "account c")
	}
	if wait, ok := l.Try(now.Add(-10*time.Hour), "account c"); ok || wait > 6*time.Minute {
		t.Errorf("with a clock set back: %s, %t", wait, ok)
	}
}

func TestLimiterForgets(t *testing.T) {
	l := NewLimiter(SignInPace)
	l.most = 100
	for i := range 10_000 {
		l.Try(noon.Add(time.Duration(i)*time.Millisecond), fmt.Sprint(i))
		if len(l.names) > 100 {
			t.Fatalf("%d names", len(l.names))
		}
	}
}

func TestPreferences(t *testing.T) {
	half := cashback.Some(cashback.Decimal{})
	ok := Preferences{Language: "fr", Currency: "EUR", Methods: []string{"paypal"}, GiftCardFactor: half}
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
	for _, bad := range []Preferences{
		{Currency: "XXQ"}, {Language: strings.Repeat("x", 200)}, {Portals: make([]string, 1000)},
	} {
		if bad.Validate() == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
}

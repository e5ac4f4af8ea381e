package web

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// form is a form's values from pairs.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// jar is a browser's memory for one site.
type jar map[string]string

func (j jar) into(r *http.Request) {
	for k, v := range j {
		r.AddCookie(&http.Cookie{Name: k, Value: v})
	}
}

func (j jar) take(r *http.Response) *http.Response {
	for _, c := range r.Cookies() {
		if c.MaxAge < 0 {
			delete(j, c.Name)
		} else {
			j[c.Name] = c.Value
		}
	}
	return r
}

func wants(t *testing.T, r *http.Response, status int, contains ...string) string {
	t.Helper()
	b := body(t, r)
	if r.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", r.StatusCode, status, b)
	}
	for _, c := range contains {
		if !strings.Contains(b, c) {
			t.Errorf("the answer lacks %q", c)
		}
	}
	return b
}

func goes(t *testing.T, r *http.Response, to string) {
	t.Helper()
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != to {
		t.Fatalf("status %d to %q, want %q: %s", r.StatusCode, r.Header.Get("Location"), to, body(t, r))
	}
}

// TestSignUpAndIn: an account is made, signed in to, looked at, and left.
func TestSignUpAndIn(t *testing.T) {
	p := newCrowd(t)
	h, j := p.Handler(), jar{}
	r := post(h, "/en/sign-up", form("email", "Dora@example.org", "password", "short"), j.into)
	wants(t, r, 422, `value="Dora@example.org"`, `aria-invalid="true"`, `aria-describedby="password-hint password-wrong"`, "Use at least 10 characters")
	r = j.take(post(h, "/en/sign-up", form("email", "Dora@example.org", "password", aPassword), j.into))
	goes(t, r, "/en/sign-in")
	wants(t, j.take(ask(h, "GET", "/en/sign-in", j.into)), 200, "If this address had no account")
	if j["flash"] != "" {
		t.Error("the sentence would be shown again")
	}
	wrong := post(h, "/en/sign-in", form("email", "dora@example.org", "password", "not that one at all"), j.into)
	nobody := post(h, "/en/sign-in", form("email", "nobody@example.org", "password", "not that one at all"), j.into)
	if a, b := wants(t, wrong, 422, "The address or the password is wrong"), wants(t, nobody, 422); strings.ReplaceAll(a, "dora@", "nobody@") != b {
		t.Error("the answer says whether an address has an account")
	}
	r = j.take(post(h, "/en/sign-in", form("email", "dora@example.org", "password", aPassword, "next", "/en/shops?letter=f"), j.into))
	goes(t, r, "/en/shops?letter=f")
	for _, c := range r.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure {
			t.Errorf("cookie %s", c)
		}
	}
	wants(t, ask(h, "GET", "/en/account", j.into), 200, "Signed in as Dora@example.org")
	first := j["session"]
	j.take(post(h, "/en/sign-in", form("email", "dora@example.org", "password", aPassword), j.into))
	if j["session"] == first {
		t.Error("signing in kept the session's token")
	}
	goes(t, ask(h, "GET", "/en/account", jar{"session": first}.into), "/en/sign-in?next=%2Fen%2Faccount")
	before := j["session"]
	goes(t, j.take(post(h, "/en/sign-out", nil, j.into)), "/en")
	wants(t, j.take(ask(h, "GET", "/en", j.into)), 200, "You have signed out")
	goes(t, ask(h, "GET", "/en/account", jar{"session": before}.into), "/en/sign-in?next=%2Fen%2Faccount")
}

// TestMarks: a page shows who is signed in to them alone, whatever is cached.
func TestMarks(t *testing.T) {
	p := newCrowd(t)
	h, alice := p.Handler(), p.as(p.alice)
	for range 2 {
		public := wants(t, ask(h, "GET", "/en/how"), 200, "/en/sign-in")
		if strings.Contains(public, "/en/account") {
			t.Fatal("everybody sees that somebody is signed in")
		}
		r := ask(h, "GET", "/en/how", alice, header("If-None-Match", p.stateNow(today).etag))
		wants(t, r, 200, "/en/account")
		if r.Header.Get("Etag") != "" || r.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("a signed-in page may be kept: %v", r.Header)
		}
	}
	// The API answers everybody alike.
	if r := ask(h, "GET", "/api/v1/portals", alice); r.Header.Get("Cache-Control") != "public, no-cache" {
		t.Errorf("the API looked at a cookie: %v", r.Header)
	}
	// A cookie that opens nothing makes nobody.
	if r := ask(h, "GET", "/en/how", jar{"session": "x"}.into); r.StatusCode != 200 || r.Header.Get("Cache-Control") != "public, no-cache" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
}

func TestHTTPSCookies(t *testing.T) {
	p := newCrowd(t, func(c *Config) { c.Site = "https://cagnotte.example.org" })
	r := post(p.Handler(), "/en/sign-in", form("email", "alice@example.org", "password", aPassword))
	goes(t, r, "/en/money")
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure {
			t.Errorf("cookie %s", c)
		}
	}
	// A cookie that a plain connection may have set opens nothing.
	plain := jar{"session": r.Cookies()[0].Value}
	if r := ask(p.Handler(), "GET", "/en/account", plain.into); r.StatusCode != 303 {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestAccountPage(t *testing.T) {
	p := newCrowd(t)
	h, j := p.Handler(), jar{}
	j.take(post(h, "/fr/sign-in", form("email", "alice@example.org", "password", aPassword)))
	elsewhere := jar{}
	elsewhere.take(post(h, "/fr/sign-in", form("email", "alice@example.org", "password", aPassword), header("User-Agent", "Mozilla/5.0 (Linux; Android 16) Firefox/140.0")))
	wants(t, ask(h, "GET", "/fr/account", j.into), 200, "Firefox sur Android", "Celle-ci")

	// Settings: what can't be read is said at its field, and kept as typed.
	wants(t, post(h, "/fr/account/settings", form("language", "fr", "country", "Fra", "currency", "EUR"), j.into), 422, `Fra`, `aria-invalid="true"`, `href="/en/account"`)
	goes(t, j.take(post(h, "/fr/account/settings", form("language", "en", "country", "gb", "currency", "GBP"), j.into)), "/en/account")
	wants(t, j.take(ask(h, "GET", "/en/account", j.into)), 200, `<option value="GB" selected>United Kingdom</option>`, `<option value="GBP" selected>`, "Saved.")
	if r := ask(h, "GET", "/", j.into, header("Accept-Language", "fr")); r.Header.Get("Location") != "/en" {
		t.Errorf("the front leads to %s", r.Header.Get("Location"))
	}

	// A key is shown once, and opens what it is made for.
	got := wants(t, post(h, "/en/account/keys", form("name", "sheet", "scopes", "ledger:read", "days", "365"), j.into), 200, "cagnotte_")
	if again := wants(t, ask(h, "GET", "/en/account", j.into), 200, "sheet"); strings.Contains(again, "cagnotte_") || !strings.Contains(got, "shown this once") {
		t.Error("the key is shown again")
	}
	wants(t, post(h, "/en/account/keys", form("name", "run", "scopes", "operate", "days", "3"), j.into), 403)

	// The password: the other session ends.
	wants(t, post(h, "/en/account/password", form("present", "wrong wrong wrong", "password", "another long sentence"), j.into), 422, "isn’t your present password")
	goes(t, j.take(post(h, "/en/account/password", form("present", aPassword, "password", "another long sentence"), j.into)), "/en/account")
	wants(t, ask(h, "GET", "/en/account", j.into), 200)
	if r := ask(h, "GET", "/en/account", elsewhere.into); r.StatusCode != 303 {
		t.Errorf("the other session lives: %d", r.StatusCode)
	}

	// Everything, and then nothing.
	zipped := body(t, ask(h, "GET", "/en/account/download", j.into))
	archive, err := earnings.ReadArchive(strings.NewReader(zipped), int64(len(zipped)), uploadedArchive)
	if err != nil {
		t.Fatal(err)
	}
	all := string(archive.Account)
	if !strings.Contains(all, `"alice@example.org"`) || !strings.Contains(all, `"sheet"`) {
		t.Errorf("the account in the archive: %s", all)
	}
	if strings.Contains(all, "argon2") || strings.Contains(all, j["session"]) {
		t.Error("the download holds a secret")
	}
	wants(t, post(h, "/en/account/delete", form("present", "another long sentence"), j.into), 422, "Tick")
	wants(t, post(h, "/en/account/delete", form("present", "wrong wrong wrong", "sure", "1"), j.into), 422)
	goes(t, j.take(post(h, "/en/account/delete", form("present", "another long sentence", "sure", "1"), j.into)), "/en")
	wants(t, j.take(ask(h, "GET", "/en", j.into)), 200, "is gone")
	if _, err := p.people.User(context.Background(), p.alice.ID); cashback.KindOf(err) != cashback.NotFound {
		t.Errorf("after deletion: %v", err)
	}
}

func TestRecovery(t *testing.T) {
	p := newCrowd(t)
	h := p.Handler()
	token, _, err := p.desk.Grant(context.Background(), account.Recover, p.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	goes(t, ask(h, "GET", "/recover?token="+token, header("Accept-Language", "fr")), "/fr/recover?token="+token)
	wants(t, ask(h, "GET", "/fr/recover?token="+token), 200, token)
	wants(t, ask(h, "GET", "/en/recover"), 200, "sends no mail")
	wants(t, post(h, "/en/recover", form("token", token, "password", "azertyuiop")), 422)
	goes(t, post(h, "/en/recover", form("token", token, "password", "another long sentence")), "/en/sign-in")
	wants(t, post(h, "/en/recover", form("token", token, "password", "another long sentence")), 422, "has been used")
	goes(t, post(h, "/en/sign-in", form("email", "alice@example.org", "password", "another long sentence")), "/en/money")
}

// TestInvitation: where sign-up is closed a link opens it once; the one printed at the
// first start makes the operator.
func TestInvitation(t *testing.T) {
	now := today
	p := newCrowd(t, func(c *Config) { c.OpenSignUp, c.Now = false, func() time.Time { return now } })
	h := p.Handler()
	wants(t, ask(h, "GET", "/en/sign-up"), 200, "An invitation is needed")
	wants(t, post(h, "/en/sign-up", form("email", "eve@example.org", "password", aPassword)), 422, "An invitation is needed")
	for purpose, role := range map[account.Purpose]account.Role{account.Invite: account.Shopper, account.Found: account.Operator} {
		now = now.Add(25 * time.Hour) // else so many from one network would be slowed down
		token, _, err := p.desk.Grant(context.Background(), purpose, 0)
		if err != nil {
			t.Fatal(err)
		}
		email := string(purpose) + "@example.org"
		wants(t, post(h, "/en/sign-up", form("email", "alice@example.org", "password", aPassword, "token", token)), 422, "has an account")
		j := jar{}
		goes(t, j.take(post(h, "/en/sign-up", form("email", email, "password", aPassword, "token", token))), "/en/account")
		wants(t, ask(h, "GET", "/en/account", j.into), 200, email)
		wants(t, post(h, "/en/sign-up", form("email", "x"+email, "password", aPassword, "token", token)), 422, "has been used")
		if u, err := p.people.UserByAddress(context.Background(), email); err != nil || u.Role != role {
			t.Errorf("%s made %v, %v", purpose, u.Role, err)
		}
	}
	wants(t, ask(h, "GET", "/en/sign-up?as=operator&token=x"), 200, "Make the operator’s account")
}

// TestPace: who tries passwords is slowed down, and told how long.
func TestPace(t *testing.T) {
	p := newCrowd(t)
	for range 20 {
		r := post(p.Handler(), "/en/sign-in", form("email", "alice@example.org", "password", "wrong wrong wrong"))
		if r.StatusCode == 429 {
			if r.Header.Get("Retry-After") == "" || !strings.Contains(body(t, r), "too many tries") {
				t.Error("the wait isn't said")
			}
			return
		}
	}
	t.Error("twenty wrong passwords at once")
}

// TestSingleUser: at home whoever asks from the machine is the one person, and the
// operator; nobody else is.
func TestSingleUser(t *testing.T) {
	w := newTown(t)
	w.populate()
	c := w.config()
	c.SingleUser = true
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	h := s.Handler()
	wants(t, ask(h, "GET", "/en/account", local), 200, "serves one person")
	wants(t, ask(h, "GET", "/en/how", local), 200, "/en/account")
	wants(t, ask(h, "GET", "/en/account"), 403)
	wants(t, ask(h, "GET", "/en/account", local, header("X-Forwarded-For", "192.0.2.9")), 403)
	if b := wants(t, ask(h, "GET", "/en/how"), 200); strings.Contains(b, "/en/account") || strings.Contains(b, "/en/sign-in") {
		t.Error("others see an account")
	}
	wants(t, ask(h, "GET", "/en/sign-in", local), 404)
	goes(t, post(h, "/en/account/settings", form("country", "GB"), local), "/en/account")
	wants(t, ask(h, "GET", "/en/account", local), 200, `value="GB" selected`)
	wants(t, post(h, "/en/account/password", form("present", "x", "password", aPassword), local), 404)
	wants(t, post(h, "/en/account/sessions", nil, local), 404)
	goes(t, post(h, "/en/account/delete", form("sure", "1"), local), "/en")
	if b := wants(t, ask(h, "GET", "/en/account", local), 200); strings.Contains(b, `value="GB" selected`) {
		t.Error("the settings outlived the deletion")
	}
}

// TestForm: what no form of ours sends is refused, and a person's typing comes back.
func TestForm(t *testing.T) {
	p := newCrowd(t)
	h := p.Handler()
	for name, c := range map[string]struct {
		body   string
		kind   string
		target string
		want   int
	}{
		"unknown field":  {"email=a&password=b&role=operator", typeForm, "", 400},
		"twice":          {"email=a&email=b&password=c", typeForm, "", 422},
		"not text":       {"email=%ff%fe&password=c", typeForm, "", 422},
		"control":        {"email=a%00&password=c", typeForm, "", 422},
		"long":           {"email=" + strings.Repeat("a", maxValue+1) + "&password=c", typeForm, "", 422},
		"broken":         {"email=%zz", typeForm, "", 400},
		"JSON":           {`{"email":"a"}`, kindJSON, "", 415},
		"another form":   {"email=a", "multipart/form-data; boundary=x", "", 415},
		"no type":        {"email=a", "", "", 415},
		"too large":      {strings.Repeat("a", maxForm+1), typeForm, "", 413},
		"many":           {strings.Repeat("email=a&", maxParams+1), typeForm, "", 400},
		"query":          {"email=a&password=c", typeForm, "?email=b", 400},
		"a form in full": {"email=alice%40example.org&password=c", typeForm, "", 422},
	} {
		r := post(h, "/en/sign-in"+c.target, nil, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(c.body)), int64(len(c.body))
			r.Header.Set("Content-Type", c.kind)
		})
		if r.StatusCode != c.want {
			t.Errorf("%s: %d, want %d: %s", name, r.StatusCode, c.want, body(t, r))
		}
	}
	got := wants(t, post(h, "/fr/sign-in", form("email", `<b>"x"`, "password", "se cret")), 422)
	if strings.Contains(got, "<b>") || strings.Contains(got, "se cret") || !strings.Contains(got, "&lt;b&gt;&#34;x&#34;") {
		t.Error("what was typed doesn't come back as text, or a password does")
	}
}

// TestNext: the way back from the sign-in never leads to another site.
func TestNext(t *testing.T) {
	s := newServer(t)
	for _, good := range []string{"/fr", "/en/shops/fnac-fr?amount=80", "/fr/search?q=a%26b", "/en/account"} {
		if got := s.localPath(good); got != good {
			t.Errorf("%s became %q", good, got)
		}
	}
	bad := []string{
		"", "/", "//evil.test", "///evil.test", "https://evil.test", "http:evil.test", "https:/evil.test", "javascript:alert(1)", "fr", "./fr", "/xx/a",
		`/\evil.test`, `\\evil.test`, `/fr\..\..\evil`, "/fr//evil.test", "/fr/../..//evil.test", "/fr/./x", "/%2f/evil.test", "/fr/%2f%2fevil.test", "/fr%2f..", "/fr/%5cevil.test",
		"/\tfr", "/fr\n", "/fr\r\nSet-Cookie:x", " /fr", "/ fr", "@evil.test", "/@evil.test", "user@evil.test", "//user:pw@evil.test", "/fr#x", "?next=//evil.test", "#/fr",
		"/\u2215/evil.test", "/\u2044evil.test", "\u2215\u2215evil.test", "/fr/%00", "data:text/html,x", "/.fr", "/..", "/../fr", "/en/..", "/fr;x", "/FR/", "/fr/%2e%2e/%2e%2e", "//localhost/fr",
		"/%66r/x", "mailto:a@b.test", "vbscript:x", "/fr?a=%zz",
	}
	for _, b := range bad {
		if got := s.localPath(b); got != "" && (strings.HasPrefix(got, "//") || !strings.HasPrefix(got, "/fr/") && !strings.HasPrefix(got, "/en/") && got != "/fr" && got != "/en") {
			t.Errorf("%q leads to %q", b, got)
		} else if got != "" && strings.ContainsAny(got, "\\\r\n\t") {
			t.Errorf("%q leads to %q", b, got)
		}
	}
	for _, b := range []string{"//evil.test", `/\evil.test`, "https://evil.test", "/fr//evil.test", "/fr/../..//evil.test"} {
		if got := s.localPath(b); got != "" {
			t.Errorf("%q leads to %q", b, got)
		}
	}
}

// TestRotation: a token that is a day old is replaced, and an ended session is nobody's.
func TestRotation(t *testing.T) {
	now := today
	p := newCrowd(t, func(c *Config) { c.Now = func() time.Time { return now } })
	h, j := p.Handler(), jar{}
	j.take(post(h, "/en/sign-in", form("email", "alice@example.org", "password", aPassword)))
	first := j["session"]
	now = now.Add(25 * time.Hour)
	wants(t, j.take(ask(h, "GET", "/en/account", j.into)), 200)
	if j["session"] == first {
		t.Fatal("the token stayed for a day")
	}
	now = now.Add(2 * time.Minute)
	if r := ask(h, "GET", "/en/account", jar{"session": first}.into); r.StatusCode != 303 {
		t.Errorf("the old token opens: %d", r.StatusCode)
	}
	now = now.Add(31 * 24 * time.Hour)
	if r := ask(h, "GET", "/en/account", j.into); r.StatusCode != 303 {
		t.Errorf("an unused session lives: %d", r.StatusCode)
	}
}

package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
)

// crowd is a server with people: two shoppers, and the operator.
type crowd struct {
	t testing.TB
	*Server
	alice, bob, olga account.User
}

const aPassword = "a quiet long sentence"

func newCrowd(t testing.TB, change ...func(*Config)) *crowd {
	t.Helper()
	w := newTown(t)
	w.populate()
	c := w.config()
	for _, f := range change {
		f(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &crowd{t: t, Server: s}
	p.alice, p.bob, p.olga = p.person("alice@example.org", account.Shopper), p.person("bob@example.org", account.Shopper), p.person("olga@example.org", account.Operator)
	return p
}

func (p *crowd) person(email string, role account.Role) account.User {
	p.t.Helper()
	ctx := context.Background()
	err := p.desk.SignUp(ctx, email, aPassword, "", account.Client{})
	if err != nil {
		p.t.Fatal(err)
	}
	u, err := p.people.UserByAddress(ctx, email)
	if err == nil {
		u, err = p.people.ChangeUser(ctx, u.ID, func(u *account.User) error { u.Role = role; return nil })
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return u
}

// as signs a request in, with a session of its own.
func (p *crowd) as(u account.User) func(*http.Request) {
	token, _, err := p.desk.Open(context.Background(), u.ID, account.Client{})
	if err != nil {
		p.t.Fatal(err)
	}
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessionCookie, Value: token}) }
}

// post sends a form as a browser does. The machine itself asks, which nobody counts.
func post(h http.Handler, target string, form url.Values, change ...func(*http.Request)) *http.Response {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Host, r.RemoteAddr = "localhost:8080", "127.0.0.1:4711"
	r.Header.Set("Content-Type", typeForm)
	r.Header.Set("Origin", "http://localhost:8080")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// accessRow is what a route answers to nobody, to Alice, to Bob and to the operator,
// where what is asked for is Alice's.
type accessRow struct {
	target string // GET routes that anybody may ask for take theirs from headerCases
	form   url.Values
	want   [4]int
}

// accessRows has each route that isn't a page for everybody. {alice} stands for what is
// made anew for each request, by the function of that route in theirs.
func accessRows() map[string]accessRow {
	form := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	return map[string]accessRow{
		"GET /metrics":               {target: "/metrics", want: [4]int{404, 404, 404, 404}},
		"POST /{lang:fr|en}/shopper": {target: "/fr/shopper", form: form("shop", "no-such-shop"), want: [4]int{404, 404, 404, 404}},

		"GET /{lang:fr|en}/sign-in":  {target: "/fr/sign-in", want: [4]int{200, 303, 303, 303}},
		"POST /{lang:fr|en}/sign-in": {target: "/fr/sign-in", form: form("email", "x@example.org"), want: [4]int{422, 422, 422, 422}},
		"POST /{lang:fr|en}/sign-up": {target: "/fr/sign-up", form: form("email", "x@example.org"), want: [4]int{422, 422, 422, 422}},
		"POST /{lang:fr|en}/recover": {target: "/fr/recover", form: form("token", "x", "password", "y"), want: [4]int{422, 422, 422, 422}},

		"POST /{lang:fr|en}/sign-out":                   {target: "/fr/sign-out", want: [4]int{303, 303, 303, 303}},
		"GET /{lang:fr|en}/account":                     {target: "/fr/account", want: [4]int{303, 200, 200, 200}},
		"GET /{lang:fr|en}/account/download":            {target: "/fr/account/download", want: [4]int{303, 200, 200, 200}},
		"POST /{lang:fr|en}/account/settings":           {target: "/fr/account/settings", form: form("country", "?"), want: [4]int{303, 422, 422, 422}},
		"POST /{lang:fr|en}/account/password":           {target: "/fr/account/password", want: [4]int{303, 422, 422, 422}},
		"POST /{lang:fr|en}/account/email":              {target: "/fr/account/email", want: [4]int{303, 422, 422, 422}},
		"POST /{lang:fr|en}/account/sessions":           {target: "/fr/account/sessions", form: form("id", "{alice}"), want: [4]int{303, 303, 404, 404}},
		"POST /{lang:fr|en}/account/keys":               {target: "/fr/account/keys", form: form("name", "x", "days", "3"), want: [4]int{303, 422, 422, 422}},
		"POST /{lang:fr|en}/account/keys/{id}":          {target: "/fr/account/keys/{alice}", want: [4]int{303, 303, 404, 404}},
		"POST /{lang:fr|en}/go/{portal}/{merchant}":     {target: "/fr/go/sitot/{fnac}", want: [4]int{303, 303, 303, 303}},
		"GET /{lang:fr|en}/money":                       {target: "/fr/money", want: [4]int{303, 200, 200, 200}},
		"GET /{lang:fr|en}/money/export/{format}":       {target: "/fr/money/export/journal", want: [4]int{303, 200, 200, 200}},
		"POST /{lang:fr|en}/money/restore":              {target: "/fr/money/restore", want: [4]int{303, 422, 422, 422}},
		"GET /{lang:fr|en}/money/cash":                  {target: "/fr/money/cash", want: [4]int{303, 200, 200, 200}},
		"GET /{lang:fr|en}/money/watch":                 {target: "/fr/money/watch", want: [4]int{303, 200, 200, 200}},
		"GET /{lang:fr|en}/money/calendar.ics":          {target: "/fr/money/calendar.ics", want: [4]int{303, 200, 200, 200}},
		"GET /{lang:fr|en}/money/purchases/{id}/claim":  {target: "/fr/money/purchases/{alice}/claim", want: [4]int{303, 200, 404, 404}},
		"GET /{lang:fr|en}/money/purchases/{id}/proof":  {target: "/fr/money/purchases/{alice}/proof", want: [4]int{303, 200, 404, 404}},
		"POST /{lang:fr|en}/money/purchases/{id}/claim": {target: "/fr/money/purchases/{alice}/claim", want: [4]int{303, 303, 404, 404}},
		"GET /{lang:fr|en}/money/rules":                 {target: "/fr/money/rules", want: [4]int{303, 200, 200, 200}},
		"POST /{lang:fr|en}/money/rules":                {target: "/fr/money/rules", form: form("text", "rule: x"), want: [4]int{303, 422, 422, 422}},
		"GET /{lang:fr|en}/money/rules/{id}":            {target: "/fr/money/rules/{alice}", want: [4]int{303, 200, 404, 404}},
		"POST /{lang:fr|en}/money/rules/{id}":           {target: "/fr/money/rules/{alice}", form: form("text", "rule: x"), want: [4]int{303, 422, 404, 404}},
		"GET /{lang:fr|en}/money/rules/{id}/file":       {target: "/fr/money/rules/{alice}/file", want: [4]int{303, 200, 404, 404}},
		"POST /{lang:fr|en}/money/rules/{id}/delete":    {target: "/fr/money/rules/{alice}/delete", want: [4]int{303, 303, 404, 404}},
		// To look at one's own ledger the browser's session will do; to write needs a key.
		"GET /api/v1/ledger/balances":                    {target: "/api/v1/ledger/balances", want: [4]int{401, 200, 200, 200}},
		"GET /api/v1/ledger/purchases":                   {target: "/api/v1/ledger/purchases", want: [4]int{401, 200, 200, 200}},
		"GET /api/v1/ledger/purchases/{id}":              {target: "/api/v1/ledger/purchases/{alice}", want: [4]int{401, 200, 404, 404}},
		"GET /api/v1/ledger/alerts":                      {target: "/api/v1/ledger/alerts", want: [4]int{401, 200, 200, 200}},
		"GET /api/v1/ledger/cash":                        {target: "/api/v1/ledger/cash", want: [4]int{401, 200, 200, 200}},
		"POST /api/v1/ledger/import":                     {target: "/api/v1/ledger/import", want: [4]int{401, 401, 401, 401}},
		"POST /{lang:fr|en}/money/calendar":              {target: "/fr/money/calendar", want: [4]int{303, 200, 200, 200}},
		"GET /{lang:fr|en}/calendar/{token}":             {target: "/fr/calendar/{alice}.ics", want: [4]int{200, 200, 200, 200}}, // whoever knows the address
		"GET /{lang:fr|en}/money/payouts":                {target: "/fr/money/payouts", want: [4]int{303, 200, 200, 200}},
		"POST /{lang:fr|en}/money/payouts":               {target: "/fr/money/payouts", form: form("portal", "sitot", "amount", "5", "line", "{alice}"), want: [4]int{303, 422, 422, 422}},
		"POST /{lang:fr|en}/money/payouts/undo":          {target: "/fr/money/payouts/undo", form: form("portal", "sitot", "id", "none"), want: [4]int{303, 404, 404, 404}},
		"POST /{lang:fr|en}/money/watch/aside":           {target: "/fr/money/watch/aside", form: form("alert", "0123456789abcdef0123456789abcdef"), want: [4]int{303, 404, 404, 404}},
		"POST /{lang:fr|en}/money/payouts/asked":         {target: "/fr/money/payouts/asked", form: form("portal", "sitot", "unit", "EUR", "seen", "1"), want: [4]int{303, 303, 303, 303}},
		"POST /{lang:fr|en}/money/purchases/{id}/answer": {target: "/fr/money/purchases/{alice}/answer", form: form("answer", "won"), want: [4]int{303, 422, 404, 404}},
		"GET /{lang:fr|en}/money/import":                 {target: "/fr/money/import", want: [4]int{303, 200, 200, 200}},
		"POST /{lang:fr|en}/money/import":                {target: "/fr/money/import", want: [4]int{303, 422, 422, 422}},
		// Another's upload is gone for me, and I am sent to hand in my own.
		"GET /{lang:fr|en}/money/import/{id}":           {target: "/fr/money/import/{alice}", want: [4]int{303, 200, 303, 303}},
		"POST /{lang:fr|en}/money/import/{id}":          {target: "/fr/money/import/{alice}", form: form("rule", "x"), want: [4]int{303, 303, 303, 303}},
		"POST /{lang:fr|en}/money/import/{id}/map":      {target: "/fr/money/import/{alice}/map", form: form("column", "1"), want: [4]int{303, 422, 303, 303}},
		"GET /{lang:fr|en}/money/purchases":             {target: "/fr/money/purchases", want: [4]int{303, 200, 200, 200}},
		"GET /{lang:fr|en}/money/purchases/{id}":        {target: "/fr/money/purchases/{alice}", want: [4]int{303, 200, 404, 404}},
		"POST /{lang:fr|en}/money/purchases/{id}":       {target: "/fr/money/purchases/{alice}", want: [4]int{303, 422, 404, 404}},
		"POST /{lang:fr|en}/money/purchases/{id}/state": {target: "/fr/money/purchases/{alice}/state", want: [4]int{303, 422, 404, 404}},
		"GET /{lang:fr|en}/money/purchases/{id}/terms":  {target: "/fr/money/purchases/{alice}/terms", want: [4]int{303, 200, 404, 404}},
		"GET /{lang:fr|en}/money/purchases/{id}/leave":  {target: "/fr/money/purchases/{alice}/leave", want: [4]int{303, 200, 404, 404}},
		"GET /{lang:fr|en}/money/add":                   {target: "/fr/money/add", want: [4]int{303, 200, 200, 200}},
		"POST /{lang:fr|en}/money/add":                  {target: "/fr/money/add", want: [4]int{303, 422, 422, 422}},

		"POST /{lang:fr|en}/account/delete":          {target: "/fr/account/delete", want: [4]int{303, 422, 422, 422}},
		"GET /{lang:fr|en}/ops":                      {target: "/fr/ops", want: [4]int{303, 404, 404, 200}},
		"GET /{lang:fr|en}/ops/live":                 {target: "/fr/ops/live", want: [4]int{303, 404, 404, 404}}, // nothing crawls here
		"GET /{lang:fr|en}/ops/portals/{id}":         {target: "/fr/ops/portals/sitot", want: [4]int{303, 404, 404, 200}},
		"GET /{lang:fr|en}/ops/runs/{id}":            {target: "/fr/ops/runs/sitot-1", want: [4]int{303, 404, 404, 404}},
		"GET /{lang:fr|en}/ops/merchants":            {target: "/fr/ops/merchants", want: [4]int{303, 404, 404, 404}}, // no catalogue here
		"GET /{lang:fr|en}/ops/audit":                {target: "/fr/ops/audit", want: [4]int{303, 404, 404, 200}},
		"POST /{lang:fr|en}/ops/portals/{id}/{verb}": {target: "/fr/ops/portals/sitot/schedule", form: form("every", "1s"), want: [4]int{303, 404, 404, 422}},
		"POST /{lang:fr|en}/ops/all/{verb}":          {target: "/fr/ops/all/explode", want: [4]int{303, 404, 404, 404}},
		"POST /{lang:fr|en}/ops/runs/{id}/{verb}":    {target: "/fr/ops/runs/none/accept", form: form("reason", "x"), want: [4]int{303, 404, 404, 404}},
		"POST /{lang:fr|en}/ops/merchants/{verb}":    {target: "/fr/ops/merchants/merge", want: [4]int{303, 404, 404, 404}},
	}
}

// theirs makes something of Alice's for a route, and returns its name.
func (p *crowd) theirs(route string) string {
	ctx := context.Background()
	switch {
	case strings.HasSuffix(route, "/account/sessions"):
		_, session, err := p.desk.Open(ctx, p.alice.ID, account.Client{})
		if err != nil {
			p.t.Fatal(err)
		}
		return session.ID
	case strings.HasSuffix(route, "/account/keys/{id}"):
		k, _, err := p.desk.NewKey(ctx, p.alice, "x", []account.Scope{account.ReadLedger}, today.Add(time.Hour))
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { _ = p.people.RevokeKey(ctx, p.alice.ID, k.ID) })
		return k.ID
	case strings.Contains(route, "/money/import/{id}"):
		p.handed.put(p.alice.ID, &handedIn{"upload", "", "sitot", []byte("Wann\tWo\tWieviel\n1.9.2026\tFnac\t4,20\n"), today})
		return "upload"
	case strings.HasSuffix(route, "/calendar/{token}"):
		k, token, err := p.desk.NewKey(ctx, p.alice, "x", []account.Scope{account.Calendar}, today.Add(time.Hour))
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { _ = p.people.RevokeKey(ctx, p.alice.ID, k.ID) })
		return token
	case strings.Contains(route, "/money/rules/{id}"):
		d := earnings.Document{Kind: statement.DocumentKind, Name: "alices-own", Body: []byte(aRule)}
		if err := p.ledgers.SaveDocument(ctx, p.alice.ID, d); err != nil {
			p.t.Fatal(err)
		}
		return d.Name
	case strings.HasSuffix(route, "/claim"), strings.HasSuffix(route, "/proof"):
		return p.missing(p.alice)
	case strings.Contains(route, "/purchases/{id}"):
		return p.clicked(p.alice)
	}
	return ""
}

// TestAccess walks every route of the table as nobody, as Alice, as Bob and as the
// operator, and asks for what is Alice's: what is another's is not there. A route
// without a row fails.
func TestAccess(t *testing.T) {
	p := newCrowd(t)
	pages := map[string]headerCase{}
	for _, c := range headerCases(t, p.Server) {
		if r := p.route(c.method, c.target); r != "" && c.status < 400 && len(c.change) == 0 && pages[r].target == "" {
			pages[r] = c
		}
	}
	rows := accessRows()
	askers := []struct {
		name string
		user *account.User
	}{{"nobody", nil}, {"Alice", &p.alice}, {"Bob", &p.bob}, {"the operator", &p.olga}}
	for _, route := range p.table {
		row, ok := rows[route.Name()]
		if c, public := pages[route.Name()]; !ok && public && route.Access == Anybody && route.Method == http.MethodGet {
			row, ok = accessRow{target: c.target, want: [4]int{c.status, c.status, c.status, c.status}}, true
		}
		if strings.HasPrefix(route.Pattern, "/api/v1/ops/") {
			// Programs bring a key; whose browser asks makes no difference.
			row, ok = accessRow{target: strings.ReplaceAll(route.Pattern, "{id}", "sitot"), want: [4]int{401, 401, 401, 401}}, true
		}
		if !ok {
			t.Errorf("%s: no row says who gets what", route.Name())
			continue
		}
		for i, asker := range askers {
			own := p.theirs(route.Name())
			target := strings.NewReplacer("{alice}", own, "{fnac}", strconv.Itoa(int(shopNamed(t, p.Server, "fnac").ID))).Replace(row.target)
			form := url.Values{}
			for k, vs := range row.form {
				form.Set(k, strings.ReplaceAll(vs[0], "{alice}", own))
			}
			var change []func(*http.Request)
			if asker.user != nil {
				change = append(change, p.as(*asker.user))
			}
			var r *http.Response
			if route.Method == http.MethodGet {
				r = ask(p.Handler(), route.Method, target, change...)
			} else {
				r = post(p.Handler(), target, form, change...)
			}
			if r.StatusCode != row.want[i] {
				t.Errorf("%s as %s: %d, want %d", route.Name(), asker.name, r.StatusCode, row.want[i])
			}
			if asker.user != nil && route.knows() && r.StatusCode < 400 && r.Header.Get("Cache-Control") != keepPrivate[0] {
				t.Errorf("%s as %s may be kept: %q", route.Name(), asker.name, r.Header.Get("Cache-Control"))
			}
			if route.Access != Anybody && asker.user == nil && r.StatusCode == http.StatusSeeOther && !strings.HasPrefix(r.Header.Get("Location"), "/fr/sign-in") {
				t.Errorf("%s sends nobody to %s", route.Name(), r.Header.Get("Location"))
			}
			if route.Method == http.MethodPost {
				for name, spoil := range crossSite {
					if r := post(p.Handler(), target, form, append(change, spoil)...); r.StatusCode != http.StatusForbidden {
						t.Errorf("%s as %s, %s: %d", route.Name(), asker.name, name, r.StatusCode)
					}
				}
			}
		}
	}
}

// crossSite are requests that another site makes a browser send.
var crossSite = map[string]func(*http.Request){
	"cross-site":           header("Sec-Fetch-Site", "cross-site"),
	"from a sub-domain":    header("Sec-Fetch-Site", "same-site"),
	"an old browser":       func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.test") },
	"an opaque origin":     func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
	"another port of ours": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "http://localhost:1") },
}

// route is the table's name for what an address leads to.
func (p *crowd) route(method, target string) string {
	path, _, _ := strings.Cut(target, "?")
	for _, r := range p.table {
		if r.Method == method && matches(r.Pattern, path) {
			return r.Name()
		}
	}
	return ""
}

func matches(pattern, path string) bool {
	a, b := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lang := strings.HasPrefix(a[i], "{lang:"); lang && b[i] != "fr" && b[i] != "en" || !strings.HasPrefix(a[i], "{") && a[i] != b[i] {
			return false
		}
	}
	return true
}

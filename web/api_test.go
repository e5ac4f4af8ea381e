package web

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/view"
)

var update = flag.Bool("update", false, "write openapi.json anew")

// TestOpenAPI holds the committed description to what the code serves. A change of
// the contract shows as a change of the file.
func TestOpenAPI(t *testing.T) {
	s := newServer(t)
	r := ask(s.Handler(), "GET", "/api/v1/openapi.json")
	got := body(t, r)
	if *update {
		if err := os.WriteFile("openapi.json", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("openapi.json isn't what is served (make generate; raise apiVersion) (-committed +served):\n%s", d)
	}
}

// get asks the API and decodes its answer.
func get[V any](t testing.TB, s *Server, target string) V {
	t.Helper()
	r := ask(s.Handler(), "GET", target, local)
	b := body(t, r)
	if r.StatusCode != 200 {
		t.Fatalf("%s: %d %s", target, r.StatusCode, b)
	}
	var v V
	if err := json.Unmarshal([]byte(b), &v); err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return v
}

// TestAnswersFitDescription asks every operation of openapi.json and validates the
// answer against its schema; and each parameter that it names is accepted, each
// other one refused with the list of those that are. The operators' addresses are asked
// with their key, and refuse whoever has none; what they are told fits its schema too.
func TestAnswersFitDescription(t *testing.T) {
	s := busyDesk(t).Server
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(s.description)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	schema := func(pointer string) *jsonschema.Schema {
		t.Helper()
		sch, err := c.Compile("openapi.json#" + pointer)
		if err != nil {
			t.Fatal(err)
		}
		return sch
	}
	check := func(what, text string, sch *jsonschema.Schema) {
		t.Helper()
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		if err := sch.Validate(v); err != nil {
			t.Errorf("%s doesn't fit: %v\n%.1500s", what, err, text)
		}
	}
	var api struct {
		Paths map[string]map[string]struct {
			Security   []map[string][]string
			Parameters []struct {
				Name, In string
				Required bool
			}
		}
		Components struct {
			SecuritySchemes map[string]struct{ Type, Scheme string }
		}
	}
	if err := json.Unmarshal(s.description, &api); err != nil {
		t.Fatal(err)
	}
	if k := api.Components.SecuritySchemes[operatorKey]; k.Type != "http" || k.Scheme != "bearer" {
		t.Errorf("the operator's key isn't described: %+v", k)
	}
	fnac := strconv.Itoa(int(shopNamed(t, s, "fnac").ID))
	other := strconv.Itoa(int(shopNamed(t, s, "fnac").ID) + 1)
	mine := ledgerOwner(t, s)
	examples := map[string]string{"purchases": "mine", "merchants": fnac, "portals": "sitot", "runs": "held-1"}
	values := map[string]string{
		"w_merchants": "5", "w_rates": "10", "w_methods": "0", "w_frequency": "5", "w_terms": "5",
		"over": "1", "state": "paid", "year": "2026", "amount": "120", "currency": "EUR", "customer": "new", "channel": "online", "category": "culture", "country": "FR",
		"since": "2026-01-01", "after": "", "limit": "3", "q": "fnac", "url": "https://www.fnac.com/a/1", "portal": "sitot", "in": "FR", "kind": "percent", "method": "paypal",
		"frequency": "monthly", "minimum": "15 EUR", "donation": "1", "portal_country": "FR", "language": "fr", "no_up_to": "1",
		"verified": "1", "min_percent": "2.5", "sort": "value", "facets": "1", "below": "3",
		"date": "2026-10-10", "vat": "19,6", "gift_card": "80", "patience": "0", "monthly_rewards": "12.50", "unknown_minimum": "15", "points": "avios=0.01 pts=0,005", "with": "reasons", "from": "10", "to": "500",
	}
	// What the operator's words are told, in an order that lets each be carried out.
	words := []struct{ path, body string }{
		{"portals/{id}/schedule", `{"every":"12h","window":"06:00-23:00","zone":"Europe/Paris","reason":"quieter"}`},
		{"portals/{id}/run", `{"reason":"a look"}`},
		{"portals/{id}/cancel", ``},
		{"portals/{id}/pause", `{"reason":"their maintenance"}`},
		{"portals/{id}/resume", `{}`},
		{"portals/pause", ``},
		{"portals/resume", `{"reason":"it is over"}`},
		{"portals/{id}/publication", `{"mode":"private","reason":"asked to"}`},
		{"portals/{id}/publication", `{"mode":""}`},
		{"portals/{id}/facts", `{"fact":"validation_days","value":"45","source":"https://sitot.test/faq","as_of":"2026-09-01","reason":"their page changed"}`},
		{"portals/{id}/facts", `{"fact":"confirm_rate","value":"0.9","observed":40}`},
		{"merchants/merge", `{"merchant":"` + fnac + `","other":"` + other + `","reason":"one firm","by":"olga"}`},
		{"merchants/apart", `{"merchant":"` + fnac + `","other":"` + other + `"}`},
		{"merchants/split", `{"merchant":"` + fnac + `","entries":["muet:fnac"]}`},
		{"merchants/rename", `{"merchant":"` + fnac + `","name":"Fnac"}`},
		{"merchants/undo", `{"correction":1}`},
		{"runs/{id}/accept", `{"reason":"a real sale"}`},
		{"references/vat", `{"file":"as of 2040-01-01\nFR 25 2020-01-01\n"}`},
		{"references/rates", `{"file":"<Envelope><Cube><Cube time=\"2040-01-02\"><Cube currency=\"GBP\" rate=\"0.8123\"/></Cube></Cube></Envelope>"}`},
		{"portals/{id}/keep", `{"reason":"a fault of theirs","run":"keep-2"}`},
		{"portals/{id}/gone", `{"reason":"closed"}`},
	}
	told := map[string]bool{"/api/v1/ledger/import": true, "/api/v1/ops/runs/{id}/reject": true} // one of the two can be carried out; TestHeldRun does the other
	problems := schema("/components/schemas/Problem")
	described := 0
	place := func(pattern, method string) string {
		return "/paths/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(pattern) + "/" + method
	}
	target := func(pattern string) string {
		parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(pattern, "/api/v1/"), "ops/"), "ledger/"), "/")
		return strings.ReplaceAll(pattern, "{id}", examples[parts[0]])
	}
	for pattern, methods := range api.Paths {
		described += len(methods)
		operation, reads := methods["get"]
		if !reads {
			continue
		}
		target := target(pattern)
		change := []func(*http.Request){local}
		if strings.HasPrefix(pattern, "/api/v1/ops/") {
			if r := ask(s.Handler(), "GET", target, local); r.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s lets anybody in: %d", target, r.StatusCode)
			}
			if len(operation.Security) != 1 || operation.Security[0][operatorKey] == nil {
				t.Errorf("%s doesn't say that it needs a key: %v", target, operation.Security)
			}
			change = append(change, deskKey...)
		}
		if strings.HasPrefix(pattern, "/api/v1/ledger/") {
			if r := ask(s.Handler(), "GET", target, local); r.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s lets anybody in: %d", target, r.StatusCode)
			}
			if len(operation.Security) != 1 || operation.Security[0][ledgerKey] == nil {
				t.Errorf("%s doesn't say that it needs a key: %v", target, operation.Security)
			}
			change = append(change, mine...)
		}
		sch := schema(place(pattern, "get") + "/responses/200/content/application~1json/schema")
		var all []string
		required := ""
		for _, p := range operation.Parameters {
			if p.In == "query" && p.Required {
				required += "&" + p.Name + "=" + url.QueryEscape(values[p.Name])
			}
		}
		for _, p := range operation.Parameters {
			if p.In != "query" {
				continue
			}
			all = append(all, p.Name)
			one := p.Name + "=" + url.QueryEscape(values[p.Name])
			if !p.Required {
				one += required
			}
			r := ask(s.Handler(), "GET", target+"?"+one, change...)
			if r.StatusCode != http.StatusOK {
				t.Errorf("%s refuses its own parameter %s: %s", target, one, body(t, r))
				continue
			}
			check(target+"?"+one, body(t, r), sch)
		}
		r := ask(s.Handler(), "GET", target+"?"+required, change...)
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", target, r.StatusCode, body(t, r))
		}
		check(target, body(t, r), sch)
		if required != "" {
			if r := ask(s.Handler(), "GET", target, change...); r.StatusCode != http.StatusBadRequest {
				t.Errorf("%s needs nothing: %d", target, r.StatusCode)
			}
		}
		r = ask(s.Handler(), "GET", target+"?nonsense=1", change...)
		text := body(t, r)
		if r.StatusCode != http.StatusBadRequest || r.Header.Get("Content-Type") != kindProblem {
			t.Errorf("%s accepts a parameter that it doesn't know: %d", target, r.StatusCode)
		}
		check(target+"?nonsense=1", text, problems)
		// What is described is what is taken, no less: a parameter that only the code
		// knows is one that nobody finds.
		var refusal problem
		if err := json.Unmarshal([]byte(text), &refusal); err != nil {
			t.Fatal(err)
		}
		var taken []string
		if _, list, ok := strings.Cut(refusal.Detail, "Allowed are: "); ok {
			taken = strings.Split(strings.TrimSuffix(list, "."), ", ")
		}
		if d := cmp.Diff(taken, all, cmpopts.SortSlices(strings.Compare), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: what is described isn't what is taken (-taken +described):\n%s", target, d)
		}
	}
	if n := len(s.operations()) + len(s.ledgerOperations()) + len(s.opsOperations()); described != n {
		t.Errorf("%d operations are described, %d served", described, n)
	}
	for _, w := range words {
		pattern := "/api/v1/ops/" + w.path
		told[pattern] = true
		if len(api.Paths[pattern]["post"].Security) != 1 {
			t.Errorf("%s doesn't say that it needs a key", pattern)
			continue
		}
		say := func(text string, with ...func(*http.Request)) *http.Response {
			return ask(s.Handler(), "POST", target(pattern), append(with, local, func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
				r.Header.Set("Content-Type", kindJSON)
			})...)
		}
		if r := say(w.body); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s obeys anybody: %d", pattern, r.StatusCode)
		}
		r := say(`{"nonsense":1}`, deskKey...)
		if text := body(t, r); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s accepts a field that it doesn't know: %d", pattern, r.StatusCode)
		} else {
			check(pattern, text, problems)
		}
		if w.body != "" {
			check(pattern+"'s body", w.body, schema(place(pattern, "post")+"/requestBody/content/application~1json/schema"))
		}
		if verb := path.Base(w.path); verb == "keep" || verb == "gone" {
			loseOffers(t, s, "sitot", verb+"-1")
			loseOffers(t, s, "sitot", verb+"-2")
		}
		r = say(w.body, deskKey...)
		text := body(t, r)
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s %s: %d %s", pattern, w.body, r.StatusCode, text)
			continue
		}
		check(pattern, text, schema(place(pattern, "post")+"/responses/200/content/application~1json/schema"))
	}
	for pattern, methods := range api.Paths {
		if _, does := methods["post"]; does && !told[pattern] {
			t.Errorf("POST %s isn't tried", pattern)
		}
	}
}

// TestRankingIsRank: the API's ranking is what internal/rank answers, with a receipt
// on every row.
func TestRankingIsRank(t *testing.T) {
	s := newServer(t)
	fnac := shopNamed(t, s, "fnac")
	target := "/api/v1/merchants/" + strconv.Itoa(int(fnac.ID)) + "/ranking?amount=80"
	got := get[view.Ranking](t, s, target)
	if got.Merchant.ID != fnac.ID || got.Merchant.Country != "FR" || got.Merchant.Portals != 4 || got.Purchase.Amount != (cashback.Money{Minor: 8000, Currency: "EUR"}) {
		t.Errorf("the answer is about %+v, %+v", got.Merchant, got.Purchase)
	}
	if len(got.Ranked) != 4 {
		t.Fatalf("ranked: %+v", got.Ranked)
	}
	for i, row := range got.Ranked {
		var sum int64
		for _, st := range row.Steps {
			sum += st.Amount
		}
		if sum != row.Value || row.Possible < row.Value || len(row.Steps) != 8 {
			t.Errorf("%s: steps %v don't add up to %d", row.Portal, row.Steps, row.Value)
		}
		if i > 0 && row.Value > got.Ranked[i-1].Value {
			t.Errorf("%s stands too low", row.Portal)
		}
		r := row.Receipt
		if r.Portal != row.Portal || r.URL == "" || r.RawText == "" || r.ReadAt.IsZero() || r.InForceSince.IsZero() || r.Run == "" || r.DefinitionVersion == "" || r.Hash == "" {
			t.Errorf("%s has no whole receipt: %+v", row.Portal, r)
		}
		if row.ClickOut != "/go/"+row.Portal+"/"+strconv.Itoa(int(fnac.ID)) {
			t.Errorf("%s leads out by %q", row.Portal, row.ClickOut)
		}
	}
	// The groups, as RANKING.md's answer has them.
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body(t, ask(s.Handler(), "GET", target, local))), &raw); err != nil {
		t.Fatal(err)
	}
	answer := reflect.TypeFor[rank.Answer]()
	for i := range answer.NumField() {
		name := answer.Field(i).Tag.Get("json")
		if _, ok := raw[name]; !ok {
			t.Errorf("the answer lacks the group %s", name)
		}
	}
}

func TestETag(t *testing.T) {
	w := newTown(t)
	w.populate()
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	target := "/api/v1/merchants/" + strconv.Itoa(int(shopNamed(t, s, "darty").ID)) + "/ranking"
	first := ask(s.Handler(), "GET", target, local)
	tag := first.Header.Get("ETag")
	before := body(t, first)
	if again := ask(s.Handler(), "GET", target, local); again.Header.Get("ETag") != tag || body(t, again) != before {
		t.Error("the same question got another answer")
	}
	if r := ask(s.Handler(), "GET", target, local, header("If-None-Match", tag)); r.StatusCode != http.StatusNotModified || body(t, r) != "" {
		t.Errorf("nothing changed, but %d", r.StatusCode)
	}
	// A take-down works at once, also for who asks with the old tag.
	if err := w.store.SetPublication(t.Context(), "grandtaux", cashback.Off, "test", "taken down"); err != nil {
		t.Fatal(err)
	}
	r := ask(s.Handler(), "GET", target, local, header("If-None-Match", tag))
	if text := body(t, r); r.StatusCode != 200 || strings.Contains(text, "grandtaux") {
		t.Errorf("after the take-down: %d %s", r.StatusCode, text)
	}
}

func TestBadInput(t *testing.T) {
	s := newServer(t)
	ranking := "/api/v1/merchants/" + strconv.Itoa(int(shopNamed(t, s, "fnac").ID)) + "/ranking"
	for target, want := range map[string]struct {
		status int
		field  string
		says   string
	}{
		ranking + "?amount=-5":            {400, "amount", "120 or 12.50"},
		ranking + "?amount=1e9":           {400, "amount", "120 or 12.50"},
		ranking + "?amount=NaN":           {400, "amount", "120 or 12.50"},
		ranking + "?amount=12.345":        {400, "amount", "at most 2 decimals"},
		ranking + "?amount=99999999999":   {400, "amount", "up to 10,000,000"},
		ranking + "?currency=EURO":        {400, "currency", "three-letter"},
		ranking + "?customer=maybe":       {400, "customer", "new, existing"},
		ranking + "?amount=1&amount=2":    {400, "amount", "twice"},
		ranking + "?amount=%00":           {400, "amount", "characters"},
		ranking + "?amount=%ff":           {400, "amount", "characters"},
		ranking + "?a%3Cscript%3E=1":      {400, "a<script>", "Allowed are: amount"},
		ranking + "?date=tomorrow":        {400, "date", "YYYY-MM-DD"},
		ranking + "?date=2099-01-01":      {400, "date", "from 2025-10-02 to 2027-10-04"},
		ranking + "?vat=101":              {400, "vat", "from 0 to 100"},
		ranking + "?vat=-1":               {400, "vat", "from 0 to 100"},
		ranking + "?patience=1e30":        {400, "patience", "from 0 to 1,000"},
		ranking + "?gift_card=NaN":        {400, "gift_card", "from 0 to 100"},
		ranking + "?monthly_rewards=-5":   {400, "monthly_rewards", "120 or 12.50"},
		ranking + "?unknown_minimum=1e30": {400, "unknown_minimum", "120 or 12.50"},
		ranking + "?method=barter":        {400, "method", "bank_transfer, paypal"},
		ranking + "?method=-":             {400, "method", "at least one way"},
		ranking + "?portal=-":             {400, "portal", "at least one portal"},
		ranking + "?portal=a%20b":         {400, "portal", "letters, digits"},
		ranking + "?points=avios":         {400, "points", "avios=0.01"},
		ranking + "?points=avios=-1":      {400, "points", "avios=0.01"},
		ranking + "?country=France":       {400, "country", "two-letter"},
		strings.Replace(ranking, "/ranking", "/curve", 1) + "?from=2&to=1":    {400, "from", "larger"},
		strings.Replace(ranking, "/ranking", "/curve", 1) + "?to=99999999999": {400, "to", "up to 10,000,000"},
		ranking + "?with=luck":                     {400, "with", "reasons, question, giving"},
		ranking + "?amount=%zz":                    {400, "query", "escape"},
		"/api/v1/merchants/x":                      {400, "id", "whole number"},
		"/api/v1/merchants/4294967299":             {400, "id", "whole number"},
		"/api/v1/merchants/999999":                 {404, "", "/api/v1/search?q="},
		"/api/v1/merchants/999999/ranking":         {404, "", "/api/v1/search?q="},
		"/api/v1/merchants/999999/curve":           {404, "", "/api/v1/search?q="},
		"/api/v1/merchants/999999/history":         {404, "", "/api/v1/search?q="},
		"/api/v1/portals/nobody":                   {404, "", "/api/v1/portals"},
		"/api/v1/offers?portal=nobody":             {400, "portal", "“nobody”"},
		"/api/v1/search?portal=sitot,nobody":       {400, "portal", "“nobody”"},
		"/api/v1/offers?method=barter":             {400, "method", "bank_transfer, paypal"},
		ranking + "?amount=%C2%A320":               {400, "amount", "GBP"},
		ranking + "?amount=1.234":                  {400, "amount", "120 or 12.50"},
		"/api/v1/portals?country=France":           {400, "country", "two-letter"},
		"/api/v1/changes?after=x":                  {400, "after", "whole number"},
		"/api/v1/changes?after=999999":             {400, "after", "begin again at 0"},
		"/api/v1/portals?country=ZZ":               {400, "country", "two-letter code"},
		"/api/v1/changes?limit=0":                  {400, "limit", "between 1 and 1000"},
		"/api/v1/changes?limit=5000":               {400, "limit", "between 1 and 1000"},
		"/api/v1/merchants/1/history?after=x":      {400, "after", "cursor"},
		"/api/v1/merchants/1/history?since=monday": {400, "since", "YYYY-MM-DD"},
	} {
		r := ask(s.Handler(), "GET", target, local)
		text := body(t, r)
		var p problem
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Errorf("%s: %v: %s", target, err, text)
			continue
		}
		if r.StatusCode != want.status || p.Status != want.status || p.Field != want.field || !strings.Contains(p.Detail, want.says) || strings.Count(p.Detail, ". ") > 1 {
			t.Errorf("%s: %d %+v", target, r.StatusCode, p)
		}
	}
}

func TestChanges(t *testing.T) {
	s := newServer(t)
	seen, after := 0, "0"
	var last uint64
	for {
		l := get[view.List[cashback.Change]](t, s, "/api/v1/changes?limit=5&after="+after)
		if len(l.Items) == 0 {
			break
		}
		for _, c := range l.Items {
			if c.Number <= last {
				t.Fatalf("number %d after %d", c.Number, last)
			}
			last = c.Number
		}
		seen += len(l.Items)
		after = l.Next
	}
	if seen < 10 || last != s.truth.LastChange() {
		t.Errorf("%d changes up to %d of %d", seen, last, s.truth.LastChange())
	}
}

func TestHistory(t *testing.T) {
	s := newServer(t)
	l := get[view.List[cashback.RatePoint]](t, s, "/api/v1/merchants/"+strconv.Itoa(int(shopNamed(t, s, "sephora").ID))+"/history")
	var sitot []string
	for _, p := range l.Items {
		if p.Portal == "sitot" {
			sitot = append(sitot, p.RawText)
		}
	}
	if d := cmp.Diff([]string{"5 %", "7 %"}, sitot); d != "" {
		t.Error(d)
	}
}

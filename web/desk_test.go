package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/go-chi/chi/v5"

	"github.com/cagnotte/cagnotte/crawler"
	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/schedule"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/browsertest"
	"github.com/cagnotte/cagnotte/web/view"
)

// crawls stands for the crawler: it publishes what is accepted, and tells of progress
// what the test says.
type crawls struct {
	store *store.Store

	mu      sync.Mutex
	runs    map[string]crawler.Progress
	changed chan struct{}
}

func (c *crawls) Active() bool { return true }

func (c *crawls) Plan(string) (schedule.Plan, bool) {
	return schedule.Plan{Every: 6 * time.Hour, Zone: "Europe/Paris"}, true
}

func (c *crawls) Accept(ctx context.Context, portal, run, by, reason string) (cashback.Run, error) {
	held, found, err := c.store.Held(ctx, portal)
	if err != nil || !found || held.Snapshot.Run.ID != run {
		return cashback.Run{}, cashback.Errorf(cashback.Conflict, "it isn't held back any more")
	}
	held.Judgement.Verdict = cashback.PublishUpserts
	held.Judgement.Health.State = cashback.Healthy
	out, err := c.store.Publish(ctx, store.Publication{Snapshot: held.Snapshot, Judgement: held.Judgement, By: by, Reason: reason})
	return out.Run, err
}

func (c *crawls) Watch() (map[string]crawler.Progress, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.runs, c.changed
}

func (c *crawls) set(runs map[string]crawler.Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs = runs
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

func newDesk(t testing.TB) (*crowd, *crawls) {
	t.Helper()
	c := &crawls{}
	p := newCrowd(t, func(o *Config) { o.Crawls, o.Secret = c, deskSecret })
	c.store = p.Store
	return p, c
}

// hold keeps back a run of a portal in which its rates are as given.
func (p *crowd) hold(portal, run string, rate string) {
	p.t.Helper()
	ctx := context.Background()
	live, err := p.operator().PortalOffers(ctx, portal)
	if err != nil {
		p.t.Fatal(err)
	}
	sp, err := p.operator().Portal(ctx, portal)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range live {
		live[i].Tiers = []cashback.Tier{percent(rate)}
		live[i].Kind = cashback.Percent
		live[i].Receipt.RawText, live[i].Receipt.Run, live[i].Receipt.ReadAt = rate+" %", run, today
	}
	_, err = p.Store.Hold(ctx, cashback.Snapshot{
		Portal: sp.Portal, Offers: live,
		Run: cashback.Run{ID: run, Portal: portal, StartedAt: today.Add(-time.Minute), EndedAt: today, Complete: true, Finish: "done", Offers: len(live)},
	}, cashback.Judgement{
		Verdict:  cashback.Hold,
		Findings: []cashback.Finding{{Rule: "G5", Result: cashback.Fail, Reason: "median_shift", Measured: "% ×9.50", Limit: "±50 ‰", Sample: []string{live[0].Entry.Name}}},
		Health:   cashback.PortalHealth{Portal: portal, State: cashback.Suspect, Bad: 1, LastGoodAt: today.Add(-26 * time.Hour)},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestHeldRun: what the gate holds back is on the desk with its evidence, and not on
// the shop's page; only a word with a reason changes that, and the log says whose.
func TestHeldRun(t *testing.T) {
	p, _ := newDesk(t)
	olga := p.as(p.olga)
	h := p.Handler()
	shop := "/en/shops/" + shopNamed(t, p.Server, "fnac").Slug
	before := body(t, ask(h, "GET", shop))
	p.hold("sitot", "held-1", "43")
	if now := body(t, ask(h, "GET", shop)); strings.Contains(now, "43%") {
		t.Error("a rate that is held back is on the shop's page")
	} else if !strings.Contains(before, "Sitôt") || !strings.Contains(now, "Sitôt") {
		t.Error("the last good rate has gone from the shop's page")
	}
	if desk := body(t, ask(h, "GET", "/en/ops", olga)); !strings.Contains(desk, "/en/ops/runs/held-1") || !strings.Contains(desk, "1 run waits for your decision") {
		t.Error("the desk doesn't say that a run waits")
	}
	page := body(t, ask(h, "GET", "/en/ops/runs/held-1", olga))
	for _, want := range []string{"All rates moved together.", "% ×9.5, allowed ±50 ‰", "43%", "read 26 hours ago", "Accept and publish"} {
		if !strings.Contains(page, want) {
			t.Errorf("the run's page lacks %q", want)
		}
	}
	if r := post(h, "/en/ops/runs/held-1/accept", url.Values{"reason": {" "}}, olga); r.StatusCode != 422 || !strings.Contains(body(t, r), "A reason is needed") {
		t.Errorf("accepted without a reason: %d", r.StatusCode)
	}
	if r := post(h, "/en/ops/runs/held-1/reject", url.Values{"reason": {"misread"}}, olga); r.StatusCode != 303 {
		t.Fatalf("rejecting: %d", r.StatusCode)
	}
	if now := body(t, ask(h, "GET", shop)); strings.Contains(now, "43%") {
		t.Error("a rejected rate is shown")
	}
	if page := body(t, ask(h, "GET", "/en/ops/runs/held-1", olga)); strings.Contains(page, "Accept and publish") {
		t.Error("a rejected run can be accepted")
	}
	p.hold("sitot", "held-2", "44")
	if r := post(h, "/en/ops/runs/held-1/accept", url.Values{"reason": {"too late"}}, olga); r.StatusCode != 303 || p.heldRun("sitot") != "held-2" {
		t.Errorf("an answer to another run was taken: %d", r.StatusCode)
	}
	if r := post(h, "/en/ops/runs/held-2/accept", url.Values{"reason": {"a real sale"}}, olga); r.StatusCode != 303 {
		t.Fatalf("accepting: %d", r.StatusCode)
	}
	if now := body(t, ask(h, "GET", shop)); !strings.Contains(now, "44%") {
		t.Error("an accepted rate isn't shown")
	}
	log := body(t, ask(h, "GET", "/en/ops/audit", olga))
	for _, want := range []string{"a real sale", "misread", "olga@example.org", "Accepted", "Rejected"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

// The numbers of a rule are in the page's language, and so is why a run failed.
func TestReportInWords(t *testing.T) {
	p, _ := newDesk(t)
	olga := p.as(p.olga)
	h := p.Handler()
	p.hold("sitot", "held-1", "43")
	page := body(t, ask(h, "GET", "/fr/ops/runs/held-1", olga))
	for _, want := range []string{"% ×9,5, permis ±50 ‰", "Tous les taux ont bougé ensemble."} {
		if !strings.Contains(page, want) {
			t.Errorf("the run's page lacks %q", want)
		}
	}
	if _, err := p.Store.UpdateJob(context.Background(), "sitot", func(j schedule.Job) (schedule.Job, error) {
		j.Failures, j.LastError = 1, "the gate's rule G5 (median_shift)"
		return j, nil
	}); err != nil {
		t.Fatal(err)
	}
	if page := body(t, ask(h, "GET", "/fr/ops/portals/sitot", olga)); !strings.Contains(page, `<dd lang="fr">Tous les taux ont bougé ensemble.</dd>`) || strings.Contains(page, "the gate") {
		t.Error("why the run failed isn't said in French")
	}
}

// TestWithheldRemovals: what runs no longer find stays shown, and waits on the desk for
// one of two answers.
func TestWithheldRemovals(t *testing.T) {
	p, _ := newDesk(t)
	olga := p.as(p.olga)
	h := p.Handler()
	lose := func(run string) string { return loseOffers(t, p.Server, "sitot", run) }
	lost := lose("lost-1")
	if desk := body(t, ask(h, "GET", "/en/ops", olga)); strings.Contains(desk, "no longer found") {
		t.Error("asked after one run")
	}
	lose("lost-2")
	if desk := body(t, ask(h, "GET", "/en/ops", olga)); !strings.Contains(desk, "no longer found") || !strings.Contains(desk, "/en/ops/portals/sitot#withheld") || !strings.Contains(desk, "1 run waits for your decision") {
		t.Error("the desk doesn't say that removals wait")
	}
	page := body(t, ask(h, "GET", "/en/ops/portals/sitot", olga))
	for _, want := range []string{lost, "They are really gone", "Keep them for now", "/en/ops/runs/lost-2"} {
		if !strings.Contains(page, want) {
			t.Errorf("the portal's page lacks %q", want)
		}
	}
	var list view.Withheld
	if err := json.Unmarshal([]byte(body(t, ask(h, "GET", "/api/v1/ops/portals/sitot/withheld", deskKey...))), &list); err != nil || list.Run != "lost-2" || len(list.Items) == 0 || list.Items[0].MissedRuns != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if r := post(h, "/en/ops/portals/sitot/gone", url.Values{"reason": {" "}, "run": {"lost-2"}}, olga); r.StatusCode != 422 || !strings.Contains(body(t, r), "A reason is needed") {
		t.Errorf("gone without a reason: %d", r.StatusCode)
	}
	if r := post(h, "/en/ops/portals/sitot/gone", url.Values{"reason": {"seen"}, "run": {"lost-1"}}, olga); r.StatusCode != 303 {
		t.Errorf("an answer to another run: %d", r.StatusCode)
	}
	before := len(offersOf(t, p, "sitot"))
	if r := post(h, "/en/ops/portals/sitot/keep", url.Values{"reason": {"a fault of theirs"}, "run": {"lost-2"}}, olga); r.StatusCode != 303 {
		t.Errorf("keeping: %d", r.StatusCode)
	}
	if page := body(t, ask(h, "GET", "/en/ops/portals/sitot", olga)); strings.Contains(page, "They are really gone") || len(offersOf(t, p, "sitot")) != before {
		t.Error("kept, and asked about all the same")
	}
	lose("lost-3")
	lose("lost-4")
	if r := post(h, "/en/ops/portals/sitot/gone", url.Values{"reason": {"closed"}, "run": {"lost-4"}}, olga); r.StatusCode != 303 {
		t.Errorf("gone: %d", r.StatusCode)
	}
	if left := offersOf(t, p, "sitot"); len(left) != 1 {
		t.Errorf("%d offers are left", len(left))
	}
	log := body(t, ask(h, "GET", "/en/ops/audit", olga))
	for _, want := range []string{"Removals confirmed", "Removals refused", "closed", "a fault of theirs"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

// loseOffers publishes a run of a portal without any of its offers but the first; the
// gate withholds their removal from the second such run on.
func loseOffers(t *testing.T, s *Server, portal, run string) (lost string) {
	t.Helper()
	ctx := context.Background()
	sp, err := s.operator().Portal(ctx, portal)
	if err != nil {
		t.Fatal(err)
	}
	live, err := s.operator().PortalOffers(ctx, portal)
	if err != nil {
		t.Fatal(err)
	}
	j := cashback.Judgement{Verdict: cashback.PublishUpserts, Health: sp.Health}
	for _, o := range live[1:] {
		if o.MissedRuns > 0 {
			j.Withheld = append(j.Withheld, o.Entry.Key)
		} else {
			j.Missing = append(j.Missing, o.Entry.Key)
		}
	}
	live[0].Receipt.Run, live[0].Receipt.ReadAt = run, today
	if _, err := s.Store.Publish(ctx, store.Publication{Judgement: j, Snapshot: cashback.Snapshot{
		Portal: sp.Portal, Offers: live[:1],
		Run: cashback.Run{ID: run, Portal: portal, StartedAt: today, EndedAt: today, Complete: true, Finish: "done", Offers: 1},
	}}); err != nil {
		t.Fatal(err)
	}
	return live[1].Entry.Name
}

func offersOf(t *testing.T, p *crowd, portal string) []cashback.Offer {
	t.Helper()
	offers, err := p.operator().PortalOffers(context.Background(), portal)
	if err != nil {
		t.Fatal(err)
	}
	return offers
}

func (p *crowd) heldRun(portal string) string {
	p.t.Helper()
	sp, err := p.operator().Portal(context.Background(), portal)
	if err != nil {
		p.t.Fatal(err)
	}
	return sp.HeldRun
}

// TestTakeDown: taking a portal down works at once, at every address that anybody may
// ask, for what the server keeps, what it works out beside the requests, and what a
// browser or a proxy has kept; and so does every other mode.
func TestTakeDown(t *testing.T) {
	p, _ := newDesk(t)
	olga := p.as(p.olga)
	h := p.Handler()
	fnac := shopNamed(t, p.Server, "fnac")
	names := func(path, b string) bool {
		if !strings.HasPrefix(path, "/api/") {
			return strings.Contains(b, "Sitôt")
		}
		if strings.HasPrefix(path, "/api/v1/changes") {
			var feed view.List[cashback.Change]
			if err := json.Unmarshal([]byte(b), &feed); err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(feed.Items, func(c cashback.Change) bool { return c.Portal == "sitot" && (c.Before != nil || c.After != nil) })
		}
		return strings.Contains(b, "Sitôt") || strings.Contains(b, `"portal":"sitot"`)
	}
	tags, addresses := map[string]string{}, []string{}
	for _, c := range headerCases(t, p.Server) {
		route := p.routeOf(c.target)
		if c.status != 200 || c.method != "" && c.method != "GET" || route == nil || route.Access != Anybody {
			continue
		}
		var r *http.Response
		var b string
		for range 2 { // the second answer is a kept one
			r = ask(h, "GET", c.target)
			b = body(t, r)
		}
		if !names(c.target, b) {
			continue
		}
		addresses = append(addresses, c.target)
		if tags[c.target] = r.Header.Get("ETag"); route.Cache == ByChange {
			if r := ask(h, "GET", c.target, header("If-None-Match", tags[c.target])); r.StatusCode != 304 {
				t.Errorf("%s isn't kept: %d", c.target, r.StatusCode)
			}
		}
	}
	api := "/api/v1/merchants/" + itoa(fnac.ID)
	for _, must := range []string{
		"/fr/shops/" + fnac.Slug, "/fr/portals", "/fr/portals/sitot", "/fr/join?w_rates=10", "/fr/compare?portal=sitot&portal=muet",
		api, api + "/ranking", api + "/curve", api + "/history", "/api/v1/portals", "/api/v1/portals/sitot", "/api/v1/offers?portal=sitot",
		"/api/v1/changes", "/api/v1/scores", "/api/v1/compare?portal=sitot&portal=muet",
	} {
		if !slices.Contains(addresses, must) {
			t.Errorf("%s doesn't name the portal before it is taken down", must)
		}
	}
	// What Follow keeps up to date is a moment behind, as it may be at any time.
	p.standings.followed.Store(true)
	set := func(mode string) {
		t.Helper()
		if r := post(h, "/fr/ops/portals/sitot/publication", url.Values{"mode": {mode}, "reason": {"asked to"}}, olga); r.StatusCode != 303 {
			t.Fatalf("%s: %d", mode, r.StatusCode)
		}
	}
	for _, mode := range []string{"off", "private"} {
		set(mode)
		for _, path := range addresses {
			r := ask(h, "GET", path, header("If-None-Match", tags[path]))
			if r.StatusCode == 304 || r.StatusCode == 200 && tags[path] != "" && r.Header.Get("ETag") == tags[path] {
				t.Errorf("%s: a cache would go on showing %s", mode, path)
			}
			if names(path, body(t, r)) {
				t.Errorf("%s: %s still names the portal", mode, path)
			}
			if strings.HasSuffix(path, "/portals/sitot") && r.StatusCode != 404 {
				t.Errorf("%s: %s is there: %d", mode, path, r.StatusCode)
			}
		}
		if r := ask(h, "GET", "/go/sitot/"+itoa(fnac.ID)); r.StatusCode != 404 {
			t.Errorf("%s: the way to the portal is open: %d", mode, r.StatusCode)
		}
	}
	rated := regexp.MustCompile("\\b3[ \u00a0\u202f]%") // nobody else pays that
	shows := func() (out []string) {
		for _, path := range addresses {
			if rated.MatchString(body(t, ask(h, "GET", path))) {
				out = append(out, path)
			}
		}
		return out
	}
	set("relation")
	if bad := shows(); len(bad) > 0 {
		t.Errorf("relation only: its rate is shown by %q", bad)
	}
	r := body(t, ask(h, "GET", api+"/ranking"))
	var ranking view.Ranking
	if err := json.Unmarshal([]byte(r), &ranking); err != nil {
		t.Fatal(err)
	}
	for _, row := range ranking.Ranked {
		if row.Portal == "sitot" {
			t.Error("a portal that is relation only is ranked")
		}
	}
	set("public")
	for _, path := range []string{"/fr/shops/" + fnac.Slug, "/api/v1/scores"} {
		if !names(path, body(t, ask(h, "GET", path))) {
			t.Errorf("%s: the portal didn't come back", path)
		}
	}
	if back := shows(); len(back) < 5 {
		t.Errorf("its rate is shown by no more than %q", back)
	}
	if r := post(h, "/fr/ops/portals/sitot/publication", url.Values{"mode": {"secret"}}, olga); r.StatusCode < 400 {
		t.Errorf("a mode that isn't one was taken: %d", r.StatusCode)
	}
}

// routeOf is the table's line for an address; nil where there is none.
func (s *Server) routeOf(target string) *Route {
	path, _, _ := strings.Cut(target, "?")
	rc := chi.NewRouteContext()
	if !s.router.Match(rc, http.MethodGet, path) {
		return nil
	}
	for i := range s.table {
		if s.table[i].Method == http.MethodGet && s.table[i].Pattern == rc.RoutePattern() {
			return &s.table[i]
		}
	}
	return nil
}

func itoa(id cashback.MerchantID) string { return strconv.FormatUint(uint64(id), 10) }

// TestSchedulePage: the forms of a portal change its row of the schedule, and refuse in
// the reader's language what can't be.
func TestSchedulePage(t *testing.T) {
	p, _ := newDesk(t)
	olga := p.as(p.olga)
	h := p.Handler()
	tell := func(verb string, pairs ...string) *http.Response {
		t.Helper()
		form := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return post(h, "/fr/ops/portals/sitot/"+verb, form, olga)
	}
	job := func() schedule.Job {
		t.Helper()
		j, err := p.Store.Job(context.Background(), "sitot")
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	for field, value := range map[string]string{"every": "5m", "cron": "every day", "window": "dawn", "zone": "Gaul"} {
		form := []string{"every", "6h", field, value}
		if field == "cron" {
			form = []string{"cron", value}
		}
		r := tell("schedule", form...)
		if b := body(t, r); r.StatusCode != 422 || !strings.Contains(b, p.locales.Get("fr").T("refuse."+field)) {
			t.Errorf("%s %q: %d", field, value, r.StatusCode)
		}
	}
	if r := tell("schedule", "cron", "30 4 * * *", "zone", "Europe/Paris"); r.StatusCode != 303 || job().Plan.Cron != "30 4 * * *" || !job().Own {
		t.Errorf("%d, %+v", r.StatusCode, job())
	}
	if r := tell("schedule", "default", "1"); r.StatusCode != 303 || job().Own || job().Plan.Every != 6*time.Hour {
		t.Errorf("%d, %+v", r.StatusCode, job())
	}
	if tell("pause"); !job().Paused {
		t.Error("not paused")
	}
	if tell("run"); !job().Now {
		t.Error("a paused portal can't be asked for")
	}
	if tell("cancel"); job().Now {
		t.Error("what was asked for can't be taken back")
	}
	if r := tell("cancel"); r.StatusCode != 303 { // with a sentence
		t.Errorf("cancelling nothing: %d", r.StatusCode)
	}
	if r := post(h, "/fr/ops/all/resume", nil, olga); r.StatusCode != 303 || job().Paused {
		t.Errorf("resume all: %d, %+v", r.StatusCode, job())
	}
	if r := tell("explode"); r.StatusCode != 404 {
		t.Errorf("a verb that isn't one: %d", r.StatusCode)
	}
	if r := post(h, "/fr/ops/portals/none/pause", nil, olga); r.StatusCode != 404 {
		t.Errorf("a portal that isn't one: %d", r.StatusCode)
	}
	if r := tell("facts", "fact", "validation_days", "value", "45"); r.StatusCode != 422 { // no source
		t.Errorf("a fact without a source: %d", r.StatusCode)
	}
	if r := tell("facts", "fact", "validation_days", "value", "soon", "source", "https://sitot.test/faq"); r.StatusCode != 422 {
		t.Errorf("a fact that is none: %d", r.StatusCode)
	}
	if r := tell("facts", "fact", "validation_days", "value", "45", "source", "https://sitot.test/faq", "as_of", "2026-09-01", "reason", "their page changed"); r.StatusCode != 303 {
		t.Errorf("a fact: %d", r.StatusCode)
	}
	if b := body(t, ask(h, "GET", "/fr/portals/sitot")); !strings.Contains(b, "45\u00a0jours") && !strings.Contains(b, "45 jours") {
		t.Error("the fact isn't on the portal's page")
	}
	page := body(t, ask(h, "GET", "/fr/ops/portals/sitot", olga))
	for _, want := range []string{"Toutes les 6h", "(Europe/Paris)", "olga@example.org"} {
		if !strings.Contains(page, want) {
			t.Errorf("the portal's page lacks %q", want)
		}
	}
}

// TestDeskAPI: who can read the folder's key, or has an operator's API key, says the
// same words to the API.
func TestDeskAPI(t *testing.T) {
	p, _ := newDesk(t)
	h := p.Handler()
	ctx := context.Background()
	send := func(path, b string, key string) *http.Response {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/ops/"+path, strings.NewReader(b))
		r.Host, r.RemoteAddr = "localhost:8080", "127.0.0.1:4711"
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	soon := p.Now().Add(24 * time.Hour)
	_, operate, err := p.desk.NewKey(ctx, p.olga, "robot", []account.Scope{account.Operate}, soon)
	if err != nil {
		t.Fatal(err)
	}
	_, reads, err := p.desk.NewKey(ctx, p.olga, "reader", []account.Scope{account.ReadLedger}, soon)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key, path, body string
		want            int
	}{
		{deskSecret, "portals/sitot/pause", `{"reason":"at night"}`, 200},
		{operate, "portals/sitot/resume", `{}`, 200},
		{operate, "portals/sitot/resume", ``, 200},
		{reads, "portals/sitot/resume", `{}`, 403},
		{"", "portals/sitot/resume", `{}`, 401},
		{deskSecret + "x", "portals/sitot/resume", `{}`, 401},
		{deskSecret, "portals/sitot/resume", `{"whim":1}`, 400},
		{deskSecret, "portals/sitot/resume", `{} {}`, 400},
		{deskSecret, "portals/sitot/resume", `[`, 400},
		{deskSecret, "portals/sitot/schedule", `{"every":"1s"}`, 400},
		{deskSecret, "portals/sitot/cancel", `{}`, 409},
		{deskSecret, "portals/none/run", `{}`, 404},
		{deskSecret, "portals/pause", `{}`, 200},
		{deskSecret, "runs/none/accept", `{"reason":"x"}`, 404},
		{deskSecret, "portals/sitot/gone", `{}`, 400},
		{deskSecret, "portals/sitot/gone", `{"reason":"x"}`, 409},
		{deskSecret, "portals/sitot/keep", `{"reason":"x","run":"none"}`, 409},
		{deskSecret, "portals/none/gone", `{"reason":"x"}`, 404},
		{"", "portals/sitot/gone", `{"reason":"x"}`, 401},
		{deskSecret, "portals/sitot/publication", `{"mode":"private","reason":"asked to"}`, 200},
	} {
		if r := send(c.path, c.body, c.key); r.StatusCode != c.want {
			t.Errorf("%s %s: %d, want %d: %s", c.path, c.body, r.StatusCode, c.want, body(t, r))
		}
	}
	var all view.List[view.DeskPortal]
	if err := json.Unmarshal([]byte(body(t, ask(h, "GET", "/api/v1/ops/portals", deskKey...))), &all); err != nil {
		t.Fatal(err)
	}
	for _, p := range all.Items {
		if p.ID == "sitot" && (p.Job == nil || !p.Job.Paused || p.Publication != cashback.Private) {
			t.Errorf("%+v", p)
		}
	}
	var log view.List[store.AuditEntry]
	if err := json.Unmarshal([]byte(body(t, ask(h, "GET", "/api/v1/ops/audit", deskKey...))), &log); err != nil {
		t.Fatal(err)
	}
	if n := len(log.Items); n == 0 || log.Items[0].What != "publication" || log.Items[0].By != "this machine" || log.Items[0].Reason != "asked to" {
		t.Errorf("%+v", log.Items)
	}
}

// TestLive: progress comes as it is made, over a connection whose deadlines are much
// shorter than the stream, and the stream ends with the server.
func TestLive(t *testing.T) {
	p, c := newDesk(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := p.HTTP()
	server.ReadTimeout, server.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() {
		_ = server.Close()
		<-served
	}()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String()+"/en/ops/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.as(p.olga)(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != kindEvents || resp.Header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", want, lines.Err())
	}
	until("data: []")
	c.set(map[string]crawler.Progress{"sitot": {Portal: "sitot", Run: "r1", Pages: 3, Known: 9, Offers: 60}})
	until(`"3 of 9 pages, 60 offers"`)
	until("event: changed")
	c.set(map[string]crawler.Progress{"sitot": {Portal: "sitot", Run: "r1", Pages: 9, Known: 9, Offers: 160}})
	until(`"9 of 9 pages, 160 offers"`)
	c.set(nil)
	until("event: changed")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Errorf("the stream holds the server up: %v", err)
	}
}

// shelfOfDoubts is a catalogue with something to review.
type shelfOfDoubts struct{ fnac cashback.Merchant }

func (c shelfOfDoubts) Correct(_ context.Context, ev merchant.Event) (merchant.Event, merchant.Plan, error) {
	if ev.Merchant != 0 && ev.Merchant == ev.Other {
		return ev, merchant.Plan{}, cashback.Errorf(cashback.Invalid, "merchant %d is one merchant already", ev.Merchant)
	}
	ev.Number, ev.At = 3, today
	return ev, merchant.Plan{Changed: []cashback.Merchant{c.fnac}, Redirects: map[cashback.MerchantID]cashback.MerchantID{c.fnac.ID + 1: c.fnac.ID}}, nil
}

func (c shelfOfDoubts) Reviews(context.Context) ([]merchant.Review, error) {
	return []merchant.Review{
		{Ref: merchant.Ref{Portal: "sitot", Key: "fnac-spectacles"}, Name: "Fnac Spectacles", Merchant: c.fnac.ID, Confidence: .62, Reasons: []string{"the same first word, and another one"},
			Candidates: []merchant.Candidate{{Merchant: c.fnac.ID + 1, Name: "Fnac Darty", Confidence: .58, Reasons: []string{"the same domain"}}}},
		{Ref: merchant.Ref{Portal: "muet", Key: "?"}, Name: "?", Confidence: .1, Reasons: []string{"its name names no shop"}},
	}, nil
}

func (c shelfOfDoubts) Corrections(context.Context) ([]merchant.Event, error) {
	return []merchant.Event{
		{Number: 1, At: today.Add(-time.Hour), By: "olga@example.org", Kind: merchant.Rename, Merchant: c.fnac.ID, Name: "Fnac"},
		{Number: 2, At: today, By: "olga@example.org", Kind: merchant.Undo, Undoes: 1},
	}, nil
}

func (c shelfOfDoubts) Members(_ context.Context, id cashback.MerchantID) ([]merchant.Ref, [][]string, error) {
	if id != c.fnac.ID {
		return nil, nil, nil
	}
	return []merchant.Ref{{Portal: "sitot", Key: "https://www.sitot.test/boutique/fnac"}, {Portal: "muet", Key: "fnac"}}, [][]string{{"the same domain: fnac.com"}, {"the same name"}}, nil
}

// busyDesk is a desk on which something of everything has happened.
func busyDesk(t testing.TB) *crowd {
	t.Helper()
	p, c := newDesk(t)
	fnac := shopNamed(t, p.Server, "fnac")
	m, err := p.operator().Merchant(context.Background(), fnac.ID)
	if err != nil {
		t.Fatal(err)
	}
	p.Catalogue = shelfOfDoubts{m}
	olga := p.as(p.olga)
	h := p.Handler()
	for _, f := range []struct{ path, k, v string }{
		{"portals/muet/schedule", "every", "6h"}, {"portals/sitot/schedule", "cron", "0 6 * * *"}, {"portals/muet/pause", "reason", "their maintenance"},
		{"portals/thrift/schedule", "every", "12h"}, {"portals/petitpanier/schedule", "every", "24h"}, {"portals/petitpanier/publication", "mode", "relation"},
	} {
		if r := post(h, "/fr/ops/"+f.path, url.Values{f.k: {f.v}}, olga); r.StatusCode != 303 {
			t.Fatalf("%s: %d", f.path, r.StatusCode)
		}
	}
	p.hold("sitot", "held-1", "43")
	if _, err := p.Store.UpdateJob(context.Background(), "thrift", func(j schedule.Job) (schedule.Job, error) {
		return j.Start(today, "me", "thrift-2", schedule.Defaults())
	}); err != nil {
		t.Fatal(err)
	}
	c.set(map[string]crawler.Progress{"thrift": {Portal: "thrift", Run: "thrift-2", Pages: 7, Known: 19, Offers: 350}})
	return p
}

// TestMerchantsPage: doubts are answered on the desk, what can't be is said at the form,
// and each answer can be taken back.
func TestMerchantsPage(t *testing.T) {
	p := busyDesk(t)
	olga := p.as(p.olga)
	h := p.Handler()
	fnac := shopNamed(t, p.Server, "fnac")
	page := body(t, ask(h, "GET", "/en/ops/merchants", olga))
	for _, want := range []string{"2 entries in doubt", "Fnac Spectacles", "Fnac Darty", "Same shop", "Taken back"} {
		if !strings.Contains(page, want) {
			t.Errorf("the queue lacks %q", want)
		}
	}
	id := itoa(fnac.ID)
	for _, c := range []struct {
		verb string
		form url.Values
		want int
	}{
		{"merge", url.Values{"merchant": {id}, "other": {itoa(fnac.ID + 1)}}, 303},
		{"merge", url.Values{"merchant": {id}, "other": {fnac.Slug}, "back": {id}}, 422},
		{"merge", url.Values{"merchant": {id}, "other": {"nobody-fr"}, "back": {id}}, 422},
		{"split", url.Values{"merchant": {id}, "entries": {"muet:fnac"}}, 303},
		{"split", url.Values{"merchant": {id}, "entries": {"muet"}}, 400},
		{"undo", url.Values{"undoes": {"1"}, "merchant": {id}}, 303},
		{"explode", url.Values{"merchant": {id}}, 404},
	} {
		if r := post(h, "/en/ops/merchants/"+c.verb, c.form, olga); r.StatusCode != c.want {
			t.Errorf("%s %v: %d, want %d", c.verb, c.form, r.StatusCode, c.want)
		}
	}
	if one := body(t, ask(h, "GET", "/en/ops/merchants?merchant="+id, olga)); !strings.Contains(one, "muet:fnac") || !strings.Contains(one, "the same domain: fnac.com") {
		t.Error("the shop's page lacks its entries")
	}
	if log := body(t, ask(h, "GET", "/en/ops/audit", olga)); !strings.Contains(log, "Merge") {
		t.Error("the log lacks the correction")
	}
}

// TestDeskPages looks at the desk as TestEveryPage does at the public pages.
func TestDeskPages(t *testing.T) {
	ctx := browsertest.Start(t)
	p := busyDesk(t)
	for _, run := range []string{"lost-1", "lost-2"} {
		loseOffers(t, p.Server, "grandtaux", run)
	}
	fnac := shopNamed(t, p.Server, "fnac")
	base := serve(t, p.Server)
	token, _, err := p.desk.Open(context.Background(), p.olga.ID, account.Client{})
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, action(network.SetCookie, network.SetCookieParams{Name: sessionCookie, Value: token, URL: base})); err != nil {
		t.Fatal(err)
	}
	look(t, ctx, base, map[string]string{
		"desk": "/ops", "desk-portal": "/ops/portals/sitot", "desk-running": "/ops/portals/thrift", "desk-run": "/ops/runs/held-1", "desk-withheld": "/ops/portals/grandtaux",
		"desk-merchants": "/ops/merchants", "desk-merchant": "/ops/merchants?merchant=" + itoa(fnac.ID), "desk-audit": "/ops/audit",
	})
}

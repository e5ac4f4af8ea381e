package crawler

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"maps"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gocolly/colly/v2"

	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/crawler/gate"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// walker is one run's way over a portal's pages. It holds what must be known of all
// pages (addresses seen, keys seen, counters); what the pages say is in the stage,
// so that a run's memory doesn't grow with its pages' contents.
type walker struct {
	crawler  *Crawler
	def      *portal.Definition
	options  Options
	run      cashback.Run
	session  *past
	colly    *colly.Collector
	answered func(*colly.Response) // takes the answer of the request under way

	lists   []step // to be read in order: they decide whether the run is complete
	details []step // merchants' own pages, read as far as the budget goes
	seen    map[identity]bool
	keys    keySet // of the entries found, see keyOf
	chains  []*chain
	prepare map[string]portal.Request // by rule: to be sent again before its next request that leaves
	dead    map[string]*fetch.Error   // hosts that aren't asked any more
	staged  map[identity][]byte       // of the run that is gone on with, not yet met again
	live    map[uint32]listed         // what is published now, for the choice of details
	health  cashback.PortalHealth
	country cashback.Country // whose shops the portal lists, unless it says otherwise

	number     int  // of pages read
	detailed   bool // merchants' own pages belong to the walk
	stats      []cashback.PageStat
	specimens  int
	incomplete []string // why, in sentences
	layout     int      // pages that weren't understood
	retryAt    time.Time
}

// step is a request with its place in the walk.
type step struct {
	portal.Request
	chain *chain
	depth int
	// must says that offers are lost where the page isn't read: it isn't a sample.
	must bool
	// weight orders details: the lowest first.
	weight uint64
}

// chain is one list, page by page.
type chain struct {
	hashes map[identity]bool
	// shops are those that this list has shown, where there are others: another list
	// of the same shops, in another order, is not barren for it. nil is all that the
	// run has found.
	shops  *keySet
	barren int
	ended  bool // its end is proven
	seeded bool // a page that was asked for by itself: it has no end to prove
	broken bool // it was given up, and why is noted
	name   string
}

// listed is a fingerprint of what an entry pays.
type listed uint32

// identity is a short name of an address. 96 bits of SHA-256: among a million of
// them two are alike with a probability of 10^-17.
type identity [12]byte

func identify(s string) identity {
	sum := sha256.Sum256([]byte(s))
	return identity(sum[:12])
}

// keyOf is a shorter name, of an entry's key: there may be hundreds of thousands in
// each of many runs. Where two are alike, a page counts for one shop less, and
// nothing else.
func keyOf(key string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return h.Sum32()
}

// paying is the fingerprint of what an offer pays.
func paying(o cashback.Offer) listed {
	m, _ := gate.MeasureOf(o)
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%s %d", m.Unit, m.Value) // never fails
	return listed(h.Sum32())
}

// identityOf is a request's: its canonical URL, and the headers that change what
// is answered.
func identityOf(r portal.Request) identity {
	s := fetch.CanonicalString(r.URL)
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		s += "\n" + k + ": " + r.Header[k]
	}
	return identify(s)
}

// begin opens the run: its stage, its session, its first requests.
func (c *Crawler) begin(ctx context.Context, def *portal.Definition, o Options) (*walker, error) {
	w := &walker{
		crawler: c, def: def, options: o,
		seen: map[identity]bool{}, prepare: map[string]portal.Request{},
		dead: map[string]*fetch.Error{}, staged: map[identity][]byte{}, live: map[uint32]listed{},
	}
	// The store's own steps are short, and a run that is stopped is still stored.
	network, ctx := ctx, context.WithoutCancel(ctx)
	now := c.Now().UTC()
	stage, resumed, err := c.Stages.OpenStage(ctx, Stage{Portal: def.ID(), Run: o.Run, DefinitionVersion: def.Version(), StartedAt: now})
	if err != nil {
		return nil, err
	}
	if resumed && (now.Sub(stage.StartedAt).Abs() > c.Limits.Resume || o.Force || o.Probe) {
		if err := c.Stages.DropStage(ctx, def.ID()); err != nil {
			return nil, err
		}
		if stage, _, err = c.Stages.OpenStage(ctx, Stage{Portal: def.ID(), Run: o.Run, DefinitionVersion: def.Version(), StartedAt: now}); err != nil {
			return nil, err
		}
		resumed = false
	}
	w.run = cashback.Run{ID: stage.Run, Portal: def.ID(), DefinitionVersion: def.Version(), StartedAt: stage.StartedAt, Outcomes: map[cashback.Outcome]int{}}
	if resumed {
		for p, err := range c.Stages.StagedPages(ctx, def.ID()) {
			if err != nil {
				return nil, err
			}
			raw, err := hex.DecodeString(p.Key)
			if err != nil || len(raw) != len(identity{}) {
				return nil, cashback.Errorf(cashback.Internal, "the staged page %q isn't one of ours", short(p.Key))
			}
			w.staged[identity(raw)] = p.Value
		}
	}
	evidence, err := c.Publisher.Evidence(ctx, def.ID(), nil)
	if err != nil {
		return nil, err
	}
	w.health = evidence.Health
	for _, offer := range evidence.Live {
		w.live[keyOf(offer.Entry.Key)] = paying(offer)
	}

	if c := def.Portal().Countries; len(c) > 0 {
		w.country = c[0]
	}
	polite := def.Politeness()
	pages := w.pages()
	session, err := c.Opener.Open(fetch.Policy{
		Portal: def.ID(), Hosts: def.Origins(), Delay: polite.Delay, Language: language(def.Portal()), MaxBody: polite.MaxBody, Version: def.Version(), Force: o.Force,
		// Redirects, retries and robots.txt come on top of the pages.
		Requests: 2*pages + 50, Bytes: c.Limits.Bytes, Until: now.Add(c.Limits.Wall),
	})
	if err != nil {
		return nil, err
	}
	w.session = &past{Session: session}
	w.colly = collector(network, w.session)
	w.colly.OnResponse(func(r *colly.Response) { w.answered(r) })
	for _, r := range def.Start() {
		w.plan(r, nil, 0, 0, true)
	}
	return w, nil
}

// pages is the run's budget of pages.
func (w *walker) pages() int {
	pages := w.crawler.Limits.Pages
	if own := w.def.Politeness().Pages; own > 0 {
		pages = min(pages, own)
	}
	return pages
}

// language is what a run asks for: the portal's own locale first, so that it
// answers each run alike.
func language(p cashback.Portal) string {
	locale := p.Locale
	if locale == "" {
		return ""
	}
	if base, _, ok := strings.Cut(locale, "-"); ok {
		return locale + "," + base + ";q=0.9"
	}
	return locale
}

// seed plans a page that was asked for by itself.
func (w *walker) seed(raw string) {
	r, ok := w.def.Identify(raw)
	if !ok || w.seen[identityOf(r)] {
		return
	}
	w.plan(r, &chain{seeded: true, name: withoutQuery(raw), hashes: map[identity]bool{}}, 0, 0, true)
}

// plan puts a request on its way. The pages of one list share a chain, which starts
// where from is nil. pays is what the list says of the shop whose page it is; must
// says that nothing else states what the page does.
func (w *walker) plan(r portal.Request, from *chain, depth int, pays listed, must bool) (planned bool) {
	id := identityOf(r)
	if w.seen[id] {
		if from != nil {
			w.giveUp(from, "its next page is one that was read already")
		}
		return false
	}
	if len(w.lists)+len(w.details) >= w.crawler.Limits.Waiting {
		w.partial(fmt.Sprintf("more than %d addresses were found", w.crawler.Limits.Waiting))
		return false
	}
	w.seen[id] = true
	s := step{Request: r, chain: from, depth: depth}
	if r.Kind != portal.KindMerchant {
		if s.chain == nil && r.Kind != portal.KindPrepare {
			s.chain = &chain{name: withoutQuery(r.URL), hashes: map[identity]bool{}}
			if len(w.chains) > 0 {
				s.chain.shops = &keySet{}
				if only := w.chains[0]; only.shops == nil && !only.ended && !only.broken {
					only.shops = w.keys.clone()
				}
			}
			w.chains = append(w.chains, s.chain)
		}
		s.must = true
		w.lists = append(w.lists, s)
		return true
	}
	s.must = must || r.Key == ""
	s.weight = w.weigh(keyOf(r.Key), pays)
	w.details = append(w.details, s)
	w.detailed = true
	return true
}

// weigh orders the sample of merchants' pages: shops that are new, then those whose
// rate moved, then all others in another order in each run.
func (w *walker) weigh(key uint32, now listed) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, key, w.run.ID) // never fails
	order := h.Sum64() >> 2
	before, ok := w.live[key]
	switch {
	case !ok:
		return order
	case before != now:
		return 1<<62 | order
	}
	return 2<<62 | order
}

// walk reads pages until there is nothing left to read, or a bound is met.
func (w *walker) walk(ctx context.Context) error {
	w.progress(false)
	if stop, err := w.readLists(ctx); stop || err != nil || w.options.Probe {
		return err
	}
	for _, raw := range w.options.Seeds { // that the lists haven't led to
		w.seed(raw)
	}
	if stop, err := w.readLists(ctx); stop || err != nil {
		return err
	}
	slices.SortStableFunc(w.details, func(a, b step) int {
		if a.must != b.must {
			if a.must {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.weight, b.weight)
	})
	for len(w.details) > 0 {
		s := w.details[0]
		if !s.must && w.number >= w.pages() {
			return nil // a sample may be small
		}
		w.details = w.details[1:]
		if stop, err := w.read(ctx, s); stop || err != nil {
			return err
		}
		// A merchant's page may lead to further pages of lists.
		if stop, err := w.readLists(ctx); stop || err != nil {
			return err
		}
	}
	return nil
}

// readLists reads the lists' pages that are planned, and those that they lead to.
func (w *walker) readLists(ctx context.Context) (stop bool, err error) {
	for len(w.lists) > 0 {
		s := w.lists[0]
		w.lists = w.lists[1:]
		if stop, err := w.read(ctx, s); stop || err != nil {
			return stop, err
		}
	}
	return false, nil
}

// read takes one page: from the stage where it was read before the run was
// interrupted, else from the site. stop ends the walk.
func (w *walker) read(ctx context.Context, s step) (stop bool, err error) {
	id := identityOf(s.Request)
	if raw, ok := w.staged[id]; ok {
		delete(w.staged, id)
		r, err := decodeReading(raw)
		if err != nil {
			return true, err
		}
		w.number = max(w.number, r.Number)
		if s.Kind == portal.KindPrepare {
			w.prepare[s.Rule] = s.Request // its session is gone
		}
		w.take(s, r)
		return w.options.Probe && s.Kind == portal.KindList, nil
	}
	known := w.options.Known == nil || w.options.Known(s.URL)
	if !known {
		if s.Kind != portal.KindMerchant || s.must {
			w.lost(s, "it isn't among the recorded pages")
		}
		return false, nil
	}
	if ctx.Err() != nil {
		return w.end(s, FinishCanceled, "the run was stopped"), nil
	}
	if w.number >= w.pages() {
		return w.end(s, FinishPages, fmt.Sprintf("the run has read its %d pages", w.pages())), nil
	}
	if host := hostOf(s.URL); w.dead[host] != nil {
		w.lost(s, w.dead[host].Reason)
		return false, nil
	}
	if p, ok := w.prepare[s.Rule]; ok && s.Kind != portal.KindPrepare {
		delete(w.prepare, s.Rule)
		if stop, err := w.prepared(ctx, s, p); stop || err != nil {
			return stop, err
		}
	}
	got, err := w.visit(ctx, s.Request)
	if err != nil {
		return true, err
	}
	if got.err != nil {
		return w.failed(s, got.err), nil
	}
	r, err := w.readPage(ctx, s, got.page)
	if err != nil {
		return true, err
	}
	raw, err := r.encode()
	if err != nil {
		return true, err
	}
	if err := w.crawler.Stages.StagePage(context.WithoutCancel(ctx), w.def.ID(), w.run.ID, StagedPage{Key: hex.EncodeToString(id[:]), Value: raw}); err != nil {
		return true, err
	}
	w.take(s, r)
	if r.Outcome == cashback.PageBlocked {
		return w.end(s, FinishBlocked, "the site blocks us: "+r.Reason), nil
	}
	return false, nil
}

// prepared repeats the request that a rule's others need, in a run that is gone on
// with: its answer was read before.
func (w *walker) prepared(ctx context.Context, s step, p portal.Request) (stop bool, err error) {
	got, err := w.visit(ctx, p)
	if err != nil {
		return true, err
	}
	w.number++
	if got.err != nil {
		return w.failed(s, got.err), nil
	}
	return false, nil
}

// readPage has a page read, and turns its items into drafts.
func (w *walker) readPage(ctx context.Context, s step, p portal.Page) (*reading, error) {
	got := w.extract(p)
	w.number++
	sum := sha256.Sum256(p.Body)
	r := &reading{
		Body: hex.EncodeToString(sum[:]), Number: w.number, URL: p.URL, ReadAt: p.ReadAt, Outcome: got.Outcome, Reason: got.Reason, Detail: s.Kind == portal.KindMerchant,
		Next: got.Next, End: got.End, Total: got.Total, Hash: got.Hash, Rule: cmp.Or(got.Rule, s.Rule), Filled: got.Stat.Filled, Items: len(got.Items),
	}
	for _, i := range got.Issues {
		r.Notes = append(r.Notes, i.Code+": "+i.Detail)
	}
	if len(got.Items) == 0 { // nothing on it can be compared but its bytes
		r.Hash = r.Body
	}
	r.Offers = make([]draft, 0, len(got.Items))
	for i := range got.Items {
		r.Offers = append(r.Offers, w.draft(s, &got.Items[i]))
	}
	switch got.Outcome {
	case cashback.PageNotUnderstood, cashback.PageUnparseable, cashback.PagePanicked, cashback.PageScriptShell, cashback.PageBlocked:
		if w.crawler.Specimens != nil && w.specimens < w.crawler.Limits.Specimens {
			w.specimens++
			if err := w.crawler.Specimens.SaveSpecimen(ctx, w.def.ID(), w.run.ID, p.URL, p.ContentType, p.Body); err != nil {
				w.note("a page that wasn't understood can't be kept: " + err.Error())
			}
		}
	}
	return r, nil
}

// extract reads a page. The reader doesn't panic; should it all the same, it is
// that page's outcome and no one else's.
func (w *walker) extract(p portal.Page) (got portal.Reading) {
	defer func() {
		if v := recover(); v != nil {
			w.crawler.Logger.Error("reading a page panicked", "portal", w.def.ID(), "url", withoutQuery(p.URL), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			got = portal.Reading{Outcome: cashback.PagePanicked, Reason: "reading it ended in a fault of ours", Rule: p.Request.Rule}
		}
	}()
	return w.crawler.read(w.def, p)
}

// draft makes an offer of an item; the rest of its receipt is the page's.
func (w *walker) draft(s step, it *portal.Item) draft {
	o := cashback.Offer{
		Entry: it.Entry, Kind: it.Reward.Kind, Tiers: it.Offered(), Previous: it.Reward.Previous, PreviousText: it.PreviousText,
		ValidationDays: it.ValidationDays, Status: cashback.OK, Conditions: it.Conditions,
		Receipt: cashback.Receipt{RawText: it.RateText},
	}
	if o.Entry.Country == "" {
		o.Entry.Country = w.country
	}
	if len(o.Tiers) > 0 && !o.Kind.Pays() {
		// The headline says nothing, the table of tiers does.
		o.Kind = o.Tiers[0].Components[0].Kind
	}
	if o.Kind == cashback.Unknown {
		o.Unread = it.Reward.Reason
	}
	return draft{Offer: o, Tiered: len(it.Tiers) > 0, Key: s.Key}
}

// take enters a page that was read, now or before an interruption.
func (w *walker) take(s step, r *reading) {
	w.run.Pages++
	if s.Kind != portal.KindPrepare {
		w.run.Outcomes[r.Outcome]++
	}
	// A page that was asked for by itself says nothing about the definition's own.
	if s.Kind != portal.KindPrepare && !(s.chain != nil && s.chain.seeded && r.Items == 0) {
		w.stats = append(w.stats, cashback.PageStat{URL: r.URL, Rule: r.Rule, Outcome: r.Outcome, Items: r.Items, Filled: r.Filled})
	}
	for _, n := range r.Notes {
		w.note(withoutQuery(r.URL) + ": " + n)
	}
	fresh := 0
	pays := map[string]listed{}
	for _, d := range r.Offers {
		if len(r.Next) > 1 {
			pays[d.Offer.Entry.Key] = paying(d.Offer)
		}
		key := keyOf(cmp.Or(d.Key, d.Offer.Entry.Key))
		known := w.keys.has(key)
		if c := s.chain; c != nil && c.shops != nil {
			if c.shops.add(key) {
				fresh++
			}
		} else if c != nil && !known {
			fresh++
		}
		if known {
			continue
		}
		if w.keys.len() >= w.crawler.Limits.Items {
			w.partial(fmt.Sprintf("more than %d shops were found", w.crawler.Limits.Items))
			break
		}
		w.keys.add(key)
	}
	switch r.Outcome {
	case cashback.PageNotUnderstood, cashback.PageUnparseable, cashback.PagePanicked, cashback.PageScriptShell, cashback.PageBlocked:
		w.layout++
		w.lost(s, cmp.Or(r.Reason, string(r.Outcome)))
	case cashback.PageNotFound:
		if (s.chain != nil || s.Kind == portal.KindPrepare) && !r.End {
			w.lost(s, "the site doesn't have it")
		}
	}
	if s.chain != nil && r.End {
		s.chain.ended = true
	}
	if c := s.chain; c != nil && c.ended && c.shops != nil {
		c.shops = &keySet{} // nothing is asked of it any more
	}
	var following []portal.Request // the list's own next pages
	for _, next := range r.Next {
		depth := s.depth
		switch {
		case next.Kind == s.Kind && next.Rule == s.Rule && s.Kind != portal.KindSitemap:
			following = append(following, next)
			continue
		case s.Kind == portal.KindPrepare:
		case next.Depth > 0: // the definition's reader bounds sitemaps within sitemaps
		default:
			depth = s.depth + 1
		}
		if depth > w.crawler.Limits.Depth {
			w.partial(fmt.Sprintf("pages lie more than %d steps away from the definition's addresses", w.crawler.Limits.Depth))
			break
		}
		// A list with rates makes its shops' pages a sample; a directory doesn't.
		if w.plan(next, nil, depth, pays[next.Key], s.Kind != portal.KindList || r.Outcome == cashback.PageNoRates) {
			fresh++
		}
	}
	if s.chain != nil {
		w.follow(s, r, fresh)
		for _, next := range following {
			if !s.chain.broken && !s.chain.ended && !w.options.Probe && !s.chain.seeded {
				w.plan(next, s.chain, s.depth, 0, true)
			}
		}
		if len(following) == 0 {
			w.giveUp(s.chain, "its end isn't proven")
		}
	}
	w.progress(false)
}

// follow watches a list for its end, and for never ending.
func (w *walker) follow(s step, r *reading, fresh int) {
	c := s.chain
	if c.ended || c.broken {
		return
	}
	hash := identify(r.Hash)
	if c.hashes[hash] {
		w.giveUp(c, "it shows the same page again")
		return
	}
	c.hashes[hash] = true
	if fresh > 0 {
		c.barren = 0
	} else if c.barren++; c.barren >= w.crawler.Limits.Barren {
		w.giveUp(c, fmt.Sprintf("%d pages in a row hold no new shop", c.barren))
	}
}

// giveUp ends a list without its end being proven.
func (w *walker) giveUp(c *chain, why string) {
	if c == nil || c.broken || c.ended || c.seeded {
		return
	}
	c.broken = true
	w.partial(c.name + ": " + why)
}

// failed enters a request that brought no page.
func (w *walker) failed(s step, e *fetch.Error) (stop bool) {
	if e.Budget == FinishCanceled {
		return w.end(s, FinishCanceled, "the run was stopped")
	}
	if e.RetryAt.After(w.retryAt) {
		w.retryAt = e.RetryAt
	}
	if e.Budget != "" {
		return w.end(s, e.Budget, e.Reason)
	}
	w.run.Outcomes[e.Outcome]++
	w.stats = append(w.stats, cashback.PageStat{URL: s.URL, Rule: s.Rule, Outcome: e.Outcome})
	if e.Outcome == cashback.PageBlocked {
		return w.end(s, FinishBlocked, e.Reason)
	}
	if e.Host {
		host := hostOf(s.URL)
		w.dead[host] = e
		finish := FinishError
		if e.Outcome == cashback.FetchRobotsDenied {
			finish = FinishRobots
		}
		if w.run.Finish == "" {
			w.run.Finish = finish
		}
	} else if e.Outcome == cashback.FetchRobotsDenied && s.chain != nil && w.run.Finish == "" {
		w.run.Finish = FinishRobots
	}
	w.lost(s, e.Reason)
	return false
}

// end stops the walk.
func (w *walker) end(s step, finish, why string) bool {
	w.run.Finish = finish
	w.lost(s, why)
	for _, waiting := range w.lists {
		w.lost(waiting, why)
	}
	return true
}

// lost notes that a page wasn't read. Only where offers may be missing for it is
// the run partial.
func (w *walker) lost(s step, why string) {
	if s.chain == nil && !s.must {
		w.note(withoutQuery(s.URL) + ": " + why)
		return
	}
	if s.chain != nil {
		if s.chain.broken {
			return
		}
		s.chain.broken = true
	}
	w.partial(withoutQuery(s.URL) + ": " + why)
}

// partial says why the run can't be complete.
func (w *walker) partial(why string) {
	const most = 20
	if len(w.incomplete) < most && !slices.Contains(w.incomplete, why) {
		w.incomplete = append(w.incomplete, why)
	}
}

func (w *walker) note(text string) {
	const most = 40
	if len(w.run.Notes) < most && !slices.Contains(w.run.Notes, text) {
		w.run.Notes = append(w.run.Notes, text)
	}
}

func (w *walker) progress(done bool) {
	if w.options.Progress == nil {
		return
	}
	details := len(w.details)
	if left := w.pages() - w.number - len(w.lists); details > left {
		details = max(left, 0)
	}
	w.options.Progress(Progress{Portal: w.def.ID(), Run: w.run.ID, Pages: w.run.Pages, Known: w.run.Pages + len(w.lists) + details, Offers: w.keys.len(), Done: done})
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// withoutQuery is a URL fit for reports and logs.
func withoutQuery(raw string) string {
	raw, _, _ = strings.Cut(raw, "#")
	raw, query, ok := strings.Cut(raw, "?")
	if ok && len(query) <= 40 { // a page number or a letter says which page it was
		raw += "?" + query
	}
	if len(raw) > 200 {
		raw = raw[:200] + "…"
	}
	return raw
}

func short(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

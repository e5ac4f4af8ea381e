package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/reward"
)

// Read reads a fetched page. It never fails: what can't be read is an outcome
// with its reason. Page.Request says by which rule; a page without one is read by
// the rule that its address fits, see Identify.
func (d *Definition) Read(p Page) (r Reading) {
	rule := d.ruleNamed(p.Request.Rule)
	if rule == nil {
		return d.readUnasked(p)
	}
	return d.readBy(rule, p)
}

func (d *Definition) ruleNamed(name string) *rule {
	for _, r := range d.rules {
		if r.name == name {
			return r
		}
	}
	return nil
}

// readUnasked reads a page that no request stands behind: by the rules that its
// address fits, best first, else by each in turn, until one understands it.
func (d *Definition) readUnasked(p Page) Reading {
	address := p.Request.URL
	if address == "" {
		address = p.URL
	}
	candidates := d.identify(address)
	if len(candidates) == 0 {
		for _, r := range d.rules {
			if r.kind != KindSitemap {
				candidates = append(candidates, candidate{rule: r, request: Request{URL: address, Rule: r.name, Kind: r.kind}})
			}
		}
	}
	var first Reading
	for i, c := range candidates {
		q := p
		q.Request = c.request
		q.Request.Header = p.Request.Header
		r := d.readBy(c.rule, q)
		if r.Outcome != cashback.PageNotUnderstood && r.Outcome != cashback.PageScriptShell {
			return r
		}
		if i == 0 {
			first = r
		}
	}
	return first
}

// Identify makes the request that an address would have come from, by the rule that
// it fits best; false where it fits none.
func (d *Definition) Identify(address string) (Request, bool) {
	fits := d.identify(address)
	if len(fits) == 0 {
		return Request{}, false
	}
	return fits[0].request, true
}

type candidate struct {
	rule    *rule
	request Request
	score   int
}

// identify lists the rules that an address fits, the most exact first, each with
// the request that would have led there.
func (d *Definition) identify(address string) (out []candidate) {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	for _, r := range d.rules {
		best := candidate{score: -1}
		for _, p := range r.patterns {
			vars, score, ok := p.match(u)
			if !ok || p.any && (r.match == nil || !r.match.MatchString(address)) || r.match != nil && !r.match.MatchString(address) {
				continue
			}
			if score > best.score {
				best = candidate{rule: r, score: score, request: r.requestFor(address, p.template, vars)}
			}
		}
		if best.score < 0 && r.match != nil && r.match.MatchString(address) {
			best = candidate{rule: r, score: 0, request: Request{URL: address, Rule: r.name, Kind: r.kind}}
		}
		if best.score >= 0 {
			out = append(out, best)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].score > out[j].score })
	return out
}

// requestFor is the request that a template makes for an address.
func (r *rule) requestFor(address, template string, vars map[string]string) Request {
	q := Request{URL: address, Rule: r.name, Kind: r.kind, Template: template, Vars: vars}
	if r.paging == nil {
		return q
	}
	if position, ok := vars[r.paging.param]; ok {
		q.Position = position
		delete(vars, r.paging.param)
		var n int
		if _, err := fmt.Sscanf(position, "%d", &n); err == nil && r.paging.step > 0 && n >= r.paging.from {
			q.Number = (n - r.paging.from) / r.paging.step
			if q.Seen = -1; r.paging.param == "offset" || q.Number == 0 {
				q.Seen = n - r.paging.from
			}
		} else if r.paging.param == "cursor" && position != "" {
			q.Number = 1
		}
	}
	return q
}

// readBy reads a page by a rule; a panic is the page's outcome.
func (d *Definition) readBy(rule *rule, p Page) (r Reading) {
	e := newReader(d, &p)
	e.rule = rule
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case tooCostly:
			r = Reading{Outcome: cashback.PageUnparseable, Reason: "reading the page costs more than a page may"}
		default:
			r = Reading{Outcome: cashback.PagePanicked, Reason: short(fmt.Sprint("the reader failed: ", cause))}
		}
		r.Rule = rule.name
		r.Issues = append(r.Issues, e.issues...)
		r.Stat.URL, r.Stat.Rule, r.Stat.Outcome = p.URL, rule.name, r.Outcome
		if r.Outcome != cashback.PageOK && r.Outcome != cashback.PageNoCashback && r.Outcome != cashback.PageNoRates && r.Outcome != cashback.PagePastEnd {
			// What isn't understood leads nowhere.
			r.Items, r.Next, r.End = nil, nil, false
		}
	}()
	limit := int64(DefaultMaxBody)
	if d.politeness.MaxBody > 0 {
		limit = d.politeness.MaxBody
	}
	if int64(len(p.Body)) > limit {
		return Reading{Outcome: cashback.FetchTooLarge, Reason: fmt.Sprintf("the page has %d bytes: at most %d", len(p.Body), limit)}
	}
	switch {
	case p.Request.Kind == KindPrepare:
		if s := e.status(); s >= 400 {
			return Reading{Outcome: cashback.PageNotFound, Reason: fmt.Sprintf("the preparing request was answered with %d", s)}
		}
		return Reading{Outcome: cashback.PageNoRates, Reason: "a preparing request is not read", Next: d.begin(rule), End: true}
	case rule.kind == KindSitemap:
		return e.sitemap()
	}
	return e.read()
}

// read is the reading of a list, a directory or a merchant page.
func (e *reader) read() Reading {
	top := &scope{e: e}
	switch {
	case !e.rule.inJSON:
		top.node = e.html()
	case e.rule.lists[0].json != nil && e.rule.lists[0].json.plain():
		if d := e.body(); d != nil {
			top.doc, top.val = d, d.root
		}
	}
	if out, ok := e.signed(top, -1); ok {
		// A shop's page that says so is an observation of the shop all the same.
		if out.Outcome == cashback.PageNoCashback && e.rule.kind == KindMerchant {
			items, _ := e.extract(top)
			for i := range items {
				it := &items[i]
				it.Reward = cashback.Reward{Raw: it.RateText, Kind: cashback.NoCashback, Reason: out.Reason}
				it.Tiers = nil
				it.hash()
			}
			out.Items = items
			e.count(&out)
		}
		if out.Outcome == cashback.PagePastEnd {
			out.End = e.whole(&out, e.page.Request.Seen)
		}
		return out
	}
	switch s := e.status(); {
	case s == http.StatusNotFound || s == http.StatusGone:
		return Reading{Outcome: cashback.PageNotFound, Reason: fmt.Sprintf("the status is %d", s)}
	case s == http.StatusUnauthorized || s == http.StatusForbidden || s == http.StatusTooManyRequests:
		return Reading{Outcome: cashback.PageBlocked, Reason: fmt.Sprintf("the status is %d", s)}
	case s >= 400:
		return Reading{Outcome: cashback.PageNotUnderstood, Reason: fmt.Sprintf("the status is %d", s)}
	}
	items, why := e.extract(top)
	if e.htmlErr != nil {
		return Reading{Outcome: cashback.PageUnparseable, Reason: reason(e.htmlErr)}
	}
	r := Reading{Items: items}
	if e.rule.kind == KindMerchant && len(items) > 1 && e.rule.lists[0].json == nil && e.rule.lists[0].sel == nil {
		r.Items = items[:1]
	}
	e.total(top, &r)
	if out, ok := e.signed(top, len(items)); ok {
		if out.Outcome == cashback.PagePastEnd {
			out.Total = r.Total
			out.End = e.whole(&out, e.page.Request.Seen)
		}
		return out
	}
	if len(items) == 0 && e.left > 0 && why == "" && e.page.Request.Number > 0 {
		// A later page of which the conditions leave nothing is not behind the last.
		r.Outcome, r.Reason = cashback.PageNoRates, "the list's conditions leave out all entries of the page"
		r.Next = e.onward(top, &r)
		return r
	}
	if out, ok := e.emptyEnd(top, &r, why); ok {
		return out
	}
	if why == "" {
		why = e.unexpected(top, &r)
	}
	if why != "" {
		out := e.general()
		switch out.Outcome {
		case cashback.PageOK, cashback.PageNoRates, cashback.PageNotUnderstood, cashback.PageNoCashback, cashback.PagePastEnd:
			// What a definition should read and doesn't isn't guessed at.
			out = Reading{Outcome: cashback.PageNotUnderstood, Reason: why}
		}
		return out
	}
	r.Outcome, r.Reason = e.judge(r.Items)
	e.count(&r)
	r.Next = append(e.onward(top, &r), e.links(top, &r)...)
	entries := len(r.Items)
	if e.rule.kind == KindDirectory {
		r.Items = nil
	}
	if len(e.rule.follow) > 0 && len(r.Next) == 0 && entries == 0 {
		return Reading{Outcome: cashback.PageNotUnderstood, Reason: "the page leads nowhere"}
	}
	return r
}

// signed asks the definition's signs, then the rule's; items is -1 before the
// entries are read.
func (e *reader) signed(top *scope, items int) (Reading, bool) {
	for _, list := range []signs{e.def.signs, e.rule.signs} {
		for _, s := range list {
			if s.when.waits(e.rule) == (items < 0) {
				continue
			}
			if s.when.holds(top, items) {
				return Reading{Outcome: s.outcome, Reason: s.when.source}, true
			}
		}
	}
	return Reading{}, false
}

// emptyEnd recognises the page after a list's last one: no entries, and the rest
// of the page as it should be.
func (e *reader) emptyEnd(top *scope, r *Reading, why string) (Reading, bool) {
	p := e.rule.paging
	q := &e.page.Request
	if len(r.Items) > 0 || e.rule.kind == KindMerchant || p == nil || e.jsonErr != nil {
		return Reading{}, false // what can't be read at all isn't the end of anything
	}
	if x := e.rule.expect; x != nil && x.there(top) == 0 && !x.isItems(e.rule) {
		return Reading{}, false
	}
	if why != "" {
		return Reading{}, false
	}
	if out := e.general(); out.Outcome == cashback.PageBlocked || out.Outcome == cashback.PageScriptShell || out.Outcome == cashback.PageNotFound {
		return out, true // a wall behind the last page proves nothing
	}
	declared := e.declared(r)
	proven := p.untilEmpty || p.size > 0 || declared > 0 && q.Seen+q.Left >= declared
	for _, u := range p.until {
		proven = proven || u.holds(top, 0)
	}
	if q.Number == 0 && !e.saysNothing(top) && !e.bare() {
		// A first page without entries is more likely a changed layout than an empty
		// list, unless the portal says that there are none or the list's own place is
		// bare.
		return Reading{}, false
	}
	if !proven && q.Number == 0 {
		proven = true
	}
	reason := "the page has no entries"
	switch {
	case !proven:
		reason += ", and nothing proves that the list is at its end"
	case !e.whole(r, q.Seen):
		proven = false
		reason += fmt.Sprintf(", but those before have %d of the %d that the portal declares", q.Seen, declared)
	}
	return Reading{Outcome: cashback.PagePastEnd, Reason: reason, End: proven, Total: r.Total}, true
}

// saysNothing: the portal's own count of entries is there and is zero.
func (e *reader) saysNothing(top *scope) bool {
	if p := e.rule.paging; p != nil && p.total != nil {
		got := p.total.read(top)
		n, ok := count(got.text)
		return got.ok && ok && n == 0
	}
	return false
}

// bare says whether the places that a list's entries stand in are there and hold
// no link at all, as an empty category's do.
func (e *reader) bare() bool {
	for _, l := range e.rule.lists {
		root := e.html()
		if l.within == nil || l.sel == nil || root == nil {
			return false
		}
		places, links := 0, 0
		l.within.all(root, &e.meter, func(n *html.Node) bool {
			places++
			for c := next(n, n); c != nil; c = next(c, n) {
				if c.DataAtom == atom.A || c.DataAtom == atom.Img {
					links++
				}
			}
			return links == 0
		})
		if places == 0 || links > 0 {
			return false
		}
	}
	return len(e.rule.lists) > 0
}

// isItems says whether the expected selector is that of the entries themselves.
func (x *expect) isItems(r *rule) bool {
	if x.sel == nil && x.path == nil {
		return true
	}
	for _, l := range r.lists {
		if l.sel != nil && l.sel.source == x.source {
			return true
		}
	}
	return false
}

// there counts what the expected selector or path finds.
func (x *expect) there(top *scope) (n int) {
	e := top.e
	switch {
	case x.sel != nil:
		if root := e.html(); root != nil {
			x.sel.all(root, &e.meter, func(*html.Node) bool {
				n++
				return n <= maxItems
			})
		}
	case x.path != nil:
		x.path.walk(top.doc, top.val, func(_ string, v *value) bool {
			switch {
			case v.kind >= jsonArray && !x.path.each:
				n += max(1, len(v.list))
			case v.kind != jsonNull:
				n++
			}
			return n <= maxItems
		})
	}
	return n
}

// unexpected checks the rule's expectations and says which one fails.
func (e *reader) unexpected(top *scope, r *Reading) string {
	x := e.rule.expect
	wanted := len(e.rule.lists) > 0 && (e.rule.kind != KindDirectory || len(e.rule.follow) == 0)
	if x == nil {
		if len(r.Items) == 0 && wanted {
			return "the page has no entries"
		}
		return ""
	}
	if x.title != nil && !x.title.MatchString(e.title()) {
		return fmt.Sprintf("the title is “%s”, which doesn't match %s", short(e.title()), x.title)
	}
	if x.text != nil && !x.text.MatchString(e.wholeText()) {
		return "the page nowhere says " + x.text.String()
	}
	if x.canonical {
		if own, ok := e.canonical(); !ok {
			return "the page has no canonical address"
		} else if u, err := url.Parse(own); err == nil {
			asked, err := url.Parse(e.page.Request.URL)
			if err == nil && asked.Host != "" && (!sameHost(u.Host, asked.Host) || !strings.EqualFold(strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(asked.Path, "/"))) {
				return "the page is about another address: " + short(own)
			}
		}
	}
	least := x.min
	if e.page.Request.Number > 0 {
		least = min(least, 1)
	}
	if x.sel != nil || x.path != nil {
		if n := x.there(top); n < max(1, least) {
			return fmt.Sprintf("%d of %s: at least %d expected", n, x.source, max(1, least))
		}
	} else if len(r.Items) < least {
		return fmt.Sprintf("%d entries: at least %d expected", len(r.Items), least)
	}
	if len(r.Items) == 0 && wanted {
		return "the page has no entries"
	}
	if x.rates > 0 {
		known := 0
		for i := range r.Items {
			if it := &r.Items[i]; it.RateText != "" || it.Reward.Kind != cashback.Unknown || len(it.Tiers) > 0 {
				known++
			}
		}
		if known*100 < x.rates*len(r.Items) {
			return fmt.Sprintf("%d of %d entries have a rate or say that there is none: %d %% expected", known, len(r.Items), x.rates)
		}
	}
	return ""
}

// judge says what a page with entries is.
func (e *reader) judge(items []Item) (cashback.Outcome, string) {
	if e.rule.kind == KindDirectory || !slices.ContainsFunc(e.rule.lists, func(l *list) bool { return l.reward != nil || l.tiers != nil }) {
		return cashback.PageNoRates, "the list states no rates"
	}
	rated, none, unread, counted := 0, 0, 0, 0
	first, thing := "", ""
	for i := range items {
		switch it := &items[i]; {
		case it.Pays():
			rated++
		case it.Reward.Kind == cashback.NoCashback || it.Reward.Kind == cashback.NotCashback:
			if none++; it.Reward.Reason == reward.ReasonCount {
				counted++
				thing = it.RateText
			}
		case it.RateText != "":
			if unread++; first == "" {
				first = it.RateText
			}
		}
	}
	switch {
	case rated > 0:
		return cashback.PageOK, ""
	case unread > 0:
		return cashback.PageNotUnderstood, "no rate can be read, such as “" + short(first) + "”"
	case counted > 0 && counted == none:
		return cashback.PageNotUnderstood, "no rate can be read, such as “" + short(thing) + "”: is its unit the portal's own points, or does its locale lack a word?"
	case none > 0:
		return cashback.PageNoCashback, "the page states no cashback"
	}
	return cashback.PageNotUnderstood, "no entry has a rate, and none says that there is none"
}

// Pays reports whether the headline or one of the tiers pays something.
func (it *Item) Pays() bool {
	if it.Reward.Kind.Pays() {
		return true
	}
	for i := range it.Tiers {
		if it.Tiers[i].Reward.Kind.Pays() {
			return true
		}
	}
	return false
}

// count fills the page's statistics and hash.
func (e *reader) count(r *Reading) {
	filled, of := 0, 0
	h := sha256.New()
	for i := range r.Items {
		it := &r.Items[i]
		of += 3
		for _, has := range []bool{it.Name != "", it.RateText != "" || len(it.Tiers) > 0 || it.Reward.Kind == cashback.NoCashback, it.Link != ""} {
			if has {
				filled++
			}
		}
		h.Write([]byte(it.Hash))
	}
	r.Stat.Items = len(r.Items)
	if of > 0 {
		r.Stat.Filled = filled * 1000 / of
	}
	r.Hash = hex.EncodeToString(h.Sum(nil)[:16])
}

// extract reads the entries of all the rule's lists, in the page's order. why
// says which list is missing.
func (e *reader) extract(top *scope) (items []Item, why string) {
	var at []int // where each entry stands, of several lists
	ordered := len(e.rule.lists) > 1
	for _, l := range e.rule.lists {
		scopes, missing := e.entries(top, l)
		if missing != "" && !l.optional && why == "" {
			why = missing
		}
		if l.leadsOnly(e.rule) {
			continue
		}
		items = slices.Grow(items, min(len(scopes), maxItems-len(items)))
		first := len(items)
		for _, s := range scopes {
			e.meter.spend(10)
			if len(items) >= maxItems {
				e.issue("dropped", fmt.Sprintf("more than %d entries", maxItems))
				break
			}
			it, ok := e.item(s, l)
			if !ok {
				continue
			}
			items = append(items, it)
			if ordered {
				place := 0
				if s.node != nil {
					place = e.place(s.node)
				}
				at = append(at, place)
			}
		}
		e.nowhere(l, items[first:])
	}
	if ordered {
		order := make([]int, len(items))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return at[a] - at[b] })
		sorted := make([]Item, len(items))
		for i, from := range order {
			sorted[i] = items[from]
		}
		items = sorted
	}
	return items, why
}

// nowhere tells of fields that the definition reads and no entry has: a selector that
// doesn't fit, or no longer does. Former rates and conditions may well be absent.
func (e *reader) nowhere(l *list, items []Item) {
	const few = 5
	if len(items) < few {
		return
	}
	for _, f := range []struct {
		name  string
		field *field
		text  func(*Item) string
	}{
		{"link", l.link, func(it *Item) string { return it.Link }},
		{"logo", l.logo, func(it *Item) string { return it.Logo }},
		{"domain", l.domain, func(it *Item) string { return it.Domain }},
		{"category", l.category, func(it *Item) string { return it.Category }},
		{"id", l.id, func(it *Item) string { return it.ID }},
	} {
		if f.field != nil && slices.ContainsFunc(f.field.ways, (*way).asked) && !slices.ContainsFunc(items, func(it Item) bool { return f.text(&it) != "" }) {
			e.issue("field", fmt.Sprintf("%s is nowhere found in %d entries", f.name, len(items)))
		}
	}
}

// keyed says that entries are named by a map's members: one whose value is null is
// an entry all the same.
func (f *field) keyed() bool {
	return f != nil && slices.ContainsFunc(f.ways, func(w *way) bool {
		return slices.ContainsFunc(w.picks, func(p *pick) bool { return p.kind == pickKey })
	})
}

// asked says that a definition wrote the field, which a split or pattern may name and
// needn't.
func (w *way) asked() bool { return len(w.picks) != 1 || w.picks[0].kind != pickGroup }

// entries are the scopes of a list's entries.
func (e *reader) entries(top *scope, l *list) (out []*scope, why string) {
	if l.json != nil {
		base, chosen, why := l.json.choose(e, e.rule.kind == KindMerchant)
		if base.val != nil && (top.val == nil || l.json.find != nil && l == e.rule.lists[0]) {
			top.doc, top.val = base.doc, base.val
		}
		if why != "" {
			return nil, why
		}
		for i, c := range chosen {
			v := c.doc.follow(c.val)
			if v == nil || v.kind == jsonNull && !l.title.keyed() {
				continue
			}
			s := &scope{e: e, val: v, doc: c.doc, key: c.key, index: i, up: &scope{e: e, val: base.val, doc: base.doc}}
			if l.where.holds(s, -1) {
				out = append(out, s)
			} else {
				e.left++
			}
		}
		return out, ""
	}
	if l.pattern != nil {
		for _, m := range l.pattern.FindAllStringSubmatch(e.bodyText(), maxItems+1) {
			groups := map[string]string{}
			for i, name := range l.pattern.SubexpNames() {
				if name != "" {
					groups[name] = m[i]
				}
			}
			s := &scope{e: e, index: len(out), groups: groups}
			if l.where.holds(s, -1) {
				out = append(out, s)
			} else {
				e.left++
			}
		}
		return out, ""
	}
	root := e.html()
	if root == nil {
		if e.htmlErr == nil {
			return nil, "the page isn't HTML"
		}
		return nil, reason(e.htmlErr)
	}
	bases := []*html.Node{root}
	if l.within != nil {
		bases = nil
		l.within.all(root, &e.meter, func(n *html.Node) bool {
			// An element within another that matches is covered already.
			if len(bases) == 0 || !inside(n, bases[len(bases)-1]) {
				bases = append(bases, n)
			}
			return len(bases) < maxLinks
		})
		if len(bases) == 0 {
			return nil, "there is no " + l.within.source
		}
	}
	if l.sel == nil {
		return []*scope{{e: e, node: bases[0]}}, ""
	}
	for _, b := range bases {
		l.sel.all(b, &e.meter, func(n *html.Node) bool {
			if l.exclude != nil && l.exclude.around(n, &e.meter) != nil {
				return true
			}
			s := &scope{e: e, node: n, index: len(out)}
			if l.where.holds(s, -1) {
				out = append(out, s)
			} else {
				e.left++
			}
			return len(out) <= maxItems
		})
	}
	for i, s := range out[:max(len(out)-1, 0)] {
		if s.after = out[i+1]; s.after.node.Parent != s.node.Parent {
			s.after = nil
		}
		if len(l.split) == 0 {
			s.titled = l.title
		}
	}
	return out, ""
}

func inside(n, outer *html.Node) bool {
	for ; n != nil; n = n.Parent {
		if n == outer {
			return true
		}
	}
	return false
}

// item reads one entry; ok is false where it has no name.
func (e *reader) item(s *scope, l *list) (it Item, ok bool) {
	for _, sp := range l.split {
		for _, p := range sp.picks {
			p.walk(s, func(f found) bool {
				text := plain(f.text, maxConditions)
				for _, m := range sp.match {
					got := m.FindStringSubmatch(text)
					if got == nil {
						continue
					}
					if s.groups == nil {
						s.groups = map[string]string{}
					}
					for i, name := range m.SubexpNames() {
						if name != "" && got[i] != "" && s.groups[name] == "" {
							s.groups[name] = squeeze(got[i])
						}
					}
					return false
				}
				return true
			})
		}
	}
	it.List = l.name
	if it.Name = l.title.text(s); it.Name == "" {
		e.issue("dropped", "an entry without a name")
		return it, false
	}
	if entityForm.MatchString(it.Name) {
		e.issue("entities", short(it.Name)+": decode: [html] reads what stands for letters")
	}
	if confusable(it.Name) {
		e.issue("confusable", short(it.Name))
	}
	it.Reward, it.RateText = e.reward(l.reward, s)
	it.PreviousText = e.previous(l.previous, s, &it.Reward)
	for _, t := range l.tiers {
		it.Tiers = e.tiers(s, t, it.Tiers)
	}
	if it.RateText == "" && len(it.Tiers) > 0 {
		it.Reward = headline(it.Tiers)
		it.RateText = it.Reward.Raw
	}
	if e.def != nil {
		it.Country = e.def.portal.Countries[0]
	}
	if c := strings.ToUpper(l.country.text(s)); countryForm.MatchString(c) {
		if it.Country = cashback.Country(c); c == "UK" {
			it.Country = "GB"
		}
	}
	it.Category = plain(l.category.text(s), maxName)
	it.Domain = domain(l.domain.text(s))
	it.Conditions = l.conditions.text(s)
	it.ValidationDays = days(l.validation.text(s))
	it.TrackingDays = days(l.tracking.text(s))
	it.ID = l.id.text(s)
	if u, ok := absolute(e.base(), l.logo.text(s)); ok {
		it.Logo = u.String()
	}
	for name, v := range l.vars {
		if text := v.text(s); text != "" {
			if it.vars == nil {
				it.vars = map[string]string{}
			}
			it.vars[name] = text
		}
	}
	e.address(s, l, &it)
	it.hash()
	return it, true
}

var entityForm = regexp.MustCompile(`&(?:#\d+|#x[0-9a-fA-F]+|[a-zA-Z]{2,8});`)

// address fills an entry's link and key.
func (e *reader) address(s *scope, l *list, it *Item) {
	raw := l.link.text(s)
	if raw == "" && e.rule.kind == KindMerchant && l.link == nil {
		if raw = e.page.Request.URL; raw == "" {
			raw = e.page.URL
		}
	}
	if strings.Contains(raw, "&amp;") {
		e.issue("entities", "the link of "+short(it.Name)+": decode: [html] reads what stands for letters")
	}
	u, ok := absolute(e.base(), raw)
	if raw != "" && !ok {
		e.issue("url", "the link of "+short(it.Name)+" is no address: "+short(raw))
	}
	if ok {
		pruned := prune(u, l.drop, l.keep, l.keepsOnly)
		it.Key = strings.TrimPrefix(strings.TrimSuffix(pruned.Host+pruned.EscapedPath(), "/"), "www.")
		if pruned.RawQuery != "" {
			it.Key += "?" + pruned.RawQuery
		}
		if l.keepsRaw {
			pruned = u
		}
		it.Link = spelled(pruned, raw)
	}
	switch {
	case e.page.Request.Key != "" && e.rule.kind == KindMerchant:
		it.Key = e.page.Request.Key
	case it.ID != "":
		it.Key = "id:" + it.ID
	case it.Key == "":
		it.Key = "name:" + strings.ToLower(it.Name)
	}
}

// hash is of what the page says about the entry.
func (it *Item) hash() {
	h := sha256.New()
	put := func(parts ...string) {
		for _, p := range parts {
			h.Write([]byte(p))
			h.Write([]byte{0})
		}
	}
	put(it.Key, it.Name, string(it.Country), it.Domain, it.Category, it.Link, it.RateText, it.PreviousText, it.Conditions, string(it.Reward.Kind), itoa(it.ValidationDays))
	for i := range it.Tiers {
		t := &it.Tiers[i]
		put(t.Label, t.RateText, t.PreviousText, string(t.Audience), t.Category, t.Channel, t.Conditions)
	}
	it.Hash = hex.EncodeToString(h.Sum(nil)[:16])
}

// reward reads an entry's reward text.
func (e *reader) reward(f *field, s *scope) (cashback.Reward, string) {
	if f == nil {
		return cashback.Reward{Kind: cashback.Unknown, Reason: "the list states no rate"}, ""
	}
	got := f.read(s)
	c := e.rule.reward
	if got.way != nil {
		c.Field = got.way.kind
	}
	switch {
	case got.none:
		return cashback.Reward{Raw: got.text, Kind: cashback.NoCashback}, got.text
	case got.text == "":
		return cashback.Reward{Kind: cashback.Unknown, Reason: "there is no text"}, ""
	}
	r := e.parse(got, c)
	if got.way != nil && got.way.upTo.flag(s) {
		for i := range r.Tiers {
			r.Tiers[i].UpTo = true
		}
	}
	return r, got.text
}

// parse reads a text as the definition says that it is meant.
func (e *reader) parse(got read, c reward.Context) cashback.Reward {
	if got.neutral {
		c.Locale = neutral(c.Locale)
	}
	for _, b := range e.def.bare {
		if i := strings.Index(got.text, b.sign); i >= 0 && (i == 0 || !isLetter(got.text[i-1])) {
			c.Currency = b.currency
		}
	}
	return reward.Parse(got.text, c)
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// neutral is the locale in which numbers that machines write are read: its region
// still says what a bare sign means.
func neutral(locale string) string {
	parts := strings.Split(locale, "-")
	if last := parts[len(parts)-1]; len(parts) > 1 && len(last) == 2 {
		return "en-" + last
	}
	return "en"
}

// previous reads the previous rate and puts it into the reward.
func (e *reader) previous(f *field, s *scope, into *cashback.Reward) string {
	if f == nil {
		return ""
	}
	got := f.read(s)
	if !got.ok {
		return ""
	}
	if !into.Previous.Valid {
		was := e.parse(got, e.rule.reward)
		if was.Previous.Valid {
			into.Previous = was.Previous
		} else if sum := reward.Summarise(was); was.Kind.Pays() && sum.Value.Valid {
			into.Previous = sum.Value
		}
	}
	return got.text
}

// maxTiers is the most lines of one entry's tier table.
const maxTiers = 500

// tiers reads an entry's tier table behind the lines of those before it.
func (e *reader) tiers(s *scope, t *tiers, before []Tier) (out []Tier) {
	out = before
	one := func(line *scope) bool {
		if !t.where.holds(line, -1) {
			return true
		}
		var tier Tier
		tier.Reward, tier.RateText = e.reward(t.reward, line)
		if tier.RateText == "" && tier.Reward.Kind == cashback.Unknown {
			return true
		}
		if t.upTo.flag(line) {
			for i := range tier.Reward.Tiers {
				tier.Reward.Tiers[i].UpTo = true
			}
		}
		tier.PreviousText = e.previous(t.previous, line, &tier.Reward)
		tier.Label = t.label.text(line)
		switch strings.ToLower(t.audience.text(line)) {
		case "new":
			tier.Audience = cashback.New
		case "existing":
			tier.Audience = cashback.Existing
		}
		tier.Category, tier.Conditions = t.category.text(line), t.terms.text(line)
		switch channel := strings.ToLower(t.channel.text(line)); channel {
		case "online", "in_store", "app":
			tier.Channel = channel
		}
		tier.Base = t.base.flag(line)
		out = append(out, tier)
		return len(out) < maxTiers
	}
	if t.in != nil {
		text := t.in.text(s)
		switch {
		case text == "":
			return out
		case t.pattern != nil:
			e.meter.spend(8 * len(text)) // a byte costs an expression more than an element does a selector
			for _, m := range t.pattern.FindAllStringSubmatch(text, maxTiers) {
				line := *s
				line.up, line.index, line.groups = s, len(out)-len(before), map[string]string{}
				for i, name := range t.pattern.SubexpNames() {
					if name != "" {
						line.groups[name] = squeeze(m[i])
					}
				}
				if !one(&line) {
					break
				}
			}
			return out
		case t.inHTML:
			est := estimator{s: tabled(text)}
			err := est.run()
			if e.meter.spend(4*len(text) + est.steps + 20*est.nodes); err != nil {
				return out
			}
			root, err := est.parse()
			if err != nil {
				return out
			}
			s = &scope{e: e, node: root, up: s}
		default:
			e.meter.spend(len(text))
			v, ok := undone(e, "json", text)
			if !ok {
				if v, _, err := parseLiteral(text, &e.values); err == nil {
					ok = true
					s = &scope{e: e, val: v, doc: &jsonDoc{root: v, meter: &e.meter}, up: s}
				}
			} else {
				s = &scope{e: e, val: v, doc: &jsonDoc{root: v, meter: &e.meter}, up: s}
			}
			if !ok {
				e.issue("dropped", "the lines of tiers aren't JSON: "+short(text))
				return out
			}
		}
	}
	if t.path != nil {
		to := t.path.filled(s)
		if to == nil {
			return out
		}
		from := s.val
		if to.root {
			from = s.doc.rootValue()
		}
		nested(s, from, to.levels(), one)
		return out
	}
	if s.node != nil && t.sel != nil {
		t.sel.allOf(s.node, &e.meter, s.ends, func(n *html.Node) bool {
			return one(&scope{e: e, node: n, index: len(out) - len(before), up: s})
		})
	}
	return out
}

// nested calls one for each line: where the path has several "each", the values
// on the way are the scopes around it.
func nested(s *scope, from *value, levels []*path, one func(*scope) bool) bool {
	going := true
	levels[0].walk(s.doc, from, func(key string, v *value) bool {
		s.e.meter.spend(1)
		lines := []picked{{doc: s.doc, val: v, key: key}}
		if !levels[0].each && v.kind >= jsonArray && (s.doc == nil || !s.doc.xml) {
			lines = members(lines[0])
		}
		for i, p := range lines {
			if p.val = s.doc.follow(p.val); p.val == nil || p.val.kind == jsonNull {
				continue
			}
			line := &scope{e: s.e, val: p.val, doc: s.doc, key: p.key, index: i, up: s}
			if len(levels) > 1 {
				going = nested(line, p.val, levels[1:], one)
			} else {
				going = one(line)
			}
			if !going {
				return false
			}
		}
		return true
	})
	return going
}

// headline sums tiers up where the page has no rate of its own for the shop.
func headline(list []Tier) cashback.Reward {
	r := cashback.Reward{Kind: cashback.Unknown, Reason: "no tier pays"}
	var best reward.Summary
	for i := range list {
		t := &list[i]
		r.Tiers = append(r.Tiers, t.Reward.Tiers...)
		sum := reward.Summarise(t.Reward)
		switch {
		case !t.Reward.Kind.Pays() || !sum.Value.Valid:
			if r.Kind == cashback.Unknown && t.Reward.Kind == cashback.NoCashback {
				r.Kind, r.Raw, r.Reason = cashback.NoCashback, t.RateText, ""
			}
		case !r.Kind.Pays(), sum.Kind == cashback.Percent && r.Kind != cashback.Percent,
			sum.Kind == r.Kind && sum.Value.Decimal.Cmp(best.Value.Decimal) > 0:
			r.Kind, r.Raw, r.Reason, best = t.Reward.Kind, t.RateText, "", sum
		}
	}
	return r
}

// domain is the host of an address or a bare host, in lower case without www.
func domain(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" {
		return ""
	}
	if !strings.Contains(s, "//") {
		s = "//" + s
	}
	u, err := url.Parse(s)
	if err != nil || !strings.Contains(u.Hostname(), ".") || strings.ContainsAny(u.Hostname(), " _<>\"'") {
		return ""
	}
	return strings.TrimPrefix(u.Hostname(), "www.")
}

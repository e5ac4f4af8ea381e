package portal

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Start returns the first requests of a run, in the definition's order. Pages of
// merchants follow from what is read.
func (d *Definition) Start() (out []Request) {
	for _, r := range d.rules {
		if !r.starts {
			continue
		}
		if r.prepare != "" {
			out = append(out, Request{URL: r.prepare, Rule: r.name, Kind: KindPrepare, Header: r.header})
			continue
		}
		out = append(out, d.begin(r)...)
	}
	return out
}

// begin makes a rule's first requests: each address with each combination of
// seeds.
func (d *Definition) begin(r *rule) (out []Request) {
	names := slices.Sorted(maps.Keys(r.seeds))
	for _, t := range r.templates {
		combos := []map[string]string{{}}
		for _, name := range names {
			if !strings.Contains(t, "{"+name+"}") && !r.headed(name) {
				continue
			}
			var more []map[string]string
			for _, c := range combos {
				for _, v := range r.seeds[name] {
					m := maps.Clone(c)
					m[name] = v
					more = append(more, m)
				}
			}
			combos = more
		}
		for _, vars := range combos {
			if q, ok := r.request(t, vars, 0, r.first()); ok && len(out) < maxStarts {
				out = append(out, q)
			}
		}
	}
	return out
}

// first is the value of the placeholder that counts, on a list's first page.
func (r *rule) first() string {
	if r.paging == nil || r.paging.param == "" || r.paging.param == "cursor" {
		return ""
	}
	return itoa(r.paging.from)
}

// request makes the request for a template.
func (r *rule) request(template string, vars map[string]string, number int, position string) (Request, bool) {
	all := maps.Clone(vars)
	if all == nil {
		all = map[string]string{}
	}
	if r.paging != nil && r.paging.param != "" {
		all[r.paging.param] = position
	}
	address, ok := expand(template, all)
	header, filled := r.headers(vars)
	u, err := url.Parse(address)
	if !ok || !filled || err != nil || u.Host == "" || len(address) > maxURL {
		return Request{}, false
	}
	return Request{
		URL: address, Rule: r.name, Kind: r.kind, Header: header, Template: template, Vars: vars, Number: number, Position: position,
	}, true
}

// headed says whether a header field has a placeholder.
func (r *rule) headed(name string) bool {
	for _, v := range r.header {
		if strings.Contains(v, "{"+name+"}") {
			return true
		}
	}
	return false
}

// headers are the rule's header fields with their placeholders filled; ok is false
// where one has no value, and its field is left out.
func (r *rule) headers(vars map[string]string) (out map[string]string, ok bool) {
	ok = true
	for name, v := range r.header {
		if !strings.Contains(v, "{") {
			continue
		}
		if out == nil {
			out = maps.Clone(r.header)
		}
		filled, whole := v, true
		for _, m := range holeForm.FindAllStringSubmatch(v, -1) {
			value, has := vars[m[1]]
			whole = whole && has && !strings.ContainsAny(value, "\r\n\x00")
			filled = strings.ReplaceAll(filled, m[0], value)
		}
		if out[name] = filled; !whole {
			ok = false
			delete(out, name)
		}
	}
	if out == nil {
		out = r.header
	}
	return out, ok
}

// total fills the number of entries that the portal declares.
func (e *reader) total(top *scope, r *Reading) {
	if p := e.rule.paging; p != nil && p.total != nil {
		if n, ok := count(p.total.text(top)); ok {
			r.Total = n
		} else if e.page.Request.Number == 0 {
			e.issue("total", "paging.total finds no number")
		}
	}
	for _, l := range e.rule.lists {
		if r.Total == 0 && l.json != nil && l.json.total != nil && top.val != nil {
			if text, ok := l.json.total.first(top.doc, l.json.from(top)).scalar(); ok {
				r.Total, _ = count(text)
			} else if e.page.Request.Number == 0 {
				e.issue("total", "json.total finds no number")
			}
		}
	}
}

// from is what the source's own paths start from.
func (src *source) from(top *scope) *value {
	if src.total.root {
		return top.doc.rootValue()
	}
	return top.val
}

var countForm = regexp.MustCompile(`\d[\d.,' \x{00a0}\x{202f}]*`)

// count reads a number of things as a page writes it: 212, 1.234, 1 234.
func count(s string) (int, bool) {
	m := countForm.FindString(s)
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, m)
	n, err := strconv.Atoi(digits)
	return n, err == nil && len(digits) <= 9
}

// declared is the most entries that the portal says the list has, on this page or
// one before it; 0 where it says nothing.
func (e *reader) declared(r *Reading) int { return max(r.Total, e.page.Request.Declared) }

// whole says whether the entries of a list that is at its end are as many as the
// portal declares, less expect.slack; seen is -1 where nobody was led to the page.
// Whether the portal's total counts what the conditions leave out isn't known: the
// list is whole either way. What proves an end doesn't prove that nothing was left
// out before it.
func (e *reader) whole(r *Reading, seen int) bool {
	declared := e.declared(r)
	slack := 0
	if e.rule.expect != nil {
		slack = e.rule.expect.slack
	}
	if declared == 0 || seen < 0 || seen+e.page.Request.Left+e.left+slack >= declared {
		return true
	}
	if e.rule.paging == nil {
		e.issue("total", fmt.Sprintf("the portal declares %d entries, the page has %d", declared, seen))
	} else {
		e.issue("total", fmt.Sprintf("the list ends with %d entries, the portal declares %d", seen, declared))
	}
	return false
}

// onward makes the request for the list's next page, and says whether the list's
// end is proven.
func (e *reader) onward(top *scope, r *Reading) (out []Request) {
	p, q := e.rule.paging, e.page.Request
	seen, left := q.Seen+len(r.Items), q.Left+e.left
	if q.Seen < 0 { // a page that nobody was led to
		seen = -1
	}
	declared := e.declared(r)
	ended := func() []Request {
		r.End = e.whole(r, seen)
		return nil
	}
	if p == nil {
		return ended()
	}
	for _, u := range p.until {
		if u.holds(top, len(r.Items)) {
			return ended()
		}
	}
	another := func(template, position string) []Request {
		n := q.Number + 1
		if p.limit > 0 && n >= p.limit {
			e.issue("dropped", fmt.Sprintf("the list goes on after its limit of %d pages", p.limit))
			return nil
		}
		next, ok := e.rule.request(template, q.Vars, n, position)
		if !ok {
			return nil
		}
		next.Seen, next.Left, next.Declared = seen, left, declared
		return []Request{next}
	}
	switch {
	case p.next != nil:
		link := p.next.text(top)
		if link == "" {
			return ended()
		}
		from := e.url // an interface's next page is relative to itself, unlike what it calls links
		if e.html() != nil {
			from = e.base()
		}
		u, ok := absolute(from, link)
		if !ok || !slices.Contains(e.def.hosts, u.Host) {
			e.issue("url", "the next page is elsewhere: "+short(link))
			return nil
		}
		if here, err := url.Parse(e.page.URL); err == nil && here.String() == u.String() {
			return ended() // a last page that links to itself
		}
		next := another(q.Template, "")
		if q.Template == "" || len(next) == 0 {
			next = []Request{{Rule: e.rule.name, Kind: e.rule.kind, Header: q.Header, Template: q.Template, Vars: q.Vars, Number: q.Number + 1, Seen: seen, Left: left, Declared: declared}}
			if p.limit > 0 && q.Number+1 >= p.limit {
				return nil
			}
		}
		next[0].URL = u.String()
		return next
	case p.param == "cursor":
		cursor := p.cursor.text(top)
		if cursor == "" || cursor == q.Position {
			return ended()
		}
		return another(e.template(), cursor)
	}
	at := p.from + q.Number*p.step
	last := p.size > 0 && len(r.Items)+e.left < p.size
	if declared > 0 && (p.param == "offset" && at+p.step >= declared || p.param == "page" && p.size > 0 && (q.Number+1)*p.size >= declared) {
		last = true // all that the portal counts was asked for
	}
	if p.pages != nil {
		if n, ok := p.pages.largest(top); ok {
			// The last page's number counts from the first one's.
			last = last || q.Number+1 >= n-p.from+1 && p.from > 0 || p.from == 0 && q.Number+1 >= n
		} else if len(r.Items) == 0 || q.Number == 0 {
			last = true // no pager: a single page
		}
	}
	if declared > 0 && seen >= declared {
		last = true
	}
	if last {
		return ended()
	}
	return another(e.template(), itoa(at+p.step))
}

// largest is the largest number that the field's picks find: the last page of a
// pager that lists several.
func (f *field) largest(s *scope) (most int, ok bool) {
	for _, w := range f.ways {
		for _, p := range w.picks {
			p.walk(s, func(c found) bool {
				if text, good := w.transform.apply(s.e, c.text, f.most); good {
					if n, isCount := count(text); isCount {
						most, ok = max(most, n), true
					}
				}
				return true
			})
		}
		if ok {
			return most, true
		}
		if n, isCount := count(w.read(s, f.most).text); isCount {
			return n, true
		}
	}
	return 0, false
}

// template is the one that the page's address was made of.
func (e *reader) template() string {
	if t := e.page.Request.Template; t != "" {
		return t
	}
	if len(e.rule.templates) > 0 {
		return e.rule.templates[0]
	}
	return ""
}

// links are the requests that the page's entries and follows lead to.
func (e *reader) links(top *scope, r *Reading) (out []Request) {
	seen := map[string]bool{}
	add := func(q Request, ok bool) bool {
		u, err := url.Parse(q.URL)
		if !ok || err != nil || !slices.Contains(e.def.hosts, u.Host) || seen[q.URL] {
			return true
		}
		seen[q.URL] = true
		out = append(out, q)
		if len(out) >= maxLinks {
			e.issue("too_many_links", fmt.Sprintf("more than %d links", maxLinks))
			return false
		}
		return true
	}
	for _, f := range e.rule.follow {
		target := e.def.ruleNamed(f.rule)
		if !e.followed(top, f, target, add) {
			return out
		}
	}
	if e.rule.kind == KindMerchant {
		return out
	}
	for _, target := range e.def.rules {
		if target.kind != KindMerchant || target.starts {
			continue
		}
		for i := range r.Items {
			it := &r.Items[i]
			if target.which == "rated" && !it.Pays() || target.which == "tiered" && !it.upTo() {
				continue
			}
			vars := map[string]string{"link": it.Link, "id": it.ID, "name": it.Name, "key": it.Key}
			if it.Link == "" {
				delete(vars, "link")
			}
			if it.ID == "" {
				delete(vars, "id")
			}
			for k, v := range it.vars {
				vars[k] = v
			}
			for _, t := range target.templates {
				q, ok := target.request(t, vars, 0, "")
				if !ok {
					continue
				}
				if target.match != nil && !target.match.MatchString(q.URL) {
					continue
				}
				q.Key = it.Key
				q.Vars = target.used(t, vars)
				if !add(q, true) {
					return out
				}
			}
		}
	}
	return out
}

// used are the values that a template's page may need: those that it or a header
// field names.
func (r *rule) used(template string, vars map[string]string) map[string]string {
	out := map[string]string{}
	for name, v := range vars {
		if r.headed(name) {
			out[name] = v
		}
	}
	for _, m := range holeForm.FindAllStringSubmatch(template, -1) {
		if v, ok := vars[m[1]]; ok && m[1] != "link" {
			out[m[1]] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// upTo says whether the entry's headline is a ceiling.
func (it *Item) upTo() bool {
	return slices.ContainsFunc(it.Reward.Tiers, func(t cashback.Tier) bool { return t.UpTo })
}

// followed makes the requests of one follow.
func (e *reader) followed(top *scope, f *follow, target *rule, add func(Request, bool) bool) bool {
	if f.links != nil {
		whole := true
		for _, w := range f.links.ways {
			for _, p := range w.picks {
				p.walk(top, func(c found) bool {
					text, ok := w.transform.apply(e, c.text, maxURL)
					if ok && w.template != nil {
						text, ok = fill(top, w.template, text)
					}
					if !ok {
						return true
					}
					u, ok := absolute(e.base(), text)
					if !ok || f.match != nil && !f.match.MatchString(u.String()) {
						return true
					}
					q := e.def.addressed(target, u.String())
					whole = add(q, true)
					return whole
				})
			}
		}
		return whole
	}
	whole := true
	each := func(s *scope) bool {
		vars := map[string]string{}
		for name, v := range f.vars {
			if text := v.text(s); text != "" {
				vars[name] = text
			}
		}
		for _, t := range target.templates {
			q, ok := target.request(t, vars, 0, target.first())
			if ok && (f.match == nil || f.match.MatchString(q.URL)) {
				if whole = add(q, ok); !whole {
					return false
				}
			}
		}
		return true
	}
	switch {
	case f.path != nil:
		from := top.val
		if f.path.root {
			from = top.doc.rootValue()
		}
		f.path.walk(top.doc, from, func(key string, v *value) bool {
			entries := []picked{{doc: top.doc, val: v, key: key}}
			if !f.path.each && v.kind >= jsonArray && (top.doc == nil || !top.doc.xml) {
				entries = members(entries[0])
			}
			for i, p := range entries {
				if !each(&scope{e: e, val: p.val, doc: top.doc, key: p.key, index: i, up: top}) {
					return false
				}
			}
			return true
		})
	case f.sel == nil:
		s := *top
		if s.node == nil && s.val == nil {
			s.node = e.html()
		}
		each(&s)
	case f.sel != nil:
		if root := e.html(); root != nil {
			f.sel.all(root, &e.meter, func(n *html.Node) bool { return each(&scope{e: e, node: n, up: top}) })
		}
	}
	return whole
}

// addressed is the request of a rule for an address that a page or sitemap names.
func (d *Definition) addressed(target *rule, address string) Request {
	u, err := url.Parse(address)
	if err == nil {
		for _, p := range target.patterns {
			if vars, _, ok := p.match(u); ok && !p.any {
				q := target.requestFor(address, p.template, vars)
				q.Header, _ = target.headers(vars)
				if len(q.Vars) == 0 {
					q.Vars = nil
				}
				return q
			}
		}
	}
	header, _ := target.headers(nil)
	return Request{URL: address, Rule: target.name, Kind: target.kind, Header: header}
}

// maxSitemapDepth is how deep sitemaps may lie within sitemaps.
const maxSitemapDepth = 2

// sitemap reads an XML sitemap or sitemap index, or a text file of addresses.
func (e *reader) sitemap() Reading {
	if s := e.status(); s >= 400 {
		return Reading{Outcome: cashback.PageNotFound, Reason: fmt.Sprintf("the status is %d", s)}
	}
	if out, ok := e.signed(&scope{e: e}, -1); ok {
		return out
	}
	body, err := e.unzipped()
	if err != nil {
		return Reading{Outcome: cashback.PageUnparseable, Reason: reason(err)}
	}
	locations, nested, err := sitemapLocations(body)
	if err != nil {
		return Reading{Outcome: cashback.PageUnparseable, Reason: "the sitemap can't be read: " + reason(err)}
	}
	if len(locations) == 0 {
		return Reading{Outcome: cashback.PageNotUnderstood, Reason: "the sitemap has no addresses"}
	}
	r := Reading{Outcome: cashback.PageNoRates, Reason: "a sitemap states no rates", End: true}
	if nested && e.page.Request.Depth >= maxSitemapDepth {
		return Reading{Outcome: cashback.PageUnparseable, Reason: "sitemaps lie too deep within sitemaps"}
	}
	seen := map[string]bool{}
	for _, loc := range locations {
		u, ok := absolute(e.url, loc)
		if !ok || !slices.Contains(e.def.hosts, u.Host) || seen[u.String()] {
			continue
		}
		address := u.String()
		seen[address] = true
		if len(r.Next) >= maxLinks {
			e.issue("too_many_links", fmt.Sprintf("more than %d addresses", maxLinks))
			r.End = false
			break
		}
		if nested {
			if e.rule.match == nil || e.rule.match.MatchString(address) {
				r.Next = append(r.Next, Request{URL: address, Rule: e.rule.name, Kind: KindSitemap, Header: e.rule.header, Depth: e.page.Request.Depth + 1})
			}
			continue
		}
		for _, f := range e.rule.follow {
			if f.match == nil || f.match.MatchString(address) {
				q := e.def.addressed(e.def.ruleNamed(f.rule), address)
				q.Key = strings.TrimPrefix(strings.TrimSuffix(u.Host+u.EscapedPath(), "/"), "www.")
				r.Next = append(r.Next, q)
				break
			}
		}
	}
	return r
}

// unzipped is the body, decompressed where it is a .gz file.
func (e *reader) unzipped() ([]byte, error) {
	b := e.page.Body
	if len(b) < 2 || b[0] != 0x1f || b[1] != 0x8b {
		return []byte(e.bodyText()), nil
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, DefaultMaxBody+1))
	if err != nil {
		return nil, err
	}
	if len(out) > DefaultMaxBody {
		return nil, errors.New("it grows beyond its limit when it is decompressed")
	}
	return out, nil
}

// sitemapLocations reads the loc elements; nested says that they are sitemaps.
// No document type, no entities but XML's own, no depth.
func sitemapLocations(b []byte) (out []string, nested bool, err error) {
	if text := strings.TrimSpace(string(b[:min(len(b), 200)])); strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line != "" && len(out) < 50_000 {
				out = append(out, line)
			}
		}
		return out, false, nil
	}
	dec := xml.NewDecoder(bytes.NewReader(b))
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // decoded already
	depth, inLoc := 0, false
	var text strings.Builder
	for {
		t, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			return out, nested, nil
		}
		if err != nil {
			return nil, false, err
		}
		switch t := t.(type) {
		case xml.Directive:
			return nil, false, errors.New("a document type is not accepted")
		case xml.StartElement:
			if depth++; depth > 16 {
				return nil, false, errors.New("it is nested too deep")
			}
			name := strings.ToLower(t.Name.Local)
			nested = nested || name == "sitemapindex"
			if inLoc = name == "loc" && (t.Name.Space == "" || t.Name.Space == "ns" || t.Name.Space == "sm"); inLoc {
				text.Reset()
			}
		case xml.EndElement:
			depth--
			if inLoc {
				inLoc = false
				if s := strings.TrimSpace(text.String()); s != "" && len(s) <= maxURL {
					out = append(out, s)
				}
				if len(out) >= 50_000 {
					return out, nested, nil
				}
			}
		case xml.CharData:
			if inLoc && text.Len() < maxURL {
				text.Write(t)
			}
		}
	}
}

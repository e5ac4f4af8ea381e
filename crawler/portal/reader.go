package portal

import (
	"bytes"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// The most entries and links that one page may give.
const (
	maxItems = 20_000
	maxLinks = 5_000
)

// reader is the reading of one page: its text, and what has been parsed of it so
// far. It is used by one goroutine.
type reader struct {
	def    *Definition
	rule   *rule
	page   *Page
	url    *url.URL
	meter  meter
	values int // JSON values read
	left   int // entries that conditions left out
	issues []Issue

	text     string // decoded
	decoded  bool
	root     *html.Node
	htmlErr  error
	htmlDone bool
	doc      *jsonDoc // the body as JSON
	jsonErr  error
	jsonDone bool
	datas    map[string]picked // what the rule's data found
	lds      []*value
	ldDone   bool
	baseURL  *url.URL
	order    map[*html.Node]int
	befores  map[*selector][]*html.Node
	visible  *string
	titled   *string
}

func newReader(def *Definition, p *Page) *reader {
	e := &reader{def: def, page: p, meter: meter{left: steps}}
	if p.URL == "" {
		p.URL = p.Request.URL
	}
	if u, err := url.Parse(p.URL); err == nil {
		e.url = u
	} else {
		e.url = &url.URL{}
	}
	return e
}

func (e *reader) issue(code, detail string) {
	if len(e.issues) < 50 {
		e.issues = append(e.issues, Issue{Code: code, Detail: detail})
	}
}

func (e *reader) status() int {
	if e.page.Status == 0 {
		return http.StatusOK
	}
	return e.page.Status
}

// moved says whether the request was answered from another path than asked.
func (e *reader) moved() bool {
	asked, err := url.Parse(e.page.Request.URL)
	if err != nil || e.page.Request.URL == "" {
		return false
	}
	return !sameHost(asked.Host, e.url.Host) || strings.TrimSuffix(asked.Path, "/") != strings.TrimSuffix(e.url.Path, "/")
}

// xmlCharset is the encoding that an XML declaration names.
var xmlCharset = regexp.MustCompile(`^<\?xml [^>]{0,100}?encoding=["']([A-Za-z0-9._:-]{1,40})["']`)

// body decodes the page's text: by its byte order mark, the header, the page's
// own word, as UTF-8, or as Windows-1252 (the order of the HTML standard).
func (e *reader) bodyText() string {
	if e.decoded {
		return e.text
	}
	e.decoded = true
	b := e.page.Body
	contentType := e.page.ContentType
	if contentType == "" && e.page.Header != nil {
		contentType = e.page.Header.Get("Content-Type")
	}
	enc, name, certain := charset.DetermineEncoding(b[:min(len(b), 4096)], contentType)
	if media, _, err := mime.ParseMediaType(contentType); err == nil && strings.Contains(media, "json") && utf8.Valid(b) {
		name = "utf-8" // RFC 8259, whatever the header says
	} else if declared := xmlCharset.FindSubmatch(b[:min(len(b), 200)]); declared != nil && !certain {
		if known, canonical := charset.Lookup(string(declared[1])); known != nil {
			enc, name = known, canonical
		}
	} else if !certain && utf8.Valid(b) {
		name = "utf-8"
	}
	if name != "utf-8" {
		if out, err := enc.NewDecoder().Bytes(b); err == nil && len(out) <= 4*len(b)+16 {
			b = out
		}
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if utf8.Valid(b) {
		e.text = string(b)
	} else {
		e.text = string([]rune(string(b))) // a U+FFFD for each byte that is none
	}
	if bad := strings.Count(e.text, "\uFFFD"); bad > 0 && bad*100 > utf8.RuneCountInString(e.text) {
		e.issue("charset", itoa(bad)+" characters can't be read as "+name)
	}
	return e.text
}

// html is the page as a tree; nil where it isn't HTML or can't be parsed.
func (e *reader) html() *html.Node {
	if e.htmlDone {
		return e.root
	}
	e.htmlDone = true
	text := e.bodyText()
	if e.rule != nil && e.rule.fragment != nil {
		text = e.fragment()
	} else if s := strings.TrimLeft(text, " \t\r\n"); s != "" && (s[0] == '{' || s[0] == '[') {
		return nil
	}
	if e.rule != nil && e.rule.uncomment {
		text = strings.NewReplacer("<!--", " ", "-->", " ").Replace(text)
	}
	e.root, e.htmlErr = parseHTML(text)
	return e.root
}

// fragment is the HTML within a JSON answer, or within a script or an attribute
// of the page.
func (e *reader) fragment() string {
	var parts []string
	take := func(s string) bool {
		parts = append(parts, tabled(s))
		return len(parts) < 1000
	}
	if p := e.rule.fragment; p.kind == pickPage {
		outer, err := parseHTML(e.bodyText())
		if err != nil {
			return ""
		}
		p.sel.all(outer, &e.meter, func(n *html.Node) bool {
			if p.attr != "" {
				s, _ := attribute(n, p.attr)
				return take(s)
			}
			for c := n.FirstChild; c != nil; c = c.NextSibling {
				if c.Type == html.ElementNode { // noscript, template: parsed already
					var b strings.Builder
					for c := n.FirstChild; c != nil; c = c.NextSibling {
						_ = html.Render(&b, c) // a Builder doesn't fail
					}
					return take(b.String())
				}
			}
			return take(scriptText(n))
		})
	} else if p.kind == pickData {
		// Its variable may stand in a script of the page around.
		if text := e.bodyText(); strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "<") {
			e.root, _ = parseHTML(text) // where it can't be parsed there is no such script
		}
		p.walk(&scope{e: e}, func(f found) bool { return take(f.text) })
	} else if d := e.body(); d != nil {
		p.walk(&scope{e: e, doc: d, val: d.root}, func(f found) bool { return take(f.text) })
	}
	return strings.Join(parts, "\n")
}

// tabled puts rows that come without their table into one: outside of it the HTML
// standard drops them.
func tabled(s string) string {
	if rowsForm.MatchString(s) {
		return "<table>" + s + "</table>"
	}
	return s
}

var rowsForm = regexp.MustCompile(`^(?i)\s*<(?:tr|td|th|tbody|thead|tfoot)[\s>/]`)

// body is the page's body as JSON; nil, with jsonErr, where it isn't.
func (e *reader) body() *jsonDoc {
	if e.jsonDone {
		return e.doc
	}
	e.jsonDone = true
	text := strings.TrimSpace(e.bodyText())
	for _, guard := range []string{")]}',", ")]}'", "while(1);", "for(;;);", "/**/"} {
		text = strings.TrimSpace(strings.TrimPrefix(text, guard))
	}
	// callback({…}); is JSON with a name around it.
	if i := strings.IndexByte(text, '('); i > 0 && i < 80 && nameOfCall(text[:i]) {
		if end := strings.LastIndexByte(text, ')'); end > i {
			text = text[i+1 : end]
		}
	}
	v, err := parseJSON(text, &e.values)
	if err != nil {
		e.jsonErr = err
		return nil
	}
	e.doc = &jsonDoc{root: v}
	return e.doc
}

func nameOfCall(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.") == ""
}

// named is a document that the rule's data names; without a value where the page
// has none.
func (e *reader) named(name string) picked {
	if got, ok := e.datas[name]; ok {
		return got
	}
	if e.datas == nil {
		e.datas = map[string]picked{}
	}
	var base picked
	if src := e.rule.data[name]; src != nil {
		var why string
		if base, _, why = src.choose(e, true); why != "" {
			e.issue("data", name+": "+why)
		}
	}
	e.datas[name] = base
	return base
}

// base is what the page's links are relative to.
func (e *reader) base() *url.URL {
	if e.baseURL != nil {
		return e.baseURL
	}
	e.baseURL = e.url
	if root := e.html(); root != nil {
		for n := root; n != nil; n = next(n, root) {
			if n.Type == html.ElementNode && n.DataAtom == atom.Base {
				if href, ok := attribute(n, "href"); ok {
					if u, ok := absolute(e.url, href); ok {
						e.baseURL = u
					}
				}
				break
			}
			if n.DataAtom == atom.Body {
				break
			}
		}
	} else if e.def != nil {
		// What an interface calls a link is relative to the site, not to itself.
		if u, err := url.Parse(e.def.portal.Homepage); err == nil {
			e.baseURL = u
		}
	}
	return e.baseURL
}

func (e *reader) meta(name string) (string, bool) {
	root := e.html()
	for n := root; n != nil; n = next(n, root) {
		if n.Type != html.ElementNode || n.DataAtom != atom.Meta {
			continue
		}
		for _, a := range n.Attr {
			if (a.Key == "name" || a.Key == "property" || a.Key == "itemprop" || a.Key == "http-equiv") && strings.EqualFold(a.Val, name) {
				return attribute(n, "content")
			}
		}
	}
	return "", false
}

func (e *reader) title() string {
	if e.titled != nil {
		return *e.titled
	}
	title := ""
	if root := e.html(); root != nil {
		for n := root; n != nil; n = next(n, root) {
			if n.Type == html.ElementNode && n.DataAtom == atom.Title && n.Namespace == "" {
				title = plain(elementText(n, nil, false), maxRateText)
				break
			}
		}
	}
	e.titled = &title
	return title
}

func (e *reader) canonical() (string, bool) {
	root := e.html()
	for n := root; n != nil; n = next(n, root) {
		if n.Type == html.ElementNode && n.DataAtom == atom.Link {
			if rel, _ := attribute(n, "rel"); strings.EqualFold(rel, "canonical") {
				href, ok := attribute(n, "href")
				if u, good := absolute(e.url, href); ok && good {
					return u.String(), true
				}
			}
		}
	}
	return "", false
}

// relNext is the address of the next page as the HTTP header Link or Links, or
// an element with rel=next, has it.
func (e *reader) relNext() (string, bool) {
	for _, name := range []string{"Link", "Links"} {
		for _, h := range e.page.Header.Values(name) {
			for part := range strings.SplitSeq(h, "<") {
				target, params, ok := strings.Cut(part, ">")
				if !ok {
					continue
				}
				for param := range strings.SplitSeq(strings.ReplaceAll(params, ",", ";"), ";") {
					k, v, _ := strings.Cut(strings.TrimSpace(param), "=")
					if strings.EqualFold(k, "rel") && strings.EqualFold(strings.Trim(v, `" `), "next") {
						return target, true
					}
				}
			}
		}
	}
	root := e.html()
	for n := root; n != nil; n = next(n, root) {
		if n.Type == html.ElementNode && (n.DataAtom == atom.Link || n.DataAtom == atom.A) {
			rel, _ := attribute(n, "rel")
			for word := range strings.FieldsSeq(rel) {
				if strings.EqualFold(word, "next") {
					if href, ok := attribute(n, "href"); ok && href != "" {
						return href, true
					}
				}
			}
		}
	}
	return "", false
}

// ld are the page's JSON-LD nodes of a type, in order; "*" is any.
func (e *reader) ld(typ string) (out []*value) {
	if !e.ldDone {
		e.ldDone = true
		e.scripts(func(n *html.Node, text string) bool {
			if t, _ := attribute(n, "type"); strings.Contains(strings.ToLower(t), "ld+json") {
				text = strings.TrimSpace(text)
				text = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(text, "<!--"), "//<![CDATA["), "-->"))
				v, err := parseJSON(text, &e.values)
				if err != nil {
					// Many sites put raw line breaks into their strings.
					v, _, err = parseLiteral(text, &e.values)
				}
				if err == nil {
					e.lds = append(e.lds, v)
				}
			}
			return len(e.lds) < 1000
		})
	}
	var visit func(v *value, depth int)
	visit = func(v *value, depth int) {
		if v == nil || v.kind < jsonArray || depth > maxJSONDepth || len(out) >= maxItems {
			return
		}
		e.meter.spend(1)
		if v.kind == jsonObject && (typ == "*" && v.get("@type") != nil || isType(v.get("@type"), typ)) {
			out = append(out, v)
		}
		for _, m := range v.list {
			visit(m, depth+1)
		}
	}
	for _, v := range e.lds {
		visit(v, 0)
	}
	return out
}

func isType(v *value, typ string) bool {
	if v == nil {
		return false
	}
	if v.kind == jsonArray {
		for _, m := range v.list {
			if isType(m, typ) {
				return true
			}
		}
		return false
	}
	return v.text == typ || strings.HasSuffix(v.text, "/"+typ)
}

// before is the last element before n in the page's order that matches.
func (e *reader) before(s *selector, n *html.Node) (found *html.Node) {
	root := e.html()
	if root == nil || n == nil {
		return nil
	}
	if e.befores == nil {
		e.befores = map[*selector][]*html.Node{}
	}
	list, known := e.befores[s]
	if !known {
		s.all(root, &e.meter, func(m *html.Node) bool {
			list = append(list, m)
			return true
		})
		e.befores[s] = list
	}
	at := e.place(n)
	lo, hi := 0, len(list)
	for lo < hi {
		mid := (lo + hi) / 2
		if e.place(list[mid]) < at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return nil
	}
	return list[lo-1]
}

// place is where an element stands in the page's order.
func (e *reader) place(n *html.Node) int {
	if e.order == nil {
		e.order = map[*html.Node]int{}
		root := e.html()
		for c := root; c != nil; c = next(c, root) {
			if c.Type == html.ElementNode {
				e.order[c] = len(e.order)
			}
		}
	}
	return e.order[n]
}

// wholeText is what a reader sees of the page.
func (e *reader) wholeText() string {
	if e.visible != nil {
		return *e.visible
	}
	s := ""
	if root := e.html(); root != nil {
		s = plain(elementText(root, nil, false), maxText)
	} else {
		s = plain(e.bodyText()[:min(len(e.bodyText()), maxText)], maxText)
	}
	e.visible = &s
	return s
}

// parseHTML parses a page whose cost was estimated first. What the parser
// refuses, or panics on, is an error.
func parseHTML(text string) (root *html.Node, err error) {
	e := estimator{s: text}
	if err := e.run(); err != nil {
		return nil, err
	}
	return e.parse()
}

// parse parses what was estimated.
func (e *estimator) parse() (root *html.Node, err error) {
	defer func() {
		if recover() != nil {
			root, err = nil, cashback.Errorf(cashback.Invalid, "the HTML can't be parsed")
		}
	}()
	root, err = parsePage(e.s, e.scripts)
	if err != nil {
		return nil, cashback.Errorf(cashback.Invalid, "the HTML can't be parsed: %w", err)
	}
	return root, nil
}

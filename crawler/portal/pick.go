package portal

import (
	"strings"

	"golang.org/x/net/html"
)

// A pick says where a text lies. In a list of HTML entries it is a selector from
// the entry, "SELECTOR@attribute" or "@attribute"; in a list of JSON entries a
// path. "$" before it starts from the page, and functions reach the rest:
// closest(SELECTOR), before(SELECTOR), parent(), meta(NAME), title(),
// canonical(), ld(TYPE).PATH, data(NAME).PATH, url(), var(NAME), header(NAME), text(WORDS), key(),
// index(), group(NAME), css(SELECTOR), json(PATH), next().
type pick struct {
	kind   pickKind
	nav    *selector // of closest and before
	sel    *selector // nil means the element itself
	attr   string    // "" means its text
	path   *path
	name   string // of meta, var, header, group, data; the words of text; the type of ld
	remove []*selector
	own    bool
}

type pickKind uint8

const (
	pickElement pickKind = iota // sel within the entry
	pickPage                    // sel within the page
	pickClosest                 // sel within the nearest element around the entry that matches nav
	pickBefore                  // sel within the nearest element before the entry that matches nav
	pickParent
	pickPath // path in the entry's JSON
	pickMeta
	pickTitle
	pickCanonical
	pickLD
	pickURL
	pickVar
	pickHeader
	pickWords
	pickKey
	pickIndex
	pickGroup
	pickNext
	pickData
)

// parsePick compiles a pick; inJSON says that the entries are JSON values.
func parsePick(s string, inJSON bool) (*pick, error) {
	s = strings.TrimSpace(s)
	if name, arg, rest, ok := call(s); ok {
		return parseCall(name, arg, rest, inJSON)
	}
	if inJSON {
		p, err := parsePath(s, inJSON)
		if err != nil {
			return nil, err
		}
		return &pick{kind: pickPath, path: p}, nil
	}
	kind := pickElement
	if strings.HasPrefix(s, "$") {
		kind, s = pickPage, strings.TrimSpace(s[1:])
	}
	return parseElement(kind, s)
}

// parseElement reads "SELECTOR@attribute".
func parseElement(kind pickKind, s string) (*pick, error) {
	p := &pick{kind: kind}
	if at := attributeAt(s); at >= 0 {
		p.attr = strings.ToLower(strings.TrimSpace(s[at+1:]))
		if s = strings.TrimSpace(s[:at]); p.attr == "" {
			return nil, &pathError{"after @ stands the name of an attribute"}
		}
	}
	if s == "" && p.attr == "" && kind != pickElement {
		return p, nil
	}
	if s == "" && p.attr == "" {
		return nil, &pathError{"a pick is empty: use . for the entry's own text"}
	}
	if s == "" || s == "." {
		return p, nil
	}
	var err error
	p.sel, err = parseSelector(s)
	return p, err
}

// attributeAt is where the @ of "SELECTOR@attribute" stands: the last one outside
// of brackets and quotes; -1 where there is none.
func attributeAt(s string) int {
	depth, found := 0, -1
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[' || c == '(':
			depth++
		case c == ']' || c == ')':
			depth--
		case c == '@' && depth == 0:
			found = i
		}
	}
	return found
}

// call takes "name(argument) rest" apart.
func call(s string) (name, arg, rest string, ok bool) {
	open := strings.IndexByte(s, '(')
	if open <= 0 {
		return
	}
	name = s[:open]
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "", "", "", false
	}
	depth := 0
	quote := byte(0)
	for i := open; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && name != "text":
			quote = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return name, strings.TrimSpace(s[open+1 : i]), strings.TrimSpace(s[i+1:]), true
			}
		}
	}
	return "", "", "", false
}

func parseCall(name, arg, rest string, inJSON bool) (*pick, error) {
	bare := func(kind pickKind) (*pick, error) {
		if arg != "" || rest != "" {
			return nil, &pathError{name + "() stands alone"}
		}
		return &pick{kind: kind}, nil
	}
	named := func(kind pickKind) (*pick, error) {
		if arg == "" || rest != "" {
			return nil, &pathError{name + " takes a name: " + name + "(NAME)"}
		}
		return &pick{kind: kind, name: arg}, nil
	}
	switch name {
	case "closest", "before":
		nav, err := parseSelector(arg)
		if err != nil {
			return nil, err
		}
		kind := pickClosest
		if name == "before" {
			kind = pickBefore
		}
		p, err := parseElement(kind, rest)
		if err == nil {
			p.nav = nav
		}
		return p, err
	case "parent":
		if arg != "" {
			return nil, &pathError{"parent() has nothing in its brackets"}
		}
		return parseElement(pickParent, rest)
	case "css":
		if rest != "" {
			return nil, &pathError{"css takes a pick of the page: css(SELECTOR@attribute)"}
		}
		return parseElement(pickPage, arg)
	case "json":
		p, err := parsePath(arg, inJSON)
		if err == nil && rest != "" {
			err = &pathError{"json takes a path of the page's JSON: json(a.b)"}
		}
		if err != nil {
			return nil, err
		}
		p.root = true
		return &pick{kind: pickPath, path: p}, nil
	case "ld":
		p, err := parsePath(strings.TrimPrefix(rest, "."), inJSON)
		return &pick{kind: pickLD, name: arg, path: p}, err
	case "data":
		p, err := parsePath(strings.TrimPrefix(rest, "."), inJSON)
		return &pick{kind: pickData, name: arg, path: p}, err
	case "meta":
		return named(pickMeta)
	case "var":
		return named(pickVar)
	case "header":
		return named(pickHeader)
	case "group":
		return named(pickGroup)
	case "text":
		return &pick{kind: pickWords, name: arg}, nil
	case "title":
		return bare(pickTitle)
	case "canonical":
		return bare(pickCanonical)
	case "url":
		return bare(pickURL)
	case "key":
		return bare(pickKey)
	case "index":
		return bare(pickIndex)
	case "next":
		return bare(pickNext)
	}
	return nil, &pathError{name + "(…) is not a function: there are before, canonical, closest, css, data, group, header, index, json, key, ld, meta, next, parent, text, title, url, var"}
}

// scope is what a pick starts from: an entry, a line of its tiers, or the page.
type scope struct {
	e      *reader
	node   *html.Node // of an HTML entry
	val    *value     // of a JSON entry
	doc    *jsonDoc
	key    string
	index  int
	up     *scope
	groups map[string]string
	// after is the next entry of the list where it is a sibling, titled what gives
	// an entry its name there; see ends.
	after  *scope
	titled *field
}

// ends says whether what lies beside the entry is its own no more: the sibling is
// the next entry. One that has no name is dropped, and so ends nothing.
func (s *scope) ends(n *html.Node) bool {
	for ; s.after != nil && s.after.node == n; s.after = s.after.after {
		alone := scope{e: s.e, node: n, index: s.after.index}
		if s.titled == nil || s.titled.text(&alone) != "" {
			return true
		}
	}
	return false
}

// inElement says whether the pick starts from an HTML element.
func (p *pick) inElement() bool { return p != nil && p.kind <= pickParent }

// found is a candidate: its text, the JSON value it came from, and whether it was
// there but had nothing in it.
type found struct {
	text string
	val  *value
}

// walk calls yield for each candidate of the pick, in the page's order. A
// candidate that is there and empty is yielded too.
func (p *pick) walk(s *scope, yield func(found) bool) {
	e := s.e
	say := func(text string, ok bool) {
		if ok {
			yield(found{text: text})
		}
	}
	switch p.kind {
	case pickElement:
		if s.node != nil {
			p.within(e, s.node, s.ends, yield)
		}
	case pickPage:
		if root := e.html(); root != nil {
			p.within(e, root, nil, yield)
		}
	case pickClosest:
		if s.node != nil {
			if n := p.nav.around(s.node.Parent, &e.meter); n != nil {
				p.within(e, n, nil, yield)
			}
		}
	case pickBefore:
		if n := e.before(p.nav, s.node); n != nil {
			p.within(e, n, nil, yield)
		}
	case pickParent:
		if s.node != nil && s.node.Parent != nil {
			p.within(e, s.node.Parent, nil, yield)
		}
	case pickPath:
		from, doc := s.val, s.doc
		switch {
		case p.path.root && doc != nil:
			from = doc.root
		case p.path.root:
			doc = e.body()
			from = doc.rootValue()
		case p.path.up > 0:
			out := s
			for range p.path.up {
				if out.up != nil {
					out = out.up
				}
			}
			from = out.val
		}
		to := p.path.filled(s)
		if to == nil {
			return
		}
		to.walk(doc, from, func(_ string, v *value) bool {
			e.meter.spend(1)
			text, ok := v.scalar()
			if !ok && doc != nil && doc.xml {
				text, _ = v.get("#text").scalar() // an element with attributes
			}
			return yield(found{text: text, val: v})
		})
	case pickData:
		base, to := e.named(p.name), p.path.filled(s)
		if base.val == nil || to == nil {
			return
		}
		from := base.val
		if to.root {
			from = base.doc.root
		}
		to.walk(base.doc, from, func(_ string, v *value) bool {
			e.meter.spend(1)
			text, ok := v.scalar()
			if !ok && base.doc.xml {
				text, _ = v.get("#text").scalar()
			}
			return yield(found{text: text, val: v})
		})
	case pickLD:
		to := p.path.filled(s)
		if to == nil {
			return
		}
		for _, n := range e.ld(p.name) {
			stop := false
			to.walk(nil, n, func(_ string, v *value) bool {
				text, _ := v.scalar()
				stop = !yield(found{text: text, val: v})
				return !stop
			})
			if stop {
				return
			}
		}
	case pickMeta:
		say(e.meta(p.name))
	case pickTitle:
		say(e.title(), true)
	case pickCanonical:
		say(e.canonical())
	case pickURL:
		say(e.page.URL, true)
	case pickVar:
		text, ok := e.page.Request.Vars[p.name]
		say(text, ok)
	case pickHeader:
		for _, h := range e.page.Header.Values(p.name) {
			if !yield(found{text: h}) {
				return
			}
		}
	case pickWords:
		say(p.name, true)
	case pickKey:
		say(s.key, s.key != "")
	case pickIndex:
		say(itoa(s.index), true)
	case pickGroup:
		text, ok := s.groups[p.name]
		say(text, ok)
	case pickNext:
		say(e.relNext())
	}
}

// within yields the elements that the pick selects in base.
func (p *pick) within(e *reader, base *html.Node, ends func(*html.Node) bool, yield func(found) bool) {
	one := func(n *html.Node) bool {
		if p.attr != "" {
			text, ok := attribute(n, p.attr)
			if p.attr == "html" && !ok {
				text, ok = elementHTML(n), true
			}
			return !ok || yield(found{text: text})
		}
		var skip func(*html.Node) bool
		if len(p.remove) > 0 {
			skip = func(c *html.Node) bool {
				for _, r := range p.remove {
					if r.is(c, base, &e.meter) {
						return true
					}
				}
				return false
			}
		}
		return yield(found{text: elementText(n, skip, p.own)})
	}
	if p.sel == nil {
		one(base)
		return
	}
	p.sel.allOf(base, &e.meter, ends, one)
}

func attribute(n *html.Node, name string) (string, bool) {
	for i := range n.Attr {
		if n.Attr[i].Key == name {
			return n.Attr[i].Val, true
		}
	}
	return "", false
}

// elementHTML is an element's markup, up to maxText.
func elementHTML(n *html.Node) string {
	var b strings.Builder
	w := &bounded{b: &b}
	for c := n.FirstChild; c != nil && w.b.Len() < maxText; c = c.NextSibling {
		if html.Render(w, c) != nil {
			break
		}
	}
	return b.String()
}

type bounded struct{ b *strings.Builder }

func (w *bounded) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > maxText {
		return 0, &pathError{"too long"}
	}
	return w.b.Write(p)
}

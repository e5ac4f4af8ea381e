package portal

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// source is where a list's JSON lies, and which of its values are entries.
type source struct {
	texts    bool // a variable's value may be a text that is no JSON
	script   *selector
	attr     string
	variable string
	nextF    bool
	xml      bool
	ld       string
	decode   []decodePath
	refs     string
	find     *find
	items    *path
	total    *path
}

// plain says that the answer itself is the JSON that the rule's paths start from.
func (src *source) plain() bool {
	return src.script == nil && src.variable == "" && !src.nextF && !src.xml && src.ld == "" && len(src.decode) == 0 && src.find == nil && src.refs == ""
}

// decodePath leads to a string, which is JSON again where decode says so.
type decodePath struct {
	path *path
	how  string // json, base64, url, html
}

type find struct {
	has   []string
	where []want
	all   bool
}

type want struct {
	path    *path
	is      string
	url     *regexp.Regexp
	varName string
	match   *regexp.Regexp
}

// jsonDoc is one JSON document of a page, with how its values refer to each
// other.
type jsonDoc struct {
	root *value
	// rows are what "$1a" of pushed strings, or a {"__ref": "Shop:1"}, refers to.
	rows   map[string]*value
	pushed bool
	// xml: objects may have several members of one name, all of which a path means.
	xml bool
	// meter pays for paths: values that refer to each other can make them long.
	meter *meter
}

func (d *jsonDoc) spend(n int) {
	if d != nil && d.meter != nil {
		d.meter.spend(n)
	}
}

func (d *jsonDoc) rootValue() *value {
	if d == nil {
		return nil
	}
	return d.root
}

// follow resolves a reference to the value that is meant.
func (d *jsonDoc) follow(v *value) *value {
	if d == nil || d.rows == nil {
		return v
	}
	for range 8 {
		switch {
		case v == nil:
			return nil
		case d.pushed && v.kind == jsonString && strings.HasPrefix(v.text, "$"):
			to, ok := d.pushedRef(v)
			if !ok {
				return to
			}
			v = to
		case !d.pushed && v.kind == jsonObject && len(v.keys) > 0 && (v.keys[0] == "__ref" || v.get("__ref") != nil && len(v.keys) <= 2):
			to := d.rows[v.get("__ref").text]
			if to == nil {
				return &value{}
			}
			v = to
		case !d.pushed && v.kind == jsonObject && len(v.keys) <= 4 && v.get("generated") != nil && v.get("id") != nil && d.rows[v.get("id").text] != nil:
			v = d.rows[v.get("id").text]
		default:
			return v
		}
	}
	return &value{}
}

// pushedRef reads the strings that React's flight format gives a meaning: "$$"
// is a dollar sign, "$undefined" nothing, "$1a" or "$1a:props:x" another row.
func (d *jsonDoc) pushedRef(v *value) (to *value, again bool) {
	s := v.text[1:]
	switch {
	case strings.HasPrefix(s, "$"):
		return &value{kind: jsonString, text: s}, false
	case s == "undefined" || s == "NaN" || s == "Infinity" || s == "-Infinity":
		return &value{}, false
	case strings.HasPrefix(s, "D"):
		return &value{kind: jsonString, text: s[1:]}, false
	case strings.HasPrefix(s, "n"):
		return &value{kind: jsonNumber, text: s[1:]}, false
	}
	s = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(s, "L"), "@"), "Q")
	id, rest, _ := strings.Cut(s, ":")
	row := d.rows[id]
	if row == nil {
		return v, false // "$Sreact.fragment" and the like are names
	}
	for part := range strings.SplitSeq(rest, ":") {
		if rest == "" {
			break
		}
		n, err := strconv.Atoi(part)
		switch {
		case row == nil:
			return &value{}, false
		case row.kind == jsonArray && len(row.list) == 4 && row.list[0].text == "$" && part == "props":
			row = row.list[3] // an element's props
		case row.kind == jsonArray && err == nil && n >= 0 && n < len(row.list):
			row = row.list[n]
		default:
			row = row.get(part)
		}
	}
	if row == nil {
		return &value{}, false
	}
	return row, true
}

func (c *compiler) source(at string, s *jsonShape) *source {
	out := &source{variable: s.Variable, nextF: s.NextF, xml: s.XML, ld: s.LD, refs: s.Refs}
	if s.Script != "" {
		sel := s.Script
		if i := attributeAt(sel); i >= 0 {
			out.attr, sel = strings.ToLower(sel[i+1:]), sel[:i]
		}
		out.script = c.selector(at+".script", sel)
	}
	places := 0
	for _, has := range []bool{s.Script != "", s.Variable != "", s.NextF, s.XML, s.LD != ""} {
		if has {
			places++
		}
	}
	if places > 1 && !(places == 2 && s.Script != "" && s.Variable != "") {
		c.fault(at, "the JSON lies in one place: script, variable, next_f, xml or ld")
	}
	switch s.Refs {
	case "", "nuxt", "turbo", "apollo":
	default:
		c.fault(at+".refs", "%q: use nuxt, turbo or apollo", short(s.Refs))
	}
	out.decode = c.decodeSteps(at+".decode", s.Decode)
	if s.Find != nil {
		out.find = c.find(at+".find", s.Find)
	}
	if s.Items != "" {
		out.items = c.path(at+".items", s.Items)
	}
	if s.Total != "" {
		out.total = c.path(at+".total", s.Total)
	}
	return out
}

// decodeSteps compiles [each, b]: the words between two "json" are one path, and
// what lies at the end of the last one is decoded too.
func (c *compiler) decodeSteps(at string, list []string) (out []decodePath) {
	p := &path{}
	for i, s := range list {
		switch s {
		case "json", "base64", "url", "html":
			out, p = append(out, decodePath{path: p, how: s}), &path{}
			continue
		}
		part := c.path(elementAt(c, at, i), s)
		if part != nil {
			p.steps = append(p.steps, part.steps...)
		}
	}
	if len(p.steps) > 0 {
		out = append(out, decodePath{path: p, how: "json"})
	}
	if n := len(out); n > 0 && out[n-1].how != "json" {
		out = append(out, decodePath{path: &path{}, how: "json"})
	}
	return out
}

func (c *compiler) find(at string, s *findShape) *find {
	f := &find{has: s.Has, all: s.All}
	if len(s.Has) == 0 && len(s.Where) == 0 {
		c.fault(at, "find says neither has nor where")
	}
	for name, w := range s.Where {
		path := at + ".where." + name
		out := want{path: c.path(path, name), is: w.Is, url: c.regexp(path+".url", w.URL), varName: w.Var, match: c.regexp(path+".match", w.Match)}
		if w.Is == "" && w.URL == "" && w.Var == "" && w.Match == "" {
			c.fault(path, "say which value is wanted: a text, {url: REGEXP}, {var: NAME} or {match: REGEXP}")
		}
		f.where = append(f.where, out)
	}
	return f
}

// documents are the source's JSON documents on the page, in the page's order.
// why says what is missing where there are none.
func (src *source) documents(e *reader) (docs []*jsonDoc, why string) {
	var roots []*jsonDoc
	switch {
	case src.xml:
		d, err := e.xmlTree()
		if err != nil {
			return nil, "the answer isn't XML: " + reason(err)
		}
		roots = append(roots, d)
	case src.nextF:
		d, err := e.pushedStrings()
		if err != nil {
			return nil, err.Error()
		}
		roots = append(roots, d)
	case src.ld != "":
		for _, n := range e.ld(src.ld) {
			roots = append(roots, &jsonDoc{root: n})
		}
		if len(roots) == 0 {
			return nil, "there is no JSON-LD of the type " + src.ld
		}
	case src.variable != "":
		d, err := e.assigned(src)
		if err != nil {
			return nil, err.Error()
		}
		roots = append(roots, d)
	case src.script != nil:
		root := e.html()
		if root == nil {
			return nil, "the page isn't HTML"
		}
		var last error
		any := false
		src.script.all(root, &e.meter, func(n *html.Node) bool {
			any = true
			text := ""
			if src.attr != "" {
				text, _ = attribute(n, src.attr)
			} else {
				text = scriptText(n)
			}
			v, err := src.parse(e, strings.TrimSpace(text))
			if err != nil {
				last = err
				return true
			}
			roots = append(roots, &jsonDoc{root: v})
			return len(roots) < 100
		})
		switch {
		case !any:
			return nil, "there is no " + src.script.source
		case len(roots) == 0:
			return nil, fmt.Sprintf("%s isn't JSON: %v", src.script.source, last)
		}
	default:
		d := e.body()
		if d == nil {
			return nil, "the answer isn't JSON: " + e.jsonErr.Error()
		}
		roots = append(roots, d)
	}
	for _, d := range roots {
		docs = append(docs, src.decoded(e, d)...)
	}
	if len(docs) == 0 {
		return nil, "nothing at the decode steps is JSON"
	}
	for i, d := range docs {
		switch src.refs {
		case "nuxt", "turbo":
			docs[i] = hydrate(d)
		case "apollo":
			d.rows = map[string]*value{}
			index(d.root, d.rows, map[*value]bool{}, 0)
		}
		docs[i].meter = &e.meter
	}
	return docs, ""
}

// decoded follows the decode steps to strings that are JSON.
func (src *source) decoded(e *reader, d *jsonDoc) []*jsonDoc {
	level := []*jsonDoc{d}
	for _, step := range src.decode {
		var deeper []*jsonDoc
		for _, d := range level {
			step.path.walk(d, d.root, func(_ string, v *value) bool {
				if v.kind == jsonString {
					if inner, ok := undone(e, step.how, v.text); ok {
						deeper = append(deeper, &jsonDoc{root: inner})
					}
				} else if v.kind >= jsonArray {
					deeper = append(deeper, &jsonDoc{root: v, rows: d.rows, pushed: d.pushed})
				}
				return len(deeper) < 10_000
			})
		}
		level = deeper
	}
	return level
}

// parse reads a script's or an attribute's text: JSON, JSON behind the escapes
// that some frameworks put before it, or a JavaScript literal.
func (src *source) parse(e *reader, text string) (*value, error) {
	if len(src.decode) > 0 && len(src.decode[0].path.steps) == 0 && src.decode[0].how != "json" {
		return &value{kind: jsonString, text: text}, nil
	}
	v, err := parseJSON(text, &e.values)
	if err == nil {
		return v, nil
	}
	if strings.Contains(text, "&q;") || strings.Contains(text, "&quot;") {
		text = unescapedHTML(text)
	}
	if v, err := parseJSON(text, &e.values); err == nil {
		return v, nil
	}
	if v, n, err := parseLiteral(text, &e.values); err == nil && strings.Trim(text[n:], " ;\t\r\n") == "" {
		return v, nil
	}
	return nil, err
}

// undone decodes a string by one step.
func undone(e *reader, how, text string) (*value, bool) {
	switch how {
	case "base64":
		s, ok := unbase64(text)
		return &value{kind: jsonString, text: s}, ok
	case "url":
		return &value{kind: jsonString, text: unescapeURL(text)}, true
	case "html":
		return &value{kind: jsonString, text: unescapedHTML(text)}, true
	}
	v, err := parseJSON(strings.TrimSpace(text), &e.values)
	return v, err == nil
}

// picked is a JSON value that a source chose, with its document and key.
type picked struct {
	doc *jsonDoc
	val *value
	key string
}

// choose finds the entries, and the base that the list's own paths (its total)
// start from. single says that an object without an items path is an entry.
func (src *source) choose(e *reader, single bool) (base picked, items []picked, why string) {
	docs, why := src.documents(e)
	if why != "" {
		return base, nil, why
	}
	var bases []picked
	if src.find == nil {
		for _, d := range docs {
			bases = append(bases, picked{doc: d, val: d.root})
		}
	} else {
		for _, d := range docs {
			src.find.walk(e, d, func(v *value) bool {
				bases = append(bases, picked{doc: d, val: v})
				return src.find.all && len(bases) < maxItems
			})
			if len(bases) > 0 && !src.find.all {
				break
			}
		}
		if len(bases) == 0 {
			return base, nil, "no object of the JSON " + src.find.words()
		}
	}
	base = bases[0]
	if src.items == nil {
		if src.find != nil && (src.find.all || base.val.kind == jsonObject) || single || src.ld != "" {
			return base, bases, ""
		}
		for _, b := range bases {
			items = append(items, members(b)...)
		}
		return base, items, ""
	}
	there := false
	for _, b := range bases {
		from := b.val
		if src.items.root {
			from = b.doc.root
		}
		src.items.walk(b.doc, from, func(key string, v *value) bool {
			there = true // also as null, which is no entries
			p := picked{doc: b.doc, val: v, key: key}
			switch {
			case src.items.each, b.doc.xml, src.items.several() && v.oneThing():
				items = append(items, p)
			case v.kind >= jsonArray:
				items = append(items, members(p)...)
			}
			return len(items) < maxItems
		})
	}
	if !there {
		return base, nil, "the JSON has nothing at the path of its entries"
	}
	return base, items, ""
}

// oneThing says whether an object is a thing with properties, not a map of things.
func (v *value) oneThing() bool {
	return v.kind == jsonObject && slices.ContainsFunc(v.list, func(m *value) bool { return m.kind < jsonArray })
}

// members are an array's or a map's values.
func members(p picked) (out []picked) {
	for i, v := range p.val.list {
		key := itoa(i)
		if p.val.kind == jsonObject {
			key = p.val.keys[i]
		}
		out = append(out, picked{doc: p.doc, val: p.doc.follow(v), key: key})
		if len(out) >= maxItems {
			break
		}
	}
	return out
}

func (f *find) words() string {
	s := "has " + strings.Join(f.has, ", ")
	if len(f.where) > 0 {
		s += " with the values that are wanted"
	}
	return s
}

// walk calls yield for each object that fits, outer ones first.
func (f *find) walk(e *reader, d *jsonDoc, yield func(*value) bool) {
	seen := map[*value]bool{}
	var visit func(v *value, depth int) bool
	visit = func(v *value, depth int) bool {
		if v == nil || v.kind < jsonArray || depth > 2*maxJSONDepth || seen[v] {
			return true
		}
		e.meter.spend(1)
		seen[v] = true
		if v.kind == jsonObject && f.fits(e, d, v) && !yield(v) {
			return false
		}
		for _, m := range v.list {
			if !visit(m, depth+1) {
				return false
			}
		}
		return true
	}
	visit(d.root, 0)
}

func (f *find) fits(e *reader, d *jsonDoc, v *value) bool {
	for _, key := range f.has {
		e.meter.spend(1 + len(v.keys)/8)
		if v.get(key) == nil {
			return false
		}
	}
	for i := range f.where {
		w := &f.where[i]
		text, ok := d.follow(w.path.first(d, v)).scalar()
		if !ok {
			return false
		}
		switch {
		case w.url != nil:
			m := w.url.FindStringSubmatch(e.page.URL)
			if m == nil || captured(w.url, m) != text {
				return false
			}
		case w.varName != "":
			if e.page.Request.Vars[w.varName] != text {
				return false
			}
		case w.match != nil:
			if !w.match.MatchString(text) {
				return false
			}
		case w.is != text:
			return false
		}
	}
	return true
}

// scriptText is a script's text; a page may have put it into several nodes.
func scriptText(n *html.Node) string {
	if n.FirstChild != nil && n.FirstChild == n.LastChild {
		return n.FirstChild.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.TextNode || c.Type == html.CommentNode { // some hide JSON in a comment
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// scripts calls yield for each script of the page.
func (e *reader) scripts(yield func(n *html.Node, text string) bool) {
	root := e.html()
	for n := root; n != nil; n = next(n, root) {
		if n.Type == html.ElementNode && n.DataAtom == atom.Script && n.FirstChild != nil {
			e.meter.spend(1)
			if !yield(n, scriptText(n)) {
				return
			}
		}
	}
}

// assigned is the literal that stands after the words of src.variable in a
// script: an assignment, a call, or a member.
func (e *reader) assigned(src *source) (doc *jsonDoc, err error) {
	// Each place where the words stand may cost a scan; a page full of them is not
	// read to its end.
	const mostTries = 50
	tries := 0
	err = &pathError{"no script has a value after " + src.variable}
	in := func(text string) bool {
		for at := 0; tries < mostTries; tries++ {
			i := strings.Index(text[at:], src.variable)
			if i < 0 {
				return true
			}
			at += i + len(src.variable)
			// window["x"] = … ends the name with a quote and a bracket.
			rest := strings.TrimLeft(text[at:], " \t\r\n\"']")
			if strings.IndexByte("(=:,", src.variable[len(src.variable)-1]) >= 0 {
				rest = strings.TrimLeft(text[at:], " \t\r\n")
			} else if rest != "" && (rest[0] == '=' || rest[0] == ':' || rest[0] == '(' || rest[0] == ',') && !strings.HasPrefix(rest, "==") {
				rest = strings.TrimLeft(rest[1:], " \t\r\n")
				if arrow := strings.Index(rest, ")=>"); arrow < 0 || strings.ContainsAny(rest[:arrow], "{[\"'") {
					rest = strings.TrimLeft(rest, "( \t\r\n")
				}
			} else {
				continue
			}
			if rest == "" || strings.IndexByte("{[\"'`JONfna", rest[0]) < 0 {
				continue
			}
			v, _, literalErr := parseLiteral(rest, &e.values)
			if literalErr != nil {
				err = &pathError{fmt.Sprintf("what stands after %s isn't a literal: %v", src.variable, literalErr)}
				continue
			}
			if v.kind == jsonString {
				// A string that holds JSON.
				inner, innerErr := parseJSON(strings.TrimSpace(v.text), &e.values)
				switch {
				case innerErr == nil:
					v = inner
				case !src.texts:
					continue
				}
			}
			doc, err = &jsonDoc{root: v}, nil
			return false
		}
		return false
	}
	switch root := e.html(); {
	case src.script == nil:
		any := false
		e.scripts(func(_ *html.Node, text string) bool {
			any = true
			return in(text)
		})
		if !any { // the answer is a script itself
			in(e.bodyText())
		}
	case root != nil:
		src.script.all(root, &e.meter, func(n *html.Node) bool {
			text := ""
			if src.attr != "" {
				text, _ = attribute(n, src.attr)
			} else {
				text = scriptText(n)
			}
			return in(text)
		})
	}
	return doc, err
}

// pushedStrings joins what a Next.js page pushes, and reads its rows.
func (e *reader) pushedStrings() (*jsonDoc, error) {
	const push = "self.__next_f.push("
	var all strings.Builder
	e.scripts(func(_ *html.Node, text string) bool {
		for {
			_, rest, ok := strings.Cut(text, push)
			if !ok {
				return true
			}
			v, n, err := parseLiteral(rest, &e.values)
			if err != nil {
				return true
			}
			if v.kind == jsonArray && len(v.list) == 2 && v.list[1].kind == jsonString {
				all.WriteString(v.list[1].text)
			}
			text = rest[n:]
		}
	})
	if all.Len() == 0 {
		return nil, &pathError{"the page pushes no strings (self.__next_f)"}
	}
	return flight(all.String(), &e.values), nil
}

// flight reads the rows of React's flight format: "1a:{…}\n", "1b:T4c,text".
func flight(s string, values *int) *jsonDoc {
	d := &jsonDoc{root: &value{kind: jsonObject}, rows: map[string]*value{}, pushed: true}
	for s != "" {
		id, rest, ok := strings.Cut(s, ":")
		if !ok || len(id) > 16 || strings.Trim(id, "0123456789abcdef\n ") != "" {
			_, s, _ = strings.Cut(s, "\n")
			continue
		}
		id = strings.TrimSpace(id)
		if size, text, ok := strings.Cut(rest, ","); ok && strings.HasPrefix(size, "T") {
			if n, err := strconv.ParseUint(size[1:], 16, 32); err == nil {
				n := min(int(n), len(text))
				d.row(id, &value{kind: jsonString, text: text[:n]})
				s = text[n:]
				continue
			}
		}
		line, after, _ := strings.Cut(rest, "\n")
		s = after
		if line == "" || line[0] >= 'A' && line[0] <= 'Z' {
			continue // imports, hints, errors
		}
		if v, err := parseJSON(line, values); err == nil {
			d.row(id, v)
		}
	}
	return d
}

func (d *jsonDoc) row(id string, v *value) {
	if d.rows[id] == nil {
		d.rows[id] = v
		d.root.keys, d.root.list = append(d.root.keys, id), append(d.root.list, v)
	}
}

// hydrate resolves the payloads of Nuxt (devalue) and React Router (turbo-stream):
// an array in which numbers stand for the elements at those places. The second
// writes the names of members so too: {"_1": 2}.
func hydrate(d *jsonDoc) *jsonDoc {
	if d.root.kind != jsonArray || len(d.root.list) == 0 {
		return d
	}
	flat := d.root.list
	done := make(map[int]*value, len(flat))
	var at func(ref *value, depth int) *value
	at = func(ref *value, depth int) *value {
		i, err := strconv.Atoi(ref.text)
		if ref.kind != jsonNumber || err != nil || i < 0 || i >= len(flat) || depth > 2*maxJSONDepth {
			return &value{}
		}
		if v := done[i]; v != nil {
			return v
		}
		raw := flat[i]
		out := &value{kind: raw.kind, text: raw.text, keys: raw.keys}
		done[i] = out
		switch {
		case raw.kind == jsonArray && len(raw.list) == 2 && raw.list[0].kind == jsonString:
			switch raw.list[0].text {
			case "Date", "BigInt", "URL", "NuxtError", "RegExp":
				*out = *raw.list[1]
			default: // Reactive, Ref, ShallowRef …
				*out = *at(raw.list[1], depth+1)
			}
		case raw.kind >= jsonArray:
			members := raw.list
			if raw.kind == jsonArray && len(members) > 0 && members[0].kind == jsonString {
				members = members[1:] // Set, Map
			}
			for _, m := range members {
				out.list = append(out.list, at(m, depth+1))
			}
			for j, key := range raw.keys {
				if n, err := strconv.Atoi(strings.TrimPrefix(key, "_")); err == nil && key[0] == '_' && n >= 0 && n < len(flat) && flat[n].kind == jsonString {
					if j == 0 {
						out.keys = slices.Clone(raw.keys)
					}
					out.keys[j] = flat[n].text
				}
			}
		}
		return out
	}
	return &jsonDoc{root: at(&value{kind: jsonNumber, text: "0"}, 0)}
}

// index collects what references of an Apollo cache may name.
func index(v *value, rows map[string]*value, seen map[*value]bool, depth int) {
	if v == nil || v.kind < jsonArray || depth > maxJSONDepth || seen[v] {
		return
	}
	seen[v] = true
	for i, m := range v.list {
		if v.kind == jsonObject && m.kind == jsonObject && (strings.Contains(v.keys[i], ":") || m.get("__typename") != nil) && rows[v.keys[i]] == nil {
			rows[v.keys[i]] = m
		}
		index(m, rows, seen, depth+1)
	}
}

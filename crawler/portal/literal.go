package portal

import (
	"html"
	"strconv"
	"strings"
)

// Pages keep their state in scripts as JavaScript writes it, which is more than
// JSON: names without quotes, undefined, new Date(…), JSON.parse("…"), and the
// function that Nuxt 2 calls where it stands, so that what occurs often is written
// once: (function(a,b){b.x=1;return {shops:[a,b]}}("percent",{})). Nothing is run:
// what isn't a value written out is refused.

// nameLength is how many bytes of s are a JavaScript name.
func nameLength(s string) int {
	n := 0
	for n < len(s) && (s[n] == '_' || s[n] == '$' || s[n] >= '0' && s[n] <= '9' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || s[n] >= 0x80) {
		n++
	}
	return n
}

// looseWord reads what JavaScript writes in the place of a JSON value.
func (p *jsonScanner) looseWord(depth int) (*value, error) {
	rest := p.s[p.at:]
	for _, w := range [...]struct {
		word string
		v    value
	}{
		{"void 0", value{}}, {"!0", value{kind: jsonBool, text: "true"}}, {"!1", value{kind: jsonBool, text: "false"}},
		{"undefined", value{}}, {"NaN", value{}}, {"Infinity", value{}},
	} {
		if strings.HasPrefix(rest, w.word) && nameLength(rest) <= len(w.word) {
			p.at += len(w.word)
			return &w.v, nil
		}
	}
	for _, c := range [...]struct {
		call string
		of   func(p *jsonScanner, args []*value) (*value, error)
	}{
		{"JSON.parse(", (*jsonScanner).parsed},
		{"decodeURIComponent(", textCall(unescapeURL)}, {"decodeURI(", textCall(unescapeURL)}, {"unescape(", textCall(unescapeURL)},
		{"atob(", textCall(func(s string) string { s, _ = unbase64(s); return s })},
		{"new Date(", firstOf}, {"new Map(", firstOf}, {"new Set(", firstOf}, {"new URL(", firstOf}, {"Object.freeze(", firstOf},
		{"Array(", func(*jsonScanner, []*value) (*value, error) { return &value{kind: jsonArray}, nil }},
	} {
		if strings.HasPrefix(rest, c.call) {
			p.at += len(c.call)
			args, err := p.arguments(depth)
			if err != nil {
				return nil, err
			}
			return c.of(p, args)
		}
	}
	if rest[0] == '(' || strings.HasPrefix(rest, "function") && nameLength(rest) == len("function") {
		return p.function(depth)
	}
	return p.named()
}

func firstOf(_ *jsonScanner, args []*value) (*value, error) {
	if len(args) == 0 {
		return &value{}, nil
	}
	return args[0], nil
}

func textCall(f func(string) string) func(*jsonScanner, []*value) (*value, error) {
	return func(p *jsonScanner, args []*value) (*value, error) {
		if len(args) != 1 || args[0].kind != jsonString {
			return nil, p.fail("a call that isn't a literal")
		}
		return &value{kind: jsonString, text: f(args[0].text)}, nil
	}
}

// parsed is what JSON.parse gives.
func (p *jsonScanner) parsed(args []*value) (*value, error) {
	if len(args) == 0 || args[0].kind != jsonString {
		return nil, p.fail("a call that isn't a literal")
	}
	return parseJSON(args[0].text, p.values)
}

// arguments reads the values up to the bracket that closes a call.
func (p *jsonScanner) arguments(depth int) (out []*value, err error) {
	for {
		if p.space(); p.at < len(p.s) && p.s[p.at] == ')' {
			p.at++
			return out, nil
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.unsaid {
			return nil, p.fail("a call that isn't a literal")
		}
		out = append(out, v)
		if more, err := p.comma(')'); err != nil || !more {
			return out, err
		}
	}
}

// named reads a name: a parameter's value, or one that stands elsewhere and so
// says nothing.
func (p *jsonScanner) named() (*value, error) {
	n := nameLength(p.s[p.at:])
	if n == 0 {
		return nil, p.fail("not a literal")
	}
	if v, ok := p.params[p.s[p.at:p.at+n]]; ok {
		p.at += n
		return v, nil
	}
	end := p.at + n
	for end < len(p.s) && p.s[end] == '.' {
		end += 1 + nameLength(p.s[end+1:])
	}
	if rest := strings.TrimLeft(p.s[end:min(len(p.s), end+64)], " \t\r\n"); rest == "" || strings.IndexByte(",}]", rest[0]) < 0 {
		return nil, p.fail("not a literal")
	}
	p.at, p.unsaid = end, true
	return &value{}, nil
}

// function reads a function that is called where it stands, as the value that it
// returns; one that isn't called says nothing.
func (p *jsonScanner) function(depth int) (*value, error) {
	if p.inside {
		return nil, p.fail("a function within a function")
	}
	p.inside = true
	defer func() { p.inside = false }()
	open := 0
	for p.at < len(p.s) && p.s[p.at] == '(' {
		open++
		p.at++
		p.space()
	}
	arrow := true
	if strings.HasPrefix(p.s[p.at:], "function") {
		arrow = false
		p.at += len("function")
		p.space()
		p.at += nameLength(p.s[p.at:])
		if p.space(); p.at >= len(p.s) || p.s[p.at] != '(' {
			return nil, p.fail("not a function")
		}
		p.at++
	} else if open--; open < 0 {
		return nil, p.fail("not a function")
	}
	list, after, ok := strings.Cut(p.s[p.at:], ")")
	if !ok {
		return nil, p.fail("not a function")
	}
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" && nameLength(name) == len(name) {
			names = append(names, name)
		} else if name != "" {
			return nil, p.fail("not a function")
		}
	}
	p.at = len(p.s) - len(after)
	p.space()
	if arrow {
		if !strings.HasPrefix(p.s[p.at:], "=>") {
			return nil, p.fail("not a literal")
		}
		p.at += len("=>")
		p.space()
	}
	from := p.at
	if from >= len(p.s) || p.s[from] != '{' && !(arrow && p.s[from] == '(') {
		return nil, p.fail("not a function")
	}
	end := balanced(p.s[from:])
	if end < 0 {
		return nil, p.fail("the script is cut off")
	}
	p.at = from + end
	// The call's bracket stands behind the function, or behind the one around it.
	for p.space(); open > 0 && p.at < len(p.s) && p.s[p.at] == ')'; p.space() {
		open--
		p.at++
	}
	if p.at >= len(p.s) || p.s[p.at] != '(' {
		p.unsaid = true
		return &value{}, nil
	}
	p.at++
	args, err := p.arguments(depth)
	if err != nil {
		return nil, err
	}
	for p.space(); open > 0 && p.at < len(p.s) && p.s[p.at] == ')'; p.space() {
		open--
		p.at++
	}
	body := &jsonScanner{s: p.s[:from+end-1], at: from + 1, loose: true, values: p.values, inside: true, params: make(map[string]*value, len(names))}
	for i, name := range names {
		body.params[name] = &value{}
		if i < len(args) {
			body.params[name] = args[i]
		}
	}
	if p.s[from] == '(' {
		return body.value(depth + 1)
	}
	return body.statements(depth)
}

// balanced is the length of what s begins with up to the bracket that closes it;
// -1 where it isn't closed.
func balanced(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == '\\' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{' || c == '(' || c == '[':
			depth++
		case c == '}' || c == ')' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// statements reads assignments to members of the parameters, up to what is
// returned.
func (p *jsonScanner) statements(depth int) (*value, error) {
	for {
		for p.space(); p.at < len(p.s) && (p.s[p.at] == ';' || p.s[p.at] == ','); p.space() {
			p.at++
		}
		n := nameLength(p.s[p.at:])
		name := p.s[p.at : p.at+n]
		p.at += n
		if name == "return" {
			return p.value(depth + 1)
		}
		to := p.params[name]
		if to == nil {
			return nil, p.fail("a function that must be run")
		}
		if err := p.assignment(to, depth); err != nil {
			return nil, err
		}
	}
}

// assignment reads ".a[0].b=value" and puts the value there.
func (p *jsonScanner) assignment(to *value, depth int) error {
	for {
		key := ""
		switch p.space(); {
		case p.at < len(p.s) && p.s[p.at] == '.':
			p.at++
			n := nameLength(p.s[p.at:])
			key = p.s[p.at : p.at+n]
			p.at += n
		case p.at < len(p.s) && p.s[p.at] == '[':
			p.at++
			v, err := p.value(depth + 1)
			if err != nil {
				return err
			}
			if p.space(); p.at >= len(p.s) || p.s[p.at] != ']' {
				return p.fail("a function that must be run")
			}
			p.at++
			key = v.text
		default:
			return p.fail("a function that must be run")
		}
		if p.space(); p.at < len(p.s) && (p.s[p.at] == '.' || p.s[p.at] == '[') {
			if to = to.member(key); to == nil {
				return p.fail("a function that must be run")
			}
			continue
		}
		if p.at >= len(p.s) || p.s[p.at] != '=' {
			return p.fail("a function that must be run")
		}
		p.at++
		v, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		p.unsaid = false
		if !to.set(key, v) {
			return p.fail("a function that must be run")
		}
		return nil
	}
}

// member is an object's or an array's value of that name.
func (v *value) member(key string) *value {
	if v.kind != jsonArray {
		return v.get(key)
	}
	if n, err := strconv.Atoi(key); err == nil && n >= 0 && n < len(v.list) {
		return v.list[n]
	}
	return nil
}

// set puts a member into an object, or an element at an array's end or in it.
func (v *value) set(key string, to *value) bool {
	switch v.kind {
	case jsonObject:
		for i, k := range v.keys {
			if k == key {
				v.list[i] = to
				return true
			}
		}
		v.keys, v.list = append(v.keys, key), append(v.list, to)
		return true
	case jsonArray:
		n, err := strconv.Atoi(key)
		if err != nil || n < 0 || n > len(v.list) {
			return false
		}
		if n == len(v.list) {
			v.list = append(v.list, nil)
		}
		v.list[n] = to
		return true
	}
	return false
}

// unescapedHTML undoes HTML's entities, or the ones of their own in which Angular's
// older versions wrote their transfer state into a script.
func unescapedHTML(s string) string {
	if strings.Contains(s, "&q;") {
		return strings.NewReplacer("&q;", `"`, "&s;", "'", "&l;", "<", "&g;", ">", "&a;", "&").Replace(s)
	}
	return html.UnescapeString(s)
}

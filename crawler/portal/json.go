package portal

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Bounds of what is read as JSON. Real lists of 1,400 shops have 60,000 values
// and a depth of 12.
const (
	maxJSONDepth  = 64
	maxJSONValues = 400_000
	maxJSONNumber = 64 // characters of a number
)

type valueKind uint8

const (
	jsonNull valueKind = iota
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

// value is a JSON value. Numbers stay the text they were, and objects keep the
// order of their members: a map by id lists its entries in the page's order.
type value struct {
	kind valueKind
	text string   // of a string, a number or a boolean
	list []*value // of an array or an object
	keys []string // of an object
}

func (v *value) get(key string) *value {
	if v == nil || v.kind != jsonObject {
		return nil
	}
	for i, k := range v.keys {
		if k == key {
			return v.list[i]
		}
	}
	return nil
}

// scalar is the text of a string, number or boolean.
func (v *value) scalar() (string, bool) {
	if v == nil || v.kind == jsonNull || v.kind >= jsonArray {
		return "", false
	}
	return v.text, true
}

// truthy says whether a value counts as a yes: not null, false, 0, "" or an empty
// array or object.
func (v *value) truthy() bool {
	switch {
	case v == nil || v.kind == jsonNull:
		return false
	case v.kind >= jsonArray:
		return len(v.list) > 0
	}
	return yes(v.text)
}

// yes reads a flag as sites write it.
func yes(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "0", "false", "no", "off", "null", "none":
		return false
	}
	return true
}

// jsonScanner reads JSON, or with loose set the literals of JavaScript that pages
// assign to variables.
type jsonScanner struct {
	s      string
	at     int
	loose  bool
	values *int // counted over a page
	// Of a function that is called where it stands: its parameters' values. inside
	// says that one is being read, as none may lie within another.
	params map[string]*value
	inside bool
	// unsaid: the value just read is a name whose value stands elsewhere.
	unsaid bool
}

func (p *jsonScanner) fail(format string, args ...any) error {
	before := p.s[:min(p.at, len(p.s))]
	line := strings.Count(before, "\n") + 1
	return cashback.ErrorAt(cashback.Invalid, cashback.Place{Line: line, Column: len(before) - strings.LastIndexByte(before, '\n')}, format, args...)
}

// parseJSON reads one value and nothing after it. values counts over all of a
// page's documents.
func parseJSON(s string, values *int) (*value, error) {
	p := &jsonScanner{s: s, values: values}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(s) {
		return nil, p.fail("something stands after the JSON's end")
	}
	return v, nil
}

// parseLiteral reads the JavaScript literal that s begins with and returns where
// it ends.
func parseLiteral(s string, values *int) (*value, int, error) {
	p := &jsonScanner{s: s, values: values, loose: true}
	v, err := p.value(0)
	return v, p.at, err
}

func (p *jsonScanner) space() {
	for p.at < len(p.s) {
		switch c := p.s[p.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			p.at++
		case p.loose && strings.HasPrefix(p.s[p.at:], "/*"):
			end := strings.Index(p.s[p.at+2:], "*/")
			if end < 0 {
				p.at = len(p.s)
				return
			}
			p.at += end + 4
		case p.loose && strings.HasPrefix(p.s[p.at:], "//"):
			end := strings.IndexByte(p.s[p.at:], '\n')
			if end < 0 {
				p.at = len(p.s)
				return
			}
			p.at += end + 1
		default:
			return
		}
	}
}

func (p *jsonScanner) value(depth int) (*value, error) {
	p.space()
	if p.at >= len(p.s) {
		return nil, p.fail("the JSON is cut off")
	}
	if depth > maxJSONDepth {
		return nil, p.fail("the JSON is nested deeper than %d", maxJSONDepth)
	}
	if *p.values++; *p.values > maxJSONValues {
		return nil, p.fail("the JSON has more than %d values", maxJSONValues)
	}
	switch c := p.s[p.at]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"' || p.loose && (c == '\'' || c == '`'):
		s, err := p.str()
		return &value{kind: jsonString, text: s}, err
	case c == '-' || c >= '0' && c <= '9' || p.loose && c == '.':
		return p.number()
	}
	for _, w := range [...]struct {
		word string
		v    value
	}{{"null", value{}}, {"true", value{kind: jsonBool, text: "true"}}, {"false", value{kind: jsonBool, text: "false"}}} {
		if strings.HasPrefix(p.s[p.at:], w.word) && !(p.loose && nameLength(p.s[p.at:]) > len(w.word)) {
			p.at += len(w.word)
			return &w.v, nil
		}
	}
	if p.loose {
		return p.looseWord(depth)
	}
	return nil, p.fail("not JSON")
}

func (p *jsonScanner) array(depth int) (*value, error) {
	v := &value{kind: jsonArray}
	p.at++
	for {
		if p.space(); p.at < len(p.s) && p.s[p.at] == ']' && (len(v.list) == 0 || p.loose) {
			p.at++
			return v, nil
		}
		e, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		v.list, p.unsaid = append(v.list, e), false
		if more, err := p.comma(']'); err != nil || !more {
			return v, err
		}
	}
}

func (p *jsonScanner) object(depth int) (*value, error) {
	v := &value{kind: jsonObject}
	var seen map[string]bool // once there are many members
	p.at++
	for {
		if p.space(); p.at < len(p.s) && p.s[p.at] == '}' && (len(v.list) == 0 || p.loose) {
			p.at++
			return v, nil
		}
		key, err := p.key()
		if err != nil {
			return nil, err
		}
		if p.space(); p.at >= len(p.s) || p.s[p.at] != ':' {
			return nil, p.fail("a colon is missing after %q", short(key))
		}
		p.at++
		twice := false
		if seen == nil && len(v.keys) >= 16 {
			seen = make(map[string]bool, 64)
			for _, k := range v.keys {
				seen[k] = true
			}
		}
		if seen != nil {
			twice, seen[key] = seen[key], true
		} else {
			twice = v.get(key) != nil
		}
		if twice {
			return nil, p.fail("the member %q stands twice in one object", short(key))
		}
		e, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.unsaid {
			v.keys, v.list = append(v.keys, key), append(v.list, e)
		}
		p.unsaid = false
		if more, err := p.comma('}'); err != nil || !more {
			return v, err
		}
	}
}

func (p *jsonScanner) comma(end byte) (more bool, err error) {
	p.space()
	switch {
	case p.at >= len(p.s):
		return false, p.fail("the JSON is cut off")
	case p.s[p.at] == ',':
		p.at++
		return true, nil
	case p.s[p.at] == end:
		p.at++
		return false, nil
	}
	return false, p.fail("a comma or %q is missing", end)
}

func (p *jsonScanner) key() (string, error) {
	if p.at < len(p.s) && (p.s[p.at] == '"' || p.loose && p.s[p.at] == '\'') {
		return p.str()
	}
	if !p.loose {
		return "", p.fail("a member's name is missing")
	}
	n := nameLength(p.s[p.at:])
	if n == 0 {
		return "", p.fail("a member's name is missing")
	}
	p.at += n
	return p.s[p.at-n : p.at], nil
}

func (p *jsonScanner) number() (*value, error) {
	from := p.at
	for p.at < len(p.s) && strings.IndexByte("+-.0123456789eE", p.s[p.at]) >= 0 {
		p.at++
	}
	text := p.s[from:p.at]
	if len(text) > maxJSONNumber {
		p.at = from
		return nil, p.fail("a number of %d characters", len(text))
	}
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		p.at = from
		return nil, p.fail("%q is not a number", text)
	}
	if strings.ContainsAny(text, "eE") {
		// 1e3 is written out, exactly.
		if d, err := decimalOf(text); err == nil {
			text = d.String()
		}
	}
	return &value{kind: jsonNumber, text: text}, nil
}

// str reads a string in the quotes that it begins with.
func (p *jsonScanner) str() (string, error) {
	quote := p.s[p.at]
	p.at++
	from := p.at
	for i := from; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == quote:
			p.at = i + 1
			return p.s[from:i], nil
		case c == '\\' || quote == '`' && c == '$':
			p.at = i
			return p.escaped(quote, p.s[from:i])
		case c < 0x20 && !p.loose && c != '\t':
			p.at = i
			return "", p.fail("a control character in a string")
		}
	}
	return "", p.fail("a string is cut off")
}

func (p *jsonScanner) escaped(quote byte, before string) (string, error) {
	var b strings.Builder
	b.WriteString(before)
	for p.at < len(p.s) {
		c := p.s[p.at]
		switch {
		case c == quote:
			p.at++
			return b.String(), nil
		case quote == '`' && c == '$' && strings.HasPrefix(p.s[p.at:], "${"):
			return "", p.fail("a template that must be run")
		case c != '\\':
			b.WriteByte(c)
			p.at++
			continue
		}
		p.at++
		if p.at >= len(p.s) {
			break
		}
		c = p.s[p.at]
		p.at++
		switch c {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'b', 'f':
			b.WriteByte(' ')
		case 'v', '0':
			if !p.loose {
				return "", p.fail("an escape that JSON doesn't have")
			}
			b.WriteByte(' ')
		case 'x':
			if !p.loose {
				return "", p.fail("an escape that JSON doesn't have")
			}
			r, err := p.hex(2)
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		case 'u':
			r, err := p.hex(4)
			if err != nil {
				return "", err
			}
			if utf16.IsSurrogate(r) && strings.HasPrefix(p.s[p.at:], `\u`) {
				back := p.at
				p.at += 2
				low, err := p.hex(4)
				if err != nil {
					return "", err
				}
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					r = pair
				} else {
					p.at = back
				}
			}
			b.WriteRune(r) // a lone surrogate becomes U+FFFD
		case '\n':
			if !p.loose {
				return "", p.fail("an escape that JSON doesn't have")
			}
		case '"', '\\', '/':
			b.WriteByte(c)
		default:
			if !p.loose {
				return "", p.fail("an escape that JSON doesn't have")
			}
			b.WriteByte(c)
		}
	}
	return "", p.fail("a string is cut off")
}

func (p *jsonScanner) hex(n int) (rune, error) {
	if p.at+n > len(p.s) {
		return 0, p.fail("an escape is cut off")
	}
	r, err := strconv.ParseUint(p.s[p.at:p.at+n], 16, 32)
	if err != nil {
		return 0, p.fail("an escape that isn't hexadecimal")
	}
	p.at += n
	return rune(r), nil
}

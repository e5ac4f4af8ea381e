package portal

import (
	"slices"
	"strconv"
	"strings"
)

// path is a compiled JSON path: `a.b[0].c`, `rates[].value`, `images[size=large].url`,
// `"a.b".c`; `$` begins at the document's root, `^` at the item around a tier. In
// brackets a pick of the entry may stand: `$.offers[{offer_id}].text`,
// `$.offers[shop={id}].text`.
type path struct {
	root  bool
	up    int // how many scopes outwards it begins
	steps []pathStep
	each  bool // ends with each: every member is meant, not the array
	holes bool // some step has a hole: see filled
}

type pathStep struct {
	key        string
	index      int
	kind       stepKind
	filterPath *path // of a filter
	filterText string
	// hole is the pick that gives key or filterText.
	hole *pick
}

type stepKind uint8

const (
	stepKey stepKind = iota
	stepIndex
	stepEach
	stepFilter
)

type pathError struct{ reason string }

func (e *pathError) Error() string { return e.reason }

// parsePath compiles a path; "" and "." mean the value itself. inJSON says that the
// picks in its brackets start from a JSON value.
func parsePath(s string, inJSON bool) (*path, error) {
	p := &path{}
	hole := func(step *pathStep, text string) (err error) {
		p.holes = true
		step.hole, err = parsePick(text[1:len(text)-1], inJSON)
		return err
	}
	rest := strings.TrimSpace(s)
	switch {
	case rest == "$" || strings.HasPrefix(rest, "$.") || strings.HasPrefix(rest, "$["):
		p.root, rest = true, strings.TrimPrefix(rest[1:], ".")
	default:
		for strings.HasPrefix(rest, "^") {
			p.up++
			rest = rest[1:]
		}
		if p.up > 0 {
			rest = strings.TrimPrefix(rest, ".")
		}
	}
	if rest == "." {
		rest = ""
	}
	for first := true; rest != ""; first = false {
		var step pathStep
		switch {
		case rest[0] == '[':
			end := closing(rest)
			if end < 0 {
				return nil, &pathError{"a bracket is not closed"}
			}
			inner := strings.TrimSpace(rest[1:end])
			rest = rest[end+1:]
			switch n, err := strconv.Atoi(inner); {
			case inner == "" || inner == "*":
				step.kind = stepEach
			case err == nil:
				step.kind, step.index = stepIndex, n
			case inner[0] == '"' || inner[0] == '\'':
				step.key = strings.Trim(inner, `"'`)
			case braced(inner):
				if err := hole(&step, inner); err != nil {
					return nil, err
				}
			default:
				name, text, ok := strings.Cut(inner, "=")
				if !ok {
					return nil, &pathError{"in brackets stands an index, nothing (for each), name=value, or {pick}"}
				}
				sub, err := parsePath(name, inJSON)
				if err != nil {
					return nil, err
				}
				step.kind, step.filterPath = stepFilter, sub
				if text = strings.TrimSpace(text); braced(text) {
					if err := hole(&step, text); err != nil {
						return nil, err
					}
				} else {
					step.filterText = strings.Trim(text, `"'`)
				}
			}
		default:
			if rest[0] == '.' {
				if first {
					return nil, &pathError{"a path doesn't begin with a dot"}
				}
				rest = rest[1:]
			}
			if rest == "" {
				return nil, &pathError{"a path doesn't end with a dot"}
			}
			var name string
			if rest[0] == '"' || rest[0] == '\'' {
				end := strings.IndexByte(rest[1:], rest[0])
				if end < 0 {
					return nil, &pathError{"a quotation mark is missing"}
				}
				name, rest = rest[1:end+1], rest[end+2:]
				if rest != "" && rest[0] != '.' && rest[0] != '[' {
					return nil, &pathError{"after a quoted name stands a dot or a bracket"}
				}
			} else {
				end := strings.IndexAny(rest, ".[")
				if end < 0 {
					end = len(rest)
				}
				name, rest = rest[:end], rest[end:]
				if name == "" {
					return nil, &pathError{"a name is missing between two dots"}
				}
			}
			step.key = name
			if name == "*" || name == "each" {
				step.kind = stepEach
			}
		}
		p.steps = append(p.steps, step)
	}
	p.each = len(p.steps) > 0 && (p.steps[len(p.steps)-1].kind == stepEach || p.steps[len(p.steps)-1].kind == stepFilter)
	return p, nil
}

func braced(s string) bool { return len(s) > 2 && s[0] == '{' && s[len(s)-1] == '}' }

// filled is the path with what its picks find from the scope; nil where one of them
// finds nothing.
func (p *path) filled(s *scope) *path {
	if !p.holes {
		return p
	}
	out := *p
	out.steps = slices.Clone(p.steps)
	for i := range out.steps {
		step := &out.steps[i]
		if step.hole == nil {
			continue
		}
		text := ""
		step.hole.walk(s, func(f found) bool {
			text = squeeze(f.text)
			return text == ""
		})
		if text == "" {
			return nil
		}
		if step.kind == stepFilter {
			step.filterText = text
		} else {
			step.key = text
		}
	}
	return &out
}

// several says whether the path means more than one value before its last step.
func (p *path) several() bool {
	return slices.ContainsFunc(p.steps, func(s pathStep) bool { return s.kind == stepEach || s.kind == stepFilter })
}

// levels cuts the path behind each "each", so that the values on the way can be
// seen from inside. There is at least one.
func (p *path) levels() (out []*path) {
	from := 0
	for i, s := range p.steps {
		if s.kind == stepEach || s.kind == stepFilter {
			out = append(out, &path{steps: p.steps[from : i+1], each: true, holes: p.holes})
			from = i + 1
		}
	}
	if from < len(p.steps) || len(out) == 0 {
		out = append(out, &path{steps: p.steps[from:], holes: p.holes})
	}
	return out
}

// closing is where the bracket that s begins with is closed, quotes heeded.
func closing(s string) int {
	quote := byte(0)
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// walk calls yield for each value at the path, in order, until it says false. A
// missing member gives nothing; a null gives the null.
func (p *path) walk(d *jsonDoc, v *value, yield func(key string, v *value) bool) {
	walkSteps(d, p.steps, "", v, yield)
}

func walkSteps(d *jsonDoc, steps []pathStep, key string, v *value, yield func(string, *value) bool) bool {
	v = d.follow(v)
	if v == nil {
		return true
	}
	if len(steps) == 0 || v.kind == jsonNull {
		// A null on the way is a null at the end: "cashback": null says that there is
		// none, which a missing member doesn't.
		return yield(key, v)
	}
	step, rest := steps[0], steps[1:]
	switch step.kind {
	case stepKey:
		if v.kind == jsonArray {
			// "0" addresses an element, as many notations have it.
			if n, err := strconv.Atoi(step.key); err == nil && n >= 0 && n < len(v.list) {
				return walkSteps(d, rest, step.key, v.list[n], yield)
			}
			return true
		}
		head, glob := strings.CutSuffix(step.key, "*")
		if d != nil && d.xml {
			if v.kind == jsonString && step.key == "#text" {
				return walkSteps(d, rest, step.key, v, yield) // an element without attributes
			}
			step.key, head = unprefixed(step.key), unprefixed(head)
		}
		if step.hole != nil {
			head, glob = step.key, false // the page's own text has no wildcards
		}
		if !glob && (d == nil || !d.xml) {
			if e := v.get(step.key); e != nil {
				return walkSteps(d, rest, step.key, e, yield)
			}
			return true
		}
		if v.kind != jsonObject {
			return true
		}
		d.spend(len(v.keys))
		if d != nil && d.xml && len(rest) > 0 && rest[0].kind == stepIndex {
			// Elements of one name are the list that an index counts in.
			var named []*value
			for i, key := range v.keys {
				if key == step.key {
					named = append(named, v.list[i])
				}
			}
			n := rest[0].index
			if n < 0 {
				n += len(named)
			}
			return n < 0 || n >= len(named) || walkSteps(d, rest[1:], step.key, named[n], yield)
		}
		for i, key := range v.keys {
			if (key == step.key || glob && strings.HasPrefix(key, head)) && !walkSteps(d, rest, key, v.list[i], yield) {
				return false
			}
		}
	case stepIndex:
		n := step.index
		if n < 0 {
			n += len(v.list)
		}
		if v.kind >= jsonArray && n >= 0 && n < len(v.list) {
			return walkSteps(d, rest, strconv.Itoa(n), v.list[n], yield)
		}
	case stepEach, stepFilter:
		if d != nil && d.xml && step.kind == stepFilter && step.filterPath.first(d, v) != nil {
			// Of elements of one name, each comes by itself: its own member decides.
			return !holds(d, step, v) || walkSteps(d, rest, key, v, yield)
		}
		if v.kind < jsonArray {
			return true
		}
		d.spend(len(v.list))
		for i, e := range v.list {
			name := strconv.Itoa(i)
			if v.kind == jsonObject {
				name = v.keys[i]
			}
			if step.kind == stepFilter && !holds(d, step, e) {
				continue
			}
			if !walkSteps(d, rest, name, e, yield) {
				return false
			}
		}
	}
	return true
}

// unprefixed is an XML name without the prefix of its name space, which the tree
// doesn't keep.
func unprefixed(key string) string {
	at := ""
	if strings.HasPrefix(key, "@") {
		at, key = "@", key[1:]
	}
	return at + key[strings.IndexByte(key, ':')+1:]
}

func holds(d *jsonDoc, step pathStep, v *value) bool {
	found := false
	step.filterPath.walk(d, v, func(_ string, e *value) bool {
		text, ok := e.scalar()
		found = ok && text == step.filterText
		return !found
	})
	return found
}

// first is the first value at the path.
func (p *path) first(d *jsonDoc, v *value) (found *value) {
	p.walk(d, v, func(_ string, e *value) bool {
		found = e
		return false
	})
	return found
}

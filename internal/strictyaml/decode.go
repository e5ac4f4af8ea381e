// Package strictyaml reads the YAML files that people write for this program,
// portal definitions and import rules, into Go shapes.
//
// Its one invariant: every fault has its place. A name that a shape doesn't have is
// refused with the nearest one that it has, and what is found wrong with a value
// later is told with the line and column at which it stands. Files are bounded in
// size, depth and nodes, so that none costs more than it is long.
package strictyaml

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Bounds of a file. The longest shipped one has 9 KB.
const (
	maxFile   = 256 << 10
	maxNodes  = 50_000 // aliases counted each time
	maxDepth  = 60
	maxFaults = 20
)

// Decoder reads one file into a shape: a struct whose fields carry yaml tags; a tag
// without options is required. It remembers where each value stands, so that later
// faults (a pattern that doesn't compile) have their places too.
type Decoder struct {
	file    string
	what    string
	unknown func(path string) bool
	lines   []string
	places  map[string]*token.Token
	anchors map[string]ast.Node
	root    reflect.Type
	nodes   int
	faults  []error
}

// New makes a decoder of a file; what it holds ("definition", "rule") and its name
// stand in the errors.
func New(file, what string) *Decoder { return &Decoder{file: file, what: what} }

// AllowNothing says at which paths an empty value is a statement of its own ("not
// known"); elsewhere it is a fault.
func (d *Decoder) AllowNothing(at func(path string) bool) { d.unknown = at }

// FromYAML is implemented by shapes that take more than one form.
type FromYAML interface {
	FromYAML(d *Decoder, path string, n ast.Node)
}

// Failed says whether a fault was noted.
func (d *Decoder) Failed() bool { return len(d.faults) > 0 }

// Err joins the faults, each an Invalid error with its place; nil without any.
func (d *Decoder) Err() error { return errors.Join(d.faults...) }

// Has says whether the file holds something at a path such as "pages[0].fields".
func (d *Decoder) Has(path string) bool { return d.places[path] != nil }

// Fault notes that what stands at a path is wrong.
func (d *Decoder) Fault(path, format string, args ...any) {
	d.faultAt(d.placeOf(path), path, format, args...)
}

// placeOf is the place of a path, or of the nearest one above it.
func (d *Decoder) placeOf(path string) *token.Token {
	for {
		if t := d.places[path]; t != nil || path == "" {
			return t
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

func (d *Decoder) faultAt(t *token.Token, path, format string, args ...any) {
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, d.said(t, path, format, args...))
	}
}

// Remark is what Fault would note, for what isn't wrong but rarely meant.
func (d *Decoder) Remark(path, format string, args ...any) error {
	return d.said(d.placeOf(path), path, format, args...)
}

func (d *Decoder) said(t *token.Token, path, format string, args ...any) error {
	place := cashback.Place{File: d.file, Field: path}
	message := fmt.Sprintf(format, args...)
	if t != nil && t.Position != nil {
		place.Line, place.Column = t.Position.Line, t.Position.Column
		message += d.caret(place.Line, place.Column)
	}
	return cashback.ErrorAt(cashback.Invalid, place, "%s", message)
}

// caret is the line with a mark under the column.
func (d *Decoder) caret(line, column int) string {
	if line < 1 || line > len(d.lines) {
		return ""
	}
	text := []rune(strings.ReplaceAll(strings.TrimRight(d.lines[line-1], "\r"), "\t", " "))
	from := 0
	if column > 90 { // keep the mark in view on long lines
		from = column - 60
	}
	to := min(len(text), from+110)
	if from >= to {
		return ""
	}
	head := fmt.Sprintf("%5d | ", line)
	return "\n" + head + plainLine(string(text[from:to])) + "\n" + strings.Repeat(" ", len(head)-2) + "| " + strings.Repeat(" ", max(0, column-1-from)) + "^"
}

// plainLine is a line of a file without what would disturb a terminal.
func plainLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, s)
}

// short keeps foreign text out of messages.
func short(s string) string {
	const most = 60
	s = plainLine(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// Parse reads the file into the shape.
func (d *Decoder) Parse(b []byte, into any) error {
	if len(b) > maxFile {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file}, "the %s has %d bytes: at most %d", d.what, len(b), maxFile)
	}
	text := strings.TrimPrefix(strings.ToValidUTF8(string(b), "\uFFFD"), "\uFEFF")
	d.lines = strings.Split(text, "\n")
	if line, column, deep := tooDeep(d.lines); deep {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file, Line: line, Column: column}, "the %s is nested deeper than %d", d.what, maxDepth)
	}
	file, err := parseYAML([]byte(text))
	if err != nil {
		return d.foreign(err)
	}
	var docs []*ast.DocumentNode
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.NullType && doc.Body.Type() != ast.CommentType {
			docs = append(docs, doc)
		}
	}
	if len(docs) != 1 {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file}, "the file holds %d %ss: exactly one is expected", len(docs), d.what)
	}
	d.places, d.anchors = make(map[string]*token.Token), make(map[string]ast.Node)
	d.root = reflect.TypeOf(into).Elem()
	d.Decode("", docs[0].Body, reflect.ValueOf(into).Elem(), 0)
	return nil
}

// parseYAML contains the parser: what it doesn't foresee is a fault of the file,
// not of the program.
func parseYAML(b []byte) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = cashback.Errorf(cashback.Invalid, "the YAML can't be read")
		}
	}()
	return parser.ParseBytes(b, 0)
}

// tooDeep looks for nesting that would cost the parser its stack.
func tooDeep(lines []string) (line, column int, deep bool) {
	depth := 0
	for i, l := range lines {
		indent := len(l) - len(strings.TrimLeft(l, " -?"))
		if indent > 4*maxDepth || strings.Count(l[:indent], "-")+strings.Count(l[:indent], "?") > maxDepth {
			return i + 1, indent, true
		}
		for j := 0; j < len(l); j++ {
			switch l[j] {
			case '[', '{':
				// Brackets in quotes are counted too: no text has sixty of them open.
				if depth++; depth > maxDepth {
					return i + 1, j + 1, true
				}
			case ']', '}':
				depth = max(0, depth-1)
			}
		}
		if indent == 0 && l != "" {
			depth = min(depth, maxDepth/2)
		}
	}
	return 0, 0, false
}

// foreign turns the parser's error into ours.
func (d *Decoder) foreign(err error) error {
	var ye yaml.Error
	if !errors.As(err, &ye) {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file}, "not YAML: %v", err)
	}
	message := plainLine(strings.ReplaceAll(ye.GetMessage(), "'\t'", "of a tab"))
	t := ye.GetToken()
	if t == nil || t.Position == nil {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file}, "not YAML: %s", message)
	}
	line, column := t.Position.Line, t.Position.Column
	hint, onLine, at := d.cause(ye.GetMessage(), line)
	if onLine > 0 && onLine != line {
		// The mark stands where the mistake is, not where the parser stumbles over it.
		message = fmt.Sprintf("%s (line %d)", message, line)
		line, column = onLine, at
	}
	return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file, Line: line, Column: column}, "not YAML: %s%s%s", message, hint, d.caret(line, column))
}

// cause is a hint for the mistakes that people make in YAML, as selectors, regular
// expressions and addresses invite them. The parser sees many only lines later:
// onLine and column are where they are, 0 where that is where the parser stands.
func (d *Decoder) cause(message string, line int) (hint string, onLine, column int) {
	this := ""
	if line >= 1 && line <= len(d.lines) {
		this = d.lines[line-1]
	}
	indent := this[:len(this)-len(strings.TrimLeft(this, " \t\u00a0"))]
	switch {
	case strings.Contains(indent, "\t"):
		return "; YAML indents by spaces, not tabs", 0, 0
	case strings.Contains(message, "escape"):
		return "; in double quotes a backslash is written twice, in single quotes once", 0, 0
	case strings.Contains(message, "'@'") || strings.Contains(message, "reserved") || strings.Contains(message, "cannot start"):
		return `; a value that begins with @, %, & or * stands in quotes: "@href"`, 0, 0
	case strings.Contains(message, "mapping value is not allowed"):
		return `; a text with ": " in it stands in quotes`, 0, 0
	}
	// The nearest line that can be the cause, up to the place itself.
	left := 0
	for n := line; n >= 1 && n > line-100; n-- {
		l := strings.TrimRight(d.lines[n-1], "\r")
		at := fmt.Sprintf("on line %d ", n)
		if n == line {
			at = ""
		}
		open, quoted, hash, column := shape(l)
		if n < line {
			left += open
		}
		switch {
		case strings.HasPrefix(strings.TrimLeft(l, " "), "\u00a0"):
			return "; " + at + "the line is indented by a space of another kind (U+00A0)", n, 1
		case strings.ContainsAny(l, "“”„«»") && (n == line || open != 0):
			return "; " + at + `quotes are “curled”: YAML takes " and '`, n, 1 + utf8.RuneCountInString(l[:strings.IndexAny(l, "“”„«»")])
		case hash:
			return "; " + at + `a "#" begins a comment: the value stands in quotes`, n, column
		case quoted:
			return "; " + at + "a quotation mark isn't closed", n, column
		case left > 0:
			return "; " + at + "a bracket or brace isn't closed", n, column
		}
	}
	switch {
	case strings.Contains(message, "must be specified") && strings.ContainsAny(this, "[{"):
		return `; in brackets and braces a value with , [ ] { } or ": " in it stands in quotes`, 0, 0
	case strings.Contains(message, "value is not allowed"):
		return "; is the line indented as those that it belongs to?", 0, 0
	}
	return "", 0, 0
}

// shape says of a line how many brackets it leaves open, whether it leaves a
// quotation mark open, and whether a comment begins within its brackets; and in
// which column that which isn't closed, or the comment, begins.
func shape(l string) (open int, quoted, hash bool, column int) {
	quote, quoteAt := byte(0), 0
	var opened []int
	columnOf := func(i int) int { return 1 + utf8.RuneCountInString(l[:i]) }
	for i := 0; i < len(l); i++ {
		c := l[i]
		before := byte(' ')
		if i > 0 {
			before = l[i-1]
		}
		switch {
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && strings.IndexByte(" [{,:-", before) >= 0:
			quote, quoteAt = c, i
		case c == '[' || c == '{':
			open++
			opened = append(opened, i)
		case c == ']' || c == '}':
			open--
			opened = opened[:max(0, len(opened)-1)]
		case c == '#' && before == ' ':
			return open, false, open > 0, columnOf(i)
		}
	}
	switch {
	case quote != 0:
		column = columnOf(quoteAt)
	case len(opened) > 0:
		column = columnOf(opened[len(opened)-1])
	default:
		column = 1
	}
	return open, quote != 0, false, column
}

// plainNode follows anchors and aliases to the node that is meant; nil where
// there is none.
func (d *Decoder) plainNode(path string, n ast.Node) ast.Node {
	for range 8 {
		switch t := n.(type) {
		case *ast.AnchorNode:
			d.anchors[t.Name.GetToken().Value] = t.Value
			n = t.Value
		case *ast.AliasNode:
			to, ok := d.anchors[t.Value.GetToken().Value]
			if !ok {
				d.faultAt(t.Start, path, "*%s is not an anchor that stands above", t.Value.GetToken().Value)
				return nil
			}
			n = to
		case *ast.TagNode:
			d.faultAt(t.Start, path, "tags such as %s are not used here", t.Start.Value)
			return nil
		default:
			return n
		}
	}
	d.faultAt(n.GetToken(), path, "aliases of aliases")
	return nil
}

// Text is a scalar as it was written, whatever YAML takes it for.
func Text(n ast.Node) (string, bool) {
	switch t := n.(type) {
	case *ast.StringNode:
		return t.Value, true
	case *ast.LiteralNode:
		return t.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return t.GetToken().Value, true
	}
	return "", false
}

// members are a mapping's, merge keys resolved; ok is false where n is no mapping.
func (d *Decoder) members(path string, n ast.Node) (out []*ast.MappingValueNode, ok bool) {
	switch t := n.(type) {
	case *ast.MappingNode:
		out, ok = t.Values, true
	case *ast.MappingValueNode:
		out, ok = []*ast.MappingValueNode{t}, true
	default:
		return nil, false
	}
	merged := slices.ContainsFunc(out, func(m *ast.MappingValueNode) bool { return m.Key.Type() == ast.MergeKeyType })
	if !merged {
		return out, true
	}
	var own, from []*ast.MappingValueNode
	have := map[string]bool{}
	for _, m := range out {
		if m.Key.Type() != ast.MergeKeyType {
			own = append(own, m)
			have[keyName(m)] = true
		}
	}
	for _, m := range out {
		if m.Key.Type() != ast.MergeKeyType {
			continue
		}
		values := []ast.Node{m.Value}
		if list, ok := m.Value.(*ast.SequenceNode); ok {
			values = list.Values
		}
		for _, v := range values {
			v = d.plainNode(path, v)
			inner, ok := v.(*ast.MappingNode)
			if !ok {
				d.faultAt(m.Start, path, "<<: takes the alias of a mapping")
				continue
			}
			for _, im := range inner.Values {
				if im.Key.Type() != ast.MergeKeyType && !have[keyName(im)] {
					have[keyName(im)] = true
					from = append(from, im)
				}
			}
		}
	}
	return append(own, from...), true
}

func keyName(m *ast.MappingValueNode) string {
	if s, ok := Text(m.Key); ok {
		return s
	}
	return m.Key.GetToken().Value
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// Decode fills v from the node at path.
func (d *Decoder) Decode(path string, n ast.Node, v reflect.Value, depth int) {
	if d.nodes++; d.nodes > maxNodes || depth > maxDepth {
		if d.nodes <= maxNodes+1 {
			d.faultAt(n.GetToken(), path, "the %s is too large or too deep", d.what)
			d.nodes = maxNodes + 1
		}
		return
	}
	n = d.plainNode(path, n)
	if n == nil {
		return
	}
	d.places[path] = startOf(n)
	if v.Kind() == reflect.Pointer {
		if n.Type() == ast.NullType {
			d.Nothing(path)
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if f, ok := v.Addr().Interface().(FromYAML); ok {
		f.FromYAML(d, path, n)
		return
	}
	d.DecodePlain(path, n, v, depth)
}

// Nothing notes an absent value. Where that isn't allowed it is nearly always a text
// that YAML took for a comment.
func (d *Decoder) Nothing(path string) {
	if d.unknown == nil || !d.unknown(path) {
		d.Fault(path, `nothing stands here: a value that begins with "#" is a comment unless it stands in quotes`)
	}
}

// startOf is the token to which a fault of the node points.
func startOf(n ast.Node) *token.Token {
	switch t := n.(type) {
	case *ast.MappingNode:
		if !t.IsFlowStyle && len(t.Values) > 0 {
			return t.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return t.Key.GetToken()
	case *ast.LiteralNode:
		return t.Start
	}
	return n.GetToken()
}

// DecodePlain is Decode for a shape that takes more forms than one, once it knows
// that it is in its plain one.
func (d *Decoder) DecodePlain(path string, n ast.Node, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStruct(path, n, v, depth)
	case reflect.Slice:
		if n.Type() == ast.NullType {
			d.Nothing(path)
			return
		}
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			if s, ok := Text(n); ok {
				d.Fault(path, "a list is expected here: put it in brackets, [%s]", short(s))
				return
			}
			d.Fault(path, "a list is expected here, such as [a, b]")
			return
		}
		out := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
		for i, e := range list.Values {
			d.Decode(fmt.Sprintf("%s[%d]", path, i), e, out.Index(i), depth+1)
		}
		v.Set(out)
	case reflect.Map:
		members, ok := d.members(path, n)
		if !ok {
			d.Fault(path, "names with values are expected here, such as {a: b}")
			return
		}
		out := reflect.MakeMapWithSize(v.Type(), len(members))
		for _, m := range members {
			key := keyName(m)
			if out.MapIndex(reflect.ValueOf(key)).IsValid() {
				d.faultAt(m.Key.GetToken(), path, "%q stands twice", key)
				continue
			}
			e := reflect.New(v.Type().Elem()).Elem()
			d.Decode(join(path, key), m.Value, e, depth+1)
			out.SetMapIndex(reflect.ValueOf(key), e)
		}
		v.Set(out)
	case reflect.String:
		s, ok := Text(n)
		if !ok {
			if n.Type() == ast.NullType {
				d.Nothing(path)
				return
			}
			hint := ""
			switch n.(type) {
			case *ast.SequenceNode:
				hint = `: a value that begins with a bracket stands in quotes, "[data-x]"`
			case *ast.MappingNode, *ast.MappingValueNode:
				hint = `: one with ": " in it, or that begins with a brace, stands in quotes`
			}
			d.Fault(path, "a text is expected here%s", hint)
			return
		}
		v.SetString(s)
	case reflect.Int:
		s, _ := Text(n)
		i, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
		if err != nil {
			d.Fault(path, "a whole number is expected here")
			return
		}
		v.SetInt(int64(i))
	case reflect.Bool:
		switch s, _ := Text(n); s {
		case "true":
			v.SetBool(true)
		case "false":
		default:
			d.Fault(path, "true or false is expected here")
		}
	default:
		panic("a shape holds a " + v.Kind().String())
	}
}

// fieldsOf are the YAML names of a shape, inline ones included.
func fieldsOf(t reflect.Type) map[string][]int {
	out := make(map[string][]int)
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() && !f.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if options == "inline" {
			for n, at := range fieldsOf(f.Type) {
				out[n] = append([]int{i}, at...)
			}
			continue
		}
		out[name] = []int{i}
	}
	return out
}

// Required says whether a shape's field must be there: its tag has no omitempty.
func Required(f reflect.StructField) bool {
	tag := f.Tag.Get("yaml")
	return tag != "" && !strings.Contains(tag, ",")
}

func (d *Decoder) decodeStruct(path string, n ast.Node, v reflect.Value, depth int) {
	members, ok := d.members(path, n)
	if !ok {
		d.Fault(path, "names with values are expected here, such as {a: b}")
		return
	}
	known := fieldsOf(v.Type())
	have := make(map[string]bool)
	for _, m := range members {
		name := keyName(m)
		at, ok := known[name]
		switch {
		case !ok:
			hint, meant := nearest(name, known)
			have[meant] = true
			if owners := d.owners(name, v.Type()); meant == "" && owners != "" {
				hint = ", but of " + owners + ": is the line indented as it should be?"
			}
			if strings.HasPrefix(name, "\u00a0") {
				hint = "; the line is indented by a space of another kind (U+00A0)"
			}
			d.faultAt(m.Key.GetToken(), join(path, name), "%q is not a field of %s%s", short(name), d.titleOf(v.Type(), path), hint)
			continue
		case have[name]:
			d.faultAt(m.Key.GetToken(), join(path, name), "%q stands twice", name)
			continue
		}
		have[name] = true
		d.Decode(join(path, name), m.Value, v.FieldByIndex(at), depth+1)
	}
	for i := range v.Type().NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if Required(f) && !have[name] {
			if d.placeOf(path) == nil {
				d.places[path] = startOf(n)
			}
			d.Fault(path, "%s is missing", join(path, name))
		}
	}
}

func (d *Decoder) titleOf(t reflect.Type, path string) string {
	if path == "" {
		return "a " + d.what
	}
	return strings.TrimSuffix(t.Name(), "Shape")
}

// owners are the shapes around and directly within this one that have a field of
// that name: a line that is indented too much or too little belongs to one of them.
func (d *Decoder) owners(name string, of reflect.Type) string {
	if d.root == nil {
		return ""
	}
	var found []string
	add := func(t reflect.Type) {
		title := d.titleOf(t, "x")
		if t == d.root {
			title = "the " + d.what + " itself"
		}
		if _, ok := fieldsOf(t)[name]; ok && t != of && !strings.Contains(t.Name(), "[") && !slices.Contains(found, title) {
			found = append(found, title)
		}
	}
	for _, t := range shapesIn(of) {
		add(t)
	}
	seen := map[reflect.Type]bool{}
	var visit func(t reflect.Type, around []reflect.Type)
	visit = func(t reflect.Type, around []reflect.Type) {
		if t == of {
			for _, a := range slices.Backward(around) {
				add(a)
			}
		}
		if seen[t] {
			return
		}
		seen[t] = true
		for _, in := range shapesIn(t) {
			visit(in, append(slices.Clone(around), t))
		}
	}
	visit(d.root, nil)
	if len(found) == 0 || len(found) > 3 {
		return ""
	}
	return strings.Join(found, " or ")
}

// shapesIn are the shapes of a shape's own fields.
func shapesIn(t reflect.Type) (out []reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		in := f.Type
		for in.Kind() == reflect.Pointer || in.Kind() == reflect.Slice || in.Kind() == reflect.Map {
			in = in.Elem()
		}
		switch {
		case f.Tag.Get("yaml") == "" || in.Kind() != reflect.Struct:
		case strings.HasSuffix(f.Tag.Get("yaml"), ",inline"):
			out = append(out, shapesIn(in)...)
		default:
			out = append(out, in)
		}
	}
	return out
}

// nearest suggests the name that was meant, or lists those that there are.
func nearest(name string, known map[string][]int) (hint, meant string) {
	best, most := "", 3
	names := make([]string, 0, len(known))
	for k := range known {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		if dist := distance(name, k); dist < most {
			best, most = k, dist
		}
	}
	if best != "" {
		return "; is " + best + " meant?", best
	}
	return "; there are " + strings.Join(names, ", "), ""
}

// distance is Levenshtein's, for short names.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 40
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// TextList is a text, or a list of texts.
func TextList(d *Decoder, path string, n ast.Node) []string {
	if s, ok := Text(n); ok {
		return []string{s}
	}
	var list []string
	d.DecodePlain(path, n, reflect.ValueOf(&list).Elem(), 1)
	return list
}

package portal

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Bounds of a definition file. The longest shipped one has 9 KB.
const (
	maxDefinition = 256 << 10
	maxYAMLNodes  = 50_000 // aliases counted each time
	maxYAMLDepth  = 60
	maxFaults     = 20
)

// decoder reads YAML into the shapes, strictly: a name that a shape doesn't have
// is refused, and every fault has its place. It remembers where each value
// stands, so that later faults (a selector that doesn't compile) have theirs.
type decoder struct {
	file    string
	lines   []string
	places  map[string]*token.Token
	anchors map[string]ast.Node
	nodes   int
	faults  []error
}

// fromYAML is implemented by shapes that take more than one form.
type fromYAML interface {
	fromYAML(d *decoder, path string, n ast.Node)
}

// fault notes that what stands at a path is wrong.
func (d *decoder) fault(path, format string, args ...any) {
	d.faultAt(d.placeOf(path), path, format, args...)
}

// placeOf is the place of a path, or of the nearest one above it.
func (d *decoder) placeOf(path string) *token.Token {
	for path != "" {
		if t := d.places[path]; t != nil {
			return t
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	return nil
}

func (d *decoder) faultAt(t *token.Token, path, format string, args ...any) {
	if len(d.faults) >= maxFaults {
		return
	}
	place := cashback.Place{File: d.file, Field: path}
	message := fmt.Sprintf(format, args...)
	if t != nil && t.Position != nil {
		place.Line, place.Column = t.Position.Line, t.Position.Column
		message += d.caret(place.Line, place.Column)
	}
	d.faults = append(d.faults, cashback.ErrorAt(cashback.Invalid, place, "%s", message))
}

// caret is the line with a mark under the column.
func (d *decoder) caret(line, column int) string {
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
		if r < 0x20 || r == 0x7f || visible(r, 'a') < 0 {
			return '.'
		}
		return r
	}, s)
}

// parse reads the file into the shape.
func (d *decoder) parse(b []byte, into any) error {
	if len(b) > maxDefinition {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file}, "the definition has %d bytes: at most %d", len(b), maxDefinition)
	}
	text := strings.ToValidUTF8(string(b), "\uFFFD")
	d.lines = strings.Split(text, "\n")
	if line, column, deep := tooDeep(d.lines); deep {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file, Line: line, Column: column}, "the definition is nested deeper than %d", maxYAMLDepth)
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
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file}, "the file holds %d definitions: exactly one is expected", len(docs))
	}
	d.places, d.anchors = make(map[string]*token.Token), make(map[string]ast.Node)
	d.decode("", docs[0].Body, reflect.ValueOf(into).Elem(), 0)
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
		if indent > 4*maxYAMLDepth || strings.Count(l[:indent], "-")+strings.Count(l[:indent], "?") > maxYAMLDepth {
			return i + 1, indent, true
		}
		for j := 0; j < len(l); j++ {
			switch l[j] {
			case '[', '{':
				// Brackets in quotes are counted too: no text has sixty of them open.
				if depth++; depth > maxYAMLDepth {
					return i + 1, j + 1, true
				}
			case ']', '}':
				depth = max(0, depth-1)
			}
		}
		if indent == 0 && l != "" {
			depth = min(depth, maxYAMLDepth/2)
		}
	}
	return 0, 0, false
}

// foreign turns the parser's error into ours.
func (d *decoder) foreign(err error) error {
	var ye yaml.Error
	if errors.As(err, &ye) {
		message := ye.GetMessage() + quoting(ye.GetMessage())
		if t := ye.GetToken(); t != nil && t.Position != nil {
			p := t.Position
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file, Line: p.Line, Column: p.Column}, "not YAML: %s%s", message, d.caret(p.Line, p.Column))
		}
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file}, "not YAML: %s", message)
	}
	return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: d.file}, "not YAML: %v", err)
}

// quoting is a hint for the mistakes that selectors and regular expressions
// invite in YAML.
func quoting(message string) string {
	switch {
	case strings.Contains(message, "escape"):
		return "; in double quotes a backslash is written twice, in single quotes once"
	case strings.Contains(message, "'@'") || strings.Contains(message, "reserved") || strings.Contains(message, "cannot start"):
		return `; a value that begins with @, %, & or * stands in quotes: "@href"`
	}
	return ""
}

// plainNode follows anchors and aliases to the node that is meant; nil where
// there is none.
func (d *decoder) plainNode(path string, n ast.Node) ast.Node {
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

// text is a scalar as it was written, whatever YAML takes it for.
func text(n ast.Node) (string, bool) {
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
func (d *decoder) members(path string, n ast.Node) (out []*ast.MappingValueNode, ok bool) {
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
	if s, ok := text(m.Key); ok {
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

// decode fills v from the node at path.
func (d *decoder) decode(path string, n ast.Node, v reflect.Value, depth int) {
	if d.nodes++; d.nodes > maxYAMLNodes || depth > maxYAMLDepth {
		if d.nodes <= maxYAMLNodes+1 {
			d.faultAt(n.GetToken(), path, "the definition is too large or too deep")
			d.nodes = maxYAMLNodes + 1
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
			d.nothing(path)
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if f, ok := v.Addr().Interface().(fromYAML); ok {
		f.fromYAML(d, path, n)
		return
	}
	d.decodePlain(path, n, v, depth)
}

// nothing notes an absent value. Among the facts it says that something is not
// known; elsewhere it is nearly always a selector that YAML took for a comment.
func (d *decoder) nothing(path string) {
	if path != "facts" && !strings.HasPrefix(path, "facts.") {
		d.fault(path, `nothing stands here: a value that begins with "#" is a comment unless it stands in quotes`)
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

func (d *decoder) decodePlain(path string, n ast.Node, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStruct(path, n, v, depth)
	case reflect.Slice:
		if n.Type() == ast.NullType {
			d.nothing(path)
			return
		}
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			d.fault(path, "a list is expected here, such as [a, b]")
			return
		}
		out := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
		for i, e := range list.Values {
			d.decode(fmt.Sprintf("%s[%d]", path, i), e, out.Index(i), depth+1)
		}
		v.Set(out)
	case reflect.Map:
		members, ok := d.members(path, n)
		if !ok {
			d.fault(path, "names with values are expected here, such as {a: b}")
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
			d.decode(join(path, key), m.Value, e, depth+1)
			out.SetMapIndex(reflect.ValueOf(key), e)
		}
		v.Set(out)
	case reflect.String:
		s, ok := text(n)
		if !ok {
			if n.Type() == ast.NullType {
				d.nothing(path)
				return
			}
			d.fault(path, "a text is expected here")
			return
		}
		v.SetString(s)
	case reflect.Int:
		s, _ := text(n)
		i, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
		if err != nil {
			d.fault(path, "a whole number is expected here")
			return
		}
		v.SetInt(int64(i))
	case reflect.Bool:
		switch s, _ := text(n); s {
		case "true":
			v.SetBool(true)
		case "false":
		default:
			d.fault(path, "true or false is expected here")
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

// required says whether a shape's field must be there: its tag has no omitempty.
func required(f reflect.StructField) bool {
	tag := f.Tag.Get("yaml")
	return tag != "" && !strings.Contains(tag, ",")
}

func (d *decoder) decodeStruct(path string, n ast.Node, v reflect.Value, depth int) {
	members, ok := d.members(path, n)
	if !ok {
		d.fault(path, "names with values are expected here, such as {a: b}")
		return
	}
	known := fieldsOf(v.Type())
	have := make(map[string]bool)
	for _, m := range members {
		name := keyName(m)
		at, ok := known[name]
		switch {
		case !ok:
			d.faultAt(m.Key.GetToken(), join(path, name), "%q is not a field of %s%s", short(name), titleOf(v.Type(), path), nearest(name, known))
			continue
		case have[name]:
			d.faultAt(m.Key.GetToken(), join(path, name), "%q stands twice", name)
			continue
		}
		have[name] = true
		d.decode(join(path, name), m.Value, v.FieldByIndex(at), depth+1)
	}
	for i := range v.Type().NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if required(f) && !have[name] {
			d.fault(path, "%s is missing", join(path, name))
		}
	}
}

func titleOf(t reflect.Type, path string) string {
	if path == "" {
		return "a definition"
	}
	return strings.TrimSuffix(t.Name(), "Shape")
}

// nearest suggests the name that was meant, or lists those that there are.
func nearest(name string, known map[string][]int) string {
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
		return "; is " + best + " meant?"
	}
	return ": there are " + strings.Join(names, ", ")
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

func (l *stringList) fromYAML(d *decoder, path string, n ast.Node) {
	*l = textList(d, path, n)
}

func (l *pickList) fromYAML(d *decoder, path string, n ast.Node) {
	*l = textList(d, path, n)
}

func textList(d *decoder, path string, n ast.Node) []string {
	if s, ok := text(n); ok {
		return []string{s}
	}
	var list []string
	d.decodePlain(path, n, reflect.ValueOf(&list).Elem(), 1)
	return list
}

func (f *fieldShape) fromYAML(d *decoder, path string, n ast.Node) {
	if n.Type() == ast.NullType {
		d.nothing(path)
		return
	}
	if s, ok := text(n); ok {
		f.Pick = pickList{s}
		return
	}
	if list, ok := n.(*ast.SequenceNode); ok {
		plainTexts := true
		for _, e := range list.Values {
			_, ok := text(e)
			plainTexts = plainTexts && ok
		}
		if plainTexts {
			f.Pick = textList(d, path, n)
			return
		}
		f.alternatives = make([]fieldShape, len(list.Values))
		for i, e := range list.Values {
			d.decode(fmt.Sprintf("%s[%d]", path, i), e, reflect.ValueOf(&f.alternatives[i]).Elem(), 1+strings.Count(path, "["))
		}
		return
	}
	d.decodePlain(path, n, reflect.ValueOf(f).Elem(), 1+strings.Count(path, "["))
}

func (s *scaleShape) fromYAML(d *decoder, path string, n ast.Node) {
	if t, ok := text(n); ok {
		s.all = t
		return
	}
	d.decodePlain(path, n, reflect.ValueOf(&s.perUnit).Elem(), 1)
}

func (w *wantShape) fromYAML(d *decoder, path string, n ast.Node) {
	if t, ok := text(n); ok {
		w.Is = t
		return
	}
	d.decodePlain(path, n, reflect.ValueOf(w).Elem(), 1)
}

func (c *conditionShape) fromYAML(d *decoder, path string, n ast.Node) {
	t, ok := text(n)
	if !ok {
		d.decodePlain(path, n, reflect.ValueOf(c).Elem(), 1)
		return
	}
	switch t = strings.TrimSpace(t); {
	case t == "empty":
		c.Empty = true
	case strings.HasSuffix(t, " absent"):
		c.Absent = strings.TrimSpace(strings.TrimSuffix(t, " absent"))
	default:
		c.There = strings.TrimSpace(strings.TrimSuffix(t, " present"))
	}
}

package portal

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/cagnotte/cagnotte/internal/strictyaml"
)

// decoder reads a definition's YAML into the shapes.
type decoder struct{ *strictyaml.Decoder }

func newDecoder(file string) *decoder {
	d := &decoder{strictyaml.New(file, "definition")}
	// Among the facts an empty value says that something is not known.
	d.AllowNothing(func(path string) bool { return path == "facts" || strings.HasPrefix(path, "facts.") })
	return d
}

// fault notes that what stands at a path is wrong.
func (d *decoder) fault(path, format string, args ...any) { d.Fault(path, format, args...) }

func (l *stringList) FromYAML(d *strictyaml.Decoder, path string, n ast.Node) {
	*l = strictyaml.TextList(d, path, n)
}

func (l *pickList) FromYAML(d *strictyaml.Decoder, path string, n ast.Node) {
	*l = strictyaml.TextList(d, path, n)
}

func (f *fieldShape) FromYAML(d *strictyaml.Decoder, path string, n ast.Node) {
	if n.Type() == ast.NullType {
		d.Nothing(path)
		return
	}
	if s, ok := strictyaml.Text(n); ok {
		f.Pick = pickList{s}
		return
	}
	if list, ok := n.(*ast.SequenceNode); ok {
		plainTexts := true
		for _, e := range list.Values {
			_, ok := strictyaml.Text(e)
			plainTexts = plainTexts && ok
		}
		if plainTexts {
			f.Pick = strictyaml.TextList(d, path, n)
			return
		}
		f.alternatives = make([]fieldShape, len(list.Values))
		for i, e := range list.Values {
			d.Decode(fmt.Sprintf("%s[%d]", path, i), e, reflect.ValueOf(&f.alternatives[i]).Elem(), 1+strings.Count(path, "["))
		}
		return
	}
	d.DecodePlain(path, n, reflect.ValueOf(f).Elem(), 1+strings.Count(path, "["))
}

func (l *tiersList) FromYAML(d *strictyaml.Decoder, path string, n ast.Node) {
	if _, ok := n.(*ast.SequenceNode); ok {
		d.DecodePlain(path, n, reflect.ValueOf(l).Elem(), 1)
		return
	}
	*l = make(tiersList, 1)
	d.DecodePlain(path, n, reflect.ValueOf(&(*l)[0]).Elem(), 1)
}

func (s *scaleShape) FromYAML(d *strictyaml.Decoder, path string, n ast.Node) {
	if t, ok := strictyaml.Text(n); ok {
		s.all = t
		return
	}
	d.DecodePlain(path, n, reflect.ValueOf(&s.perUnit).Elem(), 1)
}

func (w *wantShape) FromYAML(d *strictyaml.Decoder, path string, n ast.Node) {
	if t, ok := strictyaml.Text(n); ok {
		w.Is = t
		return
	}
	d.DecodePlain(path, n, reflect.ValueOf(w).Elem(), 1)
}

func (c *conditionShape) FromYAML(d *strictyaml.Decoder, path string, n ast.Node) {
	t, ok := strictyaml.Text(n)
	if !ok {
		d.DecodePlain(path, n, reflect.ValueOf(c).Elem(), 1)
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

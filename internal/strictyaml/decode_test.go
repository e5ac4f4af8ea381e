package strictyaml_test

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"

	"github.com/cagnotte/cagnotte/internal/strictyaml"
)

type shelfShape struct {
	Name  string            `yaml:"name"`
	Books []bookShape       `yaml:"books,omitempty"`
	Words map[string]string `yaml:"words,omitempty"`
	Size  int               `yaml:"size,omitempty"`
	Open  bool              `yaml:"open,omitempty"`
	Tags  tags              `yaml:"tags,omitempty"`
}

type bookShape struct {
	Title string `yaml:"title"`
}

type tags []string

func (t *tags) FromYAML(d *strictyaml.Decoder, path string, n ast.Node) {
	*t = strictyaml.TextList(d, path, n)
}

// TestFaults holds that each fault is told with its place and, where it can be, with
// what was meant.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"unknown name", "name: a\nbook: [{title: x}]\n", `shelf.yaml:2:1: book: "book" is not a field of a shelf; is books meant?`},
		{"missing", "size: 3\n", "shelf.yaml:1:1: name is missing"},
		{"missing within", "name: a\nbooks:\n  - {}\n", "books[0].title is missing"},
		{"twice", "name: a\nname: b\n", "shelf.yaml:2:1"},
		{"not a number", "name: a\nsize: big\n", "shelf.yaml:2:7: size: a whole number is expected here"},
		{"not a list", "name: a\nbooks: x\n", "shelf.yaml:2:8: books: a list is expected here"},
		{"a comment by mistake", "name: #a\n", `nothing stands here`},
		{"not YAML", "name: [\n", "not YAML"},
		{"two files in one", "name: a\n---\nname: b\n", "holds 2 shelfs"},
		{"too deep", "name: " + strings.Repeat("[", 100), "nested deeper"},
		{"a name of another shape", "name: a\ntitle: x\n", `"title" is not a field of a shelf, but of book: is the line indented as it should be?`},
		{"a name misspelt is not missing too", "nam: a\n", "shelf.yaml:1:1: nam: \"nam\" is not a field of a shelf; is name meant?\n    1 | nam: a\n      | ^"},
		{"a lone text for a list", "name: a\nbooks: x\n", "put it in brackets, [x]"},
		{"a list for a text", "name: [a]\n", `a value that begins with a bracket stands in quotes`},
		{"a colon in a list of texts", "name: a\ntags: [b: c]\n", `one with ": " in it`},
		{"a colon", "name: a: b\n", `shelf.yaml:1:7: not YAML: mapping value is not allowed in this context; a text with ": " in it stands in quotes`},
		{"a tab", "name: a\nwords:\n\ta: b\n", "shelf.yaml:3:1: not YAML: found character of a tab that cannot start any token; YAML indents by spaces, not tabs"},
		{"a space of another kind", "name: a\nwords:\n  a: b\n\u00a0 c: d\nsize: 3\n", "U+00A0"},
		{"curled quotes", "name: a\ntags: [“a{b}”]\n", "curled"},
		{"a brace in a list", "name: a\ntags: [a{b}]\n", "stands in quotes"},
		{"a bracket left open", "name: a\ntags: [b, {\nsize: 3\nopen: true\n", "on line 2 a bracket or brace isn't closed"},
		{"a quotation mark left open", "name: \"a\nsize: 3\nwords: {a: \"b\"}\n", "on line 1 a quotation mark isn't closed"},
		{"a comment in braces", "name: a\nwords: {a: #b, c: d}\nsize: 3\n", `a "#" begins a comment`},
		{"an alias of nothing", "name: *a\n", "shelf.yaml:1:7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := strictyaml.New("shelf.yaml", "shelf")
			var s shelfShape
			err := d.Parse([]byte(c.in), &s)
			if err == nil {
				err = d.Err()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestLaterFaults holds that what is found wrong after reading has its place too.
func TestLaterFaults(t *testing.T) {
	d := strictyaml.New("shelf.yaml", "shelf")
	var s shelfShape
	if err := d.Parse([]byte("name: a\nbooks:\n  - title: one\n  - title: two\ntags: lone\n"), &s); err != nil || d.Failed() {
		t.Fatal(err, d.Err())
	}
	if len(s.Tags) != 1 || s.Tags[0] != "lone" || !d.Has("books[1].title") || d.Has("books[2]") {
		t.Errorf("%+v", s)
	}
	d.Fault("books[1].title", "%q is no title", s.Books[1].Title)
	if want := `shelf.yaml:4:12: books[1].title: "two" is no title`; !strings.HasPrefix(d.Err().Error(), want) {
		t.Errorf("got %v\nwant %s", d.Err(), want)
	}
}

// TestByteOrderMark holds that a file of an editor that marks its encoding is read.
func TestByteOrderMark(t *testing.T) {
	d := strictyaml.New("shelf.yaml", "shelf")
	var s shelfShape
	if err := d.Parse([]byte("\uFEFFname: a\r\nsize: 3\r\n"), &s); err != nil || d.Failed() || s.Name != "a" || s.Size != 3 {
		t.Errorf("%+v %v %v", s, err, d.Err())
	}
}

// FuzzParse holds that no file makes the reader panic.
func FuzzParse(f *testing.F) {
	f.Add("name: a\nbooks: [{title: x}]\nwords: {a: b}\n")
	f.Add("a: &a [*a]\n<<: *a\n")
	f.Fuzz(func(t *testing.T, in string) {
		d := strictyaml.New("shelf.yaml", "shelf")
		var s shelfShape
		_ = d.Parse([]byte(in), &s)
	})
}

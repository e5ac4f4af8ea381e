package pages

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/a-h/templ/parser/v2"
	"github.com/a-h/templ/parser/v2/visitor"
)

// TestNoTextInTemplates holds templates to the catalogues: no letters between the
// tags, none in attributes that people read or hear, no Go string as content, and
// neither raw HTML nor inline script or style.
func TestNoTextInTemplates(t *testing.T) {
	files, err := filepath.Glob("*.templ")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	read := []string{"title", "alt", "placeholder", "aria-label", "aria-description", "content", "summary", "label", "value"}
	allowed := []string{"width=device-width, initial-scale=1", "light dark"}
	letters := func(s string) bool { return strings.ContainsFunc(s, unicode.IsLetter) }
	literal := regexp.MustCompile("\"[^\"]*\\pL[^\"]*\"|`[^`]*\\pL[^`]*`")
	lookup := regexp.MustCompile(`^((c\.|c\.L\.|l\.)[A-Za-z]+|word)\(`)
	for _, file := range files {
		f, err := parser.Parse(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		v := visitor.New()
		v.Text = func(n *parser.Text) error {
			if letters(n.Value) {
				t.Errorf("%s:%d: text in a template: %q", file, n.Range.From.Line+1, n.Value)
			}
			return nil
		}
		v.ConstantAttribute = func(n *parser.ConstantAttribute) error {
			key := n.Key.String()
			if slices.Contains(read, key) && letters(n.Value) && !slices.Contains(allowed, n.Value) {
				t.Errorf("%s: text in an attribute: %s", file, n)
			}
			if key == "style" || strings.HasPrefix(key, "on") {
				t.Errorf("%s: the policy refuses inline %s", file, key)
			}
			return nil
		}
		v.StringExpression = func(n *parser.StringExpression) error {
			e := strings.TrimSpace(n.Expression.Value)
			if literal.MatchString(e) && !lookup.MatchString(e) {
				t.Errorf("%s:%d: a string as content: %s", file, n.Expression.Range.From.Line+1, e)
			}
			return nil
		}
		v.ScriptElement = func(n *parser.ScriptElement) error {
			if len(n.Contents) > 0 {
				t.Errorf("%s: an inline script", file)
			}
			return nil
		}
		v.RawElement = func(n *parser.RawElement) error {
			t.Errorf("%s: a raw <%s>", file, n.Name)
			return nil
		}
		v.CallTemplateExpression = func(n *parser.CallTemplateExpression) error { return nil }
		v.TemplElementExpression = func(n *parser.TemplElementExpression) error {
			if strings.Contains(n.Expression.Value, "templ.Raw") {
				t.Errorf("%s: raw HTML: %s", file, n.Expression.Value)
			}
			for _, c := range n.Children {
				if err := c.Visit(v); err != nil {
					return err
				}
			}
			return nil
		}
		if err := f.Visit(v); err != nil {
			t.Fatal(err)
		}
	}
}

func TestForeign(t *testing.T) {
	for in, ok := range map[string]bool{
		"https://www.example.test/a?b=c": true,
		"http://a.localhost:8081/x":      true,
		"javascript:alert(1)":            false,
		" javascript:alert(1)":           false,
		"JaVaScRiPt:alert(1)":            false,
		"data:text/html,<script>":        false,
		"//example.test/x":               false,
		"/local":                         false,
		"https:///x":                     false,
		"https://user:pw@example.test/":  false,
		"":                               false,
		"vbscript:x":                     false,
		"java\nscript:alert(1)":          false,
	} {
		if _, got := Foreign(in); got != ok {
			t.Errorf("Foreign(%q) = %v, want %v", in, got, ok)
		}
	}
}

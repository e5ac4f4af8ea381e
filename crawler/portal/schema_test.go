package portal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cagnotte/cagnotte/internal/strictyaml"
)

// generating says that the files made from the shapes are to be written anew
// (make generate), not just compared.
var generating = os.Getenv("CAGNOTTE_GENERATE") != ""

// The shapes that take more than one form say so in the schema.

func anyOf(s *jsonschema.Schema, other ...*jsonschema.Schema) {
	object := *s
	object.Version, object.Definitions, object.Description = "", nil, ""
	*s = jsonschema.Schema{OneOf: append(other, &object), Description: s.Description}
}

var scalar = &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}

func (fieldShape) JSONSchemaExtend(s *jsonschema.Schema) {
	anyOf(s, scalar, &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Ref: "#/$defs/field"}})
}
func (conditionShape) JSONSchemaExtend(s *jsonschema.Schema) { anyOf(s, scalar) }
func (wantShape) JSONSchemaExtend(s *jsonschema.Schema)      { anyOf(s, scalar) }
func (stringList) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{scalar, {Type: "array", Items: scalar}}}
}
func (tiersList) JSONSchemaExtend(s *jsonschema.Schema) {
	anyOf(s, &jsonschema.Schema{Ref: "#/$defs/tiers"})
}
func (pickList) JSONSchema() *jsonschema.Schema { return stringList{}.JSONSchema() }
func (scaleShape) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{scalar, {Type: "object", AdditionalProperties: scalar}}}
}

// comments are the shapes' and their fields' own, by "type" and "type.Field".
func comments(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"shape.go", "facts.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			decl, ok := n.(*ast.GenDecl)
			if !ok || decl.Tok != token.TYPE {
				return true
			}
			for _, s := range decl.Specs {
				ts := s.(*ast.TypeSpec)
				out[ts.Name.Name] = strings.Join(strings.Fields(decl.Doc.Text()), " ")
				if st, ok := ts.Type.(*ast.StructType); ok {
					for _, field := range st.Fields.List {
						for _, id := range field.Names {
							out[ts.Name.Name+"."+id.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
						}
					}
				}
			}
			return true
		})
	}
	return out
}

// plainType is a type's name without what makes it generic.
func plainType(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	return name
}

func schema(t *testing.T) []byte {
	t.Helper()
	said := comments(t)
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml", Anonymous: true,
		Namer: func(t reflect.Type) string {
			name, generic, ok := strings.Cut(t.Name(), "[")
			name = strings.TrimSuffix(name, "Shape")
			if ok {
				generic = strings.Trim(generic[strings.LastIndexAny(generic, "./[")+1:], "]")
				name += "_" + strings.TrimSuffix(generic, "Shape")
			}
			return name
		},
		LookupComment: func(t reflect.Type, field string) string {
			key := plainType(t)
			if field != "" {
				key += "." + field
			}
			return said[key]
		},
	}
	s := r.Reflect(&definitionShape{})
	s.Title = "A portal definition of Cagnotte"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// fresh compares a generated file with what is committed, or writes it.
func fresh(t *testing.T, name string, want []byte) {
	t.Helper()
	if generating {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not fresh: make generate (%v)", name, err)
	}
}

const docs = "../../docs/"

// TestSchema: the committed schema is that of the shapes, and it accepts every
// definition that loads and refuses what the loader refuses for its form.
func TestSchema(t *testing.T) {
	text := schema(t)
	fresh(t, docs+"definition.schema.json", text)
	parsed, err := validator.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("definition.json", parsed); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("definition.json")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(b []byte) error {
		var v any
		if err := yaml.Unmarshal(b, &v); err != nil {
			return err
		}
		j, err := json.Marshal(v)
		if err != nil {
			return err
		}
		v, err = validator.UnmarshalJSON(bytes.NewReader(j))
		if err != nil {
			return err
		}
		return compiled.Validate(v)
	}
	files, err := filepath.Glob("../definitions/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no definitions", err)
	}
	demo, err := filepath.Glob("../../internal/portaltest/demo/definitions/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, demo...) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"portal: x\n", head + "pages: []\nwhat: 1\n", head + "pages: [{kind: list, items: {selekt: a}}]\n"} {
		if valid([]byte(bad)) == nil {
			t.Errorf("the schema accepts %q", bad)
		}
	}
}

// shapes are all shapes reachable from a definition, in the order of the text.
func shapes() (out []reflect.Type) {
	var visit func(t reflect.Type)
	visit = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || slices.ContainsFunc(out, func(o reflect.Type) bool { return plainType(o) == plainType(t) }) || t == reflect.TypeFor[scaleShape]() {
			if t.Kind() == reflect.Struct && t.NumField() > 0 && strings.HasPrefix(t.Name(), "factShape") {
				visit(t.Field(0).Type)
			}
			return
		}
		out = append(out, t)
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() || f.Anonymous {
				visit(f.Type)
			}
		}
	}
	visit(reflect.TypeFor[definitionShape]())
	return out
}

// reference is the last chapter of the page: every field of every shape.
func reference(t *testing.T) string {
	said := comments(t)
	var b strings.Builder
	title := map[string]string{"definition": "the file", "list": "a list (in a rule, or in its lists)", "page": "pages[]", "fact": "a fact", "method": "facts.payout.methods[]"}
	for _, s := range shapes() {
		name := strings.TrimSuffix(plainType(s), "Shape")
		if title[name] != "" {
			name = title[name]
		}
		fmt.Fprintf(&b, "\n**%s**: %s\n\n| field | |\n|---|---|\n", name, strings.TrimPrefix(said[plainType(s)], plainType(s)+" "))
		for i := range s.NumField() {
			f := s.Field(i)
			tag, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if !f.IsExported() || tag == "" || options == "inline" {
				continue
			}
			note := ""
			if strictyaml.Required(f) {
				note = " (required)"
			}
			text := said[plainType(s)+"."+f.Name]
			if text == "" {
				t.Errorf("%s.%s has no comment for the reference", plainType(s), f.Name)
			}
			fmt.Fprintf(&b, "| `%s`%s | %s |\n", tag, note, strings.ReplaceAll(text, "|", `\|`))
		}
	}
	return b.String()
}

package pages

import (
	"net/url"

	"github.com/a-h/templ"
)

// Form is what a person typed into a form, and what is wrong with it, in sentences by
// field; the field "" is the form as a whole.
type Form struct {
	Values url.Values
	Faults map[string]string
}

// Refuse says what is wrong with a field; the first word counts.
func (f *Form) Refuse(field, sentence string) {
	if f.Faults == nil {
		f.Faults = map[string]string{}
	}
	if f.Faults[field] == "" {
		f.Faults[field] = sentence
	}
}

// OK says that nothing is wrong.
func (f Form) OK() bool { return len(f.Faults) == 0 }

// Value is what was typed, or what stands there at first.
func (f Form) Value(field, otherwise string) string {
	if vs, ok := f.Values[field]; ok && len(vs) > 0 {
		return vs[0]
	}
	return otherwise
}

// Input is one field of a form. Its label is the catalogue's field.NAME, or Label.
type Input struct {
	Name, Type string
	ID         string // where a page has several fields of that name
	Label      string // a key, where it isn't field.NAME
	Hint       string // a key
	Value      string // what stands there at first
	Fill       string // autocomplete
	Required   bool
	More       templ.Attributes
}

// Choices are a part of a list to choose from, under its own heading.
type Choices struct {
	Label string // a key
	From  []Param
}

func (i Input) id() string {
	if i.ID != "" {
		return i.ID
	}
	return i.Name
}

func (i Input) label() string {
	if i.Label != "" {
		return i.Label
	}
	return "field." + i.Name
}

// about names what describes the field for a screen reader.
func (i Input) about(f Form) string {
	s := ""
	if i.Hint != "" {
		s = i.id() + "-hint"
	}
	if f.Faults[i.Name] != "" {
		if s != "" {
			s += " "
		}
		s += i.id() + "-wrong"
	}
	return s
}

package portal

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// xmlTree reads the answer as XML into the same tree as JSON: an element without
// attributes and elements in it is its text, another an object with a member for
// each of them. No document type, no entities but XML's own.
func (e *reader) xmlTree() (*jsonDoc, error) {
	dec := xml.NewDecoder(strings.NewReader(strings.TrimSpace(e.bodyText())))
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // decoded already
	type level struct {
		v    *value
		text strings.Builder
	}
	top := &level{v: &value{kind: jsonObject}}
	stack := []*level{top}
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if len(stack) != 1 || len(top.v.list) == 0 {
				return nil, errors.New("it is cut off")
			}
			return &jsonDoc{root: top.v, xml: true}, nil
		}
		if err != nil {
			return nil, err
		}
		at := stack[len(stack)-1]
		switch t := t.(type) {
		case xml.Directive:
			return nil, errors.New("a document type is not accepted")
		case xml.StartElement:
			if len(stack) > maxJSONDepth {
				return nil, errors.New("it is nested too deep")
			}
			v := &value{kind: jsonObject}
			if e.values += 1 + len(t.Attr); e.values > maxJSONValues {
				return nil, errors.New("it has too many elements")
			}
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					v.keys, v.list = append(v.keys, "@"+a.Name.Local), append(v.list, &value{kind: jsonString, text: a.Value})
				}
			}
			at.v.keys, at.v.list = append(at.v.keys, t.Name.Local), append(at.v.list, v)
			stack = append(stack, &level{v: v})
		case xml.EndElement:
			text := squeeze(at.text.String())
			switch {
			case len(at.v.keys) == 0:
				*at.v = value{kind: jsonString, text: text}
			case text != "":
				at.v.keys, at.v.list = append(at.v.keys, "#text"), append(at.v.list, &value{kind: jsonString, text: text})
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if at.text.Len() < maxText {
				at.text.Write(t)
			}
		}
	}
}

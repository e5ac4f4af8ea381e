package web

import (
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of what a query may hold.
const (
	// maxParams is more than any of our forms has fields.
	maxParams = 40
	// maxValue is longer than any product link that people paste.
	maxValue = 2000
)

// decode fills a query struct from the path and the query string. The struct's
// tags are the declaration that openapi.json is made from too: `path:"…"` and
// `query:"…"` name the parameter, and fields may be strings, ints or lists of
// strings. A parameter that isn't declared is refused with the list of those that
// are, and so is one that is given twice where one is meant.
func decode[Q any](v *visit) (Q, error) {
	var q Q
	values, err := url.ParseQuery(v.req.URL.RawQuery)
	if err != nil {
		return q, badInput{"query", "error.query", nil}
	}
	err = fill(reflect.ValueOf(&q).Elem(), values, v.param)
	return q, err
}

func fill(q reflect.Value, values url.Values, path func(string) string) error {
	t := q.Type()
	var known []string
	for i := range t.NumField() {
		if name := queryName(t.Field(i)); name != "" {
			known = append(known, name)
		}
	}
	n := 0
	for name, vs := range values {
		if !slices.Contains(known, name) {
			if len(known) == 0 {
				return badInput{clip(name), "error.parameters_none", nil}
			}
			return badInput{clip(name), "error.parameters", []any{"Allowed", strings.Join(known, ", ")}}
		}
		for _, x := range vs {
			if n++; n > maxParams {
				return badInput{clip(name), "error.parameters_many", []any{"Most", maxParams}}
			}
			if len(x) > maxValue {
				return badInput{name, "error.value_long", []any{"Most", maxValue}}
			}
			if !utf8.ValidString(x) || strings.ContainsFunc(x, control) {
				return badInput{name, "error.value_text", nil}
			}
		}
	}
	for i := range t.NumField() {
		f := q.Field(i)
		if name := t.Field(i).Tag.Get("path"); name != "" {
			f.SetString(path(name))
			continue
		}
		name := queryName(t.Field(i))
		vs := values[name]
		if name == "" || len(vs) == 0 {
			continue
		}
		if f.Kind() == reflect.Slice {
			list := make([]string, 0, len(vs))
			for _, x := range vs {
				if x = strings.TrimSpace(x); x != "" && !slices.Contains(list, x) {
					list = append(list, x)
				}
			}
			if len(list) > 0 {
				f.Set(reflect.ValueOf(list))
			}
			continue
		}
		if len(vs) > 1 {
			return badInput{name, "error.value_twice", nil}
		}
		x := strings.TrimSpace(vs[0])
		switch {
		case x == "":
		case f.Kind() == reflect.String:
			f.SetString(x)
		default: // the API's counts and numbers; the types are tested at the start
			i, err := strconv.ParseUint(x, 10, 63)
			if err != nil {
				return badInput{name, "error.value_number", nil}
			}
			if f.Kind() == reflect.Uint64 {
				f.SetUint(i)
			} else {
				f.SetInt(int64(i))
			}
		}
	}
	return nil
}

// queryName is the parameter that a field stands for: `query:"portal,explode"` is a
// list given as portal=a&portal=b.
func queryName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("query"), ",")
	return name
}

// control reports a character that no field of ours may hold.
func control(r rune) bool { return r < 0x20 || r == 0x7f }

// clip keeps hostile input out of sentences.
func clip(s string) string {
	const most = 40
	r := []rune(strings.ToValidUTF8(s, "\uFFFD"))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}

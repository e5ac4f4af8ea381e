package web

import (
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Limits of what a query may hold.
const (
	// maxParams is more than any of our forms has fields, every portal ticked.
	maxParams = 250
	// maxValue is longer than any product link that people paste.
	maxValue = 2000
)

// decode fills a query struct from the path and the query string. The struct's
// tags are the declaration that openapi.json is made from too: `path:"…"` and
// `query:"…"` name the parameter, and fields may be strings, counts or
// lists of strings. A parameter that isn't declared is refused with the list of those that
// are, and so is one that is given twice where one is meant.
func decode[Q any](v *visit) (Q, error) { return decoderOf[Q]().decode(v) }

// decoder is decode for one struct, whose declaration is read once: for what is asked
// for often.
type decoder[Q any] struct{ fields []declared }

func decoderOf[Q any]() decoder[Q] { return decoder[Q]{declaredBy(reflect.TypeFor[Q](), "query")} }

func (d decoder[Q]) decode(v *visit) (Q, error) {
	var q Q
	values, err := url.ParseQuery(v.req.URL.RawQuery)
	if err != nil {
		return q, badInput{"query", "error.query", nil}
	}
	err = fill(reflect.ValueOf(&q).Elem(), d.fields, values, v.param)
	return q, err
}

func fill(q reflect.Value, fields []declared, values url.Values, path func(string) string) error {
	n := 0
	for name, vs := range values {
		if name == "" || !slices.ContainsFunc(fields, func(f declared) bool { return f.name == name }) {
			var known []string
			for _, f := range fields {
				if f.name != "" {
					known = append(known, f.name)
				}
			}
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
	for _, f := range fields {
		if f.path != "" {
			q.FieldByIndex(f.index).SetString(path(f.path))
			continue
		}
		if vs := values[f.name]; vs == nil && !f.required {
			continue
		}
		if err := f.in(q).set(values[f.name]); err != nil {
			return err
		}
	}
	return nil
}

// declared is one field of a query struct, with the names that it goes by.
type declared struct {
	index      []int
	kind       reflect.Type
	tag        reflect.StructTag
	name, path string
	required   bool
}

// declaredBy lists a struct's fields, and those of embedded structs that none of its
// own hides, with the names that they have in the tag of that key.
func declaredBy(t reflect.Type, key string) []declared {
	var out []declared
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous {
			continue
		}
		// `query:"portal,explode"` is a list given as portal=a&portal=b.
		name, _, _ := strings.Cut(f.Tag.Get(key), ",")
		out = append(out, declared{f.Index, f.Type, f.Tag, name, f.Tag.Get("path"), f.Tag.Get("required") == "true"})
	}
	return out
}

// field is a declared field of one value.
type field struct {
	declared
	value reflect.Value
}

func (d declared) in(q reflect.Value) field { return field{d, q.FieldByIndex(d.index)} }

// fieldsOf are the fields of a value.
func fieldsOf(q reflect.Value, key string) []field {
	var out []field
	for _, d := range declaredBy(q.Type(), key) {
		out = append(out, d.in(q))
	}
	return out
}

// set reads the values given for a field, and holds them to its tags.
func (f field) set(vs []string) error {
	if f.value.Kind() == reflect.Slice {
		var list []string
		for _, x := range vs {
			if x = strings.TrimSpace(x); x == "" || slices.Contains(list, x) {
				continue
			}
			if allowed := f.tag.Get("enum"); allowed != "" && !slices.Contains(strings.Split(allowed, ","), x) {
				return badInput{f.name, "error.one_of", []any{"Allowed", strings.ReplaceAll(allowed, ",", ", ")}}
			}
			list = append(list, x)
		}
		if list == nil && f.tag.Get("required") == "true" {
			return badInput{f.name, "error.value_missing", nil}
		}
		f.value.Set(reflect.ValueOf(list))
		return nil
	}
	if len(vs) > 1 {
		return badInput{f.name, "error.value_twice", nil}
	}
	x := ""
	if len(vs) == 1 {
		x = strings.TrimSpace(vs[0])
	}
	if x == "" {
		if f.tag.Get("required") == "true" {
			return badInput{f.name, "error.value_missing", nil}
		}
		return nil
	}
	if f.value.Kind() == reflect.String {
		f.value.SetString(x)
		if allowed := f.tag.Get("enum"); allowed != "" && !slices.Contains(strings.Split(allowed, ","), x) {
			return badInput{f.name, "error.one_of", []any{"Allowed", strings.ReplaceAll(allowed, ",", ", ")}}
		}
		return nil
	}
	n, err := strconv.ParseUint(x, 10, 63)
	if err != nil {
		return badInput{f.name, "error.value_number", nil}
	}
	least, most := bound(f.tag.Get("minimum"), 0), bound(f.tag.Get("maximum"), 1<<63-1)
	if n < least || n > most {
		return badInput{f.name, "error.value_range", []any{"Least", least, "Most", most}}
	}
	if f.value.Kind() == reflect.Uint64 {
		f.value.SetUint(n)
	} else {
		f.value.SetInt(int64(n))
	}
	return nil
}

// bound is a number in a tag.
func bound(tag string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(tag, 10, 63); err == nil {
		return n
	}
	return otherwise
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

// amountOf reads an amount that a person typed.
func amountOf(field, value string, c cashback.Currency) (cashback.Money, error) {
	m, err := cashback.ParseMoney(value, c)
	if of := cashback.OtherCurrency(value, c); err != nil && of != "" {
		return m, badInput{field, "error.amount_currency", []any{"Value", clip(value), "Given", string(of), "Currency", string(c)}}
	}
	if err != nil {
		return m, badInput{field, "error.amount", []any{"Value", clip(value), "Decimals", c.Digits(), "Most", cashback.MaxBasket}}
	}
	return m, nil
}

// currencyOf reads a currency's code.
func currencyOf(field, value string) (cashback.Currency, error) {
	c, err := cashback.ParseCurrency(value)
	if err != nil {
		return c, badInput{field, "error.currency", []any{"Value", clip(value)}}
	}
	return c, nil
}

// countryOf reads a country's code.
func countryOf(field, value string) (cashback.Country, error) {
	c, err := cashback.ParseCountry(value)
	if err != nil {
		return "", badInput{field, "error.country", []any{"Value", clip(value)}}
	}
	return c, nil
}

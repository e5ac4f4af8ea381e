package web

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/pages"
)

// typeForm is what a browser sends a form as.
const typeForm = "application/x-www-form-urlencoded"

// decodeForm fills a form struct from the body of a POST. `form:"…"` names a field,
// which may be a string, a count, a checkbox (bool) or a list of strings. Beside the
// tags of decode there are:
//
//	secret:"true"  taken as it is typed, and never shown again
//	lines:"true"   may hold line ends and tabs
//	most:"4000"    bytes, where it isn't maxValue
//
// What no form of ours sends, such as an unknown field, is an error. What a person may
// have typed is a fault of the form that comes back, to be shown at its field.
func decodeForm[F any](v *visit) (f F, form pages.Form, err error) {
	if kind, _, err := mime.ParseMediaType(v.req.Header.Get("Content-Type")); err != nil || kind != typeForm {
		return f, form, fault{http.StatusUnsupportedMediaType, "error.form_type", nil}
	}
	if err := v.req.ParseForm(); err != nil {
		var over *http.MaxBytesError
		if errors.As(err, &over) {
			return f, form, fault{http.StatusRequestEntityTooLarge, "error.too_large", nil}
		}
		return f, form, badInput{"form", "error.form", nil}
	}
	if v.req.URL.RawQuery != "" {
		return f, form, badInput{"query", "error.query_form", nil}
	}
	form, err = fillForm(v, reflect.ValueOf(&f).Elem(), v.req.PostForm)
	return f, form, err
}

func fillForm(v *visit, f reflect.Value, values url.Values) (pages.Form, error) {
	form := pages.Form{Values: url.Values{}}
	fields := fieldsOf(f, "form")
	n := 0
	for name, vs := range values {
		if n += len(vs); n > maxParams {
			return form, badInput{clip(name), "error.parameters_many", []any{"Most", maxParams}}
		}
		if !slices.ContainsFunc(fields, func(x field) bool { return x.name == name }) {
			return form, badInput{clip(name), "error.form_field", nil}
		}
	}
	for _, x := range fields {
		if x.path != "" {
			x.value.SetString(v.param(x.path))
			continue
		}
		vs := values[x.name]
		if x.tag.Get("secret") != "true" && len(vs) > 0 {
			form.Values[x.name] = vs
		}
		if err := x.take(vs); err != nil {
			var b badInput
			if !errors.As(err, &b) {
				return form, err
			}
			form.Refuse(x.name, b.sentence(v.locale, label(v, x.name)))
		}
	}
	return form, nil
}

// label is how a field is called on the page.
func label(v *visit, name string) string {
	if key := "field." + name; v.locale.Has(key) {
		return v.locale.T(key)
	}
	return name
}

// take is set for what is typed into a form.
func (f field) take(vs []string) error {
	most, lines := maxValue, f.tag.Get("lines") == "true"
	if n, err := strconv.Atoi(f.tag.Get("most")); err == nil {
		most = n
	}
	for _, x := range vs {
		if len(x) > most {
			return badInput{f.name, "error.value_long", []any{"Most", most}}
		}
		if !utf8.ValidString(x) || strings.ContainsFunc(x, func(r rune) bool {
			return control(r) && (!lines || r != '\n' && r != '\r' && r != '\t')
		}) {
			return badInput{f.name, "error.value_text", nil}
		}
	}
	switch {
	case f.value.Kind() == reflect.Bool:
		f.value.SetBool(len(vs) == 1 && vs[0] == "1")
		if f.tag.Get("required") == "true" && !f.value.Bool() {
			return badInput{f.name, "error.value_tick", nil}
		}
		return nil
	case f.value.Kind() == reflect.String && (lines || f.tag.Get("secret") == "true"):
		if len(vs) == 1 {
			f.value.SetString(vs[0])
		}
		if f.value.String() == "" && f.tag.Get("required") == "true" {
			return badInput{f.name, "error.value_missing", nil}
		}
		return nil
	}
	return f.set(vs)
}

// refused shows a page again, with what is wrong in its form.
func refused(rep *reply, err error) (*reply, error) {
	if rep != nil {
		rep.status = http.StatusUnprocessableEntity
	}
	return rep, err
}

// blame puts an error that the person can mend at its field, in their language, and
// hands every other error back.
func blame(v *visit, form *pages.Form, err error) error {
	var e *cashback.Error
	if !errors.As(err, &e) || e.Kind != cashback.Invalid || e.Place.Field == "" {
		return err
	}
	key := "refuse." + e.Place.Field
	if !v.locale.Has(key) {
		return err
	}
	form.Refuse(e.Place.Field, v.locale.T(key))
	return nil
}

// done sends the browser on after a POST, so that a reload repeats nothing, with a
// sentence (a key of the catalogue's table flash) for the page it comes to.
func (s *Server) done(v *visit, to, say string) *reply {
	if say != "" {
		v.keep(s.cookie(v, flashCookie, say, flashFor))
	}
	return seeOther(to)
}

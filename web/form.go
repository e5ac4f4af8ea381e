package web

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
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
//	many:"500"     values of a list, beyond maxParams
//
// A form with a field of type upload comes in parts, with the file in one of them.
//
// What no form of ours sends, such as an unknown field, is an error. What a person may
// have typed is a fault of the form that comes back, to be shown at its field.
func decodeForm[F any](v *visit) (f F, form pages.Form, err error) {
	kind, params, err := mime.ParseMediaType(v.req.Header.Get("Content-Type"))
	into := reflect.ValueOf(&f).Elem()
	fields := fieldsOf(into, "form")
	var values url.Values
	switch {
	case err == nil && kind == typeForm:
		if err := v.req.ParseForm(); err != nil {
			return f, form, unread(err)
		}
		values = v.req.PostForm
	case err == nil && kind == typeParts && slices.ContainsFunc(fields, field.file):
		if values, err = readParts(multipart.NewReader(v.req.Body, params["boundary"]), fields); err != nil {
			return f, form, err
		}
	default:
		return f, form, fault{http.StatusUnsupportedMediaType, "error.form_type", nil}
	}
	if v.req.URL.RawQuery != "" {
		return f, form, badInput{"query", "error.query_form", nil}
	}
	form, err = fillForm(v, fields, values)
	return f, form, err
}

// unread says why a body couldn't be read.
func unread(err error) error {
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return fault{http.StatusRequestEntityTooLarge, "error.too_large", nil}
	}
	return badInput{"form", "error.form", nil}
}

// upload is a file that came with a form; its body is bounded by the route's.
type upload struct {
	Name string
	Body []byte
}

func (f field) file() bool { return f.value.Type() == reflect.TypeFor[upload]() }

// typeParts is what a browser sends a form with a file as.
const typeParts = "multipart/form-data"

// readParts reads a form with files part by part into memory, with the route's limit on
// the whole and maxParams on their number. Files go into their fields at once.
func readParts(r *multipart.Reader, fields []field) (url.Values, error) {
	values := url.Values{}
	for n := 0; ; n++ {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return nil, unread(err)
		}
		if n == maxParams {
			return nil, badInput{"form", "error.parameters_many", []any{"Most", maxParams}}
		}
		body, err := io.ReadAll(p)
		if err != nil {
			return nil, unread(err)
		}
		name := p.FormName()
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == name && f.file() })
		if at < 0 {
			values.Add(name, string(body))
			continue
		}
		// A browser sends a file that wasn't chosen as an empty one without a name. The
		// name is only shown: whatever looks like a path in it is left out.
		file := p.FileName()
		if file = strings.ToValidUTF8(file[strings.LastIndexAny(file, "/\\")+1:], ""); len(file) > maxFileName {
			file = file[:maxFileName]
		}
		if len(body) > 0 {
			fields[at].value.Set(reflect.ValueOf(upload{strings.Map(func(r rune) rune {
				if control(r) {
					return -1
				}
				return r
			}, strings.ToValidUTF8(file, "")), body}))
		}
	}
}

// maxFileName is what is kept of a file's name, in bytes.
const maxFileName = 100

func fillForm(v *visit, fields []field, values url.Values) (pages.Form, error) {
	form := pages.Form{Values: url.Values{}}
	n, most := 0, maxParams
	for _, x := range fields {
		if many, err := strconv.Atoi(x.tag.Get("many")); err == nil {
			most += many
		}
	}
	for name, vs := range values {
		if n += len(vs); n > most {
			return form, badInput{clip(name), "error.parameters_many", []any{"Most", most}}
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
		if x.file() {
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

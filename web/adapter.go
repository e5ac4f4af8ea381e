package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/locale"
	"github.com/cagnotte/cagnotte/web/pages"
)

// endpoint decodes a request, decides, and says what to answer. It writes nothing:
// the adapter renders the reply into a buffer and sends it whole, or sends the
// error page instead.
type endpoint func(v *visit) (*reply, error)

// visit is one request on its way through the adapter.
type visit struct {
	ctx    context.Context
	req    *http.Request
	id     string
	route  *Route
	locale *locale.Locale
	now    time.Time // the moment that the answer is about
	state  *state    // what the stored truth was when the request came
	status int

	// user is who asks; nil is somebody who isn't signed in. session is theirs, nil
	// where the site is one person's own.
	user    *account.User
	session *account.Session
	shopper string         // the cookie with the shopper's side, where the answer follows it
	flash   string         // what the answer before this one wanted said
	page    string         // the page that a form belongs to, where its own address has none
	cookies []*http.Cookie // to be set with the answer
}

// language is the visit's language: that of the address, or what the browser asks
// for.
func (s *Server) language(v *visit) *locale.Locale {
	if v.locale == nil {
		lang, _, _ := strings.Cut(strings.TrimPrefix(v.req.URL.Path, "/"), "/")
		if v.locale = s.locales.Get(lang); v.locale == nil {
			v.locale = s.locales.Negotiate(v.req.Header.Get("Accept-Language"))
		}
	}
	return v.locale
}

// param is a part of the path.
func (v *visit) param(name string) string { return chi.URLParam(v.req, name) }

// reply is an answer before it is sent.
type reply struct {
	status int // 0 means 200
	kind   string
	body   []byte
	header map[string]string
	length []string // the body's, as net/http keeps it; nil is counted when it is sent
	// stream, where set, is what follows the headers until it returns.
	stream func(send func(event, data string) error)
}

const (
	kindHTML    = "text/html; charset=utf-8"
	kindJSON    = "application/json"
	kindText    = "text/plain; charset=utf-8"
	kindProblem = "application/problem+json"
)

// The kinds of every page and every answer of the API, as net/http keeps them.
var (
	typeHTML = []string{kindHTML}
	typeJSON = []string{kindJSON}
)

func typeHeader(kind string) []string {
	switch kind {
	case kindHTML:
		return typeHTML
	case kindJSON:
		return typeJSON
	}
	return []string{kind}
}

func html(ctx context.Context, c templ.Component) (*reply, error) {
	var b bytes.Buffer
	if err := c.Render(ctx, &b); err != nil {
		return nil, err
	}
	return &reply{kind: kindHTML, body: b.Bytes()}, nil
}

func jsonOf(value any) (*reply, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(true) // a JSON answer opened as a page must not be one
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return &reply{kind: kindJSON, body: b.Bytes()}, nil
}

func text(s string) *reply { return &reply{kind: kindText, body: []byte(s)} }

// seeOther sends the browser to an address of this server, or to a stored link.
func seeOther(to string) *reply {
	return &reply{status: http.StatusSeeOther, kind: kindText, header: map[string]string{"Location": to}}
}

// serve is the adapter: everything that holds for each route happens here.
func (s *Server) serve(route Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := visitOf(r)
		v.route = &route
		v.ctx, v.req = r.Context(), r // chi has added the path's parameters
		s.language(v)
		if err := s.admit(w, v); err != nil {
			s.fail(w, v, err)
			return
		}
		if to, marked := unmarked(r); marked {
			s.send(w, v, seeOther(to))
			return
		}
		rep, err := s.enter(v)
		if err != nil {
			s.fail(w, v, err)
			return
		}
		if rep != nil {
			s.send(w, v, rep)
			return
		}
		if route.Cache == ByChange && !v.personal() {
			s.serveCached(w, v)
			return
		}
		if rep, err = s.run(v); err != nil {
			s.fail(w, v, err)
			return
		}
		s.send(w, v, rep)
	}
}

// unmarked is a page's address without the marks that mail and social networks hang on
// a link that is passed on; false where there are none.
func unmarked(r *http.Request) (string, bool) {
	q := r.URL.RawQuery
	if q == "" || r.Method != http.MethodGet || isAPI(r.URL.Path) || !strings.Contains(q, "utm_") && !strings.Contains(q, "clid") && !strings.Contains(q, "mc_") && !strings.Contains(q, "igsh") {
		return "", false
	}
	all := strings.Split(q, "&")
	kept := slices.DeleteFunc(slices.Clone(all), func(p string) bool {
		name, _, _ := strings.Cut(p, "=")
		return strings.HasPrefix(name, "utm_") || slices.Contains(linkMarks, name)
	})
	to := r.URL.EscapedPath()
	if len(kept) > 0 {
		to += "?" + strings.Join(kept, "&")
	}
	return to, len(kept) < len(all) && !strings.HasPrefix(to, "//")
}

// linkMarks are the parameters, beside utm_ ones, by which others follow a link.
var linkMarks = []string{"fbclid", "gclid", "dclid", "msclkid", "twclid", "ttclid", "yclid", "mc_cid", "mc_eid", "igsh", "igshid"}

// admit refuses what the route's line in the table doesn't allow.
func (s *Server) admit(w http.ResponseWriter, v *visit) error {
	r, route := v.req, v.route
	if route.Access == Machine && !direct(r) {
		// Nobody else needs to know that there is something.
		return errNotFound
	}
	if s.limited(w, v) {
		return fault{http.StatusTooManyRequests, "error.too_many", nil}
	}
	if r.ContentLength > route.Body || r.ContentLength < 0 && route.Body == 0 {
		return fault{http.StatusRequestEntityTooLarge, "error.too_large", nil}
	}
	if r.ContentLength != 0 {
		r.Body = http.MaxBytesReader(w, r.Body, route.Body)
	}
	return nil
}

// run calls the endpoint and turns its panic into an error.
func (s *Server) run(v *visit) (rep *reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a handler panicked", "route", v.route.Name(), "request", v.id, "panic", p, "stack", string(debug.Stack()))
			rep, err = nil, cashback.Errorf(cashback.Internal, "the handler of %s panicked", v.route.Name())
		}
	}()
	return v.route.answer(v)
}

// send writes a whole reply.
func (s *Server) send(w http.ResponseWriter, v *visit, rep *reply) {
	h := w.Header()
	for k, val := range rep.header {
		h.Set(k, val)
	}
	for _, c := range v.cookies {
		http.SetCookie(w, c)
	}
	switch {
	case v.personal():
		h["Cache-Control"] = keepPrivate
	case v.route != nil && h["Cache-Control"] == nil:
		h["Cache-Control"] = v.route.Cache.header()
	}
	if rep.kind != "" && rep.status != http.StatusNotModified {
		h["Content-Type"] = typeHeader(rep.kind)
		if rep.length != nil {
			h["Content-Length"] = rep.length
		} else {
			h["Content-Length"] = []string{strconv.Itoa(len(rep.body))}
		}
	}
	if rep.stream != nil {
		s.sendStream(w, v, rep)
		return
	}
	v.status = rep.status
	if v.status == 0 {
		v.status = http.StatusOK
	}
	w.WriteHeader(v.status)
	if v.req.Method != http.MethodHead && len(rep.body) > 0 {
		// The client may be gone; there is nobody left to tell.
		_, _ = w.Write(rep.body)
	}
}

// fault is an error that HTTP itself knows, with the key of its sentence.
type fault struct {
	status int
	key    string
	args   []any
}

func (f fault) Error() string { return f.key }

// errNotFound is for what isn't there, and for what is another's.
var errNotFound = fault{http.StatusNotFound, "error.not_found", nil}

// nobody says of a name or a number that nothing has it, and what to do; another error
// stays what it is.
func nobody(err error, key, value string) error {
	if err != nil && cashback.KindOf(err) == cashback.NotFound {
		return fault{http.StatusNotFound, key, []any{"Value", clip(value)}}
	}
	return err
}

// badInput is a value that can't be accepted: which field it came in, and the key
// of the sentence that says what is allowed.
type badInput struct {
	field string
	key   string
	args  []any
}

func (b badInput) Error() string { return b.field + ": " + b.key }

// sentence says it in a language; name is how the field is called there.
func (b badInput) sentence(l *locale.Locale, name string) string {
	args := []any{"Field", name}
	for _, a := range b.args {
		if n, ok := a.(int); ok {
			a = l.Int(n)
		}
		args = append(args, a)
	}
	return l.T(b.key, args...)
}

// statuses is the one table from kinds of errors to HTTP.
var statuses = map[cashback.Kind]struct {
	status int
	key    string
}{
	cashback.Internal:    {http.StatusInternalServerError, "error.internal"},
	cashback.NotFound:    {http.StatusNotFound, "error.not_found"},
	cashback.Invalid:     {http.StatusBadRequest, "error.invalid"},
	cashback.Conflict:    {http.StatusConflict, "error.conflict"},
	cashback.Forbidden:   {http.StatusForbidden, "error.forbidden"},
	cashback.Unavailable: {http.StatusServiceUnavailable, "error.unavailable"},
	cashback.Locked:      {http.StatusServiceUnavailable, "error.unavailable"},
	cashback.DiskFailed:  {http.StatusInsufficientStorage, "error.disk"},
}

// problem is an error as RFC 9457 writes it, and as the error page shows it.
type problem struct {
	Type   string `json:"type" doc:"Always about:blank: the status says it all."`
	Title  string `json:"title" doc:"The status in words."`
	Status int    `json:"status" doc:"The HTTP status."`
	Detail string `json:"detail" doc:"One sentence that says what is wrong, and what is allowed."`
	Field  string `json:"field,omitempty" doc:"The parameter concerned."`
	// Request is what the operator finds the event by in the log.
	Request string `json:"request" doc:"The id of the request, for the operator's log."`
}

// problemOf is the one place where an error becomes something to show.
func problemOf(err error, l *locale.Locale, id string) problem {
	p := problem{Type: "about:blank", Request: id}
	var f fault
	var b badInput
	var e *cashback.Error
	switch {
	case errors.As(err, &f):
		p.Status, p.Detail = f.status, l.T(f.key, f.args...)
	case errors.As(err, &b):
		p.Status, p.Detail, p.Field = http.StatusBadRequest, b.sentence(l, b.field), b.field
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p.Status, p.Detail = http.StatusServiceUnavailable, l.T("error.unavailable")
	default:
		row := statuses[cashback.KindOf(err)]
		p.Status, p.Detail = row.status, l.T(row.key)
		if errors.As(err, &e) && e.Kind == cashback.Invalid {
			// A sentence for the person who sent the input; it holds nothing of ours. It is
			// in English: in another language the field is named, and no more.
			p.Detail, p.Field = e.Message, e.Place.Field
			if l.Lang != "en" && p.Field != "" {
				p.Detail = l.T("error.field", "Field", p.Field)
			}
		}
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// fail answers with the error page, or with problem+json where the route is the
// API's. The details of an internal error go to the log only.
func (s *Server) fail(w http.ResponseWriter, v *visit, err error) {
	l := s.language(v)
	api := isAPI(v.req.URL.Path)
	if api {
		l = s.locales.All()[0] // the API speaks English, whoever asks
	}
	p := problemOf(err, l, v.id)
	var e *cashback.Error
	if api && v.route != nil && v.route.Access == Operator && v.user != nil && errors.As(err, &e) && (e.Kind == cashback.NotFound || e.Kind == cashback.Conflict) {
		p.Detail = e.Message // nothing here is hidden from who operates the site
	}
	name := "none"
	if v.route != nil {
		name = v.route.Name()
	}
	level := slog.LevelDebug
	if p.Status >= 500 {
		level = slog.LevelError
	}
	s.log.Log(v.req.Context(), level, "a request failed", "route", name, "status", p.Status, "request", v.id, "error", err)
	var rep *reply
	if api {
		if rep, err = jsonOf(p); err == nil {
			rep.kind = kindProblem
		}
	} else {
		rep, err = html(v.req.Context(), pages.Error(s.chrome(v, ""), pages.Problem{
			Status: p.Status, Title: l.T(titleKey(p.Status)), Detail: p.Detail, Request: p.Request,
		}))
	}
	if err != nil {
		rep = text(p.Title)
	}
	rep.status = p.Status
	w.Header()["Cache-Control"] = NoStore.header()
	s.send(w, v, rep)
}

// titleKey is the heading of the error page for a status.
func titleKey(status int) string {
	switch {
	case status == http.StatusNotFound:
		return "error.title.not_found"
	case status >= 500:
		return "error.title.server"
	}
	return "error.title.request"
}

package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// The cookies. Where people reach the site by https their names begin with __Host-,
// which no other host and no plain connection can set (RFC 6265bis, 4.1.3.2).
const (
	// sessionCookie holds a session's token.
	sessionCookie = "session"
	// flashCookie holds the key of a sentence for the next page.
	flashCookie = "flash"
	// shopperCookie holds the shopper's side of a ranking, of somebody who isn't signed
	// in.
	shopperCookie = "shopper"
	// knownCookie says that this browser has signed in to an account before.
	knownCookie = "known"
)

const (
	flashFor   = time.Minute
	knownFor   = 365 * 24 * time.Hour
	shopperFor = 365 * 24 * time.Hour
)

// secureSite says whether the browser came by https: to us, or to a proxy before us.
func (s *Server) secureSite(r *http.Request) bool { return s.https || r.TLS != nil }

func (s *Server) cookieName(r *http.Request, name string) string {
	if s.secureSite(r) {
		return "__Host-" + name
	}
	return name
}

// cookie is one of ours: no script reads it, and no other site's form sends it. A life
// of nothing takes it away.
func (s *Server) cookie(v *visit, name, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: s.cookieName(v.req, name), Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, Secure: s.secureSite(v.req), SameSite: http.SameSiteLaxMode,
	}
	if c.MaxAge <= 0 {
		c.MaxAge = -1
	}
	return c
}

func (s *Server) cookieOf(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(r, name))
	if err != nil {
		return ""
	}
	return c.Value
}

// keep sets a cookie with the answer, in place of another of its name.
func (v *visit) keep(c *http.Cookie) {
	v.cookies = slices.DeleteFunc(v.cookies, func(have *http.Cookie) bool { return have.Name == c.Name })
	v.cookies = append(v.cookies, c)
}

// personal says that the answer is for this asker alone.
func (v *visit) personal() bool {
	return v.user != nil || v.flash != "" || v.shopper != "" || len(v.cookies) > 0
}

// maybeKnown says, without looking anything up, that a page may have something to say
// to this asker alone.
func (s *Server) maybeKnown(r *http.Request) bool {
	if s.SingleUser {
		return s.home(r)
	}
	return s.cookieOf(r, sessionCookie) != "" || s.cookieOf(r, flashCookie) != ""
}

// home says whether a request is the one person's own, where the site has no accounts:
// it comes from this machine, unless they said that their network is theirs.
func (s *Server) home(r *http.Request) bool { return s.SingleUser && (s.TrustNetwork || direct(r)) }

// enter finds out who asks, and decides whether they may. A reply means that they have
// to go elsewhere first.
func (s *Server) enter(v *visit) (*reply, error) {
	if !v.route.knows() {
		return nil, nil
	}
	if v.route.tailored() {
		v.shopper = s.cookieOf(v.req, shopperCookie)
	}
	if isAPI(v.req.URL.Path) {
		if v.route.Access == Shopper && v.route.Method == http.MethodGet && v.req.Header.Get("Authorization") == "" {
			// Another site can have a browser ask, and can't read the answer.
			if err := s.identify(v); err != nil || v.user != nil {
				return nil, err
			}
		}
		return nil, s.byKey(v)
	}
	if err := s.identify(v); err != nil {
		return nil, err
	}
	switch {
	case v.route.Access == Anybody:
	case v.user == nil:
		return s.signInFirst(v)
	case v.route.Access == Operator && v.user.Role != account.Operator:
		return nil, errNotFound
	}
	return nil, nil
}

// identify looks whose session the cookie opens.
func (s *Server) identify(v *visit) error {
	if say := s.cookieOf(v.req, flashCookie); say != "" && v.locale.Has("flash."+say) {
		v.flash = say
	}
	if s.SingleUser {
		if !s.home(v.req) {
			return nil
		}
		u, err := s.people.Sole(v.ctx)
		if err == nil {
			v.user = &u
		}
		return err
	}
	token := s.cookieOf(v.req, sessionCookie)
	if token == "" {
		return nil
	}
	who, err := s.desk.Authenticate(v.ctx, token)
	if cashback.KindOf(err) == cashback.NotFound && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	v.user, v.session = &who.User, &who.Session
	if who.Renewed != "" {
		s.remember(v, who.User, who.Session, who.Renewed)
	}
	return nil
}

// byKey lets a program in that has one of a person's API keys. Cookies don't count where
// anything is changed, so that no other site's form can use one.
func (s *Server) byKey(v *visit) error {
	token, ok := strings.CutPrefix(v.req.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return fault{http.StatusUnauthorized, "error.key", nil}
	}
	if v.route.Access == Operator && s.Secret != "" && subtle.ConstantTimeCompare([]byte(token), []byte(s.Secret)) == 1 {
		v.user = &account.User{Role: account.Operator}
		return nil
	}
	scope := account.ReadLedger
	switch {
	case v.route.Access == Operator:
		scope = account.Operate
	case v.route.Method != http.MethodGet:
		scope = account.WriteLedger
	}
	u, _, err := s.desk.AuthenticateKey(v.ctx, strings.TrimSpace(token), scope)
	if err != nil && cashback.KindOf(err) == cashback.NotFound {
		return fault{http.StatusUnauthorized, "error.key", nil}
	}
	if err == nil {
		v.user = &u
	}
	return err
}

// signInFirst sends somebody to the sign-in, and back from there to the page they
// asked for.
func (s *Server) signInFirst(v *visit) (*reply, error) {
	if s.SingleUser {
		return nil, fault{http.StatusForbidden, "error.elsewhere", nil}
	}
	to := "/" + v.locale.Lang + "/sign-in"
	if v.req.Method == http.MethodGet || v.req.Method == http.MethodHead {
		return seeOther(to + "?" + url.Values{"next": {v.req.URL.RequestURI()}}.Encode()), nil
	}
	return s.done(v, to, "sign_in_first"), nil
}

// remember gives the browser a session's token for as long as the session may live.
func (s *Server) remember(v *visit, u account.User, session account.Session, token string) {
	life := account.LifetimeOf(u.Role).Absolute - s.Now().Sub(session.Created)
	v.keep(s.cookie(v, sessionCookie, token, life))
	v.session = &session
}

// client is where the request comes from, as account.Desk counts it.
func (s *Server) client(v *visit, email string) account.Client {
	return account.Client{Address: s.address(v), Agent: v.req.UserAgent(), Known: s.knownBrowser(v, email)}
}

// address is the client's: the connection's, or what a declared proxy says. A proxy that
// names no client asks for itself, as a verb on its machine does.
func (s *Server) address(v *visit) netip.Addr {
	if len(s.TrustedProxies) > 0 && v.req.Header.Get("X-Forwarded-For") != "" {
		return middleware.GetClientIPAddr(v.ctx)
	}
	return peer(v.req)
}

// mark is what the known cookie holds for an account. Its key lives as long as the
// process, like the counts that it clears the way past.
func (s *Server) mark(email string) string {
	address, err := account.Address(email)
	if err != nil {
		return ""
	}
	m := hmac.New(sha256.New, s.markKey)
	m.Write([]byte(address))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (s *Server) knownBrowser(v *visit, email string) bool {
	want := s.mark(email)
	return want != "" && hmac.Equal([]byte(want), []byte(s.cookieOf(v.req, knownCookie)))
}

// localPath is a page of ours that a parameter names, written anew from its parts; ""
// for anything else. It never leads to another site (RELIABILITY.md, WA10).
func (s *Server) localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Opaque != "" || u.Host != "" || u.User != nil || u.Fragment != "" ||
		strings.ContainsFunc(next, control) || strings.ContainsAny(u.Path, "\\") || strings.Contains(u.Path, "//") {
		return ""
	}
	parts := strings.Split(u.Path, "/")
	if len(parts) < 2 || parts[0] != "" || s.locales.Get(parts[1]) == nil {
		return ""
	}
	for _, p := range parts {
		if p == "." || p == ".." {
			return ""
		}
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return ""
	}
	out := url.URL{Path: u.Path, RawQuery: query.Encode()}
	return out.String()
}

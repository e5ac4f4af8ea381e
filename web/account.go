package web

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/pages"
)

// accountRoutes are how people come in, and what they keep about themselves.
func (s *Server) accountRoutes() []Route {
	get, post := http.MethodGet, http.MethodPost
	return []Route{
		{get, "/{lang:fr|en}/sign-in", Anybody, NoStore, maxBody, ratePages, s.signInPage},
		{post, "/{lang:fr|en}/sign-in", Anybody, NoStore, maxForm, rateForms, s.signIn},
		{get, "/{lang:fr|en}/sign-up", Anybody, NoStore, maxBody, ratePages, s.signUpPage},
		{post, "/{lang:fr|en}/sign-up", Anybody, NoStore, maxForm, rateForms, s.signUp},
		{get, "/{lang:fr|en}/recover", Anybody, NoStore, maxBody, ratePages, s.recoverPage},
		{post, "/{lang:fr|en}/recover", Anybody, NoStore, maxForm, rateForms, s.recover},
		{post, "/{lang:fr|en}/sign-out", Shopper, NoStore, maxForm, rateForms, s.signOut},
		{get, "/{lang:fr|en}/account", Shopper, NoStore, maxBody, ratePages, s.accountPage},
		{post, "/{lang:fr|en}/account/settings", Shopper, NoStore, maxForm, rateForms, s.setSettings},
		{post, "/{lang:fr|en}/account/password", Shopper, NoStore, maxForm, rateForms, s.setPassword},
		{post, "/{lang:fr|en}/account/email", Shopper, NoStore, maxForm, rateForms, s.setEmail},
		{post, "/{lang:fr|en}/account/sessions", Shopper, NoStore, maxForm, rateForms, s.endSessions},
		{post, "/{lang:fr|en}/account/keys", Shopper, NoStore, maxForm, rateForms, s.newKey},
		{post, "/{lang:fr|en}/account/keys/{id}", Shopper, NoStore, maxForm, rateForms, s.revokeKey},
		{get, "/{lang:fr|en}/account/download", Shopper, NoStore, maxBody, ratePages, s.downloadAll},
		{post, "/{lang:fr|en}/account/delete", Shopper, NoStore, maxForm, rateForms, s.deleteAccount},
		// The links that the operator hands out name no language.
		{get, "/recover", Anybody, NoStore, maxBody, ratePages, s.linked("recover", "")},
		{get, "/join", Anybody, NoStore, maxBody, ratePages, s.linked("sign-up", "")},
		{get, "/operator", Anybody, NoStore, maxBody, ratePages, s.linked("sign-up", "operator")},
	}
}

// ours is the address of a page in the visit's language.
func ours(v *visit, path string) string { return "/" + v.locale.Lang + "/" + path }

// linked leads from a printed link to its page in the browser's language.
func (s *Server) linked(page, to string) endpoint {
	type query struct {
		Token string `query:"token"`
	}
	return func(v *visit) (*reply, error) {
		q, err := decode[query](v)
		if err != nil {
			return nil, err
		}
		p := url.Values{}
		for k, x := range map[string]string{"token": q.Token, "as": to} {
			if x != "" {
				p.Set(k, x)
			}
		}
		rep := seeOther(ours(v, page) + "?" + p.Encode())
		rep.header["Vary"] = "Accept-Language"
		return rep, nil
	}
}

// withAccounts refuses pages that a site for one person has no use for.
func (s *Server) withAccounts() error {
	if s.SingleUser {
		return errNotFound
	}
	return nil
}

// arrived is where somebody goes who has just signed in.
func (s *Server) arrived(v *visit, next string) string {
	if to := s.localPath(next); to != "" {
		return to
	}
	return ours(v, "money")
}

type nextQuery struct {
	Next string `query:"next"`
}

func (s *Server) signInPage(v *visit) (*reply, error) {
	q, err := decode[nextQuery](v)
	if err = errors.Join(err, s.withAccounts()); err != nil {
		return nil, err
	}
	if v.user != nil {
		return seeOther(s.arrived(v, q.Next)), nil
	}
	return html(v.ctx, pages.SignIn(s.chrome(v, "account"), pages.Form{}, s.localPath(q.Next)))
}

type signInForm struct {
	Email    string `form:"email" required:"true"`
	Password string `form:"password" required:"true" secret:"true"`
	Next     string `form:"next"`
}

// signIn checks a password. Whatever is wrong with it is said in one sentence.
func (s *Server) signIn(v *visit) (*reply, error) {
	f, form, err := decodeForm[signInForm](v)
	if err = errors.Join(err, s.withAccounts()); err != nil {
		return nil, err
	}
	if form.OK() {
		to, err := s.signedIn(v, f.Email, f.Password, s.arrived(v, f.Next))
		if err == nil {
			return to, nil
		}
		if cashback.KindOf(err) == cashback.Forbidden {
			form.Refuse("", v.locale.T("account.wrong"))
		} else if rep := s.tooMany(v, &form, err); rep != nil {
			return rep.with(html(v.ctx, pages.SignIn(s.chrome(v, "account"), form, s.localPath(f.Next))))
		} else {
			return nil, err
		}
	}
	return refused(html(v.ctx, pages.SignIn(s.chrome(v, "account"), form, s.localPath(f.Next))))
}

// signedIn opens a session, ends the one that the browser had, and leads on.
func (s *Server) signedIn(v *visit, email, password, to string) (*reply, error) {
	token, session, err := s.desk.SignIn(v.ctx, email, password, s.client(v, email))
	if err != nil {
		return nil, err
	}
	u, err := s.people.User(v.ctx, session.User)
	if err != nil {
		return nil, err
	}
	if v.session != nil {
		if err := s.people.EndSession(v.ctx, v.session.User, v.session.ID); err != nil && cashback.KindOf(err) != cashback.NotFound {
			return nil, err
		}
	}
	s.remember(v, u, session, token)
	v.keep(s.cookie(v, knownCookie, s.mark(email), knownFor))
	return seeOther(to), nil
}

// waiting is the answer to somebody who tried too often.
type waiting struct{ seconds int }

// tooMany says in the form how long to wait; nil for another error.
func (s *Server) tooMany(v *visit, form *pages.Form, err error) *waiting {
	var many *account.TooManyError
	if !errors.As(err, &many) {
		return nil
	}
	n := max(1, int(math.Ceil(many.Wait.Seconds())))
	form.Refuse("", v.locale.Count("account.wait", n))
	return &waiting{n}
}

func (w *waiting) with(rep *reply, err error) (*reply, error) {
	if err != nil {
		return nil, err
	}
	rep.status = http.StatusTooManyRequests
	rep.header = map[string]string{"Retry-After": strconv.Itoa(w.seconds)}
	return rep, nil
}

type signUpQuery struct {
	Token string `query:"token"`
	As    string `query:"as" enum:"operator"`
}

func (s *Server) signUpPage(v *visit) (*reply, error) {
	q, err := decode[signUpQuery](v)
	if err = errors.Join(err, s.withAccounts()); err != nil {
		return nil, err
	}
	return html(v.ctx, pages.SignUp(s.chrome(v, "account"), s.signUpView(pages.Form{}, q.Token, q.As)))
}

func (s *Server) signUpView(f pages.Form, token, as string) pages.SignUpView {
	return pages.SignUpView{Form: f, Token: token, As: as, Open: s.OpenSignUp || token != ""}
}

type signUpForm struct {
	Email    string `form:"email" required:"true"`
	Password string `form:"password" required:"true" secret:"true"`
	Token    string `form:"token"`
	As       string `form:"as" enum:"operator"`
}

// signUp makes an account. Without an invitation the answer is the same whether the
// address had one; with one the new account is signed in at once.
func (s *Server) signUp(v *visit) (*reply, error) {
	f, form, err := decodeForm[signUpForm](v)
	if err = errors.Join(err, s.withAccounts()); err != nil {
		return nil, err
	}
	if !s.OpenSignUp && f.Token == "" {
		form.Refuse("", v.locale.T("account.invitation_needed"))
	}
	again := func() (*reply, error) {
		return html(v.ctx, pages.SignUp(s.chrome(v, "account"), s.signUpView(form, f.Token, f.As)))
	}
	if !form.OK() {
		return refused(again())
	}
	err = s.desk.SignUp(v.ctx, f.Email, f.Password, f.Token, s.client(v, ""))
	switch kind := cashback.KindOf(err); {
	case err == nil && f.Token != "":
		return s.signedIn(v, f.Email, f.Password, ours(v, "account"))
	case err == nil:
		return s.done(v, ours(v, "sign-in"), "signed_up"), nil
	case kind == cashback.Conflict:
		form.Refuse("email", v.locale.T("account.taken"))
	case kind == cashback.NotFound:
		form.Refuse("", v.locale.T("account.link_used"))
	default:
		if rep := s.tooMany(v, &form, err); rep != nil {
			return rep.with(again())
		}
		if err := blame(v, &form, err); err != nil {
			return nil, err
		}
	}
	return refused(again())
}

type tokenQuery struct {
	Token string `query:"token"`
}

func (s *Server) recoverPage(v *visit) (*reply, error) {
	q, err := decode[tokenQuery](v)
	if err = errors.Join(err, s.withAccounts()); err != nil {
		return nil, err
	}
	return html(v.ctx, pages.Recover(s.chrome(v, "account"), pages.Form{}, q.Token))
}

type recoverForm struct {
	Token    string `form:"token" required:"true"`
	Password string `form:"password" required:"true" secret:"true"`
}

func (s *Server) recover(v *visit) (*reply, error) {
	f, form, err := decodeForm[recoverForm](v)
	if err = errors.Join(err, s.withAccounts()); err != nil {
		return nil, err
	}
	again := func() (*reply, error) {
		return html(v.ctx, pages.Recover(s.chrome(v, "account"), form, f.Token))
	}
	if !form.OK() {
		return refused(again())
	}
	_, err = s.desk.Recover(v.ctx, f.Token, f.Password, s.client(v, ""))
	if err == nil {
		return s.done(v, ours(v, "sign-in"), "recovered"), nil
	}
	if rep := s.tooMany(v, &form, err); rep != nil {
		return rep.with(again())
	}
	if cashback.KindOf(err) == cashback.NotFound {
		form.Refuse("", v.locale.T("account.link_used"))
	} else if err := blame(v, &form, err); err != nil {
		return nil, err
	}
	return refused(again())
}

// signOut ends the session and forgets its cookie.
func (s *Server) signOut(v *visit) (*reply, error) {
	if _, _, err := decodeForm[struct{}](v); err != nil {
		return nil, err
	}
	if v.session != nil {
		if err := s.people.EndSession(v.ctx, v.user.ID, v.session.ID); err != nil && cashback.KindOf(err) != cashback.NotFound {
			return nil, err
		}
		v.keep(s.cookie(v, sessionCookie, "", 0))
	}
	return s.done(v, "/"+v.locale.Lang, "signed_out"), nil
}

func (s *Server) accountPage(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	return s.showAccount(v, "", pages.Form{}, "")
}

// showAccount is the account's page; form is that of which, where it has been refused;
// secret is a new API key, shown this once.
func (s *Server) showAccount(v *visit, which string, form pages.Form, secret string) (*reply, error) {
	v.page = "account"
	a := &pages.AccountView{
		User: *v.user, Sole: s.SingleUser, Now: v.now, Forms: map[string]pages.Form{which: form}, Secret: secret,
		Languages: s.locales.All(), Operator: v.user.Role == account.Operator,
	}
	var err error
	if v.session != nil {
		a.Session = v.session.ID
		if a.Sessions, err = s.people.ListSessions(v.ctx, v.user.ID); err != nil {
			return nil, err
		}
	}
	if a.Countries, a.Currencies, err = s.places(v); err != nil {
		return nil, err
	}
	if a.Keys, err = s.people.ListKeys(v.ctx, v.user.ID); err != nil {
		return nil, err
	}
	rep, err := html(v.ctx, pages.Account(s.chrome(v, "account"), a))
	if !form.OK() {
		return refused(rep, err)
	}
	return rep, err
}

// places are the countries and currencies to choose from: first those of the portals
// here, then all others, countries by their names.
func (s *Server) places(v *visit) (countries, currencies []pages.Choices, err error) {
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, nil, err
	}
	var here, others, paid, rest []pages.Param
	for _, c := range cashback.Countries() {
		p := pages.Param{Value: string(c), Name: v.locale.Country(c)}
		if p.Name == p.Value {
			continue // an old code, which nobody lives in
		}
		if slices.Contains(sh.countries, c) {
			here = append(here, p)
		} else {
			others = append(others, p)
		}
	}
	order := collate.New(language.Make(v.locale.Lang))
	for _, list := range [][]pages.Param{here, others} {
		slices.SortFunc(list, func(a, b pages.Param) int { return order.CompareString(a.Name, b.Name) })
	}
	for _, c := range cashback.Currencies() {
		p := pages.Param{Value: string(c), Name: pages.CurrencyName(v.locale, c)}
		if slices.Contains(sh.currencies, c) {
			paid = append(paid, p)
		} else {
			rest = append(rest, p)
		}
	}
	group := func(of, all []pages.Param) []pages.Choices {
		return []pages.Choices{{Label: "account.of_portals", From: of}, {Label: "account.all_others", From: all}}
	}
	return group(here, others), group(paid, rest), nil
}

type settingsForm struct {
	Language string `form:"language" enum:"en,fr"`
	Country  string `form:"country"`
	Currency string `form:"currency"`
}

func (s *Server) setSettings(v *visit) (*reply, error) {
	f, form, err := decodeForm[settingsForm](v)
	if err != nil {
		return nil, err
	}
	var country cashback.Country
	var currency cashback.Currency
	for _, field := range []struct {
		name, value string
		read        func(field, value string) error
	}{
		{"country", f.Country, func(n, x string) (err error) { country, err = countryOf(n, x); return err }},
		{"currency", f.Currency, func(n, x string) (err error) { currency, err = currencyOf(n, x); return err }},
	} {
		var b badInput
		if field.value == "" {
			continue
		}
		if err := field.read(field.name, field.value); errors.As(err, &b) {
			form.Refuse(field.name, b.sentence(v.locale, label(v, field.name)))
		}
	}
	if !form.OK() {
		return s.showAccount(v, "settings", form, "")
	}
	_, err = s.people.ChangeUser(v.ctx, v.user.ID, func(u *account.User) error {
		u.Settings.Language, u.Settings.Country, u.Settings.Currency = f.Language, country, currency
		return nil
	})
	if err != nil {
		return nil, err
	}
	to := "account"
	if l := s.locales.Get(f.Language); l != nil {
		v.locale = l // the page that says so is in it already
	}
	return s.done(v, ours(v, to), "saved"), nil
}

type passwordForm struct {
	Present  string `form:"present" required:"true" secret:"true"`
	Password string `form:"password" required:"true" secret:"true"`
}

// who is the visit as account.Desk knows it.
func (v *visit) who() account.Visit { return account.Visit{User: *v.user, Session: *v.session} }

func (s *Server) setPassword(v *visit) (*reply, error) {
	f, form, err := decodeForm[passwordForm](v)
	if err = errors.Join(err, s.withAccounts()); err != nil {
		return nil, err
	}
	if form.OK() {
		err := s.desk.SetPassword(v.ctx, v.who(), f.Present, f.Password, s.client(v, v.user.Email))
		if err == nil {
			return s.done(v, ours(v, "account"), "password"), nil
		}
		if err := s.doubted(v, &form, err); err != nil {
			return nil, err
		}
	}
	return s.showAccount(v, "password", form, "")
}

// doubted puts what may be wrong with a password that was asked for again at its
// field, and hands other errors back.
func (s *Server) doubted(v *visit, form *pages.Form, err error) error {
	if s.tooMany(v, form, err) != nil {
		return nil
	}
	if cashback.KindOf(err) == cashback.Forbidden {
		form.Refuse("present", v.locale.T("account.wrong_password"))
		return nil
	}
	return blame(v, form, err)
}

type emailForm struct {
	Email   string `form:"email" required:"true"`
	Present string `form:"present" required:"true" secret:"true"`
}

func (s *Server) setEmail(v *visit) (*reply, error) {
	f, form, err := decodeForm[emailForm](v)
	if err = errors.Join(err, s.withAccounts()); err != nil {
		return nil, err
	}
	if form.OK() {
		err := s.prove(v, f.Present)
		if err == nil {
			err = s.desk.SetEmail(v.ctx, v.who(), f.Email)
		}
		switch {
		case err == nil:
			return s.done(v, ours(v, "account"), "saved"), nil
		case cashback.KindOf(err) == cashback.Conflict:
			form.Refuse("email", v.locale.T("account.taken"))
		default:
			if err := s.doubted(v, &form, err); err != nil {
				return nil, err
			}
		}
	}
	return s.showAccount(v, "email", form, "")
}

// prove checks the password of somebody who is signed in, and gives the session a new
// token.
func (s *Server) prove(v *visit, password string) error {
	token, err := s.desk.Prove(v.ctx, v.who(), password, s.client(v, v.user.Email))
	if err != nil {
		return err
	}
	session, u, err := s.people.SessionByDigest(v.ctx, account.DigestOf(token))
	if err != nil {
		return err
	}
	s.remember(v, u, session, token)
	return nil
}

type endForm struct {
	ID string `form:"id"` // "" ends all the others
}

func (s *Server) endSessions(v *visit) (*reply, error) {
	f, _, err := decodeForm[endForm](v)
	if err = errors.Join(err, s.withAccounts()); err != nil {
		return nil, err
	}
	if f.ID == "" {
		_, err = s.people.EndSessions(v.ctx, v.user.ID, v.session.ID)
	} else {
		err = s.people.EndSession(v.ctx, v.user.ID, f.ID)
	}
	if err != nil {
		return nil, err
	}
	return s.done(v, ours(v, "account")+"#sessions", "ended"), nil
}

type keyForm struct {
	Name   string   `form:"name" required:"true" most:"100"`
	Scopes []string `form:"scopes"`
	Days   uint64   `form:"days" minimum:"1" maximum:"365" required:"true"`
}

func (s *Server) newKey(v *visit) (*reply, error) {
	f, form, err := decodeForm[keyForm](v)
	if err != nil {
		return nil, err
	}
	if form.OK() {
		scopes := make([]account.Scope, len(f.Scopes))
		for i, x := range f.Scopes {
			scopes[i] = account.Scope(x)
		}
		// A day short of the longest life, which is counted by the clock.
		ends := s.Now().Add(time.Duration(f.Days)*24*time.Hour - time.Minute)
		_, token, err := s.desk.NewKey(v.ctx, *v.user, f.Name, scopes, ends)
		switch {
		case err == nil:
			return s.showAccount(v, "", pages.Form{}, token)
		case cashback.KindOf(err) == cashback.Conflict:
			form.Refuse("", v.locale.T("account.keys_full", "Most", v.locale.Int(account.MaxKeys)))
		default:
			if err := blame(v, &form, err); err != nil {
				return nil, err
			}
		}
	}
	return s.showAccount(v, "keys", form, "")
}

type keyPath struct {
	ID string `path:"id"`
}

func (s *Server) revokeKey(v *visit) (*reply, error) {
	f, _, err := decodeForm[keyPath](v)
	if err != nil {
		return nil, err
	}
	if err := s.people.RevokeKey(v.ctx, v.user.ID, f.ID); err != nil {
		return nil, err
	}
	return s.done(v, ours(v, "account")+"#keys", "revoked"), nil
}

// downloadAll hands out everything that is kept about a person, in the archive that
// another instance takes: the account without its secrets, the ledger, its evidence, the
// person's own rules and payouts.
func (s *Server) downloadAll(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	return s.archiveOf(v)
}

// attached is a file to be kept; name is one of ours, without quotes.
func attached(name, kind string, b []byte) *reply {
	return &reply{kind: kind, body: b, header: map[string]string{"Content-Disposition": `attachment; filename="` + name + `"`}}
}

type deleteForm struct {
	Present string `form:"present" secret:"true"`
	Sure    bool   `form:"sure" required:"true"`
}

// deleteAccount removes everything that is the person's, for ever.
func (s *Server) deleteAccount(v *visit) (*reply, error) {
	f, form, err := decodeForm[deleteForm](v)
	if err != nil {
		return nil, err
	}
	if form.OK() && !s.SingleUser {
		if err := s.prove(v, f.Present); err != nil {
			if err := s.doubted(v, &form, err); err != nil {
				return nil, err
			}
		}
	}
	if form.OK() {
		err := s.people.DeleteUser(v.ctx, v.user.ID)
		if err == nil {
			v.keep(s.cookie(v, sessionCookie, "", 0))
			v.keep(s.cookie(v, knownCookie, "", 0))
			return s.done(v, "/"+v.locale.Lang, "deleted"), nil
		}
		if cashback.KindOf(err) != cashback.Conflict {
			return nil, err
		}
		form.Refuse("", v.locale.T("account.last_operator"))
	}
	return s.showAccount(v, "delete", form, "")
}

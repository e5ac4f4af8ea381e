// Package claim writes what a shopper sends to a portal about money that is missing: a
// letter with the facts filled in, and a pack of everything that proves them.
//
// Its one invariant: it says nothing that the ledger doesn't hold. What isn't known is
// left out of the letter, never made up; the frozen terms go into the pack byte for
// byte, so that anybody can check them against their hash. The same case gives the
// same bytes. The package is pure; its words stand in words/, one file for each
// language.
package claim

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	htmltemplate "html/template"
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/bojanz/currency"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// Languages in which letters are written.
var Languages = []string{"en", "fr"}

// Case is everything that is known of a purchase whose money is missing.
type Case struct {
	// Zone is where the shopper lives: the purchase\'s day is the one there; nil is UTC.
	Zone     *time.Location     `json:"-"`
	Problem  earnings.AlertKind `json:"problem"` // missing, short, overdue or declined
	Purchase earnings.Purchase  `json:"purchase"`
	Events   []earnings.Event   `json:"events"`
	Portal   cashback.Portal    `json:"portal"`
	// Evidence is what was frozen at the click; nil without.
	Evidence *earnings.Evidence `json:"-"`
	// Member is the shopper's name or number at the portal; may be empty.
	Member string `json:"member,omitempty"`
	// Written is the day of the letter.
	Written cashback.Date `json:"written"`
}

// Letter is what is sent.
type Letter struct {
	Subject string `json:"subject"`
	Body    string `json:"body"`
}

//go:embed words/*.toml words/proof.html
var files embed.FS

// language is one file of words.
type language struct {
	// Locale and Date are the forms of amounts and days (a layout of package time).
	Locale, Date, Moment string
	Subject, Body        string
	Labels               map[string]string
	Events               map[string]string
	Problems             map[string]string
}

func load(lang string) (language, error) {
	var l language
	b, err := files.ReadFile("words/" + lang + ".toml")
	if err != nil {
		return l, cashback.Errorf(cashback.Invalid, "letters are written in %s, not in %.20q", strings.Join(Languages, " and "), lang)
	}
	if err := toml.Unmarshal(b, &l); err != nil {
		return l, cashback.Errorf(cashback.Internal, "read the words of %s: %w", lang, err)
	}
	return l, nil
}

// facts are a case in a language's forms: what templates fill in. Empty is unknown.
type facts struct {
	Problem, Portal, Shop, Member, Order, External string
	Bought, Clicked, Tracked, Written              string
	Basket, Expected, Credited, Missing, Wording   string
	Rate, Conditions, Source, Read, Link, Hash     string
	Tiers                                          []string
	History                                        []step
	Labels                                         map[string]string
	Lang                                           string
}

type step struct{ When, What, Amount, Wording, Source, Hash string }

func (l language) facts(c Case, lang string) (facts, error) {
	p := c.Purchase
	f := facts{
		Problem: string(c.Problem), Portal: cmp.Or(c.Portal.Name, c.Portal.ID, p.Portal), Shop: p.Shop, Member: c.Member, Order: p.Order, External: p.External,
		Bought: l.day(p.Day(c.Zone).Time()), Written: l.day(c.Written.Time()), Wording: p.Wording, Labels: l.Labels, Lang: lang,
		Clicked: l.moment(p.Since[earnings.StateClicked]), Tracked: l.day(p.Since[earnings.StateTracked]),
		Basket: l.amount(p.Basket), Expected: l.amount(p.Expected),
	}
	if p.State != earnings.StateClicked && p.State != earnings.StateExpected {
		f.Credited = l.amount(p.Amount)
		if p.Amount != nil && p.Expected != nil && p.Amount.Unit == p.Expected.Unit && p.Expected.Minor > p.Amount.Minor {
			f.Missing = l.amount(&earnings.Amount{Minor: p.Expected.Minor - p.Amount.Minor, Unit: p.Amount.Unit})
		}
	}
	if c.Evidence != nil {
		t, err := c.Evidence.Terms()
		if err != nil {
			return f, err
		}
		r := t.Offer.Receipt
		f.Rate, f.Conditions, f.Source, f.Link, f.Hash = r.RawText, t.Offer.Conditions, r.URL, t.Link, c.Evidence.Hash
		f.Read = l.moment(r.ReadAt)
		f.Clicked = cmp.Or(f.Clicked, l.moment(t.Frozen))
		for _, tier := range t.Offer.Tiers {
			if text := strings.TrimSpace(tier.Label + " " + tier.Raw); text != "" {
				f.Tiers = append(f.Tiers, text)
			}
		}
	}
	for _, e := range c.Events {
		f.History = append(f.History, step{
			When: l.moment(e.At), What: cmp.Or(l.Events[string(e.Kind)], string(e.Kind)), Amount: l.amount(e.Amount), Wording: e.Wording, Source: e.Source, Hash: e.Hash,
		})
	}
	return f, nil
}

func (l language) day(t time.Time) string {
	if t.IsZero() || t.Unix() == 0 {
		return ""
	}
	return t.UTC().Format(l.Date)
}

func (l language) moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return l.day(t) // a list's day without a time
	}
	return t.UTC().Format(l.Moment)
}

// amount is money in the language's form; points by their word.
func (l language) amount(a *earnings.Amount) string {
	if a == nil {
		return ""
	}
	m, ok := a.Money()
	if !ok {
		word, _ := a.Unit.Points()
		return strings.TrimSuffix(a.String(), " "+string(a.Unit)) + " " + word
	}
	x, err := currency.NewAmount(m.Decimal().String(), string(m.Currency))
	if err != nil {
		return a.String()
	}
	return currency.NewFormatter(currency.NewLocale(l.Locale)).Format(x)
}

// Write fills the letter in.
//
// Errors: Invalid for a language or a problem that there is no letter for, and for
// evidence that doesn't have its hash.
func Write(c Case, lang string) (Letter, error) {
	l, err := load(lang)
	if err != nil {
		return Letter{}, err
	}
	f, err := l.facts(c, lang)
	if err != nil {
		return Letter{}, err
	}
	problem, ok := l.Problems[string(c.Problem)]
	if !ok {
		return Letter{}, cashback.Errorf(cashback.Invalid, "there is no letter for %.40q", c.Problem)
	}
	fill := func(text string) (string, error) {
		t, err := template.New("letter").Option("missingkey=error").Parse(text)
		if err != nil {
			return "", cashback.Errorf(cashback.Internal, "read the letter in %s: %w", lang, err)
		}
		var b strings.Builder
		if err := t.Execute(&b, f); err != nil {
			return "", cashback.Errorf(cashback.Internal, "write the letter in %s: %w", lang, err)
		}
		return strings.TrimSpace(b.String()), nil
	}
	var out Letter
	if out.Subject, err = fill(l.Subject); err != nil {
		return out, err
	}
	out.Subject = strings.Join(strings.Fields(out.Subject), " ") // a name may hold a line end
	sentence, err := fill(problem)
	if err != nil {
		return out, err
	}
	f.Problem = sentence
	if out.Body, err = fill(l.Body); err != nil {
		return out, err
	}
	for strings.Contains(out.Body, "\n\n\n") { // of facts that were left out
		out.Body = strings.ReplaceAll(out.Body, "\n\n\n", "\n\n")
	}
	return out, nil
}

// Pack writes the proof pack, a ZIP with the letter, a page to read or print, the case
// as JSON, the frozen terms as they were kept, and the SHA-256 of each file (the form
// that sha256sum -c reads). Equal cases give equal bytes.
func Pack(w io.Writer, c Case, lang string) (err error) {
	defer cashback.Wrap(&err, "write the proof pack")
	letter, err := Write(c, lang)
	if err != nil {
		return err
	}
	l, err := load(lang)
	if err != nil {
		return err
	}
	f, err := l.facts(c, lang)
	if err != nil {
		return err
	}
	page, err := htmltemplate.ParseFS(files, "words/proof.html")
	if err != nil {
		return err
	}
	var html bytes.Buffer
	if err := page.Execute(&html, struct {
		facts
		Letter Letter
	}{f, letter}); err != nil {
		return err
	}
	doc, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	type file struct {
		name string
		body []byte
	}
	pack := []file{
		{"letter.txt", []byte(letter.Subject + "\n\n" + letter.Body + "\n")},
		{"proof.html", html.Bytes()},
		{"case.json", append(doc, '\n')},
	}
	if c.Evidence != nil {
		pack = append(pack, file{"terms.json", c.Evidence.Document})
	}
	var sums bytes.Buffer
	for _, f := range pack {
		sum := sha256.Sum256(f.body)
		sums.WriteString(hex.EncodeToString(sum[:]) + "  " + f.name + "\n")
	}
	pack = append(pack, file{"SHA256SUMS", sums.Bytes()})
	z := zip.NewWriter(w)
	for _, f := range pack {
		// Stored, and dated by the letter: no compressor or clock makes a difference.
		out, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Store, Modified: c.Written.Time()})
		if err != nil {
			return err
		}
		if _, err := out.Write(f.body); err != nil {
			return err
		}
	}
	return z.Close()
}

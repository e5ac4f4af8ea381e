package portal

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/reward"
)

// Classify says what a page is that no definition stands for, by what every site
// has in common; never by who it is. It finds no entries.
func Classify(p Page) (r Reading) {
	e := newReader(nil, &p)
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case tooCostly:
			r = Reading{Outcome: cashback.PageUnparseable, Reason: "reading the page costs more than a page may"}
		default:
			r = Reading{Outcome: cashback.PagePanicked, Reason: short(fmt.Sprint("the reader failed: ", cause))}
		}
		r.Issues = append(r.Issues, e.issues...)
		r.Stat.URL, r.Stat.Outcome = p.URL, r.Outcome
	}()
	if len(p.Body) > DefaultMaxBody {
		return Reading{Outcome: cashback.FetchTooLarge, Reason: fmt.Sprintf("the page has %d bytes: at most %d", len(p.Body), DefaultMaxBody)}
	}
	switch s := e.status(); {
	case s == http.StatusNotFound || s == http.StatusGone:
		return Reading{Outcome: cashback.PageNotFound, Reason: fmt.Sprintf("the status is %d", s)}
	case s == http.StatusUnauthorized || s == http.StatusForbidden || s == http.StatusTooManyRequests:
		return Reading{Outcome: cashback.PageBlocked, Reason: fmt.Sprintf("the status is %d", s)}
	}
	return e.general()
}

var (
	wallTitle = regexp.MustCompile(`(?i)^(just a moment|attention required|access (to this page has been )?denied|pardon our interruption|are you (a robot|human)|robot or human|human verification|verify (that )?you are (a )?human|please verify|security check|checking your browser|ddos-guard|captcha|un instant|einen moment|request unsuccessful|blocked|sorry, you have been blocked|forbidden$|log ?in\b|sign ?in\b|anmelden\b|connexion\b|se connecter|identification\b|iniciar sesión|entrar\b|ログイン)`)
	missTitle = regexp.MustCompile(`(?i)(^|[^\d])404([^\d]|$)|not found|page introuvable|introuvable|nicht gefunden|não encontrad|no encontrad|non trovat|niet gevonden|hittades inte|ikke fundet|ikke funnet|nie znalezion|nenalezen|sivua ei löy|見つかりません|找不到|^error\b|\| error$|erreur`)
)

// missHeading is what error pages say as their heading, whatever offers stand below.
var missHeading = regexp.MustCompile(`(?i)^(error\W+)?404\b|^.{0,40}\b(not (be )?found|no longer (exists?|available)|introuvable|n['’]existe (pas|plus)|(nicht|niet) gefunden|nicht (mehr )?verfügbar|não (foi )?(pôde ser )?encontrad[ao]|no (se ha )?encontrad[ao]|non (è stata )?trovata|bestaat niet|(kunde )?(inte )?hittas inte|inte hittas|hittades inte|(blev )?ikke (blev )?f[ou]nd(et|e)|finnes ikke|findes ikke|nie (została )?znalezion[ao]|nie istnieje|nenalezena|neexistuje|ei löy)|見つかりません|存在しません|找不到`)

// widgets are the classes of the elements in which a page asks for a proof of being
// human.
var widgets = map[string]string{"h-captcha": "hCaptcha", "g-recaptcha": "reCAPTCHA", "cf-turnstile": "Turnstile", "frc-captcha": "Friendly Captcha"}

// general is the outcome of a page by what every site has in common. It is also
// asked when a definition's expectations fail: what the page is instead.
func (e *reader) general() Reading {
	root := e.html()
	if e.htmlErr != nil {
		return Reading{Outcome: cashback.PageUnparseable, Reason: reason(e.htmlErr)}
	}
	if root == nil {
		return Reading{Outcome: cashback.PageNotUnderstood, Reason: "the page isn't HTML"}
	}
	title := e.title()
	f := e.features(root)
	switch {
	case f.challenge != "" && f.text < 3000:
		return Reading{Outcome: cashback.PageBlocked, Reason: "the page asks whether we are human (" + f.challenge + ")"}
	case wallTitle.MatchString(title) && (f.text < 3000 || f.password) && f.rates < 3:
		return Reading{Outcome: cashback.PageBlocked, Reason: "the page is titled “" + short(title) + "”"}
	case f.widget != "" && f.text < 800 && f.links < 15 && f.rates == 0:
		return Reading{Outcome: cashback.PageBlocked, Reason: "the page asks whether we are human (" + f.widget + ")"}
	case f.password && f.text < 1500 && f.rates == 0:
		return Reading{Outcome: cashback.PageBlocked, Reason: "the page asks for a login"}
	case missTitle.MatchString(title) && f.rates < 3:
		return Reading{Outcome: cashback.PageNotFound, Reason: "the page is titled “" + short(title) + "”"}
	case missHeading.MatchString(f.heading) && f.rates < 20:
		return Reading{Outcome: cashback.PageNotFound, Reason: "the page is headed “" + short(f.heading) + "”"}
	case f.shell():
		return Reading{Outcome: cashback.PageScriptShell, Reason: fmt.Sprintf("%d characters of text beside %d scripts: the page is built by its scripts", f.text, f.scripts)}
	case f.rates >= 3:
		return Reading{Outcome: cashback.PageNotUnderstood, Reason: fmt.Sprintf("the page shows about %d rates, and no definition says whose", f.rates)}
	case f.links >= 20:
		return Reading{Outcome: cashback.PageNoRates, Reason: fmt.Sprintf("%d links and no rates", f.links)}
	}
	return Reading{Outcome: cashback.PageNotUnderstood, Reason: "the page has neither rates nor a list"}
}

// features are what the general rules look at.
type features struct {
	size, text, scripts, links, rates int
	password                          bool
	challenge, widget, heading        string
	mount                             bool // an element for scripts to fill, with nothing in it
	framework                         bool
}

// shell: little text in much markup, scripts that would fill it, and hardly a
// rate.
func (f *features) shell() bool {
	if f.scripts == 0 || f.rates >= 10 {
		return false
	}
	thin := f.text*100 < f.size*6
	return f.text < 400 && (f.mount || f.scripts >= 3 || f.framework) ||
		thin && f.scripts >= 5 && (f.framework || f.mount) && f.text < 6000
}

var mounts = regexp.MustCompile(`(?i)^(root|app|__next|__nuxt|main-?app|react-?root|app-?root|content|main|.*(list|grid|deck|results?|cards?|offers?|stores?|shops?|container|wrapper|modal|area|portal).*)$`)

func (e *reader) features(root *html.Node) (f features) {
	f.size = len(e.bodyText())
	f.text = len([]rune(e.wholeText()))
	c := reward.Context{}
	if e.rule != nil {
		c = e.rule.reward
	}
	for n := root; n != nil; n = next(n, root) {
		if n.Type != html.ElementNode {
			continue
		}
		e.meter.spend(1)
		switch n.DataAtom {
		case atom.Script:
			typ, _ := attribute(n, "type")
			src, external := attribute(n, "src")
			if external || n.FirstChild != nil && !strings.Contains(typ, "json") {
				f.scripts++
			}
			for mark, who := range map[string]string{"challenge-platform": "Cloudflare", "captcha-delivery": "DataDome", "px-captcha": "PerimeterX", "_Incapsula_": "Imperva", "awswaf": "AWS WAF"} {
				if strings.Contains(src, mark) {
					f.challenge = who
				}
			}
			if strings.Contains(src, "/_next/") || strings.Contains(src, "/_nuxt/") || strings.Contains(src, "chunk") || strings.Contains(src, "bundle") || hashed.MatchString(src) {
				f.framework = true
			}
			continue
		case atom.A:
			if href, ok := attribute(n, "href"); ok && len(href) > 1 && href[0] != '#' {
				f.links++
			}
		case atom.Input:
			if t, _ := attribute(n, "type"); strings.EqualFold(t, "password") {
				f.password = true
			}
		case atom.H1:
			if f.heading == "" {
				f.heading = plain(elementText(n, nil, false), maxName)
			}
		case atom.Div, atom.Main, atom.Section, atom.Ul:
			if class, _ := attribute(n, "class"); strings.Contains(class, "-captcha") || strings.Contains(class, "recaptcha") || strings.Contains(class, "turnstile") {
				for _, c := range strings.Fields(class) {
					if who := widgets[c]; who != "" {
						f.widget = who
					}
				}
			}
			if n.FirstChild == nil || n.FirstChild == n.LastChild && n.FirstChild.Type == html.TextNode && strings.TrimSpace(n.FirstChild.Data) == "" {
				if id, _ := attribute(n, "id"); mounts.MatchString(id) {
					f.mount = true
				}
			}
		}
		if strings.HasSuffix(n.Data, "-root") {
			f.mount = true
		}
		if f.rates < 50 && n.DataAtom != atom.Style && n.DataAtom != atom.Noscript && n.DataAtom != atom.Title && ownDigit(n) {
			if text := elementText(n, nil, true); len(text) < 60 {
				if reward.Parse(plain(text, maxRateText), c).Kind.Pays() {
					f.rates++
				}
			}
		}
	}
	return f
}

var hashed = regexp.MustCompile(`[.-][0-9a-f]{8,}\.js`)

// ownDigit says whether the element's own text has a digit.
func ownDigit(n *html.Node) bool {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.TextNode && len(c.Data) < 200 && strings.ContainsAny(c.Data, "0123456789０１２３４５６７８９") {
			return true
		}
	}
	return false
}

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
	wallTitle = regexp.MustCompile(`(?i)^(just a moment|attention required|access (to this page has been )?denied|pardon our interruption|are you (a robot|human)|robot or human|human verification|verify (that )?you are (a )?human|please verify|security check|checking your browser|ddos-guard|captcha|un instant|einen moment|request unsuccessful|blocked|sorry, you have been blocked|forbidden$|log ?in\b|sign ?in\b|anmelden\b|connexion\b|se connecter|identification\b|iniciar sesión|entrar\b|ログイン|acc(esso negato|eso denegado|ès (refusé|interdit))|acesso negado|zugriff verweigert|toegang geweigerd|åtkomst nekad|adgang nægtet|ingen tilgang|odmowa dostępu|přístup odepřen|доступ (запрещ|ограничен|закрыт)|アクセス(が拒否|できません)|访问(被拒绝|受限)|安全验证|安全驗證|人机验证)|\b(access denied|security checkpoint)$|sicherheits(überprüfung|prüfung|abfrage)|vérification de (sécurité|votre navigateur)|verifica(ción|ção) de segur|verifica di sicurezza|veiligheidscontrole|проверка (браузера|безопасности)`)
	missTitle = regexp.MustCompile(`(?i)(^|[^\d])404([^\d]|$)|not found|page introuvable|introuvable|nicht gefunden|não encontrad|no encontrad|non trovat|niet gevonden|hittades inte|ikke fundet|ikke funnet|nie znalezion|nenalezen|sivua ei löy|не найден|не знайден|nem található|bulunamadı|見つかりません|找不到|찾을 수 없|^error\b|\| error$|erreur|^ошибка`)
)

// missHeading is what error pages say as their heading, whatever offers stand below.
var missHeading = regexp.MustCompile(`(?i)^(error\W+)?404\b|^.{0,40}\b(not (be )?found|no longer (exists?|available)|introuvable|n['’]existe (pas|plus)|(nicht|niet) gefunden|nicht (mehr )?verfügbar|não (foi )?(pôde ser )?encontrad[ao]|no (se ha )?encontrad[ao]|(ya no|no) está disponible|não está (mais )?disponível|non è più disponibile|n['’]est plus disponible|niet meer beschikbaar|fant ikke|non (è stata )?trovata|bestaat niet|(kunde )?(inte )?hittas inte|inte hittas|hittades inte|(blev )?ikke (blev )?f[ou]nd(et|e)|finnes ikke|findes ikke|nie (została )?znalezion[ao]|nie istnieje|nenalezena|neexistuje|ei löy|ei ole (enää )?olemassa|do(es)?n['’]t exist|does not exist|has (been )?moved|no longer (with us|here)|existiert nicht|gibt es (leider )?nicht( mehr)?|no existe|não existe|non esiste|finns inte( längre)?|eksisterer ikke|nem (található|létezik)|nu (există|a fost găsit)|bulunamadı)|δεν (βρέθηκε|υπάρχει)|не (была |был )?найден|не существует|не знайден|не існує|見つかりません|存在しません|找不到|不存在|찾을 수 없|존재하지 않`)

// noneWords are what shops' pages say that pay nothing, in full or as the beginning of
// a sentence; what follows must not be what it is limited to: see limits.
var noneWords = regexp.MustCompile(`(?i)(\b(no|zero|without|(not?|don['’]t|doesn['’]t) (currently |presently )?(offer|offering|pay|paying|have|provide)( any)?) cash ?-?back\b|^0([.,]0+)? ?% (de |di )?cash ?-?back\b|\bcash ?-?back (is |has been )?(currently |temporarily )?(unavailable|not available|paused|suspended|no longer (offered|available))|\bcoupons? only\b` +
	`|\b(pas|plus|aucun|sans) (de )?cash ?-?back\b|\bcash ?-?back (est )?(actuellement |temporairement |momentanément )?(indisponible|suspendu|désactivé|non disponible)|\bcodes? promos? (seulement|uniquement)` +
	`|\bkein(en)? cash ?-?back\b|\bcash ?-?back (ist )?(derzeit |zurzeit |aktuell |momentan )?(pausiert|nicht (mehr )?verfügbar|ausgesetzt|deaktiviert)|\bnur gutscheine\b` +
	`|\b(no|não|non|n['’]) ?(ofrece|oferece|offre|tiene|tem|ha) (más |mais |più |pas |plus )?(de )?cash ?-?back\b|\bsem cash ?-?back\b|\bsin (cash ?-?back|reembolso)\b|\bcash ?-?back (no disponible|indisponível|não disponível|non disponibile)|\b(apenas|somente) cupo(m|ns)\b|\bsolo (cupones|coupon|codici sconto)` +
	`|\b(nessun|senza) cash ?-?back\b|\bgeen cash ?-?back\b|\b(ingen|inget|utan|uden|uten) (cash ?-?back|återbäring)|\b(brak|bez) (cash ?-?backu|zwrotu)|\bžádný cash ?-?back|\bbez cash ?-?backu` +
	`|нет к[эе]ш-?б[эе]ка|без к[эе]ш-?б[эе]ка|к[эе]ш-?б[эе]к (временно )?(недоступен|отключ[её]н|не начисляется)|対象外|無回饋|没有返利|无返利)`)

// limits begin what a "no cashback" is limited to: "no cashback on gift cards".
var limits = regexp.MustCompile(`(?i)^\W*(on|for (?:purchases|orders|gift|items|products)|when|if|with|sur|pour les|si|avec|auf|bei|für|wenn|mit|en compras|em|sobre|con|su|per gli|op|bij|voor|på|ved|na|при|на)\b`)

// emptyWords are what a list says that has nothing, such as the page behind its last.
var emptyWords = regexp.MustCompile(`(?i)^\W*((sorry|oops|lo sentimos|désolé|leider|tyvärr|desculpe)\W+)?(` +
	`(there (are|were) )?(no|0|zero) (more |other |further |matching )?(results?|stores?|shops?|retailers?|merchants?|brands?|partners?|items?)\b|we (couldn['’]t|could not|didn['’]t) find any (more )?(results?|stores?|shops?|retailers?|merchants?|brands?)|your search (returned|gave) no|nothing (was )?found` +
	`|(0|aucune?) (autre )?(résultat|boutique|magasin|marchand|e-?shop|enseigne|marque|partenaire)s?\b|il n['’]y a (plus )?(aucun|pas|plus) (de |d['’])?(résultat|boutique|magasin|marchand|enseigne)` +
	`|(es (wurden|gibt) )?(leider )?keine? (weiteren? |passenden? )?(ergebnisse|treffer|shops|händler|partner|anbieter|marken|einträge)\b` +
	`|no (hay|se han encontrado|se encontraron|hemos encontrado|encontramos) (más )?(resultados|tiendas|comercios|marcas)|sin resultados|ning(ún|una) (resultado|tienda|comercio)` +
	`|nenhum[a]? (outr[ao] )?(resultado|loja|parceir[oa]|marca)|(não|nao) (há|encontramos|foram encontrad[ao]s|existem) (mais )?(resultados|lojas|parceiros)` +
	`|nessun[ao]? (altr[ao] )?(risultato|negozio|partner|marchio)|non (ci sono|abbiamo trovato) (altri )?(risultati|negozi)` +
	`|(er zijn )?geen (verdere |meer |andere )?(resultaten|winkels|webshops|shops|partners)\b` +
	`|((det finns|der er|vi fandt|vi hittade|fant) )?ing(a|en) (fler |flere |andra )?(resultat(er)?|träffar|butiker|butikker|treff|webshops)\b` +
	`|žádné (další )?(výsledky|obchody)|(nie znaleziono|brak) (więcej |żadnych )?(wyników|sklepów|ofert|partnerów)|(nenalezeny|nenašli jsme|nebyly nalezeny) (žádné )?(další )?(výsledky|obchody)|ei (hakutuloksia|tuloksia|kauppoja)|nincs(enek)? (találat|több)` +
	`|ничего не найдено|(магазин(ы|ов)|результатов) не найдено|магазины не найдены|по (вашему )?запросу ничего|нет (больше )?(магазинов|результатов)|sonuç bulunamadı|δεν βρέθηκαν` +
	`|(該当する|条件に合う|お探しの).{0,20}(ありません|ございません|見つかりません)|(検索結果|広告|ショップ|商品)(は|が)?(見つかりません|ありません|0 ?件)|[(（]?0 ?件|[暂暫][无無](数据|數據|结果|結果|商家|更多)|没有(找到|更多)?.{0,6}(结果|商家|商店)|沒有(找到|更多)?.{0,6}(結果|商家|商店))`)

// numbered is an address that counts pages.
var numbered = regexp.MustCompile(`(?i)[?&](page|p|pg|pagina|seite|offset|start|from|paged|pageno|page_no|currentpage)=\d|/(page|pagina|seite|p)[/-]\d+`)

// sometimes begin what only holds for some: "if you return it, there is no cashback".
var sometimes = regexp.MustCompile(`(?i)\b(when|if|unless|while|on|for|wenn|falls|sobald|auf|bei|si|lorsque|quand|sur|en cas|se|quando|cuando|als|wanneer|om|när|hvis|når|jeśli|gdy|pokud|если|при)\b`)

// wallText is what walls say of themselves, whatever their title.
var wallText = regexp.MustCompile(`(?i)complete (the|a|this) (security check|captcha|challenge)|verify(ing)? (that )?you('re| are) (a )?human|confirm (that )?you('re| are) (a )?(human|not a robot)|unusual (traffic|activity) from your|your ip( address)? (has been |is |was )?(temporarily )?(blocked|banned|blacklisted)|access (to this (site|page|website|resource) )?(is|has been|was) (denied|restricted|blocked|forbidden)|enable (javascript and )?cookies to continue|automated (access|requests)|êtes (bien )?(un )?humain|n['’]êtes pas un robot|sind sie ein mensch|kein roboter|no (eres|es|soy) un robot|não (é|sou) um robô|non sei un robot|geen robot|inte en robot|ikke en robot|nie jesteś robotem|nejste robot|не робот|ロボットではない|机器人|(adress?e|dirección|endereço|indirizzo|adres|адрес) ?ip .{0,30}(bloqu|blocc|gesperrt|blockiert|geblokkeerd|zablokow|zablokov|spärr|blokeret|заблок)|ip-(adress?e?|adres|адрес) .{0,30}(gesperrt|blockiert|geblokkeerd|zablok|spärr|blokeret|заблок)|of (u|je) een mens bent|que (você é|eres|es) (um )?humano|ein mensch (bist|sind)|di essere (un )?uman|\bcaptcha\b|not (currently )?available in your (country|region|location)|in (deinem|ihrem) land nicht verfügbar|pas disponible dans votre (pays|région)|no (está )?disponible en (tu|su) (país|región)|完成(安全)?验证|完成(安全)?驗證`)

// missText is what an error page says below a heading that only regrets. It names
// what is missing: a voucher that is no longer available doesn't make an error page.
var missText = regexp.MustCompile(`(?i)\b(page|site|seite|página|pagina|sidan?|siden|strona|stránka|sivua?|oldal)\b.{0,60}\b(not (be )?found|(no longer|n['’]t|not) exists?|introuvable|n['’]existe (pas|plus)|nicht gefunden|existiert nicht|gibt es (leider )?nicht|no existe|não existe|non esiste|bestaat niet|finns inte|findes ikke|finnes ikke|nie istnieje|neexistuje)|\b(can['’]t|cannot|couldn['’]t) find (the|that|this) page\b|страниц.{0,40}(не найден|не существует)|ページ.{0,30}(見つかりません|存在しません)|页面.{0,20}(不存在|已删除)`)

// things are words for a page, by which an error page differs from a list that is
// empty.
var things = regexp.MustCompile(`(?i)\b(page|seite|página|pagina|sida|side|strona|stránka)|страниц|сторінк|ページ|页面|頁面|페이지`)

// trouble is what a site says of itself that doesn't work: which tells nothing of
// the page that was asked for.
var trouble = regexp.MustCompile(`(?i)internal server error|bad gateway|service (temporarily )?unavailable|gateway time-?out|\b(error|fehler|erreur|erro|errore|ошибка):? 5\d\d\b|\b5\d\d:? (error|fehler|erreur|server)|maintenance|wartung|mantenimiento|manutenção|manutenzione|onderhoud|technické práce|технические работы|メンテナンス|系统维护|be (right )?back (soon|shortly)|gleich (wieder )?(zurück|für (dich|sie) da)`)

// consents are the buttons of a page that shows nothing before one has agreed.
var consents = regexp.MustCompile(`(?i)^(accept( all)?( cookies)?|i (accept|agree)|agree( and continue)?|(tout |j['’])accepte[rz]?( et .*)?|accepter( tout| et .*)?|alle(s)? akzeptieren|akzeptieren|zustimmen( und .*)?|aceptar( todo| todas)?|aceitar( tudo| todos)?|accetta( tutto| tutti)?|(alles )?(accepteren|akkoord)|godkänn( alla)?|accepter alle|godta( alle)?|akceptuj(ę)?( wszystkie)?|zaakceptuj( wszystko)?|přijmout( vše)?|hyväksy( kaikki)?|принять( все)?|同意する|すべて許可)$`)

var cookieWords = regexp.MustCompile(`(?i)cookie|privacy|vie privée|datenschutz|privacidad|privacidade|integritet|prywatnoś|soukromí|конфиденциальн|プライバシー`)

// challenges are parts of the addresses from which walls take their scripts.
var challenges = map[string]string{"challenge-platform": "Cloudflare", "captcha-delivery": "DataDome", "px-captcha": "PerimeterX", "_Incapsula_": "Imperva", "awswaf": "AWS WAF"}

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
		return e.generalJSON()
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
	case f.text < 1500 && f.links < 15 && f.rates == 0 && wallText.MatchString(e.wholeText()):
		return Reading{Outcome: cashback.PageBlocked, Reason: "the page says “" + short(wallText.FindString(e.wholeText())) + "”"}
	case f.password && f.text < 1500 && f.rates == 0:
		return Reading{Outcome: cashback.PageBlocked, Reason: "the page asks for a login"}
	case e.status() >= http.StatusInternalServerError:
		return Reading{Outcome: cashback.PageNotUnderstood, Reason: fmt.Sprintf("the status is %d", e.status())}
	case f.text < 1500 && f.links < 15 && f.rates == 0 && (trouble.MatchString(title) || trouble.MatchString(f.heading)):
		return Reading{Outcome: cashback.PageNotUnderstood, Reason: "the site says of itself that it doesn't work at the moment"}
	case missTitle.MatchString(title) && f.rates < 3:
		return Reading{Outcome: cashback.PageNotFound, Reason: "the page is titled “" + short(title) + "”"}
	case f.empty != "" && f.rates < 3 && !(missHeading.MatchString(f.empty) && things.MatchString(f.empty)) && (f.links < 60 || numbered.MatchString(e.page.URL)):
		return Reading{Outcome: cashback.PagePastEnd, Reason: "the page says “" + short(f.empty) + "”"}
	case missHeading.MatchString(f.heading) && f.rates < 20 && !noneWords.MatchString(f.heading):
		return Reading{Outcome: cashback.PageNotFound, Reason: "the page is headed “" + short(f.heading) + "”"}
	case f.miss != "" && f.rates == 0 && f.text < 1500:
		return Reading{Outcome: cashback.PageNotFound, Reason: "the page says “" + short(f.miss) + "”"}
	case f.shell():
		return Reading{Outcome: cashback.PageScriptShell, Reason: fmt.Sprintf("%d characters of text beside %d scripts: the page is built by its scripts", f.text, f.scripts)}
	case f.consent && f.text < 2000 && f.links < 15 && f.rates == 0 && cookieWords.MatchString(e.wholeText()):
		return Reading{Outcome: cashback.PageBlocked, Reason: "the page asks for consent before it shows anything"}
	case f.rates == 0 && f.none != "":
		return Reading{Outcome: cashback.PageNoCashback, Reason: "the page says “" + short(f.none) + "”"}
	case f.rates >= 3:
		return Reading{Outcome: cashback.PageNotUnderstood, Reason: fmt.Sprintf("the page shows about %d rates, and no definition says whose", f.rates)}
	case f.links >= 20:
		return Reading{Outcome: cashback.PageNoRates, Reason: fmt.Sprintf("%d links and no rates", f.links)}
	}
	return Reading{Outcome: cashback.PageNotUnderstood, Reason: "the page has neither rates nor a list"}
}

// refusals are what an interface says that doesn't answer.
var (
	jsonMiss = regexp.MustCompile(`(?i)\bnot[ _-]?found\b|\bno such\b|\bdoes(n['’]t| not) exist\b|^404$`)
	jsonWall = regexp.MustCompile(`(?i)unauth(oriz|entic)|forbidden|access denied|\blog ?in\b|invalid (api[ _-]?key|token)|token (is )?(missing|expired|invalid)|too many requests|rate limit|captcha|^(401|403|429)$`)
)

// generalJSON is the outcome of an interface's answer that nobody has described.
func (e *reader) generalJSON() Reading {
	d := e.body()
	if d == nil {
		return Reading{Outcome: cashback.PageNotUnderstood, Reason: "the page is neither HTML nor JSON"}
	}
	lists, entries := 0, 0
	said := ""
	var walk func(v *value, key string, depth int)
	walk = func(v *value, key string, depth int) {
		e.meter.spend(1)
		switch {
		case v == nil || depth > 6:
		case v.kind == jsonArray:
			lists++
			entries += len(v.list)
			for _, m := range v.list {
				walk(m, key, depth+1)
			}
		case v.kind == jsonObject:
			for i, m := range v.list {
				walk(m, strings.ToLower(v.keys[i]), depth+1)
			}
		case depth <= 3 && said == "" && errorKeys[key]:
			if text, _ := v.scalar(); jsonMiss.MatchString(text) || jsonWall.MatchString(text) {
				said = text
			}
		}
	}
	walk(d.root, "", 0)
	switch {
	case said != "" && entries < 3 && jsonWall.MatchString(said):
		return Reading{Outcome: cashback.PageBlocked, Reason: "the answer says “" + short(said) + "”"}
	case said != "" && entries < 3:
		return Reading{Outcome: cashback.PageNotFound, Reason: "the answer says “" + short(said) + "”"}
	case lists > 0 && entries == 0 && numbered.MatchString(e.page.URL):
		return Reading{Outcome: cashback.PagePastEnd, Reason: "the answer's lists are empty"}
	}
	return Reading{Outcome: cashback.PageNotUnderstood, Reason: "the answer is JSON, and no definition says what it holds"}
}

// errorKeys are the members in which interfaces say why they don't answer.
var errorKeys = map[string]bool{"error": true, "errors": true, "message": true, "msg": true, "detail": true, "title": true, "code": true, "status": true, "statuscode": true, "reason": true, "error_description": true, "exception": true}

// features are what the general rules look at.
type features struct {
	size, text, scripts, links, rates int
	password, consent, external       bool
	challenge, widget, heading        string
	empty, none, miss                 string // what it says of a list's end, of a shop without cashback, of a page that isn't
	nones, told, buttons              int
	mount                             bool // an element for scripts to fill, with nothing in it
	framework                         bool
}

// shell: little text in much markup, scripts that would fill it, and hardly a
// rate.
func (f *features) shell() bool {
	if f.scripts == 0 || f.rates >= 10 {
		return false
	}
	if f.text < 100 && f.links == 0 && f.external {
		return true // nothing at all but what a script would write
	}
	thin := f.text*100 < f.size*6
	return f.text < 400 && (f.mount || f.scripts >= 3 || f.framework) ||
		thin && f.scripts >= 5 && (f.framework || f.mount) && f.text < 6000
}

var mounts = regexp.MustCompile(`(?i)^(root|app|__next|__nuxt|___gatsby|main-?app|react-?root|app-?root|content|main|.*(list|grid|deck|results?|cards?|offers?|stores?|shops?|container|wrapper|modal|area|portal).*)$`)

func (e *reader) features(root *html.Node) (f features) {
	f.size = len(e.bodyText())
	for _, name := range []string{"og:title", "description"} {
		if text, ok := e.meta(name); ok {
			f.says(text, true)
		}
	}
	f.says(e.title(), true)
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
			f.external = f.external || external
			f.challenged(src)
			if strings.Contains(src, "/_next/") || strings.Contains(src, "/_nuxt/") || strings.Contains(src, "chunk") || strings.Contains(src, "bundle") || hashed.MatchString(src) {
				f.framework = true
			}
			continue
		case atom.A:
			if href, ok := attribute(n, "href"); ok && len(href) > 1 && href[0] != '#' {
				f.links++
			}
		case atom.Iframe:
			src, _ := attribute(n, "src")
			f.challenged(src)
		case atom.Button:
			const most = 100 // a wall has few
			if f.buttons++; !f.consent && f.buttons <= most {
				f.consent = consents.MatchString(plain(elementText(n, nil, false), maxName))
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
		if strings.Contains(n.Data, "-") && n.Namespace == "" && (strings.HasSuffix(n.Data, "-root") || n.FirstChild == nil && n.Parent != nil && n.Parent.DataAtom == atom.Body) {
			f.mount = true // an element of the site's own, for its scripts to fill
		}
		if (f.empty == "" || f.none == "") && f.told < maxTold && tells(n) && !aside(n) {
			f.told++
			if text := plain(elementText(n, nil, n.DataAtom != atom.H1 && n.DataAtom != atom.H2 && n.DataAtom != atom.Button), maxName); len(text) < 160 {
				loud := n.DataAtom == atom.H1 || n.DataAtom == atom.H2 || n.DataAtom == atom.Button
				f.says(text, loud)
				if m := emptyWords.FindString(text); m != "" && f.empty == "" {
					f.empty = text
				}
				if f.miss == "" && missText.MatchString(text) {
					f.miss = text
				}
			}
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

// maxTold is how many of a page's texts are asked for such words.
const maxTold = 3_000

// says notes a text by which a page states that a shop pays nothing: in its title or
// heading, or so often that it is of a list's entries.
func (f *features) says(text string, loud bool) {
	at := noneWords.FindStringIndex(text)
	if at == nil || len(text) > 160 || limits.MatchString(text[at[1]:]) || sometimes.MatchString(text[:at[0]]) && !loud {
		return
	}
	const tail = 24 // "möglich", "at the moment"
	if f.nones++; loud || f.nones >= 3 || at[0] == 0 && at[1] >= len(text)/3 || len(text)-at[1] <= tail {
		if f.none == "" {
			f.none = text
		}
	}
}

func (f *features) challenged(src string) {
	for mark, who := range challenges {
		if strings.Contains(src, mark) {
			f.challenge = who
		}
	}
}

// tells says whether an element has words of its own.
func tells(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Title, atom.Option, atom.Label, atom.Head, atom.Html:
		return false
	case atom.H1, atom.H2, atom.Button:
		return true
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.TextNode && len(c.Data) < 400 && strings.TrimSpace(c.Data) != "" {
			return true
		}
	}
	return false
}

// aside says whether an element is in a menu, a form's choices or a footer, or isn't
// shown: what it says isn't about the page.
func aside(n *html.Node) bool {
	for ; n != nil; n = n.Parent {
		switch n.DataAtom {
		case atom.Nav, atom.Footer, atom.Label, atom.Select, atom.Template, atom.Dialog, atom.Noscript:
			return true
		}
		for i := range n.Attr {
			switch a := &n.Attr[i]; a.Key {
			case "hidden":
				return true
			case "style":
				if strings.Contains(strings.ReplaceAll(a.Val, " ", ""), "display:none") {
					return true
				}
			case "aria-hidden":
				if a.Val == "true" {
					return true
				}
			case "class":
				for c := range strings.FieldsSeq(a.Val) {
					if c == "hidden" || c == "d-none" || c == "hide" || c == "is-hidden" || c == "u-hidden" || c == "visually-hidden" {
						return true
					}
				}
			}
		}
	}
	return false
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

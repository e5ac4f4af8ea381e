package portaltest

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/andybalholm/brotli"
)

// Hostile is one of the forty-four behaviours of CRAWLING.md, section 2: a shelf
// that turns hostile when it is told to.
type Hostile struct {
	Number int
	Name   string
	// JSON says that the shelf is one of JSON.
	JSON     bool
	Variants []Variant
}

// Variant is one way of being hostile.
type Variant struct {
	Name string
	// Everywhere says that it answers for every path; Robots that it answers for
	// robots.txt only; otherwise it answers from the second list page on.
	Everywhere, Robots bool
	serve              func(h *HostileSite, w http.ResponseWriter, r *http.Request)
	// ready makes what takes long to make before anybody waits for it.
	ready func() []byte
}

// HostileSite is a hostile portal, healthy until Turn.
type HostileSite struct {
	*Site
	Shelf   Shelf
	Hostile Hostile
	variant Variant
	on      atomic.Bool
	asked   atomic.Int64 // requests answered by the variant
}

// Start serves the shelf with one variant, the first for an empty name.
func (h Hostile) Start(variant string) (*HostileSite, error) {
	s := &HostileSite{Hostile: h, variant: h.Variants[0], Shelf: Shelf{Name: fmt.Sprintf("hostile-%02d-%s", h.Number, h.Name), Number: h.Number, JSON: h.JSON}}
	for _, v := range h.Variants {
		if v.Name == variant {
			s.variant = v
		}
	}
	if s.variant.ready != nil {
		s.variant.ready()
	}
	var err error
	s.Site, err = NewSite(s.Shelf.Name+".localhost", http.HandlerFunc(s.answer))
	return s, err
}

// Turn makes the portal hostile, or healthy again.
func (s *HostileSite) Turn(on bool) { s.on.Store(on) }

// Trap is the URL at which the portal is hostile first.
func (s *HostileSite) Trap() string { return s.URL(s.Shelf.Path(2)) }

// Definition is the portal's definition; its second host is other.NAME.
func (s *HostileSite) Definition() []byte { return s.Shelf.Definition(s.Host(), s.otherHost()) }

func (s *HostileSite) otherHost() string { return "other." + s.Host() }

func (s *HostileSite) answer(w http.ResponseWriter, r *http.Request) {
	mine := s.variant.Everywhere || pageNumber(r) >= 2 || r.URL.Path != "/boutiques" && r.URL.Path != "/robots.txt"
	if s.variant.Robots {
		mine = r.URL.Path == "/robots.txt"
	}
	if r.Host == s.otherHost() && r.URL.Path == "/robots.txt" {
		_, _ = io.WriteString(w, "User-agent: *\nDisallow: /\n")
		return
	}
	if s.on.Load() && mine {
		s.asked.Add(1)
		s.variant.serve(s, w, r)
		return
	}
	s.Shelf.ServeHTTP(w, r)
}

// html answers with a page.
func (s *HostileSite) html(w http.ResponseWriter, body string) { s.Shelf.send(w, body) }

// healthy is the healthy page that a request asks for.
func (s *HostileSite) healthy(r *http.Request) (wares []Ware, next string) {
	n := max(1, pageNumber(r))
	return s.Shelf.Wares(n), s.Shelf.next(n)
}

// Hostiles are the forty-four, by number.
func Hostiles() []Hostile {
	return []Hostile{
		{1, "gzip-bomb", false, []Variant{
			packed("zeros", "gzip", gzipBomb),
			packed("slow-growth", "gzip", gzipPage),
		}},
		{2, "other-bombs", false, []Variant{
			packed("brotli", "br", brotliBomb),
			packed("nested", "gzip", nestedBomb),
			{Name: "content-type", ready: gzipBomb, serve: func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/gzip")
				_, _ = w.Write(gzipBomb())
			}},
			{Name: "xml-gz", ready: gzipBomb, serve: func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/sitemap.xml.gz" {
					http.Redirect(w, r, "/sitemap.xml.gz", http.StatusFound)
					return
				}
				w.Header().Set("Content-Type", "text/xml")
				_, _ = w.Write(gzipBomb())
			}},
			packed("deflate", "deflate", deflateBomb),
			packed("zstd", "zstd", func() []byte { return []byte{0x28, 0xB5, 0x2F, 0xFD, 0, 0} }),
			packed("two-layers-named", "gzip, gzip", nestedBomb),
		}},
		{3, "endless", false, []Variant{second("spaces", func(_ *HostileSite, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte{' '}, 32<<10)); err != nil {
					return
				}
			}
		})}},
		{4, "drip", false, []Variant{second("bytes", func(_ *HostileSite, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte{'x'}); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush() // the next write fails too
				pause(r, 20*time.Millisecond)
			}
		})}},
		{5, "headers", false, []Variant{
			second("drip", raw(func(c net.Conn) {
				_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
				for err == nil {
					time.Sleep(10 * time.Millisecond) // the peer's deadline or Close ends it
					_, err = c.Write([]byte{'x'})
				}
			})),
			second("large", raw(func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
			})),
			second("many", raw(func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+strings.Repeat("X-Y: zzz\r\n", 10_000)+"\r\n")
			})),
		}},
		{6, "silence", false, []Variant{
			second("after-the-request", raw(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })),
			second("after-the-header", func(_ *HostileSite, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				_ = http.NewResponseController(w).Flush() // the peer sees nothing more either way
				<-r.Context().Done()
			}),
		}},
		{7, "broken-off", false, []Variant{
			second("reset", raw(func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n<ul>")
				_ = c.(*net.TCPConn).SetLinger(0) // so that Close resets
			})),
			second("chunk-missing", raw(func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<ul>\r\n")
			})),
			second("longer-than-stated", stated(-300)),
			second("shorter-than-stated", stated(+300)),
			packed("gzip-cut", "gzip", func() []byte { b := gzipPage(); return b[:len(b)/20] }),
		}},
		{8, "redirects", false, []Variant{
			second("to-itself", func(_ *HostileSite, w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, r.URL.RequestURI(), http.StatusFound)
			}),
			second("pair", func(_ *HostileSite, w http.ResponseWriter, r *http.Request) {
				to := "/there"
				if r.URL.Path == "/there" {
					to = "/boutiques?page=2"
				}
				http.Redirect(w, r, to, http.StatusMovedPermanently)
			}),
			second("new-query", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, fmt.Sprintf("/boutiques?page=2&n=%d", s.asked.Load()), http.StatusTemporaryRedirect)
			}),
		}},
		{9, "to-private", false, redirects(map[string]string{
			"loopback": "http://127.0.0.1:1/", "metadata": "http://169.254.169.254/latest/meta-data/", "ten": "http://10.0.0.1/", "v6": "http://[::1]/", "link-local": "http://[fe80::1]/",
		})},
		{10, "rebinding", false, []Variant{second("listed-host", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			// Inside is a name that resolves to this machine at first: see Inside.
			http.Redirect(w, r, "http://"+Inside+"/boutiques?page=2", http.StatusFound)
		})}},
		{11, "spellings", false, redirects(map[string]string{
			"hex": "http://0x7f.1/", "number": "http://2130706433/", "octal": "http://0177.0.0.1/", "short": "http://127.1/", "mapped": "http://[::ffff:127.0.0.1]/",
			"nat64": "http://[64:ff9b::7f00:1]/", "6to4": "http://[2002:7f00:1::]/", "site-local": "http://[fec0::1]/", "zone": "http://[fe80::1%25lo]/", "full-width": "http://１２７.0.0.1/",
		})},
		{12, "schemes", false, redirects(map[string]string{
			"file": "file:///etc/passwd", "gopher": "gopher://127.0.0.1:6379/_x", "ftp": "ftp://127.0.0.1/", "ssh": "http://SELF:22/", "redis": "http://SELF:6379/", "user": "http://a:b@SELF/boutiques?page=2", "javascript": "javascript:alert(1)", "data": "data:text/html,x",
		})},
		{13, "to-forbidden", false, []Variant{second("other-host", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			if r.Host == s.otherHost() {
				wares, next := s.healthy(r)
				s.html(w, s.Shelf.page(wares, next))
				return
			}
			http.Redirect(w, r, "http://"+s.otherHost()+"/boutiques?page=2", http.StatusFound)
		})}},
		{14, "tls", false, []Variant{second("no-tls-there", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+s.Host()+"/boutiques?page=2", http.StatusFound)
		})}},
		{15, "endless-pages", false, []Variant{
			second("same-shops", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				n := pageNumber(r)
				page := s.Shelf.page(s.Shelf.Wares(2), s.Shelf.Path(n+1))
				s.html(w, strings.Replace(page, "Nos boutiques", fmt.Sprintf("Page %d", n), 1)) // another hash each time
			}),
			second("new-query", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				n := pageNumber(r)
				s.html(w, s.Shelf.page(s.Shelf.Wares(2), fmt.Sprintf("/boutiques?page=%d&session=%d", n+1, s.asked.Load())))
			}),
			second("new-shops", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				n := pageNumber(r)
				s.html(w, s.Shelf.page(Shelf{Pages: n, Number: 15}.Wares(n), s.Shelf.Path(n+1)))
			}),
		}},
		{16, "page-one-again", false, []Variant{second("same-bytes", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			s.html(w, s.Shelf.page(s.Shelf.Wares(1), s.Shelf.next(1)))
		})}},
		{17, "quadratic", false, []Variant{
			second("fragments", body(func() string { return "<ul>" + strings.Repeat("<p>x", 1<<20) })),
			second("formatting", body(func() string { return strings.Repeat("<b><i><a><p>x</b>", 200<<10) })),
			second("tables", body(func() string { return "<table>" + strings.Repeat("x<tr>", 700<<10) })),
		}},
		{18, "deep", false, []Variant{
			second("nesting", body(func() string { return strings.Repeat("<div>", 100_000) })),
			second("attributes", body(func() string {
				var b strings.Builder
				b.WriteString("<p")
				for i := range 300_000 {
					fmt.Fprintf(&b, " a%d=1", i)
				}
				return b.String() + ">"
			})),
			second("nodes", body(func() string { return strings.Repeat("<i></i>", 600_000) })),
		}},
		{19, "charset-lies", false, []Variant{
			second("latin1-as-utf8", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				wares, next := s.healthy(r)
				for i := range wares {
					wares[i].Name = strings.Repeat("é", 40) + wares[i].Name
				}
				_, _ = w.Write(latin1(s.Shelf.page(wares, next)))
			}),
			second("utf16-without-bom", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				wares, next := s.healthy(r)
				page := s.Shelf.page(wares, next)
				out := make([]byte, 0, 2*len(page))
				for _, c := range []byte(page) {
					out = append(out, c, 0)
				}
				_, _ = w.Write(out)
			}),
			second("utf7", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-7")
				wares, next := s.healthy(r)
				wares[0].Name = "+ADw-script+AD4-alert(1)+ADw-/script+AD4-"
				_, _ = io.WriteString(w, s.Shelf.page(wares, next))
			}),
			second("bom-against-header", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=iso-8859-1")
				wares, next := s.healthy(r)
				_, _ = io.WriteString(w, "\xEF\xBB\xBF"+s.Shelf.page(wares, next))
			}),
		}},
		{20, "odd-names", false, []Variant{names("names",
			"Fn\x00ac", "\u202eCANF\u202c", "Fn\u200bac", "Ам\u0430zon", strings.Repeat("Long", 1<<18), "Cafe\u0301", "\u2066Darty\u2069", "Fnac\u0007",
		)}},
		{21, "scripts", false, []Variant{second("everywhere", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			wares, next := s.healthy(r)
			wares[0].Name = `<script>alert(1)</script>`
			wares[1].Link = `javascript:alert(1)`
			wares[2].Logo = `data:image/svg+xml,<svg onload=alert(1)>`
			wares[3].Logo = `javascript:alert(1)`
			wares[4].Name = `<svg/onload=alert(1)>`
			wares[5].Rate = `3 % <style>*{display:none}</style>`
			wares[6].Link = `vbscript:x`
			s.html(w, s.Shelf.page(wares, next))
		})}},
		{22, "formulas", false, []Variant{names("names", "=cmd|'/c calc'!A1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1")}},
		{23, "templates", false, []Variant{names("names", "{{.}}", "{{template \"x\"}}", "</script><b>", "a\r\nSet-Cookie: x=1", "\x1b[31mred\x1b[0m", "${jndi:ldap://x}", "%s%n", `{"a":1}`, "<!--")}},
		{24, "odd-rates", false, []Variant{second("rates", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			wares, next := s.healthy(r)
			for i, rate := range []string{"9999 %", "-5 %", "NaN %", "1.234,56 %", "1,234.56 %", "Infinity %", "1e9 %", "0x10 %", "٣ %", "٪٥", "99999999999999999999999999 %"} {
				wares[i].Rate = rate
			}
			s.html(w, s.Shelf.page(wares, next))
		})}},
		{25, "currency-flip", false, []Variant{
			everywhere("rupiah", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				s.rates(w, r, func(i int, rate string) string { return fmt.Sprintf("%d000 Rp", i+1) })
			}),
			everywhere("hundredfold", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				s.rates(w, r, func(_ int, rate string) string { return strings.Replace(rate, ",", "", 1) })
			}),
		}},
		{26, "mass-removal", false, []Variant{everywhere("nine-of-ten", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			if s.elsewhere(w, r) {
				return
			}
			wares, next := s.healthy(r)
			s.html(w, s.Shelf.page(wares[:max(1, len(wares)/10)], next))
		})}},
		{27, "recycled", false, []Variant{
			everywhere("ids", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				if s.elsewhere(w, r) {
					return
				}
				wares, next := s.healthy(r)
				for i := range wares { // each name moves to another shop's page
					wares[i].Link = s.Shelf.All()[(i+7)%len(s.Shelf.All())].Link
				}
				s.html(w, s.Shelf.page(wares, next))
			}),
			everywhere("renamed", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				if s.elsewhere(w, r) {
					return
				}
				wares, next := s.healthy(r)
				for i := range wares {
					wares[i].Name = fmt.Sprintf("Enseigne %d", i)
					wares[i].Link = fmt.Sprintf("/e/%d-%s", i, next)
				}
				s.html(w, s.Shelf.page(wares, next))
			}),
		}},
		{28, "new-layout", false, []Variant{everywhere("other-classes", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			if s.elsewhere(w, r) {
				return
			}
			wares, next := s.healthy(r)
			s.html(w, strings.NewReplacer(`class="shop"`, `class="card"`, `id="list"`, `id="grid"`).Replace(s.Shelf.page(wares, next)))
		})}},
		{29, "garbage", false, []Variant{everywhere("navigation", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			if s.elsewhere(w, r) {
				return
			}
			wares, next := s.healthy(r)
			nav := []string{"Accueil", "Connexion", "Panier", "Aide", "CGU"}
			for i := range wares {
				wares[i].Name, wares[i].Rate, wares[i].Link = nav[i%len(nav)], "5 %", fmt.Sprintf("/menu/%d-%d", pageNumber(r), i)
			}
			s.html(w, s.Shelf.page(wares, next))
		})}},
		{30, "soft-block", false, []Variant{
			everywhere("challenge", body(func() string {
				return `<!doctype html><html><head><title>Just a moment...</title></head><body><div id="challenge-form">Enable JavaScript</div></body></html>`
			})),
			everywhere("login", body(func() string {
				return `<!doctype html><html><head><title>Connexion</title></head><body><form action="/login" method="post"><input name="email"><input type="password" name="password"></form></body></html>`
			})),
			everywhere("consent", body(func() string {
				return `<!doctype html><html><head><title>Avant de continuer</title></head><body><form action="https://consent.example/save" class="consent"><h1>Nous respectons votre vie privée</h1><button>Tout accepter</button></form></body></html>`
			})),
			everywhere("captcha", body(func() string {
				return `<!doctype html><html><head><title>Captcha</title></head><body><div class="g-recaptcha" data-sitekey="x"></div></body></html>`
			})),
			everywhere("soft-404", body(func() string {
				return `<!doctype html><html><head><title>Page introuvable</title></head><body><h1>404</h1><p>Cette page n'existe pas.</p></body></html>`
			})),
		}},
		{31, "variants", false, []Variant{second("a-b", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			wares, next := s.healthy(r)
			page := s.Shelf.page(wares, next)
			if s.asked.Load()%2 == 0 {
				page = strings.NewReplacer(`class="shop"`, `class="tile"`, `id="list"`, `id="tiles"`).Replace(page)
			}
			s.html(w, page)
		})}},
		{32, "other-locale", false, []Variant{
			everywhere("by-language", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.Header.Get("Accept-Language"), "fr") {
					s.Shelf.ServeHTTP(w, r)
					return
				}
				s.rates(w, r, func(i int, _ string) string { return fmt.Sprintf("$%d", i+1) })
			}),
			everywhere("by-address", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				s.rates(w, r, func(i int, _ string) string { return fmt.Sprintf("$%d", i+1) })
			}),
		}},
		{33, "robots", false, []Variant{
			robots("500", func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }),
			robots("503", func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(503)
			}),
			robots("429", func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }),
			robots("silence", raw(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })),
			robots("html", body(func() string { return "<!doctype html><p>User-agent: none</p>" })),
			robots("large", func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) {
				line := strings.Repeat("# nothing\n", 1000)
				for range 500 {
					_, _ = io.WriteString(w, line)
				}
				_, _ = io.WriteString(w, "User-agent: *\nDisallow: /\n")
			}),
			robots("loop", func(_ *HostileSite, w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/robots.txt", http.StatusFound)
			}),
			robots("deny", func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "User-agent: *\nDisallow: /\n")
			}),
			robots("flips", func(s *HostileSite, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				if s.asked.Load() > 1 {
					_, _ = io.WriteString(w, "User-agent: *\nDisallow: /\n")
				}
			}),
		}},
		{34, "throttled", false, append(throttles("3600", "1000000000000", "-5", "Thu, 01 Jan 1970 00:00:00 GMT", "1.5", "soon"),
			everywhere("storm", func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }))},
		{35, "validators", false, []Variant{
			everywhere("same-tag-new-page", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"same"`)
				s.rates(w, r, func(int, string) string { return "4 %" })
			}),
			everywhere("new-tag-same-page", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", fmt.Sprintf(`"%d"`, s.asked.Load()))
				s.Shelf.ServeHTTP(w, r)
			}),
			second("304-unasked", func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }),
			second("304-with-body", raw(func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello")
			})),
		}},
		{36, "cookies", false, []Variant{
			everywhere("flood", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				for i := range 200 {
					http.SetCookie(w, &http.Cookie{Name: fmt.Sprintf("c%d-%d", s.asked.Load(), i), Value: strings.Repeat("v", 100)})
				}
				s.Shelf.ServeHTTP(w, r)
			}),
			second("large", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Set-Cookie", "c="+strings.Repeat("v", 1<<20))
				s.Shelf.ServeHTTP(w, r)
			}),
			everywhere("other-hosts", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				for _, domain := range []string{"localhost", "example.com", "com", ".elsewhere.localhost"} {
					http.SetCookie(w, &http.Cookie{Name: "c", Value: "v", Domain: domain})
				}
				s.Shelf.ServeHTTP(w, r)
			}),
		}},
		{37, "protocol", false, []Variant{
			second("informational-flood", raw(func(c net.Conn) {
				_, _ = io.WriteString(c, strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 1000)+"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			})),
			second("http2-frames", raw(func(c net.Conn) {
				_, _ = c.Write(bytes.Repeat([]byte{0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8}, 10_000)) // RST_STREAM
			})),
			second("http10", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				wares, next := s.healthy(r)
				page := s.Shelf.page(wares, next)
				raw(func(c net.Conn) {
					_, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n"+page)
				})(s, w, r)
			}),
			second("trailers", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Trailer", "X-Last")
				s.Shelf.ServeHTTP(w, r)
				w.Header().Set("X-Last", strings.Repeat("x", 1<<10))
			}),
			second("nonsense", raw(func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n") })),
		}},
		{38, "xml", false, []Variant{
			second("billion-laughs", xmlBody(func() string {
				var b strings.Builder
				b.WriteString(`<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "lol">`)
				for i := range 9 {
					fmt.Fprintf(&b, `<!ENTITY l%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&l%d;", i), 10))
				}
				return b.String() + `]><urlset><url><loc>&l9;</loc></url></urlset>`
			})),
			second("external-entity", xmlBody(func() string {
				return `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><urlset><url><loc>&x;</loc></url></urlset>`
			})),
		}},
		{39, "json", true, []Variant{
			second("nesting", jsonBody(func() string { return `{"shops":` + strings.Repeat("[", 1_000_000) })),
			second("closed-nesting", jsonBody(func() string {
				return `{"shops":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}"
			})),
			second("duplicate-keys", jsonBody(func() string {
				return `{"next":"","shops":[],"shops":[{"name":"Fnac","rate":"3 %","rate":"30 %","link":"/f"}]}`
			})),
			second("large-numbers", jsonBody(func() string {
				return `{"next":"","shops":[{"name":"Fnac","rate":1` + strings.Repeat("0", 400) + `,"link":"/f"}]}`
			})),
			second("long-string", jsonBody(func() string {
				return `{"next":"","shops":[{"name":"` + strings.Repeat("x", 7<<20) + `","rate":"3 %","link":"/f"}]}`
			})),
		}},
		{40, "time-bombs", false, []Variant{second("dates", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Expires", "Fri, 31 Dec 9999 23:59:59 GMT")
			w.Header().Set("Last-Modified", "Mon, 01 Jan 0001 00:00:00 GMT")
			w.Header().Set("Date", "Sat, 32 Nov 2026 25:61:00 XYZ")
			s.Shelf.ServeHTTP(w, r)
		})}},
		{41, "fan-out", false, []Variant{
			second("links", body(func() string {
				var b strings.Builder
				b.WriteString(`<ul id="list">`)
				for i := range 100_000 {
					fmt.Fprintf(&b, `<a href="/x/%d">x</a>`, i)
				}
				return b.String()
			})),
			second("long-url", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/"+strings.Repeat("x", 50<<10), http.StatusFound)
			}),
			second("long-next", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
				wares, _ := s.healthy(r)
				s.html(w, s.Shelf.page(wares, "/boutiques?page="+strings.Repeat("9", 64<<10)))
			}),
		}},
		{42, "tarpit", false, []Variant{everywhere("slow", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			pause(r, 300*time.Millisecond) // the test's limit stands a little above
			s.Shelf.ServeHTTP(w, r)
		})}},
		{43, "crafted", false, []Variant{second("page", body(func() string {
			return "<!DOCTYPE html><svg><title><![CDATA[</title><table><template><select><frameset></svg><math><mi><table></math><!--" + strings.Repeat("<a><b><table><a>", 200) + "\x00\xff"
		}))}},
		{44, "logos", false, []Variant{second("poisoned", func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/logos/") {
				w.Header().Set("Content-Type", "image/png")
				_, _ = w.Write(pngBomb)
				return
			}
			s.Shelf.ServeHTTP(w, r)
		})}},
	}
}

// Inside is a name outside of every portal that leads to an address inside.
const Inside = "inside.localhost"

func second(name string, f func(*HostileSite, http.ResponseWriter, *http.Request)) Variant {
	return Variant{Name: name, serve: f}
}

func everywhere(name string, f func(*HostileSite, http.ResponseWriter, *http.Request)) Variant {
	return Variant{Name: name, Everywhere: true, serve: func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			s.Shelf.ServeHTTP(w, r)
			return
		}
		f(s, w, r)
	}}
}

func robots(name string, f func(*HostileSite, http.ResponseWriter, *http.Request)) Variant {
	return Variant{Name: name, Robots: true, serve: f}
}

// redirects sends each variant elsewhere; SELF stands for the site's own name.
func redirects(to map[string]string) []Variant {
	var out []Variant
	for _, name := range sortedNames(to) {
		out = append(out, second(name, func(s *HostileSite, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", strings.ReplaceAll(to[name], "SELF", s.Name))
			w.WriteHeader(http.StatusFound)
		}))
	}
	return out
}

func throttles(after ...string) []Variant {
	var out []Variant
	for _, value := range after {
		out = append(out, second(value, func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
		}))
	}
	return out
}

func names(variant string, list ...string) Variant {
	return second(variant, func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
		wares, next := s.healthy(r)
		for i := range min(len(wares), len(list)) {
			wares[i].Name = list[i]
		}
		s.html(w, s.Shelf.page(wares, next))
	})
}

// rates serves the healthy pages with other rates.
func (s *HostileSite) rates(w http.ResponseWriter, r *http.Request, rate func(i int, rate string) string) {
	if s.elsewhere(w, r) {
		return
	}
	wares, next := s.healthy(r)
	for i := range wares {
		wares[i].Rate = rate(i, wares[i].Rate)
	}
	s.html(w, s.Shelf.page(wares, next))
}

// elsewhere answers for what is no list page.
func (s *HostileSite) elsewhere(w http.ResponseWriter, r *http.Request) bool {
	if n := pageNumber(r); n >= 1 && n <= s.Shelf.pages() {
		return false
	}
	s.Shelf.ServeHTTP(w, r)
	return true
}

func body(f func() string) func(*HostileSite, http.ResponseWriter, *http.Request) {
	return typed("text/html; charset=utf-8", f)
}

func xmlBody(f func() string) func(*HostileSite, http.ResponseWriter, *http.Request) {
	return typed("application/xml", f)
}

func jsonBody(f func() string) func(*HostileSite, http.ResponseWriter, *http.Request) {
	return typed("application/json", f)
}

func typed(contentType string, f func() string) func(*HostileSite, http.ResponseWriter, *http.Request) {
	once := sync.OnceValue(f)
	return func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, once()) // a reader that has gone needs nothing
	}
}

// packed answers with bytes under a content encoding.
func packed(name, encoding string, f func() []byte) Variant {
	return Variant{Name: name, ready: f, serve: func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", encoding)
		_, _ = w.Write(f()) // a reader that has gone needs nothing
	}}
}

// raw takes the connection and writes what no HTTP server would.
func raw(f func(net.Conn)) func(*HostileSite, http.ResponseWriter, *http.Request) {
	return func(_ *HostileSite, w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		f(c)
	}
}

// stated serves the healthy page under a Content-Length that is wrong by off.
func stated(off int) func(*HostileSite, http.ResponseWriter, *http.Request) {
	return func(s *HostileSite, w http.ResponseWriter, r *http.Request) {
		wares, next := s.healthy(r)
		page := s.Shelf.page(wares, next)
		raw(func(c net.Conn) {
			b := bufio.NewWriter(c)
			fmt.Fprintf(b, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s", len(page)+off, page)
			_ = b.Flush() // the peer may have closed already
			if off < 0 {
				// Hold the connection until the peer has read past its end.
				_, _ = io.CopyN(io.Discard, c, 1)
			}
		})(s, w, r)
	}
}

// pause waits unless the peer goes away.
func pause(r *http.Request, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}

func latin1(s string) []byte {
	var out []byte
	for _, r := range s {
		if r > 255 {
			r = '?'
		}
		out = append(out, byte(r))
	}
	return out
}

// The bombs: nothing, packed, 32 MiB of it in gzip.
var (
	gzipBomb = sync.OnceValue(func() []byte {
		// The members of a gzip file are unpacked one after the other.
		return bytes.Repeat(pack(func(w io.Writer) io.WriteCloser { return fast(w) }, make([]byte, 1<<20)), 32)
	})
	brotliBomb = sync.OnceValue(func() []byte {
		return pack(func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 0) }, make([]byte, 12<<20))
	})
	deflateBomb = sync.OnceValue(func() []byte {
		return pack(func(w io.Writer) io.WriteCloser {
			f, _ := flate.NewWriter(w, flate.BestSpeed) // fails only for an unknown level
			return f
		}, make([]byte, 1<<20))
	})
	nestedBomb = sync.OnceValue(func() []byte {
		return pack(func(w io.Writer) io.WriteCloser { return fast(w) }, gzipBomb())
	})
	// gzipPage grows some 40 times to 10 MiB: it passes the ratio and not the cap.
	gzipPage = sync.OnceValue(func() []byte {
		var member bytes.Buffer
		for i := range 1 << 10 {
			fmt.Fprintf(&member, "%08x%s", uint32(i)*2654435761, strings.Repeat(" ", 632))
		}
		return bytes.Repeat(pack(func(w io.Writer) io.WriteCloser { return fast(w) }, member.Bytes()), 16)
	})
)

func pack(open func(io.Writer) io.WriteCloser, in []byte) []byte {
	var b bytes.Buffer
	w := open(&b)
	_, _ = w.Write(in) // a buffer takes all
	_ = w.Close()
	return b.Bytes()
}

func fast(w io.Writer) io.WriteCloser {
	gz, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // fails only for an unknown level
	return gz
}

// pngBomb is the head of a PNG that claims 60,000 by 60,000 pixels.
var pngBomb = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xea\x60\x00\x00\xea\x60\x08\x06\x00\x00\x00")

func sortedNames[V any](m map[string]V) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

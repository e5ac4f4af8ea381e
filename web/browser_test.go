package web

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/browsertest"
)

// serve runs a server on loopback and returns its address.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := s.HTTP()
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	t.Cleanup(func() {
		_ = h.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

// scheme switches the page between light and dark.
func scheme(name string) chromedp.Action[chromedp.Void] {
	return action(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
}

// every page of the site, in one language, by the name of its screenshot.
func everyPage(t *testing.T, s *Server) map[string]string {
	return map[string]string{
		"home":    "",
		"search":  "/search?q=fnak",
		"filter":  "/search?category=culture&method=bank_transfer",
		"shops":   "/shops",
		"shop":    "/shops/" + shopNamed(t, s, "fnac").Slug + "?amount=80",
		"wrong":   "/shops/" + shopNamed(t, s, "fnac").Slug + "?amount=12,345",
		"few":     "/shops/" + shopNamed(t, s, "leroy").Slug,
		"portals": "/portals",
		"portal":  "/portals/sitot",
		"silent":  "/portals/muet",
		"join":    "/join?w_rates=9&w_terms=2",
		"none":    "/join?method=crypto",
		"compare": "/compare?portal=sitot&portal=muet&portal=grandtaux",
		"choose":  "/compare",
		"how":     "/how",
		"missing": "/nothing",
		"sign-in": "/sign-in",
		"sign-up": "/sign-up",
		"recover": "/recover?token=x",
		"no-mail": "/recover",
	}
}

// TestEveryPage looks at every public page.
func TestEveryPage(t *testing.T) {
	s := newServer(t)
	look(t, browsertest.Start(t), serve(t, s), everyPage(t, s))
}

// look looks at pages in both languages and schemes, on a phone and on a desk: it keeps
// a picture for people (artefacts/screenshots), lets axe-core look for what people with
// a disability would stumble over, and checks that nothing is wider than the screen.
func look(t *testing.T, ctx context.Context, base string, pages map[string]string) {
	t.Helper()
	axe, err := os.ReadFile(os.Getenv("CAGNOTTE_AXE"))
	if err != nil {
		t.Run("axe", func(t *testing.T) { t.Skip("NO AXE: `make axe` installs it; CAGNOTTE_AXE names its file") })
	}
	dir := filepath.Join("..", "artefacts", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// axe's own script isn't ours: it needs the policy out of its way.
	if err := chromedp.Do(ctx, action(page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true})); err != nil {
		t.Fatal(err)
	}
	only := os.Getenv("CAGNOTTE_PAGE") // a page's name, while working on it
	languages, looks := []string{"fr", "en"}, []string{"light", "dark"}
	if len(axe) == 0 { // a quick look; .ci/run looks at everything
		languages, looks = languages[:1], looks[:1]
	}
	for name, path := range pages {
		if only != "" && only != name {
			continue
		}
		for _, lang := range languages {
			for _, look := range looks {
				for width, at := range map[int64]string{390: "phone", 1440: "desk"} {
					shot := name + "-" + lang + "-" + look + "-" + at
					err := chromedp.Do(ctx,
						chromedp.EmulateViewport(width, 900), scheme(look),
						chromedp.Navigate(base+"/"+lang+path),
						chromedp.WaitReady("footer"),
					)
					if err != nil {
						t.Fatalf("%s: %v", shot, err)
					}
					png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
					if err != nil {
						t.Fatalf("%s: %v", shot, err)
					}
					if err := os.WriteFile(filepath.Join(dir, shot+".png"), png, 0o644); err != nil {
						t.Fatal(err)
					}
					if wide := eval[int](t, ctx, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
						t.Errorf("%s: the page is %d px wider than the screen", shot, wide)
					}
					// axe takes a second: each page in each language and scheme, half of them on
					// the phone.
					if len(axe) == 0 || (at == "phone") != (lang+look == "frlight" || lang+look == "endark") {
						continue
					}
					// Everything is opened, so that nothing hides from axe.
					eval[bool](t, ctx, string(axe)+`; document.querySelectorAll("details").forEach(d => d.open = true); true`)
					looked := eval[struct {
						Passes     int
						Violations []string
					}](t, ctx, axeRun)
					if looked.Passes < 10 {
						t.Errorf("%s: axe only found %d rules to check", shot, looked.Passes)
					}
					for _, v := range looked.Violations {
						t.Errorf("%s: %s", shot, v)
					}
				}
			}
		}
	}
}

// axeRun asks axe how many rules passed, and for its violations, each as a line with
// the elements concerned.
const axeRun = `axe.run().then(r => ({passes: r.passes.length, violations: r.violations.map(
	v => v.id + " (" + v.impact + "): " + v.help + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200)).join(" | "))}))`

// eval evaluates an expression in the page, and waits for it where it is a promise.
func eval[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%.80s: %v", expression, err)
	}
	return v
}

// action is a command of the protocol as a step.
func action[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, params)
		return err
	})
}

// until waits for an expression to be true in the page, also across a navigation.
func until(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`new Promise(done => {
			const end = performance.now() + 2000;
			const look = () => (`+expression+`) ? done(true) : performance.now() > end ? done(false) : requestAnimationFrame(look);
			look();
		})`, chromedp.EvalAwaitPromise))
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never true at %s: %s (%v)", eval[string](t, ctx, `location.href + " " + document.readyState + " " + document.activeElement.outerHTML.slice(0, 400)`), expression, err)
		}
	}
}

// keys presses keys, and fails the test if the browser doesn't take them.
func keys(t *testing.T, ctx context.Context, pressed string, options ...chromedp.KeyOption) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.KeyEvent(pressed, options...)); err != nil {
		t.Fatal(err)
	}
}

// tabTo presses Tab until the element has the focus, as somebody without a mouse
// does, and checks that the focus can be seen on the way.
func tabTo(t *testing.T, ctx context.Context, selector string) {
	t.Helper()
	for range 60 {
		keys(t, ctx, kb.Tab)
		if eval[string](t, ctx, `getComputedStyle(document.activeElement).outlineStyle`) == "none" {
			t.Errorf("the focus can't be seen on %s", eval[string](t, ctx, `document.activeElement.outerHTML.slice(0, 200)`))
		}
		if eval[bool](t, ctx, `document.activeElement.matches(`+strconv.Quote(selector)+`)`) {
			return
		}
	}
	t.Fatalf("Tab never reaches %s", selector)
}

// TestJourney is what the product is for, in a real browser and by keyboard alone: a
// shop misspelt, found, opened, the amount changed, another portal first, its receipt
// read, and its link followed. Nothing of ours may break the page's own policy.
func TestJourney(t *testing.T) {
	ctx := browsertest.Start(t)
	arrived := make(chan *http.Request, 4)
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/boutique/") {
			arrived <- r
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>far</title>")
	}))
	t.Cleanup(far.Close)
	w := newTown(t)
	w.home = far.URL
	w.populate()
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	base := serve(t, s)
	var mu sync.Mutex
	var complaints []string
	err = chromedp.Listen(ctx, func(ev any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := ev.(type) {
		case *log.EventEntryAdded:
			complaints = append(complaints, e.Entry.Text)
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, e.ExceptionDetails.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	err = chromedp.Do(ctx, chromedp.EmulateViewport(390, 844), chromedp.Navigate(base+"/fr"), chromedp.WaitReady("footer"))
	if err != nil {
		t.Fatal(err)
	}

	tabTo(t, ctx, "#q")
	keys(t, ctx, "fnak")
	until(t, ctx, `document.querySelector("#q-options").dataset.for === "fnak" && document.querySelector("#q-options [role=option]") !== null && document.querySelector("#q").getAttribute("aria-expanded") === "true"`)
	keys(t, ctx, kb.ArrowDown)
	until(t, ctx, `document.getElementById(document.querySelector("#q").getAttribute("aria-activedescendant"))?.textContent.startsWith("Fnac")`)
	keys(t, ctx, kb.Enter)
	until(t, ctx, `location.pathname.startsWith("/fr/shops/fnac") && document.readyState === "complete"`)

	first := `document.querySelector("ol.rows > li").dataset.portal`
	tabTo(t, ctx, "#amount")
	keys(t, ctx, "a", chromedp.KeyModifiers(chromedp.ModifierCtrl))
	keys(t, ctx, "20")
	until(t, ctx, first+` === "petitpanier"`)
	keys(t, ctx, "0") // 200
	until(t, ctx, first+` === "muet"`)
	if got := eval[string](t, ctx, `location.search`); got != "?amount=200" {
		t.Errorf("the address says %q", got)
	}
	if got := eval[string](t, ctx, `document.querySelector("#said").textContent.trim()`); !strings.Contains(got, "Muet") {
		t.Errorf("a screen reader hears %q", got)
	}
	if !eval[bool](t, ctx, `document.activeElement.id === "amount"`) {
		t.Error("the focus left the field while its answer came")
	}

	tabTo(t, ctx, ".row.first details.proof summary")
	keys(t, ctx, kb.Enter)
	until(t, ctx, `document.querySelector(".row.first .receipt").checkVisibility()`)
	if got := eval[string](t, ctx, `document.querySelector(".row.first .receipt q").textContent`); got != "5 %" {
		t.Errorf("the receipt says %q", got)
	}

	keys(t, ctx, kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift))
	for range 10 {
		if eval[bool](t, ctx, `document.activeElement.matches(".row.first .act a")`) {
			break
		}
		keys(t, ctx, kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift))
	}
	keys(t, ctx, kb.Enter)
	select {
	case r := <-arrived:
		if r.URL.Path != "/muet/boutique/fnac.com" || r.Header.Get("Referer") != "" {
			t.Errorf("arrived at %s from %q", r.URL, r.Header.Get("Referer"))
		}
	case <-time.After(20 * time.Second):
		t.Error("the click-out never arrived")
	}
	mu.Lock()
	defer mu.Unlock()
	for _, c := range complaints {
		t.Errorf("the browser complains: %s", c)
	}
}

// TestShopInBrowser: the amount, the question that would change the winner, the sum
// drawn in its steps, and the shopper's side kept, in a real browser.
func TestShopInBrowser(t *testing.T) {
	ctx := browsertest.Start(t)
	w := newTown(t)
	portals := townPortals()
	if err := w.store.SavePortals(t.Context(), portals); err != nil {
		t.Fatal(err)
	}
	forNew, rest := percent("12"), percent("1")
	forNew.Audience, rest.Audience = cashback.New, cashback.Existing
	w.publish(portals[0], today, listed{name: "Fnac", domain: "fnac.com", raw: "Jusqu’à 9 %", tiers: []cashback.Tier{upTo("9")}})
	w.publish(portals[1], today, listed{name: "Fnac", domain: "fnac.com", raw: "12 % / 1 %", tiers: []cashback.Tier{forNew, rest}})
	w.publish(portals[2], today, listed{name: "Fnac", domain: "fnac.com", raw: "2 €", tiers: []cashback.Tier{fixed("2", "EUR")}})
	w.publish(portals[3], today, listed{name: "Fnac", domain: "fnac.com", raw: "3 %", tiers: []cashback.Tier{percent("3")}})
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	base := serve(t, s)
	page := base + "/fr/shops/" + shopNamed(t, s, "fnac").Slug
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844), chromedp.Navigate(page+"?amount=60"), chromedp.WaitReady("footer")); err != nil {
		t.Fatal(err)
	}
	first := `document.querySelector("ol.rows > li").dataset.portal`
	until(t, ctx, first+` === "petitpanier" && document.querySelector(".question") !== null`)

	// The sum opens, stays open while the amount changes, and its bars are there.
	eval[bool](t, ctx, `document.querySelector("#sum-sitot summary").click(); true`)
	until(t, ctx, `document.querySelector("#sum-sitot .fall").checkVisibility()`)
	if n := eval[int](t, ctx, `[...document.querySelectorAll("#sum-sitot .beam rect")].filter(r => r.getBoundingClientRect().width > 0).length`); n < 4 {
		t.Errorf("%d bars can be seen", n)
	}
	eval[bool](t, ctx, `document.querySelector("#amount").focus(); document.querySelector("#amount").select(); true`)
	keys(t, ctx, "300")
	until(t, ctx, first+` === "muet"`)
	until(t, ctx, `document.querySelector("#sum-sitot .fall").checkVisibility() && document.querySelector(".plot text.own").textContent.includes("300")`)

	// The drawing: every line across the area, every name beside it, nothing outside.
	if wide := eval[int](t, ctx, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
		t.Errorf("the page is %d px wider than a phone", wide)
	}
	if out := eval[string](t, ctx, `[...document.querySelectorAll(".plot text")].filter(x => x.getClientRects().length && (x.getBoundingClientRect().right > innerWidth || x.getBoundingClientRect().left < 0)).map(x => x.textContent).join()`); out != "" {
		t.Errorf("outside the screen: %s", out)
	}

	// The answer to the question is another page, with another portal first.
	eval[bool](t, ctx, `document.querySelector(".question button[value=new]").click(); true`)
	until(t, ctx, `location.search.includes("customer=new") && document.readyState === "complete" && `+first+` === "sitot"`)
	if !eval[bool](t, ctx, `location.search.includes("amount=300") && document.querySelector(".question") === null`) {
		t.Errorf("after the answer: %s", eval[string](t, ctx, `location.search`))
	}

	// The shopper's side, kept: it counts on the plain page.
	eval[bool](t, ctx, `document.querySelector("#shopper-form > summary").click(); document.querySelector("#patience").value = "250"; document.querySelector(".shopper button[name=shop]").click(); true`)
	until(t, ctx, `document.querySelector(".flash") !== null && document.querySelector("#beside .facts").textContent.includes("250")`)
	if err := chromedp.Do(ctx, chromedp.Navigate(page), chromedp.WaitReady("footer")); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, `document.querySelector("#beside .facts").textContent.includes("250")`)
	eval[bool](t, ctx, `document.querySelectorAll("details").forEach(d => d.open = true); true`)
	dir := filepath.Join("..", "artefacts", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, look := range []string{"light", "dark"} {
		if err := chromedp.Do(ctx, scheme(look)); err != nil {
			t.Fatal(err)
		}
		png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "shop-open-"+look+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

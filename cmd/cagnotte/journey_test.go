package main

import (
	"context"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/cagnotte/cagnotte/web/browsertest"
	"github.com/cagnotte/cagnotte/web/view"
)

// page is a browser's window on the demo.
type page struct {
	t   *testing.T
	ctx context.Context
}

func (p page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// until waits until an expression is true in the page, whatever is loaded meanwhile.
func (p page) until(expression string) {
	p.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		ok, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](`new Promise(done => {
			const end = performance.now() + 2000;
			const look = () => { let now; try { now = `+expression+` } catch { now = false } now ? done(true) : performance.now() > end ? done(false) : setTimeout(look, 100) };
			look();
		})`, chromedp.EvalAwaitPromise))
		if ok {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("never true: %s (%v) at %s", expression, err, p.text(`location.href + "\n" + document.body.innerText.slice(0, 1500)`))
		}
	}
}

func (p page) text(expression string) string {
	p.t.Helper()
	s, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return s
}

// press submits the form that leads to an address, as a click on its button does.
func (p page) press(action string) {
	p.t.Helper()
	form := `document.querySelector('form[action$=` + strconv.Quote(action) + `]')`
	p.until(form + ` !== null`)
	p.text(form + `.querySelector("button").click(), ""`)
}

// TestDeskJourney: a demo portal changes its layout. Its runs are held back and the
// shop's page keeps the last good rate with its age; once its pages are as they were,
// the first good run waits for the operator, who accepts it on the desk.
func TestDeskJourney(t *testing.T) {
	ctx := browsertest.Start(t)
	data := filepath.Join(t.TempDir(), "data")
	demo := start(t, "demo", "--data", data, "--addr", "127.0.0.1:0", "--ports", "0", "--move", "1h")
	defer demo.end()
	portals := getJSON[view.List[view.Portal]](t, demo.base+"/api/v1/portals?country=FR")
	portal := portals.Items[0]
	for _, p := range portals.Items {
		if p.Offers < portal.Offers { // the quickest to crawl
			portal = p
		}
	}
	offers := getJSON[view.List[view.ListedOffer]](t, demo.base+"/api/v1/offers?country=FR&portal="+portal.ID)
	shop := offers.Items[0].MerchantSlug
	fault := func(name string) {
		t.Helper()
		home, err := url.Parse(portal.Homepage)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:"+home.Port()+"/demo/fault", strings.NewReader(url.Values{"fault": {name}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = home.Host
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("fault %s: %s", name, resp.Status)
		}
	}

	p := page{t, ctx}
	link := demo.said(`operator: (\S+)\n`)[1]
	p.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(link), chromedp.WaitReady("footer"))
	p.text(`document.querySelector("#email").value = "op@example.org", document.querySelector("#password").value = "a quiet long sentence", document.querySelector("main form button").click(), ""`)
	p.until(`location.pathname.endsWith("/account")`)

	// run presses "run now" on the portal's page and waits for the run's end.
	at := demo.base + "/en/ops/portals/" + portal.ID
	runs := `document.querySelectorAll("#runs ~ ul > li").length`
	run := func() {
		t.Helper()
		p.do(chromedp.Navigate(at), chromedp.WaitReady("footer"))
		before := p.text(runs + `.toString()`)
		p.press("/" + portal.ID + "/run")
		p.until(`document.querySelector(".flash") !== null`)
		for deadline := time.Now().Add(time.Minute); ; { // its runs stand below what the script exchanges
			p.do(chromedp.Navigate(at), chromedp.WaitReady("footer"))
			if p.text(runs+`.toString()`) != before && p.text(`document.querySelector("#desk form[action$='/run']") ? "idle" : ""`) == "idle" {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("never crawled: %s", p.text(`document.querySelector("main").innerText`))
			}
		}
	}
	shown := func() (text, checked string) {
		t.Helper()
		p.do(chromedp.Navigate(demo.base+"/en/shops/"+shop), chromedp.WaitReady("footer"))
		row := `document.querySelector('[data-portal=` + strconv.Quote(portal.ID) + `]')`
		p.until(row + ` !== null`)
		text = p.text(row + `.innerText`)
		return text, p.text(`[...` + row + `.querySelectorAll(".receipt")].map(e => e.textContent).join(" ")`)
	}
	rate := regexp.MustCompile(`[0-9.]+ ?%|€[0-9.]+|[0-9.]+ points`)
	// No run but those that the test asks for.
	if status, _, stderr := command(t, "", "schedule", "set", portal.ID, "--every", "24h", "--data", data); status != exitOK {
		t.Fatalf("status %d: %s", status, stderr)
	}
	run()
	good, receipt := shown()
	if !rate.MatchString(good) {
		t.Fatalf("no rate of %s on the shop's page: %s", portal.ID, good)
	}

	fault("new_layout")
	run()
	run() // one bad run is suspect, two are quarantined
	p.until(`document.querySelector("#desk").innerText.includes("Held back")`)
	kept, keptReceipt := shown()
	if rate.FindString(kept) != rate.FindString(good) || keptReceipt != receipt {
		t.Errorf("the last good rate isn't kept: %q %q, then %q %q", good, receipt, kept, keptReceipt)
	}
	fault("")
	run()
	p.do(chromedp.Navigate(demo.base+"/en/ops"), chromedp.WaitReady("footer"))
	p.until(`document.body.innerText.includes("1 run waits for your decision")`)
	p.text(`document.querySelector("#waits ~ ul a").click(), ""`)
	p.until(`document.querySelector("#accept-reason") !== null`)
	p.text(`document.querySelector("#accept-reason").value = "its pages are as they were", ""`)
	p.press("/accept")
	p.until(`document.querySelector(".flash")?.textContent.includes("Accepted")`)
	if _, now := shown(); now == receipt {
		t.Error("what was accepted isn't shown: the receipt is the old one")
	}
	p.do(chromedp.Navigate(demo.base+"/en/ops/audit"), chromedp.WaitReady("footer"))
	if log := p.text(`document.querySelector("main").innerText`); !strings.Contains(log, "its pages are as they were") || !strings.Contains(log, "op@example.org") {
		t.Errorf("the log: %s", log)
	}
}

package web

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/web/browsertest"
)

// ownPages are the pages of somebody who is signed in, by the names of their pictures.
func ownPages(p *crowd) map[string]string {
	p.year(p.alice)
	bought := p.clicked(p.alice)
	h, as := p.Handler(), p.as(p.alice)
	clicked := "/money/purchases/" + bought
	post(h, "/fr/money/add", form("portal", "sitot", "shop", "Darty", "date", "2026-09-01", "amount", "349", "cashback", "10,47", "order", "D-2291"), as)
	asked := p.missing(p.alice) // a claim that waits for its answer
	post(h, "/fr/money/purchases/"+asked+"/claim", form("seen", p.seen(p.alice)), as)
	p.payable(p.alice, "ready", 1790, 60)
	p.payable(p.alice, "ready-too", 520, 50)
	paid := form("portal", "sitot", "amount", "20", "name", "sitot 2026-10-01", "seen", p.seen(p.alice), "line", "ready")
	post(h, "/fr/money/payouts", paid, as)
	post(h, "/fr/money/rules", form("text", aRule), as)
	in := func(u account.User, table string) string {
		return strings.TrimPrefix(post(h, "/fr/money/import", form("portal", "sitot", "text", table), p.as(u)).Header.Get("Location"), "/fr")
	}
	return map[string]string{
		"import":    "/money/import",
		"cash":      "/money/cash",
		"watch":     "/money/watch",
		"claim":     "/money/purchases/" + p.missing(p.alice) + "/claim",
		"answer":    "/money/purchases/" + asked,
		"over":      "/money/watch?over=1",
		"payouts":   "/money/payouts?portal=sitot&amount=3.10",
		"rules":     "/money/rules",
		"rule":      "/money/rules/alices-own",
		"dry-run":   in(p.alice, gains),
		"account":   "/account",
		"money":     "/money",
		"purchases": "/money/purchases",
		"purchase":  clicked,
		"leave":     clicked + "/leave",
		"add":       "/money/add",
	}
}

// TestEveryOwnPage looks at the pages that a person sees of their own.
func TestEveryOwnPage(t *testing.T) {
	ctx := browsertest.Start(t)
	var later atomic.Bool
	p := newCrowd(t, func(c *Config) {
		c.Now = func() time.Time {
			if later.Load() {
				return today.Add(2 * twice)
			}
			return today
		}
	})
	base := serve(t, p.Server)
	for _, agent := range []string{"Mozilla/5.0 (Linux; Android 16) Firefox/140.0", "Mozilla/5.0 (iPhone) CriOS/150.0"} {
		if _, _, err := p.desk.Open(context.Background(), p.alice.ID, account.Client{Agent: agent}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := p.desk.NewKey(context.Background(), p.alice, "tableur du foyer", []account.Scope{account.ReadLedger}, today.Add(90*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	token, _, err := p.desk.Open(context.Background(), p.alice.ID, account.Client{})
	if err != nil {
		t.Fatal(err)
	}
	err = chromedp.Do(ctx, action(network.SetCookie, network.SetCookieParams{Name: sessionCookie, Value: token, URL: base}))
	if err != nil {
		t.Fatal(err)
	}
	pages := ownPages(p)
	later.Store(true) // the page that goes on to a portal stays now
	look(t, ctx, base, pages)
}

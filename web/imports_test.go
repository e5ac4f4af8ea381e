package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/store"
)

const gains = "Date d'achat\tBoutique\tMontant de l'achat\tCashback\tStatut\n" +
	"3 octobre 2026\tFnac\t119,90 €\t3,60 €\tEn attente\n" +
	"12/09/2026\tLa Redoute\t1 089,00 €\t43,56 €\tValidé\n" +
	"01/08/2026\tCdiscount\t59,99 €\t1,20 €\tDisponible\n" +
	"31/08/2026\tX\t?\tabc\tEn attente\n"

func (p *crowd) all(u account.User) []earnings.Purchase {
	p.t.Helper()
	list, err := p.ledgers.Purchases(context.Background(), u.ID, store.Filter{})
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// TestImport: a pasted table is looked at, nothing is written before the person says
// so, and a second time adds nothing; a click is met by its line.
func TestImport(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	id := p.clicked(p.alice)
	wants(t, post(h, "/fr/money/import", form("portal", "sitot", "text", " \n"), as), 422, "Collez un tableau")
	wants(t, post(h, "/fr/money/import", form("portal", "nowhere", "text", gains), as), 422, "Cdiscount")
	r := post(h, "/fr/money/import", form("portal", "sitot", "text", gains), as)
	at := r.Header.Get("Location")
	if r.StatusCode != 303 || !strings.HasPrefix(at, "/fr/money/import/") {
		t.Fatalf("%d %s: %s", r.StatusCode, at, body(t, r))
	}
	b := wants(t, ask(h, "GET", at, as), 200, "Portails en français", "La Redoute", "43,56\u00a0€", "1 retrouvé", "2 nouveaux", "1 illisible", `name="head" value="1"`)
	if strings.Contains(b, "[imp") {
		t.Error("a word is missing")
	}
	if n := len(p.all(p.alice)); n != 1 {
		t.Fatalf("the dry run wrote: %d purchases", n)
	}
	goes(t, post(h, at, form("rule", "general-fr", "head", "0"), as), at+"?rule=general-fr") // it has moved on
	goes(t, post(h, at, form("rule", "general-fr", "head", "1"), as), "/fr/money/purchases?portal=sitot")
	if x := p.purchase(p.alice, id); x.State != earnings.StateTracked || x.Amount.Minor != 360 || len(p.all(p.alice)) != 3 {
		t.Errorf("after the import: %+v, %d purchases", x, len(p.all(p.alice)))
	}
	goes(t, ask(h, "GET", at, as), "/fr/money/import")
	// Again, as a file this time.
	r = parts(h, "/fr/money/import", map[string][2]string{"file": {`C:\temp\gains.csv`, gains}, "portal": {"", "sitot"}}, as)
	if r.StatusCode != 303 {
		t.Fatalf("%d: %s", r.StatusCode, body(t, r))
	}
	wants(t, ask(h, "GET", r.Header.Get("Location"), as), 200, "déjà dans votre registre", "3 comme avant")
	wants(t, ask(h, "GET", "/fr/money/import", as), 200, "Tableau collé", "general-fr")
	if bad, err := p.ledgers.Check(context.Background(), p.alice.ID); err != nil || len(bad) > 0 {
		t.Errorf("the ledger: %v, %v", bad, err)
	}
}

// TestImportByHand: a table that no rule knows is mapped once, and read by itself the
// next time.
func TestImportByHand(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	table := "Wanneer\tWaar\tHoeveel\tHoe gaat het\n2026-09-01\tBol\t4.20\tklaar\n2026-09-03\tCoolblue\t1.10\tbezig\n"
	at := post(h, "/en/money/import", form("portal", "thrift", "text", table), as).Header.Get("Location")
	wants(t, ask(h, "GET", at, as), 200, "What is in this table?", "Wanneer", "Coolblue")
	wants(t, post(h, at+"/map", form("column", "1 date", "column", "2 date"), as), 422, "isn’t enough")
	wants(t, post(h, at+"/map", form("column", "1 owner"), as), 400)
	// The words stand in the order in which the page shows them.
	page := body(t, ask(h, "GET", at, as))
	words := [2]string{"payable", "tracked"}
	if strings.Index(page, "bezig”") < strings.Index(page, "klaar”") && strings.Contains(page, "bezig”") {
		words = [2]string{"tracked", "payable"}
	}
	given := form("column", "1 date", "column", "2 shop", "column", "3 amount", "column", "4 state", "dates", "ymd", "decimal", ".", "currency", "GBP")
	if strings.Contains(page, "klaar”") {
		given["word"] = []string{"1 " + words[0], "2 " + words[1]}
	}
	r := post(h, at+"/map", given, as)
	goes(t, r, at+"?rule=own-thrift")
	wants(t, ask(h, "GET", at+"?rule=own-thrift", as), 200, "Bol", "£4.20", "Coolblue")
	goes(t, post(h, at, form("rule", "own-thrift", "head", "0"), as), "/en/money/purchases?portal=thrift")
	at = post(h, "/en/money/import", form("portal", "thrift", "text", table), as).Header.Get("Location")
	wants(t, ask(h, "GET", at, as), 200, "already")
}

// TestUploads: an upload is its person's, for an hour, and all of them are bounded.
func TestUploads(t *testing.T) {
	var u uploads
	u.put(1, &handedIn{id: "a", at: today, raw: make([]byte, 40<<20)})
	if u.get(1, "a", today) == nil || u.get(2, "a", today) != nil || u.get(1, "b", today) != nil || u.get(1, "a", today.Add(2*time.Hour)) != nil {
		t.Error("an upload is somebody else's, or lives too long")
	}
	u.put(2, &handedIn{id: "b", at: today.Add(time.Second), raw: make([]byte, 40<<20)})
	if u.get(1, "a", today) != nil || u.get(2, "b", today) == nil {
		t.Error("the oldest should have gone")
	}
}

// TestUnlistedPortal: a portal without a definition here is named, its rule reads its table,
// and it is the person's own everywhere from then on.
func TestUnlistedPortal(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	const table = "Datum\tShop\tCashback\tStatus\n03.10.2026\tOtto\t3,60 €\terfasst\n04.10.2026\tZalando\t2,00 €\tverfügbar\n"
	wants(t, post(h, "/en/money/import", form("text", table), as), 422, `id="portal-wrong"`)
	wants(t, post(h, "/en/money/import", form("portal_name", strings.Repeat("x", 61), "text", table), as), 422, "at most 60 letters")
	r := post(h, "/en/money/import", form("portal_name", "Shoop", "text", table), as)
	page := r.Header.Get("Location")
	wants(t, ask(h, "GET", page, as), 200, "Shoop", "Otto", "Shoop, Cashback-Übersicht")
	goes(t, post(h, page, form("rule", "shoop-de", "head", "0"), as), "/en/money/purchases?portal=shoop-own")
	wants(t, ask(h, "GET", "/en/money", as), 200, ">Shoop</a>")
	wants(t, ask(h, "GET", "/en/money/watch", as), 200)
	wants(t, ask(h, "GET", "/en/money/cash", as), 200, "Shoop")
	wants(t, ask(h, "GET", "/en/money/payouts?portal=shoop-own&amount=2", as), 200, "1 purchase makes €2.00")
	// Its name, however it is written, is the one that is known; that of a listed portal is
	// that portal.
	r = post(h, "/en/money/add", form("portal_name", "SHOOP", "shop", "Lidl", "date", "2026-10-01", "amount", "20"), as)
	if to := r.Header.Get("Location"); r.StatusCode != 303 || p.purchase(p.alice, to[strings.LastIndex(to, "/")+1:]).Portal != "shoop-own" {
		t.Errorf("added at %s: %d", to, r.StatusCode)
	}
	r = post(h, "/en/money/add", form("portal_name", "Sitôt", "shop", "Lidl", "date", "2026-10-01", "amount", "20"), as)
	if to := r.Header.Get("Location"); r.StatusCode != 303 || p.purchase(p.alice, to[strings.LastIndex(to, "/")+1:]).Portal != "sitot" {
		t.Errorf("added at %s: %d", to, r.StatusCode)
	}
	// Nobody else has it.
	if b := wants(t, ask(h, "GET", "/en/money/import", p.as(p.bob)), 200); strings.Contains(b, "Shoop") {
		t.Error("Bob sees Alice's portal")
	}
	wants(t, post(h, "/en/money/import", form("portal", "shoop-own", "text", table), p.as(p.bob)), 422)
}

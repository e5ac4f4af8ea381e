package claim_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/claim"
)

// aCase is a purchase of 120 € at a shop with a hostile name, tracked too low.
func aCase(t testing.TB, problem earnings.AlertKind) claim.Case {
	t.Helper()
	at := time.Date(2026, 10, 3, 14, 20, 0, 0, time.UTC)
	evidence, err := earnings.Terms{
		Frozen: at, Portal: "exemple-fr", PortalName: "Exemple", Shop: "Fnac", Link: "https://www.exemple.example/go/fnac",
		Offer: cashback.Offer{Conditions: "Hors livres", Receipt: cashback.Receipt{URL: "https://www.exemple.example/fnac", RawText: "5 % remboursés", ReadAt: at.Add(-time.Hour)}},
	}.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	l := earnings.NewLedger()
	for _, e := range []earnings.Event{
		{Kind: earnings.Clicked, At: at, Evidence: evidence.Hash, Source: "click"},
		{Kind: earnings.Expected, At: at.Add(time.Minute), Amount: &earnings.Amount{Minor: 600, Unit: "EUR"}, Basket: &earnings.Amount{Minor: 12000, Unit: "EUR"}, Order: "F-77", Source: "hand"},
		{Kind: earnings.Tracked, At: at.AddDate(0, 0, 1), Amount: &earnings.Amount{Minor: 200, Unit: "EUR"}, Wording: "En attente", External: "9", Source: "import:general-fr"},
	} {
		if problem == earnings.AlertMissing && e.Kind == earnings.Tracked {
			continue
		}
		e.Purchase, e.Portal, e.Shop, e.Key = "1", "exemple-fr", "<Fnac> & \"Co\"", string(e.Kind)
		if _, _, err := l.Append(e, at); err != nil {
			t.Fatal(err)
		}
	}
	p, err := l.Purchase("1")
	if err != nil {
		t.Fatal(err)
	}
	return claim.Case{Problem: problem, Purchase: p, Events: l.Events(0), Portal: cashback.Portal{ID: "exemple-fr", Name: "Exemple"}, Evidence: &evidence, Member: "anna", Written: cashback.DateOf(at.AddDate(0, 1, 0))}
}

// TestWrite fills in what is known, and leaves out what isn't.
func TestWrite(t *testing.T) {
	for _, c := range []struct {
		lang    string
		problem earnings.AlertKind
		want    []string
		not     []string
	}{
		{"fr", earnings.AlertShort, []string{"Cashback manquant : <Fnac> & \"Co\", 03/10/2026", "crédité de 2,00\u00a0€", "m’attendre à 6,00\u00a0€", "Montant payé\u00a0: 120,00\u00a0€", "Différence\u00a0: 4,00\u00a0€", "Numéro de commande\u00a0: F-77", "Clic depuis votre site\u00a0: 03/10/2026 14:20 UTC", "«\u00a05 % remboursés\u00a0»", "https://www.exemple.example/fnac", "Cordialement"}, []string{"{{", "<no value>"}},
		{"en", earnings.AlertMissing, []string{"Missing cashback: <Fnac>", "isn’t listed in my account", "Amount paid: €120.00", "Cashback expected: €6.00", "Order number: F-77", "“5 % remboursés”"}, []string{"Cashback listed", "Difference", "Your reference", "{{"}},
		{"en", earnings.AlertOverdue, []string{"has been listed since 4 October 2026"}, nil},
		{"fr", earnings.AlertDeclined, []string{"a été refusé («\u00a0En attente\u00a0»)"}, nil},
	} {
		l, err := claim.Write(aCase(t, c.problem), c.lang)
		if err != nil {
			t.Fatal(err)
		}
		text := l.Subject + "\n" + l.Body
		for _, w := range c.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s %s lacks %q:\n%s", c.lang, c.problem, w, text)
			}
		}
		for _, w := range c.not {
			if strings.Contains(text, w) {
				t.Errorf("%s %s has %q:\n%s", c.lang, c.problem, w, text)
			}
		}
		if strings.Contains(l.Subject, "\n") || strings.Contains(l.Body, "\n\n\n") {
			t.Errorf("%q", text)
		}
	}
	bare := aCase(t, earnings.AlertMissing)
	bare.Evidence, bare.Member, bare.Purchase.Order, bare.Purchase.Basket = nil, "", "", nil
	delete(bare.Purchase.Since, earnings.StateClicked)
	if l, err := claim.Write(bare, "en"); err != nil || strings.Contains(l.Body, "click") || strings.Contains(l.Body, "Order number") {
		t.Errorf("%v\n%s", err, l.Body)
	}
	if _, err := claim.Write(bare, "xx"); cashback.KindOf(err) != cashback.Invalid {
		t.Error(err)
	}
	if _, err := claim.Write(claim.Case{Problem: "boredom"}, "en"); cashback.KindOf(err) != cashback.Invalid {
		t.Error(err)
	}
}

// TestPack holds that the pack is the same each time, that its hashes are right, that
// the terms are those that were frozen, and that nothing in it is markup by accident.
func TestPack(t *testing.T) {
	c := aCase(t, earnings.AlertShort)
	pack := func() []byte {
		var b bytes.Buffer
		if err := claim.Pack(&b, c, "fr"); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	first := pack()
	if !bytes.Equal(first, pack()) {
		t.Error("two packs of one case differ")
	}
	z, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(b)
	}
	for _, line := range strings.Split(strings.TrimSpace(files["SHA256SUMS"]), "\n") {
		sum, name, _ := strings.Cut(line, "  ")
		if got := sha256.Sum256([]byte(files[name])); hex.EncodeToString(got[:]) != sum || files[name] == "" {
			t.Errorf("%s doesn't have the hash %s", name, sum)
		}
	}
	if len(files) != 5 || files["terms.json"] != string(c.Evidence.Document) || !strings.Contains(files["proof.html"], c.Evidence.Hash) {
		t.Errorf("files %d", len(files))
	}
	if strings.Contains(files["proof.html"], "<Fnac>") || strings.Contains(files["proof.html"], "http-equiv") || strings.Contains(files["proof.html"], "src=") {
		t.Error("the page holds markup of a shop's name, or loads something")
	}
	for _, want := range []string{"Affiché par le portail", "2,00\u00a0€", "Hors livres", "<html lang=\"fr\">"} {
		if !strings.Contains(files["proof.html"], want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	c.Evidence = &earnings.Evidence{Hash: c.Evidence.Hash, Document: []byte("{}")}
	if err := claim.Pack(io.Discard, c, "fr"); cashback.KindOf(err) != cashback.Invalid {
		t.Errorf("evidence that was changed: %v", err)
	}
}

// TestLanguages holds every language to the same words.
func TestLanguages(t *testing.T) {
	for _, lang := range claim.Languages {
		for _, problem := range []earnings.AlertKind{earnings.AlertMissing, earnings.AlertShort, earnings.AlertOverdue, earnings.AlertDeclined} {
			var b bytes.Buffer
			if err := claim.Pack(&b, aCase(t, problem), lang); err != nil {
				t.Errorf("%s %s: %v", lang, problem, err)
			}
		}
	}
}

package web

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/cagnotte/cagnotte/web/browsertest"
)

// Sliders answer while they are moved, and the address keeps what they say.
func TestJoinLive(t *testing.T) {
	ctx := browsertest.Start(t)
	base := serve(t, newServer(t))
	if err := chromedp.Do(ctx, chromedp.Navigate(base+"/en/join"), chromedp.WaitReady("footer")); err != nil {
		t.Fatal(err)
	}
	before := eval[string](t, ctx, `document.querySelector("#verdict").textContent`)
	eval[bool](t, ctx, `(() => {
		for (const id of ["w-merchants", "w-methods", "w-frequency", "w-terms"]) document.getElementById(id).value = 0;
		document.getElementById("w-rates").value = 10;
		document.getElementById("w-rates").dispatchEvent(new Event("input", {bubbles: true}));
		return true;
	})()`)
	deadline := time.Now().Add(20 * time.Second)
	for eval[string](t, ctx, `document.querySelector("#now-rates").textContent`) != "10" {
		if time.Now().After(deadline) {
			t.Fatal("the sliders don't answer")
		}
	}
	after := eval[string](t, ctx, `document.querySelector("#verdict").textContent + location.search`)
	want := document(t, newServer(t), "/en/join?w_merchants=0&w_rates=10&w_methods=0&w_frequency=0&w_terms=0", 200).Find("#verdict").Text() +
		"?w_merchants=0&w_rates=10&w_methods=0&w_frequency=0&w_terms=0&country=FR"
	if after != want || after == before {
		t.Errorf("says %q, want %q (before: %q)", after, want, before)
	}
}

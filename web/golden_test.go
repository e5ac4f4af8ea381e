package web

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	nethtml "golang.org/x/net/html"
)

// TestShopGolden holds what the shop page says, word for word, in each language: a
// change of a sentence, a number or the order shows as a change of the file (-update
// writes them).
func TestShopGolden(t *testing.T) {
	s := newServer(t)
	for _, lang := range []string{"en", "fr"} {
		d := document(t, s, "/"+lang+"/shops/"+shopNamed(t, s, "fnac").Slug+"?amount=80", 200)
		var b strings.Builder
		for _, part := range []string{"#purchase", "#answer", "#beside"} {
			b.WriteString("== " + part + "\n")
			for _, n := range d.Find(part).Nodes {
				say(&b, n)
			}
		}
		file := filepath.Join("testdata", "shop."+lang+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
			t.Errorf("%s: the page says something else (-committed +served):\n%s", lang, diff)
		}
	}
}

// say writes a text a line, and what is only heard in brackets.
func say(b *strings.Builder, n *nethtml.Node) {
	if n.Type == nethtml.TextNode {
		if s := strings.Join(strings.Fields(n.Data), " "); s != "" {
			b.WriteString(s + "\n")
		}
	}
	for _, a := range n.Attr {
		if a.Key == "aria-label" || a.Key == "placeholder" {
			b.WriteString("[" + a.Val + "]\n")
		}
	}
	for c := range n.ChildNodes() {
		say(b, c)
	}
}

package portal

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// sameTree compares what the shortcut makes of a page with what the parser makes of
// it alone, and says how many scripts were shortened.
func sameTree(t *testing.T, page string) int {
	t.Helper()
	e := estimator{s: page}
	if e.run() != nil {
		return 0
	}
	got, err := parsePage(page, e.scripts)
	if err != nil {
		return 0
	}
	want, err := html.ParseWithOptions(strings.NewReader(page), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if html.Render(&a, got) != nil || html.Render(&b, want) != nil {
		return 0 // what can't be written (plaintext with more behind it) can't be compared
	}
	if a.String() != b.String() {
		t.Fatalf("the trees differ for %.300q:\n%.600q\n%.600q", page, a.String(), b.String())
	}
	return len(e.scripts)
}

func TestScriptsAreShortened(t *testing.T) {
	long := strings.Repeat("x=1;", longScript)
	for name, c := range map[string]struct {
		page string
		want int
	}{
		"plain":               {"<script>" + long + "</script><p>a", 1},
		"several":             {"<head><script>" + long + "</script><body><script id=x type='application/json'>" + long + "</script>y<script>short</script><script>" + long + "</script>", 3},
		"never closed":        {"<p>a<script>" + long, 1},
		"holds its end tag":   {"<script><!-- <script>" + long + "</script> --></script><p>a", 0},
		"in a comment":        {"<!-- <script>" + long + "</script> --><p>a", 0},
		"in a text area":      {"<textarea><script>" + long + "</script></textarea>", 0},
		"in an attribute":     {`<p title="<script>` + long + `</script>">a`, 0},
		"in svg":              {"<svg><script>" + long + "</script></svg>", 0},
		"in a table":          {"<table><script>" + long + "</script><tr><td>a", 1},
		"in a select":         {"<select><script>" + long + "</script><option>a", 1},
		"in a template":       {"<template><script>" + long + "</script></template>", 1},
		"line ends":           {"<script>" + long + "\r\n</script>", 0},
		"the mark is there":   {"<script>" + long + "</script><script>" + mark + "0</script>", 1},
		"a tag within":        {"<script>" + long + "<b>'</scripty>'</script ><p>a", 1},
		"after the end":       {"<html><body>a</body></html><script>" + long + "</script>", 1},
		"in a frameset":       {"<frameset><script>" + long + "</script></frameset>", 1},
		"capitals":            {"<SCRIPT>" + long + "</Script>", 1},
		"closed at once":      {"<script/>" + long + "</script>", 1},
		"in noscript":         {"<noscript><script>" + long + "</script></noscript>", 1},
		"in math, broken out": {"<math><p><script>" + long + "</script>", 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sameTree(t, c.page); got != c.want {
				t.Errorf("%d scripts were shortened, want %d", got, c.want)
			}
		})
	}
	if exam := os.Getenv("CAGNOTTE_EXAM"); exam != "" {
		files, err := filepath.Glob(filepath.Join(exam, "data", "pages", "*", "*.html"))
		if err != nil || len(files) == 0 {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %d", filepath.Base(f), sameTree(t, strings.ToValidUTF8(string(b), "\uFFFD")))
		}
	}
}

func FuzzScriptsAreShortened(f *testing.F) {
	for _, s := range []string{"<script>A</script>", "<svg><script>A</script></svg>", "<textarea><script>A</textarea></script>", "<script><!--<script>A</script>-->A</script>", "<table><tr><script>A</script>", "<p a='<script>'>A</script>", "<plaintext><script>A</script>", "<noscript><p><script>A", "<template><script>A</template></script>", "<select><script>A</select></script><math><script>A"} {
		f.Add(s)
	}
	long := strings.Repeat("x", longScript)
	f.Fuzz(func(t *testing.T, page string) {
		sameTree(t, strings.ReplaceAll(page, "A", long))
	})
}

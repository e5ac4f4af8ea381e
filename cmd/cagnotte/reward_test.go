package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestRewardParse: one answer a line, in order, with the fields that graders read,
// and nothing is written anywhere.
func TestRewardParse(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	in := `{"text": "Jusqu'à 6,5 % (était 3 %)", "locale": "fr-FR"}

{"text": "New 8% / Existing 3.5% + $2", "locale": "en-US"}
{"text": "5 $", "currency": "cad"}
{"text": "250 points", "points_currency": "Gems"}
{"text": "10 %", "locale": "de-DE", "field": "coupon"}
`
	status, stdout, stderr := command(t, in, "reward", "parse")
	if status != exitOK || stderr != "" {
		t.Fatalf("status %d, stderr %q", status, stderr)
	}
	want := []string{
		`{"up_to":true,"kind":"percent","value":"6.5","min":null,"per_amount":null,"previous":"3","cap":null,"components":[]}`,
		``,
		`{"up_to":false,"kind":"fixed","value":"5","min":null,"currency":"CAD","per_amount":null,"previous":null,"cap":null,"components":[]}`,
		`{"up_to":false,"kind":"points_fixed","value":"250","min":null,"points_currency":"Gems","per_amount":null,"previous":null,"cap":null,"components":[]}`,
		`{"up_to":false,"kind":"not_cashback","value":null,"min":null,"per_amount":null,"previous":null,"cap":null,"components":[],"reason":"an amount that isn't cashback"}`,
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d answers, want %d:\n%s", len(lines), len(want), stdout)
	}
	for i, line := range lines {
		if want[i] != "" && line != want[i] {
			t.Errorf("answer %d\n got %s\nwant %s", i+1, line, want[i])
		}
	}
	var parts struct {
		Components []struct {
			Relation, Value, Audience string
		}
	}
	if err := json.Unmarshal([]byte(lines[1]), &parts); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, c := range parts.Components {
		got += c.Relation + " " + c.Value + " " + c.Audience + "; "
	}
	if got != "or 8 new; or 3.5 existing; plus 2 existing; " {
		t.Errorf("the parts are %q", got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the folder has %v, %v", left, err)
	}
}

func TestRewardParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, in, says string }{
		{"not JSON", "5%\n", "1: write a JSON object"},
		{"second line", "{\"text\":\"5%\"}\n{\"text\":", "2: write a JSON object"},
		{"cut off", `{"text":"5%"`, "the object is cut off"},
		{"not a text", "{\"text\":5}\n", "text is a number, and has to be a text"},
		{"not an object", "5\n", "a number is no object"},
		{"no text", "\n{\"locale\":\"fr\"}\n", "2: write a JSON object"},
		{"two values", `{"text":"5%"} {"text":"6%"}`, "more than one value"},
		{"field", `{"text":"5%","field":"banner"}`, `1: field: "banner" is not a field`},
		{"currency", `{"text":"5%","currency":"euros"}`, "1: currency"},
		{"long line", `{"text":"` + strings.Repeat("5", maxRewardLine) + `"}`, "1: the line is longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, stderr := command(t, c.in, "reward", "parse")
			if status != exitInvalid || !strings.Contains(stderr, c.says) {
				t.Errorf("status %d, stderr %q; want %d and %q", status, stderr, exitInvalid, c.says)
			}
		})
	}
}

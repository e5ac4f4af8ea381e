package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const smallCase = `{
 "now": "2026-11-22",
 "purchase": {"amount": "100", "currency": "EUR", "customer": "existing"},
 "shopper": {},
 "portals": [{"id": "p", "currency": "EUR", "vat_basis": "gross", "validation_days": 30, "payout": {"frequency": "weekly", "methods": [{"kind": "paypal", "minimum": 0}]}}],
 "offers": [{"portal": "p", "merchant": "m", "verified_on": "2026-11-22", "tiers": [{"components": [{"kind": "percent", "value": 5}]}]}]
}`

func TestRankCase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "case.json")
	if err := os.WriteFile(file, []byte(smallCase), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{file, "-"} {
		status, stdout, stderr := command(t, smallCase, "rank", "--case", from)
		var answer struct {
			Ranked []struct {
				Portal string
				Value  int64
			}
		}
		// 5.00 × 0.85 ÷ (1 + 0.2 × 34 ÷ 365)
		if err := json.Unmarshal([]byte(stdout), &answer); err != nil || status != exitOK || len(answer.Ranked) != 1 || answer.Ranked[0].Value != 417 {
			t.Errorf("--case %s: status %d, %q, %q", from, status, stdout, stderr)
		}
	}
}

// Wrong input is one sentence with its place, and exit status 2.
func TestRankCaseRefuses(t *testing.T) {
	for _, c := range []struct{ name, replace, by, says string }{
		{"negative", `"100"`, `-100`, "purchase.amount: "},
		{"absurd", `"100"`, `1e30`, "purchase.amount: "},
		{"not a number", `"100"`, `"NaN"`, "purchase.amount: "},
		{"no JSON", `"100"`, `NaN`, "3:25"},
		{"currency", `"EUR", "customer"`, `"EUX", "customer"`, "purchase.currency: "},
		{"a field of an offer", `"value": 5`, `"value": "five"`, "offers[0].tiers[0].components[0].value: "},
		{"a slip", `"verified_on"`, `"verifed_on"`, "offers[0].verifed_on: there is no such field: is it verified_on?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(smallCase, c.replace) {
				t.Fatalf("%s is not in the case", c.replace)
			}
			status, stdout, stderr := command(t, strings.Replace(smallCase, c.replace, c.by, 1), "rank", "--case", "-")
			if status != exitInvalid || stdout != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("status %d, %q, %q: want %q in one line", status, stdout, stderr, c.says)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "none.json")
	if status, _, stderr := command(t, "", "rank", "--case", missing); status != exitInvalid || strings.Count(stderr, missing) != 1 {
		t.Errorf("a missing file: status %d, %q", status, stderr)
	}
}

// Every worked case of the exam goes through the verb and gives its answer.
func TestRankExam(t *testing.T) {
	exam := os.Getenv("CAGNOTTE_EXAM")
	if exam == "" {
		t.Skip("CAGNOTTE_EXAM is not set: it names the folder of the exam")
	}
	files, err := filepath.Glob(filepath.Join(exam, "data", "ranking", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", exam, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c struct{ Expect any }
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := command(t, "", "rank", "--case", file)
		var got any
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != exitOK {
			t.Errorf("%s: status %d, %v, %s", filepath.Base(file), status, err, stderr)
		} else if diff := cmp.Diff(c.Expect, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filepath.Base(file), diff)
		}
	}
}

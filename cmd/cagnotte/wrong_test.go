package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/store"
)

// TestWrongInput: whatever is typed wrongly gets one clear sentence that names the
// place, status 2, and leaves alone what is stored; where nothing was stored, nothing is
// afterwards.
func TestWrongInput(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	list(t, data, "p", "Fnac")
	at := func() time.Time { return time.Now().UTC() }
	if status, out, stderr := commandAt(t, at, "", "rank", "Fnac", "--data", data); status != exitOK || !strings.Contains(out, "Fnac") {
		t.Fatalf("status %d: %s%s", status, out, stderr)
	}
	stored := func() (last uint64) {
		t.Helper()
		s, err := store.Open(t.Context(), data, store.Options{Now: time.Now, Existing: true})
		if err != nil {
			t.Fatal(err)
		}
		last = s.As(store.Public).LastChange()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return last
	}
	before := stored()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("not what is looked for"), 0o600); err != nil {
		t.Fatal(err)
	}
	none, absent := filepath.Join(dir, "none"), filepath.Join(dir, "absent")
	for _, c := range []struct {
		says string
		args []string
	}{
		{"--amount", []string{"rank", "Fnac", "--amount=-5"}},
		{"--amount", []string{"rank", "Fnac", "--amount", "-5"}},
		{"--amount", []string{"rank", "Fnac", "--amount", "1e9"}},
		{"--amount", []string{"rank", "Fnac", "--amount", "1,5,6"}},
		{"--amount", []string{"rank", "Fnac", "--amount", "NaN"}},
		{"--amount", []string{"rank", "Fnac", "--amount", "Infinity"}},
		{"--amount", []string{"rank", "Fnac", "--amount", "0x10"}},
		{"--amount", []string{"rank", "Fnac", "--amount", "12.345"}},
		{"--amount", []string{"rank", "Fnac", "--amount", "99999999999999999999"}},
		{"--amount", []string{"rank", "Fnac", "--amount", strings.Repeat("9", 5000)}},
		{"--amount", []string{"rank", "Fnac", "--amount", ""}},
		{"--amount", []string{"rank", "Fnac", "--amount", "12.50", "--currency", "JPY"}},
		{"--currency", []string{"rank", "Fnac", "--currency", "XXX"}},
		{"--currency", []string{"rank", "Fnac", "--currency", "euros"}},
		{"--currency", []string{"rank", "Fnac", "--currency", ""}},
		{"--country", []string{"rank", "Fnac", "--country", "ZZ"}},
		{"--country", []string{"rank", "Fnac", "--country", "France"}},
		{"--country", []string{"rank", "Fnac", "--country="}},
		{"--customer", []string{"rank", "Fnac", "--customer", "old"}},
		{"--channel", []string{"rank", "Fnac", "--channel", "mail"}},
		{"--category", []string{"rank", "Fnac", "--category", strings.Repeat("c", 500)}},
		{"--as-of", []string{"rank", "Fnac", "--as-of", "2026-02-30"}},
		{"--as-of", []string{"rank", "Fnac", "--as-of", "yesterday"}},
		{"--loud", []string{"rank", "Fnac", "--loud"}},
		{"darty", []string{"rank", "Fnac", "darty"}},
		{"name a shop", []string{"rank", ""}},
		{"too long", []string{"rank", strings.Repeat("a", 5000)}},
		{"zzqqxx", []string{"rank", "zzqqxx"}},
		{none, []string{"rank", "--case", none}},
		{dir, []string{"rank", "--case", dir}},
		{file, []string{"rank", "--case", file}},
		{"rnak", []string{"rnak", "Fnac"}},
		{none, []string{"crawl", "--pages", none, "--data", absent}},
		{file, []string{"crawl", "--pages", file, "--data", absent}},
		{"index.json", []string{"crawl", "--pages", dir, "--data", absent}},
		{"nobody", []string{"crawl", "nobody", "--data", absent}},
		{file, []string{"serve", "--no-crawl", "--addr", "127.0.0.1:0", "--data", file}},
		{absent, []string{"rank", "Fnac", "--data", absent}},
		{"--country", []string{"serve", "--no-crawl", "--country", "XX", "--data", absent}},
		{"--site", []string{"serve", "--no-crawl", "--site", "ftp://x", "--data", absent}},
		{"--trust-proxy", []string{"serve", "--no-crawl", "--trust-proxy", "proxy.local", "--data", absent}},
		{"--trust-proxy", []string{"serve", "--no-crawl", "--trust-proxy", "0.0.0.0/0", "--data", absent}},
		{"--as-of", []string{"serve", "--no-crawl", "--as-of", "31/12/2026", "--data", absent}},
		{"nowhere", []string{"serve", "--no-crawl", "--addr", "nowhere", "--data", absent}},
		{"--country", []string{"demo", "--country", "XX", "--data", absent}},
		{"--seed", []string{"demo", "--seed", "many", "--data", absent}},
		{"--ports", []string{"demo", "--addr", "127.0.0.1:0", "--ports", "70000", "--data", absent}},
		{none, []string{"portals", "check", none}},
		{dir, []string{"portals", "check", dir}},
		{"--url", []string{"portals", "try", "--url", "x", "--page", file}},
		{none, []string{"portals", "try", "--url", "https://www.shop.test/", "--page", none}},
	} {
		has := func(flag string) bool {
			for _, a := range c.args {
				if a == flag {
					return true
				}
			}
			return false
		}
		if c.args[0] == "rank" && !has("--data") && !has("--case") {
			c.args = append(c.args, "--data", data)
		}
		name := strings.Join(c.args, " ")
		name = name[:min(len(name), 80)]
		var out, errs bytes.Buffer
		status := run(&world{ctx: t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: at}, c.args)
		said := strings.TrimSuffix(strings.TrimSuffix(errs.String(), "Try: cagnotte --help\n"), "\n")
		if status != exitInvalid {
			t.Errorf("%s: status %d: %s%s", name, status, out.String(), said)
		}
		if c.args[1] == "check" { // one line a file, and one that counts them
			said = strings.TrimSuffix("cagnotte: "+said, "\ncagnotte: 1 of 1 definitions are not valid")
		}
		if !strings.Contains(said, c.says) || !strings.HasPrefix(said, "cagnotte: ") || strings.Count(said, "\n") > 0 {
			t.Errorf("%s: said %q, want one sentence with %q in it", name, said, c.says)
		}
		if len(said) > 500 || strings.Contains(said, "goroutine") || strings.Contains(said, ".go:") {
			t.Errorf("%s: that's no sentence: %q", name, said)
		}
		if _, err := os.Stat(absent); err == nil {
			t.Fatalf("%s: made a data folder", name)
		}
	}
	if now := stored(); now != before {
		t.Errorf("%d changes were stored", now-before)
	}
}

package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/crawler/definitions"
)

// emptyHouse is a data folder with the shipped portals and nothing else.
func emptyHouse(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	w := &world{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard, now: time.Now}
	w.logTo(io.Discard, 0)
	h, err := openHouse(t.Context(), w, dir, houseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// An operator states a fact, sees it with its source, takes it back, and the history
// tells who did what.
func TestPortalFacts(t *testing.T) {
	all, err := definitions.All()
	if err != nil {
		t.Fatal(err)
	}
	id, data := all[0].ID(), emptyHouse(t)
	ok := func(says string, args ...string) {
		t.Helper()
		status, out, stderr := command(t, "", append(args, "--data", data)...)
		if status != exitOK || !strings.Contains(out, says) {
			t.Errorf("%v: status %d, %q %q, want %q in it", args, status, out, stderr, says)
		}
	}
	ok("vat_basis", "portals", "facts", id)
	ok("nothing has changed", "portals", "history", id)
	ok(id+": payout is weekly, paypal 5.00 fee 0.35", "portals", "set", id, "payout", "weekly, paypal 5.00 fee 0.35", "--source", "https://portal.test/terms", "--as-of", "2026-11-20", "--note", "new terms")
	ok("weekly, paypal 5.00 fee 0.35", "portals", "facts", id)
	ok(`"from":"operator"`, "portals", "facts", id, "--json")
	ok("confirm_rate is 0.9", "portals", "set", id, "confirm_rate", "0.9", "--observed", "40")
	ok("operator, 40 observations", "portals", "facts", id)
	ok("→ weekly, paypal 5.00 fee 0.35 (https://portal.test/terms 2026-11-20)", "portals", "history", id)
	ok("by this machine: new terms", "portals", "history", id)
	ok("payout is", "portals", "set", id, "payout")
	for _, c := range []struct {
		says string
		args []string
	}{
		{"nobody", []string{"facts", "nobody"}},
		{"use one of", []string{"set", id, "colour", "red", "--source", "x"}},
		{"--source", []string{"set", id, "app", "yes"}},
		{"never counts", []string{"set", id, "confirm_rate", "0.99", "--source", "https://portal.test/"}},
		{"YYYY-MM-DD", []string{"set", id, "app", "yes", "--source", "x", "--as-of", "yesterday"}},
		{"number of days", []string{"set", id, "validation_days", "5000", "--source", "x"}},
		{"limit", []string{"history", id, "--limit", "0"}},
	} {
		args := append([]string{"portals"}, append(c.args, "--data", data)...)
		if status, _, stderr := command(t, "", args...); status != exitInvalid || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: status %d, said %q, want %q in it", args, status, stderr, c.says)
		}
	}
}

func TestRates(t *testing.T) {
	data := emptyHouse(t)
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	xml := func(day, rate string) string {
		return `<gesmes:Envelope xmlns:gesmes="g" xmlns="e"><Cube><Cube time="` + day + `"><Cube currency="GBP" rate="` + rate + `"/></Cube></Cube></gesmes:Envelope>`
	}
	ok := func(says string, args ...string) {
		t.Helper()
		status, out, stderr := command(t, "", append(args, "--data", data)...)
		if status != exitOK || !strings.Contains(out, says) {
			t.Errorf("%v: status %d, %q %q, want %q in it", args, status, out, stderr, says)
		}
	}
	ok("came with the program", "rates", "show")
	ok("1 exchange rates of 2040-01-02", "rates", "set", file("daily.xml", xml("2040-01-02", "0.8123")))
	ok("0.8123  GBP", "rates", "show")
	ok("One euro, European Central Bank, 2040-01-02 (set on ", "rates", "show")
	ok("older than those", "rates", "set", file("old.xml", xml("1999-01-04", "0.7")))
	ok("came with the program", "rates", "show")
	ok("VAT rates of 1 countries as of 2040-01-01", "rates", "set-vat", file("vat.txt", "as of 2040-01-01\nFR 25 2020-01-01\n"))
	ok("25 %", "rates", "show")
	for _, args := range [][]string{
		{"rates", "set", file("bad.xml", "<html>")}, {"rates", "set", "no such file"}, {"rates", "set", file("negative.xml", xml("2040-01-02", "-1"))},
		{"rates", "set-vat", file("bad.txt", "FR many 2020-01-01")},
	} {
		if status, _, stderr := command(t, "", append(args, "--data", data)...); status != exitInvalid || stderr == "" {
			t.Errorf("%v: status %d, said %q", args, status, stderr)
		}
	}
}

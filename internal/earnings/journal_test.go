package earnings

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// awkward are names that a journal, a table or a spreadsheet could take for something
// else.
var awkward = []string{
	"Fnac", "H&M ; not a comment", "(code) Darty", "* starred", "!pending", "=cmd|'/c calc'!A1", "+1", "-2", "@SUM(A1)", "\tTab", "two  spaces", "line\nbreak",
	`quote " and ' and \`, "comma, and ; and |", "日本の店", "é̀", "2026-03-02 * not a date", "Assets:Cashback:malin:Paid  5 EUR", "% tag: value", "＝1+1", "", "\u2028", "apply account x", "end",
}

// awkwardLedger has every kind of event, unit and name.
func awkwardLedger(t testing.TB, seed uint64, n int) *Ledger {
	kinds := []EventKind{Clicked, Expected, Tracked, AmountChanged, Confirmed, Payable, PayoutRequested, Paid, PayoutUndone, Declined, Reversed, ClaimOpened, Donation, JoinBonus, Referral}
	base := randomLedger(seed, n, kinds)
	units := map[Unit]Unit{"EUR": "EUR", "GBP": "JPY", PointsOf("SB"): []Unit{PointsOf("S B+"), PointsOf("2\"x;"), "KWD"}[seed%3]}
	l := NewLedger()
	for i, e := range base.events {
		e.Shop = awkward[(i+int(seed))%len(awkward)]
		if e.Amount != nil {
			e.Amount = &Amount{e.Amount.Minor, units[e.Amount.Unit]}
		}
		if _, _, err := l.Append(e, monday); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// accounts are a ledger's balances as the journal's accounts have them.
func accounts(l *Ledger) map[string]string {
	sums := map[[2]string]Amount{}
	for _, b := range l.Balances() {
		k := [2]string{b.State.account(b.Portal), strings.Trim(b.Unit.commodity(), `"`)}
		sums[k] = Amount{sums[k].Minor + b.Minor, b.Unit}
	}
	out := map[string]string{}
	for k, a := range sums {
		if a.Minor != 0 {
			out[k[0]+" "+k[1]] = a.decimal()
		}
	}
	return out
}

// program runs a program on a journal, or skips where it isn't installed; .ci/run
// installs both.
func program(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: it is a Debian package of that name", name)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "LEDGER_FILE=/dev/null", "HOME="+t.TempDir())
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%s: %v: %s", name, err, errs.String())
	}
	return string(out)
}

func journals(t *testing.T, f func(t *testing.T, path string, l *Ledger)) {
	for seed := range uint64(6) {
		l := awkwardLedger(t, seed, 600)
		path := filepath.Join(t.TempDir(), "cagnotte.journal")
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteJournal(file, l.Events(0)); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		f(t, path, l)
	}
}

func TestHledgerReadsTheJournal(t *testing.T) {
	journals(t, func(t *testing.T, path string, l *Ledger) {
		program(t, "hledger", "-f", path, "check")
		rows, err := csv.NewReader(strings.NewReader(program(t, "hledger", "-f", path, "balance", "Assets", "Expenses", "^Expected:[^ ]*$", "--flat", "-N", "-O", "csv", "--layout", "bare"))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, r := range rows[1:] {
			if r[2] != "0" {
				got[r[0]+" "+r[1]] = r[2]
			}
		}
		if d := cmp.Diff(accounts(l), got); d != "" {
			t.Error(d)
		}
		// Every sum is nothing: what is owed and paid came from somewhere.
		if total := strings.Fields(program(t, "hledger", "-f", path, "balance", "--depth", "0", "-N")); len(total) > 0 && total[0] != "0" {
			t.Errorf("the journal doesn't balance: %s", total)
		}
	})
}

func TestLedgerReadsTheJournal(t *testing.T) {
	line := regexp.MustCompile(`^\s*(-?[0-9.]+) ("[^"]*"|\S+?)(?:  (\S.*))?$`)
	journals(t, func(t *testing.T, path string, l *Ledger) {
		got := map[string]string{}
		var amounts [][2]string
		for _, s := range strings.Split(program(t, "ledger", "--args-only", "-f", path, "balance", "Assets", "Expenses", "/^Expected:[^ ]*$/", "--flat", "--no-total", "--no-color"), "\n") {
			m := line.FindStringSubmatch(s)
			if m == nil {
				if strings.TrimSpace(s) != "" {
					t.Fatalf("unread: %q", s)
				}
				continue
			}
			amounts = append(amounts, [2]string{m[1], strings.Trim(m[2], `"`)})
			if m[3] != "" { // the account stands beside the last of its amounts
				for _, a := range amounts {
					got[m[3]+" "+a[1]] = a[0]
				}
				amounts = nil
			}
		}
		if d := cmp.Diff(accounts(l), got); d != "" {
			t.Error(d)
		}
	})
}

// TestTableHasNoFormulas holds RELIABILITY.md WA18: what isn't a number begins with
// nothing that a spreadsheet computes.
func TestTableHasNoFormulas(t *testing.T) {
	number := regexp.MustCompile(`^-?\d+(\.\d+)?$`)
	for seed := range uint64(3) {
		l := awkwardLedger(t, seed, 600)
		for i, bad := range awkward {
			if bad == "" {
				continue
			}
			must(t, l, fmt.Sprint(bad, i), Event{Kind: Tracked, Portal: bad, Shop: bad, Order: bad, External: bad, Wording: bad, Note: bad, Payout: bad, Amount: &Amount{1, Unit(bad)}})
		}
		var b bytes.Buffer
		if err := WriteCSV(&b, l.Purchases()); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows[1:] {
			for i, v := range r {
				switch name := rows[0][i]; {
				case name == "amount" || name == "expected" || name == "basket":
					if v != "" && !number.MatchString(v) {
						t.Errorf("%s: %q is no number", name, v)
					}
				case v != "" && strings.ContainsAny(v[:1], "=+-@\t\r\n"):
					t.Errorf("%s: %q could be a formula", name, v)
				}
			}
		}
	}
}

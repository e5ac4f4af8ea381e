package earnings

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/govalues/decimal"
)

// decimal writes an amount in its unit, without the unit: "4.50".
func (a Amount) decimal() string {
	d, err := decimal.New(a.Minor, a.Unit.Digits())
	if err != nil {
		return "0" // beyond 19 digits, which check refuses
	}
	return d.String()
}

func (a Amount) String() string { return a.decimal() + " " + string(a.Unit) }

// account is where a state's money stands in a plain-text journal. Outside is income;
// what was only reckoned with is kept apart from what was promised.
func (s State) account(portal string) string {
	portal = accountName(portal)
	switch s {
	case StateClicked, StateExpected:
		return "Expected:" + portal
	case StatePaid:
		return "Assets:Paid out:" + portal
	case StateDonated:
		return "Expenses:Donated:" + portal
	case StateDeclined:
		return "Expenses:Declined:" + portal
	case StateReversed:
		return "Expenses:Reversed:" + portal
	default:
		return "Assets:Cashback:" + portal + ":" + strings.ToUpper(string(s[:1])) + string(s[1:])
	}
}

// outside is where a state's money came from.
func (s State) outside(portal string) string {
	if s == StateClicked || s == StateExpected {
		return "Expected:from " + accountName(portal)
	}
	return "Income:Cashback:" + accountName(portal)
}

// accountName is a name as one part of an account: neither program takes a colon, a
// semicolon or two spaces there.
func accountName(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_' || r == '.' {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
	}
	return b.String()
}

// journalText is a text within one line of a journal, of which nothing is read as
// something else: a comment, a code, a mark.
func journalText(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || unicode.IsSpace(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar:
			return ' '
		case r == ';' || r == '|' || r == '%' || r == '#' || r == '=' || r == '*' || r == '!' || r == '@':
			return ','
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// commodity is a unit's symbol; one that isn't letters only stands in quotes.
func (u Unit) commodity() string {
	plain := u != ""
	for _, r := range u {
		plain = plain && r < unicode.MaxASCII && unicode.IsLetter(r)
	}
	if plain {
		return string(u)
	}
	return `"` + strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' || r == ';' || unicode.IsControl(r) || unicode.IsSpace(r) {
			return '-'
		}
		return r
	}, string(u)) + `"`
}

// WriteJournal writes events as a plain-text accounting journal that hledger and ledger
// read: a transaction for each event that moves something, its postings those of the
// fold, so the journal's balances are the ledger's.
func WriteJournal(w io.Writer, events []Event) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "; Cagnotte: %d events. Assets:Cashback is owed by portals, Assets:Paid out has arrived.\n", len(events))
	purchases := map[string]*Purchase{}
	for _, e := range events {
		before := purchases[e.Purchase]
		after, moves, err := Apply(before, e)
		if err != nil {
			return err
		}
		purchases[e.Purchase] = &after
		if len(moves) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n%s * %s: %s", e.At.UTC().Format(time.DateOnly), accountName(e.Portal), strings.ReplaceAll(string(e.Kind), "_", " "))
		if shop := journalText(after.Shop); shop != "" {
			fmt.Fprintf(b, ", %s", shop)
		}
		fmt.Fprintf(b, "\n    ; event %d\n", e.Seq)
		for i, m := range moves {
			account := m.Account.account(m.Portal)
			if m.Account == Outside {
				// It goes back to where its partner, the posting before it, came from.
				account = moves[i-1].Account.outside(m.Portal)
			}
			fmt.Fprintf(b, "    %s  %s %s\n", account, Amount{m.Minor, m.Unit}.decimal(), m.Unit.commodity())
		}
	}
	return b.Flush()
}

// cell is a text in a CSV that a spreadsheet doesn't take for a formula (ASVS 1.2.10):
// it gets a quotation mark in front.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n\x00＝＋－＠'", []rune(s)[0]) {
		return "'" + s
	}
	return s
}

// WriteCSV writes purchases as a table for a spreadsheet: amounts are numbers in their
// unit, dates are days, every other cell is a text that no spreadsheet computes.
func WriteCSV(w io.Writer, purchases []Purchase) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180
	if err := out.Write([]string{
		"bought", "portal", "shop", "for", "state", "amount", "unit", "expected", "expected_unit", "basket", "basket_unit", "order", "external_id",
		"tracked", "confirmed", "payable", "paid", "wording", "claim", "payout", "donated_to", "business", "note", "purchase",
	}); err != nil {
		return err
	}
	amount := func(a *Amount) (string, string) {
		if a == nil {
			return "", ""
		}
		return a.decimal(), cell(string(a.Unit))
	}
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.DateOnly)
	}
	for _, p := range purchases {
		got, unit := amount(p.Amount)
		expected, expectedUnit := amount(p.Expected)
		basket, basketUnit := amount(p.Basket)
		if err := out.Write([]string{
			day(p.Bought), cell(p.Portal), cell(p.Shop), cell(string(p.For)), cell(string(p.State)), got, unit, expected, expectedUnit, basket, basketUnit, cell(p.Order), cell(p.External),
			day(p.Since[StateTracked]), day(p.Since[StateConfirmed]), day(p.Since[StatePayable]), day(p.Since[StatePaid]), cell(p.Wording), cell(string(p.Claim)), cell(p.Payout), cell(p.Donated),
			strconv.FormatBool(p.Business), cell(p.Note), cell(p.ID),
		}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// WriteJSON writes a ledger as one document: balances, purchases, events.
func WriteJSON(w io.Writer, l *Ledger) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	balances := l.Balances()
	if balances == nil {
		balances = []Balance{}
	}
	return enc.Encode(struct {
		Balances  []Balance  `json:"balances"`
		Purchases []Purchase `json:"purchases"`
		Events    []Event    `json:"events"`
	}{balances, l.Purchases(), append([]Event{}, l.events...)})
}

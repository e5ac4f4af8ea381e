package pages

import (
	"strconv"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
)

// ImportView takes a file or a pasted table.
type ImportView struct {
	Form    Form
	Portals []Param
	Past    []earnings.Import
	Now     time.Time
}

// RuleChoice is a rule that reads an upload.
type RuleChoice struct {
	ID, Name string
	Lines    int
	Reasons  []earnings.Reason
}

// DryRunView is what an upload would change, or what has to be said before that is
// known.
type DryRunView struct {
	ID, Name, PortalName string
	Form                 Form
	// Rules read it, the best first.
	Rules []RuleChoice
	// Guess is the proposal for a table that none reads.
	Guess *statement.Guess
	// Currencies are to choose from for it.
	Currencies []Choices

	Rule, RuleName string
	Head           uint64
	Counts         map[earnings.Verdict]int
	Changes        []earnings.Change
	More           int // changes that aren't shown
	Events         int
	Refused        []statement.Refusal
	Ignored        int
	Purchase       func(id string) earnings.Purchase
	Now            time.Time
}

// verdicts in the order of the summary.
var verdicts = []earnings.Verdict{
	earnings.VerdictNew, earnings.VerdictMet, earnings.VerdictChanged, earnings.VerdictUnchanged, earnings.VerdictDoubtful,
}

// maxRefusals is how many rows that couldn't be read are shown.
const maxRefusals = 50

// say puts reasons into one sentence.
func say(c Chrome, reasons []earnings.Reason) string {
	var out []string
	for _, r := range reasons {
		out = append(out, reasonOf(c, r))
	}
	return strings.Join(out, c.T("list.semicolon"))
}

// lineAmount is what a line says the cashback is.
func lineAmount(c Chrome, x *earnings.Change) string {
	if x.Line.Unstated {
		return c.T("money.unknown")
	}
	now := c.Amount(x.Line.Amount)
	if x.Was != nil && *x.Was != x.Line.Amount && x.Verdict == earnings.VerdictChanged {
		return c.T("imports.from_to", "From", c.Amount(*x.Was), "To", now)
	}
	return now
}

// lineState is where a line says that the money is.
func lineState(c Chrome, x *earnings.Change) string {
	now := c.T("state." + string(x.Line.State))
	if x.Before != "" && x.Before != x.Line.State {
		return c.T("imports.from_to", "From", c.T("state."+string(x.Before)), "To", now)
	}
	return now
}

// candidate is a purchase that a doubtful line may be.
func candidate(c Chrome, p earnings.Purchase) string {
	amount := ""
	if p.Amount != nil {
		amount = c.Amount(*p.Amount)
	}
	return c.T("imports.candidate", "Shop", p.Shop, "Date", dated(c, p.Bought), "Amount", amount, "State", c.T("state."+string(p.State)))
}

// column is what a guessed column is called.
func column(c Chrome, g statement.GuessedColumn) string {
	if g.Header != "" {
		return g.Header
	}
	return c.T("imports.column", "Number", strconv.Itoa(g.At))
}

func verdictMood(v earnings.Verdict) string {
	switch v {
	case earnings.VerdictDoubtful:
		return "warn"
	case earnings.VerdictNew, earnings.VerdictMet, earnings.VerdictChanged:
		return "good"
	}
	return ""
}

func importName(c Chrome, i earnings.Import) string {
	if i.Name != "" {
		return i.Name
	}
	return c.T("imports.pasted")
}

// fieldName is what a column can be.
func fieldName(c Chrome, f statement.Field) string {
	if f == statement.FieldID {
		return c.T("import_field.number") // "id" is a word of catalogues
	}
	return c.T("import_field." + string(f))
}

// typed is the pasted table as it was.
func typed(f Form) string { return f.Value("text", "") }

// samples are a column's first cells.
func samples(c Chrome, g statement.GuessedColumn) string {
	return strings.Join(g.Sample, c.T("list.semicolon"))
}

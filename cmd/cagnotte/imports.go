package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/locale"
)

// ledgerImportCmd reads what a portal tells its member into the ledger.
type ledgerImportCmd struct {
	ownerFlag
	File   string `arg:"" help:"A CSV file, a saved page, a mail (.eml), or a pasted table; - for standard input."`
	Portal string `help:"The portal whose page or mail it is." placeholder:"ID" required:""`
	Rule   string `help:"The rule to read it by: its id, or a file. Without, the one that fits best." placeholder:"ID|FILE"`
	DryRun bool   `help:"Only show what would change."`
	JSON   bool   `name:"json" help:"Print the result as JSON."`
}

// importResult is what the verb prints as JSON.
type importResult struct {
	Rule    string                   `json:"rule"`
	DryRun  bool                     `json:"dry_run"`
	Counts  map[earnings.Verdict]int `json:"counts"`
	Changes []earnings.Change        `json:"changes"`
	Refused []statement.Refusal      `json:"refused"`
	Ignored int                      `json:"ignored"`
}

func (c ledgerImportCmd) Run(w *world) (err error) {
	raw, err := readUpload(w, c.File)
	if err != nil {
		return err
	}
	d, err := statement.Open(filepath.Base(c.File), bytes.NewReader(raw), statement.DefaultLimits())
	if err != nil {
		return err
	}
	w.logTo(w.stderr, slog.LevelWarn)
	s, err := store.Open(w.ctx, c.Data, store.Options{Now: w.now, Logger: w.logger, Existing: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	u, err := c.owner(w, s.Accounts())
	if err != nil {
		return err
	}
	result, err := c.carryOut(w, s, u, d, raw)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(w.stdout).Encode(result)
	}
	return result.print(w.stdout)
}

func (c ledgerImportCmd) carryOut(w *world, s *store.Store, u account.User, d *statement.Document, raw []byte) (importResult, error) {
	options := statement.Options{Portal: c.Portal, Today: cashback.DateOf(w.now())}
	p, err := s.As(store.Operator).Portal(w.ctx, c.Portal)
	switch {
	case err == nil:
		options.Currency = p.Currency
	case cashback.KindOf(err) != cashback.NotFound:
		return importResult{}, err
	}
	ledgers := s.Ledgers()
	documents, err := ledgers.Documents(w.ctx, u.ID, statement.DocumentKind)
	if err != nil {
		return importResult{}, err
	}
	rules, err := statement.OwnRules(documents)
	if err != nil {
		return importResult{}, err
	}
	named := c.Rule
	if strings.ContainsAny(named, "./") {
		r, err := loadRule(named)
		if err != nil {
			return importResult{}, err
		}
		rules, named = append([]*statement.Rule{r}, rules...), r.ID
	}
	fit, err := statement.Pick(d, rules, named, options)
	if near, ok := statement.Nearest(d, rules, options); err != nil && named == "" && ok {
		l, none := english()
		if none != nil {
			return importResult{}, none
		}
		first := near.Reading.Refused[0]
		return importResult{}, cashback.ErrorAt(cashback.Invalid, first.Place, "the rule %s finds its columns here and can read none of %d rows: %s", near.Rule.ID, len(near.Reading.Refused), sayer(l)([]earnings.Reason{first.Reason}))
	}
	if err != nil && cashback.KindOf(err) == cashback.Invalid && named == "" {
		err = cashback.Errorf(cashback.Invalid, "%w; cagnotte ledger rules draft %s proposes a rule", err, c.File)
	}
	if err != nil {
		return importResult{}, err
	}
	ledger, err := ledgers.Ledger(w.ctx, u.ID)
	if err != nil {
		return importResult{}, err
	}
	shops, err := shopNames(w, s, c.Portal)
	if err != nil {
		return importResult{}, err
	}
	plan := earnings.Diff(ledger, fit.Reading.Lines, earnings.DiffOptions{Now: w.now(), Shops: shops})
	out := importResult{Rule: fit.Rule.ID, DryRun: c.DryRun, Counts: map[earnings.Verdict]int{}, Changes: plan.Changes, Refused: fit.Reading.Refused, Ignored: len(fit.Reading.Ignored)}
	for _, ch := range plan.Changes {
		out.Counts[ch.Verdict]++
	}
	if c.DryRun {
		return out, nil
	}
	sum := sha256.Sum256(raw)
	head := uint64(ledger.Len())
	_, err = ledgers.Enter(w.ctx, u.ID, store.Entry{
		Events: plan.Events(), After: &head,
		Import: &earnings.Import{Hash: hex.EncodeToString(sum[:]), At: w.now(), Rule: fit.Rule.ID, Name: d.Name, Lines: len(fit.Reading.Lines)},
	})
	return out, err
}

// shopNames are the names under which the portal, and the catalogue, know merchants.
func shopNames(w *world, s *store.Store, portal string) (*earnings.ShopNames, error) {
	names := &earnings.ShopNames{}
	offers, err := s.As(store.Operator).PortalOffers(w.ctx, portal)
	if err != nil && cashback.KindOf(err) != cashback.NotFound {
		return nil, err
	}
	for _, o := range offers {
		names.Add(portal, o.Entry.Name, o.Merchant)
	}
	return names, nil
}

// readUpload reads a file, or standard input, no further than an import may be long.
func readUpload(w *world, name string) ([]byte, error) {
	most := int64(statement.DefaultLimits().Bytes)
	if name != "-" {
		return readInput(name, most)
	}
	raw, err := io.ReadAll(io.LimitReader(w.stdin, most+1))
	if err != nil {
		return nil, cashback.Errorf(cashback.Invalid, "standard input can't be read: %w", err)
	}
	return raw, nil // one byte too many is told by the reader
}

// maxRule bounds the file of a rule: the longest shipped one has 3 KB.
const maxRule = 256 << 10

func loadRule(name string) (*statement.Rule, error) {
	b, err := readInput(name, maxRule)
	if err != nil {
		return nil, err
	}
	return statement.LoadRule(name, b)
}

// print tells the result to a person.
func (r importResult) print(out io.Writer) error {
	words, err := locale.Load(time.UTC)
	if err != nil {
		return err
	}
	say := sayer(words.Get("en"))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range r.Changes {
		l := c.Line
		amount := l.Amount.String()
		if l.Unstated {
			amount = "-"
		}
		before := ""
		if c.Before != "" && c.Before != l.State {
			before = string(c.Before) + " → "
		}
		if c.Was != nil && *c.Was != l.Amount && c.Verdict == earnings.VerdictChanged {
			amount = c.Was.String() + " → " + amount
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s%s\t%s\n", c.Verdict, l.Date, l.Shop, amount, before, l.State, say(c.Reasons))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, f := range r.Refused {
		fmt.Fprintf(out, "refused: %s: %s\n", f.Place, say([]earnings.Reason{f.Reason}))
	}
	done := "done"
	if r.DryRun {
		done = "nothing was written"
	}
	_, err = fmt.Fprintf(out, "rule %s: %d new, %d met, %d changed, %d unchanged, %d doubtful, %d refused; %s\n", r.Rule,
		r.Counts[earnings.VerdictNew], r.Counts[earnings.VerdictMet], r.Counts[earnings.VerdictChanged], r.Counts[earnings.VerdictUnchanged],
		r.Counts[earnings.VerdictDoubtful], len(r.Refused), done)
	return err
}

// sayer puts reasons into words.
func sayer(l *locale.Locale) func([]earnings.Reason) string {
	return func(reasons []earnings.Reason) string {
		var out []string
		for _, r := range reasons {
			out = append(out, l.Reason(r.Key, r.Values...))
		}
		return strings.Join(out, "; ")
	}
}

// ledgerRulesCmd is about the rules by which imports are read.
type ledgerRulesCmd struct {
	List  rulesListCmd  `cmd:"" help:"List the shipped rules."`
	Check rulesCheckCmd `cmd:"" help:"Check a rule, with line and column of what is wrong, and read its examples."`
	Draft rulesDraftCmd `cmd:"" help:"Propose a rule for a table that none reads."`
	Show  rulesShowCmd  `cmd:"" help:"Print a shipped rule, to start from."`
}

type rulesListCmd struct{}

func (rulesListCmd) Run(w *world) error {
	rules, err := statement.Shipped()
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "rule\tportals\tlanguage\tname")
	for _, r := range rules {
		portals := strings.Join(r.Portals, " ")
		if portals == "" {
			portals = "any"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.ID, portals, r.Language, r.Name)
	}
	return t.Flush()
}

type rulesShowCmd struct {
	Rule string `arg:"" help:"The rule's id."`
}

func (c rulesShowCmd) Run(w *world) error {
	rules, err := statement.Shipped()
	if err != nil {
		return err
	}
	for _, r := range rules {
		if r.ID != c.Rule {
			continue
		}
		b, err := r.YAML()
		if err == nil {
			_, err = w.stdout.Write(b)
		}
		return err
	}
	return cashback.Errorf(cashback.NotFound, "there is no shipped rule %q", c.Rule)
}

type rulesCheckCmd struct {
	Files []string `arg:"" help:"The rules' files." type:"existingfile"`
}

func (c rulesCheckCmd) Run(w *world) error {
	var all []error
	for _, f := range c.Files {
		r, err := loadRule(f)
		if err != nil {
			all = append(all, err)
			continue
		}
		if faults := r.Check(); len(faults) > 0 {
			all = append(all, faults...)
			continue
		}
		fmt.Fprintf(w.stdout, "%s: %s reads its %d examples\n", f, r.ID, len(r.Examples))
	}
	return errors.Join(all...)
}

type rulesDraftCmd struct {
	File   string `arg:"" help:"The table; - for standard input."`
	ID     string `help:"The rule's id." default:"my-rule"`
	Portal string `help:"The portal whose table it is." placeholder:"ID"`
}

func (c rulesDraftCmd) Run(w *world) error {
	raw, err := readUpload(w, c.File)
	if err != nil {
		return err
	}
	d, err := statement.Open(filepath.Base(c.File), bytes.NewReader(raw), statement.DefaultLimits())
	if err != nil {
		return err
	}
	rules, err := statement.Shipped()
	if err != nil {
		return err
	}
	g, ok := d.Guess(rules, statement.Options{Portal: c.Portal})
	if !ok {
		return cashback.Errorf(cashback.Invalid, "there is no table in %s", c.File)
	}
	words, err := locale.Load(time.UTC)
	if err != nil {
		return err
	}
	say := sayer(words.Get("en"))
	for _, col := range g.Columns {
		field := col.Field
		if field == "" {
			field = "left out"
		}
		fmt.Fprintf(w.stderr, "column %d, %q: %s, %s\n", col.At, col.Header, field, say([]earnings.Reason{col.Reason}))
	}
	for _, doubt := range g.Doubts {
		fmt.Fprintf(w.stderr, "look: %s\n", say([]earnings.Reason{doubt}))
	}
	for _, word := range g.Words {
		if word.State == "" {
			fmt.Fprintf(w.stderr, "look: what does %q mean here? Its rows are refused until the rule says so.\n", word.Text)
		}
	}
	r, err := g.Draft(c.ID, c.ID, c.Portal)
	if err != nil {
		return err
	}
	b, err := r.YAML()
	if err == nil {
		_, err = w.stdout.Write(b)
	}
	return err
}

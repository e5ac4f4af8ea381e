package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

type portalsFactsCmd struct {
	dataFlag
	Portal string `arg:"" help:"The portal's id."`
	JSON   bool   `name:"json" help:"Print the facts as JSON."`
}

// factLine is a fact as `portals facts --json` prints it.
type factLine struct {
	Fact  string `json:"fact"`
	Value string `json:"value,omitempty"`
	// From is definition, operator or learnt; empty for what isn't known.
	From string `json:"from,omitempty"`
	cashback.Origin
}

// Run prints every fact, known or not: silence is shown as what it is.
func (c portalsFactsCmd) Run(w *world) error {
	return c.withHouse(w, func(h *house) error {
		p, err := h.operator().Portal(w.ctx, c.Portal)
		if err != nil {
			return err
		}
		var lines []factLine
		for _, name := range cashback.FactNames() {
			line := factLine{Fact: name}
			if value, origin, known := p.Facts.Fact(name); known {
				line.Value, line.Origin, line.From = value, origin, "definition"
				if origin.Learnt > 0 {
					line.From = "learnt"
				}
				if _, _, own := p.Edits.Fact(name); own {
					line.From = "operator"
				}
			}
			lines = append(lines, line)
		}
		if c.JSON {
			out := json.NewEncoder(w.stdout)
			out.SetEscapeHTML(false)
			for _, line := range lines {
				if err := out.Encode(line); err != nil {
					return err
				}
			}
			return nil
		}
		t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "FACT\tVALUE\tFROM\tAS OF\tSOURCE\t")
		for _, l := range lines {
			from := l.From
			if l.Learnt > 0 {
				from = fmt.Sprintf("%s, %d observations", from, l.Learnt)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\n", l.Fact, cmp.Or(l.Value, "not known"), from, l.AsOf, l.Source)
		}
		return t.Flush()
	})
}

type portalsSetCmd struct {
	dataFlag
	Portal   string `arg:"" help:"The portal's id."`
	Fact     string `arg:"" help:"The fact, such as validation_days; portals facts lists them."`
	Value    string `arg:"" optional:"" help:"Its value, as portals facts prints it; nothing gives the word back to the definition."`
	Source   string `help:"Where it was read." placeholder:"URL"`
	AsOf     string `help:"When it was read; today unless given." placeholder:"DATE"`
	Observed int    `help:"How many outcomes it was observed from; confirm_rate and up_to_share need it." placeholder:"N"`
	Note     string `help:"Why, for the history."`
}

// Run states the fact.
func (c portalsSetCmd) Run(w *world) error {
	origin := cashback.Origin{Source: c.Source, AsOf: cmp.Or(c.AsOf, cashback.DateOf(w.now()).String()), Learnt: c.Observed}
	if c.AsOf != "" {
		if _, err := cashback.ParseDate(c.AsOf); err != nil {
			return err
		}
	}
	if c.Observed < 0 {
		return cashback.Errorf(cashback.Invalid, "--observed: %d is not a number of outcomes", c.Observed)
	}
	if c.Value != "" && c.Source == "" && c.Observed == 0 {
		return cashback.Errorf(cashback.Invalid, "say where it was read: --source https://…")
	}
	return c.withHouse(w, func(h *house) error {
		if err := h.store.SetFact(w.ctx, c.Portal, c.Fact, c.Value, origin, "operator", c.Note); err != nil {
			return err
		}
		p, err := h.operator().Portal(w.ctx, c.Portal)
		if err != nil {
			return err
		}
		value, _, known := p.Facts.Fact(c.Fact)
		if !known {
			value = "not known"
		}
		_, err = fmt.Fprintf(w.stdout, "%s: %s is %s\n", c.Portal, c.Fact, value)
		return err
	})
}

type portalsHistoryCmd struct {
	dataFlag
	Portal string `arg:"" help:"The portal's id."`
	Limit  int    `help:"The most changes." default:"50"`
}

// Run prints the changes, newest first.
func (c portalsHistoryCmd) Run(w *world) error {
	if c.Limit < 1 {
		return cashback.Errorf(cashback.Invalid, "--limit: %d is not a number of changes", c.Limit)
	}
	return c.withHouse(w, func(h *house) error {
		changes, err := h.operator().FactsHistory(w.ctx, c.Portal, c.Limit)
		if err != nil {
			return err
		}
		for _, ch := range changes {
			note := ""
			if ch.Note != "" {
				note = ": " + ch.Note
			}
			fmt.Fprintf(w.stdout, "%s by %s%s\n", ch.At.Local().Format("2006-01-02 15:04"), ch.By, note)
			if err := tellFacts(w.stdout, ch.Before, ch.After); err != nil {
				return err
			}
		}
		if len(changes) == 0 {
			_, err = fmt.Fprintln(w.stdout, "nothing has changed since the portal was first defined")
		}
		return err
	})
}

// tellFacts prints the facts that differ.
func tellFacts(out io.Writer, before, after cashback.Facts) error {
	var lines []string
	for _, name := range cashback.FactNames() {
		was, from, _ := before.Fact(name)
		is, now, _ := after.Fact(name)
		if was == is && from == now {
			continue
		}
		line := fmt.Sprintf("  %s: %s → %s", name, cmp.Or(was, "not known"), cmp.Or(is, "not known"))
		if now.Source != "" {
			line += " (" + strings.TrimSpace(now.Source+" "+now.AsOf) + ")"
		}
		lines = append(lines, line)
	}
	if before.Notes != after.Notes {
		lines = append(lines, "  notes: "+after.Notes)
	}
	slices.Sort(lines)
	_, err := fmt.Fprint(out, strings.Join(append(lines, ""), "\n"))
	return err
}

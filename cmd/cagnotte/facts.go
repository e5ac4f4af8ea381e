package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/view"
)

type portalsFactsCmd struct {
	deskFlags
	Portal string `arg:"" help:"The portal's id."`
}

// Run prints every fact, known or not: silence is shown as what it is.
func (c portalsFactsCmd) Run(w *world) error {
	return c.atDesk(w, func(a *asker) error {
		var facts view.List[view.DeskFact]
		if err := a.get(w.ctx, "ops/portals/"+url.PathEscape(c.Portal)+"/facts", nil, &facts); err != nil {
			return err
		}
		if c.JSON {
			return printLines(w, facts.Items)
		}
		t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "FACT\tVALUE\tFROM\tAS OF\tSOURCE\t")
		for _, f := range facts.Items {
			from := f.From
			if f.Learnt > 0 {
				from = fmt.Sprintf("%s, %d observations", from, f.Learnt)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\n", f.Fact, cmp.Or(f.Value, "not known"), from, f.AsOf, f.Source)
		}
		return t.Flush()
	})
}

// printLines prints a JSON object a line.
func printLines[T any](w *world, items []T) error {
	out := json.NewEncoder(w.stdout)
	out.SetEscapeHTML(false)
	for _, it := range items {
		if err := out.Encode(it); err != nil {
			return err
		}
	}
	return nil
}

type portalsSetCmd struct {
	deskFlags
	Portal   string `arg:"" help:"The portal's id."`
	Fact     string `arg:"" help:"The fact, such as validation_days; portals facts lists them."`
	Value    string `arg:"" optional:"" help:"Its value, as portals facts prints it; nothing gives the word back to the definition."`
	Source   string `help:"Where it was read." placeholder:"URL"`
	AsOf     string `help:"When it was read; today unless given." placeholder:"DATE"`
	Observed int    `help:"How many outcomes it was observed from; confirm_rate and up_to_share need it." placeholder:"N"`
	Note     string `help:"Why, for the history." placeholder:"TEXT"`
}

// Run states the fact.
func (c portalsSetCmd) Run(w *world) error {
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
	return c.atDesk(w, func(a *asker) error {
		body := map[string]any{"fact": c.Fact, "value": c.Value, "source": c.Source, "as_of": c.AsOf, "observed": c.Observed, "reason": c.Note}
		var facts view.List[view.DeskFact]
		if err := a.post(w.ctx, "ops/portals/"+url.PathEscape(c.Portal)+"/facts", body, &facts); err != nil {
			return err
		}
		for _, f := range facts.Items {
			if f.Fact != c.Fact {
				continue
			}
			if c.JSON {
				return printLines(w, []view.DeskFact{f})
			}
			_, err := fmt.Fprintf(w.stdout, "%s: %s is %s\n", c.Portal, c.Fact, cmp.Or(f.Value, "not known"))
			return err
		}
		return nil
	})
}

type portalsHistoryCmd struct {
	deskFlags
	Portal string `arg:"" help:"The portal's id."`
	Limit  int    `help:"The most changes." default:"50"`
}

// Run prints the changes, newest first.
func (c portalsHistoryCmd) Run(w *world) error {
	if c.Limit < 1 {
		return cashback.Errorf(cashback.Invalid, "--limit: %d is not a number of changes", c.Limit)
	}
	return c.atDesk(w, func(a *asker) error {
		var changes view.List[view.FactsChange]
		if err := a.get(w.ctx, "ops/portals/"+url.PathEscape(c.Portal)+"/facts/history", url.Values{"limit": {fmt.Sprint(min(c.Limit, 1000))}}, &changes); err != nil {
			return err
		}
		if c.JSON {
			return printLines(w, changes.Items)
		}
		for _, ch := range changes.Items {
			note := ""
			if ch.Reason != "" {
				note = ": " + ch.Reason
			}
			fmt.Fprintf(w.stdout, "%s by %s%s\n", ch.At.Local().Format("2006-01-02 15:04"), ch.By, note)
			for _, f := range ch.Facts {
				line := fmt.Sprintf("  %s: %s → %s", f.Fact, cmp.Or(f.Before, "not known"), cmp.Or(f.After, "not known"))
				if f.Source != "" {
					line += " (" + strings.TrimSpace(f.Source+" "+f.AsOf) + ")"
				}
				fmt.Fprintln(w.stdout, line)
			}
		}
		if len(changes.Items) == 0 {
			_, err := fmt.Fprintln(w.stdout, "nothing has changed since the portal was first defined")
			return err
		}
		return nil
	})
}

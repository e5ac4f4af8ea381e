package main

import (
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/view"
)

type ratesCmd struct {
	Show   ratesShowCmd   `cmd:"" help:"The exchange and VAT rates that rankings use, and of when."`
	Set    ratesSetCmd    `cmd:"" help:"Use the European Central Bank's daily file (eurofxref-daily.xml)."`
	SetVAT ratesSetVATCmd `cmd:"" name:"set-vat" help:"Use a table of VAT rates: lines such as FR 20 2014-01-01, and one: as of 2026-01-01."`
}

// setTable hands a file to whoever has the data folder open, and tells what is stored then.
func (c deskFlags) setTable(w *world, name, table string, tell func(view.References) error) error {
	file, err := readInput(name, rank.MaxReferenceBytes)
	if err != nil {
		return err
	}
	return c.atDesk(w, func(a *asker) error {
		var ref view.References
		if err := a.post(w.ctx, "ops/references/"+table, map[string]any{"file": string(file)}, &ref); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(w, ref)
		}
		if err := tell(ref); err != nil {
			return err
		}
		if a.local == nil {
			_, err = fmt.Fprintln(w.stdout, "The running server uses them from its next start.")
		}
		return err
	})
}

type ratesSetCmd struct {
	deskFlags
	File string `arg:"" help:"The file."`
}

// Run replaces the exchange rates; a server takes them when it starts.
func (c ratesSetCmd) Run(w *world) error {
	return c.setTable(w, c.File, "rates", func(ref view.References) error {
		if ref.Rates.Set.IsZero() {
			_, err := fmt.Fprintf(w.stdout, "They are older than those of %s that come with the program, which count.\n", ref.Rates.AsOf)
			return err
		}
		_, err := fmt.Fprintf(w.stdout, "%d exchange rates of %s: %s\n", len(ref.Rates.PerEuro), ref.Rates.AsOf, ref.Rates.Source)
		return err
	})
}

type ratesSetVATCmd struct {
	deskFlags
	File string `arg:"" help:"The file."`
}

// Run replaces the table of VAT rates; a server takes it when it starts.
func (c ratesSetVATCmd) Run(w *world) error {
	return c.setTable(w, c.File, "vat", func(ref view.References) error {
		_, err := fmt.Fprintf(w.stdout, "VAT rates of %d countries as of %s\n", len(ref.VAT.Countries), ref.VAT.AsOf)
		return err
	})
}

type ratesShowCmd struct{ deskFlags }

// Run prints both tables.
func (c ratesShowCmd) Run(w *world) error {
	return c.atDesk(w, func(a *asker) error {
		var ref view.References
		if err := a.get(w.ctx, "ops/references", nil, &ref); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(w, ref)
		}
		fmt.Fprintf(w.stdout, "One euro, %s, %s (%s)\n", ref.Rates.Source, ref.Rates.AsOf, since(ref.Rates.Set))
		t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, code := range slices.Sorted(maps.Keys(ref.Rates.PerEuro)) {
			fmt.Fprintf(t, "%s\t%s\t\n", ref.Rates.PerEuro[code], code)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		fmt.Fprintf(w.stdout, "\nStandard VAT, table of %s (%s)\n", ref.VAT.AsOf, since(ref.VAT.Set))
		for _, v := range ref.VAT.Countries {
			percent, err := v.Rate.Mul(decimal.Hundred)
			if err != nil {
				return err
			}
			fmt.Fprintf(t, "%s\t%s %%\tsince %s\t\n", v.Country, percent.Trim(0), v.Since)
		}
		return t.Flush()
	})
}

// since says whose table it is.
func since(set time.Time) string {
	if set.IsZero() {
		return "came with the program"
	}
	return "set on " + set.Format("2006-01-02 15:04")
}

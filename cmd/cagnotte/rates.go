package main

import (
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
)

type ratesCmd struct {
	Show   ratesShowCmd   `cmd:"" help:"The exchange and VAT rates that rankings use, and of when."`
	Set    ratesSetCmd    `cmd:"" help:"Use the European Central Bank's daily file (eurofxref-daily.xml)."`
	SetVAT ratesSetVATCmd `cmd:"" name:"set-vat" help:"Use a table of VAT rates: lines such as FR 20 2014-01-01, and one: as of 2026-01-01."`
}

type ratesSetCmd struct {
	dataFlag
	File string `arg:"" help:"The file."`
}

// Run replaces the exchange rates; a server takes them when it starts.
func (c ratesSetCmd) Run(w *world) error {
	file, err := readInput(c.File, rank.MaxReferenceBytes)
	if err != nil {
		return err
	}
	return c.withHouse(w, func(h *house) error {
		r, err := h.store.SaveRates(w.ctx, file, "operator")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.stdout, "%d exchange rates of %s: %s\n", len(r.PerEuro), r.AsOf, r.Source)
		if shipped := rank.ShippedRates().AsOf; err == nil && r.AsOf < shipped {
			_, err = fmt.Fprintf(w.stdout, "They are older than those of %s that come with the program, which count.\n", shipped)
		}
		return err
	})
}

type ratesSetVATCmd struct {
	dataFlag
	File string `arg:"" help:"The file."`
}

// Run replaces the table of VAT rates; a server takes it when it starts.
func (c ratesSetVATCmd) Run(w *world) error {
	file, err := readInput(c.File, rank.MaxReferenceBytes)
	if err != nil {
		return err
	}
	return c.withHouse(w, func(h *house) error {
		v, err := h.store.SaveVAT(w.ctx, file, "operator")
		if err == nil {
			_, err = fmt.Fprintf(w.stdout, "VAT rates of %d countries as of %s\n", len(v.Countries()), v.AsOf)
		}
		return err
	})
}

type ratesShowCmd struct {
	dataFlag
}

// Run prints both tables.
func (c ratesShowCmd) Run(w *world) error {
	return c.withHouse(w, func(h *house) error {
		ref, err := h.store.References(w.ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(w.stdout, "One euro, %s, %s (%s)\n", ref.Rates.Source, ref.Rates.AsOf, since(ref.RatesSet))
		t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, code := range slices.Sorted(maps.Keys(ref.Rates.PerEuro)) {
			fmt.Fprintf(t, "%s\t%s\t\n", ref.Rates.PerEuro[code], code)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		fmt.Fprintf(w.stdout, "\nStandard VAT, table of %s (%s)\n", ref.VAT.AsOf, since(ref.VATSet))
		today := cashback.DateOf(w.now())
		for _, country := range ref.VAT.Countries() {
			if v, ok := ref.VAT.On(country, today); ok {
				percent, err := v.Rate.Mul(decimal.Hundred)
				if err != nil {
					return err
				}
				fmt.Fprintf(t, "%s\t%s %%\tsince %s\t\n", country, percent.Trim(0), v.Since)
			}
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

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
)

// The verbs of this file open the data folder themselves: while a server has it, they
// say who holds it (exit status 73), and the operator's desk there does the same.

// correct carries out an operator's correction: in the catalogue and in the store, or
// in neither.
func (h *house) correct(ctx context.Context, ev merchant.Event) (merchant.Event, merchant.Plan, error) {
	merchants, done, err := h.merchants.Open(ctx)
	if err != nil {
		return ev, merchant.Plan{}, err
	}
	defer done()
	for _, e := range merchants.Events() {
		ev.Number = max(ev.Number, e.Number)
	}
	ev.Number++
	ev.At = h.now().UTC()
	ev, plan, err := merchants.Apply(ev)
	if err != nil {
		return ev, plan, err
	}
	if err := h.store.SaveMerchantEvent(ctx, ev, plan); err != nil {
		merchants.Revert(plan)
		return ev, plan, err
	}
	return ev, plan, nil
}

// merchant finds a merchant by its number or its slug.
func (h *house) merchant(ctx context.Context, s string) (cashback.Merchant, error) {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		m, err := h.operator().Merchant(ctx, cashback.MerchantID(n))
		if cashback.KindOf(err) == cashback.NotFound {
			return m, cashback.Errorf(cashback.NotFound, "there is no merchant %d", n)
		}
		return m, err
	}
	m, err := h.operator().MerchantBySlug(ctx, s)
	if cashback.KindOf(err) == cashback.NotFound {
		return m, cashback.Errorf(cashback.NotFound, "there is no merchant %q: name it by its number or by the last part of its page's address", s)
	}
	return m, err
}

// withHouse opens the data folder for a verb about merchants.
func (f dataFlag) withHouse(w *world, do func(h *house) error) (err error) {
	h, err := openHouse(w.ctx, w, f.Data, houseOptions{existing: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return do(h)
}

// correction is what every correcting verb takes.
type correction struct {
	dataFlag
	By   string `help:"Who corrects, for the record." default:"operator" placeholder:"NAME"`
	Note string `help:"Why, for the record." placeholder:"TEXT"`
}

// apply carries out an event and says what came of it.
func (c correction) apply(w *world, prepare func(h *house, ev *merchant.Event) error) error {
	return c.withHouse(w, func(h *house) error {
		ev := merchant.Event{By: c.By, Note: c.Note}
		if err := prepare(h, &ev); err != nil {
			return err
		}
		ev, plan, err := h.correct(w.ctx, ev)
		if err != nil {
			return err
		}
		out := &strings.Builder{}
		fmt.Fprintf(out, "correction %d: %s\n", ev.Number, ev.Kind)
		for _, m := range slices.Concat(plan.New, plan.Changed) {
			fmt.Fprintf(out, "  %s\n", describe(m))
		}
		for _, id := range slices.Sorted(mapKeys(plan.Redirects)) {
			fmt.Fprintf(out, "  %d leads to %d now\n", id, plan.Redirects[id])
		}
		if n := len(plan.Moved); n > 0 {
			fmt.Fprintf(out, "  %d entries moved\n", n)
		}
		fmt.Fprintf(out, "to take it back: cagnotte merchants undo %d\n", ev.Number)
		_, err = fmt.Fprint(w.stdout, out)
		return err
	})
}

func mapKeys[V any](m map[cashback.MerchantID]V) func(func(cashback.MerchantID) bool) {
	return func(yield func(cashback.MerchantID) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// describe names a merchant in one line.
func describe(m cashback.Merchant) string {
	country := string(m.Country)
	if m.Country == merchant.Global {
		country = "every country"
	}
	return fmt.Sprintf("%d %s (%s) /%s", m.ID, m.Name, country, m.Slug)
}

type merchantsMergeCmd struct {
	correction
	Merchant string `arg:"" help:"Number or slug of the one merchant."`
	Other    string `arg:"" help:"Number or slug of the other."`
}

// Run says that two merchants are one shop.
func (c merchantsMergeCmd) Run(w *world) error { return c.pair(w, merchant.Merge, c.Merchant, c.Other) }

type merchantsApartCmd struct {
	correction
	Merchant string `arg:"" help:"Number or slug of the one merchant."`
	Other    string `arg:"" help:"Number or slug of the other."`
}

// Run says that two merchants are two shops.
func (c merchantsApartCmd) Run(w *world) error { return c.pair(w, merchant.Apart, c.Merchant, c.Other) }

func (c correction) pair(w *world, kind merchant.EventKind, a, b string) error {
	return c.apply(w, func(h *house, ev *merchant.Event) error {
		one, err := h.merchant(w.ctx, a)
		if err != nil {
			return err
		}
		other, err := h.merchant(w.ctx, b)
		if err != nil {
			return err
		}
		ev.Kind, ev.Merchant, ev.Other = kind, one.ID, other.ID
		return nil
	})
}

type merchantsSplitCmd struct {
	correction
	Merchant string   `arg:"" help:"Number or slug of the merchant."`
	Entries  []string `arg:"" help:"The entries to take out, as merchants show lists them: PORTAL:KEY." placeholder:"PORTAL:KEY"`
}

// Run takes entries out of a merchant.
func (c merchantsSplitCmd) Run(w *world) error {
	return c.apply(w, func(h *house, ev *merchant.Event) error {
		m, err := h.merchant(w.ctx, c.Merchant)
		if err != nil {
			return err
		}
		ev.Kind, ev.Merchant = merchant.Split, m.ID
		for _, s := range c.Entries {
			portal, key, ok := strings.Cut(s, ":")
			if !ok || portal == "" || key == "" {
				return cashback.Errorf(cashback.Invalid, "%.80q is no entry: write PORTAL:KEY as merchants show does", s)
			}
			ev.Entries = append(ev.Entries, merchant.Ref{Portal: portal, Key: key})
		}
		return nil
	})
}

type merchantsRenameCmd struct {
	correction
	Merchant string `arg:"" help:"Number or slug of the merchant."`
	Name     string `arg:"" help:"Its name."`
}

// Run gives a merchant a name.
func (c merchantsRenameCmd) Run(w *world) error {
	return c.apply(w, func(h *house, ev *merchant.Event) error {
		m, err := h.merchant(w.ctx, c.Merchant)
		if err != nil {
			return err
		}
		ev.Kind, ev.Merchant, ev.Name = merchant.Rename, m.ID, c.Name
		return nil
	})
}

type merchantsUndoCmd struct {
	correction
	Number uint64 `arg:"" help:"Number of the correction, as merchants history lists it."`
}

// Run takes a correction back.
func (c merchantsUndoCmd) Run(w *world) error {
	return c.apply(w, func(_ *house, ev *merchant.Event) error {
		ev.Kind, ev.Undoes = merchant.Undo, c.Number
		return nil
	})
}

type merchantsHistoryCmd struct {
	dataFlag
	JSON bool `name:"json" help:"Print a JSON object a line."`
}

// Run lists the corrections.
func (c merchantsHistoryCmd) Run(w *world) error {
	return c.withHouse(w, func(h *house) error {
		events, err := h.store.Corrections(w.ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			enc := json.NewEncoder(w.stdout)
			for _, ev := range events {
				if err := enc.Encode(ev); err != nil {
					return fmt.Errorf("write the corrections: %w", err)
				}
			}
			return nil
		}
		out := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
		for _, ev := range events {
			var what string
			switch ev.Kind {
			case merchant.Merge, merchant.Apart:
				what = fmt.Sprintf("%d and %d", ev.Merchant, ev.Other)
			case merchant.Split:
				what = fmt.Sprintf("%d entries out of %d", len(ev.Entries), ev.Merchant)
			case merchant.Rename:
				what = fmt.Sprintf("%d to %q", ev.Merchant, ev.Name)
			case merchant.Undo:
				what = fmt.Sprintf("correction %d", ev.Undoes)
			}
			fmt.Fprintf(out, "%d\t%s\t%s\t%s\t%s\t%s\n", ev.Number, ev.At.Format("2006-01-02 15:04"), ev.By, ev.Kind, what, ev.Note)
		}
		return out.Flush()
	})
}

type merchantsShowCmd struct {
	dataFlag
	Merchant string `arg:"" help:"Number or slug of the merchant."`
}

// Run shows a merchant's entries and why each is there.
func (c merchantsShowCmd) Run(w *world) error {
	return c.withHouse(w, func(h *house) error {
		m, err := h.merchant(w.ctx, c.Merchant)
		if err != nil {
			return err
		}
		merchants, done, err := h.merchants.Open(w.ctx)
		if err != nil {
			return err
		}
		defer done()
		out := &strings.Builder{}
		fmt.Fprintln(out, describe(m))
		for _, ref := range merchants.Members(m.ID) {
			fmt.Fprintf(out, "%s:%s\n", ref.Portal, ref.Key)
			for _, why := range merchants.Reasons(ref) {
				fmt.Fprintf(out, "  %s\n", why)
			}
		}
		_, err = fmt.Fprint(w.stdout, out)
		return err
	})
}

type merchantsReviewCmd struct {
	dataFlag
	Limit int  `help:"How many to list; 0 lists all." default:"50"`
	JSON  bool `name:"json" help:"Print a JSON object a line."`
}

// Run lists what is doubtful, the most doubtful first.
func (c merchantsReviewCmd) Run(w *world) error {
	return c.withHouse(w, func(h *house) error {
		reviews, err := h.store.Reviews(w.ctx)
		if err != nil {
			return err
		}
		slices.SortStableFunc(reviews, func(a, b merchant.Review) int {
			if a.Confidence != b.Confidence {
				if a.Confidence < b.Confidence {
					return -1
				}
				return 1
			}
			return 0
		})
		all := len(reviews)
		if c.Limit > 0 && all > c.Limit {
			reviews = reviews[:c.Limit]
		}
		if c.JSON {
			enc := json.NewEncoder(w.stdout)
			enc.SetEscapeHTML(false)
			for _, r := range reviews {
				if err := enc.Encode(r); err != nil {
					return fmt.Errorf("write the review: %w", err)
				}
			}
			return nil
		}
		out := &strings.Builder{}
		for _, r := range reviews {
			var m cashback.Merchant
			if r.Merchant != 0 {
				if m, err = h.operator().Merchant(w.ctx, r.Merchant); err != nil {
					return err
				}
			}
			fmt.Fprintf(out, "%q at %s (%s:%s), confidence %.2f\n", r.Name, r.Ref.Portal, r.Ref.Portal, r.Ref.Key, r.Confidence)
			if m.ID != 0 {
				fmt.Fprintf(out, "  belongs to %s\n", describe(m))
			}
			fmt.Fprintf(out, "  %s\n", strings.Join(r.Reasons, "; "))
			for _, x := range r.Candidates {
				fmt.Fprintf(out, "  or to %d %s (%.2f)? %s\n", x.Merchant, x.Name, x.Confidence, strings.Join(x.Reasons, "; "))
			}
		}
		fmt.Fprintf(out, "%d of %d; merge, apart and split settle one for good\n", len(reviews), all)
		_, err = fmt.Fprint(w.stdout, out)
		return err
	})
}

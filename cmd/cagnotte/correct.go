package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/web/view"
)

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

// correction is what every correcting verb takes.
type correction struct {
	deskFlags
	By   string `help:"Who corrects, for the record; this machine unless given." placeholder:"NAME"`
	Note string `help:"Why, for the record." placeholder:"TEXT"`
}

// tell carries out a correction and says what came of it.
func (c correction) tell(w *world, kind merchant.EventKind, body map[string]any) error {
	body["by"], body["reason"] = c.By, c.Note
	return c.atDesk(w, func(a *asker) error {
		var done view.Correction
		if err := a.post(w.ctx, "ops/merchants/"+string(kind), body, &done); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(w, done)
		}
		out := &strings.Builder{}
		fmt.Fprintf(out, "correction %d: %s\n", done.Number, done.Kind)
		for _, m := range done.Shops {
			fmt.Fprintf(out, "  %s\n", describe(m))
		}
		for _, r := range done.Redirects {
			fmt.Fprintf(out, "  %d leads to %d now\n", r.From, r.To)
		}
		if done.Moved > 0 {
			fmt.Fprintf(out, "  %d entries moved\n", done.Moved)
		}
		fmt.Fprintf(out, "to take it back: cagnotte merchants undo %d\n", done.Number)
		_, err := fmt.Fprint(w.stdout, out)
		return err
	})
}

// describe names a merchant in one line.
func describe(m view.ShopName) string {
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
func (c merchantsMergeCmd) Run(w *world) error {
	return c.tell(w, merchant.Merge, map[string]any{"merchant": c.Merchant, "other": c.Other})
}

type merchantsApartCmd struct {
	correction
	Merchant string `arg:"" help:"Number or slug of the one merchant."`
	Other    string `arg:"" help:"Number or slug of the other."`
}

// Run says that two merchants are two shops.
func (c merchantsApartCmd) Run(w *world) error {
	return c.tell(w, merchant.Apart, map[string]any{"merchant": c.Merchant, "other": c.Other})
}

type merchantsSplitCmd struct {
	correction
	Merchant string   `arg:"" help:"Number or slug of the merchant."`
	Entries  []string `arg:"" help:"The entries to take out, as merchants show lists them: PORTAL:KEY." placeholder:"PORTAL:KEY"`
}

// Run takes entries out of a merchant.
func (c merchantsSplitCmd) Run(w *world) error {
	return c.tell(w, merchant.Split, map[string]any{"merchant": c.Merchant, "entries": c.Entries})
}

type merchantsRenameCmd struct {
	correction
	Merchant string `arg:"" help:"Number or slug of the merchant."`
	Name     string `arg:"" help:"Its name."`
}

// Run gives a merchant a name.
func (c merchantsRenameCmd) Run(w *world) error {
	return c.tell(w, merchant.Rename, map[string]any{"merchant": c.Merchant, "name": c.Name})
}

type merchantsUndoCmd struct {
	correction
	Number uint64 `arg:"" help:"Number of the correction, as merchants history lists it."`
}

// Run takes a correction back.
func (c merchantsUndoCmd) Run(w *world) error {
	return c.tell(w, merchant.Undo, map[string]any{"correction": c.Number})
}

type merchantsHistoryCmd struct{ deskFlags }

// Run lists the corrections.
func (c merchantsHistoryCmd) Run(w *world) error {
	return c.atDesk(w, func(a *asker) error {
		var events view.List[merchant.Event]
		if err := a.get(w.ctx, "ops/merchants/corrections", nil, &events); err != nil {
			return err
		}
		if c.JSON {
			return printLines(w, events.Items)
		}
		out := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
		for _, ev := range events.Items {
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
	deskFlags
	Merchant string `arg:"" help:"Number or slug of the merchant."`
}

// Run shows a merchant's entries and why each is there.
func (c merchantsShowCmd) Run(w *world) error {
	return c.atDesk(w, func(a *asker) error {
		var m view.DeskMerchant
		if err := a.get(w.ctx, "ops/merchants/"+url.PathEscape(c.Merchant), nil, &m); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(w, m)
		}
		out := &strings.Builder{}
		fmt.Fprintln(out, describe(m.ShopName))
		for _, e := range m.Entries {
			fmt.Fprintf(out, "%s:%s\n", e.Portal, e.Key)
			for _, why := range e.Reasons {
				fmt.Fprintf(out, "  %s\n", why)
			}
		}
		_, err := fmt.Fprint(w.stdout, out)
		return err
	})
}

type merchantsReviewCmd struct {
	deskFlags
	Limit int `help:"How many to list; 0 lists all." default:"50"`
}

// mostReviews is what the API lists at most.
const mostReviews = 100_000

// Run lists what is doubtful, the most doubtful first.
func (c merchantsReviewCmd) Run(w *world) error {
	if c.Limit < 0 {
		return cashback.Errorf(cashback.Invalid, "--limit: %d is not a number of entries", c.Limit)
	}
	limit := min(c.Limit, mostReviews)
	if limit == 0 {
		limit = mostReviews
	}
	return c.atDesk(w, func(a *asker) error {
		var reviews view.Reviews
		if err := a.get(w.ctx, "ops/merchants/review", url.Values{"limit": {fmt.Sprint(limit)}}, &reviews); err != nil {
			return err
		}
		if c.JSON {
			return printLines(w, reviews.Items)
		}
		out := &strings.Builder{}
		for _, r := range reviews.Items {
			fmt.Fprintf(out, "%q at %s (%s:%s), confidence %.2f\n", r.Name, r.Ref.Portal, r.Ref.Portal, r.Ref.Key, r.Confidence)
			if r.Shop != nil {
				fmt.Fprintf(out, "  belongs to %s\n", describe(*r.Shop))
			}
			fmt.Fprintf(out, "  %s\n", strings.Join(r.Reasons, "; "))
			for _, x := range r.Candidates {
				fmt.Fprintf(out, "  or to %d %s (%.2f)? %s\n", x.Merchant, x.Name, x.Confidence, strings.Join(x.Reasons, "; "))
			}
		}
		fmt.Fprintf(out, "%d of %d; merge, apart and split settle one for good\n", len(reviews.Items), reviews.Total)
		_, err := fmt.Fprint(w.stdout, out)
		return err
	})
}

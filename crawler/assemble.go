package crawler

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/crawler/gate"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// placed is a draft with its place in the order of reading: the gate looks at
// neighbours on a page.
type placed struct {
	draft
	page, row int
}

// assemble joins the staged pages to one snapshot: each shop once, what its own page
// says beside what its list says.
func (w *walker) assemble(ctx context.Context, live []cashback.Offer) (offers []cashback.Offer, pairs []cashback.ListDetail, err error) {
	lists, details := map[string]placed{}, map[string]placed{}
	twice := 0
	for p, err := range w.crawler.Stages.StagedPages(ctx, w.def.ID()) {
		if err != nil {
			return nil, nil, err
		}
		r, err := decodeReading(p.Value)
		if err != nil {
			return nil, nil, err
		}
		r.receipts(&w.run)
		for row, d := range r.Offers {
			into := lists
			key := d.Offer.Entry.Key
			if r.Detail {
				into = details
				key = cmp.Or(d.Key, key)
				d.Offer.Entry.Key = key
			}
			at := placed{d, r.Number, row}
			old, ok := into[key]
			switch {
			case !ok:
				if len(lists)+len(details) < 2*w.crawler.Limits.Items {
					into[key] = at
				}
			case old.better(at):
				twice += differ(old, at)
			default:
				twice += differ(old, at)
				into[key] = at
			}
		}
	}
	if twice > 0 {
		w.note(fmt.Sprintf("%d shops are listed twice with different rates; the first that pays was taken", twice))
	}
	known := make(map[string]*cashback.Offer, len(live))
	for i := range live {
		known[live[i].Entry.Key] = &live[i]
	}
	rows := make([]placed, 0, len(lists)+len(details))
	for key, l := range lists {
		if d, ok := details[key]; ok {
			pairs = append(pairs, compare(&l.Offer, &d.Offer))
			l.Offer = join(l.Offer, d)
			delete(details, key)
		} else if old := known[key]; old != nil && !l.Tiered {
			l.Offer = carry(l.Offer, old)
		}
		rows = append(rows, l)
	}
	for _, d := range details {
		rows = append(rows, d)
	}
	slices.SortFunc(rows, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.page, b.page), cmp.Compare(a.row, b.row), cmp.Compare(a.Offer.Entry.Key, b.Offer.Entry.Key))
	})
	slices.SortFunc(pairs, func(a, b cashback.ListDetail) int { return cmp.Compare(a.Key, b.Key) })
	offers = make([]cashback.Offer, len(rows))
	for i, r := range rows {
		offers[i] = r.Offer
	}
	return offers, pairs, nil
}

// better says that a reading of a shop is kept where another is met: one that pays
// before one that doesn't, then the earlier one.
func (a placed) better(b placed) bool {
	if pa, pb := a.Offer.Kind.Pays(), b.Offer.Kind.Pays(); pa != pb {
		return pa
	}
	return a.page < b.page || a.page == b.page && a.row <= b.row
}

func differ(a, b placed) int {
	ma, _ := gate.MeasureOf(a.Offer)
	mb, _ := gate.MeasureOf(b.Offer)
	if ma != mb && a.Offer.Kind.Pays() && b.Offer.Kind.Pays() {
		return 1
	}
	return 0
}

// join adds what a shop's own page says to what its list says. The receipt stays the
// list's, whose text it quotes in every run; tiers quote their own.
func join(list cashback.Offer, d placed) cashback.Offer {
	detail := &d.Offer
	list.Entry.Domain = cmp.Or(list.Entry.Domain, detail.Entry.Domain)
	list.Entry.Category = cmp.Or(list.Entry.Category, detail.Entry.Category)
	list.Entry.Logo = cmp.Or(list.Entry.Logo, detail.Entry.Logo)
	list.Entry.Link = cmp.Or(list.Entry.Link, detail.Entry.Link)
	list.Conditions = cmp.Or(list.Conditions, detail.Conditions)
	list.ValidationDays = cmp.Or(list.ValidationDays, detail.ValidationDays)
	if !list.Previous.Valid {
		list.Previous, list.PreviousText = detail.Previous, detail.PreviousText
	}
	switch {
	case !detail.Kind.Pays():
	case list.Kind == cashback.Unknown, list.Receipt.RawText == "":
		// The list shows no rate, or none that was understood.
		list.Kind, list.Tiers, list.Unread, list.Receipt = detail.Kind, detail.Tiers, "", detail.Receipt
	case d.Tiered && list.Kind.Pays():
		list.Tiers = detail.Tiers
	}
	return list
}

// carry keeps what a shop's own page said in an earlier run, where this run read
// only the list and the list says nothing else than then.
func carry(list cashback.Offer, old *cashback.Offer) cashback.Offer {
	list.Entry.Domain = cmp.Or(list.Entry.Domain, old.Entry.Domain)
	list.Entry.Category = cmp.Or(list.Entry.Category, old.Entry.Category)
	now, pays := gate.MeasureOf(list)
	then, paid := gate.MeasureOf(*old)
	same := pays && paid && now.Unit == then.Unit && (now.Value == then.Value || upTo(list) && then.Value <= now.Value && 2*then.Value >= now.Value)
	if !same || len(old.Tiers) < len(list.Tiers) || old.Status == cashback.Quarantined {
		return list
	}
	list.Tiers = old.Tiers
	list.Conditions = cmp.Or(list.Conditions, old.Conditions)
	list.ValidationDays = cmp.Or(list.ValidationDays, old.ValidationDays)
	return list
}

func upTo(o cashback.Offer) bool {
	return slices.ContainsFunc(o.Tiers, func(t cashback.Tier) bool { return t.UpTo })
}

// compare says whether a list and the shop's own page agree on its rate.
func compare(list, detail *cashback.Offer) cashback.ListDetail {
	out := cashback.ListDetail{Key: list.Entry.Key, List: list.Receipt.RawText, Detail: detail.Receipt.RawText}
	l, pays := gate.MeasureOf(*list)
	d, paid := gate.MeasureOf(*detail)
	switch {
	case !pays && !paid:
		out.Agree = true
	case !pays || !paid:
		// A list that shows no rate says nothing against one.
		out.Agree = !pays && (list.Kind == cashback.Unknown || strings.TrimSpace(list.Receipt.RawText) == "") || !paid && detail.Kind == cashback.Unknown
	case l.Unit != d.Unit:
	case upTo(*list):
		out.Agree = d.Value <= l.Value
	default:
		out.Agree = l.Value == d.Value || slices.ContainsFunc(detail.Tiers, func(t cashback.Tier) bool {
			m, ok := gate.MeasureOf(cashback.Offer{Tiers: []cashback.Tier{t}})
			return ok && m == l
		})
	}
	if out.Detail == "" && len(detail.Tiers) > 0 {
		out.Detail = detail.Tiers[0].Raw
	}
	return out
}

package earnings

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Verdict is what a line means for a ledger.
type Verdict string

const (
	// VerdictNew: a purchase that the ledger doesn't have.
	VerdictNew Verdict = "new"
	// VerdictMet: the portal lists a purchase that was clicked or expected.
	VerdictMet Verdict = "met"
	// VerdictChanged: another state or amount of a purchase that was listed before.
	VerdictChanged   Verdict = "changed"
	VerdictUnchanged Verdict = "unchanged"
	// VerdictDoubtful: a person must say which purchase it is; nothing is written.
	VerdictDoubtful Verdict = "doubtful"
	// VerdictSkipped: a person said to leave it.
	VerdictSkipped Verdict = "skipped"
)

// Decisions on doubtful lines, beside the id of a purchase.
const (
	DecideNew  = "new"
	DecideSkip = "skip"
)

// DiffOptions are what Diff needs besides the ledger and the lines.
type DiffOptions struct {
	// Now dates what the portal says without a date of its own.
	Now time.Time
	// Shops tells which shops are the same; nil compares names.
	Shops Shops
	// Decisions say what doubtful lines are, by Change.ID: a purchase's id, DecideNew or
	// DecideSkip.
	Decisions map[string]string
}

// Change is what one line would do.
type Change struct {
	// ID names the line across dry runs, whatever the order of the lines.
	ID      string  `json:"id"`
	Line    Line    `json:"line"`
	Verdict Verdict `json:"verdict"`
	// Purchase is the entry that it belongs to: a new id for a new one.
	Purchase string `json:"purchase,omitempty"`
	// Before and Was are the state and the amount that the ledger has.
	Before State   `json:"before,omitempty"`
	Was    *Amount `json:"was,omitempty"`
	// Candidates are the purchases that it could be, the likeliest first.
	Candidates []Candidate `json:"candidates,omitempty"`
	Reasons    []Reason    `json:"reasons,omitempty"`
	Events     []Event     `json:"events,omitempty"`
}

// Candidate is a purchase that a line could belong to.
type Candidate struct {
	Purchase string `json:"purchase"`
	// Score is from 0 to 100 and more; from matchSure on it is taken without asking if
	// no other comes near.
	Score   int      `json:"score"`
	Reasons []Reason `json:"reasons"`
}

// Plan is a dry run: what an import would do.
type Plan struct {
	// Changes are one for each line, in the order of the lines.
	Changes []Change `json:"changes"`
	events  []Event
}

// Events are what must be appended, in this order, for the plan to come true. They are
// legal for the ledger that the plan was made of. Appended again they do nothing.
func (p Plan) Events() []Event { return slices.Clone(p.events) }

// Count is how many lines have a verdict.
func (p Plan) Count(v Verdict) int {
	n := 0
	for _, c := range p.Changes {
		if c.Verdict == v {
			n++
		}
	}
	return n
}

// Diff compares what a portal says with the ledger, and says what would be written. It
// writes nothing.
//
// The same lines in any order give the same result, and lines that are in the ledger
// already give no events: an import may be repeated, and months may overlap. Without a
// portal's own ids, purchases at one shop on one day are told apart by what is said of
// them and by their count; where that leaves a doubt the verdict is doubtful.
func Diff(l *Ledger, lines []Line, o DiffOptions) Plan {
	d := &differ{ledger: l, options: o, taken: map[string]bool{}, made: map[string]*known{}, newest: map[string]cashback.Date{}, shops: map[string]identity{}, fresh: map[string]bool{}, days: map[string]span{}}
	// When a list or a mail first told of each purchase. What the shopper noted by hand
	// is met by what is said of it, as a click is.
	listed := map[string]time.Time{}
	for _, e := range l.events {
		switch e.Kind {
		case Tracked, Expected, JoinBonus, Referral:
			if strings.HasPrefix(e.Source, "import:") && (listed[e.Purchase].IsZero() || e.Kind == Tracked && l.purchases[e.Purchase].Since[StateTracked].Equal(e.At)) {
				listed[e.Purchase] = e.At
			}
		}
	}
	portals := map[string]bool{}
	for _, line := range lines {
		portals[line.Portal] = true
		s, ok := d.days[line.Portal]
		if !ok {
			s = span{line.Date, line.Date}
		}
		d.days[line.Portal] = span{min(s.first, line.Date), max(s.last, line.Date)}
	}
	for _, id := range l.order {
		p := l.purchases[id]
		if !portals[p.Portal] {
			continue
		}
		k := &known{Purchase: p, shop: d.shop(p.Portal, p.Shop)}
		if p.Merchant != 0 {
			k.shop.merchant = p.Merchant
		}
		if t, ok := listed[id]; ok {
			k.day = cashback.DateOf(t)
			k.mailed = !t.Equal(k.day.Time())
		}
		d.newest[p.Portal] = max(d.newest[p.Portal], k.day)
		d.known = append(d.known, k)
	}
	items := make([]*item, len(lines))
	for i, line := range lines {
		items[i] = &item{Change: Change{Line: line}, shop: d.shop(line.Portal, line.Shop), print: fingerprint(line)}
	}
	sorted := slices.Clone(items)
	slices.SortStableFunc(sorted, compareItems)
	seen := map[string]int{}
	for _, it := range sorted {
		seen[it.print]++
		it.ID = it.print + "." + strconv.Itoa(seen[it.print])
	}
	d.decided(sorted)
	d.byExternal(sorted)
	d.byDay(sorted)
	d.byMail(sorted)
	d.byListing(sorted)
	d.byClick(sorted)
	var plan Plan
	for _, it := range sorted {
		d.conclude(it)
		plan.events = append(plan.events, it.Events...)
	}
	for _, it := range items {
		plan.Changes = append(plan.Changes, it.Change)
	}
	return plan
}

type span struct{ first, last cashback.Date }

// known is a purchase that the ledger has. Purchase is what it will be after the lines
// before.
type known struct {
	*Purchase
	shop identity
	day  cashback.Date // of the line that listed it; 0 while none has
	// mailed: it was a mail that listed it, and day is the mail's.
	mailed bool
}

// item is a line on its way to a verdict.
type item struct {
	Change
	shop  identity
	print string
	match *known
	done  bool
}

type differ struct {
	ledger  *Ledger
	options DiffOptions
	known   []*known
	taken   map[string]bool   // purchases that a line has claimed
	made    map[string]*known // new purchases by the portal's id
	shops   map[string]identity
	fresh   map[string]bool          // ids that this plan makes
	days    map[string]span          // of the lines, by portal
	newest  map[string]cashback.Date // day that the ledger has of a portal
	shared  map[string]bool          // ids that aren't one purchase's alone
}

func (d *differ) shop(portal, name string) identity {
	key := portal + "\x00" + name
	id, ok := d.shops[key]
	if !ok {
		id.key = shopKey(name)
		if d.options.Shops != nil && name != "" {
			id.merchant = d.options.Shops.Merchant(portal, name)
		}
		d.shops[key] = id
	}
	return id
}

// fingerprint is a line's content, without its place and the time of import.
func fingerprint(l Line) string {
	basket := ""
	if l.Basket != nil {
		basket = l.Basket.String()
	}
	h := sha256.New()
	for _, s := range []string{l.Portal, l.External, l.Date.String(), shopKey(l.Shop), l.Amount.String(), basket, l.Order, string(l.State), l.Wording, string(l.For), l.Seen.UTC().Format(time.RFC3339)} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// compareItems is the one order in which lines are dealt with: of lines of one
// purchase the earlier state comes first, so that the furthest has the last word.
func compareItems(a, b *item) int {
	return cmp.Or(
		strings.Compare(a.Line.Portal, b.Line.Portal),
		cmp.Compare(a.Line.Date, b.Line.Date),
		strings.Compare(a.shop.key, b.shop.key),
		strings.Compare(a.Line.External, b.Line.External),
		cmp.Compare(slices.Index(States, a.Line.State), slices.Index(States, b.Line.State)),
		a.Line.Seen.Compare(b.Line.Seen),
		cmp.Compare(a.Line.Amount.Minor, b.Line.Amount.Minor),
		strings.Compare(a.print, b.print),
	)
}

func (d *differ) claim(it *item, k *known) {
	it.match, it.done = k, true
	d.taken[k.ID] = true
}

// decided carries out what a person has said.
func (d *differ) decided(items []*item) {
	for _, it := range items {
		switch to := d.options.Decisions[it.ID]; to {
		case "":
		case DecideSkip:
			it.Verdict, it.done = VerdictSkipped, true
		case DecideNew:
			it.done = true
		default:
			for _, k := range d.known {
				if k.ID == to && k.Portal == it.Line.Portal {
					d.claim(it, k)
				}
			}
		}
	}
}

// byExternal finds the purchases whose id the portal states. Where several lines, or
// several purchases, share an id it names something else (a basket), and says nothing.
func (d *differ) byExternal(items []*item) {
	at := map[string][]*known{}
	for _, k := range d.known {
		if k.External != "" {
			id := k.Portal + "\x00" + k.External
			at[id] = append(at[id], k)
		}
	}
	d.shared = map[string]bool{}
	said := map[string]Line{}
	for _, it := range items {
		if it.Line.External == "" {
			continue
		}
		id := it.Line.Portal + "\x00" + it.Line.External
		other, twice := said[id]
		if twice && other.State == it.Line.State && other.Amount != it.Line.Amount || len(at[id]) > 1 {
			d.shared[id] = true
		}
		said[id] = it.Line
	}
	for _, it := range items {
		id := it.Line.Portal + "\x00" + it.Line.External
		if k := at[id]; !it.done && len(k) == 1 && !d.shared[id] {
			d.claim(it, k[0]) // more than one line may speak of it
		}
	}
}

// byDay finds the purchases that the portal listed under the same day and shop.
func (d *differ) byDay(items []*item) {
	type place struct {
		portal string
		day    cashback.Date
		shop   string
	}
	listed := map[place][]*known{}
	for _, k := range d.known {
		if k.day != 0 && !d.taken[k.ID] {
			p := place{k.Portal, k.day, k.shop.key}
			listed[p] = append(listed[p], k)
		}
	}
	waiting := map[place][]*item{}
	var order []place
	for _, it := range items {
		p := place{it.Line.Portal, it.Line.Date, it.shop.key}
		if it.done || len(listed[p]) == 0 {
			continue
		}
		if len(waiting[p]) == 0 {
			order = append(order, p)
		}
		waiting[p] = append(waiting[p], it)
	}
	for _, p := range order {
		d.pair(waiting[p], listed[p])
	}
}

// pair joins the lines of a shop and day with the purchases that the ledger has of
// them: first what is the same, then what has moved on, last what is left over.
func (d *differ) pair(lines []*item, purchases []*known) {
	free := func(k *known) bool { return !d.taken[k.ID] }
	// Both in the order of their states, so that of two alike the further one goes on
	// to what is further.
	purchases = slices.Clone(purchases)
	slices.SortStableFunc(purchases, func(a, b *known) int {
		return cmp.Compare(slices.Index(States, a.State), slices.Index(States, b.State))
	})
	whole := d.whole(lines[0].Line)
	for i, same := range []func(*item, *known) bool{
		func(it *item, k *known) bool { return exact(it, k) && k.State == it.Line.State && !apart(it, k) },
		named,
		func(it *item, k *known) bool { return exact(it, k) && !apart(it, k) },
		// A declined line whose amount was taken away says nothing new.
		func(it *item, k *known) bool {
			return unstated(it.Line) && k.State == it.Line.State && !apart(it, k)
		},
		// Where one of the two states no amount it could be anything of that day.
		func(it *item, k *known) bool { return sameMoney(it, k) && !apart(it, k) },
	} {
		if i > 3 && !whole {
			break
		}
		for _, it := range lines {
			if it.done {
				continue
			}
			for _, k := range purchases {
				if free(k) && same(it, k) {
					d.claim(it, k)
					break
				}
			}
		}
	}
	var left []*item
	for _, it := range lines {
		if !it.done {
			left = append(left, it)
		}
	}
	var open []*known
	for _, k := range purchases {
		if free(k) && !slices.ContainsFunc(left, func(it *item) bool { return apart(it, k) }) {
			if _, ok := transitions[k.State][AmountChanged]; ok || k.State == StateDeclined || k.State == StateReversed {
				open = append(open, k)
			}
		}
	}
	if len(left) == 0 || len(open) == 0 {
		return
	}
	if len(left) == 1 && len(open) == 1 && (whole || left[0].Line.Uplift) {
		// What is left over on both sides is one purchase, whose amount has changed.
		d.claim(left[0], open[0])
		return
	}
	for _, it := range left {
		it.Verdict, it.done = VerdictDoubtful, true
		it.Reasons = append(it.Reasons, Because("import.doubt.amount", it.Line.Amount.String()))
		for _, k := range open {
			it.Candidates = append(it.Candidates, Candidate{Purchase: k.ID, Score: matchSure - 10, Reasons: []Reason{Because("match.listed", amountText(k.Amount))}})
		}
	}
}

// whole says that the file holds all of a line's day: it isn't the oldest, nor the
// newest unless the ledger has nothing newer, since lists begin with the newest. A
// portal drops no line, so a purchase of such a day is in the file.
func (d *differ) whole(l Line) bool {
	days := d.days[l.Portal]
	return l.Date > days.first && (l.Date < days.last || d.newest[l.Portal] <= l.Date)
}

// exact says that the line's amount is the purchase's.
func exact(it *item, k *known) bool { return k.Amount != nil && *k.Amount == it.Line.Amount }

// sameMoney says that the line's amount is the purchase's, or that one of them isn't
// stated.
func sameMoney(it *item, k *known) bool {
	return unstated(it.Line) || k.Amount == nil || k.Amount.Minor == 0 || *k.Amount == it.Line.Amount
}

// unstated says that a line says nothing of the amount: there is none yet, or it is
// declined and portals replace the amount with zero.
func unstated(l Line) bool {
	return l.Unstated || l.Amount.Minor == 0 && (l.State == StateDeclined || l.State == StateReversed) || l.State == StateExpected && l.Amount.Minor == 0
}

// apart says that line and purchase name different ids, orders or baskets.
func apart(it *item, k *known) bool {
	l := it.Line
	return l.External != "" && k.External != "" && l.External != k.External ||
		l.Order != "" && k.Order != "" && l.Order != k.Order ||
		l.Basket != nil && k.Basket != nil && *l.Basket != *k.Basket && l.Order == ""
}

// named says that line and purchase name the same order or basket.
func named(it *item, k *known) bool {
	l := it.Line
	return !apart(it, k) && (l.Order != "" && l.Order == k.Order || l.Basket != nil && k.Basket != nil && l.Basket.Minor > 0 && *l.Basket == *k.Basket)
}

func amountText(a *Amount) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// byMail finds the purchases of mails that tell a new state without the purchase's day.
func (d *differ) byMail(items []*item) {
	for _, it := range items {
		if it.done || !it.Line.Undated || it.Line.State == StateTracked || it.Line.State == StateExpected {
			continue
		}
		var fit, told []*known
		for _, k := range d.known {
			if k.Portal != it.Line.Portal || k.day == 0 || k.day > it.Line.Date || alike(it.shop, k.shop) != shopSame || apart(it, k) || !sameMoney(it, k) {
				continue
			}
			if at, ok := k.Since[it.Line.State]; ok && at.Equal(it.Line.Seen.Truncate(time.Microsecond)) {
				told = append(told, k) // this very mail was read before
			} else if _, ok := way(k.State, it.Line.State); ok && k.State != it.Line.State && !d.taken[k.ID] {
				fit = append(fit, k)
			}
		}
		switch {
		case len(told) > 0:
			d.claim(it, told[0])
		case len(fit) == 1:
			d.claim(it, fit[0])
		case len(fit) > 1:
			it.Verdict, it.done = VerdictDoubtful, true
			it.Reasons = append(it.Reasons, Because("import.doubt.several", strconv.Itoa(len(fit))))
			for _, k := range fit {
				it.Candidates = append(it.Candidates, Candidate{Purchase: k.ID, Score: matchSure, Reasons: []Reason{Because("match.listed", amountText(k.Amount))}})
			}
		}
	}
}

// listingDays is how long after a purchase a portal's mail tells of it.
const listingDays = 7

// byListing joins what a table and a mail say of one purchase: the table tells its day,
// the mail only its own.
func (d *differ) byListing(items []*item) {
	for _, it := range items {
		if it.done || unstated(it.Line) || it.Line.Amount.Minor == 0 {
			continue
		}
		var best *known
		var near []*known
		distance := func(k *known) int {
			if it.Line.Undated {
				return int(it.Line.Date) - int(k.day)
			}
			return int(k.day) - int(it.Line.Date)
		}
		for _, k := range d.known {
			if k.Portal != it.Line.Portal || k.day == 0 || k.mailed == it.Line.Undated || d.taken[k.ID] || apart(it, k) || alike(it.shop, k.shop) != shopSame {
				continue
			}
			if n := distance(k); n < -1 || n > listingDays {
				continue
			}
			switch {
			case k.Amount == nil || *k.Amount == it.Line.Amount:
				if best == nil || distance(k) < distance(best) {
					best = k
				}
			case nearAmount(it.Line.Amount, *k.Amount):
				near = append(near, k)
			}
		}
		switch {
		case best != nil:
			d.claim(it, best)
		case len(near) > 0:
			it.Verdict, it.done = VerdictDoubtful, true
			it.Reasons = append(it.Reasons, Because("import.doubt.amount", it.Line.Amount.String()))
			for _, k := range near {
				it.Candidates = append(it.Candidates, Candidate{Purchase: k.ID, Score: matchSure - 10, Reasons: []Reason{Because("match.listed", amountText(k.Amount))}})
			}
		}
	}
}

// conclude says what a line means, now that it is known which purchase it is of, and
// writes its events.
func (d *differ) conclude(it *item) {
	if it.Verdict == VerdictDoubtful || it.Verdict == VerdictSkipped {
		return
	}
	made := it.Line.Portal + "\x00" + it.Line.External
	if it.match == nil && it.Line.External != "" && !d.shared[made] {
		it.match = d.made[made] // a second line of a new purchase
	}
	if it.match == nil {
		it.Verdict = VerdictNew
		it.Purchase = d.newID(it)
		k := &known{Purchase: &Purchase{ID: it.Purchase, Portal: it.Line.Portal, For: ForPurchase, Since: map[State]time.Time{}}, shop: it.shop}
		it.match = k
		d.made[made] = k
		d.advance(it)
		k.day = it.Line.Date
		return
	}
	it.Purchase, it.Before, it.Was = it.match.ID, it.match.State, it.match.Amount
	d.advance(it)
}

// newID is the id of a new purchase: from the portal's own id, or from day, shop and
// count, so that an import that is sent twice makes the same one.
func (d *differ) newID(it *item) string {
	for n := 1; ; n++ {
		text := strings.Join([]string{it.Line.Portal, it.Line.External, strconv.Itoa(n)}, "\x00")
		if it.Line.External == "" {
			text = strings.Join([]string{it.Line.Portal, it.Line.Date.String(), it.shop.key, "", strconv.Itoa(n)}, "\x00")
		}
		sum := sha256.Sum256([]byte(text))
		id := "i-" + hex.EncodeToString(sum[:8])
		if d.ledger.purchases[id] == nil && !d.fresh[id] {
			d.fresh[id] = true
			return id
		}
	}
}

// way is Steps with what a portal's list adds: what it lists was tracked.
func way(from, to State) ([]EventKind, bool) {
	unlisted := from == StateNone || from == StateClicked || from == StateExpected
	switch {
	case from == to:
		return nil, true
	case to == StateExpected:
		if from == StateExpected || from == StateNone || from == StateClicked {
			return []EventKind{Expected}, true
		}
		return nil, false
	case from == StateRequested && to == StatePayable:
		return nil, false // portals list it as payable until it has been paid
	case to == StateDeclined && unlisted:
		return []EventKind{Tracked, Declined}, true
	case to == StateReversed && unlisted:
		return []EventKind{Tracked, Confirmed, Reversed}, true
	case to == StateReversed && from == StateTracked:
		return []EventKind{Declined}, true
	case to == StateReversed && from == StateDeclined, to == StateDeclined && from == StateReversed:
		return nil, true
	case to == StateTracked && unlisted:
		return []EventKind{Tracked}, true
	}
	if unlisted {
		rest, ok := Steps(StateTracked, to)
		return append([]EventKind{Tracked}, rest...), ok
	}
	return Steps(from, to)
}

// advance makes the events that bring a purchase to where the line says it is.
func (d *differ) advance(it *item) {
	l, p := it.Line, it.match.Purchase
	seen := l.Seen
	if seen.IsZero() {
		seen = d.options.Now
	}
	if !l.Seen.IsZero() && l.Seen.Before(p.Since[p.State]) && p.State != l.State {
		it.settle(Because("import.older", string(l.State), string(p.State)))
		return
	}
	kinds, ok := way(p.State, l.State)
	if !ok {
		it.settle(Because("import.behind", string(l.State), string(p.State)))
		return
	}
	sim := *p
	var amount *Amount
	if !unstated(l) && (p.Amount == nil || *p.Amount != l.Amount) {
		a := l.Amount
		amount = &a
	}
	first := len(kinds) > 0 && (kinds[0] == Tracked || kinds[0] == Expected)
	if amount != nil && !first {
		kinds = append([]EventKind{AmountChanged}, kinds...)
	}
	if first && amount == nil && p.Amount == nil && kinds[0] == Tracked {
		a := Amount{Unit: l.Amount.Unit}
		amount = &a
	}
	var events []Event
	for i, kind := range kinds {
		e := Event{
			Kind: kind, At: seen, Purchase: p.ID, Portal: l.Portal, Merchant: it.shop.merchant,
			Source: "import:" + l.Rule, Implied: i < len(kinds)-1 && kind != AmountChanged,
		}
		if i == 0 {
			e.Amount, e.Basket, e.Order, e.External = amount, l.Basket, l.Order, l.External
		}
		if i == len(kinds)-1 {
			e.Wording = l.Wording
		}
		if kind == Tracked || kind == Expected {
			// The shop as the list writes it is how the line is found again.
			e.Shop, e.For = l.Shop, l.For
			if e.At = l.Date.Time(); l.Undated {
				e.At = l.Seen
			}
			if sim.State == StateNone && kind == Tracked {
				switch l.For {
				case ForSignUp:
					e.Kind = JoinBonus
				case ForReferral:
					e.Kind = Referral
				}
			}
			if e.For == ForPurchase {
				e.For = ""
			}
		}
		// The count makes each step's key its own; the same import sent twice has the same.
		e.Key = "import:" + p.ID + ":" + strconv.Itoa(len(sim.Events)+1) + ":" + string(e.Kind)
		after, _, err := Apply(&sim, e)
		if err != nil {
			it.Verdict = VerdictDoubtful
			it.Events = nil
			why := "import.doubt.state"
			if kind == AmountChanged {
				why = "import.doubt.settled"
			}
			it.Reasons = append(it.Reasons, Because(why, string(l.State), string(p.State), l.Amount.String(), amountText(p.Amount)))
			it.Candidates = append(it.Candidates, Candidate{Purchase: p.ID, Score: matchSure})
			return
		}
		sim = after
		events = append(events, e)
	}
	it.Events = events
	listed := it.match.day != 0
	it.match.Purchase = &sim
	switch {
	case it.Verdict == VerdictNew || len(events) == 0 && it.Verdict != "":
	case len(events) == 0:
		it.Verdict = VerdictUnchanged
	case !listed:
		it.Verdict = VerdictMet
	default:
		it.Verdict = VerdictChanged
	}
}

// settle leaves a purchase as it is, saying why.
func (it *item) settle(why Reason) {
	it.Verdict = VerdictUnchanged
	it.Reasons = append(it.Reasons, why)
}

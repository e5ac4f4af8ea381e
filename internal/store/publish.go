package store

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/rank"
)

// Publication is a staged snapshot that may be shown, with everything that belongs
// into the same transaction.
type Publication struct {
	Snapshot  cashback.Snapshot
	Judgement cashback.Judgement
	// Plan is what the snapshot's entries mean for the merchants. Where it names no
	// merchant for an entry, the offer's own Merchant counts for a new entry, and a
	// known one stays where it is.
	Plan merchant.Plan
	// By and Reason are the operator's who accepted a run that was held back.
	By, Reason string
}

// Published is what a publication came to.
type Published struct {
	// Run is the report with Added, Changed and Removed filled.
	Run cashback.Run
	// LastChange is the number of its last change record.
	LastChange uint64
}

// live is an offer in a publication, as it stands and as it is staged.
type live struct {
	*held
	stood  *pageRecord // where it was read that stands; nil before it is added
	staged *cashback.Offer
	status cashback.OfferStatus // of what is staged, by the gate's word
	page   string               // the URL whose reading it takes its time from
	own    *reading
	missed int
	remove bool
}

// Publish makes a judged snapshot what readers see. It is one transaction: offers,
// history where a rate changed, removals, the run's report, the portal's health, the
// merchants, the change records. The run's staged pages, and a held snapshot of the
// portal, go with it. A snapshot that the gate holds back is refused: see Hold.
//
// An offer that was read before is left as it is when the staged reading is older.
func (s *Store) Publish(ctx context.Context, p Publication) (out Published, err error) {
	defer cashback.Wrap(&err, "publish run %s of %s", short(p.Snapshot.Run.ID), short(p.Snapshot.Portal.ID))
	if p.Judgement.Verdict == cashback.Hold && p.By == "" {
		return out, cashback.Errorf(cashback.Internal, "the gate holds this run back")
	}
	err = s.write(ctx, func(t *tx) error {
		out = Published{}
		return t.publish(&p, &out)
	})
	if err != nil {
		return Published{}, err
	}
	return out, nil
}

func (t *tx) publish(p *Publication, out *Published) error {
	portal, err := t.portal(p.Snapshot.Portal.ID)
	if err != nil {
		return err
	}
	b, err := t.publication(portal)
	if err != nil {
		return err
	}
	count, l, entries := b.count, b.ledger, b.entries
	first := count.Change
	b.stage(p)
	moved, err := l.plan(&p.Plan)
	if err != nil {
		return err
	}
	for key, id := range p.Plan.Assign {
		if h := entries[key]; h != nil && p.Plan.Portal == portal.Portal.ID {
			h.to = id
		}
	}
	b.judge(&p.Judgement)
	if err := b.readings(); err != nil {
		return err
	}
	run := p.Snapshot.Run
	if err := b.write(&run); err != nil {
		return err
	}
	if err := t.learn(b.portal.Portal.ID, &b.lessons, b.now); err != nil {
		return err
	}
	if err := l.save(); err != nil {
		return err
	}
	// Offers of this portal have their own change records already.
	moved = slices.DeleteFunc(moved, func(m movedOffer) bool { return m.at.portal == portal.Number })
	if err := t.moves(moved); err != nil {
		return err
	}
	run.Verdict, run.Findings = p.Judgement.Verdict, p.Judgement.Findings
	if run.Verdict == cashback.Hold {
		run.Verdict = cashback.Publish // the operator's word
	}
	if run.Review == 0 {
		run.Review = len(p.Plan.Review)
	}
	if err := b.report(&run, p); err != nil {
		return err
	}
	if err := t.change(changeRecord{Kind: cashback.PortalChecked, Portal: portal.Number}); err != nil {
		return err
	}
	if err := t.trim(count.Change - first); err != nil {
		return err
	}
	out.Run, out.LastChange = run, count.Change
	t.store.logger.Debug("publishing", "run", run.ID, "offers", len(p.Snapshot.Offers), "records", t.puts)
	return nil
}

type publication struct {
	t       *tx
	portal  *portalRecord
	count   *counters
	now     time.Time
	ledger  *ledger
	entries map[string]*held // of the portal, by key
	offers  map[place]*live
	lessons rank.Lessons
	pages   map[pageNumber]*pageRecord // as stored
	byURL   map[string]pageNumber
}

// publication begins to change a portal's offers.
func (t *tx) publication(portal *portalRecord) (*publication, error) {
	count, err := t.counters()
	if err != nil {
		return nil, err
	}
	b := &publication{t: t, portal: portal, count: count, now: t.store.now(), ledger: newLedger(t), offers: map[place]*live{}}
	if b.entries, err = b.ledger.whole(portal.Number); err != nil {
		return nil, err
	}
	return b, b.load()
}

// load reads the portal's offers and readings.
func (b *publication) load() error {
	b.pages, b.byURL = map[pageNumber]*pageRecord{}, map[string]pageNumber{}
	err := eachOf(b.t, readingsBucket, b.portal.Number.key(), nil, func(key []byte, r *pageRecord) error {
		n := pageNumber(placeOf(key).entry)
		b.pages[n] = r
		b.byURL[r.URL] = n
		return nil
	})
	if err != nil {
		return err
	}
	for _, h := range b.ledger.byKey[b.portal.Number] {
		if h.was.Offer == nil {
			continue
		}
		page := b.pages[h.was.Offer.Page]
		if page == nil {
			// Its page is lost, and with it when it was read: the offer goes, and is
			// added again if the portal still lists it.
			h.was.Offer, h.now.Offer, h.touched = nil, nil, true
			continue
		}
		b.offers[h.at] = &live{held: h, stood: page, page: page.URL, own: h.was.Offer.Own, missed: h.was.Offer.MissedRuns}
	}
	return nil
}

// read is the reading that stands.
func (v *live) read() *reading {
	if own := v.was.Offer.Own; own != nil {
		return own
	}
	return &v.stood.reading
}

// before is the offer that stands, nil before it is added. Most offers are confirmed,
// and nobody asks for theirs.
func (b *publication) before(v *live) *cashback.Offer {
	if v.stood == nil {
		return nil
	}
	o := v.was.Offer.offer(b.portal.Portal.ID, v.from, &v.was.entryRecord, v.stood.URL, v.read())
	return &o
}

// stage lays the snapshot's offers over the live ones.
func (b *publication) stage(p *Publication) {
	entries := b.entries
	seen := map[string]bool{}
	for i := range p.Snapshot.Offers {
		o := &p.Snapshot.Offers[i]
		if seen[o.Entry.Key] {
			continue // a page's own repetition: the first counts
		}
		seen[o.Entry.Key] = true
		h := entries[o.Entry.Key]
		if h == nil {
			b.count.Entry++
			b.t.dirty = true
			h = &held{at: place{b.portal.Number, entryNumber(b.count.Entry)}, to: o.Merchant}
			b.ledger.entries[h.at] = h
			entries[o.Entry.Key] = h
		}
		v := b.offers[h.at]
		if v == nil {
			v = &live{held: h}
			b.offers[h.at] = v
		} else if older(o.Receipt.ReadAt, moment(v.read().ReadAt), b.now) {
			v.missed = 0
			continue
		}
		h.now.entryRecord = entryRecordOf(o.Entry)
		v.staged, v.status, v.missed = o, cmp.Or(o.Status, cashback.OK), 0
	}
}

// older says that a reading is older than the one that stands. One that stands in
// the future was dated by a clock that was wrong, and counts for nothing.
func older(staged, standing, now time.Time) bool {
	return staged.Before(standing) && !standing.After(now)
}

// judge carries the gate's word over to the offers.
func (b *publication) judge(j *cashback.Judgement) {
	at := func(keys []string, f func(*live)) {
		for _, key := range keys {
			if h := b.ledger.byKey[b.portal.Number][key]; h != nil {
				if v := b.offers[h.at]; v != nil {
					f(v)
				}
			}
		}
	}
	at(j.Remove, func(v *live) { v.remove = v.staged == nil })
	missing := func(v *live) {
		if v.staged == nil {
			v.missed++
		}
	}
	at(j.Missing, missing)
	at(j.Withheld, missing)
	at(j.Unverified, func(v *live) {
		if v.staged != nil {
			v.status = cashback.Unverified
		}
	})
}

// readings decides what each page's reading is now, and which offers keep one of
// their own: those that a later look at their page no longer found.
func (b *publication) readings() error {
	// The reading that most of a page's offers have.
	type vote struct {
		reading reading
		count   int
	}
	votes := map[string][]vote{}
	order := b.sorted()
	for _, v := range order {
		if v.staged == nil {
			continue
		}
		url, r := v.staged.Receipt.URL, readingOf(v.staged.Receipt)
		list := votes[url]
		if i := slices.IndexFunc(list, func(x vote) bool { return x.reading.equal(&r) }); i >= 0 {
			list[i].count++
		} else {
			votes[url] = append(list, vote{r, 1})
		}
	}
	fresh := map[string]*reading{}
	for url, list := range votes {
		most := slices.MaxFunc(list, func(x, y vote) int { return x.count - y.count })
		fresh[url] = &most.reading
	}
	used := map[string]bool{}
	for _, v := range order {
		if v.remove {
			continue
		}
		if v.staged != nil {
			v.page = v.staged.Receipt.URL
			r := readingOf(v.staged.Receipt)
			v.own = nil
			if !fresh[v.page].equal(&r) {
				v.own = &r
			}
		} else if n := fresh[v.page]; n != nil && v.own == nil {
			if r := *v.read(); !n.equal(&r) {
				v.own = &r
			}
		}
		used[v.page] = true
	}
	next := pageNumber(0)
	for n := range b.pages {
		next = max(next, n)
	}
	put := map[pageNumber]*pageRecord{}
	for _, url := range sortedKeys(fresh) {
		if !used[url] {
			continue
		}
		n, known := b.byURL[url]
		if !known {
			next++
			n = next
			b.byURL[url] = n
		} else if b.pages[n].equal(fresh[url]) {
			continue
		}
		put[n] = &pageRecord{url, *fresh[url]}
	}
	for _, n := range sortedKeys(put) {
		if err := b.t.put(readingsBucket, readingKey(b.portal.Number, n), put[n]); err != nil {
			return err
		}
	}
	for _, n := range sortedKeys(b.pages) {
		if !used[b.pages[n].URL] {
			if err := b.t.drop(readingsBucket, readingKey(b.portal.Number, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *publication) sorted() []*live {
	out := make([]*live, 0, len(b.offers))
	for _, v := range b.offers {
		out = append(out, v)
	}
	slices.SortFunc(out, func(x, y *live) int { return cmp.Compare(x.at.entry, y.at.entry) }) // all of one portal
	return out
}

// write writes the offers, their history and their change records, and counts them.
func (b *publication) write(run *cashback.Run) error {
	run.Added, run.Changed, run.Removed = 0, 0, 0
	var standing standingRecord
	if _, err := b.t.get(standingBucket, b.portal.Number.key(), &standing); err != nil && !isDamaged(err) {
		return err
	}
	standing.Offers, standing.WithRate, standing.Held, standing.Withheld = 0, 0, "", 0
	for _, v := range b.sorted() {
		if err := b.offer(v, run); err != nil {
			return err
		}
		if !v.remove {
			standing.Offers++
			if v.missed >= cashback.MissesToGo {
				standing.Withheld++
			}
			o := v.staged
			if o == nil {
				o = b.before(v)
			}
			if o.Kind.Pays() {
				standing.WithRate++
			}
			if v.staged == nil || v.status == cashback.OK {
				b.lessons.See(*o)
			}
		}
	}
	standing.Portal = b.portal.Portal.ID
	standing.PublishedAt = stamp(b.now)
	if run.Complete {
		standing.CompleteAt = stamp(run.StartedAt)
		standing.WithheldBy = run.ID
	}
	if standing.Withheld == 0 {
		standing.WithheldBy = ""
	}
	return b.t.put(standingBucket, b.portal.Number.key(), &standing)
}

func (b *publication) offer(v *live, run *cashback.Run) error {
	t := b.t
	if v.remove {
		run.Removed++
		v.now.Offer, v.touched = nil, true
		before := b.before(v)
		c := changeRecord{Kind: cashback.OfferRemoved, Portal: v.at.portal, Merchant: before.Merchant}
		c.freeze(before, nil)
		if err := t.change(c); err != nil {
			return err
		}
		return b.point(v, pointRecord{From: stamp(b.now), Run: run.ID, Ended: true})
	}
	old := v.was.Offer
	var rec offerRecord
	src := v.staged
	if src == nil {
		rec, src = *old, b.before(v)
	} else {
		rec = offerRecordOf(src)
		if rec.Status = v.status; v.status == cashback.OK {
			rec.Status = ""
		}
		rec.Since = stamp(src.Receipt.ReadAt)
		if rec.Since == 0 {
			rec.Since = stamp(b.now)
		}
	}
	rec.Page, rec.Own, rec.MissedRuns = b.byURL[v.page], v.own, v.missed
	changed, point := old == nil, old == nil
	if old != nil {
		same := sameOffer(old, &rec)
		rate := same || sameRate(old, &rec)
		if rate {
			rec.Since = old.Since
		}
		point = !rate || old.Status != rec.Status
		changed = !same || v.from != v.to || v.was.entryRecord != v.now.entryRecord
		v.touched = !same || rec.Page != old.Page || rec.MissedRuns != old.MissedRuns || !sameReading(rec.Own, old.Own)
	}
	if old == nil || v.touched {
		v.now.Offer, v.touched = &rec, true
	}
	if changed {
		after := rec.bare(b.portal.Portal.ID)
		after.Entry, after.Merchant = v.now.entry(), v.to
		after.Receipt.URL, after.Receipt.ReadAt, after.Receipt.Hash = src.Receipt.URL, src.Receipt.ReadAt, src.Receipt.Hash
		after.Receipt.DefinitionVersion, after.Receipt.Run = src.Receipt.DefinitionVersion, src.Receipt.Run
		c := changeRecord{Kind: cashback.OfferChanged, Portal: v.at.portal, Merchant: v.to}
		if old == nil {
			c.Kind = cashback.OfferAdded
			run.Added++
		} else {
			run.Changed++
		}
		c.freeze(b.before(v), &after)
		if err := t.change(c); err != nil {
			return err
		}
	}
	if !point {
		return nil
	}
	p := pointRecord{From: rec.Since, Kind: rec.Kind, Tiers: rec.Tiers, RawText: rec.RawText, Run: run.ID, Status: rec.Status}
	if old != nil && rec.Since == old.Since { // only its status has changed
		p.From = stamp(b.now)
		if at := src.Receipt.ReadAt; !at.IsZero() {
			p.From = stamp(at)
		}
	}
	if p.Kind == "" {
		p.Kind = firstKind(rec.Tiers)
	}
	if p.Status == "" {
		p.Status = cashback.OK
	}
	return b.point(v, p)
}

// point appends to the history of an entry, under the change just written.
func (b *publication) point(v *live, p pointRecord) error {
	p.Previous = v.now.Last
	v.now.Last, v.touched = b.count.Change, true
	return b.t.put(historyBucket, historyKey(v.at.entry, v.now.Last), &p)
}

func sameReading(a, b *reading) bool {
	return a == nil && b == nil || a != nil && b != nil && a.equal(b)
}

// sameOffer says that two records show the same.
func sameOffer(a, b *offerRecord) bool {
	if a.Kind == b.Kind && a.Previous == b.Previous && a.PreviousText == b.PreviousText && a.ValidationDays == b.ValidationDays &&
		a.Status == b.Status && a.Conditions == b.Conditions && a.RawText == b.RawText && a.Unread == b.Unread &&
		slices.EqualFunc(a.Tiers, b.Tiers, func(x, y cashback.Tier) bool { return sameTier(&x, &y) }) {
		return true
	}
	// Mostly they are the same value; where they aren't, it may be in how it came
	// about (an empty list, or none), and only what is written counts.
	x, y := *a, *b
	for _, r := range []*offerRecord{&x, &y} {
		r.Since, r.Page, r.Own, r.MissedRuns = 0, 0, nil, 0
	}
	return bytes.Equal(encoded(&x), encoded(&y))
}

func sameTier(a, b *cashback.Tier) bool {
	return a.Label == b.Label && a.Category == b.Category && a.Audience == b.Audience && a.Channel == b.Channel && a.Raw == b.Raw &&
		a.ValidFrom == b.ValidFrom && a.ValidTo == b.ValidTo && a.UpTo == b.UpTo &&
		sameMoney(a.MinSpend, b.MinSpend) && sameMoney(a.Cap, b.Cap) &&
		(a.Components == nil) == (b.Components == nil) && slices.Equal(a.Components, b.Components)
}

func sameMoney(a, b *cashback.Money) bool { return a == b || a != nil && b != nil && *a == *b }

// sameRate says that two records pay the same, in whatever words.
func sameRate(a, b *offerRecord) bool {
	kind := func(r *offerRecord) cashback.RewardKind {
		if r.Kind != "" {
			return r.Kind
		}
		return firstKind(r.Tiers)
	}
	return kind(a) == kind(b) && bytes.Equal(encoded(plain(a.Tiers)), encoded(plain(b.Tiers)))
}

// plain takes from tiers what doesn't change what is paid: the page's wording, and
// how many zeros a number was written with.
func plain(tiers []cashback.Tier) []cashback.Tier {
	out := slices.Clone(tiers)
	for i := range out {
		out[i].Raw = ""
		out[i].Components = slices.Clone(out[i].Components)
		for j := range out[i].Components {
			c := &out[i].Components[j]
			c.Span = cashback.Span{}
			c.Value, c.PerAmount = c.Value.Trim(0), c.PerAmount.Trim(0)
			c.Min.Decimal = c.Min.Decimal.Trim(0)
		}
	}
	return out
}

// report writes the run's report and what the portal's row shows of it.
func (b *publication) report(run *cashback.Run, p *Publication) error {
	t, n := b.t, b.portal.Number
	if err := t.saveRun(n, run); err != nil {
		return err
	}
	health := p.Judgement.Health
	health.Portal = b.portal.Portal.ID
	if err := t.put(healthBucket, n.key(), &health); err != nil {
		return err
	}
	if err := t.clearStage(n); err != nil {
		return err
	}
	if err := t.drop(heldBucket, n.key()); err != nil {
		return err
	}
	if p.By != "" {
		return t.audit(AuditEntry{By: p.By, What: "accept", Portal: b.portal.Portal.ID, Run: run.ID, Reason: p.Reason})
	}
	return nil
}

package store

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
)

// share is how many rounds of a long random check are run: a few in make test, all
// of them with CAGNOTTE_PROVE=1 (make prove).
func share(few, all int) int {
	if os.Getenv("CAGNOTTE_PROVE") != "" {
		return all
	}
	return few
}

// model is what the store should hold, kept the simplest way that is right.
type model struct {
	rng     *rand.Rand
	clock   *clock
	live    map[merchant.Ref]*cashback.Offer
	of      map[merchant.Ref]cashback.MerchantID // also of entries without an offer
	first   []merchant.Ref                       // in the order in which they were seen
	history map[merchant.Ref][]cashback.RatePoint
	lead    map[cashback.MerchantID]cashback.MerchantID
	next    cashback.MerchantID
	modes   map[string]cashback.Publication
	runs    int
	events  uint64
}

const modelPortals, modelShops = 3, 12

func newModel(seed uint64) *model {
	return &model{
		rng: rand.New(rand.NewPCG(seed, 7)), clock: newClock(), live: map[merchant.Ref]*cashback.Offer{}, of: map[merchant.Ref]cashback.MerchantID{},
		history: map[merchant.Ref][]cashback.RatePoint{}, lead: map[cashback.MerchantID]cashback.MerchantID{}, next: 1, modes: map[string]cashback.Publication{},
	}
}

func modelPortal(i int) string { return fmt.Sprintf("p%d.fr", i) }

// snapshot is a run of a portal as a crawl and the gate could make it, and what the
// model makes of it.
func (m *model) snapshot() Publication {
	portal := modelPortal(m.rng.IntN(modelPortals))
	m.runs++
	m.clock.forward(time.Duration(1+m.rng.IntN(8)) * time.Hour)
	complete := m.rng.IntN(3) > 0
	p := publish(portal, fmt.Sprintf("run-%d", m.runs), m.clock.at)
	p.Snapshot.Run.Complete = complete
	plan := merchant.Plan{Portal: portal, Assign: map[string]cashback.MerchantID{}, Founders: map[cashback.MerchantID]merchant.Ref{}}
	seen := map[string]bool{}
	for shop := range modelShops {
		if m.rng.IntN(10) < 3 {
			continue
		}
		o := m.offer(portal, shop, p.Snapshot.Run.ID)
		seen[o.Entry.Key] = true
		p.Snapshot.Offers = append(p.Snapshot.Offers, o)
		if m.rng.IntN(20) == 0 { // listed twice
			again := o
			again.Receipt.RawText = "another text"
			p.Snapshot.Offers = append(p.Snapshot.Offers, again)
		}
		if m.rng.IntN(12) == 0 {
			p.Judgement.Unverified = append(p.Judgement.Unverified, o.Entry.Key)
		}
	}
	m.rng.Shuffle(len(p.Snapshot.Offers), func(i, j int) {
		o := p.Snapshot.Offers
		if o[i].Entry.Key != o[j].Entry.Key {
			o[i], o[j] = o[j], o[i]
		}
	})
	for _, o := range p.Snapshot.Offers {
		ref := merchant.Ref{Portal: portal, Key: o.Entry.Key}
		if m.of[ref] == 0 {
			id := m.next
			m.next++
			m.of[ref], m.lead[id] = id, id
			m.first = append(m.first, ref)
			plan.New = append(plan.New, cashback.Merchant{ID: id, Name: o.Entry.Name, Slug: fmt.Sprintf("%s-%d", o.Entry.Name, id)})
			plan.Founders[id] = ref
		}
		plan.Assign[o.Entry.Key] = m.of[ref]
	}
	p.Plan = plan
	if complete {
		for _, ref := range m.first {
			o := m.live[ref]
			if ref.Portal != portal || o == nil || seen[ref.Key] {
				continue
			}
			switch {
			case o.MissedRuns == 0:
				p.Judgement.Missing = append(p.Judgement.Missing, ref.Key)
			case m.rng.IntN(3) == 0:
				p.Judgement.Withheld = append(p.Judgement.Withheld, ref.Key)
			default:
				p.Judgement.Remove = append(p.Judgement.Remove, ref.Key)
			}
		}
	}
	return p
}

// offer is what a portal's page says of a shop.
func (m *model) offer(portal string, shop int, run string) cashback.Offer {
	page := shop / 4
	if m.rng.IntN(10) == 0 {
		page = (page + 1) % 3 // it has moved to another page
	}
	if m.rng.IntN(15) == 0 {
		page = 10 + m.runs%5 // a page that comes and goes
	}
	at := m.clock.at.Add(time.Duration(page) * time.Minute)
	switch m.rng.IntN(12) {
	case 0:
		at = at.Add(time.Second) // read apart from its page
	case 1:
		at = at.Add(-30 * time.Hour) // from an old recording
	}
	rate := []string{"1", "2.5", "2.50", "7", "12"}[m.rng.IntN(5)]
	o := percent(portal, fmt.Sprintf("shop-%d", shop), rate, page, at)
	o.Receipt.Run = run
	switch m.rng.IntN(8) {
	case 0:
		o.Tiers = append(o.Tiers, cashback.Tier{Label: "new", Audience: cashback.New, UpTo: true, Components: []cashback.Component{{Kind: cashback.Fixed, Value: dec("5"), Currency: "EUR"}, {Kind: cashback.Percent, Value: dec("1")}}})
	case 1:
		o.Kind, o.Tiers = cashback.NoCashback, nil
	case 2:
		o.Kind, o.Tiers, o.Unread = cashback.Unknown, nil, "a word"
	}
	if m.rng.IntN(6) == 0 {
		o.Conditions = "not on gift cards"
	}
	if m.rng.IntN(6) == 0 {
		o.Entry.Logo = ""
	}
	return o
}

// publish does to the model what Publish does to the store, and counts.
func (m *model) publish(p Publication) (added, changed, removed int) {
	portal := p.Snapshot.Portal.ID
	seen := map[string]bool{}
	for _, o := range p.Snapshot.Offers {
		if seen[o.Entry.Key] {
			continue
		}
		seen[o.Entry.Key] = true
		ref := merchant.Ref{Portal: portal, Key: o.Entry.Key}
		if slices.Contains(p.Judgement.Unverified, o.Entry.Key) {
			o.Status = cashback.Unverified
		}
		o.Merchant = m.of[ref]
		o.Receipt.InForceSince = o.Receipt.ReadAt
		was := m.live[ref]
		if was == nil {
			added++
			m.point(ref, &o, o.Receipt.ReadAt)
			m.live[ref] = &o
			continue
		}
		if o.Receipt.ReadAt.Before(was.Receipt.ReadAt) && !was.Receipt.ReadAt.After(m.clock.at) {
			was.MissedRuns = 0
			continue
		}
		rate := modelRate(was) == modelRate(&o)
		if rate {
			o.Receipt.InForceSince = was.Receipt.InForceSince
		}
		if !rate || was.Status != o.Status {
			m.point(ref, &o, o.Receipt.ReadAt)
		}
		if modelShown(was) != modelShown(&o) {
			changed++
		}
		m.live[ref] = &o
	}
	for _, key := range slices.Concat(p.Judgement.Missing, p.Judgement.Withheld) {
		m.live[merchant.Ref{Portal: portal, Key: key}].MissedRuns++
	}
	for _, key := range p.Judgement.Remove {
		ref := merchant.Ref{Portal: portal, Key: key}
		removed++
		delete(m.live, ref)
		h := m.history[ref]
		h[len(h)-1].To = m.clock.at
	}
	return added, changed, removed
}

func (m *model) point(ref merchant.Ref, o *cashback.Offer, from time.Time) {
	h := m.history[ref]
	if n := len(h); n > 0 && h[n-1].To.IsZero() {
		h[n-1].To = from
	}
	m.history[ref] = append(h, cashback.RatePoint{From: from, Kind: o.Kind, Tiers: o.Tiers, RawText: o.Receipt.RawText, Run: o.Receipt.Run, Status: o.Status, Portal: ref.Portal, Key: ref.Key})
}

// modelRate says what an offer pays, as text.
func modelRate(o *cashback.Offer) string {
	var b strings.Builder
	fmt.Fprint(&b, o.Kind)
	for _, t := range o.Tiers {
		fmt.Fprint(&b, " |", t.Label, t.Audience, t.UpTo)
		for _, c := range t.Components {
			fmt.Fprint(&b, " ", c.Kind, c.Value.Trim(0), c.Currency)
		}
	}
	return b.String()
}

// modelShown says what readers see of an offer, but when and where it was read.
func modelShown(o *cashback.Offer) string {
	return fmt.Sprint(o.Entry, o.Merchant, o.Kind, o.Tiers, o.Status, o.Conditions, o.Receipt.RawText, o.Unread)
}

// merge joins two merchants, or takes one entry out of one.
func (m *model) merge(t *testing.T, s *Store) {
	var whole []cashback.MerchantID
	for id, lead := range m.lead {
		if id == lead {
			whole = append(whole, id)
		}
	}
	slices.Sort(whole)
	if len(whole) < 2 {
		return
	}
	a, b := whole[m.rng.IntN(len(whole))], whole[m.rng.IntN(len(whole))]
	plan := merchant.Plan{Redirects: map[cashback.MerchantID]cashback.MerchantID{}, Founders: map[cashback.MerchantID]merchant.Ref{}}
	m.events++
	ev := merchant.Event{Number: m.events, At: m.clock.at, By: "op", Kind: merchant.Merge, Merchant: a, Other: b}
	move := func(ref merchant.Ref, to cashback.MerchantID) {
		plan.Moved = append(plan.Moved, merchant.Move{Ref: ref, From: m.of[ref], To: to})
		m.of[ref] = to
		if o := m.live[ref]; o != nil {
			o.Merchant = to
		}
	}
	if a != b {
		for id, lead := range m.lead {
			if lead == b {
				m.lead[id] = a
				plan.Redirects[id] = a
			}
		}
		for _, ref := range m.first {
			if m.of[ref] == b {
				move(ref, a)
			}
		}
	} else {
		var members []merchant.Ref
		for _, ref := range m.first {
			if m.of[ref] == a {
				members = append(members, ref)
			}
		}
		if len(members) < 2 {
			m.events--
			return
		}
		ref := members[m.rng.IntN(len(members))]
		id := m.next
		m.next++
		m.lead[id] = id
		ev.Kind, ev.Entries = merchant.Split, []merchant.Ref{ref}
		plan.New = []cashback.Merchant{{ID: id, Name: "split", Slug: fmt.Sprintf("split-%d", id)}}
		plan.Founders[id] = ref
		move(ref, id)
	}
	if err := s.SaveMerchantEvent(context.Background(), ev, plan); err != nil {
		t.Fatal(err)
	}
}

// compare reads everything and compares it with the model.
func (m *model) compare(t *testing.T, s *Store) {
	t.Helper()
	ctx := context.Background()
	op, pub := s.As(Operator), s.As(Public)
	byMerchant := map[cashback.MerchantID][]merchant.Ref{}
	for _, ref := range m.first {
		byMerchant[m.of[ref]] = append(byMerchant[m.of[ref]], ref)
	}
	for i := range modelPortals {
		portal := modelPortal(i)
		got, err := op.PortalOffers(ctx, portal)
		if err != nil {
			t.Fatal(err)
		}
		var want []cashback.Offer
		for _, ref := range m.first {
			if o := m.live[ref]; o != nil && ref.Portal == portal {
				want = append(want, *o)
			}
		}
		sameOffers(t, portal, got, want)
		readings, err := op.Readings(ctx, portal)
		if err != nil {
			t.Fatal(err)
		}
		var read []Reading
		for _, o := range want {
			read = append(read, Reading{o.Merchant, o.Entry.Key, o.Receipt.ReadAt})
		}
		slices.SortFunc(read, func(a, b Reading) int {
			return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.Key, b.Key))
		})
		if !slices.EqualFunc(readings, read, func(a, b Reading) bool {
			return a.Merchant == b.Merchant && a.Key == b.Key && a.At.Equal(b.At)
		}) {
			t.Fatalf("%s was read %v, not %v", portal, readings, read)
		}
		row, err := op.Portal(ctx, portal)
		if err != nil || row.Offers != len(want) {
			t.Fatalf("%s has %d offers, its row says %d (%v)", portal, len(want), row.Offers, err)
		}
	}
	seen := 0
	err := pub.EachMerchant(ctx, func(got cashback.Merchant, offers []cashback.Offer) error {
		seen++
		var want []cashback.Offer
		for _, ref := range byMerchant[got.ID] {
			if o := m.live[ref]; o != nil {
				switch m.modes[ref.Portal] {
				case cashback.Private, cashback.Off:
				case cashback.RelationOnly:
					want = append(want, withhold(*o))
				default:
					want = append(want, *o)
				}
			}
		}
		sameOffers(t, fmt.Sprint("merchant ", got.ID), sorted(offers), sorted(want))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	visible := 0
	for id, refs := range byMerchant {
		shown := slices.ContainsFunc(refs, func(r merchant.Ref) bool {
			return m.modes[r.Portal] != cashback.Private && m.modes[r.Portal] != cashback.Off
		})
		if shown {
			visible++
		}
		if _, err := pub.Merchant(ctx, id); (err == nil) != shown {
			t.Fatalf("the public sees merchant %d: %v, it should: %v", id, err == nil, shown)
		}
	}
	if seen != visible {
		t.Fatalf("%d merchants are shown, %d should be", seen, visible)
	}
	for id, lead := range m.lead {
		got, err := op.Merchant(ctx, id)
		if err != nil || got.ID != lead {
			t.Fatalf("merchant %d is %d, should be %d (%v)", id, got.ID, lead, err)
		}
		if id != lead {
			continue
		}
		_, offers, err := op.Shop(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		var want []cashback.Offer
		var points []cashback.RatePoint
		for _, ref := range byMerchant[id] {
			if o := m.live[ref]; o != nil {
				want = append(want, *o)
			}
			for _, p := range m.history[ref] {
				p.Merchant = id
				points = append(points, p)
			}
		}
		sameOffers(t, fmt.Sprint("merchant ", id), sorted(offers), sorted(want))
		history, err := op.History(ctx, id, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		byEntry := func(a, b cashback.RatePoint) int { return strings.Compare(a.Portal+a.Key, b.Portal+b.Key) }
		slices.SortStableFunc(history, byEntry)
		slices.SortStableFunc(points, byEntry)
		if string(encoded(history)) != string(encoded(points)) {
			t.Fatalf("history of %d:\n got %+v\nwant %+v", id, history, points)
		}
	}
}

func sorted(offers []cashback.Offer) []cashback.Offer {
	slices.SortFunc(offers, func(a, b cashback.Offer) int {
		return strings.Compare(a.Receipt.Portal+a.Entry.Key, b.Receipt.Portal+b.Entry.Key)
	})
	return offers
}

func sameOffers(t *testing.T, what string, got, want []cashback.Offer) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d offers, want %d", what, len(got), len(want))
	}
	for i := range got {
		if string(encoded(got[i])) != string(encoded(want[i])) {
			t.Fatalf("%s:\n got %+v\nwant %+v", what, got[i], want[i])
		}
	}
}

// replay folds the change feed and compares what comes out with what is live: a
// follower that starts from nothing arrives at the same offers.
func (m *model) replay(t *testing.T, s *Store) {
	t.Helper()
	state := map[merchant.Ref]string{}
	after := uint64(0)
	for {
		changes, next, err := s.As(Operator).Changes(context.Background(), after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range changes {
			if c.Number <= after || i > 0 && c.Number != changes[i-1].Number+1 {
				t.Fatalf("change %d after %d", c.Number, after)
			}
			if c.Before != nil {
				ref := merchant.Ref{Portal: c.Portal, Key: c.Before.Entry.Key}
				if state[ref] != modelShown(c.Before) {
					t.Fatalf("change %d comes from\n%s\nand there stood\n%s", c.Number, modelShown(c.Before), state[ref])
				}
				delete(state, ref)
			}
			if c.After != nil {
				state[merchant.Ref{Portal: c.Portal, Key: c.After.Entry.Key}] = modelShown(c.After)
			}
		}
		if next == after {
			break
		}
		after = next
	}
	if after != s.As(Operator).LastChange() || len(state) != len(m.live) {
		t.Fatalf("the feed ends at %d of %d with %d offers, %d are live", after, s.As(Operator).LastChange(), len(state), len(m.live))
	}
	for ref, o := range m.live {
		if state[ref] != modelShown(o) {
			t.Fatalf("the feed makes of %v\n%s\nand live is\n%s", ref, state[ref], modelShown(o))
		}
	}
}

// TestPropertyPublish runs random histories against the model: complete and partial
// runs, stale readings, removals, merges and splits, publication modes, restarts.
func TestPropertyPublish(t *testing.T) {
	for seed := range uint64(share(4, 2000)) {
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { playModel(t, seed) }) {
			return
		}
	}
}

func playModel(t *testing.T, seed uint64) {
	ctx := context.Background()
	m := newModel(seed)
	dir := t.TempDir()
	open := func() *Store {
		s, err := Open(ctx, dir, options(m.clock))
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for i := range modelPortals {
			ids = append(ids, modelPortal(i))
		}
		if err := s.SavePortals(ctx, portals(ids...)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	for range 25 {
		switch m.rng.IntN(10) {
		case 0:
			checkEngine(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open()
		case 1, 2:
			m.merge(t, s)
		case 3:
			portal := modelPortal(m.rng.IntN(modelPortals))
			mode := []cashback.Publication{cashback.Public, cashback.RelationOnly, cashback.Private, cashback.Off}[m.rng.IntN(4)]
			if err := s.SetPublication(ctx, portal, mode, "op", ""); err != nil {
				t.Fatal(err)
			}
			m.modes[portal] = mode
		default:
			p := m.snapshot()
			out, err := s.Publish(ctx, p)
			if err != nil {
				t.Fatal(err)
			}
			added, changed, removed := m.publish(p)
			if r := out.Run; r.Added != added || r.Changed != changed || r.Removed != removed {
				t.Fatalf("%s: %d added, %d changed, %d removed; want %d, %d, %d", r.ID, r.Added, r.Changed, r.Removed, added, changed, removed)
			}
		}
		m.compare(t, s)
	}
	m.replay(t, s)
	checkEngine(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rep, err := Check(ctx, dir, options(m.clock))
	if err != nil || rep.Found > 0 {
		t.Fatalf("%+v, %v", rep, err)
	}
}

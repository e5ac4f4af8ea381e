package merchant

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// check runs a random check: a share of it here, all of it with CAGNOTTE_PROVE=1.
func check(t *testing.T, share, full int, prop func(*rapid.T)) {
	t.Helper()
	n := share
	if os.Getenv("CAGNOTTE_PROVE") != "" {
		n = full
	}
	if err := flag.Set("rapid.checks", fmt.Sprint(n)); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, prop)
}

// drawName draws from few names that collide in every way the rules know.
func drawName(t *rapid.T) string {
	word := rapid.SampledFrom([]string{"Tartemp", "Tartempion", "Tartmep", "Tartempo", "Bidule", "Bidulle", "Zorglub", "Grand", "Quick"})
	more := rapid.SampledFrom([]string{"Shoes", "Schuhe", "Bank", "Banque", "Outlet", "Voyages", "Pro", "Store", "Boutique", "Paris", "Hotels", "Company", "24", "Dingo", "& Bidule", "by Zorglub"})
	parts := []string{word.Draw(t, "word")}
	for range rapid.IntRange(0, 2).Draw(t, "more") {
		parts = append(parts, more.Draw(t, "part"))
	}
	name := strings.Join(parts, " ")
	switch rapid.IntRange(0, 11).Draw(t, "spelling") {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return "Code promo " + name
	case 2:
		return name + " Belgique"
	case 3:
		return strings.ReplaceAll(name, " ", "") + ".fr"
	case 4:
		if len(name) > 9 {
			return name[:9] + "..."
		}
	case 5:
		return name + " (ex Bidule)"
	case 6:
		return "***"
	}
	return name
}

func drawEntry(t *rapid.T, key string) cashback.Entry {
	return cashback.Entry{
		Key: key, Name: drawName(t),
		Country:  rapid.SampledFrom([]cashback.Country{"FR", "FR", "FR", "BE"}).Draw(t, "country"),
		Domain:   rapid.SampledFrom([]string{"", "", "", "tartemp.fr", "tartemp.com", "bidule.fr", "tartempshoes.fr", "pro.tartemp.fr", "zorglub.com", "awin1.com"}).Draw(t, "domain"),
		Category: rapid.SampledFrom([]string{"", "", "fashion", "travel", "finance"}).Draw(t, "category"),
	}
}

// world is what portals list: the latest of each entry.
type world map[Ref]cashback.Entry

func drawWorld(t *rapid.T, most int) world {
	w := world{}
	for i := range rapid.IntRange(1, most).Draw(t, "entries") {
		portal := fmt.Sprintf("p%d", i%3)
		key := fmt.Sprint(i)
		w[Ref{portal, key}] = drawEntry(t, key)
	}
	return w
}

func (w world) refs() []Ref { return slices.SortedFunc(maps.Keys(w), compareRefs) }

// picture is what a catalogue says, without ids and slugs: for every entry its
// merchant's members and description, and what is doubtful about it.
func picture(c *Catalogue) map[Ref]string {
	members := func(id cashback.MerchantID) string { return fmt.Sprint(c.Members(id)) }
	out := map[Ref]string{}
	for ref, e := range c.entries {
		if e.merchant == 0 {
			out[ref] = "none: " + e.unusable
			continue
		}
		m, ok := c.Merchant(e.merchant)
		if !ok {
			out[ref] = "lost"
			continue
		}
		out[ref] = fmt.Sprint(members(m.ID), m.Name, m.Country, m.Domain, m.Category, m.Brand, m.Aliases)
	}
	for _, r := range c.Reviews() {
		s := fmt.Sprintf(" review %.2f %q", r.Confidence, r.Reasons)
		var cs []string
		for _, x := range r.Candidates {
			cs = append(cs, fmt.Sprint(x.Name, x.Confidence, x.Reasons, members(x.Merchant)))
		}
		slices.Sort(cs)
		out[r.Ref] += s + fmt.Sprint(cs)
	}
	return out
}

func diff(t *rapid.T, a, b map[Ref]string, what string) {
	t.Helper()
	if maps.Equal(a, b) {
		return
	}
	for ref, s := range a {
		if b[ref] != s {
			t.Fatalf("%s: of %v\n one says %s\n the other %s", what, ref, s, b[ref])
		}
	}
	t.Fatalf("%s: %d entries and %d", what, len(a), len(b))
}

// sound checks what must hold of every catalogue.
func sound(t *rapid.T, c *Catalogue) {
	t.Helper()
	slugs := map[string]cashback.MerchantID{}
	for m := range c.Merchants() {
		if other, taken := slugs[m.Slug]; taken || m.Slug == "" {
			t.Fatalf("%d and %d have the slug %q", m.ID, other, m.Slug)
		}
		slugs[m.Slug] = m.ID
		if len(c.Members(m.ID)) == 0 {
			t.Fatalf("merchant %d has no members", m.ID)
		}
		if f := c.founders[m.ID]; f == nil || f.merchant != m.ID {
			t.Fatalf("merchant %d with %v isn't its founder's: %+v", m.ID, c.Members(m.ID), f)
		}
	}
	for ref, e := range c.entries {
		if e.merchant != 0 && (e.group == nil || c.merchants[e.merchant] == nil || e.group.cluster != c.merchants[e.merchant].cluster) {
			t.Fatalf("%v is out of joint", ref)
		}
	}
	for _, m := range c.merchants {
		// No chaining: every name is acceptable with one that stands for the merchant.
		lead := m.cluster.groups[0]
		for i, g := range m.cluster.groups {
			if i > 0 && m.cluster.scores[i] < accept {
				t.Fatalf("%q belongs to %q with only %.2f", g.key, lead.key, m.cluster.scores[i])
			}
			for _, o := range m.cluster.groups[:i] {
				if v := c.rules.decide(g, o, false); v.apart && len(c.bound(g))+len(c.bound(o)) == 0 {
					t.Fatalf("%q and %q are two shops, but in one merchant", g.key, o.key)
				}
			}
		}
	}
}

// TestOrderProperty: the same entries give the same merchants, whatever the order of
// portals and entries, one by one or together, with entries that changed their name
// or were forgotten on the way.
func TestOrderProperty(t *testing.T) {
	r := rules(t)
	check(t, 150, 20_000, func(t *rapid.T) {
		w := drawWorld(t, 24)
		most := rapid.SampledFrom([]int{defaultBlock, 3}).Draw(t, "block")
		empty := func() *Catalogue {
			c := New(r)
			c.maxBlock = most
			return c
		}
		once := empty()
		for _, ref := range w.refs() {
			once.Upsert(ref.Portal, []cashback.Entry{w[ref]})
		}
		sound(t, once)
		want := picture(once)

		batch := empty()
		for _, p := range []string{"p2", "p0", "p1"} {
			var es []cashback.Entry
			for _, ref := range w.refs() {
				if ref.Portal == p {
					es = append(es, w[ref])
				}
			}
			batch.Upsert(p, es)
		}
		diff(t, want, picture(batch), "one by one and portal by portal")

		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		shuffled := empty()
		refs := w.refs()
		rnd.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
		var gone []Ref
		for i, ref := range refs {
			if rnd.IntN(3) == 0 { // it had another name before
				was := w[refs[rnd.IntN(len(refs))]]
				was.Key = ref.Key
				shuffled.Upsert(ref.Portal, []cashback.Entry{was})
			}
			shuffled.Upsert(ref.Portal, []cashback.Entry{w[ref]})
			if rnd.IntN(4) == 0 { // and one that won't stay
				was := w[refs[rnd.IntN(len(refs))]]
				was.Key = fmt.Sprint("gone", i)
				gone = append(gone, Ref{"p9", was.Key})
				shuffled.Upsert("p9", []cashback.Entry{was})
			}
		}
		sound(t, shuffled)
		shuffled.Forget(gone)
		sound(t, shuffled)
		diff(t, want, picture(shuffled), "one by one and shuffled, with detours")
	})
}

// mirror is a store as simple as can be: it applies plans, and gives a State back.
type mirror struct {
	merchants map[cashback.MerchantID]cashback.Merchant
	founders  map[cashback.MerchantID]Ref
	held      []Held
	events    []Event
	next      cashback.MerchantID
}

func newMirror() *mirror {
	return &mirror{merchants: map[cashback.MerchantID]cashback.Merchant{}, founders: map[cashback.MerchantID]Ref{}}
}

func (m *mirror) apply(t *rapid.T, p Plan, entries []cashback.Entry) {
	t.Helper()
	for _, x := range p.New {
		if _, twice := m.merchants[x.ID]; twice {
			t.Fatalf("merchant %d is new a second time", x.ID)
		}
		m.merchants[x.ID] = x
		m.next = max(m.next, x.ID+1)
	}
	for _, x := range p.Changed {
		if _, known := m.merchants[x.ID]; !known {
			t.Fatalf("merchant %d changed and was never new", x.ID)
		}
		m.merchants[x.ID] = x
	}
	maps.Copy(m.founders, p.Founders)
	at := func(ref Ref) int {
		return slices.IndexFunc(m.held, func(h Held) bool { return h.Portal == ref.Portal && h.Entry.Key == ref.Key })
	}
	for _, mv := range p.Moved {
		i := at(mv.Ref)
		if i < 0 || m.held[i].Merchant != mv.From {
			t.Fatalf("%v moves from %d, where it isn't", mv.Ref, mv.From)
		}
		m.held[i].Merchant = mv.To
	}
	for _, e := range entries {
		h := Held{Portal: p.Portal, Entry: e, Merchant: p.Assign[e.Key]}
		if i := at(Ref{p.Portal, e.Key}); i >= 0 {
			m.held[i] = h
		} else {
			m.held = append(m.held, h)
		}
	}
}

func (m *mirror) state() State {
	s := State{Held: m.held, Founders: m.founders, Events: m.events, Next: m.next}
	for _, id := range slices.Sorted(maps.Keys(m.merchants)) {
		s.Merchants = append(s.Merchants, m.merchants[id])
	}
	return s
}

// TestEventProperty: corrections hold through crawls; undone, they leave nothing
// behind; ids lead on for ever; what the plans say is what the catalogue holds; and a
// catalogue that is rebuilt says the same. A plan that couldn't be stored is taken back
// without a trace.
func TestEventProperty(t *testing.T) {
	r := rules(t)
	check(t, 150, 20_000, func(t *rapid.T) {
		c, m := New(r), newMirror()
		ever := map[cashback.MerchantID]bool{}
		var number uint64
		upsert := func(n int, label string) {
			portal := rapid.SampledFrom([]string{"p0", "p1", "p2"}).Draw(t, label)
			var es []cashback.Entry
			for range n {
				es = append(es, drawEntry(t, fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "key"))))
			}
			es = unique(es)
			before := picture(c)
			p := c.Upsert(portal, es)
			if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
				c.Revert(p)
				diff(t, before, picture(c), "before and after a revert")
				sound(t, c)
				return
			}
			m.apply(t, p, es)
		}
		upsert(8, "portal")
		for range rapid.IntRange(1, 10).Draw(t, "steps") {
			for x := range c.Merchants() {
				ever[x.ID] = true
			}
			ids := slices.Sorted(maps.Keys(ever))
			ev := Event{Number: number + 1, By: "op"}
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1:
				upsert(rapid.IntRange(1, 4).Draw(t, "n"), "portal")
				continue
			case 2, 3:
				ev.Kind = rapid.SampledFrom([]EventKind{Merge, Apart}).Draw(t, "kind")
				if len(ids) > 0 {
					ev.Merchant = rapid.SampledFrom(ids).Draw(t, "a")
					ev.Other = rapid.SampledFrom(ids).Draw(t, "b")
				}
			case 4:
				ev.Kind = Split
				if len(ids) > 0 {
					ev.Merchant = c.Lead(rapid.SampledFrom(ids).Draw(t, "of"))
					if ms := c.Members(ev.Merchant); len(ms) > 1 {
						ev.Entries = ms[:rapid.IntRange(1, len(ms)-1).Draw(t, "out")]
					}
				}
			case 5:
				ev.Kind, ev.Name = Rename, rapid.SampledFrom([]string{"Renamed", "Other Name"}).Draw(t, "name")
				if len(ids) > 0 {
					ev.Merchant = rapid.SampledFrom(ids).Draw(t, "m")
				}
			case 6:
				ev.Kind, ev.Undoes = Undo, rapid.Uint64Range(0, number).Draw(t, "undoes")
			}
			before := picture(c)
			stored, p, err := c.Apply(ev)
			if err != nil {
				if k := cashback.KindOf(err); k != cashback.Invalid && k != cashback.NotFound {
					t.Fatal(err)
				}
				diff(t, before, picture(c), "before and after a refusal")
				continue
			}
			if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
				c.Revert(p)
				diff(t, before, picture(c), "before and after a revert")
				sound(t, c)
				continue
			}
			number++
			m.events = append(m.events, stored)
			m.apply(t, p, nil)
			holds(t, c, ev)
			sound(t, c)
			for _, id := range ids { // old addresses lead on
				if lead := c.Lead(id); c.merchants[lead] == nil && len(c.entries) > 0 && c.founders[id] != nil && c.founders[id].merchant != 0 {
					t.Fatalf("%d leads to %d, which is nothing", id, lead)
				}
			}
		}
		for _, h := range m.held {
			if got := c.Of(Ref{h.Portal, h.Entry.Key}); got != h.Merchant {
				t.Fatalf("%s %s: the plans say %d, the catalogue %d", h.Portal, h.Entry.Key, h.Merchant, got)
			}
		}
		for x := range c.Merchants() {
			if !sameMerchant(x, m.merchants[x.ID]) {
				t.Fatalf("the plans say %+v, the catalogue %+v", m.merchants[x.ID], x)
			}
		}
		again := New(r)
		p, err := again.Restore(m.state())
		if err != nil {
			t.Fatal(err)
		}
		if len(p.New)+len(p.Changed)+len(p.Moved) > 0 {
			t.Fatalf("restoring changes things: %+v", p)
		}
		diff(t, picture(c), picture(again), "before and after a restart")
		for x := range c.Merchants() {
			if y, _ := again.Merchant(x.ID); !sameMerchant(x, y) {
				t.Fatalf("before %+v, after the restart %+v", x, y)
			}
		}
		// All undone, the rules have their way again.
		for _, ev := range slices.Backward(c.Events()) {
			if ev.Kind == Undo {
				continue
			}
			number++
			if _, _, err := c.Apply(Event{Number: number, Kind: Undo, Undoes: ev.Number}); err != nil {
				t.Fatal(err)
			}
		}
		fresh := New(r)
		for _, h := range m.held {
			fresh.Upsert(h.Portal, []cashback.Entry{h.Entry})
		}
		if undoes := slices.ContainsFunc(m.events, func(e Event) bool { return e.Kind == Undo }); !undoes {
			diff(t, picture(fresh), picture(c), "without corrections and with all undone")
		}
	})
}

// holds checks that an event that was accepted is in force.
func holds(t *rapid.T, c *Catalogue, ev Event) {
	t.Helper()
	switch ev.Kind {
	case Merge:
		if c.Lead(ev.Merchant) != c.Lead(ev.Other) {
			t.Fatalf("merged, but %d leads to %d and %d to %d", ev.Merchant, c.Lead(ev.Merchant), ev.Other, c.Lead(ev.Other))
		}
	case Apart:
		if c.Lead(ev.Merchant) == c.Lead(ev.Other) {
			t.Fatalf("kept apart, but both lead to %d", c.Lead(ev.Merchant))
		}
	case Split:
		out := c.Of(ev.Entries[0])
		for _, ref := range ev.Entries {
			if c.Of(ref) != out {
				t.Fatalf("split off together, but %v is elsewhere", ref)
			}
		}
		stay := false
		for _, ref := range c.Members(ev.Merchant) {
			stay = stay || !slices.Contains(ev.Entries, ref)
		}
		if !stay && c.Lead(ev.Merchant) == out {
			t.Fatalf("split, but %d took nothing with it", out)
		}
	case Rename:
		if m, _ := c.Merchant(ev.Merchant); m.Name != ev.Name {
			t.Fatalf("renamed to %q, but called %q", ev.Name, m.Name)
		}
	}
}

func unique(es []cashback.Entry) []cashback.Entry {
	seen := map[string]bool{}
	return slices.DeleteFunc(es, func(e cashback.Entry) bool {
		twice := seen[e.Key]
		seen[e.Key] = true
		return twice
	})
}

package index

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

const (
	// changesAtOnce is how many change records are read at a time.
	changesAtOnce = 5000
	// shopsAtOnce is how many shops are read before they are laid into pages.
	shopsAtOnce = 1000
	// replaySpan is how many changes may be replayed before loading everything anew
	// is cheaper.
	replaySpan = 200_000
	// showEvery is how long loading goes on before what is there is shown.
	showEvery = 250 * time.Millisecond
	// checkEvery is how many looks at the Source pass between two at the text index's
	// own health.
	checkEvery = 25
	// maxTrials is how many processes may end before they have used a text index for
	// checkEvery looks.
	maxTrials = 3
	// maxPause is the longest pause after a failure of the Source.
	maxPause = 30 * time.Second
)

// follower keeps an index in step with its Source. One goroutine at a time owns it.
// It paces itself by the machine's clock, as timers do: Options.Now says what counts
// as today, and may stand still.
type follower struct {
	*Index
	mark    mark // of the columns
	loaded  bool // the columns hold the whole Source as of mark
	unsaved bool
	saved   time.Time
	next    int           // number of the next text folder
	why     string        // there is no text index
	rest    time.Duration // since the last failed rebuild
	restEnd time.Time
	// attempts counts the rebuilds since the start.
	attempts atomic.Int64
	looks    int
	onTrial  bool
	ordered  time.Time // when the popularity was last made
}

// open takes over what the folder holds.
func (f *follower) open(ctx context.Context) error {
	if c, m, err := loadColumns(filepath.Join(f.dir, columnsPrefix+schema)); err == nil {
		f.columns.Store(c)
		f.mark, f.loaded = m, true
	} else if !errors.Is(err, os.ErrNotExist) {
		f.log.Warn("the saved columns can't be used; they are read from the store again", "error", err)
	}
	name := f.current()
	f.sweep(name)
	f.why = "no text index yet"
	if name != "" {
		err := f.trial(name)
		var e *engine
		if err == nil {
			e, err = openEngine(filepath.Join(f.dir, name), false)
		}
		if err == nil {
			f.text.Store(e)
		} else {
			f.why = err.Error()
			f.log.Warn("the text index can't be used; it is built anew", "error", err, "stack", stackOf(err))
		}
	}
	_, _ = fmt.Sscanf(name, textPrefix+schema+"-%d", &f.next)
	f.next++
	f.saved = time.Now()
	f.tell(f.mark.applied)
	return context.Cause(ctx)
}

// trial counts how often the text index was opened and its process then ended
// before it had proved itself. Damage that checks don't see can end a process in a
// goroutine of scorch, where nobody can catch it; it must not do so at every start.
func (f *follower) trial(name string) error {
	path := filepath.Join(f.dir, trialFile)
	was, n := "", 0
	if b, err := os.ReadFile(path); err == nil {
		_, _ = fmt.Sscan(string(b), &was, &n)
	}
	if was != name {
		n = 0
	}
	if n >= maxTrials {
		_ = os.Remove(path)
		return fmt.Errorf("%w: %d processes ended soon after they opened it", errBroken, n)
	}
	f.onTrial = true
	return os.WriteFile(path, fmt.Appendf(nil, "%s %d\n", name, n+1), 0o644)
}

// proved ends the trial.
func (f *follower) proved() {
	if f.onTrial {
		f.onTrial = false
		_ = os.Remove(filepath.Join(f.dir, trialFile))
	}
}

// tell publishes the status.
func (f *follower) tell(last uint64) {
	c := f.columns.Load()
	s := &Status{Applied: c.applied, Last: last, Loaded: f.loaded, Shops: c.shops, Offers: c.offers}
	e := f.text.Load()
	if e == nil {
		s.Degraded = true
		s.Why = f.why
	}
	s.Ready = s.Loaded && e != nil && e.mark == f.mark && last <= c.applied
	f.state.Store(s)
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	pause := f.opt.Gather
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		if err := f.step(ctx); err == nil {
			pause = f.opt.Gather
		} else if ctx.Err() == nil {
			pause = min(2*pause, max(maxPause, f.opt.Gather))
			f.log.Error("the index can't follow the store; trying again", "error", err, "in", pause, "stack", stackOf(err))
			f.tell(f.state.Load().Last)
		}
		tick.Reset(pause)
		select {
		case <-ctx.Done():
			return
		case e := <-f.hurt:
			f.why = "the text index was found broken"
			f.discard(e)
		case <-tick.C:
		}
	}
}

// step brings both parts up to the Source's last change.
func (f *follower) step(ctx context.Context) (err error) {
	defer func() {
		// A fault of our own must not end the process either.
		if p := recover(); p != nil {
			err = fmt.Errorf("following the store: panic: %v", p)
		}
	}()
	last, err := f.source.LastChange(ctx)
	if err != nil {
		return err
	}
	if err := f.history(ctx, last); err != nil {
		return err
	}
	if !f.loaded {
		if err := f.load(ctx, last); err != nil {
			return err
		}
	}
	if err := f.follow(ctx, last); err != nil {
		return err
	}
	f.order()
	f.health()
	if err := f.rebuild(ctx); err != nil {
		return err
	}
	if f.unsaved && time.Since(f.saved) >= f.opt.Save {
		f.save(ctx)
	}
	f.tell(last)
	return nil
}

// history throws away what belongs to another history of the Source: a store that
// was set back to a backup has lower numbers, or the same with other changes.
func (f *follower) history(ctx context.Context, last uint64) error {
	foreign := func(m mark) (bool, error) {
		if m.applied == 0 {
			return false, nil
		}
		if m.applied > last {
			return true, nil
		}
		list, err := f.source.Changes(ctx, m.applied-1, 1)
		if err != nil && cashback.KindOf(err) == cashback.Conflict {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		return len(list) == 0 || fingerprint(&list[0]) != m.fingerprint, nil
	}
	if f.loaded && f.looks == 0 || f.mark.applied > last {
		bad, err := foreign(f.mark)
		if err != nil {
			return err
		}
		if bad {
			f.log.Warn("the saved columns belong to another store; they are read again", "applied", f.mark.applied, "last", last)
			f.loaded, f.mark = false, mark{}
		}
	}
	if e := f.text.Load(); e != nil && (f.looks == 0 || e.mark.applied > last) {
		bad, err := foreign(e.mark)
		if err != nil {
			return err
		}
		if bad {
			f.drop(e, fmt.Errorf("it belongs to another store: it goes up to change %d of %d", e.mark.applied, last))
		}
	}
	f.looks++
	return nil
}

// fingerprint tells a change from another one of the same number.
func fingerprint(c *cashback.Change) uint64 {
	h := fnv.New64a()
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], c.Number)
	binary.BigEndian.PutUint64(b[8:], uint64(c.At.UnixNano()))
	binary.BigEndian.PutUint64(b[16:], uint64(c.Merchant))
	h.Write(b[:])
	h.Write([]byte(c.Kind))
	h.Write([]byte(c.Portal))
	return h.Sum64()
}

// markOf is the mark of a change that the Source still has.
func (f *follower) markOf(ctx context.Context, number uint64) (mark, error) {
	if number == 0 {
		return mark{}, nil
	}
	list, err := f.source.Changes(ctx, number-1, 1)
	if err != nil {
		return mark{}, err
	}
	if len(list) == 0 || list[0].Number != number {
		return mark{}, cashback.Errorf(cashback.Unavailable, "the store counts change %d as its last and doesn't have it", number)
	}
	return mark{number, fingerprint(&list[0])}, nil
}

// load reads the whole Source into the columns, and shows what is there meanwhile.
func (f *follower) load(ctx context.Context, last uint64) error {
	m, err := f.markOf(ctx, last)
	if err != nil {
		return err
	}
	portals, err := f.source.Portals(ctx)
	if err != nil {
		return err
	}
	d := (*columns)(nil).draft()
	for _, p := range portals {
		d.portal(p.ID)
	}
	d.setPortals(portals)
	c := d.done(0)
	shown := time.Now()
	d = c.draft()
	n := 0
	err = f.source.EachShop(ctx, func(s Shop) error {
		f.put(d, s)
		if n++; n%shopsAtOnce != 0 {
			return context.Cause(ctx)
		}
		c = d.done(0)
		d = c.draft()
		if now := time.Now(); now.Sub(shown) >= showEvery && f.columns.Load().shops <= c.shops {
			shown = now
			f.columns.Store(c)
			f.why = "the shops are being read"
			f.tell(last)
		}
		return context.Cause(ctx)
	})
	if err != nil {
		return err
	}
	f.columns.Store(d.done(m.applied))
	f.mark, f.loaded, f.unsaved = m, true, true
	f.why = "the text index is being built"
	f.tell(last)
	return nil
}

func (f *follower) put(d *draft, s Shop) {
	if !d.put(s) {
		f.log.Error("a merchant's id can't be indexed", "merchant", s.Merchant.ID)
	}
}

// follow applies the changes up to last to both parts.
func (f *follower) follow(ctx context.Context, last uint64) error {
	for {
		from := f.mark.applied
		e := f.text.Load()
		if e != nil {
			from = min(from, e.mark.applied)
		}
		if from >= last {
			return nil
		}
		if last-from > replaySpan {
			if from == f.mark.applied {
				f.loaded = false
				return f.load(ctx, last)
			}
			f.drop(e, fmt.Errorf("it is %d changes behind", last-from))
			continue
		}
		limit := changesAtOnce
		if from < f.mark.applied {
			// The text index alone is behind: bring it up to the columns first.
			limit = int(min(uint64(limit), f.mark.applied-from))
		}
		list, err := f.source.Changes(ctx, from, limit)
		if err != nil && cashback.KindOf(err) == cashback.Conflict {
			if from == f.mark.applied {
				f.loaded = false
				return f.load(ctx, last)
			}
			f.drop(e, err)
			continue
		}
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return nil
		}
		if err := f.apply(ctx, list); err != nil {
			return err
		}
	}
}

// apply reads the present state of what the changes touch, and puts it in both
// parts.
func (f *follower) apply(ctx context.Context, list []cashback.Change) error {
	end := &list[len(list)-1]
	to := mark{end.Number, fingerprint(end)}
	c := f.columns.Load()
	touched := map[cashback.MerchantID]bool{}
	again := map[uint16]bool{} // portals whose offers were confirmed
	portals := false
	for i := range list {
		ch := &list[i]
		if ch.Merchant != 0 {
			touched[ch.Merchant] = true
		}
		for _, o := range [...]*cashback.Offer{ch.Before, ch.After} {
			if o != nil && o.Merchant != 0 {
				touched[o.Merchant] = true
			}
		}
		if ch.Portal != "" {
			if _, known := c.byPortal[ch.Portal]; !known || ch.Kind == cashback.PortalChanged {
				portals = true
			}
		}
		if n, known := c.byPortal[ch.Portal]; known && ch.Kind == cashback.PortalChecked {
			again[n] = true
		}
	}
	d := c.draft()
	for n := range again {
		if err := f.confirm(ctx, d, c, n, touched); err != nil {
			return err
		}
	}
	if portals {
		now, err := f.source.Portals(ctx)
		if err != nil {
			return err
		}
		for _, p := range now {
			d.portal(p.ID)
		}
		d.setPortals(now)
		// Points count for an amount of the portal's currency: its lanes are others.
		c.each(func(p *page, slot int, s *shop) bool {
			for _, o := range p.of(slot) {
				if n := c.lanes[o.lane].portal; c.portals[n].Currency != d.portals[n].Currency {
					touched[s.ID] = true
				}
			}
			return true
		})
	}
	ids := make([]cashback.MerchantID, 0, len(touched))
	for id := range touched {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	e := f.text.Load()
	// Where the two parts don't stand at the same change, equal names in one prove
	// nothing about the other.
	force := e != nil && e.mark != f.mark
	var renamed, drops []cashback.MerchantID
	for _, id := range ids {
		s, ok, err := f.source.Shop(ctx, id)
		if err != nil {
			return err
		}
		old, _, _ := c.find(id)
		if !ok || s.Merchant.ID != id {
			d.drop(id)
			if old != nil || force {
				drops = append(drops, id)
			}
			continue
		}
		f.put(d, s)
		if old == nil || force || !sameNames(&old.Merchant, &s.Merchant) {
			renamed = append(renamed, id)
		}
	}
	if to.applied > f.mark.applied {
		f.mark = to
	}
	fresh := d.done(f.mark.applied)
	f.columns.Store(fresh)
	f.unsaved = true
	if e == nil || e.mark.applied >= to.applied {
		return nil
	}
	puts := make([]*shop, 0, len(renamed))
	for _, id := range renamed {
		if s, _, _ := fresh.find(id); s != nil {
			puts = append(puts, s)
		}
	}
	e.mark = to
	if len(puts)+len(drops) == 0 && to.applied-e.stored.applied < replaySpan/10 {
		return nil // the mark alone is written at the next occasion
	}
	if err := f.write(ctx, e, puts, drops); err != nil {
		f.drop(e, err)
	}
	return context.Cause(ctx)
}

// confirm takes over when a portal's offers were read. Where a shop has other offers
// of the portal in the columns than in the Source, it is read whole.
func (f *follower) confirm(ctx context.Context, d *draft, c *columns, portal uint16, touched map[cashback.MerchantID]bool) error {
	list, err := f.source.Readings(ctx, c.portals[portal].ID)
	if err != nil && cashback.KindOf(err) != cashback.NotFound {
		return err
	}
	next := 0
	c.each(func(p *page, slot int, s *shop) bool {
		have := 0
		for _, o := range p.of(slot) {
			if c.lanes[o.lane].portal == portal && o.flags&(plus|either) == 0 {
				have++
			}
		}
		for next < len(list) && list[next].Merchant < s.ID {
			touched[list[next].Merchant] = true
			next++
		}
		from := next
		for next < len(list) && list[next].Merchant == s.ID {
			next++
		}
		switch {
		case have != next-from:
			touched[s.ID] = true
		case have > 0:
			at := make([]uint32, have)
			for i := range at {
				at[i] = seconds(list[from+i].At)
			}
			d.confirm(s.ID, portal, at)
		}
		return true
	})
	for ; next < len(list); next++ {
		touched[list[next].Merchant] = true
	}
	return nil
}

// sameNames says whether two states of a merchant have the same document.
func sameNames(a, b *cashback.Merchant) bool {
	return a.Name == b.Name && a.Domain == b.Domain && a.Category == b.Category && slices.Equal(a.Aliases, b.Aliases)
}

// write is engine.write, with our patience for each batch. The end of ctx doesn't
// interrupt it: a batch that scorch has begun to take must not be left alone.
func (f *follower) write(ctx context.Context, e *engine, puts []*shop, drops []cashback.MerchantID) error {
	batches := time.Duration(1 + (len(puts)+len(drops))/batchSize)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batches*f.opt.Patience)
	defer cancel()
	return e.write(ctx, puts, drops)
}

// drop stops using a text index and closes it.
func (f *follower) drop(e *engine, why error) {
	if f.text.CompareAndSwap(e, nil) {
		f.log.Warn("the text index is dropped; names are compared in memory until it is rebuilt", "error", why, "stack", stackOf(why))
		f.why = why.Error()
		f.discard(e)
	}
}

// discard closes a text index that isn't used any more. One whose goroutines have
// died may never close: it is left behind after a while.
func (f *follower) discard(e *engine) {
	done := make(chan error, 1)
	go func() { done <- e.close() }()
	timer := time.NewTimer(f.opt.Patience)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			f.log.Warn("closing the text index", "error", err)
		}
	case <-timer.C:
		f.log.Error("the text index doesn't close; it is left behind", "folder", e.dir)
	}
}

// order makes the popularity anew when the columns have changed, now and then.
func (f *follower) order() {
	c, now := f.columns.Load(), time.Now()
	if p := f.popular.Load(); p == nil || p.of != c && (now.Sub(f.ordered) >= popularEvery || p.of.shops != c.shops) {
		f.ordered = now
		f.popular.Store(popular(c, f.opt.Now()))
	}
}

// health drops a text index that can't write any more, or doesn't hold the shops
// that it says.
func (f *follower) health() {
	e := f.text.Load()
	if e == nil {
		return
	}
	if e.mark == f.mark && (e.counted != e.mark || f.looks%checkEvery == 0) {
		n, err := e.documents()
		if shops := f.columns.Load().shops; err == nil && n != shops {
			err = fmt.Errorf("%w: it holds %d shops of %d", errBroken, n, shops)
		}
		if err != nil {
			f.drop(e, err)
			return
		}
		e.counted = e.mark
	}
	if f.looks%checkEvery == 0 {
		if err := e.sound(); err != nil {
			f.drop(e, err)
			return
		}
		f.proved()
	}
}

// rebuild makes a text index where there is none, from the columns, in a new folder.
// It takes the place of the old one when it is whole and on the disk. Meanwhile the
// columns go on following.
func (f *follower) rebuild(ctx context.Context) (err error) {
	if f.text.Load() != nil || time.Now().Before(f.restEnd) {
		return nil
	}
	began := time.Now()
	f.attempts.Add(1)
	name := textFolder(f.next)
	f.next++
	dir := filepath.Join(f.dir, name)
	defer func() {
		if err == nil {
			f.rest = 0
			return
		}
		f.sweep(f.current())
		if ctx.Err() != nil {
			return
		}
		// Never a hot loop: a disk that is full stays full for a while.
		f.rest = min(max(f.opt.Rest, 2*f.rest), time.Hour)
		f.restEnd = time.Now().Add(f.rest)
		f.why = err.Error()
		err = fmt.Errorf("build the text index: %w (again in %s)", err, f.rest)
	}()
	if err := f.buildIn(ctx, dir); err != nil {
		return err
	}
	e, err := openEngine(dir, false)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(f.dir, currentFile), []byte(name+"\n")); err != nil {
		f.discard(e)
		return err
	}
	f.text.Store(e)
	f.sweep(name)
	f.log.Info("the text index is built", "shops", f.columns.Load().shops, "took", time.Since(began).Round(time.Millisecond))
	return f.follow(ctx, f.mark.applied)
}

// buildIn writes the whole text index as one segment.
func (f *follower) buildIn(ctx context.Context, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	b, err := newBuilder(dir, f.dir, f.mark)
	if err != nil {
		return err
	}
	n := 0
	for i := 0; ; i++ {
		// The newest columns each time: what changes behind us is caught up from the mark.
		c := f.columns.Load()
		if i >= len(c.pages) {
			return b.finish(ctx, n, f.opt.Patience)
		}
		p := c.pages[i]
		if p == nil {
			continue
		}
		for _, s := range p.shops {
			if s == nil {
				continue
			}
			if err := b.add(s); err != nil {
				return err
			}
			if n++; n%batchSize != 0 {
				continue
			}
			last, err := f.source.LastChange(ctx)
			if err == nil {
				err = f.follow(ctx, last)
			}
			if err != nil {
				return err
			}
		}
	}
}

func (f *follower) flush(ctx context.Context, e *engine) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.opt.Patience)
	defer cancel()
	return e.flush(ctx)
}

// save writes the columns and the text index's mark down. A failure costs the next
// start some time, and nothing else.
func (f *follower) save(ctx context.Context) {
	f.saved = time.Now()
	if e := f.text.Load(); e != nil && e.stored != e.mark {
		if err := f.flush(ctx, e); err != nil && ctx.Err() == nil {
			f.drop(e, err)
		}
	}
	if !f.unsaved || !f.loaded {
		return
	}
	if err := saveColumns(filepath.Join(f.dir, columnsPrefix+schema), f.columns.Load(), f.mark); err != nil {
		f.log.Warn("the columns can't be saved; the next start reads the store", "error", err)
		return
	}
	f.unsaved = false
}

// close writes down and lets go.
func (f *follower) close() error {
	f.save(context.Background())
	f.proved()
	if e := f.text.Swap(nil); e != nil {
		f.discard(e)
	}
	for {
		select {
		case e := <-f.hurt:
			f.discard(e)
		default:
			f.why = errClosed.Error()
			f.tell(f.state.Load().Last)
			return nil
		}
	}
}

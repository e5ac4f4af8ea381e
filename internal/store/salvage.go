package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Salvage copies every record that is whole into a new database and puts it in the
// place of the damaged one, which is kept beside it as cagnotte.db.damaged. What is
// dropped stands in the report; kept counts the records that weren't. Nothing is
// made up: an offer whose page's reading is lost isn't shown until the portal is
// read again, and what only pointed at a lost record goes with it.
func Salvage(ctx context.Context, dir string, o Options) (rep Report, kept int, err error) {
	defer cashback.Wrap(&err, "salvage %s", dir)
	o, hold, err := occupy(ctx, dir, o)
	if err != nil {
		return rep, 0, err
	}
	defer func() { err = errors.Join(err, hold.Close()) }()
	path, fresh := filepath.Join(dir, fileName), filepath.Join(dir, freshName)
	rep.Path = path
	old, err := openBoltFile(path)
	if err != nil {
		return rep, 0, cashback.Errorf(cashback.DiskFailed, "nothing can be kept of %s: %w", path, err)
	}
	defer old.close()
	rep.Bytes = old.size
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return rep, 0, diskError(err, "remove %s", fresh)
	}
	db, err := openBolt(fresh, o, 0)
	if err != nil {
		return rep, 0, err
	}
	s := &salvage{ctx: ctx, db: db, rep: &rep, since: stamp(o.Now()), entries: map[place]cashback.MerchantID{}, numbers: map[entryNumber]bool{}, pages: map[string]bool{}, needed: map[string]bool{}}
	// The first walk learns what is there, the second copies what has a place.
	old.problem, old.record = func(error) {}, s.learn
	old.walk()
	clear(old.seen)
	old.problem, old.record = func(err error) { rep.note(&rep.Structure, "%v", err) }, s.take
	old.walk()
	err = s.finish()
	if err == nil && s.kept == 0 {
		err = cashback.Errorf(cashback.DiskFailed, "nothing can be kept of %s: no record is whole", path)
	}
	if closing := db.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = syncFile(fresh)
	}
	if err == nil {
		err = os.Rename(path, path+".damaged")
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err == nil {
		err = syncFolder(dir)
	}
	return rep, s.kept, err
}

type salvage struct {
	ctx context.Context
	db  *bbolt.DB
	rep *Report

	entries map[place]cashback.MerchantID
	numbers map[entryNumber]bool
	pages   map[string]bool
	needed  map[string]bool // the pages that offers were read on

	batch   []saved
	kept    int
	version byte // the highest of any record
	since   int64
	counted counters // as they were, where they are whole
	err     error
}

type saved struct {
	b          bucket
	key, value []byte
}

// whole returns a record's bucket and payload. Where the bucket's own name is
// damaged, the checksum says which it was.
func (s *salvage) whole(name, key, value []byte) (bucket, []byte, error) {
	b := bucket(name)
	if slices.Contains(buckets, b) {
		payload, err := open(b, key, value)
		return b, payload, err
	}
	for _, b := range buckets {
		if payload, err := open(b, key, value); err == nil {
			return b, payload, nil
		}
	}
	return b, nil, &DamagedError{string(b), bytes.Clone(key), "there is no such bucket"}
}

func (s *salvage) learn(name, key, value []byte) {
	b, payload, err := s.whole(name, key, value)
	if err != nil {
		return
	}
	s.version = max(s.version, value[0])
	switch b {
	case offersBucket:
		m, at := placeUnder(key)
		s.entries[at], s.numbers[at.entry] = m, true
		var l listing
		if decode(b, key, payload, &l) == nil && l.Offer != nil {
			s.needed[string(readingKey(at.portal, l.Offer.Page))] = true
		}
	case readingsBucket:
		s.pages[string(key)] = true
	}
}

func (s *salvage) take(name, key, value []byte) {
	if s.err != nil {
		return
	}
	b, payload, err := s.whole(name, key, value)
	if err != nil {
		s.rep.note(&s.rep.Records, "%v", err)
		return
	}
	value = bytes.Clone(value)
	switch b {
	case metaBucket:
		if string(key) == countersKey {
			s.err = decode(b, key, payload, &s.counted)
		}
		return // the rest is written anew
	case listedBucket:
		return // it follows from the offers
	case readingsBucket:
		if !s.needed[string(key)] {
			return
		}
	case historyBucket:
		if !s.numbers[entryNumber(binary.BigEndian.Uint32(key))] {
			s.rep.note(&s.rep.Sense, "the history of a lost entry was dropped")
			return
		}
	case offersBucket:
		m, at := placeUnder(key)
		if s.entries[at] != m {
			return // left behind by a move that a lost page half undid
		}
		var l listing
		if s.err = decode(b, key, payload, &l); s.err != nil {
			return
		}
		if l.Offer != nil && !s.pages[string(readingKey(at.portal, l.Offer.Page))] {
			s.rep.note(&s.rep.Sense, "an offer of portal %d has lost its reading and waits for the next run", at.portal)
			l.Offer = nil
			value = seal(b, key, encoded(&l))
		}
	}
	s.kept++
	s.add(b, bytes.Clone(key), value)
}

func (s *salvage) add(b bucket, key, value []byte) {
	s.batch = append(s.batch, saved{b, key, value})
	if len(s.batch) >= 10_000 {
		s.flush()
	}
}

func (s *salvage) flush() {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return
	}
	s.err = s.db.Update(func(b *bbolt.Tx) error {
		t := &tx{bolt: b}
		if err := t.makeBuckets(); err != nil {
			return err
		}
		for _, r := range s.batch {
			if err := t.bucket(r.b).Put(r.key, r.value); err != nil {
				return err
			}
		}
		return nil
	})
	s.batch = s.batch[:0]
}

// finish writes what follows from the records.
func (s *salvage) finish() error {
	places := make([]place, 0, len(s.entries))
	for at := range s.entries {
		places = append(places, at)
	}
	slices.SortFunc(places, func(a, b place) int { return bytes.Compare(a.key(), b.key()) })
	for _, at := range places {
		key := at.key()
		s.add(listedBucket, key, seal(listedBucket, key, encoded(s.entries[at])))
	}
	s.flush()
	if s.err != nil {
		return s.err
	}
	return s.db.Update(func(b *bbolt.Tx) error {
		t := &tx{bolt: b}
		if err := t.put(metaBucket, []byte(schemaKey), schemaRecord{Version: int(s.version), Since: s.since}); err != nil {
			return err
		}
		count, err := t.recount()
		if err != nil {
			return err
		}
		// What was counted and is lost now isn't given out again.
		was := &s.counted
		count.Entry, count.Change, count.Run = max(count.Entry, was.Entry), max(count.Change, was.Change), max(count.Run, was.Run)
		count.Portal, count.Audit, count.Facts = max(count.Portal, was.Portal), max(count.Audit, was.Audit), max(count.Facts, was.Facts)
		count.Merchant, count.User = max(count.Merchant, was.Merchant), max(count.User, was.User)
		if err := t.put(metaBucket, []byte(countersKey), count); err != nil {
			return err
		}
		offers, rates := map[portalNumber]int{}, map[portalNumber]int{}
		err = eachOf(t, offersBucket, nil, nil, func(key []byte, l *listing) error {
			if _, at := placeUnder(key); l.Offer != nil {
				offers[at.portal]++
				if o := l.Offer.bare(""); o.Kind.Pays() {
					rates[at.portal]++
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		rows := map[portalNumber]*standingRecord{}
		err = eachOf(t, standingBucket, nil, nil, func(key []byte, st *standingRecord) error {
			rows[portalNumber(binary.BigEndian.Uint16(key))] = st
			return nil
		})
		for _, p := range sortedKeys(rows) {
			if err == nil {
				rows[p].Offers, rows[p].WithRate = offers[p], rates[p]
				err = t.put(standingBucket, p.key(), rows[p])
			}
		}
		return err
	})
}

// recount finds the counters out from the records that they count. A number whose
// record is gone may be given out again where nothing has kept it.
func (t *tx) recount() (*counters, error) {
	var n counters
	entry := func(e uint32) { n.Entry = max(n.Entry, e) }
	err := t.each(listedBucket, nil, nil, func(key, _ []byte) error {
		entry(uint32(placeOf(key).entry))
		return nil
	})
	if err == nil {
		err = t.each(historyBucket, nil, nil, func(key, _ []byte) error {
			entry(binary.BigEndian.Uint32(key))
			n.Change = max(n.Change, numberOf(key))
			return nil
		})
	}
	if err == nil {
		err = t.each(changesBucket, nil, nil, func(key, _ []byte) error {
			if n.Earliest == 0 {
				n.Earliest = numberOf(key)
			}
			n.Change = max(n.Change, numberOf(key))
			return nil
		})
	}
	if err == nil {
		if key, _ := t.bucket(usersBucket).Cursor().Last(); len(key) == 4 {
			n.User = binary.BigEndian.Uint32(key)
		}
		for _, b := range []bucket{merchantsBucket, offersBucket} {
			if key, _ := t.bucket(b).Cursor().Last(); len(key) >= 4 {
				n.Merchant = max(n.Merchant, binary.BigEndian.Uint32(key))
			}
		}
		err = t.each(runsBucket, nil, nil, func(key, _ []byte) error { n.Run = max(n.Run, numberOf(key)); return nil })
	}
	if err == nil {
		err = t.each(factsBucket, nil, nil, func(key, _ []byte) error { n.Facts = max(n.Facts, numberOf(key)); return nil })
	}
	if err == nil {
		err = t.each(auditBucket, nil, nil, func(key, _ []byte) error { n.Audit = max(n.Audit, numberOf(key)); return nil })
	}
	if err == nil {
		err = t.each(standingBucket, nil, nil, func(key, _ []byte) error {
			n.Portal = max(n.Portal, binary.BigEndian.Uint16(key))
			return nil
		})
	}
	if err == nil {
		err = eachOf(t, portalsBucket, nil, nil, func(_ []byte, r *portalRecord) error {
			n.Portal = max(n.Portal, uint16(r.Number))
			return nil
		})
	}
	return &n, err
}

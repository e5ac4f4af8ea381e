package store

import (
	"bytes"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// tx is a transaction that speaks of records instead of bytes.
type tx struct {
	bolt   *bbolt.Tx
	store  *Store
	writes bool
	wrote  bool // something was put or dropped
	puts   int  // records put

	count   counters // loaded on first use in a write
	counted bool
	dirty   bool // count has changed
	changed bool // change records were written
	damage  []*DamagedError
	after   []func() // run once the transaction is on the disk
	cursors map[bucket]*bbolt.Cursor
	pages   map[uint64]*pageRecord
	seen    *seenPages // of a long iteration; nil otherwise
}

// counters are the numbers given out so far.
type counters struct {
	Entry    uint32 `cbor:"1,keyasint,omitempty"`
	Change   uint64 `cbor:"2,keyasint,omitempty"`
	Run      uint64 `cbor:"3,keyasint,omitempty"`
	Portal   uint16 `cbor:"4,keyasint,omitempty"`
	Audit    uint64 `cbor:"5,keyasint,omitempty"`
	Facts    uint64 `cbor:"6,keyasint,omitempty"`
	Earliest uint64 `cbor:"7,keyasint,omitempty"` // the first change that is kept
	Merchant uint32 `cbor:"8,keyasint,omitempty"`
	User     uint32 `cbor:"9,keyasint,omitempty"`
}

const countersKey = "counters"

func (t *tx) counters() (*counters, error) {
	if !t.counted {
		found, err := t.get(metaBucket, []byte(countersKey), &t.count)
		if err != nil && !isDamaged(err) {
			return nil, err
		}
		if !found { // Open has written them: they are lost
			again, err := t.recount()
			if err != nil {
				return nil, err
			}
			t.count, t.dirty = *again, t.writes
		}
		t.counted = true
	}
	return &t.count, nil
}

// finish writes what a transaction leaves to its end.
func (t *tx) finish() error {
	if err := t.setAside(); err != nil {
		return err
	}
	if t.dirty {
		return t.put(metaBucket, []byte(countersKey), &t.count)
	}
	return nil
}

func (t *tx) makeBuckets() error {
	t.wrote = true
	for _, b := range buckets {
		if _, err := t.bolt.CreateBucketIfNotExists([]byte(b)); err != nil {
			return err
		}
	}
	return t.put(metaBucket, []byte(bucketsKey), buckets)
}

func (t *tx) bucket(b bucket) *bbolt.Bucket {
	k := t.bolt.Bucket([]byte(b))
	if k == nil {
		panic("no bucket " + string(b)) // Open has made them all
	}
	if appended[b] {
		k.FillPercent = 0.95
	}
	return k
}

// raw returns a record's payload while the transaction lasts; nil where there is
// none.
func (t *tx) raw(b bucket, key []byte) ([]byte, error) {
	v := t.value(b, key)
	if v == nil {
		return nil, nil
	}
	return open(b, key, v)
}

// value is a record as it lies there; nil for none. Reads go through one cursor a
// bucket, which bbolt would make anew for each.
func (t *tx) value(b bucket, key []byte) []byte {
	if t.writes {
		return t.bucket(b).Get(key)
	}
	c := t.cursors[b]
	if c == nil {
		if t.cursors == nil {
			t.cursors = map[bucket]*bbolt.Cursor{}
		}
		c = t.bucket(b).Cursor()
		t.cursors[b] = c
	}
	if k, v := c.Seek(key); bytes.Equal(k, key) {
		return v
	}
	return nil
}

// get reads a record into v; false where there is none.
func (t *tx) get(b bucket, key []byte, v any) (bool, error) {
	payload, err := t.raw(b, key)
	if err != nil || payload == nil {
		return false, t.met(err)
	}
	if err := decode(b, key, payload, v); err != nil {
		return false, t.met(err)
	}
	return true, nil
}

func decode(b bucket, key, payload []byte, v any) error {
	if hot(payload, v) {
		return nil
	}
	if err := decoding.Unmarshal(payload, v); err != nil {
		return &DamagedError{string(b), clone(key), "it can't be read: " + err.Error()}
	}
	return nil
}

// met notes a damaged record: it is logged, and a write moves it out of the way.
func (t *tx) met(err error) error {
	var d *DamagedError
	if errors.As(err, &d) && t.store != nil {
		t.store.noteDamage(err)
		if t.writes {
			t.damage = append(t.damage, d)
		}
	}
	return err
}

// setAside moves the damaged records that a write has met into their own bucket:
// the next look finds none, and what was there can still be looked at.
func (t *tx) setAside() error {
	for _, d := range t.damage {
		t.wrote = true
		b := t.bucket(bucket(d.Bucket))
		v := b.Get(d.Key)
		if v == nil {
			continue
		}
		key := append(append([]byte(d.Bucket), 0), d.Key...)
		if err := t.bucket(damagedBucket).Put(key, seal(damagedBucket, key, clone(v))); err != nil {
			return err
		}
		if err := b.Delete(d.Key); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) put(b bucket, key []byte, v any) error {
	payload, err := encoding.Marshal(v)
	if err != nil {
		return cashback.Errorf(cashback.Internal, "encode %s/%s: %w", b, printable(key), err)
	}
	return t.putRaw(b, key, payload)
}

func (t *tx) putRaw(b bucket, key, payload []byte) error {
	t.wrote = true
	t.puts++
	t.damage = slices.DeleteFunc(t.damage, func(d *DamagedError) bool { return d.Bucket == string(b) && bytes.Equal(d.Key, key) })
	if err := t.bucket(b).Put(key, seal(b, key, payload)); err != nil {
		return cashback.Errorf(cashback.Internal, "write %s/%s: %w", b, printable(key), err)
	}
	return nil
}

func (t *tx) drop(b bucket, key []byte) error {
	t.wrote = true
	return t.bucket(b).Delete(key)
}

// errStop ends an iteration early.
var errStop = errors.New("stop")

// each calls f for the records whose keys begin with a prefix, in order, from a key
// on (nil for the first); damaged records are noted and left out. The bytes live as
// long as the transaction.
func (t *tx) each(b bucket, prefix, from []byte, f func(key, payload []byte) error) error {
	c := t.bucket(b).Cursor()
	if from == nil {
		from = prefix
	}
	for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		payload, err := open(b, k, v)
		if err != nil {
			_ = t.met(err)
			continue
		}
		if err := f(k, payload); errors.Is(err, errStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// eachOf is each with the records read into a fresh T.
func eachOf[T any](t *tx, b bucket, prefix, from []byte, f func(key []byte, v *T) error) error {
	return t.each(b, prefix, from, func(key, payload []byte) error {
		v := new(T)
		if err := decode(b, key, payload, v); err != nil {
			_ = t.met(err)
			return nil
		}
		return f(key, v)
	})
}

// backwards is eachOf from the last record with the prefix to the first.
func backwards[T any](t *tx, b bucket, prefix []byte, f func(key []byte, v *T) error) error {
	c := t.bucket(b).Cursor()
	k, v := last(c, prefix)
	for ; k != nil && bytes.HasPrefix(k, prefix); k, v = c.Prev() {
		payload, err := open(b, k, v)
		out := new(T)
		if err == nil {
			err = decode(b, k, payload, out)
		}
		if err != nil {
			_ = t.met(err)
			continue
		}
		if err := f(k, out); errors.Is(err, errStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// last moves to the last key with the prefix, or below it.
func last(c *bbolt.Cursor, prefix []byte) (k, v []byte) {
	after := clone(prefix)
	for len(after) > 0 {
		after[len(after)-1]++
		if after[len(after)-1] != 0 {
			break
		}
		after = after[:len(after)-1]
	}
	if len(after) == 0 {
		return c.Last()
	}
	if k, _ := c.Seek(after); k == nil {
		return c.Last()
	}
	return c.Prev()
}

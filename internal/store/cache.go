package store

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"io"
	"os"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// LoadHost returns what was last saved of a registrable domain; nil for nothing. The
// bytes are the caller's own.
func (s *Store) LoadHost(ctx context.Context, domain string) (value []byte, err error) {
	defer cashback.Wrap(&err, "read what is owed to %s", short(domain))
	err = s.read(ctx, func(t *tx) error {
		payload, err := t.raw(hostsBucket, []byte(domain))
		if err != nil {
			// A host whose pace is lost starts anew at its least delay.
			_ = t.met(err)
			return nil
		}
		value = clone(payload)
		return nil
	})
	return value, err
}

// SaveHost returns when the value is on the disk.
func (s *Store) SaveHost(ctx context.Context, domain string, value []byte) (err error) {
	defer cashback.Wrap(&err, "save what is owed to %s", short(domain))
	return s.join(ctx, func(t *tx) error { return t.putRaw(hostsBucket, []byte(domain), value) })
}

// Hosts lists the domains of which something is kept.
func (s *Store) Hosts(ctx context.Context) (out map[string][]byte, err error) {
	defer cashback.Wrap(&err, "list the hosts")
	out = map[string][]byte{}
	err = s.read(ctx, func(t *tx) error {
		return t.each(hostsBucket, nil, nil, func(key, payload []byte) error {
			out[string(key)] = clone(payload)
			return nil
		})
	})
	return out, err
}

// LoadPage returns a cached page; nil where it isn't there, which may happen at any
// time.
func (s *Store) LoadPage(ctx context.Context, portal, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.cache.load(portal, key)
}

// SavePage caches a page. Pages that are too old go, and the oldest where there
// isn't room. A page that can't be kept is no failure of the store.
func (s *Store) SavePage(ctx context.Context, portal, key string, value []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.cache.save(portal, key, value)
}

// cache keeps pages in a file of its own: it may be lost, so it needs no sync, and
// its comings and goings don't swell the database.
//
//	pages   portal 0 key   compressed bytes, sealed; when it came, and its size
//	ages    time S         the page's key
type cache struct {
	mu   sync.Mutex
	db   *bbolt.DB
	path string
	o    Options
	size int64
	last int64
}

const (
	pagesBucket bucket = "pages"
	agesBucket  bucket = "ages"
)

// openCache opens the cache, or begins it anew where it can't be opened.
func openCache(path string, o Options) *cache {
	c := &cache{path: path, o: o}
	if err := c.start(); err != nil {
		o.Logger.Warn("the cache of pages can't be read and begins anew", "err", err)
		c.restart()
	}
	return c
}

func (c *cache) start() (err error) {
	defer recovered(&err, c.path, c.o.Logger)
	if c.db, err = openBolt(c.path, c.o, 0); err != nil {
		return err
	}
	c.db.NoSync = true
	c.size = 0
	return c.db.Update(func(b *bbolt.Tx) error {
		t := &tx{bolt: b}
		for _, name := range []bucket{pagesBucket, agesBucket} {
			if _, err := b.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return t.each(agesBucket, nil, nil, func(key, payload []byte) error {
			if len(payload) > 8 {
				c.size += int64(binary.BigEndian.Uint64(payload))
			}
			c.last = max(c.last, int64(binary.BigEndian.Uint64(key)))
			return nil
		})
	})
}

// restart throws the cache away; without one, every page is asked for anew.
func (c *cache) restart() {
	if c.db != nil {
		_ = c.db.Close()
		c.db = nil
	}
	if err := os.Remove(c.path); err != nil && !os.IsNotExist(err) {
		c.o.Logger.Warn("the cache of pages can't be removed", "err", err)
		return
	}
	if err := c.start(); err != nil {
		c.o.Logger.Warn("there is no cache of pages", "err", err)
		if c.db != nil {
			_ = c.db.Close()
			c.db = nil
		}
	}
}

func (c *cache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db == nil {
		return nil
	}
	err := c.db.Close()
	c.db = nil
	return err
}

// use runs f on the cache and begins it anew when f fails.
func (c *cache) use(writes bool, f func(*tx) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db == nil {
		return nil
	}
	err := func() (err error) {
		defer recovered(&err, c.path, c.o.Logger)
		run := c.db.View
		if writes {
			run = c.db.Update
		}
		return run(func(b *bbolt.Tx) error { return f(&tx{bolt: b}) })
	}()
	if err == nil {
		return nil
	}
	if full(err) {
		return diskError(err, "cache a page")
	}
	c.o.Logger.Warn("the cache of pages fails and begins anew", "err", err)
	c.restart()
	return nil
}

func pageKey(portal, key string) []byte { return []byte(portal + "\x00" + key) }

func (c *cache) load(portal, key string) (value []byte, err error) {
	k := pageKey(portal, key)
	err = c.use(false, func(t *tx) error {
		payload, err := t.raw(pagesBucket, k)
		if err != nil || len(payload) < 8 {
			return err
		}
		at := moment(int64(binary.BigEndian.Uint64(payload)))
		if c.o.Now().Sub(at) > c.o.Limits.CacheAge {
			return nil
		}
		value, err = io.ReadAll(flate.NewReader(bytes.NewReader(payload[8:])))
		return err
	})
	return value, err
}

func (c *cache) save(portal, key string, value []byte) error {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(value)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return cashback.Errorf(cashback.Internal, "compress a page: %w", err)
	}
	k := pageKey(portal, key)
	if int64(packed.Len()) > c.o.Limits.CacheBytes {
		return nil
	}
	return c.use(true, func(t *tx) error {
		size := c.size
		if old, err := t.raw(pagesBucket, k); err != nil {
			return err
		} else if len(old) >= 8 {
			size -= int64(len(old))
			if err := t.drop(agesBucket, clone(old[:8])); err != nil {
				return err
			}
		}
		c.last = max(c.last+1, stamp(c.o.Now()))
		at := numberKey(uint64(c.last))
		payload := append(at, packed.Bytes()...)
		if err := t.putRaw(pagesBucket, k, payload); err != nil {
			return err
		}
		if err := t.putRaw(agesBucket, at, append(numberKey(uint64(len(payload))), k...)); err != nil {
			return err
		}
		size += int64(len(payload))
		var gone [][]byte
		oldest := stamp(c.o.Now().Add(-c.o.Limits.CacheAge))
		err := t.each(agesBucket, nil, nil, func(age, v []byte) error {
			if size <= c.o.Limits.CacheBytes && int64(binary.BigEndian.Uint64(age)) >= oldest {
				return errStop
			}
			size -= int64(binary.BigEndian.Uint64(v))
			gone = append(gone, clone(age), clone(v[8:]))
			return nil
		})
		for i := 0; i < len(gone) && err == nil; i += 2 {
			if err = t.drop(agesBucket, gone[i]); err == nil {
				err = t.drop(pagesBucket, gone[i+1])
			}
		}
		if err == nil {
			c.size = size
		}
		return err
	})
}

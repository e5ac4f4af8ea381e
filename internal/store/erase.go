package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Deletion that leaves nothing. bbolt frees pages without touching them, so a dropped
// record's bytes stay in the file until something else happens to be written there.
//
// Two ways lead out. Encrypting each person's records under a key that is then
// destroyed needs a place where a key can be destroyed, which bbolt isn't, so a second
// file, whose loss would be the loss of every ledger. Overwriting the freed pages needs
// no key and risks nothing: the pages are allocated, filled with zeros and freed again,
// in ordinary transactions, so readers keep what they see and a crash leaves a whole
// file. It costs a write of all free pages, once for each deletion, which is rare. A
// mark in the database outlives a crash in between; whoever opens the folder finishes.
//
// What it can't reach: file systems and disks that keep old blocks (snapshots, copy on
// write, flash), and backups.

// eraseKey marks in meta that freed pages are to be overwritten.
const eraseKey = "erase"

// DeleteUser removes a person and everything that is theirs, and returns when no byte
// of it is left in the data folder, copies from migrations and salvage included.
// Conflict for the last operator while other people have accounts.
func (a *Accounts) DeleteUser(ctx context.Context, id account.UserID) (err error) {
	defer cashback.Wrap(&err, "delete user %d", id)
	err = a.store.write(ctx, func(t *tx) error {
		u, err := t.user(id)
		if err != nil {
			return err
		}
		if u.Role == account.Operator {
			if err := t.anotherOperator(id); err != nil && t.otherUsers(id) {
				return err
			}
		}
		if err := t.dropPerson(u); err != nil {
			return err
		}
		return t.put(metaBucket, []byte(eraseKey), stamp(a.store.now()))
	})
	if err != nil {
		return err
	}
	a.store.frozen.forget(id)
	return a.store.Erase(ctx)
}

func (t *tx) otherUsers(id account.UserID) (found bool) {
	_ = t.each(usersBucket, nil, nil, func(key, _ []byte) error {
		found = found || userOf(key) != id
		return nil
	})
	return found
}

// fillerSize makes eight records of filler fill a page of 4,096 bytes, head and
// elements included: pages are then allocated one by one, wherever one is free.
const fillerSize = 480

// eraseChunk is how many pages are overwritten in one transaction: 8 MB of memory, and
// other writers wait some 20 ms.
const eraseChunk = 2000

// Erase finishes what a deletion has begun: freed pages are overwritten. It does
// nothing where nothing is due, and is called by whoever opens a folder to serve it,
// for the case that a deletion was cut short.
func (s *Store) Erase(ctx context.Context) (err error) {
	defer cashback.Wrap(&err, "overwrite what was deleted")
	due := false
	err = s.read(ctx, func(t *tx) error { due = t.value(metaBucket, []byte(eraseKey)) != nil; return nil })
	if err != nil || !due {
		return err
	}
	if err := s.dropCopies(); err != nil {
		return err
	}
	var dirty map[int]bool
	if err := s.write(ctx, func(t *tx) error { dirty = t.freePages(nil); return nil }); err != nil {
		return err
	}
	n, still := uint64(0), 0
	for len(dirty) > 0 {
		before := len(dirty)
		err := s.write(ctx, func(t *tx) error {
			for range (min(eraseChunk, len(dirty)) + 16) * 8 {
				n++
				if err := t.putRaw(fillerBucket, numberKey(n), make([]byte, fillerSize)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return errors.Join(err, s.dropFiller(ctx))
		}
		// A page that is in use now was written whole; what is still free may be pinned
		// by a reader.
		if err := s.write(ctx, func(t *tx) error { dirty = t.freePages(dirty); return nil }); err != nil {
			return err
		}
		if len(dirty) < before {
			still = 0
			continue
		}
		if still++; still > 200 {
			return errors.Join(cashback.Errorf(cashback.Unavailable, "readers keep %d pages of what was deleted: they are overwritten at the next start", len(dirty)), s.dropFiller(ctx))
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.dropFiller(context.WithoutCancel(ctx)))
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.unload(ctx)
	return s.write(ctx, func(t *tx) error {
		if err := t.clearFiller(); err != nil {
			return err
		}
		return t.drop(metaBucket, []byte(eraseKey))
	})
}

func (s *Store) dropFiller(ctx context.Context) error {
	return s.write(ctx, func(t *tx) error { return t.clearFiller() })
}

func (t *tx) clearFiller() error {
	t.wrote = true
	if err := t.bolt.DeleteBucket([]byte(fillerBucket)); err != nil {
		return err
	}
	_, err := t.bolt.CreateBucket([]byte(fillerBucket))
	return err
}

// freePages are the pages that nothing uses: all, or those of a set. Only a write may
// look at bbolt's list.
func (t *tx) freePages(among map[int]bool) map[int]bool {
	free := map[int]bool{}
	look := func(id int) (skip int) {
		info, err := t.bolt.Page(id)
		if err != nil || info == nil {
			return 0
		}
		if info.Type == "free" {
			free[id] = true
			return 0
		}
		return info.OverflowCount
	}
	if among == nil {
		last := int(t.bolt.Size()) / t.bolt.DB().Info().PageSize
		for id := 2; id < last; id++ { // 0 and 1 are bbolt's own
			id += look(id)
		}
		return free
	}
	for id := range among {
		look(id)
	}
	return free
}

// dropCopies removes the copies of the database that the store itself has made: they
// still hold the person.
func (s *Store) dropCopies() error {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return diskError(err, "look into %s", s.dir)
	}
	for _, f := range names {
		name := f.Name()
		if name == fileName+".damaged" || slices.Contains([]string{fileName + ".new", freshName}, name) || strings.HasPrefix(name, fileName+".v") {
			path := filepath.Join(s.dir, name)
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return diskError(err, "remove %s", path)
			}
		}
	}
	return nil
}

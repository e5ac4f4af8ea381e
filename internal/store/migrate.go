package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Keys of meta: the version, and the buckets that were made. A bucket that was made
// and isn't there is lost; making it anew would hide that.
const (
	schemaKey  = "schema"
	bucketsKey = "buckets"
)

type schemaRecord struct {
	Version int   `cbor:"1,keyasint"`
	Since   int64 `cbor:"2,keyasint"`
}

// migration brings the database from the version before to its own.
type migration func(*tx) error

// migrations in order; migrations[i] leads from version i+1 to i+2. Version 1 is
// the first.
var migrations []migration

// migrate refuses what a newer program wrote and brings up what an older one wrote:
// each step is one transaction, and the file as it was is kept beside it.
func (s *Store) migrate(ctx context.Context, o Options) error {
	var rec schemaRecord
	var have []string
	err := s.read(ctx, func(tx *tx) error {
		if first, _ := tx.bolt.Cursor().First(); first == nil {
			return cashback.Errorf(cashback.Invalid, "%s isn't a database of Cagnotte", filepath.Join(s.dir, fileName))
		}
		if tx.bolt.Bucket([]byte(metaBucket)) == nil {
			return s.lostBucket(metaBucket)
		}
		found, err := tx.get(metaBucket, []byte(schemaKey), &rec)
		if err == nil && found {
			found, err = tx.get(metaBucket, []byte(bucketsKey), &have)
		}
		if err != nil || !found {
			return cashback.Errorf(cashback.DiskFailed, "the database in %s has lost its version; keep what is whole with: cagnotte check --salvage (%w)", s.dir, err)
		}
		for _, b := range have {
			if tx.bolt.Bucket([]byte(b)) == nil {
				return s.lostBucket(bucket(b))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if rec.Version > o.schema {
		return cashback.Errorf(cashback.Invalid, "the data in %s has version %d, this program reads up to %d: use the newer program", s.dir, rec.Version, o.schema)
	}
	if rec.Version < o.schema {
		if err := s.keep(fmt.Sprintf("%s.v%d", fileName, rec.Version)); err != nil {
			return err
		}
	}
	for v := rec.Version; v < o.schema; v++ {
		s.logger.Info("bringing the database up", "from", v, "to", v+1)
		err := s.write(ctx, func(tx *tx) error {
			if err := tx.makeBuckets(); err != nil {
				return err
			}
			if err := o.migrations[v-1](tx); err != nil {
				return err
			}
			return tx.put(metaBucket, []byte(schemaKey), schemaRecord{Version: v + 1, Since: stamp(s.now())})
		})
		if err != nil {
			return cashback.Errorf(cashback.KindOf(err), "bring the database from version %d to %d: %w", v, v+1, err)
		}
	}
	if !slices.ContainsFunc(buckets, func(b bucket) bool { return !slices.Contains(have, string(b)) }) {
		return nil
	}
	// A bucket that came later without a new version.
	return s.write(ctx, func(tx *tx) error { return tx.makeBuckets() })
}

func (s *Store) lostBucket(b bucket) error {
	return cashback.Errorf(cashback.DiskFailed, "the database in %s has lost its bucket %s: restore a backup, or keep what is whole with: cagnotte check --salvage", s.dir, b)
}

// keep writes the database as it is under another name in the folder.
func (s *Store) keep(name string) error {
	path := filepath.Join(s.dir, name)
	err := s.db.View(func(t *bbolt.Tx) error { return t.CopyFile(path+".new", 0o600) })
	if err == nil {
		err = syncFile(path + ".new")
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncFolder(s.dir)
	}
	if err != nil {
		return diskError(err, "keep the old database as %s", path)
	}
	return nil
}

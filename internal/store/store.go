package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Options are what a store is given from outside.
type Options struct {
	// Now is the clock; it dates what the store writes by itself.
	Now func() time.Time
	// Logger hears of damaged records and failing disks; nil for silence.
	Logger *slog.Logger
	// Address is where this process serves; other processes show it.
	Address string
	// Limits bound what is kept; a field that is zero is Defaults'.
	Limits Limits
	// Existing refuses a folder without data instead of making one.
	Existing bool

	// openFile opens the database's file; tests put a failing one in its place.
	openFile func(string, int, fs.FileMode) (*os.File, error)
	// migrations and schema stand in for this build's in tests.
	migrations []migration
	schema     int
}

func (o Options) filled() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l, d := &o.Limits, Defaults()
	l.Changes, l.Runs = cmp.Or(l.Changes, d.Changes), cmp.Or(l.Runs, d.Runs)
	l.CacheBytes, l.CacheAge, l.StageAge = cmp.Or(l.CacheBytes, d.CacheBytes), cmp.Or(l.CacheAge, d.CacheAge), cmp.Or(l.StageAge, d.StageAge)
	if o.openFile == nil {
		o.openFile = os.OpenFile
	}
	if o.schema == 0 {
		o.migrations, o.schema = migrations, schemaVersion
	}
	return o
}

// Limits bound what is kept.
type Limits struct {
	// Changes is how many change records are kept: whoever follows the feed and
	// fell behind further starts anew.
	Changes int
	// Runs is how many run reports are kept of each portal.
	Runs int
	// CacheBytes and CacheAge bound the cached pages.
	CacheBytes int64
	CacheAge   time.Duration
	// StageAge is how old an unfinished run may be to be resumed.
	StageAge time.Duration
}

// Defaults: a change record has about 250 bytes, so a million of them is 250 MB,
// which is a year of 60 portals; pages are for validators and specimens, and
// CRAWLING.md keeps specimens for 7 days.
func Defaults() Limits {
	return Limits{
		Changes: 1_000_000, Runs: 400,
		CacheBytes: 512 << 20, CacheAge: 7 * 24 * time.Hour,
		StageAge: 24 * time.Hour,
	}
}

// mapSize is the address space set aside for the database: while the file is
// smaller, growing it needs no new mapping, for which every reader has to stop.
const mapSize = 1 << (30 + 2*(strconv.IntSize/64)) // 4 GiB; 1 GiB on 32 bits

// Store is the open data folder. It is safe for concurrent use.
type Store struct {
	dir    string
	now    func() time.Time
	logger *slog.Logger
	limits Limits
	me     HolderInfo

	lock *os.File
	db   *bbolt.DB
	// writer holds one token: who has it writes. bbolt's own lock can't be given up
	// when a context ends.
	writer chan struct{}
	// joining are the small writes that wait to be made together.
	joining joining

	closed  chan struct{}
	failure atomic.Pointer[error]
	failed  chan struct{}
	// last is the number of the newest change record; news is closed, and replaced,
	// when it grows.
	last atomic.Uint64
	mu   sync.Mutex // guards news and lost
	news chan struct{}
	lost map[string]error
	// portals are the portals' ids and modes by number.
	portals atomic.Pointer[[]portalHead]
	cache   *cache
	// frozen keeps people's terms as they were read: they never change.
	frozen termsRead
}

// Open opens the data folder, or makes it. It fails with kind Locked within two
// seconds where another process has it, with Invalid where a newer version wrote
// it, and with DiskFailed where the disk or the file is bad.
func Open(ctx context.Context, dir string, o Options) (s *Store, err error) {
	o = o.filled()
	if o.Existing {
		if err := mustExist(dir); err != nil {
			return nil, err
		}
	}
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	s = &Store{
		dir: dir, now: o.Now, logger: o.Logger, limits: o.Limits,
		me:     HolderInfo{PID: os.Getpid(), Address: o.Address, Since: o.Now().UTC().Truncate(time.Second)},
		writer: make(chan struct{}, 1), closed: make(chan struct{}), failed: make(chan struct{}), news: make(chan struct{}), lost: map[string]error{},
	}
	s.writer <- struct{}{}
	if s.lock, err = lock(ctx, dir, s.me); err != nil {
		return nil, err
	}
	begun := s
	defer func() {
		if err != nil {
			_ = begun.Close()
			s = nil
		}
	}()
	path := filepath.Join(dir, fileName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(dir, o); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, diskError(err, "look for %s", path)
	}
	if err = inspect(path); err != nil {
		return nil, err
	}
	if s.db, err = openBolt(path, o, mapSize); err != nil {
		return nil, err
	}
	if err = s.migrate(ctx, o); err != nil {
		return nil, err
	}
	err = s.read(ctx, func(tx *tx) error {
		n, err := tx.counters()
		if err != nil {
			return err
		}
		s.last.Store(n.Change)
		return tx.loadPortals()
	})
	if err != nil {
		return nil, err
	}
	s.unload(ctx)
	s.cache = openCache(filepath.Join(dir, cacheName), o)
	return s, nil
}

func makeFolder(dir string) error {
	if st, err := os.Stat(dir); err == nil {
		if !st.IsDir() {
			return cashback.Errorf(cashback.Invalid, "%s is a file: the data needs a folder", dir)
		}
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return diskError(err, "make the data folder %s", dir)
	}
	return syncFolder(filepath.Dir(dir))
}

func openBolt(path string, o Options, size int) (db *bbolt.DB, err error) {
	defer recovered(&err, path, o.Logger)
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockWait, FreelistType: bbolt.FreelistMapType, InitialMmapSize: size, OpenFile: o.openFile, NoStatistics: true,
		// The list of free pages would be most of what a small write writes (240 KB
		// with 30,000 free pages: 1.6 ms instead of 0.4); Close writes it once.
		// After a crash it is found out anew, 0.2 s for 400,000 offers.
		NoFreelistSync: true,
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, lockedError(filepath.Dir(path))
	}
	if err != nil {
		return nil, cashback.Errorf(cashback.DiskFailed, "open %s: %w", path, err)
	}
	return db, nil
}

// create makes the database under another name and gives it its own when it is
// whole: a crash leaves the folder without a database or with an empty one.
func create(dir string, o Options) error {
	fresh, path := filepath.Join(dir, freshName), filepath.Join(dir, fileName)
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskError(err, "remove %s", fresh)
	}
	db, err := openBolt(fresh, o, 0)
	if err != nil {
		return err
	}
	err = db.Update(func(b *bbolt.Tx) error {
		tx := &tx{bolt: b}
		if err := tx.makeBuckets(); err != nil {
			return err
		}
		if err := tx.put(metaBucket, []byte(countersKey), &counters{Earliest: 1}); err != nil {
			return err
		}
		return tx.put(metaBucket, []byte(schemaKey), schemaRecord{Version: o.schema, Since: stamp(o.Now())})
	})
	if closing := db.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = syncFile(fresh)
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err == nil {
		err = syncFolder(dir)
	}
	if err != nil {
		return diskError(err, "create %s", path)
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders can't be synced there
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close waits for the write in progress and lets the folder go.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	<-s.writer // never given back
	close(s.closed)
	var err error
	if s.cache != nil {
		err = s.cache.close()
	}
	if s.db != nil {
		if s.Err() == nil {
			err = errors.Join(err, s.settle())
		}
		err = errors.Join(err, s.db.Close())
	}
	err = errors.Join(err, s.lock.Close())
	s.lock = nil
	return err
}

// settle writes the list of free pages down, so that the next start needn't look
// for them.
func (s *Store) settle() (err error) {
	defer recovered(&err, s.dir, s.logger)
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	s.db.NoFreelistSync = false
	return s.db.Update(func(*bbolt.Tx) error { return nil })
}

// SetAddress tells other processes where this one serves, once it is known.
func (s *Store) SetAddress(address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.me.Address = address
	if err := writeHolder(s.lock, s.me); err != nil {
		return diskError(err, "write %s", lockName)
	}
	return nil
}

var errClosed = cashback.Errorf(cashback.Unavailable, "the store is closed")

// Failed is closed when a commit failed: what it wrote may or may not be there.
// Nothing is written any more; the process must end with status 74.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err is why the store has failed, nil while it hasn't.
func (s *Store) Err() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

func (s *Store) fail(err error) error {
	if s.failure.CompareAndSwap(nil, &err) {
		s.logger.Error("the store has failed and writes nothing more", "err", err)
		close(s.failed)
	}
	return *s.failure.Load()
}

// read runs f in a read transaction. f copies what it needs and calls nobody else.
func (s *Store) read(ctx context.Context, f func(*tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if p := recover(); p != nil {
			if err = panicError(p, s.dir, s.logger); isFault(p) {
				err = s.fail(err) // what lies under us has gone: nothing may be written there
			}
		}
	}()
	b, err := s.db.Begin(false)
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return errClosed
	}
	if err != nil {
		return cashback.Errorf(cashback.DiskFailed, "read the database: %w", err)
	}
	defer func() { _ = b.Rollback() }()
	return f(&tx{bolt: b, store: s})
}

// unload lets go of the pages that a walk over everything has brought into memory:
// they count as this process's, and 400,000 offers are 270 MB of them. It stands in
// a transaction because the mapping may not move meanwhile.
func (s *Store) unload(ctx context.Context) {
	_ = s.read(ctx, func(t *tx) error {
		release(s.db.Info().Data, t.bolt.Size())
		return nil
	})
}

// write runs f in a write transaction and returns when it is on the disk.
func (s *Store) write(ctx context.Context, f func(*tx) error) (err error) {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return errClosed
	case <-s.writer:
		defer func() { s.writer <- struct{}{} }()
	}
	return s.commit(ctx, f)
}

// commit is write for whoever has the writer's token.
func (s *Store) commit(ctx context.Context, f func(*tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.Err(); err != nil {
		return err
	}
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	t := &tx{store: s, writes: true}
	defer func() {
		// bbolt may hold its locks for ever after a panic: nothing can be written.
		if p := recover(); p != nil {
			err = s.fail(panicError(p, s.dir, s.logger))
		}
	}()
	if t.bolt, err = s.db.Begin(true); err != nil {
		return s.fail(cashback.Errorf(cashback.DiskFailed, "begin to write: %w", err))
	}
	refused := f(t)
	if refused == nil {
		refused = t.finish()
	}
	if refused != nil && t.wrote {
		if err := t.bolt.Rollback(); err != nil {
			return s.fail(cashback.Errorf(cashback.DiskFailed, "undo a write: %w", err))
		}
		return refused
	}
	// A transaction that was refused before it wrote anything is committed empty: to
	// undo it, bbolt would look for the free pages in the whole file.
	id := t.bolt.ID()
	if err := t.bolt.Commit(); err != nil {
		if full(err) && !s.committed(id) {
			return cashback.Errorf(cashback.DiskFailed, "the disk of %s is full: nothing was written (%w)", s.dir, err)
		}
		return s.fail(cashback.Errorf(cashback.DiskFailed, "it is unknown whether the last write to %s was kept: restart to see what is there: %w", s.dir, err))
	}
	if refused != nil {
		return refused
	}
	if t.changed {
		s.last.Store(t.count.Change)
		s.mu.Lock()
		close(s.news)
		s.news = make(chan struct{})
		s.mu.Unlock()
	}
	for _, f := range t.after {
		f()
	}
	return nil
}

// full says that there was no room: a disk, a quota, or a limit on file sizes. Where
// bbolt lets its file grow, only the text is left of the error.
func full(err error) bool {
	return slices.ContainsFunc([]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}, func(no error) bool {
		return errors.Is(err, no) || strings.Contains(err.Error(), no.Error())
	})
}

func diskError(err error, format string, args ...any) error {
	return cashback.Errorf(cashback.DiskFailed, "%s: %w", fmt.Sprintf(format, args...), err)
}

// recovered turns a panic of the engine on a damaged file into an error.
func recovered(err *error, where string, logger *slog.Logger) {
	if p := recover(); p != nil {
		*err = panicError(p, where, logger)
	}
}

func panicError(p any, where string, logger *slog.Logger) error {
	logger.Error("reading or writing the database panicked", "panic", p, "stack", string(debug.Stack()))
	if isFault(p) {
		return cashback.Errorf(cashback.DiskFailed, "the database in %s can't be read: it is shorter than it should be, or its disk fails", where)
	}
	return cashback.Errorf(cashback.DiskFailed, "the database in %s is damaged: %v", where, p)
}

// isFault says that a panic came from reading memory behind which no file is.
func isFault(p any) bool {
	_, fault := p.(interface{ Addr() uintptr })
	return fault
}

// noteDamage remembers a damaged record and logs it once.
func (s *Store) noteDamage(err error) {
	var d *DamagedError
	if !errors.As(err, &d) {
		return
	}
	k := d.Bucket + "\x00" + string(d.Key)
	s.mu.Lock()
	_, known := s.lost[k]
	s.lost[k] = err
	s.mu.Unlock()
	if !known {
		s.logger.Error("a stored record is damaged and left out", "bucket", d.Bucket, "key", printable(d.Key), "why", d.Why)
	}
}

// Damage lists the damaged records that were met since the start.
func (s *Store) Damage() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]error, 0, len(s.lost))
	for _, err := range s.lost {
		out = append(out, err)
	}
	return out
}

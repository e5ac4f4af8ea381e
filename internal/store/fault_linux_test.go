package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// disk lets a test put another file under the database's descriptor: what bbolt
// writes goes there, and what that refuses, the disk refuses. The mapping stays.
type disk struct {
	t    *testing.T
	fd   int
	keep int
}

func openOn(t *testing.T, dir string, c *clock) (*Store, *disk) {
	t.Helper()
	d := &disk{t: t}
	o := options(c)
	o.openFile = func(name string, flag int, mode fs.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, mode)
		if err == nil && filepath.Base(name) == fileName {
			d.fd = int(f.Fd())
		}
		return f, err
	}
	s, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

func (d *disk) under(path string) {
	d.t.Helper()
	var err error
	if d.keep, err = syscall.Dup(d.fd); err != nil {
		d.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := syscall.Dup3(int(f.Fd()), d.fd, 0); err != nil {
		d.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) back() {
	d.t.Helper()
	if err := syscall.Dup3(d.keep, d.fd, 0); err != nil {
		d.t.Fatal(err)
	}
	if err := syscall.Close(d.keep); err != nil {
		d.t.Fatal(err)
	}
}

// A failed sync: nothing is acknowledged any more, reads go on, the process is told,
// and the restart has everything that was acknowledged.
func TestFailedSyncStopsEveryWrite(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s, d := openOn(t, dir, newClock())
	if err := s.SaveHost(ctx, "a.fr", []byte("acknowledged")); err != nil {
		t.Fatal(err)
	}
	d.under("/dev/null") // takes every write and can't be synced
	err := s.SaveHost(ctx, "b.fr", []byte("unknown"))
	if cashback.KindOf(err) != cashback.DiskFailed {
		t.Fatalf("a failed sync: %v", err)
	}
	select {
	case <-s.Failed():
	default:
		t.Fatal("nobody is told")
	}
	d.back() // too late
	if err := s.SaveHost(ctx, "a.fr", []byte("later")); cashback.KindOf(err) != cashback.DiskFailed || !errors.Is(err, s.Err()) {
		t.Fatalf("a write after a failed sync: %v", err)
	}
	if v, err := s.LoadHost(ctx, "a.fr"); string(v) != "acknowledged" || err != nil {
		t.Fatalf("a read after a failed sync: %q, %v", v, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, dir, options(newClock()))
	if v, err := again.LoadHost(ctx, "a.fr"); string(v) != "acknowledged" || err != nil {
		t.Fatalf("after the restart: %q, %v", v, err)
	}
}

// A full disk refuses a write as not done, and takes it when there is room.
func TestFullDiskRefusesAndRecovers(t *testing.T) {
	ctx := context.Background()
	s, d := openOn(t, t.TempDir(), newClock())
	t.Cleanup(func() { _ = s.Close() })
	if err := s.SaveHost(ctx, "a.fr", []byte("one")); err != nil {
		t.Fatal(err)
	}
	d.under("/dev/full") // answers every write with ENOSPC
	for range 3 {
		if err := s.SaveHost(ctx, "a.fr", []byte("two")); cashback.KindOf(err) != cashback.DiskFailed || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("a full disk: %v", err)
		}
		if v, _ := s.LoadHost(ctx, "a.fr"); string(v) != "one" {
			t.Fatalf("a refused write is there: %q", v)
		}
	}
	if s.Err() != nil {
		t.Fatalf("a full disk is no failure for ever: %v", s.Err())
	}
	d.back()
	if err := s.SaveHost(ctx, "a.fr", []byte("three")); err != nil {
		t.Fatal(err)
	}
	if v, _ := s.LoadHost(ctx, "a.fr"); string(v) != "three" {
		t.Fatalf("after there was room: %q", v)
	}
	checkEngine(t, s)
}

// The same on a real file system of 4 MiB, written until it is full, freed and
// written again, ten times.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("no right to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	ctx := context.Background()
	c := newClock()
	s, err := Open(ctx, dir, options(c))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		checkEngine(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 100<<10)
	acked := map[string]byte{}
	filler := filepath.Join(dir, "filler")
	refused := 0
	for round := range 10 {
		if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		for i := range 60 {
			value[0] = byte(round*60 + i)
			name := fmt.Sprint("host-", i%20)
			err := s.SaveHost(ctx, name, value)
			switch {
			case err == nil:
				acked[name] = value[0]
			case cashback.KindOf(err) == cashback.DiskFailed && s.Err() == nil:
				refused++
			default:
				t.Fatalf("%v (failed: %v)", err, s.Err())
			}
		}
		for name, want := range acked {
			if v, err := s.LoadHost(ctx, name); err != nil || len(v) != len(value) || v[0] != want {
				t.Fatalf("%s: %d, want %d (%v)", name, v[0], want, err)
			}
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Error("the file system was never full: the test proves nothing")
	}
	if err := s.SaveHost(ctx, "small", []byte("fits again")); err != nil {
		t.Fatal(err)
	}
}

// A file that is cut short while it is open: reads say so instead of killing the
// process, and nothing is written any more.
func TestTruncatedFileIsAnError(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	dir := t.TempDir()
	s, err := Open(ctx, dir, options(c))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(5, 1, 500)
	if err := s.SavePortals(ctx, w.portals); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, s, w.run(0, 500, c.at, map[int]bool{}))
	path := filepath.Join(dir, fileName)
	if err := os.Truncate(path, 3*4096); err != nil {
		t.Fatal(err)
	}
	if _, err := s.As(Operator).PortalOffers(ctx, w.portals[0].ID); cashback.KindOf(err) != cashback.DiskFailed {
		t.Fatalf("a truncated file: %v", err)
	}
	if err := s.SaveHost(ctx, "a.fr", nil); cashback.KindOf(err) != cashback.DiskFailed {
		t.Fatalf("a write to a truncated file: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, dir, options(c)); cashback.KindOf(err) != cashback.DiskFailed {
		t.Fatalf("opening a truncated file: %v", err)
	}
}

// A folder that can't be written is refused with its name.
func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_RDONLY, "size=1m"); err != nil {
		t.Skipf("no right to mount a file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	if _, err := Open(context.Background(), dir, options(newClock())); cashback.KindOf(err) != cashback.DiskFailed || !errors.Is(err, syscall.EROFS) {
		t.Fatal(err)
	}
}

// A ledger on a full disk, and on one whose sync fails: the message says which, reads go
// on, what was acknowledged is there, and who had no answer asks again with the same key.
func TestLedgerOnFailingDisks(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s, d := openOn(t, dir, newClock())
	l, anna := s.Ledgers(), shopper(t, s, "anna")
	enter := func(id string) error {
		_, err := l.Append(ctx, anna, step(id, earnings.Tracked, eur(100)), step(id, earnings.Confirmed, nil))
		return err
	}
	reads := func(events uint64, minor int64) {
		t.Helper()
		head, err := l.Head(ctx, anna)
		balances, err2 := l.Balances(ctx, anna)
		if err != nil || err2 != nil || head != events || len(balances) != 1 || balances[0].Minor != minor {
			t.Fatalf("%d events (%v), balances %v (%v); want %d and %d", head, err, balances, err2, events, minor)
		}
		if v, err := l.Check(ctx, anna); len(v) > 0 || err != nil {
			t.Fatal(v, err)
		}
	}
	if err := enter("1"); err != nil {
		t.Fatal(err)
	}
	d.under("/dev/full")
	if err := enter("2"); cashback.KindOf(err) != cashback.DiskFailed || !strings.Contains(err.Error(), "full: nothing was written") {
		t.Fatalf("a full disk: %v", err)
	}
	reads(2, 100)
	d.back()
	for range 2 { // the second is asked again
		if err := enter("2"); err != nil {
			t.Fatal(err)
		}
	}
	reads(4, 200)
	d.under("/dev/null")
	if err := enter("3"); cashback.KindOf(err) != cashback.DiskFailed || !strings.Contains(err.Error(), "unknown whether") {
		t.Fatalf("a failed sync: %v", err)
	}
	reads(4, 200)
	d.back() // too late
	if err := enter("4"); cashback.KindOf(err) != cashback.DiskFailed {
		t.Fatalf("acknowledged after a failed sync: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, options(newClock()))
	l = s.Ledgers()
	reads(4, 200)
	if err := enter("3"); err != nil {
		t.Fatal(err)
	}
	reads(6, 300)
}

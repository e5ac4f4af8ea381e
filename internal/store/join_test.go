package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
)

// waiting holds the store's writer until n writes wait to be joined, and calls then.
func waiting(s *Store, n int, start func(i int), then ...func()) {
	<-s.writer
	for i := range n {
		go start(i)
	}
	s.untilJoining(n)
	for _, f := range then {
		f()
	}
	s.writer <- struct{}{}
}

func (s *Store) untilJoining(n int) {
	for waits := -1; waits != n; runtime.Gosched() {
		s.joining.mu.Lock()
		waits = len(s.joining.list)
		s.joining.mu.Unlock()
	}
}

// transactions is how many have been written.
func transactions(t *testing.T, s *Store) int {
	t.Helper()
	b, err := s.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Rollback() }()
	return b.ID()
}

// What many hosts are owed is on the disk with one sync, and each is told so.
func TestJoinedWrites(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, options(newClock()))
	was := transactions(t, s)
	const n = 40
	done := make(chan error, n)
	waiting(s, n, func(i int) {
		done <- s.SaveHost(t.Context(), fmt.Sprintf("shop%d.example", i), []byte{byte(i)})
	})
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if now := transactions(t, s); now != was+1 {
		t.Errorf("%d hosts took %d transactions, want 1", n, now-was)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, options(newClock()))
	hosts, err := s.Hosts(t.Context())
	if err != nil || len(hosts) != n {
		t.Fatalf("%d hosts after a restart, %v; want %d", len(hosts), err, n)
	}
	for i := range n {
		if got := hosts[fmt.Sprintf("shop%d.example", i)]; len(got) != 1 || got[0] != byte(i) {
			t.Errorf("host %d: %v", i, got)
		}
	}
}

// One that is refused doesn't take the others with it, nor leaves anything behind.
func TestJoinedWriteRefused(t *testing.T) {
	s := openStore(t, t.TempDir(), options(newClock()))
	const n = 9
	no := errors.New("no")
	done := make(chan error, n)
	waiting(s, n, func(i int) {
		if i%3 > 0 {
			done <- s.SaveHost(t.Context(), fmt.Sprintf("shop%d.example", i), []byte{1})
			return
		}
		err := s.join(t.Context(), func(t *tx) error {
			if err := t.putRaw(hostsBucket, []byte("half.example"), []byte{1}); err != nil {
				return err
			}
			return no
		})
		if !errors.Is(err, no) {
			t.Errorf("a refused write returned %v", err)
		}
		done <- nil
	})
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if hosts, err := s.Hosts(t.Context()); err != nil || len(hosts) != n*2/3 || hosts["half.example"] != nil {
		t.Errorf("kept %v, %v", hosts, err)
	}
}

// Who doesn't wait any longer has not written, and who waits on isn't disturbed.
func TestJoinedWriteGivenUp(t *testing.T) {
	s := openStore(t, t.TempDir(), options(newClock()))
	ctx, cancel := context.WithCancel(t.Context())
	gone, stays := make(chan error, 1), make(chan error, 1)
	waiting(s, 2, func(i int) {
		if i == 0 {
			gone <- s.SaveHost(ctx, "gone.example", []byte{1})
		} else {
			stays <- s.SaveHost(t.Context(), "stays.example", []byte{1})
		}
	}, func() {
		cancel()
		s.untilJoining(1)
	})
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who left was told %v", err)
	}
	if err := <-stays; err != nil {
		t.Error(err)
	}
	if hosts, err := s.Hosts(t.Context()); err != nil || len(hosts) != 1 || hosts["stays.example"] == nil {
		t.Errorf("kept %v, %v", hosts, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveHost(t.Context(), "late.example", []byte{1}); !errors.Is(err, errClosed) {
		t.Errorf("after the end: %v", err)
	}
}

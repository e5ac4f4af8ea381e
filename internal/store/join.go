package store

import (
	"context"
	"slices"
	"sync"
)

// joining are the writes that wait to be made in one transaction. A crawl of many
// hosts has thousands of small ones, of the next time at which a host may be asked
// and of what a page gave, and each must be on the disk before the crawl goes on:
// one by one, every host would wait for the syncs of all the others.
type joining struct {
	mu   sync.Mutex
	list []*joined
}

// joined is one of them.
type joined struct {
	write func(*tx) error
	err   error
	done  chan struct{}
}

// join is write for a small write that may share its transaction with others: it
// must not mind being run twice, for where one of them is refused, all are undone
// and each is made alone.
func (s *Store) join(ctx context.Context, f func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	mine := &joined{write: f, done: make(chan struct{})}
	s.joining.mu.Lock()
	s.joining.list = append(s.joining.list, mine)
	s.joining.mu.Unlock()
	var why error
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		why = ctx.Err()
	case <-s.closed:
		why = errClosed
	case <-s.writer:
		s.writeJoined()
		s.writer <- struct{}{}
		<-mine.done
		return mine.err
	}
	if s.joining.leave(mine) {
		return why
	}
	<-mine.done // it is being written: what comes of it is the answer
	return mine.err
}

// leave takes a write back that nobody has begun.
func (l *joining) leave(w *joined) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.list, w)
	if i >= 0 {
		l.list = slices.Delete(l.list, i, i+1)
	}
	return i >= 0
}

// writeJoined makes the writes that wait, for whoever has the writer's token.
func (s *Store) writeJoined() {
	s.joining.mu.Lock()
	list := s.joining.list
	s.joining.list = nil
	s.joining.mu.Unlock()
	if len(list) == 0 {
		return // another has made them while the token was on its way
	}
	refused := false
	// What waits for these writes doesn't end with the one that happens to make them.
	ctx := context.Background()
	err := s.commit(ctx, func(t *tx) error {
		for _, w := range list {
			if err := w.write(t); err != nil {
				refused = true
				return err
			}
		}
		return nil
	})
	for _, w := range list {
		if w.err = err; refused && len(list) > 1 {
			w.err = s.commit(ctx, w.write)
		}
		close(w.done)
	}
}

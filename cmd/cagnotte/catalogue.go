package main

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/store"
)

// catalogue is the merchants' catalogue, read from the store when somebody needs it
// and let go when nobody has for a while: only publications and corrections do, and
// with 400,000 entries it costs a start 2 s and a process 300 MB.
type catalogue struct {
	store *store.Store

	mu   sync.Mutex // held from Open until what it returned is closed
	held *merchant.Catalogue
	used time.Time
}

// Open gives the catalogue to the caller alone, until the function is called. Whoever
// changes it stores the change, or reverts it, before that.
func (c *catalogue) Open(ctx context.Context) (*merchant.Catalogue, func(), error) {
	c.mu.Lock()
	if c.held == nil {
		read, err := c.read(ctx)
		if err != nil {
			c.mu.Unlock()
			return nil, nil, err
		}
		c.held = read
	}
	return c.held, func() {
		c.used = time.Now()
		c.mu.Unlock()
	}, nil
}

func (c *catalogue) read(ctx context.Context) (*merchant.Catalogue, error) {
	rules, err := merchant.NewRules(merchant.Options{})
	if err != nil {
		return nil, err
	}
	state, err := c.store.MerchantState(ctx)
	if err != nil {
		return nil, err
	}
	read := merchant.New(rules)
	plan, err := read.Restore(state)
	if err != nil {
		return nil, err
	}
	// What this build's rules see otherwise than what was stored.
	return read, c.store.SavePlan(ctx, plan)
}

// catalogueIdle is after what time without use the catalogue is let go.
const catalogueIdle = 5 * time.Minute

// letGo lets the catalogue go whenever nobody has used it for that long, until ctx
// ends.
func (c *catalogue) letGo(ctx context.Context, idle time.Duration) error {
	look := time.NewTicker(idle / 4)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		if !c.mu.TryLock() {
			continue // in use
		}
		was := c.held != nil
		if was && time.Since(c.used) >= idle {
			c.held = nil
		}
		gone := was && c.held == nil
		c.mu.Unlock()
		if gone {
			debug.FreeOSMemory()
		}
	}
}

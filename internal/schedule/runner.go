package schedule

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Store keeps the jobs. Update changes one in a transaction; the function may be
// called again and must not have side effects.
type Store interface {
	Jobs(ctx context.Context) ([]Job, error)
	UpdateJob(ctx context.Context, portal string, change func(Job) (Job, error)) (Job, error)
}

// Crawl runs one portal to its publication. It returns when the context ends.
type Crawl func(ctx context.Context, portal, run string) Result

// Runner leases what is due and runs it.
type Runner struct {
	Store  Store
	Crawl  Crawl
	Limits Limits
	// Owner names this process among the leases; NewRun makes run ids.
	Owner  string
	NewRun func(portal string, at time.Time) string
	Now    func() time.Time
	Logger *slog.Logger
	// Tick is how often the jobs are looked at.
	Tick time.Duration

	mu      sync.Mutex // guards the field below
	cancels map[string]context.CancelCauseFunc
}

// errCancelled is the cause of a run that the operator stopped.
var errCancelled = cashback.Errorf(cashback.Conflict, "cancelled by the operator")

// Run works until ctx ends, then waits for the runs in progress, which see their
// context end too. At its start it takes back the leases of every other owner: one
// process owns the data folder, so whoever else held one is gone.
func (r *Runner) Run(ctx context.Context) error {
	r.mu.Lock()
	r.cancels = map[string]context.CancelCauseFunc{}
	r.mu.Unlock()
	jobs, err := r.Store.Jobs(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.Lease == nil {
			continue
		}
		if _, err := r.Store.UpdateJob(ctx, j.Portal, func(j Job) (Job, error) {
			j, _ = j.Rescue(r.Now(), j.Lease != nil && j.Lease.Owner != r.Owner)
			return j, nil
		}); err != nil {
			return err
		}
		r.Logger.Info("lease taken back", "portal", j.Portal, "run", j.Lease.Run)
	}
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(r.Tick)
	defer tick.Stop()
	for {
		if err := r.step(ctx, &running); err != nil && ctx.Err() == nil {
			r.Logger.Error("schedule", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// step renews, cancels, rescues and starts what the jobs ask for.
func (r *Runner) step(ctx context.Context, running *sync.WaitGroup) error {
	jobs, err := r.Store.Jobs(ctx)
	if err != nil {
		return err
	}
	now := r.Now()
	for i, j := range jobs {
		if _, ok := j.Replan(now); ok {
			if jobs[i], err = r.Store.UpdateJob(ctx, j.Portal, func(j Job) (Job, error) {
				j, _ = j.Replan(now)
				return j, nil
			}); err != nil {
				return err
			}
			r.Logger.Warn("the clock was set back: planned anew", "portal", j.Portal)
		}
		if j.Lease == nil {
			continue
		}
		cancel := r.cancelOf(j.Lease.Run)
		if cancel == nil {
			// Not ours: it is taken back once it has been silent for too long.
			if fresh, ok := j.Rescue(now, false); ok {
				if jobs[i], err = r.Store.UpdateJob(ctx, j.Portal, func(j Job) (Job, error) {
					j, _ = j.Rescue(now, false)
					return j, nil
				}); err != nil {
					return err
				}
				r.Logger.Warn("lease ran out", "portal", fresh.Portal)
			}
			continue
		}
		if j.Lease.Cancel {
			cancel(errCancelled)
			continue
		}
		if j.Lease.Until.Sub(now) < r.Limits.Silence/2 {
			if _, err := r.Store.UpdateJob(ctx, j.Portal, func(s Job) (Job, error) { return s.Renew(now, j.Lease.Run, r.Limits) }); err != nil {
				return err
			}
		}
	}
	for _, j := range Due(jobs, now, r.Limits) {
		run := r.NewRun(j.Portal, now)
		leased, err := r.Store.UpdateJob(ctx, j.Portal, func(s Job) (Job, error) { return s.Start(now, r.Owner, run, r.Limits) })
		if err != nil {
			if cashback.KindOf(err) == cashback.Conflict {
				continue
			}
			return err
		}
		runCtx, cancel := context.WithCancelCause(ctx)
		r.mu.Lock()
		r.cancels[run] = cancel
		r.mu.Unlock()
		running.Go(func() { r.crawl(runCtx, leased.Portal, run, cancel) })
	}
	return nil
}

func (r *Runner) cancelOf(run string) context.CancelCauseFunc {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cancels[run]
}

func (r *Runner) crawl(ctx context.Context, portal, run string, cancel context.CancelCauseFunc) {
	defer func() {
		cancel(nil)
		r.mu.Lock()
		delete(r.cancels, run)
		r.mu.Unlock()
	}()
	result := r.Crawl(ctx, portal, run)
	// A run that had come to its end when it was told to stop has been published: that
	// it counts as one that went well is owed to its second look and to the next start.
	if stopped := result.Err != "" || result.Cancelled; stopped && context.Cause(ctx) == errCancelled {
		result.Cancelled = true
	} else if stopped && ctx.Err() != nil {
		// The process is stopping: the lease stays, and the next start takes it back
		// and resumes the run.
		return
	}
	if _, err := r.Store.UpdateJob(context.WithoutCancel(ctx), portal, func(j Job) (Job, error) {
		return j.Finish(r.Now(), run, result, r.Limits)
	}); err != nil {
		r.Logger.Error("end of run", "portal", portal, "run", run, "error", err)
	}
}

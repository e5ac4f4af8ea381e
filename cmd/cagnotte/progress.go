package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/cagnotte/cagnotte/crawler"
)

// progress shows how far crawls have come: a bar a portal on a terminal, and lines
// elsewhere. What is logged meanwhile goes through Write, above the bars.
type progress struct {
	out  io.Writer
	bars *mpb.Progress // nil where lines are printed

	mu      sync.Mutex // guards the fields below
	running map[string]*bar
}

type bar struct {
	*mpb.Bar
	label string
	last  crawler.Progress
	told  time.Time
}

// lineEvery is how often a portal is told of where there is no terminal: often
// enough to see that it lives, seldom enough for a log.
const lineEvery = 5 * time.Second

func newProgress(w *world) *progress {
	p := &progress{out: w.stderr, running: map[string]*bar{}}
	if w.terminal {
		p.bars = mpb.New(mpb.WithOutput(w.stderr), mpb.WithWidth(48), mpb.WithAutoRefresh())
	}
	return p
}

// Write prints above the bars.
func (p *progress) Write(b []byte) (int, error) {
	if p.bars != nil {
		return p.bars.Write(b)
	}
	return p.out.Write(b)
}

// start shows a portal that is about to be crawled.
func (p *progress) start(id, label string, now time.Time) {
	b := &bar{label: label, told: now}
	if p.bars != nil {
		b.Bar = p.bars.AddBar(1,
			mpb.PrependDecorators(decor.Name(label, decor.WCSyncSpaceR), decor.CountersNoUnit("%d/%d pages", decor.WCSyncSpace)),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
				p.mu.Lock()
				defer p.mu.Unlock()
				return fmt.Sprintf("%d offers", b.last.Offers)
			}, decor.WCSyncSpace)),
		)
	}
	p.mu.Lock()
	p.running[id] = b
	p.mu.Unlock()
}

// update is told of every page, by the run's own goroutine.
func (p *progress) update(at crawler.Progress, now time.Time) {
	p.mu.Lock()
	b := p.running[at.Portal]
	if b == nil {
		p.mu.Unlock()
		return
	}
	b.last = at
	tell := p.bars == nil && now.Sub(b.told) >= lineEvery
	if tell {
		b.told = now
	}
	p.mu.Unlock()
	switch {
	case b.Bar != nil:
		b.SetTotal(int64(max(at.Known, at.Pages, 1)), false)
		b.SetCurrent(int64(at.Pages))
	case tell:
		fmt.Fprintf(p.out, "%s: %d of %d pages, %d offers\n", b.label, at.Pages, at.Known, at.Offers)
	}
}

// finish ends a portal's bar, or says in a line what came of it.
func (p *progress) finish(r crawler.Report) {
	p.mu.Lock()
	b := p.running[r.Portal]
	delete(p.running, r.Portal)
	p.mu.Unlock()
	if b == nil {
		return
	}
	if b.Bar != nil {
		b.SetTotal(int64(max(b.last.Pages, 1)), true)
		return
	}
	if r.Finish != "" { // else it never began, and the verb says why
		fmt.Fprintf(p.out, "%s: %d pages, %d offers, %s\n", b.label, r.Pages, r.Offers, endOf(r))
	}
}

// wait returns when the last bar is drawn.
func (p *progress) wait() {
	if p.bars != nil {
		p.bars.Wait()
	}
}

// endOf is how a run ended, in words.
func endOf(r crawler.Report) string {
	switch {
	case r.Verdict == "":
		return "nothing published (" + r.Finish + ")"
	case r.Verdict == "quarantine":
		return "held back"
	case !r.Complete:
		return "published in part"
	}
	return "published"
}

package index

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Options of an Index. The zero value of each is replaced by its default.
type Options struct {
	// Logger gets what an operator should know; nil discards it.
	Logger *slog.Logger
	// Now is the clock by which offers grow stale; nil is time.Now.
	Now func() time.Time
	// Gather is how long changes are gathered before they are applied together, and
	// so how far answers may lag behind the store: single changes are dear. 200 ms.
	Gather time.Duration
	// Save is how often the columns are written to the folder, so that the next start
	// needn't read the whole Source. 5 minutes.
	Save time.Duration
	// Patience is how long one write may take before the text index counts as broken.
	// 30 seconds.
	Patience time.Duration
	// Rest is the pause after a rebuild that failed; it doubles up to an hour with
	// each further failure. 5 seconds.
	Rest time.Duration
}

func (o Options) defaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	set := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&o.Gather, 200*time.Millisecond)
	set(&o.Save, 5*time.Minute)
	set(&o.Patience, 30*time.Second)
	set(&o.Rest, 5*time.Second)
	return o
}

// Index follows a Source in a folder of its own, and answers from what it has.
// Its methods may be called from many goroutines.
type Index struct {
	dir    string
	source Source
	opt    Options
	log    *slog.Logger

	columns atomic.Pointer[columns]
	popular atomic.Pointer[popularity]
	text    atomic.Pointer[engine]
	state   atomic.Pointer[Status]
	// hurt hands Run a text index that a question found broken.
	hurt chan *engine

	mu      sync.Mutex
	running bool
	stop    context.CancelCauseFunc
	stopped chan struct{}
	closed  bool

	f follower // owned by Run, and by Close after Run
}

// Status says how far an index is.
type Status struct {
	// Applied is the number of the last change that answers contain, Last the
	// Source's newest as of the last look.
	Applied, Last uint64
	// Ready: every shop is there, text is searched with typing errors forgiven, and
	// nothing is left to catch up but the changes of the last moments.
	Ready bool
	// Loaded: every shop of the Source is there. Before, answers hold only some.
	Loaded bool
	// Degraded: text is compared with the names in memory, typing errors aren't
	// forgiven. Why says why.
	Degraded bool
	Why      string
	// Shops and Offers count what is there.
	Shops, Offers int
}

// Open prepares an index in dir, which it makes. Whatever an earlier process left
// there is used if it is whole, of this schema and not ahead of the Source; nothing
// that is wrong with it is an error. Open doesn't read the Source beyond that; Run
// does. An error is Invalid, or DiskFailed where the folder can't be made at all.
func Open(ctx context.Context, dir string, source Source, options Options) (*Index, error) {
	if dir == "" || source == nil {
		return nil, cashback.Errorf(cashback.Invalid, "an index needs a folder and a source")
	}
	x := &Index{dir: dir, source: source, opt: options.defaults(), hurt: make(chan *engine, 8)}
	x.log = x.opt.Logger.With("part", "index")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, cashback.Errorf(cashback.DiskFailed, "make the index folder %s: %w", dir, err)
	}
	x.state.Store(&Status{Degraded: true, Why: "starting"})
	x.columns.Store((*columns)(nil).draft().done(0))
	x.f.Index = x
	if err := x.f.open(ctx); err != nil {
		return nil, err
	}
	return x, nil
}

// Run follows the Source until ctx ends or Close is called; then it returns nil. A
// Source or a disk that fails is logged and tried again: the index never ends its
// process, and never answers an error that only it is to blame for.
func (x *Index) Run(ctx context.Context) error {
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		return nil
	}
	if x.running {
		x.mu.Unlock()
		return cashback.Errorf(cashback.Conflict, "the index is running already")
	}
	ctx, stop := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	x.running, x.stop, x.stopped = true, stop, stopped
	x.mu.Unlock()
	defer func() {
		stop(nil)
		x.mu.Lock()
		x.running = false
		x.mu.Unlock()
		close(stopped)
	}()
	x.f.run(ctx)
	return nil
}

var errClosed = errors.New("the index is closed")

// Close ends Run, writes down what would be dear to find out again, and lets the
// files go. Questions still being answered are waited for; later ones are answered
// from memory.
func (x *Index) Close() error {
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		return nil
	}
	x.closed = true
	running, stop, stopped := x.running, x.stop, x.stopped
	x.mu.Unlock()
	if running {
		stop(errClosed)
		<-stopped
	}
	return x.f.close()
}

// Applied is the number of the last change that answers contain.
func (x *Index) Applied() uint64 { return x.columns.Load().applied }

// Ready says how far the index is.
func (x *Index) Ready() Status { return *x.state.Load() }

// degrade stops using a text index that was found broken, and wakes Run to build
// another.
func (x *Index) degrade(e *engine, err error) {
	if !x.text.CompareAndSwap(e, nil) {
		return
	}
	x.log.Error("the text index is broken; names are compared in memory until it is rebuilt", "error", err, "stack", stackOf(err))
	select {
	case x.hurt <- e:
	default: // Close and Run are long behind; the process's end closes it
	}
}

// The folder holds: CURRENT, the name of the folder of the text index in use; those
// folders, "text-SCHEMA-N"; "columns-SCHEMA"; and TRIAL while a text index is on
// trial. Anything else is left alone.
const (
	currentFile   = "CURRENT"
	trialFile     = "TRIAL"
	textPrefix    = "text-"
	columnsPrefix = "columns-"
)

func textFolder(n int) string { return fmt.Sprintf("%s%s-%d", textPrefix, schema, n) }

// current reads which text index is in use; empty if none of this schema is.
func (x *Index) current() string {
	b, err := os.ReadFile(filepath.Join(x.dir, currentFile))
	if err != nil {
		return ""
	}
	name := strings.TrimSpace(string(b))
	if !strings.HasPrefix(name, textPrefix+schema+"-") || name != filepath.Base(name) {
		return ""
	}
	return name
}

// sweep removes what earlier processes left: folders of text indexes other than
// keep, columns of other schemas, and files half written.
func (x *Index) sweep(keep string) {
	list, err := os.ReadDir(x.dir)
	if err != nil {
		return
	}
	for _, f := range list {
		name := f.Name()
		old := strings.HasPrefix(name, textPrefix) && name != keep ||
			strings.HasPrefix(name, columnsPrefix) && name != columnsPrefix+schema ||
			strings.HasPrefix(name, buildPrefix) || strings.HasPrefix(name, currentFile+".")
		if old {
			if err := os.RemoveAll(filepath.Join(x.dir, name)); err != nil {
				x.log.Warn("can't remove an old part of the index", "name", name, "error", err)
			}
		}
	}
}

// writeFile replaces a file as a whole: a temporary one is written, synced and
// renamed.
func writeFile(path string, data []byte) (err error) {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		// A folder of that name, which can't be ours, is in the way.
		if err := errors.Join(os.RemoveAll(path), os.Rename(tmp, path)); err != nil {
			return err
		}
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package index

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/query"
	bleve "github.com/blevesearch/bleve_index_api"
	"github.com/blevesearch/vellum/levenshtein"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// The fields of a document. There is one document a merchant; its id is the
// merchant's, in four bytes.
const (
	// fieldPrefix holds every prefix, up to gram runes, of every name read without
	// spaces, from each of its words on.
	fieldPrefix = "p"
	// fieldName holds every whole name without spaces.
	fieldName = "n"
	// fieldDomain holds the host and the registrable domain.
	fieldDomain = "d"
	// fieldCategory holds the words of the category.
	fieldCategory = "g"
)

// schema names everything that decides which terms a document has: the folder of an
// index is called after it, so an index of another schema is never read. Raise it
// with every change of fold, starts, keysOf or documentOf.
const schema = "1"

const (
	// batchSize is how many documents are written at once, by workers goroutines
	// (DESIGN.md, measured).
	batchSize = 1000
	workers   = 2
	// boltTimeout bounds the wait for the lock of Bleve's own file: without it,
	// opening waits for ever.
	boltTimeout = time.Second
	// maxClauses is the most terms that one question may look up.
	maxClauses = 512
	// maxVisited is the most documents that one question looks at.
	maxVisited = 100_000
)

// errBroken marks a fault of the Bleve index itself, as opposed to a question's.
var errBroken = errors.New("the text index is damaged")

// engine is one Bleve index: scorch, used without the parts of Bleve that keep
// documents, parse queries or hold global workers. One goroutine writes.
type engine struct {
	dir    string
	scorch *scorch.Scorch
	queue  *bleve.AnalysisQueue

	mu     sync.RWMutex // held by readers while they read, by close to end them
	closed bool

	// mark says how far the documents go, stored how far they do on the disk or soon
	// will; counted is when their number was last compared. The writer owns them.
	mark, stored, counted mark
}

// mark says up to which change an index goes, and which change that was: numbers
// alone don't tell a restored store from its former self.
type mark struct {
	applied     uint64
	fingerprint uint64
}

var markKey = []byte("cagnotte")

func (m mark) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, m.applied)
	b = binary.BigEndian.AppendUint64(b, m.fingerprint)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func decodeMark(b []byte) (m mark, ok bool) {
	if len(b) != 20 || crc32.ChecksumIEEE(b[:16]) != binary.BigEndian.Uint32(b[16:]) {
		return mark{}, false
	}
	return mark{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, true
}

// openEngine opens the index in dir, or makes an empty one there. Whatever is wrong
// with its files comes back as an error: panics and page faults included.
func openEngine(dir string, create bool) (e *engine, err error) {
	defer guard(&err)
	if !create {
		if err := verify(dir); err != nil {
			return nil, err
		}
	}
	opened := &engine{dir: dir, queue: bleve.NewAnalysisQueue(workers)}
	defer func() {
		if e == nil {
			opened.abandon()
		}
	}()
	s, err := scorch.NewScorch(scorch.Name, map[string]any{
		"path":         dir,
		"bolt_timeout": boltTimeout.String(),
		// A batch is applied at once and written soon after, together with its mark: what
		// a crash loses is read from the Source again.
		"unsafe_batch":       true,
		"numSnapshotsToKeep": 1,
		"scorchMergePlanOptions": map[string]any{
			// Few segments: every term is looked up in each of them.
			"maxSegmentsPerTier":   3,
			"maxSegmentSize":       5_000_000,
			"tierGrowth":           10.0,
			"segmentsPerMergeTask": 10,
			"floorSegmentSize":     2000,
			"reclaimDeletesWeight": 2.0,
		},
	}, opened.queue)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	opened.scorch = s.(*scorch.Scorch)
	if err := opened.scorch.Open(); err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	if create {
		return opened, nil
	}
	r, err := opened.scorch.Reader()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	defer r.Close()
	b, err := r.GetInternal(markKey)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	var ok bool
	if opened.mark, ok = decodeMark(b); !ok {
		return nil, fmt.Errorf("%w: it doesn't say up to which change it goes", errBroken)
	}
	opened.stored = opened.mark
	return opened, nil
}

// abandon lets go of what was opened only in part. Scorch may not be able to any
// more: then its files stay open until the process ends.
func (e *engine) abandon() {
	var err error
	defer guard(&err)
	e.queue.Close()
	if e.scorch != nil {
		_ = e.scorch.Close()
	}
}

// fault is a panic or a page fault, as an error.
type fault struct {
	value any
	stack []byte
}

func (f *fault) Error() string { return fmt.Sprintf("%v: %v", errBroken, f.value) }
func (f *fault) Unwrap() error { return errBroken }

// builder writes an index as one segment, without the goroutines that a living one
// has.
type builder struct {
	*scorch.Builder
	dir  string
	mark mark
}

// buildPrefix is how the folders that a scorch.Builder works in are called.
const buildPrefix = "scorch-offline-build"

func newBuilder(dir, work string, m mark) (b *builder, err error) {
	defer guard(&err)
	in, err := scorch.NewBuilder(map[string]any{
		"path": dir, "buildPathPrefix": work, "batchSize": 4 * batchSize,
		// All segments at once: each pass writes everything again.
		"mergeMax": 1000,
		"internal": map[string][]byte{string(markKey): m.encode()},
	})
	if err != nil {
		return nil, err
	}
	return &builder{in, dir, m}, nil
}

func (b *builder) add(s *shop) (err error) {
	defer guard(&err)
	return b.Index(documentOf(s))
}

// finish writes the index of n documents to the disk.
func (b *builder) finish(ctx context.Context, n int, patience time.Duration) (err error) {
	defer guard(&err)
	if n > 0 {
		return b.Close()
	}
	// A scorch.Builder can't make an empty index.
	e, err := openEngine(b.dir, true)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	e.mark = b.mark
	return errors.Join(e.flush(ctx), e.close())
}

// guard turns a panic or a page fault into an error.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = &fault{p, debug.Stack()}
	}
}

// stackOf is where a fault came from, for the log.
func stackOf(err error) string {
	var f *fault
	if errors.As(err, &f) {
		return string(f.stack)
	}
	return ""
}

// verify reads every segment file and compares its checksum, which Bleve itself
// never does.
func verify(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	seen := false
	for _, f := range files {
		switch {
		case f.Name() == "root.bolt":
			seen = true
			if err := verifyRoot(filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		case strings.HasSuffix(f.Name(), ".zap"):
			if err := verifySegment(filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		}
	}
	if !seen {
		return fmt.Errorf("%w: %s lacks its root", errBroken, dir)
	}
	return nil
}

// verifyRoot reads the two meta pages of Bleve's own bbolt file, and compares what
// the newer one counts with the size of the file: bbolt maps it into memory, and
// touching a page that was cut off ends the process.
func verifyRoot(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	// A page begins with 16 bytes of its own. A meta page then has magic, version,
	// page size, flags (4 bytes each), root and sequence, freelist, pages, transaction
	// and an FNV-1a of all that (8 bytes each), in the machine's order.
	const head, body = 16, 4*4 + 5*8
	pages, size, newest := uint64(0), uint64(0), uint64(0)
	read := func(at int) {
		if at < 0 || at+head+body+8 > len(b) {
			return
		}
		m := b[at+head:]
		sum := fnv.New64a()
		sum.Write(m[:body])
		tx := binary.NativeEndian.Uint64(m[body-8:])
		if sum.Sum64() != binary.NativeEndian.Uint64(m[body:]) || tx < newest {
			return
		}
		size = uint64(binary.NativeEndian.Uint32(m[8:]))
		pages, newest = binary.NativeEndian.Uint64(m[body-16:]), tx
	}
	read(0)
	if size == 0 {
		size = uint64(os.Getpagesize())
	}
	read(int(min(size, 1<<20)))
	if pages == 0 || pages > uint64(len(b))/size {
		return fmt.Errorf("%w: %s is cut off", errBroken, path)
	}
	return nil
}

func verifySegment(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() < 8 {
		return fmt.Errorf("%w: %s is cut off", errBroken, path)
	}
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, io.LimitReader(f, info.Size()-4)); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	var want [4]byte
	if _, err := io.ReadFull(f, want[:]); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	if sum.Sum32() != binary.BigEndian.Uint32(want[:]) {
		return fmt.Errorf("%w: %s fails its checksum", errBroken, path)
	}
	return nil
}

// close waits for readers and lets the files go. What isn't written yet is lost;
// flush first where it matters.
func (e *engine) close() (err error) {
	defer guard(&err)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	defer e.queue.Close()
	return e.scorch.Close()
}

// write applies changes in batches, the last of which also holds the mark.
func (e *engine) write(ctx context.Context, puts []*shop, drops []cashback.MerchantID) error {
	ops := len(puts) + len(drops)
	for done := 0; ; {
		b := bleve.NewBatch()
		n := 0
		for ; n < batchSize && done < ops; n, done = n+1, done+1 {
			if done < len(puts) {
				b.Update(documentOf(puts[done]))
			} else {
				b.Delete(docID(drops[done-len(puts)]))
			}
		}
		last := done == ops
		if last {
			b.SetInternal(markKey, e.mark.encode())
		}
		if err := e.batch(ctx, b); err != nil {
			return err
		}
		if last {
			e.stored = e.mark
			return nil
		}
	}
}

// flush writes everything to the disk, and waits for it.
func (e *engine) flush(ctx context.Context) error {
	done := make(chan error, 1)
	b := bleve.NewBatch()
	b.SetInternal(markKey, e.mark.encode())
	b.SetPersistedCallback(func(err error) { done <- err })
	if err := e.batch(ctx, b); err != nil {
		return err
	}
	e.stored = e.mark
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: it doesn't write to the disk: %w", errBroken, context.Cause(ctx))
	}
}

// batch applies one batch. It doesn't wait beyond ctx: when a goroutine of scorch
// has died, its batches would wait for ever, and one goroutine stays behind.
func (e *engine) batch(ctx context.Context, b *bleve.Batch) error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer guard(&err)
		err = e.scorch.Batch(b)
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: a batch was not taken: %w", errBroken, context.Cause(ctx))
	}
}

// sound asks whether the index still can write: that its files are there, and that
// no write failed. Scorch tries a failed write again without a pause, and tells
// nobody.
func (e *engine) sound() (err error) {
	defer guard(&err)
	if _, err := os.Stat(filepath.Join(e.dir, "root.bolt")); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	stats := e.scorch.StatsMap()
	for _, name := range [...]string{"TotPersistLoopErr", "TotFileMergeLoopErr", "TotOnErrors"} {
		if n, _ := stats[name].(uint64); n > 0 {
			return fmt.Errorf("%w: %d errors of %s", errBroken, n, name)
		}
	}
	return nil
}

// documents counts the documents.
func (e *engine) documents() (n int, err error) {
	err = e.read(func(r bleve.IndexReader) error {
		count, err := r.DocCount()
		n = int(count)
		return err
	})
	return n, err
}

// read lends a consistent reader to f. A page fault in f, as of a file that was cut
// off while in use, is an error like any other.
func (e *engine) read(f func(bleve.IndexReader) error) (err error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return errBroken
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer guard(&err)
	r, err := e.scorch.Reader()
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	defer r.Close()
	return f(r)
}

// find calls visit with the merchant of each document that q matches, in no
// particular order, until it returns false.
func (e *engine) find(ctx context.Context, q query.Query, visit func(cashback.MerchantID) bool) error {
	return e.read(func(r bleve.IndexReader) error {
		ctx := search.ContextWithTermSearchersCounter(context.WithValue(ctx, search.MaxTermSearchersKey, maxClauses))
		s, err := q.Searcher(ctx, r, nil, search.SearcherOptions{Score: "none"})
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if strings.Contains(err.Error(), "TooMany") || errors.Is(err, levenshtein.ErrTooManyStates) {
				return errTooMany
			}
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		defer s.Close()
		pool := &search.SearchContext{
			DocumentMatchPool: search.NewDocumentMatchPool(s.DocumentMatchPoolSize()+1, 0),
			IndexReader:       r,
		}
		for n := 0; n < maxVisited; n++ {
			if n&1023 == 1023 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			hit, err := s.Next(pool)
			if err != nil {
				return fmt.Errorf("%w: %w", errBroken, err)
			}
			if hit == nil {
				return nil
			}
			id, err := r.ExternalID(hit.IndexInternalID)
			if err != nil {
				return fmt.Errorf("%w: %w", errBroken, err)
			}
			pool.DocumentMatchPool.Put(hit)
			if len(id) == 4 && !visit(cashback.MerchantID(binary.BigEndian.Uint32([]byte(id)))) {
				return nil
			}
		}
		return nil
	})
}

// errTooMany says that a question needs more terms than are allowed.
var errTooMany = errors.New("too many terms")

// frequency is how many documents have the term, those counted that were deleted
// since.
func (e *engine) frequency(ctx context.Context, field, term string) (n uint64) {
	_ = e.read(func(r bleve.IndexReader) error {
		t, err := r.TermFieldReader(ctx, []byte(term), field, false, false, false)
		if err != nil {
			return err
		}
		n = t.Count()
		return t.Close()
	})
	return n
}

func docID(id cashback.MerchantID) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(id)))
}

const indexOnly = bleve.IndexField | bleve.SkipFreqNorm

// documentOf is a merchant's document. It holds nothing that changes with an offer,
// so that rates can move without touching it.
func documentOf(s *shop) *document.Document {
	d := document.NewDocument(docID(s.ID))
	for _, f := range [...]struct {
		name  string
		terms []string
	}{
		{fieldPrefix, prefixes(s.keys)},
		{fieldName, wholes(s.keys)},
		{fieldDomain, distinct(s.host, s.site)},
		{fieldCategory, strings.Fields(fold(s.Category))},
	} {
		if len(f.terms) > 0 {
			d.AddField(document.NewTextFieldCustom(f.name, nil, nil, indexOnly, termList(f.terms)))
		}
	}
	return d
}

// termList is the analysis of a field whose terms are worked out already.
type termList []string

func (t termList) Analyze([]byte) analysis.TokenStream {
	tokens := make([]analysis.Token, len(t))
	out := make(analysis.TokenStream, len(t))
	for i, s := range t {
		tokens[i] = analysis.Token{Term: []byte(s), Position: 1, End: len(s)}
		out[i] = &tokens[i]
	}
	return out
}

func distinct(list ...string) []string {
	out := list[:0]
	for _, s := range list {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func wholes(keys []string) []string {
	out := make([]string, 0, len(keys))
	for _, k := range keys {
		out = append(out, cut(glue(k), gram))
	}
	return distinct(out...)
}

// prefixes lists the terms of fieldPrefix.
func prefixes(keys []string) []string {
	seen := make(map[string]struct{}, 64)
	out := make([]string, 0, 64)
	for _, k := range keys {
		starts(k, func(at int) bool {
			suffix := glue(k[at:])
			end := 0
			for n := 0; n < gram && end < len(suffix); n++ {
				_, w := utf8.DecodeRuneInString(suffix[end:])
				end += w
				p := suffix[:end]
				if _, ok := seen[p]; !ok {
					seen[p] = struct{}{}
					out = append(out, p)
				}
			}
			return true
		})
	}
	return out
}

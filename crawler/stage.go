package crawler

import (
	"context"
	"iter"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Stage is a run in progress.
type Stage struct {
	Portal            string
	Run               string
	DefinitionVersion string
	StartedAt         time.Time
}

// StagedPage is what one page gave, in the crawler's own bytes.
type StagedPage struct {
	Key   string
	Value []byte
}

// Stages keep runs in progress, so that a crash costs no page twice. They hold at
// most one run of a portal; publishing it, or holding it back, ends it.
type Stages interface {
	// OpenStage begins to stage a run, or returns the one that was interrupted,
	// resumed, if it has the same definition version. What else was staged for the
	// portal is dropped.
	OpenStage(ctx context.Context, want Stage) (st Stage, resumed bool, err error)
	// StagePage returns when the page is on the disk.
	StagePage(ctx context.Context, portal, run string, p StagedPage) error
	// StagedPages iterates over what the portal's run in progress has read.
	StagedPages(ctx context.Context, portal string) iter.Seq2[StagedPage, error]
	// DropStage forgets the portal's run in progress.
	DropStage(ctx context.Context, portal string) error
}

// reading is a staged page: all that the run needs of it later on.
type reading struct {
	Number  int              `cbor:"1,keyasint"` // in the order of reading
	URL     string           `cbor:"2,keyasint"`
	ReadAt  time.Time        `cbor:"3,keyasint"`
	Outcome cashback.Outcome `cbor:"4,keyasint"`
	Reason  string           `cbor:"5,keyasint,omitempty"`
	// Detail says that the page is a merchant's own.
	Detail bool    `cbor:"6,keyasint,omitempty"`
	Offers []draft `cbor:"-"`
	// Drafts are the offers as codec writes them.
	Drafts []byte           `cbor:"7,keyasint,omitempty"`
	Next   []portal.Request `cbor:"8,keyasint,omitempty"`
	End    bool             `cbor:"9,keyasint,omitempty"`
	Total  int              `cbor:"10,keyasint,omitempty"`
	// Hash is of the records on the page, for the detection of circles.
	Hash   string   `cbor:"11,keyasint,omitempty"`
	Rule   string   `cbor:"12,keyasint,omitempty"`
	Filled int      `cbor:"13,keyasint,omitempty"`
	Items  int      `cbor:"14,keyasint,omitempty"`
	Notes  []string `cbor:"15,keyasint,omitempty"`
	// Body is the hash of the page\'s bytes, which its offers\' receipts name.
	Body string `cbor:"16,keyasint,omitempty"`
}

// draft is an offer as one page states it.
type draft struct {
	Offer cashback.Offer
	// Tiered says that the page lists its tiers one by one.
	Tiered bool
	// Key is the entry whose own page this is, where the page was asked for as such.
	Key string
}

// encode leaves out what all receipts of a page and a run share.
func (r *reading) encode() ([]byte, error) {
	var w writer
	w.drafts(r.Offers)
	r.Drafts = w.b
	b, err := cbor.Marshal(r)
	if err != nil {
		return nil, cashback.Errorf(cashback.Internal, "write a staged page: %w", err)
	}
	return b, nil
}

// receipts fills in what encode left out.
func (r *reading) receipts(run *cashback.Run) {
	for i := range r.Offers {
		rc := &r.Offers[i].Offer.Receipt
		rc.Portal, rc.DefinitionVersion, rc.Run = run.Portal, run.DefinitionVersion, run.ID
		rc.URL, rc.ReadAt, rc.Hash = r.URL, r.ReadAt, r.Body
	}
}

func decodeReading(b []byte) (*reading, error) {
	var r reading
	err := decoding.Unmarshal(b, &r)
	if err == nil {
		r.Offers, err = (&reader{b: r.Drafts}).drafts()
	}
	if err != nil {
		return nil, cashback.Errorf(cashback.Internal, "read a staged page: %w", err)
	}
	r.Drafts = nil
	return &r, nil
}

// decoding accepts as many entries as a page may have, and names that aren't
// UTF-8.
var decoding = func() cbor.DecMode {
	m, err := cbor.DecOptions{MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 16, UTF8: cbor.UTF8DecodeInvalid}.DecMode()
	if err != nil { // fails only for options that contradict each other
		panic(err)
	}
	return m
}()

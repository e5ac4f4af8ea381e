package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/schedule"
)

// Report is what a check of the data folder found.
type Report struct {
	Path    string        `json:"path"`
	Bytes   int64         `json:"bytes"`
	Version int           `json:"version"`
	Buckets []BucketCount `json:"buckets"`
	// Structure is what is wrong with the file itself; Records names damaged records;
	// Sense is what whole records contradict each other in. Each holds at most
	// MostFindings lines; Found counts all.
	Structure []string `json:"structure,omitempty"`
	Records   []string `json:"records,omitempty"`
	Sense     []string `json:"sense,omitempty"`
	Found     int      `json:"found"`
}

// BucketCount is how much a bucket holds.
type BucketCount struct {
	Name    string `json:"name"`
	Records int    `json:"records"`
	Bytes   int64  `json:"bytes"` // keys and values
}

// MostFindings bounds each list of a report.
const MostFindings = 100

func (r *Report) note(list *[]string, format string, args ...any) {
	r.Found++
	if len(*list) < MostFindings {
		*list = append(*list, fmt.Sprintf(format, args...))
	}
}

// Check looks at a data folder that no process has open: the file's structure, every
// record's checksum and form, and whether the records fit each other. It changes
// nothing. An error says that it couldn't look; what it found is in the report.
func Check(ctx context.Context, dir string, o Options) (rep Report, err error) {
	defer cashback.Wrap(&err, "check %s", dir)
	o, hold, err := occupy(ctx, dir, o)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, hold.Close()) }()
	rep.Path = filepath.Join(dir, fileName)
	if st, err := os.Stat(rep.Path); err == nil {
		rep.Bytes = st.Size()
	}
	b, err := openBoltFile(rep.Path)
	if err != nil {
		rep.note(&rep.Structure, "%v", err)
		return rep, nil
	}
	defer b.close()
	b.problem = func(err error) { rep.note(&rep.Structure, "%v", err) }
	if b.short {
		rep.note(&rep.Structure, "the file is shorter than it should be")
	}
	b.walk()
	if err := b.freelist(); err != nil {
		rep.note(&rep.Structure, "%v", err)
	}
	if len(rep.Structure) > 0 {
		return rep, nil // bbolt must not follow it
	}
	return rep, rep.look(ctx, dir, o)
}

// occupy takes a folder that must hold data.
func occupy(ctx context.Context, dir string, o Options) (Options, *os.File, error) {
	o = o.filled()
	if err := mustExist(dir); err != nil {
		return o, nil, err
	}
	hold, err := lock(ctx, dir, HolderInfo{PID: os.Getpid(), Since: o.Now().UTC()})
	return o, hold, err
}

func mustExist(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, fileName)); errors.Is(err, fs.ErrNotExist) {
		return cashback.Errorf(cashback.Invalid, "there is no data of Cagnotte in %s", dir)
	} else if err != nil {
		return diskError(err, "look into %s", dir)
	}
	return nil
}

// look is the part of a check that needs bbolt.
func (r *Report) look(ctx context.Context, dir string, o Options) (err error) {
	defer recovered(&err, dir, o.Logger)
	db, err := bbolt.Open(r.Path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait, OpenFile: o.openFile})
	if err != nil {
		r.note(&r.Structure, "%v", err)
		return nil
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s := &Store{dir: dir, now: o.Now, logger: o.Logger, limits: o.Limits, db: db, lost: map[string]error{}}
	s.portals.Store(&[]portalHead{})
	return s.read(ctx, func(t *tx) error {
		for err := range t.bolt.Check() {
			r.note(&r.Structure, "%v", err)
		}
		c := &checker{t: t, r: r, o: o}
		return c.all(ctx)
	})
}

// checker reads every record and remembers what the others must agree with.
type checker struct {
	t *tx
	r *Report
	o Options

	portals   map[portalNumber]string
	entries   map[entryNumber]bool
	offers    map[portalNumber]int
	pages     map[string]bool // the readings that offers have; true once met
	merchants map[cashback.MerchantID]cashback.MerchantID
}

// forms are what the records of a bucket are; nil is the caller's own bytes.
var forms = map[bucket]func() any{
	portalsBucket: func() any { return new(portalRecord) }, factsBucket: func() any { return new(FactsChange) },
	standingBucket: func() any { return new(standingRecord) }, healthBucket: func() any { return new(cashback.PortalHealth) },
	offersBucket: func() any { return new(listing) }, listedBucket: func() any { return new(cashback.MerchantID) },
	readingsBucket: func() any { return new(pageRecord) }, historyBucket: func() any { return new(pointRecord) },
	merchantsBucket: func() any { return new(merchantRecord) }, slugsBucket: func() any { return new(cashback.MerchantID) },
	reviewsBucket: func() any { return new(merchant.Review) }, eventsBucket: func() any { return new(merchant.Event) },
	changesBucket: func() any { return new(changeRecord) }, runsBucket: func() any { return new(cashback.Run) },
	runIDsBucket: func() any { return new(runPlace) }, stagesBucket: func() any { return new(Stage) },
	heldBucket: func() any { return new(heldRecord) }, jobsBucket: func() any { return new(schedule.Job) },
	auditBucket: func() any { return new(AuditEntry) }, referenceBucket: func() any { return new(referenceRecord) },
	usersBucket: func() any { return new(account.User) }, addressesBucket: func() any { return new(account.UserID) },
	bearersBucket: func() any { return new(bearerRecord) }, grantsBucket: func() any { return new(account.Grant) },
	sessionsBucket: func() any { return new(account.Session) }, apiKeysBucket: func() any { return new(account.Key) },
	ledgerBucket: func() any { return new(eventRecord) }, purchasesBucket: func() any { return new(purchaseRecord) },
	headsBucket: func() any { return new(headRecord) }, importsBucket: func() any { return new(earnings.Import) },
	documentsBucket: func() any { return new(earnings.Document) },
}

func (c *checker) all(ctx context.Context) error {
	c.portals, c.entries, c.offers = map[portalNumber]string{}, map[entryNumber]bool{}, map[portalNumber]int{}
	c.pages, c.merchants = map[string]bool{}, map[cashback.MerchantID]cashback.MerchantID{}
	for _, b := range buckets {
		if c.t.bolt.Bucket([]byte(b)) == nil {
			c.r.note(&c.r.Structure, "the bucket %s is missing", b)
		}
	}
	if len(c.r.Structure) > 0 {
		return nil
	}
	for _, b := range buckets {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.bucket(b); err != nil {
			return err
		}
	}
	c.sense()
	return nil
}

func (c *checker) bucket(b bucket) error {
	count := BucketCount{Name: string(b)}
	form := forms[b]
	err := c.t.bucket(b).ForEach(func(k, v []byte) error {
		count.Records++
		count.Bytes += int64(len(k) + len(v))
		payload, err := open(b, k, v)
		if err == nil && b == metaBucket {
			return c.meta(k, payload)
		}
		if err == nil && form != nil {
			record := form()
			if err = decode(b, k, payload, record); err == nil {
				c.remember(b, k, record)
			}
		}
		if err != nil {
			c.r.note(&c.r.Records, "%v", err)
		}
		return nil
	})
	if b == damagedBucket && count.Records > 0 {
		c.r.note(&c.r.Records, "%d damaged records have been set aside", count.Records)
	}
	c.r.Buckets = append(c.r.Buckets, count)
	return err
}

func (c *checker) meta(key, payload []byte) error {
	if string(key) != schemaKey {
		return nil
	}
	var rec schemaRecord
	if err := decode(metaBucket, key, payload, &rec); err != nil {
		return err
	}
	if c.r.Version = rec.Version; rec.Version > c.o.schema {
		return cashback.Errorf(cashback.Invalid, "the data has version %d, this program reads up to %d: use the newer program", rec.Version, c.o.schema)
	}
	return nil
}

// remember keeps what other records refer to, in the order of buckets.
func (c *checker) remember(b bucket, key []byte, record any) {
	switch v := record.(type) {
	case *portalRecord:
		if id, twice := c.portals[v.Number]; twice {
			c.r.note(&c.r.Sense, "the portals %s and %s have the same number", id, v.Portal.ID)
		}
		c.portals[v.Number] = v.Portal.ID
	case *listing:
		m, at := placeUnder(key)
		c.entries[at.entry] = true
		if v.Last != 0 && c.t.value(historyBucket, historyKey(at.entry, v.Last)) == nil {
			c.r.note(&c.r.Sense, "entry %d has lost its rate of change %d", at.entry, v.Last)
		}
		if v.Offer != nil {
			c.offers[at.portal]++
			c.pages[string(readingKey(at.portal, v.Offer.Page))] = false
		}
		var under cashback.MerchantID
		if found, err := c.t.get(listedBucket, at.key(), &under); err == nil && (!found || under != m) {
			c.r.note(&c.r.Sense, "entry %d of portal %d lies under merchant %d and is listed under %d", at.entry, at.portal, m, under)
		}
	case *cashback.MerchantID:
		if b == listedBucket {
			at := placeOf(key)
			if c.t.value(offersBucket, offerKey(*v, at)) == nil {
				c.r.note(&c.r.Sense, "entry %d of portal %d is listed under merchant %d and isn't there", at.entry, at.portal, *v)
			}
		} else if _, known := c.merchants[*v]; !known {
			c.r.note(&c.r.Sense, "the slug %q leads to merchant %d, which isn't there", short(string(key)), *v)
		}
	case *pageRecord:
		if _, needed := c.pages[string(key)]; !needed {
			at := placeOf(key)
			c.r.note(&c.r.Sense, "no offer of portal %d was read on page %d", at.portal, at.entry)
		}
		c.pages[string(key)] = true
	case *pointRecord:
		if p := v.Previous; p != 0 && c.t.value(historyBucket, historyKey(entryNumber(binary.BigEndian.Uint32(key)), p)) == nil {
			c.r.note(&c.r.Sense, "entry %d has lost its rate of change %d", binary.BigEndian.Uint32(key), p)
		}
		if e := entryNumber(binary.BigEndian.Uint32(key)); !c.entries[e] {
			c.r.note(&c.r.Sense, "there is a history of entry %d, which isn't there", e)
		}
	case *merchantRecord:
		c.merchants[v.Merchant.ID] = v.Lead
	}
}

// sense compares what was remembered.
func (c *checker) sense() {
	for _, key := range sortedKeys(c.pages) {
		if c.pages[key] {
			continue
		}
		at := placeOf([]byte(key))
		c.r.note(&c.r.Sense, "offers of portal %d were read on page %d, which isn't there", at.portal, at.entry)
	}
	for _, id := range sortedKeys(c.merchants) {
		if _, err := c.t.merchant(id); err != nil && cashback.KindOf(err) == cashback.NotFound {
			c.r.note(&c.r.Sense, "merchant %d leads nowhere", id)
		}
	}
	_ = eachOf(c.t, standingBucket, nil, nil, func(key []byte, st *standingRecord) error {
		p := portalNumber(binary.BigEndian.Uint16(key))
		if st.Offers != c.offers[p] {
			c.r.note(&c.r.Sense, "portal %s has %d offers, and its row says %d", st.Portal, c.offers[p], st.Offers)
		}
		if c.portals[p] == "" {
			c.r.note(&c.r.Sense, "portal %s has lost its record", st.Portal)
		}
		return nil
	})
	var m cashback.MerchantID
	_ = c.t.each(offersBucket, nil, nil, func(key, _ []byte) error {
		if id, _ := placeUnder(key); id != m && id != 0 {
			if lead, known := c.merchants[id]; !known {
				c.r.note(&c.r.Sense, "offers lie under merchant %d, which isn't there", id)
			} else if lead != 0 {
				c.r.note(&c.r.Sense, "offers lie under merchant %d, which was merged into %d", id, lead)
			}
			m = id
		}
		return nil
	})
	c.people()
	c.ledgers()
	count, err := c.t.counters()
	if err != nil {
		c.r.note(&c.r.Records, "%v", err)
		return
	}
	if key, _ := c.t.bucket(changesBucket).Cursor().Last(); len(key) == 8 && numberOf(key) != count.Change {
		c.r.note(&c.r.Sense, "the last change is %d, and %d were counted", numberOf(key), count.Change)
	}
	for e := range c.entries {
		if uint32(e) > count.Entry {
			c.r.note(&c.r.Sense, "entry %d is there, and %d were counted", e, count.Entry)
		}
	}
}

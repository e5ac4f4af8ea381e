package store

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// schemaVersion is written into every record and into meta. Records are CBOR maps
// with small integer keys: a field can be added without a new version; a new
// version is a change that an older binary would misread.
const schemaVersion = 1

// An envelope is version (1 byte), CRC32C (4, big-endian), then the payload. The
// checksum covers the bucket's name, the key and its length, the version and the
// payload: a record that ended up under another key is as wrong as one with a
// flipped bit.
const envelopeSize = 5

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bucketSums are the checksums of the buckets' names, from which all others go on.
var bucketSums = func() map[bucket]uint32 {
	m := map[bucket]uint32{}
	for _, b := range slices.Concat(buckets, []bucket{pagesBucket, agesBucket}) {
		m[b] = crc32.Update(uint32(len(b)), castagnoli, []byte(b))
	}
	return m
}()

// checksum is that of a value whose first byte is the version and whose payload
// begins at envelopeSize.
func checksum(b bucket, key, value []byte) uint32 {
	sum := bucketSums[b] ^ uint32(len(key))*0x9e3779b1
	sum = crc32.Update(sum, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, value[:1])
	return crc32.Update(sum, castagnoli, value[envelopeSize:])
}

func seal(b bucket, key, payload []byte) []byte {
	v := make([]byte, envelopeSize, envelopeSize+len(payload))
	v[0] = schemaVersion
	v = append(v, payload...)
	binary.BigEndian.PutUint32(v[1:], checksum(b, key, v))
	return v
}

// DamagedError is a record that isn't what was written: it is never returned as a
// value. Its kind is Internal; the rest of the store goes on.
type DamagedError struct {
	Bucket string
	Key    []byte
	Why    string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the record %s/%s is damaged: %s", e.Bucket, printable(e.Key), e.Why)
}

// printable shows a key: as text where it is text, in hexadecimal otherwise.
func printable(key []byte) string {
	for _, c := range key {
		if c < 0x20 || c > 0x7e {
			return hex.EncodeToString(key)
		}
	}
	return string(key)
}

// open returns the payload of a record, still in the database's memory.
func open(b bucket, key, value []byte) ([]byte, error) {
	if len(value) < envelopeSize {
		return nil, &DamagedError{string(b), clone(key), fmt.Sprintf("%d bytes are too few for a record", len(value))}
	}
	if want, got := binary.BigEndian.Uint32(value[1:]), checksum(b, key, value); want != got {
		return nil, &DamagedError{string(b), clone(key), fmt.Sprintf("its checksum is %08x, it should be %08x", got, want)}
	}
	if value[0] > schemaVersion {
		return nil, &DamagedError{string(b), clone(key), fmt.Sprintf("it has version %d, this program reads up to %d", value[0], schemaVersion)}
	}
	return value[envelopeSize:], nil
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

var (
	encoding = must(cbor.EncOptions{Time: cbor.TimeRFC3339NanoUTC, Sort: cbor.SortBytewiseLexical}.EncMode())
	decoding = must(cbor.DecOptions{
		// Texts of pages are kept as they came; templates and JSON escape them.
		UTF8:             cbor.UTF8DecodeInvalid,
		MaxArrayElements: 1 << 24, // a held snapshot is one array of offers
		MaxMapPairs:      1 << 24,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // options that never change
	}
	return v
}

// listing is a record of the offers bucket: an entry, and while it is live its
// offer.
type listing struct {
	entryRecord
	// Last is the change under which the newest point of its history stands: were
	// that lost, the one before would seem to be in force.
	Last  uint64       `cbor:"10,keyasint,omitempty"`
	Offer *offerRecord `cbor:"11,keyasint,omitempty"`
}

// entryRecord is what a portal lists. Link and logo are written as the length of
// what they share with the key, or with the link, and the rest: at most portals
// the key is the link.
type entryRecord struct {
	Key        string           `cbor:"1,keyasint"`
	Name       string           `cbor:"2,keyasint,omitempty"`
	Country    cashback.Country `cbor:"3,keyasint,omitempty"`
	Domain     string           `cbor:"4,keyasint,omitempty"`
	Category   string           `cbor:"5,keyasint,omitempty"`
	LinkShared int              `cbor:"6,keyasint,omitempty"`
	Link       string           `cbor:"7,keyasint,omitempty"`
	LogoShared int              `cbor:"8,keyasint,omitempty"`
	Logo       string           `cbor:"9,keyasint,omitempty"`
}

func entryRecordOf(e cashback.Entry) entryRecord {
	r := entryRecord{Key: e.Key, Name: e.Name, Country: e.Country, Domain: e.Domain, Category: e.Category}
	r.LinkShared, r.Link = unshare(e.Key, e.Link)
	r.LogoShared, r.Logo = unshare(e.Link, e.Logo)
	return r
}

func (r *entryRecord) entry() cashback.Entry {
	link := r.Key[:min(r.LinkShared, len(r.Key))] + r.Link
	return cashback.Entry{
		Key: r.Key, Name: r.Name, Country: r.Country, Domain: r.Domain, Category: r.Category,
		Link: link, Logo: link[:min(r.LogoShared, len(link))] + r.Logo,
	}
}

func unshare(base, s string) (int, string) {
	n := 0
	for n < len(base) && n < len(s) && base[n] == s[n] {
		n++
	}
	if n < 4 { // not worth its two bytes
		n = 0
	}
	return n, s[n:]
}

// pageRecord is a page as it was last read. All offers that were read on it and
// nothing else of theirs has changed take their time and hash from it.
type pageRecord struct {
	URL string `cbor:"1,keyasint"`
	reading
}

// reading is the part of a receipt that every look at a page renews.
type reading struct {
	ReadAt  int64  `cbor:"2,keyasint"` // nanoseconds since 1970, 0 for none
	Hash    []byte `cbor:"3,keyasint,omitempty"`
	Text    string `cbor:"4,keyasint,omitempty"` // a hash that isn't hexadecimal
	Version string `cbor:"5,keyasint,omitempty"`
	Run     string `cbor:"6,keyasint,omitempty"`

	hex string // Hash as text, once it was asked for
}

func readingOf(r cashback.Receipt) reading {
	out := reading{ReadAt: stamp(r.ReadAt), Version: r.DefinitionVersion, Run: r.Run}
	if b, err := hex.DecodeString(r.Hash); err == nil && strings.ToLower(r.Hash) == r.Hash && len(b) > 0 {
		out.Hash = b
	} else {
		out.Text = r.Hash
	}
	return out
}

func (r *reading) hash() string {
	if len(r.Hash) == 0 {
		return r.Text
	}
	if r.hex == "" {
		r.hex = hex.EncodeToString(r.Hash)
	}
	return r.hex
}

func (r *reading) equal(o *reading) bool {
	return r.ReadAt == o.ReadAt && string(r.Hash) == string(o.Hash) && r.Text == o.Text && r.Version == o.Version && r.Run == o.Run
}

// offerRecord is what a portal pays at an entry.
type offerRecord struct {
	// Kind is left out where it is the first component's.
	Kind           cashback.RewardKind  `cbor:"1,keyasint,omitempty"`
	Tiers          []cashback.Tier      `cbor:"2,keyasint,omitempty"`
	Previous       cashback.NullDecimal `cbor:"3,keyasint,omitzero"`
	PreviousText   string               `cbor:"4,keyasint,omitempty"`
	ValidationDays int                  `cbor:"5,keyasint,omitempty"`
	// Status is left out where it is OK.
	Status     cashback.OfferStatus `cbor:"6,keyasint,omitempty"`
	Conditions string               `cbor:"7,keyasint,omitempty"`
	RawText    string               `cbor:"8,keyasint,omitempty"`
	Unread     string               `cbor:"9,keyasint,omitempty"`
	MissedRuns int                  `cbor:"10,keyasint,omitempty"`
	Since      int64                `cbor:"11,keyasint,omitempty"`
	Page       pageNumber           `cbor:"12,keyasint,omitempty"`
	// Own is the offer's reading where the page's doesn't count for it: a later
	// reading of the page lacked the offer.
	Own *reading `cbor:"13,keyasint,omitempty"`
}

func offerRecordOf(o *cashback.Offer) offerRecord {
	r := offerRecord{
		Kind: o.Kind, Tiers: o.Tiers, Previous: o.Previous, PreviousText: o.PreviousText,
		ValidationDays: o.ValidationDays, Status: o.Status, Conditions: o.Conditions,
		RawText: o.Receipt.RawText, Unread: o.Unread, MissedRuns: o.MissedRuns, Since: stamp(o.Receipt.InForceSince),
	}
	if r.Kind == firstKind(o.Tiers) {
		r.Kind = ""
	}
	if r.Status == cashback.OK {
		r.Status = ""
	}
	return r
}

func firstKind(tiers []cashback.Tier) cashback.RewardKind {
	if len(tiers) > 0 && len(tiers[0].Components) > 0 {
		return tiers[0].Components[0].Kind
	}
	return ""
}

// offer puts the three records of an offer together.
func (r *offerRecord) offer(portal string, m cashback.MerchantID, e *entryRecord, url string, read *reading) cashback.Offer {
	o := r.bare(portal)
	o.Entry, o.Merchant = e.entry(), m
	o.Receipt.URL, o.Receipt.ReadAt, o.Receipt.Hash = url, moment(read.ReadAt), read.hash()
	o.Receipt.DefinitionVersion, o.Receipt.Run = read.Version, read.Run
	return o
}

// bare is the offer without its entry and reading.
func (r *offerRecord) bare(portal string) cashback.Offer {
	o := cashback.Offer{
		Kind: r.Kind, Tiers: r.Tiers, Previous: r.Previous, PreviousText: r.PreviousText,
		ValidationDays: r.ValidationDays, Status: r.Status, Conditions: r.Conditions,
		Unread: r.Unread, MissedRuns: r.MissedRuns,
		Receipt: cashback.Receipt{Portal: portal, InForceSince: moment(r.Since), RawText: r.RawText},
	}
	if o.Kind == "" {
		o.Kind = firstKind(r.Tiers)
	}
	if o.Status == "" {
		o.Status = cashback.OK
	}
	return o
}

// pointRecord is the rate from one change on; Ended says that there is none.
type pointRecord struct {
	From    int64                `cbor:"1,keyasint"`
	Kind    cashback.RewardKind  `cbor:"2,keyasint,omitempty"`
	Tiers   []cashback.Tier      `cbor:"3,keyasint,omitempty"`
	RawText string               `cbor:"4,keyasint,omitempty"`
	Run     string               `cbor:"5,keyasint,omitempty"`
	Status  cashback.OfferStatus `cbor:"6,keyasint,omitempty"`
	Ended   bool                 `cbor:"7,keyasint,omitempty"`
	// Previous is the change of the point before; 0 for the first.
	Previous uint64 `cbor:"8,keyasint,omitempty"`
}

type merchantRecord struct {
	Merchant cashback.Merchant `cbor:"1,keyasint"`
	// Lead is where a merged merchant's members went; 0 for one that stands.
	Lead          cashback.MerchantID `cbor:"2,keyasint,omitempty"`
	FounderPortal portalNumber        `cbor:"3,keyasint,omitempty"`
	FounderEntry  entryNumber         `cbor:"4,keyasint,omitempty"`
}

// changeRecord keeps both offers whole: a change feed that reads what stands today
// would rewrite the past.
type changeRecord struct {
	At       int64               `cbor:"1,keyasint"`
	Kind     cashback.ChangeKind `cbor:"2,keyasint"`
	Portal   portalNumber        `cbor:"3,keyasint,omitempty"`
	Merchant cashback.MerchantID `cbor:"4,keyasint,omitempty"`
	Before   *frozenOffer        `cbor:"5,keyasint,omitempty"`
	After    *frozenOffer        `cbor:"6,keyasint,omitempty"`
	// Public says of a portal's change that the public could see the portal before or
	// after it: whoever follows the feed must learn that it has gone, and nobody of a
	// portal that was never shown.
	Public bool `cbor:"7,keyasint,omitempty"`
}

// frozenOffer is an offer in a change record. The entry of After is left out where
// it is that of Before.
type frozenOffer struct {
	Entry    *entryRecord        `cbor:"1,keyasint,omitempty"`
	Offer    offerRecord         `cbor:"2,keyasint"`
	Page     pageRecord          `cbor:"3,keyasint"`
	Merchant cashback.MerchantID `cbor:"4,keyasint,omitempty"`
}

// freeze lays both sides of a change into its record; either may be nil.
func (c *changeRecord) freeze(before, after *cashback.Offer) {
	one := func(o *cashback.Offer) *frozenOffer {
		if o == nil {
			return nil
		}
		e := entryRecordOf(o.Entry)
		return &frozenOffer{Entry: &e, Offer: offerRecordOf(o), Page: pageRecord{o.Receipt.URL, readingOf(o.Receipt)}, Merchant: o.Merchant}
	}
	c.Before, c.After = one(before), one(after)
	if c.Before != nil && c.After != nil && *c.Before.Entry == *c.After.Entry {
		c.After.Entry = nil
	}
}

// thaw is the way back.
func (c *changeRecord) thaw(portal string) (before, after *cashback.Offer) {
	one := func(f *frozenOffer) *cashback.Offer {
		if f == nil {
			return nil
		}
		e := f.Entry
		if e == nil && c.Before != nil {
			e = c.Before.Entry
		}
		if e == nil {
			e = &entryRecord{}
		}
		o := f.Offer.offer(portal, f.Merchant, e, f.Page.URL, &f.Page.reading)
		return &o
	}
	return one(c.Before), one(c.After)
}

// stamp and moment keep times to the nanosecond between 1678 and 2262; the zero
// time is 0.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

func isDamaged(err error) bool {
	var d *DamagedError
	return errors.As(err, &d)
}

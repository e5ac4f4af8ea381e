package store

import (
	"encoding/binary"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// The data folder:
//
//	cagnotte.lock   who has the folder open: pid, address, since when (JSON)
//	cagnotte.db     everything below
//	pages.db        the cache of fetched pages; may be deleted at any time
//	index/          Bleve's, a projection of cagnotte.db; may be deleted too
const (
	lockName  = "cagnotte.lock"
	fileName  = "cagnotte.db"
	freshName = "cagnotte.db.new" // the file while it is being created
	cacheName = "pages.db"
)

// Buckets and keys. Numbers are big-endian, so that keys sort as they count. P is
// a portal's number (2 bytes), E an entry's (4), M a merchant's (4), N a change's
// (8), S a running number (8).
//
//	meta       name                 the schema's version, the counters
//	portals    portal id            definition, operator's mode and facts, number P
//	facts      P S                  who changed which facts when
//	standing   P                    counts, last run, last complete run
//	health     P                    the gate's memory
//
//	offers     M P E                what a portal lists, for ever, and while it is
//	                                live what it pays there
//	listed     P E                  the M that the entry is under
//	readings   P number             a page as last read: URL, time, hash, run
//	history    E N                  the rate from change N on, or that it ended
//
//	merchants  M                    the merchant, or where it went; its founder
//	slugs      slug                 M
//	reviews    P E                  an entry that a person should look at
//	events     S                    the operator's corrections of merchants
//
//	changes    N                    the change feed
//	runs       P S                  run reports, the last Limits.Runs of each portal
//	runids     run id               P S
//	stages     P                    the run in progress
//	staged     P page key           what its pages gave so far
//	held       P                    a snapshot that the gate held back
//
//	jobs       portal id            the schedule
//	hosts      registrable domain   what is owed to a host (opaque)
//	audit      S                    what operators did
//	damaged    bucket 0 key         records set aside, as they were
//
// What belongs to a person lies under the person's number U (4 bytes), so that no
// read reaches another's and a deletion drops whole ranges:
//
//	users      U                    the person; addresses, bearers lead to U
//	addresses  e-mail address       U
//	bearers    digest of a token    which session or key of which U it opens
//	grants     digest of a token    what may be done with it once
//	sessions   U id                 a signed-in browser
//	apikeys    U id                 an API key
//	ledger     U S                  an event of the ledger, only ever appended
//	eventkeys  U idempotency key    S
//	purchases  U purchase id        what the events have made of a purchase
//	heads      U                    the last S, its hash, and the balances
//	evidence   U hash               frozen terms (JSON)
//	imports    U hash               a file that was imported
//	documents  U kind 0 name        mappings and the like (opaque)
//	filler     S                    zeros, while freed pages are overwritten
//
// Offers lie under their merchant, because that is how they are read most: a shop's
// offers, and the whole index, are one walk each. A portal finds its own through
// listed; a merge moves records. What every look at a page renews (time, hash, run)
// isn't in the offer but in the reading of its page: a crawl that finds nothing new
// rewrites one small record a page, and no offer.
//
//	offers M P E ──→ readings P page        history E N
//	   ↑
//	listed P E
type bucket string

const (
	metaBucket      bucket = "meta"
	portalsBucket   bucket = "portals"
	factsBucket     bucket = "facts"
	standingBucket  bucket = "standing"
	healthBucket    bucket = "health"
	offersBucket    bucket = "offers"
	listedBucket    bucket = "listed"
	readingsBucket  bucket = "readings"
	historyBucket   bucket = "history"
	merchantsBucket bucket = "merchants"
	slugsBucket     bucket = "slugs"
	reviewsBucket   bucket = "reviews"
	eventsBucket    bucket = "events"
	changesBucket   bucket = "changes"
	runsBucket      bucket = "runs"
	runIDsBucket    bucket = "runids"
	stagesBucket    bucket = "stages"
	stagedBucket    bucket = "staged"
	heldBucket      bucket = "held"
	jobsBucket      bucket = "jobs"
	hostsBucket     bucket = "hosts"
	auditBucket     bucket = "audit"
	damagedBucket   bucket = "damaged"
	referenceBucket bucket = "reference"

	usersBucket     bucket = "users"
	addressesBucket bucket = "addresses"
	bearersBucket   bucket = "bearers"
	grantsBucket    bucket = "grants"
	sessionsBucket  bucket = "sessions"
	apiKeysBucket   bucket = "apikeys"
	ledgerBucket    bucket = "ledger"
	eventKeysBucket bucket = "eventkeys"
	purchasesBucket bucket = "purchases"
	headsBucket     bucket = "heads"
	evidenceBucket  bucket = "evidence"
	importsBucket   bucket = "imports"
	documentsBucket bucket = "documents"
	fillerBucket    bucket = "filler"
)

var buckets = []bucket{
	metaBucket, portalsBucket, factsBucket, standingBucket, healthBucket,
	offersBucket, listedBucket, readingsBucket, historyBucket,
	merchantsBucket, slugsBucket, reviewsBucket, eventsBucket,
	changesBucket, runsBucket, runIDsBucket, stagesBucket, stagedBucket, heldBucket,
	jobsBucket, hostsBucket, auditBucket, damagedBucket, referenceBucket,
	usersBucket, addressesBucket, bearersBucket, grantsBucket, sessionsBucket, apiKeysBucket,
	ledgerBucket, eventKeysBucket, purchasesBucket, headsBucket, evidenceBucket, importsBucket, documentsBucket, fillerBucket,
}

// personal are the buckets whose keys begin with a person's number.
var personal = []bucket{
	usersBucket, sessionsBucket, apiKeysBucket,
	ledgerBucket, eventKeysBucket, purchasesBucket, headsBucket, evidenceBucket, importsBucket, documentsBucket,
}

// appended are the buckets whose keys mostly arrive in order: their pages are
// filled, not left half empty for what will never come between.
var appended = map[bucket]bool{
	listedBucket: true, readingsBucket: true, historyBucket: true, changesBucket: true,
	runsBucket: true, eventsBucket: true, auditBucket: true, factsBucket: true, fillerBucket: true,
}

type (
	portalNumber uint16
	entryNumber  uint32
	pageNumber   uint32
)

func (p portalNumber) key() []byte { return binary.BigEndian.AppendUint16(nil, uint16(p)) }

// place is where an entry and its offer stand.
type place struct {
	portal portalNumber
	entry  entryNumber
}

func (p place) key() []byte { return binary.BigEndian.AppendUint32(p.portal.key(), uint32(p.entry)) }

func placeOf(key []byte) place {
	return place{portalNumber(binary.BigEndian.Uint16(key)), entryNumber(binary.BigEndian.Uint32(key[2:]))}
}

func readingKey(p portalNumber, n pageNumber) []byte {
	return binary.BigEndian.AppendUint32(p.key(), uint32(n))
}

func historyKey(e entryNumber, n uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, uint32(e)), n)
}

func merchantKey(m cashback.MerchantID) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(m))
}

func offerKey(m cashback.MerchantID, p place) []byte { return append(merchantKey(m), p.key()...) }

const offerKeySize = 10

func placeUnder(key []byte) (cashback.MerchantID, place) {
	return cashback.MerchantID(binary.BigEndian.Uint32(key)), placeOf(key[4:])
}

func userKey(u account.UserID) []byte { return binary.BigEndian.AppendUint32(nil, uint32(u)) }

func userOf(key []byte) account.UserID { return account.UserID(binary.BigEndian.Uint32(key)) }

// ownKey is the key of something that is a person's.
func ownKey(u account.UserID, id string) []byte { return append(userKey(u), id...) }

func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func numberedKey(p portalNumber, n uint64) []byte {
	return binary.BigEndian.AppendUint64(p.key(), n)
}

func numberOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

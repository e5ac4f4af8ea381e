package index

import (
	"context"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Source is the stored truth that the index follows.
//
// A change says which merchant and portal are touched; the index then reads their
// present state, so a change may be read again, or late, without harm. What the
// Source must promise: every change of a merchant, of a merchant's offers or of a
// portal has a number above all earlier ones, and can be read from Shop or Portals
// once its number shows in LastChange. Confirming offers without changing them
// needs no change for each: one PortalChecked per publication says that the
// portal's offers were read again, and Readings says when.
type Source interface {
	// LastChange is the number of the newest change, 0 if there is none yet.
	LastChange(ctx context.Context) (uint64, error)
	// Changes returns at most limit changes with numbers above after, in order. A
	// Conflict error means that the changes after that number aren't kept any more.
	Changes(ctx context.Context, after uint64, limit int) ([]cashback.Change, error)
	// Portals returns every portal, whatever its publication.
	Portals(ctx context.Context) ([]cashback.Portal, error)
	// EachShop calls f with every merchant and its current offers, in the order of ids,
	// and returns the error with which f stops it.
	EachShop(ctx context.Context, f func(Shop) error) error
	// Shop returns one merchant with its current offers; ok is false where there is
	// none of that id any more, also where it was merged into another.
	Shop(ctx context.Context, id cashback.MerchantID) (s Shop, ok bool, err error)
	// Readings returns when each current offer of a portal was last read, by merchant
	// and key.
	Readings(ctx context.Context, portal string) ([]Reading, error)
}

// Reading is when an offer was last read.
type Reading struct {
	Merchant cashback.MerchantID
	Key      string // of its entry
	At       time.Time
}

// Shop is a merchant with its current offers.
type Shop struct {
	Merchant cashback.Merchant
	Offers   []cashback.Offer
}

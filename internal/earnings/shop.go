package earnings

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Shops tells which merchant a portal's name for a shop means; 0 where that isn't
// known. The merchant catalogue answers it; without one, names are compared.
type Shops interface {
	Merchant(portal, shop string) cashback.MerchantID
}

// shopKey is a shop's name as names are compared: letters and digits, without case and
// accents. "Booking.com" and "BOOKING COM" are one.
func shopKey(name string) string {
	ascii := true
	for i := range len(name) {
		ascii = ascii && name[i] < 0x80
	}
	if !ascii {
		name = norm.NFKD.String(name)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// identity is a shop as far as it is known.
type identity struct {
	merchant cashback.MerchantID
	key      string
}

// How alike two shops are, as points of a match's score.
const (
	shopSame = 40
	shopPart = 20 // one name holds the other: a person should look
)

func alike(a, b identity) int {
	switch {
	case a.merchant != 0 && a.merchant == b.merchant, a.key != "" && a.key == b.key:
		return shopSame
	case a.merchant != 0 && b.merchant != 0:
		return 0 // two shops that are known, and not the same
	case len(a.key) >= 4 && len(b.key) >= 4 && (strings.Contains(a.key, b.key) || strings.Contains(b.key, a.key)):
		return shopPart
	}
	return 0
}

// ShopNames are Shops from a list of names.
type ShopNames struct {
	at map[string]cashback.MerchantID
}

// Add says that a portal calls a merchant so; an empty portal stands for all of them.
// A name that means two merchants means none.
func (s *ShopNames) Add(portal, name string, id cashback.MerchantID) {
	key := shopKey(name)
	if key == "" || id == 0 {
		return
	}
	if s.at == nil {
		s.at = map[string]cashback.MerchantID{}
	}
	key = portal + "\x00" + key
	if have, ok := s.at[key]; ok && have != id {
		id = 0
	}
	s.at[key] = id
}

// Merchant is what the portal, or else anybody, calls so.
func (s *ShopNames) Merchant(portal, shop string) cashback.MerchantID {
	key := shopKey(shop)
	if id, ok := s.at[portal+"\x00"+key]; ok {
		return id
	}
	return s.at["\x00"+key]
}

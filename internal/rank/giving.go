package rank

import (
	"slices"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Giving is a case answered twice: what the shopper keeps, and what reaches an
// association.
type Giving struct {
	Keep Answer `json:"keep"`
	Give Answer `json:"give"`
	// Gifts are the donations behind the ranked rows of Give, by portal.
	Gifts map[string]Gift `json:"gifts"`
}

// Gift is what is known of a portal's donation.
type Gift struct {
	Association string `json:"association,omitempty"`
	// Share is what of a donation reaches the association. Where it isn't known it
	// counts 1, and ShareUnknown says so.
	Share        cashback.Decimal `json:"share"`
	ShareUnknown bool             `json:"share_unknown,omitempty"`
}

// KeepOrGive ranks a case for a shopper who keeps the money by the methods taken,
// donations left out, and for one who gives all of it. Errors are those of Rank.
func KeepOrGive(c Case) (Giving, error) {
	keep, give := c, c
	if c.Shopper.Methods != nil {
		keep.Shopper.Methods = slices.DeleteFunc(slices.Clone(c.Shopper.Methods), func(m string) bool { return m == donation })
		if len(keep.Shopper.Methods) == 0 {
			keep.Shopper.Methods = nil // who only gives would keep it in the usual ways
		}
	}
	give.Shopper.Methods = []string{donation}
	g := Giving{Gifts: map[string]Gift{}}
	var err error
	if g.Keep, err = Rank(keep); err != nil {
		return Giving{}, err
	}
	e := compile(&give)
	if g.Give, err = e.answer(exactly(give.Purchase.Amount), nil); err != nil {
		return Giving{}, err
	}
	for _, row := range g.Give.Ranked {
		i := slices.IndexFunc(c.Portals, func(p Portal) bool { return p.ID == row.Portal })
		for _, m := range c.Portals[i].Payout.Methods {
			if m.Kind != donation {
				continue
			}
			gift := Gift{Association: m.Association, Share: m.Share.Decimal, ShareUnknown: !m.Share.Valid}
			if gift.ShareUnknown {
				gift.Share = unit
			}
			if had, twice := g.Gifts[row.Portal]; !twice || had.Share.Less(gift.Share) {
				g.Gifts[row.Portal] = gift
			}
		}
	}
	return g, nil
}

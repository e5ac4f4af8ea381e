package rank

import (
	"maps"
	"slices"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// PortalOf is a portal with its facts, as a case takes it. A fact that no case may
// contain (CheckPortal says which) is left out, and so counts as not known: one
// wrong fact never costs a shop its ranking.
func PortalOf(p cashback.Portal) Portal {
	out := portalOf(p)
	if out.fault() == nil {
		return out
	}
	facts := p.Facts
	p.Facts = cashback.Facts{}
	out = portalOf(p)
	for _, keep := range []func(*cashback.Facts){
		func(f *cashback.Facts) { f.VATBasis = facts.VATBasis },
		func(f *cashback.Facts) { f.ConfirmRate = facts.ConfirmRate },
		func(f *cashback.Facts) { f.UpToShare = facts.UpToShare },
		func(f *cashback.Facts) { f.ValidationDays = facts.ValidationDays },
		func(f *cashback.Facts) { f.PointValues = facts.PointValues },
		func(f *cashback.Facts) { f.Payout, f.Donation = facts.Payout, facts.Donation },
	} {
		before := p.Facts
		keep(&p.Facts)
		if next := portalOf(p); next.fault() == nil {
			out = next
		} else {
			p.Facts = before
		}
	}
	return out
}

// CheckPortal says what is wrong with a portal's facts, for whoever edits them.
func CheckPortal(p cashback.Portal) error {
	out := portalOf(p)
	return out.fault()
}

func (p *Portal) fault() error {
	var k checker
	p.check(&k, nil)
	return k.err
}

func portalOf(p cashback.Portal) Portal {
	out := Portal{ID: p.ID, Currency: p.Currency}
	f := &p.Facts
	if f.VATBasis != nil {
		out.VATBasis = f.VATBasis.Value
	}
	if f.ConfirmRate != nil {
		out.ConfirmRate = cashback.Some(f.ConfirmRate.Value)
	}
	if f.UpToShare != nil {
		out.UpToShare = cashback.Some(f.UpToShare.Value)
	}
	if f.ValidationDays != nil {
		days := f.ValidationDays.Value
		out.ValidationDays = &days
	}
	if f.PointValues != nil {
		out.PointValues = maps.Clone(f.PointValues.Value)
	}
	if f.Payout != nil {
		pay := f.Payout.Value
		pay.Methods = slices.Clone(pay.Methods)
		out.Payout = &pay
	}
	if f.Donation != nil && f.Donation.Value.Possible {
		out.give(f.Donation.Value)
	}
	return out
}

// give brings what is known of giving into the payout methods: that it is possible
// at all, what share arrives, and where.
func (p *Portal) give(d cashback.Donation) {
	if p.Payout == nil {
		p.Payout = &cashback.Payout{}
	}
	if p.Payout.Methods == nil { // not known: still one method "unknown", beside it
		p.Payout.Methods = []cashback.PayoutMethod{{Kind: unknownMethod}}
	}
	if !slices.ContainsFunc(p.Payout.Methods, func(m cashback.PayoutMethod) bool { return m.Kind == donation }) {
		p.Payout.Methods = append(p.Payout.Methods, cashback.PayoutMethod{Kind: donation})
	}
	for i := range p.Payout.Methods {
		m := &p.Payout.Methods[i]
		if m.Kind != donation {
			continue
		}
		if !m.Share.Valid {
			m.Share = d.Share
		}
		if m.Association == "" && len(d.Associations) == 1 {
			m.Association = d.Associations[0]
		}
	}
}

// OfferOf is what one portal lists for a shop, as a case takes it. A portal may
// list a shop more than once ("Fnac", "Fnac new customers"); a case has one offer
// for a portal, so the entries' tiers stand side by side, and among equals the one
// that yields least counts, as always. An entry that failed a rule of the gate, or
// that no case may contain, is left out where another is sound, and makes the
// offer quarantined where none is. The oldest reading dates the offer.
func OfferOf(entries ...cashback.Offer) Offer {
	out := Offer{Quarantined: true}
	for _, e := range entries {
		next := offerOf(e)
		if out.Portal == "" {
			out.Portal, out.Merchant = next.Portal, next.Merchant
		}
		if next.Quarantined || !next.sound() {
			continue
		}
		if out.Quarantined {
			out = next
			continue
		}
		out.Tiers = append(out.Tiers, next.Tiers...)
		out.VerifiedOn = min(out.VerifiedOn, next.VerifiedOn)
		if next.ValidationDays != nil && (out.ValidationDays == nil || *out.ValidationDays < *next.ValidationDays) {
			out.ValidationDays = next.ValidationDays
		}
	}
	if !out.Quarantined && !out.sound() { // together they have too many tiers
		out.Quarantined = true
	}
	if out.Quarantined {
		out.Tiers = nil
	}
	return out
}

func (o *Offer) sound() bool {
	var k checker
	o.check(&k, nil)
	return k.err == nil
}

func offerOf(o cashback.Offer) Offer {
	out := Offer{
		Portal:   o.Receipt.Portal,
		Merchant: MerchantKey(o.Merchant),
		// An unverified offer is shown as such and never ranked.
		Quarantined: o.Status == cashback.Quarantined || o.Status == cashback.Unverified,
		VerifiedOn:  cashback.DateOf(o.Receipt.ReadAt),
	}
	if o.ValidationDays > 0 {
		days := o.ValidationDays
		out.ValidationDays = &days
	}
	for _, t := range o.Tiers {
		tier := Tier{
			Category: t.Category, Audience: t.Audience, Channel: t.Channel,
			ValidFrom: t.ValidFrom, ValidTo: t.ValidTo, UpTo: t.UpTo, Components: slices.Clone(t.Components),
		}
		if t.MinSpend != nil {
			tier.MinSpend, tier.MinSpendCurrency = cashback.Some(t.MinSpend.Decimal()), t.MinSpend.Currency
		}
		if t.Cap != nil {
			tier.Cap, tier.CapCurrency = cashback.Some(t.Cap.Decimal()), t.Cap.Currency
		}
		out.Tiers = append(out.Tiers, tier)
	}
	return out
}

// MerchantKey names a merchant in a case's offers and in a shopper's history.
func MerchantKey(id cashback.MerchantID) string {
	if id == 0 {
		return ""
	}
	return itoa(int(id))
}

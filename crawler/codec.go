package crawler

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Drafts are written by hand: a page has dozens, and a general codec spent as long
// on them as the network did. The bytes live as long as a run and are read by the
// version that wrote them or, after an update in the middle of a run, refused by
// their format's number.
//
// A string is its length and its bytes; a number a varint; a list its length and its
// members; what can be absent has a byte before it.

// draftFormat is raised with every change of what follows.
const draftFormat = 1

type writer struct{ b []byte }

func (w *writer) num(n int64)  { w.b = binary.AppendVarint(w.b, n) }
func (w *writer) str(s string) { w.b = append(binary.AppendUvarint(w.b, uint64(len(s))), s...) }
func (w *writer) flag(f bool) {
	var b byte
	if f {
		b = 1
	}
	w.b = append(w.b, b)
}
func (w *writer) count(n int) { w.b = binary.AppendUvarint(w.b, uint64(n)) }
func (w *writer) dec(d decimal.Decimal) {
	if d.IsZero() && d.Scale() == 0 {
		w.b = append(w.b, 0)
		return
	}
	w.str(d.String())
}

func (w *writer) null(d cashback.NullDecimal) {
	w.flag(d.Valid)
	if d.Valid {
		w.str(d.Decimal.String())
	}
}

func (w *writer) money(m *cashback.Money) {
	w.flag(m != nil)
	if m != nil {
		w.num(m.Minor)
		w.str(string(m.Currency))
	}
}

// drafts writes a page's drafts.
func (w *writer) drafts(list []draft) {
	w.count(draftFormat)
	w.count(len(list))
	for i := range list {
		d := &list[i]
		w.flag(d.Tiered)
		w.str(d.Key)
		o := &d.Offer
		e := &o.Entry
		for _, s := range []string{e.Key, e.Name, string(e.Country), e.Domain, e.Category, e.Link, e.Logo, string(o.Kind), o.PreviousText, string(o.Status), o.Conditions, o.Receipt.RawText, o.Unread} {
			w.str(s)
		}
		w.null(o.Previous)
		w.num(int64(o.ValidationDays))
		w.count(len(o.Tiers))
		for j := range o.Tiers {
			w.tier(&o.Tiers[j])
		}
	}
}

func (w *writer) tier(t *cashback.Tier) {
	for _, s := range []string{t.Label, t.Category, string(t.Audience), t.Channel, t.Raw} {
		w.str(s)
	}
	w.money(t.MinSpend)
	w.money(t.Cap)
	w.num(int64(t.ValidFrom))
	w.num(int64(t.ValidTo))
	w.flag(t.UpTo)
	w.count(len(t.Components))
	for i := range t.Components {
		c := &t.Components[i]
		w.str(string(c.Kind))
		w.dec(c.Value)
		w.null(c.Min)
		w.str(string(c.Currency))
		w.str(c.PointsCurrency)
		w.dec(c.PerAmount)
		w.str(c.PerUnit)
		w.num(int64(c.Span.Start))
		w.num(int64(c.Span.End))
	}
}

// reader reads what writer wrote. After a fault it gives zeros.
type reader struct {
	b   []byte
	bad bool
}

var errDrafts = errors.New("the drafts are not of this format")

func (r *reader) num() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads the length of what follows: never more than there are bytes left.
func (r *reader) count() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *reader) str() string {
	n := r.count()
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) flag() bool {
	if len(r.b) == 0 {
		r.bad = true
		return false
	}
	f := r.b[0] == 1
	r.b = r.b[1:]
	return f
}

func (r *reader) dec() decimal.Decimal {
	s := r.str()
	if s == "" {
		return decimal.Decimal{}
	}
	d, err := decimal.Parse(s)
	if err != nil {
		r.bad = true
	}
	return d
}

func (r *reader) null() cashback.NullDecimal {
	if !r.flag() {
		return cashback.NullDecimal{}
	}
	return cashback.Some(r.dec())
}

func (r *reader) money() *cashback.Money {
	if !r.flag() {
		return nil
	}
	return &cashback.Money{Minor: r.num(), Currency: cashback.Currency(r.str())}
}

func (r *reader) drafts() ([]draft, error) {
	if r.count() != draftFormat {
		return nil, errDrafts
	}
	var list []draft
	for n := r.count(); n > 0 && !r.bad; n-- {
		var d draft
		d.Tiered, d.Key = r.flag(), r.str()
		o := &d.Offer
		e := &o.Entry
		e.Key, e.Name, e.Country, e.Domain, e.Category, e.Link, e.Logo = r.str(), r.str(), cashback.Country(r.str()), r.str(), r.str(), r.str(), r.str()
		o.Kind, o.PreviousText, o.Status, o.Conditions = cashback.RewardKind(r.str()), r.str(), cashback.OfferStatus(r.str()), r.str()
		o.Receipt.RawText, o.Unread, o.Previous, o.ValidationDays = r.str(), r.str(), r.null(), int(r.num())
		for t := r.count(); t > 0 && !r.bad; t-- {
			o.Tiers = append(o.Tiers, r.tier())
		}
		list = append(list, d)
	}
	if r.bad || len(r.b) > 0 {
		return nil, errDrafts
	}
	return slices.Clip(list), nil
}

func (r *reader) tier() (t cashback.Tier) {
	t.Label, t.Category, t.Audience, t.Channel, t.Raw = r.str(), r.str(), cashback.Audience(r.str()), r.str(), r.str()
	t.MinSpend, t.Cap = r.money(), r.money()
	t.ValidFrom, t.ValidTo, t.UpTo = cashback.Date(r.num()), cashback.Date(r.num()), r.flag()
	for n := r.count(); n > 0 && !r.bad; n-- {
		t.Components = append(t.Components, cashback.Component{
			Kind: cashback.RewardKind(r.str()), Value: r.dec(), Min: r.null(), Currency: cashback.Currency(r.str()), PointsCurrency: r.str(),
			PerAmount: r.dec(), PerUnit: r.str(), Span: cashback.Span{Start: int(r.num()), End: int(r.num())},
		})
	}
	return t
}

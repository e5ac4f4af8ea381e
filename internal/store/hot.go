package store

import (
	"encoding/binary"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// The records that are read by the hundred thousand are decoded by hand: 0.4 µs
// instead of 4 for an offer. The format stays plain CBOR, and whatever isn't written
// here (a key that came later, an unusual form) is left to the library: the hand
// gives up, it doesn't guess. TestHotDecoding compares the two.

// scanner walks over CBOR. Its texts are parts of one copy of the payload.
type scanner struct {
	s   string
	at  int
	bad bool // something that isn't understood here
}

// head reads the type and the number of an item.
func (r *scanner) head() (kind byte, n uint64) {
	if r.at >= len(r.s) {
		r.bad = true
		return 0xff, 0
	}
	b := r.s[r.at]
	r.at++
	kind, info := b>>5, b&31
	size := 0
	switch {
	case info < 24:
		return kind, uint64(info)
	case info == 24:
		size = 1
	case info == 25:
		size = 2
	case info == 26:
		size = 4
	case info == 27:
		size = 8
	default:
		r.bad = true
		return 0xff, 0
	}
	if r.at+size > len(r.s) {
		r.bad = true
		return 0xff, 0
	}
	var buf [8]byte
	copy(buf[8-size:], r.s[r.at:r.at+size])
	r.at += size
	return kind, binary.BigEndian.Uint64(buf[:])
}

const (
	unsignedKind = 0
	negativeKind = 1
	bytesKind    = 2
	textKind     = 3
	arrayKind    = 4
	mapKind      = 5
	simpleKind   = 7
)

func (r *scanner) expect(kind byte) uint64 {
	k, n := r.head()
	if k != kind {
		r.bad = true
		return 0
	}
	return n
}

func (r *scanner) span(n uint64) string {
	if r.bad || n > uint64(len(r.s)-r.at) {
		r.bad = true
		return ""
	}
	s := r.s[r.at : r.at+int(n)]
	r.at += int(n)
	return s
}

func (r *scanner) text() string { return r.span(r.expect(textKind)) }

func (r *scanner) bytes() string { return r.span(r.expect(bytesKind)) }

func (r *scanner) int() int64 {
	k, n := r.head()
	if n > 1<<63-1 {
		r.bad = true
	}
	switch k {
	case unsignedKind:
		return int64(n)
	case negativeKind:
		return -1 - int64(n)
	}
	r.bad = true
	return 0
}

func (r *scanner) number(most uint64) uint64 {
	n := r.expect(unsignedKind)
	if n > most {
		r.bad = true
	}
	return n
}

func (r *scanner) bool() bool {
	k, n := r.head()
	if k != simpleKind || n != 20 && n != 21 {
		r.bad = true
	}
	return n == 21
}

func (r *scanner) decimal() (d cashback.Decimal) {
	s := r.bytes()
	if !r.bad && d.UnmarshalBinary([]byte(s)) != nil {
		r.bad = true
	}
	return d
}

func (r *scanner) nullDecimal() (n cashback.NullDecimal) {
	s := r.bytes()
	if !r.bad && n.UnmarshalBinary([]byte(s)) != nil {
		r.bad = true
	}
	return n
}

// fields calls f with each key of a map; f reads the value.
func (r *scanner) fields(f func(key uint64)) {
	n := r.expect(mapKind)
	last := int64(-1)
	for ; n > 0 && !r.bad; n-- {
		key := r.expect(unsignedKind)
		if int64(key) <= last { // keys are sorted, and come once
			r.bad = true
			return
		}
		last = int64(key)
		f(key)
	}
}

// items reads an array; more items than bytes are left is nonsense.
func items[T any](r *scanner, f func(*T)) []T {
	n := r.expect(arrayKind)
	if n > uint64(len(r.s)-r.at) {
		r.bad = true
	}
	if r.bad {
		return nil
	}
	out := make([]T, n)
	for i := range out {
		if r.bad {
			return nil
		}
		f(&out[i])
	}
	return out
}

func (r *scanner) listing(l *listing) {
	r.fields(func(key uint64) {
		switch key {
		case lastField:
			l.Last = r.number(1<<64 - 1)
		case offerField:
			l.Offer = new(offerRecord)
			r.offer(l.Offer)
		default:
			r.entryField(&l.entryRecord, key)
		}
	})
}

// The keys of a listing behind those of its entry.
const lastField, offerField = 10, 11

// entry reads a listing as far as its entry goes.
func (r *scanner) entry(e *entryRecord) {
	for n := r.expect(mapKind); n > 0 && !r.bad; n-- {
		key := r.expect(unsignedKind)
		if key >= lastField {
			return
		}
		r.entryField(e, key)
	}
}

func (r *scanner) entryField(e *entryRecord, key uint64) {
	switch key {
	case 1:
		e.Key = r.text()
	case 2:
		e.Name = r.text()
	case 3:
		e.Country = cashback.Country(r.text())
	case 4:
		e.Domain = r.text()
	case 5:
		e.Category = r.text()
	case 6:
		e.LinkShared = int(r.number(1 << 30))
	case 7:
		e.Link = r.text()
	case 8:
		e.LogoShared = int(r.number(1 << 30))
	case 9:
		e.Logo = r.text()
	default:
		r.bad = true
	}
}

func (r *scanner) offer(o *offerRecord) {
	r.fields(func(key uint64) {
		switch key {
		case 1:
			o.Kind = cashback.RewardKind(r.text())
		case 2:
			o.Tiers = items(r, r.tier)
		case 3:
			o.Previous = r.nullDecimal()
		case 4:
			o.PreviousText = r.text()
		case 5:
			o.ValidationDays = int(r.int())
		case 6:
			o.Status = cashback.OfferStatus(r.text())
		case 7:
			o.Conditions = r.text()
		case 8:
			o.RawText = r.text()
		case 9:
			o.Unread = r.text()
		case 10:
			o.MissedRuns = int(r.int())
		case 11:
			o.Since = r.int()
		case 12:
			o.Page = pageNumber(r.number(1<<32 - 1))
		case 13:
			o.Own = new(reading)
			r.fields(func(key uint64) { r.reading(o.Own, key) })
		default:
			r.bad = true
		}
	})
}

func (r *scanner) page(p *pageRecord) {
	r.fields(func(key uint64) {
		if key == 1 {
			p.URL = r.text()
		} else {
			r.reading(&p.reading, key)
		}
	})
}

func (r *scanner) reading(v *reading, key uint64) {
	switch key {
	case 2:
		v.ReadAt = r.int()
	case 3:
		v.Hash = []byte(r.bytes())
	case 4:
		v.Text = r.text()
	case 5:
		v.Version = r.text()
	case 6:
		v.Run = r.text()
	default:
		r.bad = true
	}
}

func (r *scanner) tier(t *cashback.Tier) {
	r.fields(func(key uint64) {
		switch key {
		case 1:
			t.Label = r.text()
		case 2:
			t.Category = r.text()
		case 3:
			t.Audience = cashback.Audience(r.text())
		case 4:
			t.Channel = r.text()
		case 5:
			t.MinSpend = r.money()
		case 6:
			t.ValidFrom = cashback.Date(r.number(1<<31 - 1))
		case 7:
			t.ValidTo = cashback.Date(r.number(1<<31 - 1))
		case 8:
			t.UpTo = r.bool()
		case 9:
			t.Cap = r.money()
		case 10:
			t.Components = items(r, r.component)
		case 11:
			t.Raw = r.text()
		default:
			r.bad = true
		}
	})
}

func (r *scanner) money() *cashback.Money {
	m := new(cashback.Money)
	r.fields(func(key uint64) {
		switch key {
		case 1:
			m.Minor = r.int()
		case 2:
			m.Currency = cashback.Currency(r.text())
		default:
			r.bad = true
		}
	})
	return m
}

func (r *scanner) component(c *cashback.Component) {
	r.fields(func(key uint64) {
		switch key {
		case 1:
			c.Kind = cashback.RewardKind(r.text())
		case 2:
			c.Value = r.decimal()
		case 3:
			c.Min = r.nullDecimal()
		case 4:
			c.Currency = cashback.Currency(r.text())
		case 5:
			c.PointsCurrency = r.text()
		case 6:
			c.PerAmount = r.decimal()
		case 7:
			c.PerUnit = r.text()
		case 8:
			r.fields(func(key uint64) {
				switch key {
				case 1:
					c.Span.Start = int(r.int())
				case 2:
					c.Span.End = int(r.int())
				default:
					r.bad = true
				}
			})
		default:
			r.bad = true
		}
	})
}

func (r *scanner) purchase(p *purchaseRecord) {
	r.fields(func(key uint64) {
		switch key {
		case 1:
			p.Portal = r.text()
		case 2:
			p.Merchant = cashback.MerchantID(r.number(1<<32 - 1))
		case 3:
			p.Shop = r.text()
		case 4:
			p.State = earnings.State(r.text())
		case 5:
			p.For = earnings.RewardFor(r.text())
		case 6:
			p.Expected = r.amount()
		case 7:
			p.Amount = r.amount()
		case 8:
			p.Basket = r.amount()
		case 9:
			p.Order = r.text()
		case 10:
			p.External = r.text()
		case 11:
			p.Wording = r.text()
		case 12:
			p.Evidence = r.text()
		case 13:
			p.Claim = earnings.EventKind(r.text())
		case 14:
			p.Payout = r.text()
		case 15:
			p.Business = r.bool()
		case 16:
			p.Note = r.text()
		case 17:
			p.Donated = r.text()
		case 18:
			p.Bought = r.int()
		case 19:
			p.Since = items(r, func(us *int64) { *us = r.int() })
		case 20:
			p.Events = items(r, func(seq *uint64) { *seq = r.number(1<<64 - 1) })
		case 21:
			p.Answer = earnings.Answer(r.text())
		default:
			r.bad = true
		}
	})
}

func (r *scanner) amount() *earnings.Amount {
	a := new(earnings.Amount)
	r.fields(func(key uint64) {
		switch key {
		case 1:
			a.Minor = r.int()
		case 2:
			a.Unit = earnings.Unit(r.text())
		default:
			r.bad = true
		}
	})
	return a
}

// hot decodes a record by hand; false leaves it to the library.
func hot(payload []byte, v any) bool {
	switch v := v.(type) {
	case *listing:
		r := scanner{s: string(payload)}
		*v = listing{}
		r.listing(v)
		if r.bad || r.at != len(r.s) {
			*v = listing{} // what was read so far would be mixed into what the library reads
			return false
		}
		return true
	case *entryRecord:
		// The entry alone; what follows it in a listing is left unread.
		r := scanner{s: string(payload)}
		var l listing
		r.entry(&l.entryRecord)
		if r.bad {
			return false
		}
		*v = l.entryRecord
		return true
	case *pageRecord:
		r := scanner{s: string(payload)}
		var p pageRecord
		r.page(&p)
		if r.bad || r.at != len(r.s) {
			return false
		}
		*v = p
		return true
	case *purchaseRecord:
		r := scanner{s: string(payload)}
		var p purchaseRecord
		r.purchase(&p)
		if r.bad || r.at != len(r.s) {
			return false
		}
		*v = p
		return true
	}
	return false
}

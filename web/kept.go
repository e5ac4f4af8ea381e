package web

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/url"
	"reflect"
	"strings"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/pages"
)

// What a person keeps of their side of a ranking is in their account, or, while they
// aren't signed in, in a cookie of this form: the version, and the parameters as an
// address states them.
const (
	shopperVersion = "1."
	// maxShopper keeps the cookie to what each request may well carry.
	maxShopper = 1500
)

// encodeShopper is the cookie's value; false where it would be too long.
func encodeShopper(q shopperQuery) (string, bool) {
	values := url.Values{}
	pairs := q.pairs()
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	s := shopperVersion + base64.RawURLEncoding.EncodeToString([]byte(values.Encode()))
	return s, len(s) <= maxShopper
}

// decodeShopper reads a cookie; false for anything that we wouldn't have written.
func decodeShopper(s string) (q shopperQuery, ok bool) {
	rest, versioned := strings.CutPrefix(s, shopperVersion)
	if !versioned || len(s) > maxShopper {
		return q, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil {
		return q, false
	}
	values, err := url.ParseQuery(string(raw))
	if err != nil || fill(reflect.ValueOf(&q).Elem(), declaredBy(reflect.TypeOf(q), "query"), values, nil) != nil {
		return shopperQuery{}, false
	}
	if q.Currency != "" {
		if _, err := currencyOf("currency", q.Currency); err != nil {
			return shopperQuery{}, false
		}
	}
	if q.Country != "" {
		if _, err := countryOf("country", q.Country); err != nil {
			return shopperQuery{}, false
		}
	}
	if _, err := fractionOf("vat", q.VAT, maxPercent); err != nil {
		return shopperQuery{}, false
	}
	_, err = q.shopper(cashback.Currency(cmp.Or(q.Currency, "EUR")))
	return q, err == nil
}

// preferred is a person's account as an address would state it.
func preferred(p account.Preferences) shopperQuery {
	text := func(d cashback.NullDecimal) string {
		if !d.Valid {
			return ""
		}
		return d.Decimal.Trim(0).String()
	}
	hundred := func(d cashback.NullDecimal) string {
		if d.Valid {
			if x, err := d.Decimal.Mul(decimal.Hundred); err == nil {
				d.Decimal = x
			}
		}
		return text(d)
	}
	q := shopperQuery{
		Currency: string(p.Currency), Country: string(p.Country), VAT: hundred(p.VATRate), Methods: p.Methods, Portals: p.Portals,
		GiftCard: hundred(p.GiftCardFactor), Patience: hundred(p.PatienceRate), Monthly: text(p.MonthlyRewards), Minimum: text(p.UnknownMinimum),
	}
	var points []string
	for _, x := range shopperView(rank.Shopper{PointValues: p.PointValues}, p.Currency).Points {
		points = append(points, x.Points+"="+x.Value.String())
	}
	q.Points = strings.Join(points, " ")
	return q
}

// saved is what the visitor has kept; false where there is nothing, and broken where
// it can't be read.
func (s *Server) saved(v *visit) (q shopperQuery, ok, broken bool) {
	if v.user != nil {
		q = preferred(v.user.Settings)
		rest := q
		rest.Currency, rest.Country = "", ""
		return q, len(rest.pairs()) > 0, false
	}
	if v.shopper == "" {
		return q, false, false
	}
	q, ok = decodeShopper(v.shopper)
	return q, ok, !ok
}

// inCurrency turns the amounts of what was saved into another currency, and leaves out
// those for which no rate is known.
func (s *Server) inCurrency(q shopperQuery, to cashback.Currency) shopperQuery {
	from := cashback.Currency(cmp.Or(q.Currency, string(s.currencyOfCountry(s.DefaultCountry))))
	if from == to {
		return q
	}
	_, rate, known := s.rates.Pair(from, to)
	for _, f := range []*string{&q.Monthly, &q.Minimum} {
		d, number := numberOf(*f, cashback.MaxBasket)
		*f = ""
		if !known || !number {
			continue
		}
		if x, err := d.Mul(rate); err == nil {
			*f = money(x, to).Decimal().Trim(0).String()
		}
	}
	return q
}

type shopperForm struct {
	purchaseQuery
	shopperQuery
	Shop   string `form:"shop" required:"true"`
	Own    string `form:"own"`
	Forget bool   `form:"forget"`
}

// keepShopper keeps the shopper's side as the form states it, or forgets it.
func (s *Server) keepShopper(v *visit) (*reply, error) {
	f, form, err := decodeForm[shopperForm](v)
	if err != nil {
		return nil, err
	}
	m, err := s.truth.MerchantBySlug(v.ctx, f.Shop)
	if err != nil {
		return nil, err
	}
	v.page = "/" + v.locale.Lang + "/shops/" + m.Slug
	q := shopQuery{Slug: m.Slug, purchaseQuery: f.purchaseQuery, shopperQuery: f.shopperQuery, Own: "1"}
	for field, sentence := range form.Faults {
		return refused(s.showShop(v, m, q, refusal{field, sentence}))
	}
	asked, err := s.ask(v.ctx, v, m.ID, f.purchaseQuery, f.shopperQuery)
	var wrong badInput
	if errors.As(err, &wrong) {
		return refused(s.showShop(v, m, q, wrong))
	}
	if err != nil {
		return nil, err
	}
	say := "shopper_kept"
	if f.Forget {
		say, f.shopperQuery, asked.Shopper = "shopper_forgotten", shopperQuery{}, rank.Shopper{}
	}
	if v.user != nil {
		_, err = s.people.ChangeUser(v.ctx, v.user.ID, func(u *account.User) error {
			p, x := &u.Settings, asked.Shopper
			p.Methods, p.Portals, p.GiftCardFactor, p.PatienceRate = x.Methods, x.Portals, x.GiftCardFactor, x.PatienceRate
			p.MonthlyRewards, p.UnknownMinimum, p.PointValues = x.MonthlyRewards, x.UnknownMinimum, x.PointValues
			p.VATRate, _ = fractionOf("vat", f.VAT, maxPercent) // ask has read it
			if x.MonthlyRewards.Valid || x.UnknownMinimum.Valid {
				p.Currency = asked.out.Purchase.Amount.Currency
			}
			if f.Country != "" {
				p.Country = asked.out.Purchase.Country
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	} else {
		keep := f.shopperQuery
		if keep.Monthly != "" || keep.Minimum != "" {
			keep.Currency = string(asked.out.Purchase.Amount.Currency)
		}
		value, fits := encodeShopper(keep)
		switch {
		case !fits:
			return refused(s.showShop(v, m, q, badInput{"portal", "error.shopper_long", nil}))
		case f.Forget:
			v.keep(s.cookie(v, shopperCookie, "", 0))
		default:
			v.keep(s.cookie(v, shopperCookie, value, shopperFor))
		}
	}
	c := pages.Chrome{L: v.locale}
	return s.done(v, c.Plain("shops/"+m.Slug, f.purchaseQuery.pairs()...), say), nil
}

// refusal is a sentence at a field that the form's decoder has found.
type refusal struct{ field, sentence string }

func (r refusal) Error() string { return r.sentence }

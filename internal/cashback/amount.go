package cashback

import (
	"strings"
	"unicode"

	"github.com/govalues/decimal"
)

// moneySigns are the currencies that a sign before or behind an amount can mean.
var moneySigns = map[string][]Currency{
	"€": {"EUR"}, "£": {"GBP"}, "£GB": {"GBP"}, "$": {"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP"},
	"US$": {"USD"}, "$US": {"USD"}, "CA$": {"CAD"}, "C$": {"CAD"}, "$CA": {"CAD"}, "A$": {"AUD"}, "$AU": {"AUD"}, "R$": {"BRL"},
	"¥": {"JPY", "CNY"}, "￥": {"JPY", "CNY"}, "円": {"JPY"}, "元": {"CNY", "TWD", "HKD"}, "₹": {"INR"}, "RS": {"INR"}, "RS.": {"INR"},
	"ZŁ": {"PLN"}, "KČ": {"CZK"}, "FT": {"HUF"}, "KR": {"SEK", "DKK", "NOK", "ISK"}, "KR.": {"SEK", "DKK", "NOK", "ISK"}, "FR.": {"CHF"}, "₽": {"RUB"}, "₺": {"TRY"},
	"EURO": {"EUR"}, "EUROS": {"EUR"},
}

// ParseMoney reads an amount in major units that a person typed or an API sent, in the
// form of any country: "12.50", "12,50 €", "1 234,56", "£1,234". It refuses what can be
// read in two ways ("1.234" may be a thousand), other currencies' signs, exponents, more
// decimals than the currency has, and more than MaxBasket.
func ParseMoney(s string, c Currency) (Money, error) {
	allowed := func() error {
		return Errorf(Invalid, "%q is not an amount: use digits such as 120 or 12.50, at most %d decimals, up to %d", short(s), c.Digits(), MaxBasket)
	}
	const most = 40
	if len(s) > most {
		return Money{}, allowed()
	}
	number, sign := cutSign(s)
	if of := OtherCurrency(s, c); of != "" {
		return Money{}, Errorf(Invalid, "%q is in %s, and the amount is asked for in %s: write it in %s, or give the other currency too", short(s), of, c, c)
	}
	if sign != "" && !means(sign, c) {
		return Money{}, allowed()
	}
	plain, ok := ungrouped(number, c.Digits())
	if !ok {
		return Money{}, allowed()
	}
	d, err := decimal.Parse(plain)
	if err != nil || d.Trim(0).Scale() > c.Digits() || d.Cmp(decimal.MustNew(MaxBasket, 0)) > 0 {
		return Money{}, allowed()
	}
	return MoneyOf(d, c)
}

// OtherCurrency is the currency that an amount's sign or code names where that can't be
// c; empty where it names none.
func OtherCurrency(s string, c Currency) Currency {
	_, sign := cutSign(s)
	if sign == "" || means(sign, c) {
		return ""
	}
	if cs := moneySigns[sign]; cs != nil {
		return cs[0]
	}
	if of, err := ParseCurrency(sign); err == nil {
		return of
	}
	return ""
}

// cutSign parts an amount from the sign or the code of its currency.
func cutSign(s string) (number, sign string) {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	first := strings.IndexFunc(s, digit)
	if first < 0 {
		return s, ""
	}
	end := strings.LastIndexFunc(s, digit) + 1
	before, behind := strings.TrimSpace(s[:first]), strings.TrimSpace(s[end:])
	if behind == "." || behind == "," {
		behind = "" // "12."
	}
	if before != "" && behind != "" {
		return s, ""
	}
	if sign = before + behind; sign == "" {
		return s[first:end], ""
	}
	return s[first:end], strings.ToUpper(sign)
}

// means reports whether a sign or code can stand for the currency.
func means(sign string, c Currency) bool {
	for _, x := range moneySigns[sign] {
		if x == c {
			return true
		}
	}
	return sign == string(c)
}

// ungrouped takes the marks between thousands out of a number, and writes a point
// before its decimals; false for what isn't a number, or is one in two ways.
func ungrouped(s string, digits int) (string, bool) {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == '\'', r == '’':
			return ' '
		}
		return r
	}, s)
	if strings.Trim(s, "0123456789., ") != "" {
		return "", false
	}
	points, commas, blanks := strings.Count(s, "."), strings.Count(s, ","), strings.Count(s, " ")
	mark := "" // before the decimals
	switch at := strings.LastIndexAny(s, ".,"); {
	case points > 0 && commas > 0, points+commas == 1:
		mark = s[at : at+1]
		if strings.Count(s, mark) > 1 {
			return "", false
		}
	}
	whole, decimals := s, ""
	if mark != "" {
		whole, decimals, _ = strings.Cut(s, mark)
	}
	if points+commas == 1 && blanks == 0 && len(decimals) == 3 && len(whole) <= 3 && digits < 3 {
		return "", false // "1.234" may be a thousand
	}
	group := strings.Trim(whole, "0123456789")
	if group != "" {
		group = group[:1]
		parts := strings.Split(whole, group)
		for i, p := range parts {
			last, many := i == len(parts)-1, len(parts) > 2
			if strings.Trim(p, "0123456789") != "" || p == "" || len(p) > 3 || i > 0 && len(p) < 3 && !(len(p) == 2 && many && !last) {
				return "", false // lakhs go by two: "1,25,000"
			}
		}
		whole = strings.Join(parts, "")
	}
	if whole == "" || strings.Trim(decimals, "0123456789") != "" {
		return "", false
	}
	if decimals == "" {
		return whole, true
	}
	return whole + "." + decimals, true
}

package cashback

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/govalues/decimal"
)

// Facts as one line of text each: what a person types into a form or after a verb,
// and what is printed back. The names are those of the JSON.
//
//	vat_basis        net, gross or unknown
//	payout           monthly, bank_transfer 10.00, paypal 10.00 fee 0.35, gift_card 5.00 bonus 0.08
//	confirm_rate     0.85 (observed, never claimed), up_to_share likewise
//	validation_days  60; tracking_days, inactive_months, merchants_claimed likewise
//	claim_window     10-90, 10- or none
//	point_values     points 0.01, miles 0.008
//	donation         no, or yes 0.90 Les Restos du Cœur; Médecins du Monde
//	join_bonus       3.00; membership_fee likewise
//	app              yes or no; extension likewise
//	status           a word such as active

// FactNames are the names of all facts with a value of their own, in the order in
// which they are shown.
func FactNames() []string {
	var names []string
	t := reflect.TypeFor[Facts]()
	for i := range t.NumField() {
		if t.Field(i).Type.Kind() == reflect.Pointer {
			names = append(names, factName(t.Field(i)))
		}
	}
	return names
}

func factName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// field is the place of a fact by its name; the zero value where there is none.
func (f *Facts) field(name string) reflect.Value {
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Pointer && factName(v.Type().Field(i)) == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// Set states a fact: its value as one line of text, and where and when it was read.
// An empty value takes the fact back. The errors are sentences for whoever typed.
func (f *Facts) Set(name, value string, origin Origin) error {
	field := f.field(name)
	if !field.IsValid() {
		return ErrorAt(Invalid, Place{Field: "fact"}, "%q is no fact: use one of %s", clipped(name), strings.Join(FactNames(), ", "))
	}
	if len(value) > maxFactText {
		return ErrorAt(Invalid, Place{Field: name}, "the text has more than %d bytes", maxFactText)
	}
	value = strings.TrimSpace(strings.ToValidUTF8(value, ""))
	if value == "" {
		field.SetZero()
		return nil
	}
	if (name == "confirm_rate" || name == "up_to_share") && origin.Learnt < 1 {
		return ErrorAt(Invalid, Place{Field: name}, "a portal's own claim never counts here: say how many outcomes were observed")
	}
	set := reflect.New(field.Type().Elem())
	if err := parseFact(name, value, set.Elem().FieldByName("Value").Addr().Interface()); err != nil {
		return ErrorAt(Invalid, Place{Field: name}, "%w", err)
	}
	set.Elem().FieldByName("Origin").Set(reflect.ValueOf(origin))
	field.Set(set)
	return nil
}

// Fact is a fact as one line of text, with its origin; false where it isn't known.
func (f *Facts) Fact(name string) (value string, origin Origin, known bool) {
	field := f.field(name)
	if !field.IsValid() || field.IsNil() {
		return "", Origin{}, false
	}
	fact := field.Elem()
	origin, _ = fact.FieldByName("Origin").Interface().(Origin)
	return printFact(fact.FieldByName("Value").Interface()), origin, true
}

// maxFactText bounds a fact's text; the longest real one, a payout, has some 300 bytes.
const maxFactText = 4000

// The most that a fact of whole numbers may say: ten years of days, and more shops
// than there are.
const mostCount = 1_000_000

func parseFact(name, s string, into any) error {
	switch to := into.(type) {
	case *VATBasis:
		*to = VATBasis(s)
		if *to != VATNet && *to != VATGross && *to != VATUnknown {
			return fmt.Errorf("%q is not a VAT basis: use net, gross or unknown", clipped(s))
		}
	case *string:
		*to = clipped(s)
	case *int:
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > mostCount {
			return fmt.Errorf("%q is not a count: use a whole number from 0 on", clipped(s))
		}
		*to = n
	case *bool:
		if s != "yes" && s != "no" {
			return fmt.Errorf("%q is neither yes nor no", clipped(s))
		}
		*to = s == "yes"
	case *Decimal:
		d, err := amount(s)
		if err != nil {
			return err
		}
		if (name == "confirm_rate" || name == "up_to_share") && decimal.One.Less(d) {
			return fmt.Errorf("%q is not a share: use a fraction such as 0.85", clipped(s))
		}
		*to = d
	case *ClaimWindow:
		return parseWindow(s, to)
	case *map[string]Decimal:
		*to = map[string]Decimal{}
		for part := range strings.SplitSeq(s, ",") {
			words := strings.Fields(part)
			if len(words) != 2 {
				return fmt.Errorf("%q is not a point's value: write it as in points 0.01, miles 0.008", clipped(s))
			}
			d, err := amount(words[1])
			if err != nil {
				return err
			}
			(*to)[words[0]] = d
		}
	case *Donation:
		return parseDonation(s, to)
	case *Payout:
		return parsePayout(s, to)
	default:
		return Errorf(Internal, "the fact %s has no form in text", name)
	}
	return nil
}

func amount(s string) (Decimal, error) {
	d, err := decimal.Parse(s)
	if err != nil || d.IsNeg() {
		return d, fmt.Errorf("%q is not an amount: use digits such as 12 or 12.50", clipped(s))
	}
	return d, nil
}

func parseWindow(s string, to *ClaimWindow) error {
	if s == "none" {
		*to = ClaimWindow{None: true}
		return nil
	}
	from, until, ok := strings.Cut(s, "-")
	n, err := strconv.Atoi(strings.TrimSpace(from))
	m := 0
	if until = strings.TrimSpace(until); err == nil && until != "" {
		m, err = strconv.Atoi(until)
		ok = ok && m >= n
	}
	if err != nil || !ok || n < 0 {
		return fmt.Errorf("%q is not a window for claims: write the days after the purchase as in 10-90 or 10-, or none", clipped(s))
	}
	*to = ClaimWindow{FromDays: n, ToDays: m}
	return nil
}

func parseDonation(s string, to *Donation) error {
	word, rest, _ := strings.Cut(s, " ")
	if err := parseFact("donation", word, &to.Possible); err != nil {
		return err
	}
	if share, names, _ := strings.Cut(strings.TrimSpace(rest), " "); share != "" && share[0] >= '0' && share[0] <= '9' {
		d, err := amount(share)
		if err != nil || decimal.One.Less(d) {
			return fmt.Errorf("%q is not the share that arrives: use a fraction such as 0.90", clipped(share))
		}
		to.Share, rest = Some(d), names
	}
	for name := range strings.SplitSeq(rest, ";") {
		if name = strings.TrimSpace(name); name != "" {
			to.Associations = append(to.Associations, clipped(name))
		}
	}
	return nil
}

func method(kind string) error {
	if kind == "" || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return fmt.Errorf("%q is not a way to be paid: use a word such as bank_transfer, paypal or gift_card", clipped(kind))
	}
	return nil
}

func frequency(f Frequency) error {
	known := []Frequency{OnDemand, Automatic, Weekly, Biweekly, Monthly, Bimonthly, Quarterly, HalfYearly, Yearly, FrequencyUnknown}
	if !slices.Contains(known, f) {
		return fmt.Errorf("%q is not a frequency: begin with one of %v", clipped(string(f)), known)
	}
	return nil
}

func parsePayout(s string, to *Payout) error {
	if strings.HasPrefix(s, "{") {
		d := json.NewDecoder(strings.NewReader(s))
		d.DisallowUnknownFields()
		if err := d.Decode(to); err != nil {
			return fmt.Errorf("the payout's JSON can't be read: %w", err)
		}
		for _, m := range to.Methods {
			if err := method(m.Kind); err != nil {
				return err
			}
		}
		return frequency(to.Frequency)
	}
	parts := strings.Split(s, ",")
	to.Frequency = Frequency(strings.TrimSpace(parts[0]))
	if err := frequency(to.Frequency); err != nil {
		return err
	}
	for _, part := range parts[1:] {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		m := PayoutMethod{Kind: words[0]}
		if err := method(m.Kind); err != nil {
			return err
		}
		words = words[1:]
		if len(words)%2 == 1 { // without a number the threshold isn't known
			d, err := amount(words[0])
			if err != nil {
				return err
			}
			m.Minimum, words = Some(d), words[1:]
		}
		for ; len(words) > 0; words = words[2:] {
			d, err := amount(words[1])
			switch {
			case err != nil:
				return err
			case words[0] == "fee":
				m.Fee = d
			case words[0] == "bonus":
				m.BonusRate = d
			case words[0] == "share":
				m.Share = Some(d)
			default:
				return fmt.Errorf("%q is unknown here: a way to be paid is written as in paypal 10.00 fee 0.35 bonus 0.05", clipped(words[0]))
			}
		}
		to.Methods = append(to.Methods, m)
	}
	return nil
}

// printFact writes what parseFact reads.
func printFact(value any) string {
	switch v := value.(type) {
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case ClaimWindow:
		switch {
		case v.None:
			return "none"
		case v.ToDays > 0:
			return fmt.Sprintf("%d-%d", v.FromDays, v.ToDays)
		}
		return fmt.Sprintf("%d-", v.FromDays)
	case map[string]Decimal:
		var parts []string
		for _, word := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, word+" "+v[word].String())
		}
		return strings.Join(parts, ", ")
	case Donation:
		s := printFact(v.Possible)
		if v.Share.Valid {
			s += " " + v.Share.Decimal.String()
		}
		if len(v.Associations) > 0 {
			s += " " + strings.Join(v.Associations, "; ")
		}
		return s
	case Payout:
		more := v.PayDates != nil || v.Methods != nil && len(v.Methods) == 0
		for _, m := range v.Methods {
			more = more || m.Association != "" || m.Note != ""
		}
		if more { // than a line can say
			b, err := json.Marshal(v)
			if err != nil {
				return ""
			}
			return string(b)
		}
		parts := []string{cmp.Or(string(v.Frequency), string(FrequencyUnknown))}
		for _, m := range v.Methods {
			s := m.Kind
			if m.Minimum.Valid {
				s += " " + m.Minimum.Decimal.String()
			}
			if !m.Fee.IsZero() {
				s += " fee " + m.Fee.String()
			}
			if !m.BonusRate.IsZero() {
				s += " bonus " + m.BonusRate.String()
			}
			if m.Share.Valid {
				s += " share " + m.Share.Decimal.String()
			}
			parts = append(parts, s)
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(value)
}

// clipped keeps a person's slip short enough for a sentence, and for a fact.
func clipped(s string) string {
	if r := []rune(strings.ToValidUTF8(s, "")); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return strings.ToValidUTF8(s, "")
}

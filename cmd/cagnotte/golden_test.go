package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/crawler"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/portaltest"
	"github.com/cagnotte/cagnotte/internal/rank"
)

var regenerate = flag.Bool("regenerate", false, "write testdata/situations.txt anew instead of comparing with it")

// situation is somebody before a basket at a shop of the demo.
type situation struct {
	shop     string
	country  cashback.Country
	amount   string
	customer cashback.Audience
	category string
	shopper  string
}

func decimals(pairs ...string) map[string]cashback.Decimal {
	out := map[string]cashback.Decimal{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = decimal.MustParse(pairs[i+1])
	}
	return out
}

// shoppers are the people of the situations.
var shoppers = map[string]rank.Shopper{
	"somebody":             {},
	"only bank transfers":  {Methods: []string{"bank_transfer"}},
	"only PayPal":          {Methods: []string{"paypal"}},
	"gift cards are money": {GiftCardFactor: cashback.Some(decimal.One)},
	"in no hurry":          {PatienceRate: cashback.Some(decimal.Zero)},
	"in a great hurry":     {PatienceRate: cashback.Some(decimal.MustParse("1.5"))},
	"gives it away":        {Methods: []string{"donation"}},
	"buys a lot":           {MonthlyRewards: cashback.Some(decimal.MustParse("60"))},
	"hardly ever buys":     {MonthlyRewards: cashback.Some(decimal.Zero)},
	"collects points":      {Methods: []string{"points_transfer"}, PointValues: decimals("points", "0.015", "miles", "0.012")},
	"has money waiting":    {Balances: decimals("ristourne", "24", "cashmoi", "8.50", "pennywell", "17", "backpenny", "9")},
	"was often declined": {History: map[string]rank.History{
		"malin":  {Outcomes: rank.Outcomes{Confirmed: 2, Declined: 14}},
		"fidelo": {Outcomes: rank.Outcomes{Confirmed: 1, Declined: 6}},
	}},
	"trusts Ristourne": {History: map[string]rank.History{
		"ristourne": {Outcomes: rank.Outcomes{Confirmed: 60}, Earned365: decimal.MustParse("220")},
	}},
	"uses two portals": {Portals: []string{"tirelire", "bonpli", "pennywell", "copperjar"}},
}

// situations are the sixty of issue 5: every kind of shop, basket and shopper that
// changes who comes first.
var situations = []situation{
	{"Fnac", "FR", "120", "", "", "somebody"},
	{"eDreams", "FR", "400", "", "-", "somebody"},
	{"Fnac", "FR", "8", "", "", "somebody"},
	{"Fnac", "FR", "1500", "", "", "somebody"},
	{"Fnac", "FR", "120", "", "", "only bank transfers"},
	{"Fnac", "FR", "120", "", "", "has money waiting"},
	{"Darty", "FR", "400", "", "", "somebody"},
	{"eDreams", "FR", "400", "", "", "somebody"},
	{"Darty", "FR", "400", "", "", "gift cards are money"},
	{"Darty", "FR", "400", "", "", "in a great hurry"},
	{"Boulanger", "FR", "80", "", "", "somebody"},
	{"Apple", "FR", "80", "new", "", "somebody"},
	{"Apple", "FR", "80", "existing", "", "somebody"},
	{"Apple", "FR", "80", "", "", "uses two portals"},
	{"Zalando", "FR", "65", "", "", "somebody"},
	{"Zalando", "FR", "65", "existing", "", "in no hurry"},
	{"Sezane", "FR", "65", "", "", "was often declined"},
	{"Sezane", "FR", "65", "", "", "trusts Ristourne"},
	{"Sephora", "FR", "50", "", "", "somebody"},
	{"Sephora", "FR", "50", "", "", "only PayPal"},
	{"Sephora", "FR", "50", "", "", "collects points"},
	{"Sephora", "FR", "50", "", "", "gives it away"},
	{"Nocibé", "FR", "45", "", "", "gives it away"},
	{"Nocibé", "FR", "45", "new", "", "somebody"},
	{"Yves Rocher", "FR", "30", "", "", "hardly ever buys"},
	{"Yves Rocher", "FR", "30", "", "", "buys a lot"},
	{"IKEA", "FR", "900", "", "", "somebody"},
	{"Tediber", "FR", "900", "", "Meubles", "somebody"},
	{"IKEA", "FR", "0", "", "", "somebody"},
	{"Cultura", "FR", "25", "", "", "somebody"},
	{"Zavvi", "FR", "25", "", "Livres", "somebody"},
	{"Expedia", "FR", "640", "", "", "somebody"},
	{"eDreams", "FR", "400", "", "Hôtels", "in no hurry"},
	{"Spartoo", "FR", "89.90", "", "", "somebody"},
	{"Spartoo", "FR", "89.90", "", "", "has money waiting"},
	{"La Redoute", "FR", "210", "new", "", "gift cards are money"},
	{"La Redoute", "FR", "210", "existing", "", "only bank transfers"},
	{"Etam", "FR", "39.99", "", "", "was often declined"},
	{"Kiabi", "FR", "70", "", "", "trusts Ristourne"},
	{"Lacoste", "FR", "110", "", "", "buys a lot"},
	{"Decathlon", "GB", "60", "", "", "somebody"},
	{"Decathlon", "GB", "60", "new", "", "somebody"},
	{"Decathlon", "GB", "60", "existing", "", "has money waiting"},
	{"Argos", "GB", "150", "", "", "somebody"},
	{"Argos", "GB", "150", "", "", "only bank transfers"},
	{"Argos", "GB", "150", "", "", "in a great hurry"},
	{"Boots", "GB", "35", "", "", "somebody"},
	{"Boots", "GB", "35", "", "", "hardly ever buys"},
	{"Boots", "GB", "35", "", "", "gives it away"},
	{"Tesco", "GB", "95", "", "", "somebody"},
	{"Tesco", "GB", "95", "", "", "collects points"},
	{"Harrods", "GB", "799", "", "", "somebody"},
	{"Harrods", "GB", "799", "new", "", "only bank transfers"},
	{"Selfridges", "GB", "240", "", "Electricals", "somebody"},
	{"Selfridges", "GB", "240", "", "Fashion", "buys a lot"},
	{"Robert Dyas", "GB", "55", "", "", "uses two portals"},
	{"Marks & Spencer", "GB", "55", "", "", "gift cards are money"},
	{"eBay", "GB", "20", "", "", "somebody"},
	{"Damart", "GB", "1200", "", "", "somebody"},
	{"Green Man Gaming", "GB", "74", "new", "", "in no hurry"},
}

// TestSituations is the golden of issue 5: over the demo's catalogue, crawled over
// HTTP as always, who are the first three in sixty situations, and why. A change
// of the ranking shows as a difference in words; where it is meant, write the file
// anew with -regenerate and read it.
func TestSituations(t *testing.T) {
	if len(situations) < 60 {
		t.Errorf("%d situations, want 60", len(situations))
	}
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	h := demoHouse(t, at)
	type shop struct {
		merchant cashback.Merchant
		offers   map[string][]cashback.Offer // by portal
	}
	shops := map[string]shop{}
	names := map[string]int{}
	if err := h.operator().EachMerchant(t.Context(), func(m cashback.Merchant, offers []cashback.Offer) error {
		s := shop{m, map[string][]cashback.Offer{}}
		for _, o := range offers {
			s.offers[o.Receipt.Portal] = append(s.offers[o.Receipt.Portal], o)
		}
		key := m.Name + " " + string(m.Country)
		// A name may be two merchants' where entries wait for a person's word; the one
		// that more portals list is meant.
		if names[key] < len(s.offers) {
			names[key], shops[key] = len(s.offers), s
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	portals, err := h.operator().Portals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rates, vat := rank.ShippedRates(), rank.ShippedVAT()
	var got strings.Builder
	fmt.Fprintf(&got, "# The first three of each situation over the demo's catalogue, and why.\n# Written by: go test ./cmd/cagnotte -run TestSituations -regenerate\n")
	used := map[string]bool{}
	for i, s := range situations {
		shop, ok := shops[s.shop+" "+string(s.country)]
		if !ok {
			t.Errorf("no shop is called %s in %s", s.shop, s.country)
			continue
		}
		c := rank.Case{Now: cashback.DateOf(at), Shopper: shoppers[s.shopper], Purchase: rank.Purchase{
			Amount: decimal.MustParse(s.amount), Currency: s.country.Currency(), Country: s.country, Customer: s.customer, Category: s.category,
		}}
		used[s.shopper] = true
		for _, p := range portals {
			if of := shop.offers[p.ID]; of != nil && slices.ContainsFunc(of, func(o cashback.Offer) bool { return o.Kind.Pays() }) {
				c.Portals = append(c.Portals, rank.PortalOf(p.Portal))
				c.Offers = append(c.Offers, rank.OfferOf(of...))
			}
		}
		rates.Fill(&c)
		vat.Fill(&c)
		answer, reasons, err := rank.Explain(c)
		if err != nil {
			t.Errorf("%+v: %v", s, err)
			continue
		}
		fmt.Fprintf(&got, "\n%d. %s, %s, %s", i+1, s.shop, s.country, s.amount+" "+string(c.Purchase.Currency))
		tellSituation(&got, s)
		tellAnswer(&got, c, answer, reasons)
	}
	for _, key := range rank.ReasonKeys() {
		if _, ok := sayings[key]; !ok {
			t.Errorf("the reason %s has no words", key)
		}
	}
	for name := range shoppers {
		if !used[name] {
			t.Errorf("no situation has the shopper who %s", name)
		}
	}
	golden := filepath.Join("testdata", "situations.txt")
	if *regenerate {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if difference := differing(string(want), got.String()); difference != "" {
		t.Errorf("the answers differ from %s (-regenerate writes it anew):\n%s", golden, difference)
	}
}

// demoHouse is a data folder into which the demo's portals were crawled as of a
// moment, one after the other.
func demoHouse(t *testing.T, at time.Time) *house {
	t.Helper()
	now := func() time.Time { return at }
	w := &world{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard, now: now}
	w.logTo(io.Discard, 0)
	demo, err := portaltest.NewDemo(portaltest.DemoConfig{Seed: 1, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	demo.Start()
	t.Cleanup(func() {
		if err := demo.Close(); err != nil {
			t.Error(err)
		}
	})
	var defs []*portal.Definition
	for _, p := range demo.Portals() {
		text, err := p.Definition()
		if err != nil {
			t.Fatal(err)
		}
		d, err := portal.Load(p.Name()+".yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		defs = append(defs, d)
	}
	h, err := openHouse(t.Context(), w, filepath.Join(t.TempDir(), "data"), houseOptions{definitions: defs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	transport, err := h.transport("", &local{resolver: demo, host: portaltest.IsLocal, addr: func(a netip.AddrPort) bool { return demo.Serves(a) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.Close)
	cr, err := h.crawler(transport)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range defs {
		r, err := cr.Run(t.Context(), d, crawler.Options{Run: newRun(d.ID(), at)})
		if err != nil || r.Verdict != cashback.Publish || !r.Complete {
			t.Fatalf("%s: %+v, %v", d.ID(), r, err)
		}
	}
	return h
}

func tellSituation(out *strings.Builder, s situation) {
	switch s.customer {
	case cashback.New:
		out.WriteString(", a new customer")
	case cashback.Existing:
		out.WriteString(", an existing customer")
	}
	switch s.category {
	case "":
	case rank.NoCategory:
		out.WriteString(", nothing of what the portals name")
	default:
		fmt.Fprintf(out, ", %s", s.category)
	}
	fmt.Fprintf(out, ", %s:\n", s.shopper)
}

// tellAnswer writes the first three with what they come from, and who isn't ranked.
func tellAnswer(out *strings.Builder, c rank.Case, a rank.Answer, why rank.Reasons) {
	amount := func(minor int64) string { return cashback.Money{Minor: minor, Currency: c.Purchase.Currency}.String() }
	if len(a.Ranked) == 0 {
		out.WriteString("  nobody\n")
	}
	for i, row := range a.Ranked[:min(3, len(a.Ranked))] {
		about, since := "", ""
		if row.Estimate {
			about, since = "about ", ", as "+because(why.Ranked[i].Marks, amount)
		}
		fmt.Fprintf(out, "  %d. %s: %s%s in %d days by %s%s\n", i+1, row.Portal, about, amount(row.Value), row.Days, row.Method, since)
		steps := slices.Clone(why.Ranked[i].Steps)
		fmt.Fprintf(out, "     %s advertised", amount(steps[0].Amount))
		// The steps that weigh most tell the story.
		steps = slices.DeleteFunc(steps[1:], func(s rank.StepReasons) bool { return s.Amount == 0 })
		slices.SortStableFunc(steps, func(x, y rank.StepReasons) int {
			return cmp.Compare(max(y.Amount, -y.Amount), max(x.Amount, -x.Amount))
		})
		for _, s := range steps[:min(3, len(steps))] {
			fmt.Fprintf(out, "; %s: %s", amount(s.Amount), because(s.Why, amount))
		}
		out.WriteString("\n")
	}
	if more := len(a.Ranked) - 3; more > 0 {
		fmt.Fprintf(out, "  and %d more\n", more)
	}
	for _, o := range why.Others {
		fmt.Fprintf(out, "  not %s: %s\n", o.Portal, because([]rank.Reason{o.Why}, amount))
	}
}

// sayings are the reasons in words; {NAME} is a value.
var sayings = map[string]string{
	"headline.tier":               "",
	"conditions.no_tier":          "none of its rates fits",
	"conditions.customer":         "as {customer} customer, who gets least",
	"conditions.category":         "for {category}, which yields least",
	"conditions.none_of_them":     "for none of the things that it names",
	"conditions.bottom":           "the bottom of its range",
	"conditions.up_to_observed":   "“up to” comes to {share} there",
	"conditions.up_to_assumed":    "“up to” counts {share}",
	"conditions.missing_value":    "{what} has no value",
	"vat.net":                     "the rate counts before VAT of {rate}",
	"vat.unknown":                 "nobody says whether VAT of {rate} counts",
	"vat.gross":                   "the rate counts on what is paid",
	"vat.no_rate":                 "no VAT rate is known for {country}",
	"cap.reached":                 "capped at {cap}",
	"settlement.bonus":            "a bonus of {share}",
	"settlement.gift_card":        "a gift card is worth {share} of money",
	"settlement.donation":         "{share} reach the association",
	"settlement.donation_unknown": "what reaches the association isn't known",
	"settlement.fee":              "{part} of the fee of {fee}",
	"chance.observed":             "{p} are confirmed, as observed",
	"chance.assumed":              "{p} are confirmed, as assumed",
	"chance.yours":                "{confirmed} of theirs were confirmed, {declined} declined",
	"chance.yours_here":           "{confirmed} of theirs were confirmed at this shop, {declined} declined",
	"wait.validation":             "{days} days until it is confirmed",
	"wait.threshold":              "{days} days until {minimum} are reached",
	"wait.threshold_assumed":      "{days} days until {minimum}, which nobody states, are reached",
	"wait.run":                    "{days} days until the payout ({frequency})",
	"unlock.sooner":               "it frees {balance} {days} days sooner",
	"unlock.at_all":               "it frees {balance}",
	"estimate.vat_basis":          "nobody says what VAT does to its rates",
	"estimate.vat_rate":           "no VAT rate is known for {country}",
	"estimate.methods":            "nobody says how it pays",
	"estimate.minimum":            "a threshold of {minimum} is assumed",
	"estimate.up_to":              "an “up to” counts {share}",
	"estimate.missing_value":      "{what} has no value",
	"estimate.other_tier":         "another rate that pays the same is one",
	"unreachable.threshold":       "{short} are missing to {minimum}",
	"unvalued.currency":           "no rate for {currency}",
	"unvalued.part":               "{what} has no value",
	"unvalued.cap":                "no rate for the cap's {currency}",
	"unvalued.empty":              "it says nothing that is paid",
	"stale.quarantined":           "its rate failed a check",
	"stale.never":                 "never read",
	"stale.old":                   "last read {days} days ago",
	"hidden.portal":               "not used",
	"hidden.methods":              "it pays by nothing that is taken",
	"left_out.min_spend":          "it pays from {minimum} on",
	"left_out.no_tier":            "none of its rates fits",
}

// because tells reasons in words.
func because(why []rank.Reason, amount func(int64) string) string {
	var said []string
	for _, r := range why {
		words, known := sayings[r.Key]
		if !known {
			words = r.Key
		}
		for name, v := range r.Values {
			text := v.Word
			switch v.Kind {
			case "money":
				text = amount(v.Minor)
			case "share":
				percent, err := v.Share.Mul(decimal.Hundred)
				if err != nil {
					text = v.Share.String()
					break
				}
				text = percent.Round(2).Trim(0).String() + " %"
			case "count":
				text = fmt.Sprint(v.Count)
			}
			words = strings.ReplaceAll(words, "{"+name+"}", text)
		}
		said = append(said, words)
	}
	return strings.Join(said, ", ")
}

// differing shows the situations that differ, as they were (-) and are (+); empty
// where none does.
func differing(want, got string) string {
	was, is := strings.Split(want, "\n\n"), strings.Split(got, "\n\n")
	var out bytes.Buffer
	for i := range max(len(was), len(is)) {
		var a, b string
		if i < len(was) {
			a = was[i]
		}
		if i < len(is) {
			b = is[i]
		}
		if a == b {
			continue
		}
		x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
		for _, line := range x {
			if !slices.Contains(y, line) {
				fmt.Fprintf(&out, "- %s\n", line)
			}
		}
		for _, line := range y {
			if !slices.Contains(x, line) {
				fmt.Fprintf(&out, "+ %s\n", line)
			}
		}
	}
	return out.String()
}

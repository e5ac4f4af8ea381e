package portaltest

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	_ "embed"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

//go:embed demo/shops.txt
var shopsFile string

// shop is one line of demo/shops.txt in one market.
type shop struct {
	number    int // its place in the file, and its id on the portals
	name      string
	domain    string
	category  string
	kind      cashback.RewardKind // Percent or Fixed
	usual     float64             // per cent, or major units
	spellings []string
}

// readShops reads demo/shops.txt for one market, "FR" or "GB".
func readShops(market cashback.Country) ([]*shop, error) {
	var shops []*shop
	for number, line := range strings.Split(shopsFile, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "|")
		if len(f) < 5 || len(f) > 6 {
			return nil, cashback.ErrorAt(cashback.Internal, cashback.Place{File: "shops.txt", Line: number + 1}, "%d fields: there are five, or six with other spellings", len(f))
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		s := &shop{number: number, name: f[0], domain: f[1], category: f[3], kind: cashback.Percent}
		if market == "GB" {
			s.domain = f[2]
		}
		if s.domain == "-" {
			continue
		}
		amount, fixed := strings.CutPrefix(f[4], "=")
		if fixed {
			s.kind = cashback.Fixed
		}
		var err error
		if s.usual, err = strconv.ParseFloat(amount, 64); err != nil || s.usual <= 0 {
			return nil, cashback.ErrorAt(cashback.Internal, cashback.Place{File: "shops.txt", Line: number + 1}, "%q is not a reward", f[4])
		}
		if len(f) == 6 {
			for other := range strings.SplitSeq(f[5], ";") {
				s.spellings = append(s.spellings, strings.TrimSpace(other))
			}
		}
		shops = append(shops, s)
	}
	return shops, nil
}

// Quote is what a demo portal pays at a shop at one moment. Values are whole
// hundredths: of a per cent, of a major unit of the currency, of a point.
type Quote struct {
	Kind  cashback.RewardKind // Percent, Fixed, PointsPerUnit, PointsFixed or NoCashback
	Value int
	// UpTo says that Value is the best of several tiers.
	UpTo bool
	// Was is the value before a promotion, 0 without one.
	Was int
	// Cap is the most that is paid, in minor units; 0 without one.
	Cap   int
	Tiers []QuoteTier
}

// QuoteTier is one alternative of a quote.
type QuoteTier struct {
	Label    string
	Audience cashback.Audience
	Value    int // in the quote's unit
}

// Rhythm of the demo's rates.
const (
	// eraDays is how long a base rate lasts: portals renegotiate a few times a year.
	eraDays = 120
	// promoDays is the length of the windows that may hold a promotion.
	promoDays = 12
	// flashEvery is how often a few rates move while somebody watches.
	flashEvery = 2 * time.Minute
)

// dice throws a die in [0, 1) that always falls the same for the same words.
func dice(seed uint64, words ...any) float64 {
	h := fnv.New64a()
	fmt.Fprintln(h, seed, words)
	x := h.Sum64()
	x ^= x >> 33 // FNV's low bits mix well, its high bits don't (murmur's finaliser)
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

// quote is the portal's reward at a shop at t. Within a day rates stand still,
// except for the flash offers that start when the portals are up.
func (p *DemoPortal) quote(s *shop, t time.Time) Quote {
	seed, name := p.demo.cfg.Seed, p.spec.name
	if dice(seed, "none", name, s.number) < p.spec.noneShare && s.name != p.canary {
		return Quote{Kind: cashback.NoCashback}
	}
	day := int(t.Unix() / 86400)
	era := (day + int(dice(seed, "phase", name, s.number)*eraDays)) / eraDays
	window := (day + int(dice(seed, "promo phase", name, s.number)*promoDays)) / promoDays

	base := s.usual * p.spec.generosity *
		(.8 + .4*dice(seed, "level", name, s.number)) *
		(.9 + .2*dice(seed, "era", name, s.number, era))
	now := base
	if dice(seed, "promo", name, s.number, window) < .08 {
		now *= 1.25 + .65*dice(seed, "promo height", name, s.number, window)
	}
	if !t.Before(p.demo.started) {
		flash := t.Unix() / int64(flashEvery/time.Second)
		if dice(seed, "flash", name, s.number, flash) < .015 {
			now = max(now, base*(1.2+.3*dice(seed, "flash height", name, s.number, flash)))
		}
	}

	q := Quote{Kind: s.kind}
	scale := 100.
	if p.spec.points > 0 { // the portal pays in points, each worth spec.points minor units
		if q.Kind = cashback.PointsPerUnit; s.kind == cashback.Fixed {
			q.Kind, scale = cashback.PointsFixed, 100*100/p.spec.points
		} else {
			scale = 100 / p.spec.points
		}
	}
	q.Value = p.nice(q.Kind, base*scale)
	if now > base {
		q.Was, q.Value = q.Value, p.nice(q.Kind, now*scale)
		if q.Value <= q.Was {
			q.Was = 0
		}
	}
	if p.demo.fault(name) == RatesTenfold {
		q.Value, q.Was = 10*q.Value, 10*q.Was
	}
	q.Tiers = p.tiers(s, q)
	q.UpTo = len(q.Tiers) > 0
	if s.kind == cashback.Percent && dice(seed, "cap", name, s.number) < .03 {
		q.Cap = []int{1000, 2000, 3000, 5000}[int(4*dice(seed, "cap height", name, s.number))]
	}
	return q
}

// nice rounds a value in hundredths to what people print: steps of a quarter or
// half per cent, whole amounts, whole points. It is never 0.
func (p *DemoPortal) nice(kind cashback.RewardKind, v float64) int {
	step := 50.
	switch {
	case kind == cashback.PointsFixed:
		step = 5000
	case kind == cashback.PointsPerUnit:
		step = 100
	case kind == cashback.Fixed && v >= 1000:
		step = 100
	case kind == cashback.Fixed:
		step = 50
	case p.spec.fine:
		step = 15
	case v < 200:
		step = 10
	case v >= 1500:
		step = 100
	}
	return int(max(step, math.Round(v/step)*step))
}

// tierWords are labels by kind of shop, French and English side by side; each
// share is of the best rate.
var tierWords = map[string][]struct {
	fr, en string
	share  float64
}{
	"electronics": {{"Accessoires", "Accessories", 1}, {"Informatique", "Computers", .5}, {"Téléphonie", "Phones", .3}},
	"marketplace": {{"Mode et beauté", "Fashion and beauty", 1}, {"Maison", "Home", .6}, {"High-tech", "Electronics", .25}},
	"culture":     {{"Livres", "Books", 1}, {"Jeux vidéo", "Video games", .5}},
	"travel":      {{"Hôtels", "Hotels", 1}, {"Vols", "Flights", .25}},
	"telecom":     {{"Fibre", "Broadband", 1}, {"Forfait mobile", "SIM only", .4}},
	"finance":     {{"Nouveau contrat", "New policy", 1}, {"Renouvellement", "Renewal", .2}},
	"department":  {{"Mode", "Fashion", 1}, {"Maison", "Home", .75}, {"Électroménager", "Electricals", .3}},
	"home":        {{"Décoration", "Decoration", 1}, {"Meubles", "Furniture", .7}},
}

// tiers splits about a third of the offers: by product where the kind of shop has
// words for it, by new and existing customers elsewhere.
func (p *DemoPortal) tiers(s *shop, q Quote) []QuoteTier {
	seed := p.demo.cfg.Seed
	// Whether a shop's programme has tiers is the shop's doing: most portals agree.
	if dice(seed, "tiers", s.number) >= .38 || dice(seed, "tiers at", p.spec.name, s.number) < .15 {
		return nil
	}
	var tiers []QuoteTier
	if words := tierWords[s.category]; words != nil && dice(seed, "tier kind", s.number) < .7 {
		for _, w := range words {
			tier := QuoteTier{Label: w.en, Value: p.nice(q.Kind, float64(q.Value)*w.share)}
			if p.spec.french {
				tier.Label = w.fr
			}
			tiers = append(tiers, tier)
		}
	} else {
		share := []float64{.3, .4, .5, .6, .7}[int(5*dice(seed, "existing share", s.number))]
		tiers = []QuoteTier{
			{Label: "New customers", Audience: cashback.New, Value: q.Value},
			{Label: "Existing customers", Audience: cashback.Existing, Value: p.nice(q.Kind, float64(q.Value)*share)},
		}
		if p.spec.french {
			tiers[0].Label, tiers[1].Label = "Nouveaux clients", "Clients existants"
		}
	}
	if tiers[len(tiers)-1].Value == q.Value { // rounding has made them equal
		return nil
	}
	tiers[0].Value = q.Value
	return tiers
}

// listing is a shop as one portal shows it.
type listing struct {
	*shop
	// Name is the portal's spelling.
	Name string
	Slug string
	// order is Name as it is sorted, and what its letter is taken from.
	order string
}

// listings are the portal's shops, by name.
func (p *DemoPortal) listings(shops []*shop) []listing {
	seed := p.demo.cfg.Seed
	var list []listing
	for _, s := range shops {
		if !p.lists(s) {
			continue
		}
		name := s.name
		switch d := dice(seed, "spelling", p.spec.name, s.number); {
		case s.name == p.canary: // found by its name
		case d < .3 && len(s.spellings) > 0:
			name = s.spellings[int(d/.3*float64(len(s.spellings)))]
		case d > .93:
			name += " " + p.spec.countryWord
		case d > .86 && p.spec.prefix != "":
			name = p.spec.prefix + name
		}
		list = append(list, listing{shop: s, Name: name, Slug: slug(s.name), order: slug(name)})
	}
	slices.SortFunc(list, func(a, b listing) int { return strings.Compare(a.order, b.order) })
	return list
}

// lists says whether the portal lists the shop. Popular shops are everywhere;
// the market's largest portal takes whoever nobody else has.
func (p *DemoPortal) lists(s *shop) bool {
	at := func(q *DemoPortal) bool {
		popular := dice(p.demo.cfg.Seed, "popular", s.number)
		return dice(p.demo.cfg.Seed, "listed", q.spec.name, s.number) < q.spec.coverage*(.55+.75*popular)
	}
	if at(p) || s.name == p.canary {
		return true
	}
	if !p.spec.largest {
		return false
	}
	return !slices.ContainsFunc(p.demo.portals, func(q *DemoPortal) bool { return q.spec.market == p.spec.market && at(q) })
}

// slug folds a name to what stands in an address: "L'Occitane" is "l-occitane".
func slug(name string) string {
	folded, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), name)
	if err != nil { // the chain has no failing step
		folded = name
	}
	var b strings.Builder
	for _, r := range strings.ToLower(strings.ReplaceAll(folded, "œ", "oe")) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}

// number prints hundredths without needless zeros, with the portal's separator.
func (p *DemoPortal) number(v int) string {
	whole, part := strconv.Itoa(v/100), v%100
	if p.spec.french && v >= 100_000 { // thousands are parted by a narrow space
		whole = strconv.Itoa(v/100_000) + "\u202f" + fmt.Sprintf("%03d", v/100%1000)
	}
	separator := "."
	if p.spec.french {
		separator = ","
	}
	switch {
	case part == 0:
		return whole
	case part%10 == 0:
		return whole + separator + strconv.Itoa(part/10)
	}
	return whole + separator + fmt.Sprintf("%02d", part)
}

package merchant

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Global is the storefront of a shop that is one and the same in every country.
const Global cashback.Country = ""

// anywhere is the country under which the alias data of every market stands.
const anywhere cashback.Country = "*"

// aliasSet is one line of the alias data: names of one shop.
type aliasSet struct {
	name   string
	names  []aliasName
	source string
	global bool
	// families limits a set to entries of these trades, for firms that share a name
	// with others; 0 for all.
	families familySet
}

// aliasName is one name of a set, with why it is one.
type aliasName struct {
	name string
	kind string // of aliasKinds; empty for the present name
	year string // "2019", or "2019-01" where the month is known
	key  string
}

// aliasKinds are the ways to be another name of a shop, as the files write them,
// and in words: the other name, then the present one. Those that happened at a time
// need a year.
var aliasKinds = map[string]struct {
	words string
	dated bool
}{
	"rebrand":  {"%q is what %q was called until", true},
	"merger":   {"%q became part of %q in", true},
	"initials": {"%q are the initials of %q", false},
	"entity":   {"%q is the firm behind %q", false},
	"short":    {"%q is short for %q", false},
	"long":     {"%q is the full name of %q", false},
	"spelling": {"%q is a usual spelling of %q", false},
}

// aliases is what is known of shops beyond their spelling.
type aliases struct {
	// sets by the hash of a name, in each country.
	sets map[cashback.Country]map[uint64][]*aliasSet
	// brands map a folded name to its brand.
	brands map[string]string
	count  int
}

func newAliases() *aliases {
	return &aliases{sets: map[cashback.Country]map[uint64][]*aliasSet{}, brands: map[string]string{}}
}

// neighbours are markets whose alias data is good for another one that has none of
// its own for a name: shops there are mostly the same.
func neighbours(c cashback.Country) []cashback.Country {
	switch c {
	case "AT", "LI":
		return []cashback.Country{c, "DE", anywhere}
	case "CH":
		return []cashback.Country{c, "DE", "FR", "IT", anywhere}
	case "BE", "LU":
		return []cashback.Country{c, "FR", "NL", "DE", anywhere}
	case "MC":
		return []cashback.Country{c, "FR", anywhere}
	case "IE":
		return []cashback.Country{c, "GB", anywhere}
	case "CA", "AU", "NZ":
		return []cashback.Country{c, "US", "GB", anywhere}
	case "PT":
		return []cashback.Country{c, "ES", "BR", anywhere}
	case "MX", "AR", "CL", "CO", "PE":
		return []cashback.Country{c, "ES", "US", anywhere}
	}
	return []cashback.Country{c, anywhere}
}

// readAliases reads aliases/*.txt, whose lines all.txt explains. A name stands either
// there or in a country's file, never in both.
func (r *Rules) readAliases(fsys fs.FS) error {
	names, err := fs.Glob(fsys, "aliases/*.txt")
	if err != nil {
		return fmt.Errorf("list the alias data: %w", err)
	}
	sort.Strings(names) // all.txt is the first
	for _, file := range names {
		base := strings.TrimSuffix(path.Base(file), ".txt")
		country := cashback.Country(strings.ToUpper(base))
		if base == "all" {
			country = anywhere
		}
		if r.aliases.sets[country] == nil {
			r.aliases.sets[country] = map[uint64][]*aliasSet{}
		}
		err := eachLine(fsys, file, func(section, line string) error {
			switch section {
			case "", "global":
				set, err := r.parseSet(file, line)
				if err != nil {
					return err
				}
				set.global = section == "global"
				return r.addSet(country, set)
			case "brands":
				return r.addBrand(line)
			}
			return fmt.Errorf("a section [%s] is not known here", section)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// parseSet reads "Present name {trade}; Other name [kind year]; …".
func (r *Rules) parseSet(file, line string) (*aliasSet, error) {
	set := &aliasSet{source: file}
	for i, part := range strings.Split(line, ";") {
		part, remark := cutOut(part, '[', ']')
		part, trades := cutOut(part, '{', '}')
		n := aliasName{name: part}
		n.kind, n.year, _ = strings.Cut(remark, " ")
		k, known := aliasKinds[n.kind]
		switch {
		case n.name == "":
			return nil, fmt.Errorf("name %d is empty", i+1)
		case i == 0 && remark != "":
			return nil, fmt.Errorf("the first name is the present one and needs no [%s]", remark)
		case i > 0 && !known:
			return nil, fmt.Errorf("%q needs to say what it is: [rebrand YEAR], [merger YEAR], [initials], [entity], [short], [long] or [spelling]", n.name)
		case i > 0 && k.dated != isYear(n.year):
			return nil, fmt.Errorf("%q: [%s] is dated wrongly: a rebrand and a merger have a year such as 2019 or 2019-03, the others none", n.name, remark)
		case i > 0 && trades != "":
			return nil, fmt.Errorf("{%s} belongs behind the first name", trades)
		}
		for _, t := range strings.Fields(trades) {
			f := r.families[t]
			if f == 0 {
				return nil, fmt.Errorf("%q is no trade of words/categories.txt", t)
			}
			set.families |= f
		}
		set.names = append(set.names, n)
	}
	if len(set.names) < 2 {
		return nil, fmt.Errorf("%q stands alone: a line needs two names", line)
	}
	set.name = set.names[0].name
	return set, nil
}

// isYear says whether s is a year, or a month of one.
func isYear(s string) bool {
	y, m, dated := strings.Cut(s, "-")
	return len(y) == 4 && isDigits(y) && (!dated || len(m) == 2 && isDigits(m) && m >= "01" && m <= "12")
}

// addSet enters a set under all spellings of its names.
func (r *Rules) addSet(country cashback.Country, set *aliasSet) error {
	market := country
	if country == anywhere {
		market = "ZZ" // no country word is the portal's own
	}
	var seen [][]uint64
	for i := range set.names {
		n := &set.names[i]
		f, ok := r.read(market, n.name, site{})
		switch {
		case !ok:
			return fmt.Errorf("%q is no name", n.name)
		case f.storefront != market:
			return fmt.Errorf("%q names the storefront of %s: aliases never join storefronts of two countries", n.name, f.storefront)
		case slices.ContainsFunc(seen, func(s []uint64) bool { return shares(s, f.same) }):
			return fmt.Errorf("%q is only another spelling, which the rules know without this line", n.name)
		}
		seen = append(seen, f.same)
		n.key = f.key
		for _, h := range f.same {
			have := r.aliases.sets[country][h]
			for _, other := range append(slices.Clone(have), r.aliases.sets[anywhere][h]...) {
				if other == set {
					continue
				}
				if other.families == 0 || set.families == 0 || other.families&set.families != 0 {
					return fmt.Errorf("%q is a name of %q already", n.name, other.name)
				}
			}
			if !slices.Contains(have, set) {
				r.aliases.sets[country][h] = append(have, set)
			}
		}
		if i > 0 {
			r.aliases.count++
		}
	}
	return nil
}

// addBrand reads "Brand; its name elsewhere; …": storefronts of one brand.
func (r *Rules) addBrand(line string) error {
	parts := strings.Split(line, ";")
	for _, p := range parts {
		p = strings.TrimSpace(p)
		f, ok := r.read("ZZ", p, site{})
		if !ok {
			return fmt.Errorf("%q is no name", p)
		}
		if b, taken := r.aliases.brands[f.key]; taken {
			return fmt.Errorf("%q is a name of the brand %q already", p, b)
		}
		r.aliases.brands[f.key] = strings.TrimSpace(parts[0])
	}
	return nil
}

// cutOut takes the first part between two signs out of s.
func cutOut(s string, from, to byte) (rest, inner string) {
	i := strings.IndexByte(s, from)
	if i < 0 {
		return strings.TrimSpace(s), ""
	}
	j := strings.IndexByte(s[i:], to)
	if j < 0 {
		return strings.TrimSpace(s), ""
	}
	return strings.TrimSpace(s[:i] + s[i+j+1:]), strings.TrimSpace(s[i+1 : i+j])
}

// lookup finds the alias set of a name in a storefront. Where several firms share
// the name, the category decides; without one the first that stands there.
func (r *Rules) lookup(storefront cashback.Country, f *form, families familySet) *aliasSet {
	if len(r.aliases.sets) == 0 {
		return nil
	}
	for _, c := range neighbours(storefront) {
		sets := r.aliases.sets[c]
		if sets == nil {
			continue
		}
		for _, h := range f.same {
			for _, s := range sets[h] {
				if s.families == 0 || families == 0 || s.families&families != 0 {
					return s
				}
			}
		}
	}
	return nil
}

// id names the set among the features.
func (s *aliasSet) id() string { return s.source + "\x00" + s.name }

// why says why a name is one of the set's, in words.
func (s *aliasSet) why(key string) string {
	for _, n := range s.names[1:] {
		if n.key == key {
			said := fmt.Sprintf(aliasKinds[n.kind].words, n.name, s.name)
			if n.year != "" {
				said += " " + n.year
			}
			return fmt.Sprintf("%s (%s)", said, s.source)
		}
	}
	return fmt.Sprintf("%q is known (%s)", s.name, s.source)
}

// familySet is a set of families of trades.
type familySet uint32

const anyFamily familySet = 1 << 31

// family reads a portal's category.
func (r *Rules) family(category string) familySet {
	if category == "" || len(category) > maxName {
		return 0
	}
	if f, ok := r.families[fold(category, false)]; ok {
		return f
	}
	var set familySet
	for _, w := range strings.FieldsFunc(category, func(c rune) bool {
		return c == ' ' || c == '-' || c == '/' || c == '&' || c == ',' || c == '>' || c == '_'
	}) {
		set |= r.families[fold(w, false)]
	}
	return set
}

// contradict says whether two sets are known and share nothing.
func (a familySet) contradict(b familySet) bool {
	return a != 0 && b != 0 && a&b == 0 && (a|b)&anyFamily == 0
}

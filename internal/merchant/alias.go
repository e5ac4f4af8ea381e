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
	source string // file and line
	global bool
	// families limits a set to entries of these trades, for firms that share a name
	// with others; 0 for all.
	families familySet
}

// aliasName is one name of a set, with why it is one ("rebrand 2019").
type aliasName struct {
	name, why string
	key       string
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
	case "AT", "CH", "LI":
		return []cashback.Country{c, "DE", "FR", anywhere}
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

// readAliases reads aliases/*.txt. A file is named after its country, or "all" for
// every one. A line holds the names of one shop, separated by semicolons, its
// present name first; a remark in square brackets says why a name is one, and since
// when. A word in braces behind the first name limits the line to shops of that
// trade. Under [global] stand shops that are one in all countries, under [brands]
// the names that a brand has in different countries.
func (r *Rules) readAliases(fsys fs.FS) error {
	names, err := fs.Glob(fsys, "aliases/*.txt")
	if err != nil {
		return fmt.Errorf("list the alias data: %w", err)
	}
	sort.Strings(names)
	for _, file := range names {
		country := cashback.Country(strings.ToUpper(strings.TrimSuffix(path.Base(file), ".txt")))
		if country == "ALL" {
			country = anywhere
		}
		if r.aliases.sets[country] == nil {
			r.aliases.sets[country] = map[uint64][]*aliasSet{}
		}
		err := eachLine(fsys, file, func(section, line string) error {
			set := &aliasSet{source: file, global: section == "global"}
			for i, part := range strings.Split(line, ";") {
				part, why := cutOut(part, '[', ']')
				part, trade := cutOut(part, '{', '}')
				n := aliasName{name: part, why: why}
				if n.name == "" {
					return fmt.Errorf("name %d is empty", i+1)
				}
				if trade != "" {
					for _, t := range strings.Fields(trade) {
						f := r.families[t]
						if f == 0 {
							return fmt.Errorf("%q is no trade of words/categories.txt", t)
						}
						set.families |= f
					}
				}
				set.names = append(set.names, n)
			}
			set.name = set.names[0].name
			market := country
			if country == anywhere {
				market = "ZZ" // no country word is the portal's own
			}
			if section == "brands" {
				for _, n := range set.names {
					if f, ok := r.read(market, n.name, site{}); ok {
						r.aliases.brands[f.key] = set.name
					}
				}
				return nil
			}
			return r.addSet(country, market, set)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Rules) addSet(country, market cashback.Country, set *aliasSet) error {
	for i := range set.names {
		n := &set.names[i]
		f, ok := r.read(market, n.name, site{})
		if !ok {
			return fmt.Errorf("%q is no name", n.name)
		}
		n.key = f.key
		for _, h := range f.same {
			have := r.aliases.sets[country][h]
			if slices.Contains(have, set) {
				continue
			}
			for _, other := range have {
				if other.families == 0 || set.families == 0 {
					return fmt.Errorf("%q is a name of %q already", n.name, other.name)
				}
			}
			r.aliases.sets[country][h] = append(have, set)
		}
		r.aliases.count++
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

// why says why name is one of the set's, in words.
func (s *aliasSet) why(key string) string {
	for _, n := range s.names[1:] {
		if n.key == key {
			if n.why != "" {
				return fmt.Sprintf("%q is known as a name of %q (%s, %s)", n.name, s.name, n.why, s.source)
			}
			return fmt.Sprintf("%q is known as a name of %q (%s)", n.name, s.name, s.source)
		}
	}
	return fmt.Sprintf("known as %q (%s)", s.name, s.source)
}

// familySet is a set of families of trades.
type familySet uint32

const anyFamily familySet = 1 << 31

// family reads a portal's category.
func (r *Rules) family(category string) familySet {
	if category == "" || len(category) > maxName {
		return 0
	}
	if f, ok := r.families[category]; ok {
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

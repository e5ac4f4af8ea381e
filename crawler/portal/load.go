package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/reward"
)

// Bounds of a definition beyond the file's size.
const (
	maxStarts    = 5_000    // first requests: seeds multiply
	maxBodyLimit = 16 << 20 // what a definition may ask for
	// leastEvery is the shortest interval of a schedule.
	leastEvery = 10 * time.Minute
	// DefaultMaxBody is the most that a page may have where a definition says
	// nothing.
	DefaultMaxBody = 8 << 20
)

// Load reads a definition; name stands in its errors. What is wrong is told with
// line and column, all faults at once.
func Load(name string, b []byte) (*Definition, error) {
	d := newDecoder(name)
	var s definitionShape
	if err := d.Parse(b, &s); err != nil {
		return nil, err
	}
	c := &compiler{decoder: d, def: &Definition{}}
	// What couldn't be read would only cause faults that aren't there.
	if !d.Failed() {
		c.definition(&s)
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	c.def.version = hex.EncodeToString(sum[:6])
	return c.def, nil
}

// compiler turns the shapes into what Read follows.
type compiler struct {
	*decoder
	def  *Definition
	rule *rule
	vars map[string]bool // placeholders that entries and follows can fill
}

// rule is a compiled page rule.
type rule struct {
	name      string
	kind      RuleKind
	templates []string
	patterns  []*addressPattern
	match     *regexp.Regexp
	seeds     map[string][]string
	header    map[string]string
	prepare   string
	which     string // of a merchant rule: all, rated, tiered
	paging    *paging
	expect    *expect
	signs     signs
	follow    []*follow
	fragment  *pick
	uncomment bool
	data      map[string]*source
	lists     []*list
	reward    reward.Context
	inJSON    bool
	starts    bool // its addresses need no other page's values
}

// list is a compiled list of a rule.
type list struct {
	name     string
	optional bool
	// Where the entries lie: JSON, a pattern on the page's source, or elements; with
	// none of them the page is the entry.
	json            *source
	pattern         *regexp.Regexp
	sel             *selector
	within, exclude *selector
	where           *condition
	split           []*split

	title, reward, previous, link *field
	logo, domain, category        *field
	country, conditions, id       *field
	validation, tracking          *field
	vars                          map[string]*field
	tiers                         []*tiers

	// Of links: parameters to drop, or the only ones to keep.
	drop, keep          []string
	keepsRaw, keepsOnly bool
}

type split struct {
	picks []*pick
	match []*regexp.Regexp
}

type tiers struct {
	sel  *selector
	path *path
	// in is the text that holds the lines, where the entry itself doesn't: JSON, HTML,
	// or what pattern matches.
	in       *field
	inHTML   bool
	pattern  *regexp.Regexp
	where    *condition
	label    *field
	reward   *field
	previous *field
	audience *field
	category *field
	channel  *field
	terms    *field
	base     *field
	upTo     *field
}

// bareSign is what a sign without a country's letters means on the site.
type bareSign struct {
	sign     string
	currency cashback.Currency
}

type paging struct {
	param        string
	from, step   int
	pages, total *field
	size         int
	cursor, next *field
	until        []*condition
	untilEmpty   bool
	limit        int
}

type expect struct {
	sel       *selector
	path      *path
	source    string
	min       int
	title     *regexp.Regexp
	text      *regexp.Regexp
	canonical bool
	rates     int
	slack     int
}

type follow struct {
	rule  string
	links *field
	sel   *selector
	path  *path
	vars  map[string]*field
	match *regexp.Regexp
}

var (
	idForm      = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,60}[a-z0-9])?$`)
	nameForm    = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_-]{0,60}$`)
	countryForm = regexp.MustCompile(`^[A-Z]{2}$`)
	localeForm  = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	headerForm  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,60}$`)
	windowForm  = regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d$`)
	holeForm    = regexp.MustCompile(`\{([^{}]*)\}`)
	groupForm   = regexp.MustCompile(`\$(?:\$|(\w+)|\{(\w+)\})`)
	lookAround  = regexp.MustCompile(`\(\?<?[=!]`)
	sizeForm    = regexp.MustCompile(`^(\d{1,4}) ?(KiB|MiB)$`)
)

func (c *compiler) definition(s *definitionShape) {
	def := c.def
	if !idForm.MatchString(s.Portal) {
		c.fault("portal", "%q is not an id: lower-case letters, digits and hyphens", short(s.Portal))
	}
	if strings.TrimSpace(s.Name) == "" {
		c.fault("name", "the portal has no name")
	}
	def.portal = cashback.Portal{
		ID: s.Portal, Name: plain(s.Name, maxName), Homepage: s.Homepage, Languages: s.Languages,
		Locale: s.Locale, Publication: cashback.Publication(s.Publication),
	}
	c.address("homepage", s.Homepage)
	if len(s.Countries) == 0 {
		c.fault("countries", "the portal has no country: use codes such as [FR]")
	}
	for i, country := range s.Countries {
		if country == "UK" {
			country = "GB"
		}
		if r, err := language.ParseRegion(country); !countryForm.MatchString(country) || err != nil || !r.IsCountry() {
			c.fault(fmt.Sprintf("countries[%d]", i), "%q is not a country: use two capitals such as FR or GB", short(country))
		}
		def.portal.Countries = append(def.portal.Countries, cashback.Country(country))
	}
	for i, l := range s.Languages {
		if !isLocale(l) {
			c.fault(fmt.Sprintf("languages[%d]", i), "%q is not a language: use a code such as fr", short(l))
		}
	}
	if !isLocale(s.Locale) {
		c.fault("locale", "%q is not a locale: use a language and region such as fr-FR", short(s.Locale))
	}
	var err error
	if def.portal.Currency, err = cashback.ParseCurrency(s.Currency); err != nil {
		c.fault("currency", "%v", err)
	}
	switch def.portal.Publication {
	case "":
		def.portal.Publication = cashback.Public
	case cashback.Public, cashback.RelationOnly, cashback.Private, cashback.Off:
	default:
		c.fault("publication", "%q is not a publication: use public, relation, private or off", short(s.Publication))
	}
	for _, sign := range slices.Sorted(maps.Keys(s.Signs)) {
		currency, err := cashback.ParseCurrency(s.Signs[sign])
		if err != nil || sign == "" || len(sign) > 8 {
			c.fault("signs."+sign, `a sign has a currency, such as {"$": USD}`)
		}
		def.bare = append(def.bare, bareSign{sign, currency})
	}
	if len(s.Hosts) == 0 {
		c.fault("hosts", "the portal has no host")
	}
	for i, h := range s.Hosts {
		name, plain := strings.CutPrefix(h, "http://")
		u, err := url.Parse("//" + name)
		if err != nil || u.Host != name || name != strings.ToLower(name) || u.Hostname() == "" || strings.ContainsAny(name, "*/?#@ ") {
			c.fault(fmt.Sprintf("hosts[%d]", i), "%q is not a host: use a name such as www.exemple.fr, without https:// and path; http://www.exemple.fr only where the site has no https", short(h))
		}
		if err == nil && !ordinary(u) {
			def.remarks = append(def.remarks, c.Remark(fmt.Sprintf("hosts[%d]", i), "a crawl asks only hosts that have a name, at the web's own ports: %s is read from saved pages alone", short(name)))
		}
		def.hosts = append(def.hosts, name)
		if plain {
			def.unencrypted = append(def.unencrypted, name)
		}
	}
	c.schedule(s.Schedule)
	c.politeness(s.Politeness)
	c.canaries(s.Canaries)
	c.pages(s)
	def.portal.Facts = c.facts(s.Facts)
}

// isLocale says whether a language exists, with its region if it has one.
func isLocale(s string) bool {
	_, err := language.Parse(s)
	return localeForm.MatchString(s) && err == nil
}

// address checks an absolute http address.
func (c *compiler) address(path, s string) {
	u, err := url.Parse(holeForm.ReplaceAllString(s, "x"))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		c.fault(path, "%q is not an address: use one such as https://www.exemple.fr/boutiques", short(s))
	case u.User != nil:
		c.fault(path, "an address with credentials is not used here")
	}
}

func (c *compiler) duration(path, s string, most time.Duration) time.Duration {
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > most {
		upTo := most.String()
		if days := most / (24 * time.Hour); days > 0 {
			upTo = fmt.Sprintf("%d days", days)
		}
		c.fault(path, "%q is not a time span up to %s: use one such as 90m or 3s", short(s), upTo)
		return 0
	}
	return d
}

func (c *compiler) schedule(s *scheduleShape) {
	if s == nil {
		return
	}
	c.def.plan = Plan{Every: c.duration("schedule.every", s.Every, 31*24*time.Hour), Cron: s.Cron, Window: s.Window, Zone: s.Zone}
	if every := c.def.plan.Every; every > 0 && every < leastEvery {
		c.fault("schedule.every", "%s: at least 10m", s.Every)
	}
	if (s.Every == "") == (s.Cron == "") {
		c.fault("schedule", "a schedule has either every or cron")
	}
	if s.Cron != "" && len(strings.Fields(s.Cron)) != 5 {
		c.fault("schedule.cron", "%q is not a cron expression of five fields", short(s.Cron))
	}
	if s.Window != "" && !windowForm.MatchString(s.Window) {
		c.fault("schedule.window", `%q is not a window: use hours such as "06:00-23:00"`, short(s.Window))
	}
	if s.Zone != "" {
		if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
			c.fault("schedule.zone", "%q is not a time zone: use a name such as Europe/Paris", short(s.Zone))
		}
	}
}

func (c *compiler) politeness(s *politenessShape) {
	if s == nil {
		return
	}
	p := &c.def.politeness
	p.Delay = c.duration("politeness.delay", s.Delay, 10*time.Minute)
	if p.Pages = s.Pages; s.Pages < 0 {
		c.fault("politeness.pages", "%d pages", s.Pages)
	}
	if s.MaxBody == "" {
		return
	}
	m := sizeForm.FindStringSubmatch(s.MaxBody)
	if m == nil {
		c.fault("politeness.max_body", "%q is not a size: use one such as 12MiB", short(s.MaxBody))
		return
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	if p.MaxBody = n << 10; m[2] == "MiB" {
		p.MaxBody = n << 20
	}
	if p.MaxBody > maxBodyLimit || p.MaxBody == 0 {
		c.fault("politeness.max_body", "%s: at most %d MiB", s.MaxBody, maxBodyLimit>>20)
	}
}

func (c *compiler) canaries(list []canaryShape) {
	for i, s := range list {
		at := fmt.Sprintf("canaries[%d]", i)
		k := cashback.Canary{Merchant: s.Merchant, Absent: s.Absent}
		switch {
		case s.Merchant == "":
			c.fault(at, "a canary has no merchant")
		case s.Absent && s.Between != nil:
			c.fault(at, "a canary that must be absent has no range")
		case s.Between != nil && len(s.Between) != 2:
			c.fault(at+".between", `a range has two numbers, such as ["0.5", "15"]`)
		case s.Between != nil:
			low, errLow := decimalOf(s.Between[0])
			high, errHigh := decimalOf(s.Between[1])
			if errLow != nil || errHigh != nil || low.Cmp(high) > 0 {
				c.fault(at+".between", `a range has two numbers, the smaller first, such as ["0.5", "15"]`)
			}
			k.Low, k.High = cashback.Some(low), cashback.Some(high)
		}
		c.def.canaries = append(c.def.canaries, k)
	}
}

func (c *compiler) pages(s *definitionShape) {
	if len(s.Pages) == 0 {
		c.fault("pages", "the definition has no pages")
		return
	}
	// Placeholders are known before the rules that use them are compiled.
	c.vars = map[string]bool{"link": true, "id": true, "name": true, "key": true}
	for _, p := range s.Pages {
		for _, l := range append([]listShape{p.listShape}, p.Lists...) {
			for name := range l.Fields.Vars {
				c.vars[name] = true
			}
		}
		for _, f := range p.Follow {
			for name := range f.Vars {
				c.vars[name] = true
			}
		}
	}
	c.def.signs = c.signs("outcomes", s.Outcomes, false)
	seen := map[string]bool{}
	for i := range s.Pages {
		r := c.page(fmt.Sprintf("pages[%d]", i), i, &s.Pages[i], s)
		if seen[r.name] {
			c.fault(fmt.Sprintf("pages[%d]", i), "two rules have the name %q", r.name)
		}
		seen[r.name] = true
		c.def.rules = append(c.def.rules, r)
	}
	for i, r := range c.def.rules {
		for j, f := range r.follow {
			if !seen[f.rule] {
				c.fault(fmt.Sprintf("pages[%d].follow[%d].rule", i, j), "there is no rule named %q", short(f.rule))
			}
		}
	}
	starts := 0
	for _, r := range c.def.rules {
		if r.starts {
			n := len(r.templates)
			for _, values := range r.seeds {
				n = min(n*max(1, len(values)), maxStarts+1)
			}
			starts += n
		}
	}
	switch {
	case starts > maxStarts:
		c.fault("pages", "the seeds make more than %d first requests", maxStarts)
	case starts == 0 && !c.Failed():
		c.fault("pages", "no rule has an address to begin with: a list with its address, or seeds for the placeholders")
	}
}

func (c *compiler) page(at string, index int, s *pageShape, d *definitionShape) *rule {
	r := &rule{
		name: s.Name, kind: RuleKind(s.Kind), templates: s.URLs, seeds: s.Seeds, prepare: s.Prepare, which: s.For,
		uncomment: s.Uncomment,
		reward:    reward.Context{Locale: d.Locale, Currency: c.def.portal.Currency, PointsCurrency: d.Points},
	}
	c.rule = r
	switch r.kind {
	case KindList, KindMerchant, KindDirectory, KindSitemap:
	default:
		c.fault(at+".kind", "%q is not a kind of page: use list, merchant, directory or sitemap", short(s.Kind))
	}
	if r.name == "" {
		r.name = string(r.kind) + itoa(index+1)
	}
	if !nameForm.MatchString(r.name) {
		c.fault(at+".name", "%q is not a name: use letters, digits and hyphens", short(s.Name))
	}
	if s.Locale != "" {
		if r.reward.Locale = s.Locale; !isLocale(s.Locale) {
			c.fault(at+".locale", "%q is not a locale: use a language and region such as fr-FR", short(s.Locale))
		}
	}
	if s.Currency != "" {
		var err error
		if r.reward.Currency, err = cashback.ParseCurrency(s.Currency); err != nil {
			c.fault(at+".currency", "%v", err)
		}
	}
	switch r.which {
	case "", "all", "rated", "tiered":
	default:
		c.fault(at+".for", "%q: use all, rated or tiered", short(s.For))
	}
	r.match = c.regexp(at+".match", s.Match)
	c.headers(at, s.Headers)
	if s.Prepare != "" {
		c.address(at+".prepare", s.Prepare)
		c.onHosts(at+".prepare", s.Prepare)
	}
	for name := range s.Data {
		if !nameForm.MatchString(name) {
			c.fault(at+".data."+name, "%q is not a name: use letters, digits and hyphens", short(name))
		}
		if shape := s.Data[name]; shape.Items != "" || shape.Where != nil || shape.Total != "" {
			c.fault(at+".data."+name, "data has no entries of its own: items, where and total belong to a list's json")
		}
	}
	r.data = make(map[string]*source, len(s.Data))
	for _, name := range slices.Sorted(maps.Keys(s.Data)) {
		shape := s.Data[name]
		r.data[name] = c.source(at+".data."+name, &shape)
	}
	if s.Fragment != "" {
		if ps := c.picks(at+".fragment", pickList{s.Fragment}, true); len(ps) == 1 {
			r.fragment = ps[0]
			if src := r.data[ps[0].name]; ps[0].kind == pickData && src != nil {
				src.texts = true // a literal that is HTML, not JSON
			}
		}
	}
	shapes := s.Lists
	inline := s.Items != nil || s.JSON != nil || s.List != "" || s.Split != nil || c.Has(at+".fields")
	switch {
	case len(shapes) > 0 && inline:
		c.fault(at+".lists", "items, json, split and fields stand in each of the lists, or beside them there are no lists")
	case len(shapes) == 0 && inline:
		shapes = []listShape{s.listShape}
	case len(shapes) == 0 && r.kind != KindSitemap && (len(s.Follow) == 0 || r.kind == KindMerchant):
		c.fault(at, "the rule says neither items nor json, nor fields")
	case r.kind == KindDirectory && len(s.Follow) == 0 && len(shapes) > 0 && shapes[0].Fields.Name == nil && len(shapes[0].Split) == 0 && shapes[0].JSON != nil:
		c.fault(at, "the directory leads nowhere: it needs a follow, or fields of its entries")
	case r.kind == KindSitemap && len(shapes) > 0:
		c.fault(at, "a sitemap has no items: its addresses go to follow")
	}
	for _, l := range shapes {
		r.inJSON = r.inJSON || l.JSON != nil
	}
	for i := range shapes {
		path := fmt.Sprintf("%s.lists[%d]", at, i)
		if inline {
			path = at
		}
		r.lists = append(r.lists, c.list(path, i, &shapes[i]))
	}
	c.paging(at+".paging", s.Paging)
	c.expect(at+".expect", s.Expect)
	r.signs = c.signs(at+".outcomes", s.Outcomes, r.inJSON)
	for i := range s.Follow {
		r.follow = append(r.follow, c.follow(fmt.Sprintf("%s.follow[%d]", at, i), &s.Follow[i]))
	}
	if r.kind == KindSitemap && len(r.follow) == 0 {
		c.fault(at, "a sitemap needs a follow: which rule reads its addresses")
	}
	c.addresses(at, s)
	return r
}

// addresses checks the templates: their hosts, their placeholders, and whether
// the rule can begin by itself.
func (c *compiler) addresses(at string, s *pageShape) {
	r := c.rule
	r.starts = len(s.URLs) > 0
	for name, values := range s.Seeds {
		if !nameForm.MatchString(name) || len(values) == 0 {
			c.fault(at+".seeds."+name, "a seed has a name and at least one value")
		}
	}
	param := ""
	if r.paging != nil {
		param = r.paging.param
	}
	counted := false
	for i, t := range s.URLs {
		path := fmt.Sprintf("%s.urls[%d]", at, i)
		if !strings.HasPrefix(t, "{") {
			c.address(path, t)
			c.onHosts(path, t)
		}
		switch left := holeForm.ReplaceAllString(t, ""); {
		case strings.Contains(t, "{{"):
			c.fault(path, "a placeholder stands in one pair of braces: {page}")
		case strings.ContainsAny(left, "{}"):
			c.fault(path, "a brace that isn't a placeholder's is written %%7B or %%7D")
		}
		for _, m := range holeForm.FindAllStringSubmatch(t, -1) {
			switch name := m[1]; {
			case s.Seeds[name] != nil:
			case name == param:
				counted = true
			case c.vars[name]:
				r.starts = false
			case name == "page" || name == "offset" || name == "cursor":
				c.fault(path, "{%s} needs a paging with param: %s", name, name)
			default:
				c.fault(path, "nothing gives a value to {%s}: it is neither among the seeds nor among the vars of another rule's fields or follow", short(name))
			}
		}
		p, err := parseAddress(t)
		if err != nil {
			c.fault(path, "%q is not an address", short(t))
			continue
		}
		r.patterns = append(r.patterns, p)
	}
	for name, v := range s.Headers {
		for _, m := range holeForm.FindAllStringSubmatch(v, -1) {
			switch {
			case s.Seeds[m[1]] != nil:
			case c.vars[m[1]]:
				r.starts = false
			default:
				c.fault(at+".headers."+name, "nothing gives a value to {%s}: it is neither among the seeds nor among the vars of another rule's fields or follow", short(m[1]))
			}
		}
	}
	if param != "" && !counted && len(s.URLs) > 0 {
		c.fault(at+".paging.param", "no address has a {%s}", param)
	}
	if len(s.URLs) == 0 && r.match == nil && r.kind != KindMerchant {
		reached := false
		// A rule without addresses is reached by another's follow; that is checked by
		// name there.
		reached = r.name != ""
		if !reached {
			c.fault(at, "the rule has no urls")
		}
	}
}

// onHosts checks that an address lies on the definition's hosts.
func (c *compiler) onHosts(path, address string) {
	u, err := url.Parse(holeForm.ReplaceAllString(address, "x"))
	if err == nil && u.Host != "" && !slices.Contains(c.def.hosts, u.Host) {
		c.fault(path, "%s is not among the hosts %v", short(u.Host), c.def.hosts)
	} else if err == nil && u.Scheme == "http" && !slices.Contains(c.def.unencrypted, u.Host) && !onThisMachine(u.Hostname()) {
		c.fault(path, "write https, or list http://%s among the hosts where it has none", short(u.Host))
	}
}

// onThisMachine says whether a name is one of the loopback's own (RFC 6761), where
// the demo and tests have no certificates.
func onThisMachine(name string) bool {
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || err == nil && addr.IsLoopback()
}

// headers checks the request headers: they may say what is wanted, never who
// asks.
func (c *compiler) headers(at string, h map[string]string) {
	c.rule.header = h
	for name, v := range h {
		path := at + ".headers." + name
		switch strings.ToLower(name) {
		case "user-agent", "from", "authorization", "proxy-authorization", "cookie", "host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "upgrade", "range":
			c.fault(path, "the header %s is not for a definition to set", short(name))
		default:
			if !headerForm.MatchString(name) || strings.ContainsAny(v, "\r\n\x00") || len(v) > 1000 {
				c.fault(path, "%q is not a header field", short(name))
			}
		}
	}
}

func (c *compiler) list(at string, index int, s *listShape) *list {
	l := &list{name: s.List, optional: s.Optional}
	if l.name == "" {
		l.name = itoa(index + 1)
	}
	inJSON := s.JSON != nil
	switch {
	case s.JSON != nil && s.Items != nil:
		c.fault(at, "entries are either items (HTML) or json, not both")
	case s.JSON != nil:
		l.json = c.source(at+".json", s.JSON)
		l.where = c.condition(at+".json.where", s.JSON.Where, true)
	case s.Items != nil:
		if s.Items.Select != "" {
			l.sel = c.selector(at+".items.select", s.Items.Select)
		}
		l.within, l.exclude = c.selector(at+".items.within", s.Items.Within), c.selector(at+".items.exclude", s.Items.Exclude)
		l.where = c.condition(at+".items.where", s.Items.Where, false)
		switch {
		case s.Items.Match != "":
			l.pattern = c.regexp(at+".items.match", s.Items.Match)
			if s.Items.Select != "" || s.Items.Within != "" || s.Items.Exclude != "" {
				c.fault(at+".items", "match stands alone: it reads the page's source")
			}
			if l.pattern != nil && l.pattern.NumSubexp() == 0 {
				c.fault(at+".items.match", "the expression names no group: (?P<name>…)")
			}
		case s.Items.Select == "" && c.rule.kind != KindMerchant:
			c.fault(at+".items", "select is missing: the selector of an entry")
		}
	case c.rule.kind != KindMerchant:
		c.fault(at, "the list has neither items nor json")
	}
	for i := range s.Split {
		path := fmt.Sprintf("%s.split[%d]", at, i)
		sp := &split{picks: c.picks(path+".pick", s.Split[i].Pick, inJSON), match: c.regexps(path+".match", s.Split[i].Match)}
		if len(sp.match) == 0 {
			c.fault(path+".match", "split needs a regular expression with named groups")
		}
		for _, m := range sp.match {
			if !slices.ContainsFunc(m.SubexpNames(), func(n string) bool { return n != "" }) {
				c.fault(path+".match", "the expression names no group: (?P<name>…)")
			}
		}
		l.split = append(l.split, sp)
	}
	f := &s.Fields
	get := func(name string, shape *fieldShape, most int) *field {
		if shape == nil && (len(l.split) > 0 || l.pattern != nil) {
			return &field{most: most, ways: []*way{{picks: []*pick{{kind: pickGroup, name: name}}}}}
		}
		return c.field(at+".fields."+name, shape, inJSON, most)
	}
	l.title = get("name", f.Name, maxName)
	l.reward = get("reward", f.Reward, maxRateText)
	l.previous = get("previous", f.Previous, maxRateText)
	l.link = get("link", f.Link, maxURL)
	l.logo = get("logo", f.Logo, maxURL)
	l.domain = get("domain", f.Domain, maxURL)
	l.category = get("category", f.Category, maxName)
	l.country = get("country", f.Country, 40)
	l.conditions = get("conditions", f.Conditions, maxConditions)
	l.validation = get("validation_days", f.ValidationDays, maxName)
	l.tracking = get("tracking_days", f.TrackingDays, maxName)
	l.id = get("id", f.ID, maxName)
	l.vars = make(map[string]*field, len(f.Vars))
	for name, v := range f.Vars {
		l.vars[name] = c.field(at+".fields.vars."+name, &v, inJSON, maxURL)
	}
	if f.Name == nil && len(l.split) == 0 && l.pattern == nil && !l.leadsOnly(c.rule) {
		c.fault(at+".fields", "the entries have no name")
	}
	if f.Link != nil {
		c.linkOptions(at+".fields.link", f.Link, l)
	}
	for i := range f.Tiers {
		l.tiers = append(l.tiers, c.tiers(elementAt(c, at+".fields.tiers", i), &f.Tiers[i], inJSON))
	}
	return l
}

// leadsOnly says that a directory's JSON is there for its follow: it has no fields.
func (l *list) leadsOnly(r *rule) bool {
	return r.kind == KindDirectory && l.json != nil && l.title == nil && l.link == nil && l.id == nil && len(l.vars) == 0
}

// linkOptions takes the query rules of a link from the field or its alternatives.
func (c *compiler) linkOptions(at string, f *fieldShape, l *list) {
	for i := range f.alternatives {
		c.linkOptions(fmt.Sprintf("%s[%d]", at, i), &f.alternatives[i], l)
	}
	l.drop = append(l.drop, f.DropParams...)
	if f.KeepParams != nil {
		l.keep, l.keepsOnly = append(l.keep, f.KeepParams...), true
	}
	switch f.Keep {
	case "", "stored":
	case "raw":
		l.keepsRaw = true
	default:
		c.fault(at+".keep", "%q: use stored or raw; keep_params lists parameters", short(f.Keep))
	}
	if f.KeepParams != nil && f.DropParams != nil {
		c.fault(at, "a link has drop_params or keep_params, not both")
	}
}

func (c *compiler) tiers(at string, s *tiersShape, inJSON bool) *tiers {
	t := &tiers{}
	places := 0
	for name, in := range map[string]*fieldShape{"json": s.JSON, "html": s.HTML, "text": s.Text} {
		if in == nil {
			continue
		}
		places++
		t.in = c.field(at+"."+name, in, inJSON, maxText)
	}
	if places > 1 {
		c.fault(at, "the lines lie in one place: json, html or text")
	}
	switch {
	case s.Text != nil || s.Match != "":
		t.pattern = c.regexp(at+".match", s.Match)
		switch {
		case s.Text == nil || s.Match == "" || s.Each != "":
			c.fault(at, "text and match belong together, without an each")
		case t.pattern != nil && s.Reward == nil && t.pattern.SubexpIndex("reward") < 0:
			c.fault(at+".match", "the expression names no group for the rate: (?P<reward>…)")
		}
		get := func(into **fieldShape, name string) {
			if *into == nil && t.pattern != nil && t.pattern.SubexpIndex(name) >= 0 {
				*into = &fieldShape{Pick: pickList{"group(" + name + ")"}}
			}
		}
		get(&s.Label, "label")
		get(&s.Reward, "reward")
		get(&s.Previous, "previous")
		get(&s.Audience, "audience")
		get(&s.Category, "category")
		get(&s.Channel, "channel")
		get(&s.Conditions, "conditions")
		get(&s.Base, "base")
	case s.Each == "":
		c.fault(at, "each is missing: the selector or path of a line")
	case s.Reward == nil:
		c.fault(at, "reward is missing: the rate of a line")
	}
	if s.JSON != nil || s.HTML != nil {
		inJSON, t.inHTML = s.JSON != nil, s.HTML != nil
	}
	switch {
	case s.Each == "":
	case inJSON:
		if p, err := parsePath(s.Each, true); err != nil {
			c.fault(at+".each", "%q is not a path: %s", short(s.Each), reason(err))
		} else {
			t.path = p
		}
	default:
		t.sel = c.selector(at+".each", s.Each)
	}
	t.where = c.condition(at+".where", s.Where, inJSON)
	t.label = c.field(at+".label", s.Label, inJSON, maxName)
	t.reward = c.field(at+".reward", s.Reward, inJSON, maxRateText)
	t.previous = c.field(at+".previous", s.Previous, inJSON, maxRateText)
	t.audience = c.field(at+".audience", s.Audience, inJSON, maxName)
	t.category = c.field(at+".category", s.Category, inJSON, maxName)
	t.channel = c.field(at+".channel", s.Channel, inJSON, maxName)
	t.terms = c.field(at+".conditions", s.Conditions, inJSON, maxConditions)
	t.base = c.flagField(at+".base", s.Base, inJSON)
	t.upTo = c.flagField(at+".up_to", s.UpTo, inJSON)
	return t
}

func (c *compiler) paging(at string, s *pagingShape) {
	if s == nil {
		return
	}
	p := &paging{param: s.Param, size: s.Size, step: s.Step, limit: s.Limit}
	in := c.rule.inJSON
	if c.rule.kind != KindList && c.rule.kind != KindDirectory {
		c.fault(at, "only lists and directories have pages")
	}
	switch s.Param {
	case "page":
		p.from = 1
		if p.step == 0 {
			p.step = 1
		}
	case "offset":
		if p.step == 0 {
			p.step = s.Size
		}
		if p.step == 0 {
			c.fault(at, "an offset needs a step: how many entries a page has")
		}
	case "cursor":
		if s.Cursor == nil {
			c.fault(at, "a cursor needs its pick: cursor: message.nextCursor")
		}
	case "":
		if s.Next == nil {
			c.fault(at, "say param (page, offset or cursor) or next (the next page's address)")
		}
	default:
		c.fault(at+".param", "%q: use page, offset or cursor", short(s.Param))
	}
	if s.From != nil {
		p.from = *s.From
	}
	if s.Step < 0 || s.Size < 0 || s.Limit < 0 {
		c.fault(at, "step, size and limit are positive")
	}
	p.pages = c.field(at+".pages", s.Pages, in, maxName)
	p.total = c.field(at+".total", s.Total, in, maxName)
	p.cursor = c.field(at+".cursor", s.Cursor, in, maxURL)
	p.next = c.field(at+".next", s.Next, in, maxURL)
	for i := range s.Until {
		if u := s.Until[i]; u.Empty && u == (conditionShape{Empty: true}) {
			p.untilEmpty = true
			continue
		}
		if k := c.condition(fmt.Sprintf("%s.until[%d]", at, i), &s.Until[i], in); k != nil {
			p.until = append(p.until, k)
		}
	}
	// A counted list that says nothing of its end goes on until a page is empty.
	if p.param != "" && p.param != "cursor" && len(p.until) == 0 && p.pages == nil && p.total == nil && p.size == 0 {
		p.untilEmpty = true
	}
	c.rule.paging = p
}

func (c *compiler) expect(at string, s *expectShape) {
	if s == nil {
		return
	}
	e := &expect{
		source: s.Selector, min: s.Min, title: c.regexp(at+".title", s.Title), text: c.regexp(at+".text", s.Text),
		canonical: s.Canonical, rates: s.Rates, slack: s.Slack,
	}
	if s.Selector != "" {
		if c.rule.inJSON {
			e.path = c.path(at+".selector", s.Selector)
		} else {
			e.sel = c.selector(at+".selector", s.Selector)
		}
	}
	if s.Min < 0 || s.Rates < 0 || s.Rates > 100 || s.Slack < 0 {
		c.fault(at, "min and slack are positive, rates are hundredths")
	}
	c.rule.expect = e
}

func (c *compiler) follow(at string, s *followShape) *follow {
	in := c.rule.inJSON
	f := &follow{rule: s.Rule, match: c.regexp(at+".match", s.Match), links: c.field(at+".links", s.Links, in, maxURL), vars: map[string]*field{}}
	if s.Each != "" {
		if in {
			f.path = c.path(at+".each", s.Each)
		} else {
			f.sel = c.selector(at+".each", s.Each)
		}
	}
	for name, v := range s.Vars {
		f.vars[name] = c.field(at+".vars."+name, &v, in, maxURL)
	}
	switch {
	case c.rule.kind == KindSitemap:
		if s.Links != nil || s.Each != "" || s.Vars != nil {
			c.fault(at, "a sitemap's follow has a rule and a match, nothing else")
		}
	case s.Links == nil && len(s.Vars) == 0:
		c.fault(at, "a follow has links, or vars")
	case s.Links != nil && (s.Each != "" || len(s.Vars) > 0):
		c.fault(at, "a follow has links or vars, not both")
	}
	return f
}

// field compiles a field; nil stays nil.
func (c *compiler) field(at string, s *fieldShape, inJSON bool, most int) *field {
	if s == nil {
		return nil
	}
	f := &field{most: most}
	if s.alternatives != nil {
		for i := range s.alternatives {
			if sub := c.field(fmt.Sprintf("%s[%d]", at, i), &s.alternatives[i], inJSON, most); sub != nil {
				f.ways = append(f.ways, sub.ways...)
			}
		}
		return f
	}
	w := &way{all: s.All, when: c.condition(at+".when", s.When, inJSON)}
	where := at
	if c.Has(at + ".pick") {
		where = at + ".pick"
	} else if c.Has(at + ".path") {
		where = at + ".path"
	}
	if s.Pick != nil && s.Path != nil {
		c.fault(at+".path", "pick and path are the same: use one")
	}
	w.picks = c.picks(where, append(slices.Clone(s.Pick), s.Path...), inJSON)
	var removed []*selector
	for i, r := range s.Remove {
		removed = append(removed, c.selector(elementAt(c, at+".remove", i), r))
	}
	for _, p := range w.picks {
		p.remove, p.own = removed, s.Own
	}
	w.join = c.segments(at+".join", s.Join, inJSON)
	w.template = c.segments(at+".template", s.Template, inJSON)
	for _, g := range slices.Concat(w.join, w.template) {
		if g.pick != nil {
			g.pick.remove, g.pick.own = removed, s.Own
		}
	}
	if s.Expr != "" {
		calc, err := parseCalculation(s.Expr, inJSON)
		if err != nil {
			c.fault(at+".expr", "the expression can't be compiled: %s", firstLine(err))
		} else {
			for _, p := range calc.picks {
				c.named(at+".expr", p)
			}
		}
		w.calc = calc
	}
	if inJSON && (s.Remove != nil || s.Own) && !slices.ContainsFunc(w.picks, func(p *pick) bool { return p.kind == pickPage }) {
		c.fault(at, "remove and own are for HTML")
	}
	w.transform = c.transforms(at, s)
	for i, m := range s.None {
		w.none = append(w.none, c.regexp(elementAt(c, at+".none", i), m))
	}
	w.none = slices.DeleteFunc(w.none, func(r *regexp.Regexp) bool { return r == nil })
	if s.Value != nil {
		if u := s.Unit; u != nil && len(u.Pick) == 1 && len(u.Path) == 0 && unitWord(u.Pick[0]) {
			// "%" or EUR is the unit itself: no element or member is named so.
			words := *u
			words.Pick = pickList{"text(" + u.Pick[0] + ")"}
			s.Unit = &words
		}
		w.number = &number{
			value: c.field(at+".value", s.Value, inJSON, maxName), unit: c.field(at+".unit", s.Unit, inJSON, maxName), min: c.field(at+".min", s.Min, inJSON, maxName),
		}
		c.scale(at+".scale", s.Scale, w.number)
	} else if s.Unit != nil || s.Min != nil || s.Scale.all != "" || s.Scale.perUnit != nil {
		c.fault(at, "unit, min and scale belong to a value")
	}
	w.upTo = c.flagField(at+".up_to", s.UpTo, inJSON)
	switch s.Kind {
	case "", "rate":
	case "coupon":
		w.kind = reward.Coupon
	case "label":
		w.kind = reward.Label
	default:
		c.fault(at+".kind", "%q: use rate, coupon or label", short(s.Kind))
	}
	sources := 0
	for _, has := range []bool{len(w.picks) > 0, w.join != nil, w.number != nil} {
		if has {
			sources++
		}
	}
	switch {
	case sources > 1:
		c.fault(at, "a field has one of pick, join and value")
	case sources == 0 && w.template == nil && s.Expr == "" && len(s.Pick)+len(s.Path) == 0:
		c.fault(at, "the field says nothing of where its text lies: pick, join, template, expr or value")
	}
	f.ways = []*way{w}
	return f
}

// unitWord says whether a text is a unit that can't be meant as a pick.
func unitWord(s string) bool {
	if _, err := cashback.ParseCurrency(s); err == nil && countryForm.MatchString(s[:2]) {
		return true
	}
	return strings.ContainsAny(s, "%％€£¥₹₺₩") && utf8.RuneCountInString(s) == 1
}

// elementAt is the path of a list's element, or of the lone text in its place.
func elementAt(c *compiler, at string, i int) string {
	if p := fmt.Sprintf("%s[%d]", at, i); c.Has(p) {
		return p
	}
	return at
}

// flagField compiles a yes-or-no field, in which true and false stand for
// themselves.
func (c *compiler) flagField(at string, s *fieldShape, inJSON bool) *field {
	if s != nil && len(s.Pick) == 1 && (s.Pick[0] == "true" || s.Pick[0] == "false") {
		return &field{most: maxName, ways: []*way{{picks: []*pick{{kind: pickWords, name: s.Pick[0]}}}}}
	}
	return c.field(at, s, inJSON, maxName)
}

func (c *compiler) scale(at string, s scaleShape, n *number) {
	factor := func(path, text string) cashback.Decimal {
		d, err := decimalOf(text)
		if err != nil || !d.IsPos() {
			c.fault(path, "%q is not a factor: use a number such as 100 or 0.01", short(text))
		}
		return d
	}
	if s.all != "" {
		n.scale = factor(at, s.all)
	}
	for _, unit := range slices.Sorted(maps.Keys(s.perUnit)) {
		if n.perUnit == nil {
			n.perUnit = map[string]cashback.Decimal{}
		}
		n.perUnit[unit] = factor(at+"."+unit, s.perUnit[unit])
	}
}

func (c *compiler) transforms(at string, s *fieldShape) (t transforms) {
	for i, d := range s.Decode {
		path := elementAt(c, at+".decode", i)
		how, inner, ok := strings.Cut(d, ":")
		step := decodeStep{how: how}
		switch {
		case how == "json" && ok:
			step.path = c.path(path, inner)
		case !ok && (how == "json" || how == "html" || how == "url" || how == "base64"):
		default:
			c.fault(path, "%q: use base64, html, url, json or json:PATH", short(d))
		}
		t.decode = append(t.decode, step)
	}
	for i, r := range s.Replace {
		if find := c.regexp(fmt.Sprintf("%s.replace[%d].find", at, i), r.Find); find != nil {
			for _, m := range groupForm.FindAllStringSubmatch(r.With, -1) {
				name := m[1] + m[2]
				if n, err := strconv.Atoi(name); (err != nil || n > find.NumSubexp()) && find.SubexpIndex(name) < 0 && m[0] != "$$" {
					c.fault(fmt.Sprintf("%s.replace[%d].with", at, i), "%s names no group of the expression; the first is $1, and ${1} before letters and digits", short(m[0]))
				}
			}
			t.replace = append(t.replace, replacement{find: find, with: r.With})
		}
	}
	t.trim = c.regexps(at+".trim", s.Trim)
	t.match = c.regexps(at+".match", s.Match)
	t.reject = c.regexps(at+".reject", s.Reject)
	t.words = s.Map
	return t
}

func (c *compiler) picks(at string, list pickList, inJSON bool) (out []*pick) {
	for i, s := range list {
		p, err := parsePick(s, inJSON)
		if err != nil {
			what := "pick"
			if _, _, _, isCall := call(s); inJSON && !isCall {
				what = "path"
			}
			c.fault(elementAt(c, at, i), "%q is not a %s: %s%s", short(s), what, reason(err), pickHint(s, inJSON))
			continue
		}
		c.meant(elementAt(c, at, i), p.sel)
		c.meant(elementAt(c, at, i), p.nav)
		c.named(elementAt(c, at, i), p)
		out = append(out, p)
	}
	return out
}

// named checks that the data that a pick names is there.
func (c *compiler) named(at string, p *pick) {
	if p.kind == pickData && c.rule.data[p.name] == nil {
		c.fault(at, "the rule's data has nothing called %q", short(p.name))
	}
	if p.path == nil {
		return
	}
	for _, step := range p.path.steps {
		if step.hole != nil {
			c.named(at, step.hole)
		}
	}
}

// ordinary says whether a host is one that a crawl may ask at all: the last label of
// a name is no number (WHATWG URL, 3.5), and its port is the web's.
func ordinary(u *url.URL) bool {
	name := strings.TrimSuffix(u.Hostname(), ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	hex, isHex := strings.CutPrefix(last, "0x")
	number := strings.Trim(last, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == ""
	port := u.Port()
	return !strings.Contains(name, ":") && !number && name != "localhost" && (port == "" || port == "80" || port == "443")
}

// meant remarks on a selector whose name no element has: the dot of a class is
// easily forgotten.
func (c *compiler) meant(at string, s *selector) {
	const most = 50
	if s == nil || len(c.def.remarks) >= most {
		return
	}
	if name := s.strange(); name != "" {
		c.def.remarks = append(c.def.remarks, c.Remark(at, "no element of HTML is called %q: is the class .%s meant?", short(name), short(name)))
	}
}

// pickHint is for what is written in another language than is read here.
func pickHint(s string, inJSON bool) string {
	switch {
	case strings.HasPrefix(s, "//"):
		return "; that is XPath, here are CSS selectors: div.shop, [data-id]"
	case strings.Contains(s, "::attr("):
		return "; an attribute is written a@href"
	case strings.Contains(s, "::text"):
		return "; the text is what a selector means anyway"
	case strings.Contains(s, ":is(") || strings.Contains(s, ":where("):
		return "; write the alternatives out, with a comma between"
	case strings.Contains(s, ":eq("):
		return "; write :nth-of-type(1) for :eq(0)"
	case strings.Contains(s, ":has-text(") || strings.Contains(s, ":text("):
		return `; write :contains("words")`
	case strings.Contains(s, ":first") && !strings.Contains(s, ":first-"):
		return "; of several the first is taken anyway"
	case strings.Contains(s, ":visible") || strings.Contains(s, ":hidden"):
		return "; nothing is drawn here: name the class or attribute that hides it"
	case inJSON && (strings.HasPrefix(s, ".") || strings.HasPrefix(s, "#")):
		return "; in a rule with json picks are paths, and css(" + short(s) + ") is a selector"
	case !inJSON && strings.Contains(s, "[]"):
		return "; that is a path, and the rule has no json"
	}
	return ""
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func reason(err error) string { return plain(err.Error(), maxName) }

func (c *compiler) segments(at, s string, inJSON bool) (out []segment) {
	if strings.Contains(s, "{{") {
		c.fault(at, "a pick stands in one pair of braces: {.rate}")
	}
	for rest := s; rest != ""; {
		from, to := hole(rest)
		if to < 0 {
			return append(out, segment{words: rest})
		}
		if from > 0 {
			out = append(out, segment{words: rest[:from]})
		}
		switch inner := rest[from+1 : to]; inner {
		case "":
			out = append(out, segment{hole: true})
		default:
			if ps := c.picks(at, pickList{inner}, inJSON); len(ps) == 1 {
				out = append(out, segment{pick: ps[0]})
			}
		}
		rest = rest[to+1:]
	}
	return out
}

// hole is where the first {…} of a template stands, which may hold others; to is -1
// where there is none.
func hole(s string) (from, to int) {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			if depth++; depth == 1 {
				from = i
			}
		case '}':
			if depth--; depth == 0 {
				return from, i
			}
			depth = max(depth, 0)
		}
	}
	return 0, -1
}

func (c *compiler) selector(at, s string) *selector {
	if s == "" {
		return nil
	}
	sel, err := parseSelector(s)
	if err != nil {
		c.fault(at, "%q is not a selector: %s%s", short(s), reason(err), pickHint(s, false))
		return nil
	}
	c.meant(at, sel)
	return sel
}

func (c *compiler) path(at, s string) *path {
	p, err := parsePath(s, true)
	if err != nil {
		c.fault(at, "%q is not a path: %s", short(s), reason(err))
		return nil
	}
	if p.holes {
		c.fault(at, "{…} in a path stands in picks of entries, not here")
		return nil
	}
	return p
}

// maxRegexp bounds a regular expression's text; Go's have no worse than linear
// time.
const maxRegexp = 1000

func (c *compiler) regexp(at, s string) *regexp.Regexp {
	if s == "" {
		return nil
	}
	if len(s) > maxRegexp {
		c.fault(at, "the regular expression is longer than %d characters", maxRegexp)
		return nil
	}
	r, err := regexp.Compile(s)
	if err != nil {
		hint := ""
		if lookAround.MatchString(s) {
			hint = "; there is no look-around here: match cuts out, trim cuts off, reject passes over"
		}
		c.fault(at, "%q is not a regular expression: %s%s", short(s), strings.TrimPrefix(err.Error(), "error parsing regexp: "), hint)
		return nil
	}
	return r
}

func (c *compiler) regexps(at string, list []string) (out []*regexp.Regexp) {
	for i, s := range list {
		if r := c.regexp(elementAt(c, at, i), s); r != nil {
			out = append(out, r)
		}
	}
	return out
}

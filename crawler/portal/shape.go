package portal

// The types of this file are the definition as it is written, in YAML. The JSON
// Schema of docs/definition.schema.json is generated from them and from their
// comments; docs/definitions.md explains them with examples.

// definitionShape is a whole definition file.
type definitionShape struct {
	// The portal's id: lower-case letters, digits and hyphens. It never changes.
	Portal string `yaml:"portal"`
	// The portal's name as people know it.
	Name string `yaml:"name"`
	// Its home page.
	Homepage string `yaml:"homepage"`
	// The countries whose shops it lists, as ISO 3166 codes: [FR], [GB].
	Countries []string `yaml:"countries"`
	// The languages of its pages.
	Languages []string `yaml:"languages,omitempty"`
	// The language and region of its texts and numbers: fr-FR, pt-BR.
	Locale string `yaml:"locale"`
	// The currency of its amounts; it says what a bare "$" or "kr" means.
	Currency string `yaml:"currency"`
	// What bare signs mean on this site, where it isn't the currency's: {"$": USD}.
	Signs map[string]string `yaml:"signs,omitempty"`
	// The portal's own word for its points, where it pays in points.
	Points string `yaml:"points,omitempty"`
	// The only hosts that its pages lie on.
	Hosts []string `yaml:"hosts"`
	// What may be shown of it: public, relation (that it lists a shop, no rate), private or off.
	Publication string `yaml:"publication,omitempty"`
	// When it is crawled: schedule, below.
	Schedule *scheduleShape `yaml:"schedule,omitempty"`
	// How slowly: politeness, below.
	Politeness *politenessShape `yaml:"politeness,omitempty"`
	// Signs by which any page of this site is something else than it should be.
	Outcomes *outcomesShape `yaml:"outcomes,omitempty"`
	// The pages to read, in order.
	Pages []pageShape `yaml:"pages"`
	// What is known about the portal, by hand, each fact with its source.
	Facts *factsShape `yaml:"facts,omitempty"`
	// Shops that every run must find within a range, or must not find.
	Canaries []canaryShape `yaml:"canaries,omitempty"`
}

// scheduleShape says when the portal is crawled.
type scheduleShape struct {
	// The interval: 6h, 90m.
	Every string `yaml:"every,omitempty"`
	// Or a cron expression of five fields, in zone.
	Cron string `yaml:"cron,omitempty"`
	// The hours of the day in which it may be crawled: "06:00-23:00".
	Window string `yaml:"window,omitempty"`
	// The time zone of window and cron: Europe/Paris.
	Zone string `yaml:"zone,omitempty"`
}

// politenessShape can only make a crawl slower or smaller than the program's own
// rules.
type politenessShape struct {
	// The least time between two requests: 3s.
	Delay string `yaml:"delay,omitempty"`
	// The most requests of one run.
	Pages int `yaml:"pages,omitempty"`
	// The most that one page may have, up to 16MiB: 12MiB.
	MaxBody string `yaml:"max_body,omitempty"`
}

// outcomesShape holds signs, each list of conditions of which one suffices.
type outcomesShape struct {
	// A login, a consent wall, a challenge.
	Blocked []conditionShape `yaml:"blocked,omitempty"`
	// An error page, or another shop's page in the place of an unknown one.
	NotFound []conditionShape `yaml:"not_found,omitempty"`
	// A page that nobody can read, whatever else holds.
	NotUnderstood []conditionShape `yaml:"not_understood,omitempty"`
	// The shop's page says that it pays nothing.
	NoCashback []conditionShape `yaml:"no_cashback,omitempty"`
	// A page that lists shops without rates.
	NoRates []conditionShape `yaml:"no_rates,omitempty"`
	// A page behind the list's last one.
	PastEnd []conditionShape `yaml:"past_end,omitempty"`
}

// conditionShape is a string ("empty", "SELECTOR", "SELECTOR absent") or an
// object whose members must all hold.
type conditionShape struct {
	// A CSS selector, or in JSON a path, that must be there and not be empty.
	There string `yaml:"there,omitempty"`
	// A CSS selector or path that must not be there.
	Absent string `yaml:"absent,omitempty"`
	// A regular expression on the text at there, or on the page's whole text.
	Text string `yaml:"text,omitempty"`
	// A regular expression on the page's title.
	Title string `yaml:"title,omitempty"`
	// A regular expression on the address at which the page was found.
	URL string `yaml:"url,omitempty"`
	// The HTTP status.
	Status int `yaml:"status,omitempty"`
	// That the request was redirected to another path.
	Moved bool `yaml:"moved,omitempty"`
	// That the page's lists have no item.
	Empty bool `yaml:"empty,omitempty"`
	// An expression that must give a yes: item.active == true.
	Expr string `yaml:"expr,omitempty"`
}

// pageShape is a page rule: which pages, and how each is read.
type pageShape struct {
	// The rule's name; its kind and number by default.
	Name string `yaml:"name,omitempty"`
	// list, merchant, directory, sitemap or prepare.
	Kind string `yaml:"kind"`
	// The addresses, with placeholders: {page}, {offset}, {cursor}, {link} (a list's entries), {id}, and the names of seeds. A rule without is only reached by follow.
	URLs []string `yaml:"urls,omitempty"`
	// A regular expression for the addresses that this rule reads; by default those that fit its urls.
	Match string `yaml:"match,omitempty"`
	// Values for placeholders of urls: one list is read for each combination.
	Seeds map[string][]string `yaml:"seeds,omitempty"`
	// Header fields of the request; never credentials or a user agent.
	Headers map[string]string `yaml:"headers,omitempty"`
	// An address to ask first, for its session cookie.
	Prepare string `yaml:"prepare,omitempty"`
	// Of a merchant rule: whose pages are read, all (the default), rated (entries with cashback) or tiered (those whose rate is an "up to").
	For string `yaml:"for,omitempty"`
	// How the list goes on, and how its end is known: paging, below.
	Paging *pagingShape `yaml:"paging,omitempty"`
	// What must hold of the page: expect, below.
	Expect *expectShape `yaml:"expect,omitempty"`
	// Signs by which such a page is something else.
	Outcomes *outcomesShape `yaml:"outcomes,omitempty"`
	// Links on the page that lead to other rules' pages.
	Follow []followShape `yaml:"follow,omitempty"`
	// The locale of this rule's texts, where it differs.
	Locale string `yaml:"locale,omitempty"`
	// The currency of this rule's amounts, where it differs.
	Currency string `yaml:"currency,omitempty"`
	// Where the HTML is a string within a JSON answer: its path; or, for HTML within a script or attribute of the page, css(SELECTOR) or css(SELECTOR@attribute); or data(NAME), for a text in a script.
	Fragment string `yaml:"fragment,omitempty"`
	// Read the HTML inside of comments too.
	Uncomment bool `yaml:"uncomment,omitempty"`
	// More JSON of the page, by names of your own: data(NAME).PATH picks from it, for values that lie apart from the entries.
	Data      map[string]jsonShape `yaml:"data,omitempty"`
	listShape `yaml:",inline"`
	// Several lists on one page, instead of items, json and fields here.
	Lists []listShape `yaml:"lists,omitempty"`
}

// listShape is one list of entries on a page, or a merchant page's one entry.
type listShape struct {
	// The list's name, in reports.
	List string `yaml:"list,omitempty"`
	// Which elements are entries: items, below.
	Items *itemsShape `yaml:"items,omitempty"`
	// Or which JSON values: json, below.
	JSON *jsonShape `yaml:"json,omitempty"`
	// Regular expressions whose named groups are fields: for texts that say several things at once.
	Split []splitShape `yaml:"split,omitempty"`
	// What is read of each entry: fields, below.
	Fields fieldsShape `yaml:"fields,omitempty"`
	// That the page may lack this list.
	Optional bool `yaml:"optional,omitempty"`
}

// itemsShape says which elements are entries.
type itemsShape struct {
	// The CSS selector of an entry.
	Select string `yaml:"select,omitempty"`
	// Only inside of elements that match this.
	Within string `yaml:"within,omitempty"`
	// Never those that match this or lie inside of such an element.
	Exclude string `yaml:"exclude,omitempty"`
	// Only entries for which this condition holds (relative to the entry).
	Where *conditionShape `yaml:"where,omitempty"`
	// Instead of select: a regular expression on the page's source, of which each match is an entry and each named group a field.
	Match string `yaml:"match,omitempty"`
}

// jsonShape says where the JSON lies and which of its values are entries. Without
// a place the answer itself is JSON.
type jsonShape struct {
	// A CSS selector of the script (or, with @attribute, of the element) that holds it.
	Script string `yaml:"script,omitempty"`
	// The JavaScript variable that it is assigned to, or the words before it: window.__STATE__.
	Variable string `yaml:"variable,omitempty"`
	// The strings that a Next.js page pushes (self.__next_f).
	NextF bool `yaml:"next_f,omitempty"`
	// That the answer is XML, read as a tree: members are the elements within, "@name" an attribute, "#text" the text beside them.
	XML bool `yaml:"xml,omitempty"`
	// The JSON-LD nodes of this @type ("*" for any).
	LD string `yaml:"ld,omitempty"`
	// Steps to a string that is JSON again: names, each, and json, base64, url or html to decode on the way.
	Decode []string `yaml:"decode,omitempty"`
	// How values refer to each other: nuxt or turbo (numbers into one array) or apollo (__ref).
	Refs string `yaml:"refs,omitempty"`
	// The object to start from, wherever it lies: find, below.
	Find *findShape `yaml:"find,omitempty"`
	// The path of the entries: an array, or a map by id.
	Items string `yaml:"items,omitempty"`
	// Only entries for which this condition holds.
	Where *conditionShape `yaml:"where,omitempty"`
	// The path of the number of entries that the portal declares.
	Total string `yaml:"total,omitempty"`
}

// findShape finds an object by what it holds, wherever it lies.
type findShape struct {
	// The members that it must have.
	Has []string `yaml:"has,omitempty"`
	// Values that paths within it must have: a text, {url: REGEXP} or {var: NAME}.
	Where map[string]wantShape `yaml:"where,omitempty"`
	// Every such object is an entry, not just the first.
	All bool `yaml:"all,omitempty"`
}

// wantShape is a text, or where to take it from.
type wantShape struct {
	// The text itself.
	Is string `yaml:"is,omitempty"`
	// The first group of this regular expression on the page's address.
	URL string `yaml:"url,omitempty"`
	// The value of a placeholder of the request.
	Var string `yaml:"var,omitempty"`
	// A regular expression that the text must match.
	Match string `yaml:"match,omitempty"`
}

// splitShape reads several fields from one text.
type splitShape struct {
	// Where the text lies.
	Pick pickList `yaml:"pick"`
	// A regular expression with named groups: (?P<reward>…) (?P<name>…).
	Match stringList `yaml:"match"`
}

// fieldsShape names the fields of an entry.
type fieldsShape struct {
	// The shop's name. An entry without one is dropped.
	Name *fieldShape `yaml:"name,omitempty"`
	// The rate: its text, or value and unit.
	Reward *fieldShape `yaml:"reward,omitempty"`
	// The rate before a promotion.
	Previous *fieldShape `yaml:"previous,omitempty"`
	// The portal's own page for the shop, or its click-out link.
	Link *fieldShape `yaml:"link,omitempty"`
	// The address of the shop's picture.
	Logo *fieldShape `yaml:"logo,omitempty"`
	// The shop's own site or domain.
	Domain *fieldShape `yaml:"domain,omitempty"`
	// The portal's word for what the shop sells.
	Category *fieldShape `yaml:"category,omitempty"`
	// The country of the shop, where a portal lists several.
	Country *fieldShape `yaml:"country,omitempty"`
	// What the rate depends on, in the page's words.
	Conditions *fieldShape `yaml:"conditions,omitempty"`
	// How long until cashback is confirmed: a text such as "60 - 90 Tage", or days.
	ValidationDays *fieldShape `yaml:"validation_days,omitempty"`
	// How long until a purchase shows.
	TrackingDays *fieldShape `yaml:"tracking_days,omitempty"`
	// The portal's identifier of the entry.
	ID *fieldShape `yaml:"id,omitempty"`
	// The lines of its tier table, or a list of such tables.
	Tiers tiersList `yaml:"tiers,omitempty"`
	// More values, for the placeholders of other rules' urls.
	Vars map[string]fieldShape `yaml:"vars,omitempty"`
}

// fieldShape is a pick, a list of alternatives, or an object.
type fieldShape struct {
	alternatives []fieldShape
	// Only where this condition holds, seen from the entry.
	When *conditionShape `yaml:"when,omitempty"`
	// Where to look, in order: "SELECTOR", "SELECTOR@attribute", "@attribute", a JSON path, or a function such as meta(og:title).
	Pick pickList `yaml:"pick,omitempty"`
	// The same as pick.
	Path pickList `yaml:"path,omitempty"`
	// A text with {picks} in it; absent ones leave nothing.
	Join string `yaml:"join,omitempty"`
	// A text with {picks} in it, all of which must be there; {} is what pick found.
	Template string `yaml:"template,omitempty"`
	// A calculation on the entry: item.a / item.b.
	Expr string `yaml:"expr,omitempty"`
	// Selectors of elements to leave out of the text.
	Remove stringList `yaml:"remove,omitempty"`
	// Only the element's own text, not that of elements within.
	Own bool `yaml:"own,omitempty"`
	// All that is found, with this between: ", ".
	All *string `yaml:"all,omitempty"`
	// base64, html, url, json or json:PATH, in order.
	Decode stringList `yaml:"decode,omitempty"`
	// Regular expressions of which the first that fits gives the value: its first group, or all of it.
	Match stringList `yaml:"match,omitempty"`
	// Regular expressions to delete.
	Trim stringList `yaml:"trim,omitempty"`
	// Replacements, in order.
	Replace []replaceShape `yaml:"replace,omitempty"`
	// Other words for a value; "*" for any that isn't named.
	Map map[string]string `yaml:"map,omitempty"`
	// Regular expressions of values to pass over.
	Reject stringList `yaml:"reject,omitempty"`
	// Regular expressions of texts that say that there is no cashback.
	None stringList `yaml:"none,omitempty"`

	// Of a reward given as a number: its path.
	Value *fieldShape `yaml:"value,omitempty"`
	// The unit of value: %, €, EUR, points.
	Unit *fieldShape `yaml:"unit,omitempty"`
	// What value is multiplied by: a number, or one for each raw unit.
	Scale scaleShape `yaml:"scale,omitempty"`
	// Whether value is a ceiling: true, or a pick.
	UpTo *fieldShape `yaml:"up_to,omitempty"`
	// The lower end, where value is a range's upper one.
	Min *fieldShape `yaml:"min,omitempty"`
	// What kind of place the text comes from: rate (the default), coupon or label, where only what is called cashback counts.
	Kind string `yaml:"kind,omitempty"`

	// Of a link: query parameters to drop.
	DropParams []string `yaml:"drop_params,omitempty"`
	// Of a link: the only query parameters to keep.
	KeepParams []string `yaml:"keep_params,omitempty"`
	// Of a link: stored (the default) stores it without what is dropped, raw stores it as it was and drops only for the entry's identity.
	Keep string `yaml:"keep,omitempty"`
}

// replaceShape replaces what a regular expression matches.
type replaceShape struct {
	// The regular expression.
	Find string `yaml:"find"`
	// What stands instead; $1 is the first group.
	With string `yaml:"with,omitempty"`
}

// scaleShape is a number, or a map from raw units to numbers.
type scaleShape struct {
	all     string
	perUnit map[string]string
}

// tiersShape are the lines of a tier table.
type tiersShape struct {
	// The selector or path of a line.
	Each string `yaml:"each,omitempty"`
	// Where the lines lie in a text of the entry that is JSON: each is a path in it.
	JSON *fieldShape `yaml:"json,omitempty"`
	// Where they lie in a text of the entry that is HTML: each is a selector in it.
	HTML *fieldShape `yaml:"html,omitempty"`
	// Where the lines are parts of a text: match finds each.
	Text *fieldShape `yaml:"text,omitempty"`
	// A regular expression, of which each match in text is a line and each named group one of its fields.
	Match string `yaml:"match,omitempty"`
	// Only lines for which this condition holds.
	Where *conditionShape `yaml:"where,omitempty"`
	// What the line is for, in the page's words.
	Label *fieldShape `yaml:"label,omitempty"`
	// The line's rate. A line without one is left out.
	Reward *fieldShape `yaml:"reward,omitempty"`
	// The line's rate before a promotion.
	Previous *fieldShape `yaml:"previous,omitempty"`
	// new or existing (customers); anything else is for all.
	Audience *fieldShape `yaml:"audience,omitempty"`
	// The category of products that the line is for.
	Category *fieldShape `yaml:"category,omitempty"`
	// online, in_store or app.
	Channel *fieldShape `yaml:"channel,omitempty"`
	// What the line depends on.
	Conditions *fieldShape `yaml:"conditions,omitempty"`
	// Whether the line is the one for everything else.
	Base *fieldShape `yaml:"base,omitempty"`
	// Whether the line's value is a ceiling.
	UpTo *fieldShape `yaml:"up_to,omitempty"`
}

// pagingShape says how a list goes on, and how its end is known.
type pagingShape struct {
	// The placeholder that counts: page, offset or cursor.
	Param string `yaml:"param,omitempty"`
	// Its first value.
	From *int `yaml:"from,omitempty"`
	// How much it grows from page to page.
	Step int `yaml:"step,omitempty"`
	// The number of the last page.
	Pages *fieldShape `yaml:"pages,omitempty"`
	// The number of entries of the whole list.
	Total *fieldShape `yaml:"total,omitempty"`
	// How many entries a full page has: fewer mean the end.
	Size int `yaml:"size,omitempty"`
	// The cursor of the next page; none means the end.
	Cursor *fieldShape `yaml:"cursor,omitempty"`
	// The address of the next page, or next() for any rel=next; none means the end.
	Next *fieldShape `yaml:"next,omitempty"`
	// Conditions of which each means the end.
	Until []conditionShape `yaml:"until,omitempty"`
	// The most pages of one list.
	Limit int `yaml:"limit,omitempty"`
}

// expectShape is what must hold of a page that is what it should be.
type expectShape struct {
	// A selector, or in JSON a path, that every such page has.
	Selector string `yaml:"selector,omitempty"`
	// How many at least: of the selector, or of the items where it is absent. A later page of a list needs one.
	Min int `yaml:"min,omitempty"`
	// A regular expression that the page's title must match.
	Title string `yaml:"title,omitempty"`
	// A regular expression that the page's text must match.
	Text string `yaml:"text,omitempty"`
	// That the page's own canonical address is the one that was asked for.
	Canonical bool `yaml:"canonical,omitempty"`
	// The least share of items, in hundredths, that must have a rate or say that there is none.
	Rates int `yaml:"rates,omitempty"`
	// How many entries of its declared total a list may lack.
	Slack int `yaml:"slack,omitempty"`
}

// followShape leads to pages of another rule.
type followShape struct {
	// The rule that reads them.
	Rule string `yaml:"rule"`
	// The links.
	Links *fieldShape `yaml:"links,omitempty"`
	// Or the selector or path of elements that have vars.
	Each string `yaml:"each,omitempty"`
	// Values for the placeholders of the other rule's urls.
	Vars map[string]fieldShape `yaml:"vars,omitempty"`
	// Only addresses that match this regular expression.
	Match string `yaml:"match,omitempty"`
}

// canaryShape is a shop that every run must find, or must not.
type canaryShape struct {
	// The shop's name, as the portal has it.
	Merchant string `yaml:"merchant"`
	// The least and the most that it plausibly pays.
	Between []string `yaml:"between,omitempty"`
	// That it must not be found.
	Absent bool `yaml:"absent,omitempty"`
}

// stringList is one text or a list of texts.
type stringList []string

// pickList is one pick or a list of picks.
type pickList []string

// tiersList is one tier table or a list of them.
type tiersList []tiersShape

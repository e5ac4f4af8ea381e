package pages

import (
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/locale"
	"github.com/cagnotte/cagnotte/web/view"
)

// DeskView is the operator's first page.
type DeskView struct {
	Now     time.Time
	Portals []view.DeskPortal
	Audit   []store.AuditEntry
	// Reviews counts the entries whose shop is in doubt.
	Reviews int
	// Crawls says that runs are started in this process.
	Crawls bool
}

// held are the portals with a run that waits for a word.
func (d *DeskView) held() (out []*view.DeskPortal) {
	for i := range d.Portals {
		if d.Portals[i].HeldRun != "" {
			out = append(out, &d.Portals[i])
		}
	}
	return out
}

// withheld are the portals with offers whose removal waits for a word.
func (d *DeskView) withheld() (out []*view.DeskPortal) {
	for i := range d.Portals {
		if d.Portals[i].Withheld > 0 {
			out = append(out, &d.Portals[i])
		}
	}
	return out
}

// unread counts the rewards that weren't understood in the newest runs.
func (d *DeskView) unread() (n int) {
	for i := range d.Portals {
		if r := d.Portals[i].LastRun; r != nil {
			n += r.Unread
		}
	}
	return n
}

// DeskPortalView is a portal's page of the desk.
type DeskPortalView struct {
	Now    time.Time
	Portal view.DeskPortal
	Runs   []cashback.Run
	Audit  []store.AuditEntry
	// Unread are texts that weren't understood: of UnreadTexts, at UnreadOffers shops.
	Unread                    []view.Unread
	UnreadTexts, UnreadOffers int
	// Withheld are some of the offers whose removal waits for a word.
	Withheld view.Withheld
	Crawls   bool
	Facts    []DeskFact
	Forms    map[string]Form // by verb
}

// DeskFact is what is known of a portal as the operator edits it: one line of text
// under the name that definitions use.
type DeskFact struct {
	Name, Value string
	Origin      cashback.Origin
	Known       bool
	Own         bool // stated by the operator
}

// DeskRunView is a run's page.
type DeskRunView struct {
	Now    time.Time
	Report *view.DeskReport
	Forms  map[string]Form
}

// MerchantsView is the review queue, or one merchant.
type MerchantsView struct {
	Now         time.Time
	Reviews     []merchant.Review
	All         int
	One         *MerchantView
	Corrections []Correction
	Names       map[cashback.MerchantID]cashback.Merchant
	Forms       map[string]Form
}

// name is a merchant in a few words.
func (d *MerchantsView) name(id cashback.MerchantID) string {
	m, ok := d.Names[id]
	if !ok {
		return ""
	}
	return m.Name
}

// MerchantView is one merchant with its entries.
type MerchantView struct {
	Merchant cashback.Merchant
	Entries  []MerchantEntry
}

// MerchantEntry is an entry of a merchant, and why it is there.
type MerchantEntry struct {
	Ref     merchant.Ref
	Reasons []string
}

// Correction is an operator's event, and whether a later one took it back.
type Correction struct {
	merchant.Event
	Undone bool
}

// AuditView is a page of the log.
type AuditView struct {
	Now   time.Time
	Lines []store.AuditEntry
	Next  string
}

// healthTag is how a state looks.
func healthTag(h cashback.Health) string {
	switch h {
	case cashback.Healthy, cashback.HealthUnset:
		return "tag good"
	}
	return "tag warn"
}

// planText is a schedule in words.
func planText(l *locale.Locale, p view.Plan) string {
	var s string
	switch {
	case p.Every != "":
		s = l.T("desk.every", "Every", p.Every)
	case p.Cron != "":
		s = l.T("desk.cron", "Cron", p.Cron)
	default:
		return l.T("desk.no_plan")
	}
	if p.Window != "" {
		s = l.T("desk.within", "Plan", s, "Window", p.Window)
	}
	if p.Zone != "" {
		s = l.T("desk.in_zone", "Plan", s, "Zone", p.Zone)
	}
	return s
}

// ageText is how long ago something was, in the unit that people would say.
func ageText(l *locale.Locale, at, now time.Time) string {
	d := now.Sub(at)
	switch {
	case d < time.Minute:
		return l.T("desk.just_now")
	case d < time.Hour:
		return l.Count("desk.minutes_ago", int(d/time.Minute))
	case d < 48*time.Hour:
		return l.Count("desk.hours_ago", int(d/time.Hour))
	}
	return l.Count("desk.days_ago", int(d/(24*time.Hour)))
}

// nextText is when a job is due, in words.
func nextText(l *locale.Locale, j *view.DeskJob, now time.Time) string {
	switch {
	case j.Running != nil && j.Running.Cancelling:
		return l.T("desk.cancelling")
	case j.Running != nil:
		return l.T("desk.running")
	case j.Asked:
		return l.T("desk.asked")
	case j.Paused:
		return l.T("desk.paused")
	case j.Next.IsZero():
		return l.T("desk.never")
	case !j.Next.After(now):
		return l.T("desk.due")
	}
	return l.When(j.Next, now)
}

// tiersText is what an entry pays, in words.
func tiersText(l *locale.Locale, r *view.EvidenceRate) string {
	if len(r.Tiers) == 0 {
		return l.T("rate." + string(kindWord(r.Kind)))
	}
	var parts []string
	for i, t := range r.Tiers {
		if i == 3 {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, Rate(l, t))
	}
	return strings.Join(parts, " · ")
}

// failed are the findings of a run that speak against it, then the others.
func findings(r *cashback.Run) []cashback.Finding {
	var out []cashback.Finding
	for _, result := range []cashback.FindingResult{cashback.Fail, cashback.Warn, cashback.Pass} {
		for _, f := range r.Findings {
			if f.Result == result {
				out = append(out, f)
			}
		}
	}
	return out
}

// measure is what a rule measured, or what it allows, in the language's form.
func measure(l *locale.Locale, f *cashback.Finding, text string) string {
	if f.Reason == "partial" { // why a run ended
		return word(l, "finish", text)
	}
	return l.Figures(text)
}

// lastError is why the last run counts as a failure: the gate's reason in the page's
// language, or the site's as it was noted, in English.
func lastError(l *locale.Locale, p *view.DeskPortal) (text, lang string) {
	if r := p.LastRun; r != nil && r.Verdict == cashback.Hold {
		for _, f := range r.Findings {
			if f.Result == cashback.Fail && l.Has("finding."+f.Reason) {
				return l.T("finding." + f.Reason), l.Lang
			}
		}
	}
	return p.Job.LastError, "en"
}

// clips shortens what is only there to be recognised.
func clips(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}

package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/crawler"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/schedule"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/view"
)

// Crawls is what the desk knows and wants of the crawler.
type Crawls interface {
	// Active says whether runs are started in this process.
	Active() bool
	// Plan is the definition's schedule of a portal; false where it has none.
	Plan(portal string) (schedule.Plan, bool)
	// Accept publishes a run that is held back.
	Accept(ctx context.Context, portal, run, by, reason string) (cashback.Run, error)
	// Watch tells how far the runs in progress have come, by portal, with a channel
	// that is closed when that has changed.
	Watch() (map[string]crawler.Progress, <-chan struct{})
}

// Catalogue is where merchants are corrected.
type Catalogue interface {
	// Correct carries out a correction: the event as it is kept, and what it moved.
	Correct(ctx context.Context, ev merchant.Event) (merchant.Event, merchant.Plan, error)
	// Reviews are the entries whose shop is in doubt, Corrections the events so far.
	Reviews(ctx context.Context) ([]merchant.Review, error)
	Corrections(ctx context.Context) ([]merchant.Event, error)
	// Members are a merchant's entries, and why each is there.
	Members(ctx context.Context, id cashback.MerchantID) (members []merchant.Ref, reasons [][]string, err error)
}

// operator reads what the public doesn't see.
func (s *Server) operator() *store.Reader { return s.Store.As(store.Operator) }

// by names who acts, for the audit log.
func (v *visit) by() string {
	if v.user != nil && v.user.Email != "" {
		return v.user.Email
	}
	return "this machine"
}

// deskPortals lists every portal as its operator sees it, those that need somebody
// first.
func (s *Server) deskPortals(ctx context.Context, now time.Time) ([]view.DeskPortal, error) {
	portals, err := s.operator().Portals(ctx)
	if err != nil {
		return nil, err
	}
	jobs, err := s.Store.Jobs(ctx)
	if err != nil {
		return nil, err
	}
	byPortal := make(map[string]*schedule.Job, len(jobs))
	for i := range jobs {
		byPortal[jobs[i].Portal] = &jobs[i]
	}
	running := s.running()
	out := make([]view.DeskPortal, 0, len(portals))
	for i := range portals {
		out = append(out, s.deskPortal(&portals[i], byPortal[portals[i].ID], running, now))
	}
	slices.SortStableFunc(out, func(a, b view.DeskPortal) int {
		return cmp.Or(cmp.Compare(urgency(&b), urgency(&a)), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// urgency orders portals: what waits for a word first, then what is worst.
func urgency(p *view.DeskPortal) int {
	switch {
	case p.Publication == cashback.Off:
		return 0
	case p.HeldRun != "", p.Withheld > 0:
		return 5
	case p.Health == cashback.Broken:
		return 4
	case p.Health == cashback.Quarantine, p.Late:
		return 3
	case p.Health == cashback.Suspect:
		return 2
	}
	return 1
}

func (s *Server) running() map[string]crawler.Progress {
	if s.Crawls == nil {
		return nil
	}
	runs, _ := s.Crawls.Watch()
	return runs
}

func (s *Server) deskPortal(p *store.Portal, j *schedule.Job, running map[string]crawler.Progress, now time.Time) view.DeskPortal {
	v := view.DeskPortal{
		ID: p.ID, Name: p.Name, Homepage: p.Homepage, Publication: p.Publication, OwnMode: p.Mode != "",
		Health: cmp.Or(p.Health.State, cashback.Healthy), Bad: p.Health.Bad, Since: p.Health.Since, ReadAt: p.Health.LastGoodAt,
		Offers: p.Offers, WithRate: p.WithRate, HeldRun: p.HeldRun, LastRun: p.LastRun,
		Withheld: p.Withheld, WithheldBy: p.WithheldBy,
	}
	if j == nil {
		return v
	}
	v.Job = &view.DeskJob{
		Plan: view.PlanOf(j.Plan), Own: j.Own, Paused: j.Paused, Asked: j.Now, Next: j.DueAt(), Failures: j.Failures,
		Backoff: j.Backoff, Open: j.Open, LastError: j.LastError, LastStart: j.LastStart,
	}
	if j.Now {
		v.Job.Next = now
	}
	if s.Crawls != nil {
		if d, ok := s.Crawls.Plan(p.ID); ok {
			d := view.PlanOf(d)
			v.Job.Default = &d
		}
	}
	if j.Plan != (schedule.Plan{}) && !v.ReadAt.IsZero() {
		v.Late = now.Sub(v.ReadAt) > s.lateAfter(j.Plan)
	}
	if j.Lease != nil {
		r := running[p.ID]
		v.Job.Running = &view.DeskRun{Run: j.Lease.Run, Since: j.Lease.Since, Cancelling: j.Lease.Cancel, Pages: r.Pages, Known: r.Known, Offers: r.Offers}
	}
	return v
}

// onePortal is one of them.
func (s *Server) onePortal(ctx context.Context, id string, now time.Time) (view.DeskPortal, error) {
	p, err := s.operator().Portal(ctx, id)
	if err != nil {
		return view.DeskPortal{}, err
	}
	job, err := s.Store.Job(ctx, id)
	if err != nil {
		if cashback.KindOf(err) == cashback.NotFound {
			return s.deskPortal(&p, nil, nil, now), nil
		}
		return view.DeskPortal{}, err
	}
	return s.deskPortal(&p, &job, s.running(), now), nil
}

// The verbs of the desk, as addresses, the audit log and the command line name them.
const (
	verbRun         = "run"
	verbCancel      = "cancel"
	verbPause       = "pause"
	verbResume      = "resume"
	verbPlan        = "schedule"
	verbPublication = "publication"
	verbAccept      = "accept"
	verbReject      = "reject"
	verbFacts       = "facts"
	verbGone        = "gone"
	verbKeep        = "keep"
)

// wish is what an operator wants, beside the verb: what a form of the desk sends, and
// what a body of the API is turned into.
type wish struct {
	Reason string `form:"reason"`
	// A schedule; Default gives the word back to the definition.
	Every   string `form:"every"`
	Cron    string `form:"cron"`
	Window  string `form:"window"`
	Zone    string `form:"zone"`
	Default bool   `form:"default"`
	// Mode is a publication mode; empty is the definition's.
	Mode string `form:"mode"`
	// A fact by its name in definitions, as one line of text, with where and when it was
	// read; an empty value gives the word back to the definition.
	Fact   string `form:"fact"`
	Value  string `form:"value"`
	Source string `form:"source"`
	AsOf   string `form:"as_of"`
	// Observed is how many outcomes the value rests on, where it was observed.
	Observed int
	// Run is the run that withheld the removals which are answered; empty for the last.
	Run string `form:"run"`
	// Back names the page that the form stands on, where it isn't the portal's.
	Back string `form:"back"`
}

// plan reads the schedule that is wished for.
func (w wish) plan() (schedule.Plan, error) {
	p := schedule.Plan{Cron: w.Cron, Window: w.Window, Zone: w.Zone}
	if w.Every != "" {
		d, err := time.ParseDuration(w.Every)
		if err != nil {
			return p, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "every"}, "%q is not an interval: write 6h or 90m", clip(w.Every))
		}
		p.Every = d
	}
	return p, p.Validate()
}

// tell carries out an operator's word about a portal.
func (s *Server) tell(ctx context.Context, by, portal, verb string, w wish) error {
	now := s.Now().UTC()
	e := store.AuditEntry{By: by, What: verb, Portal: portal, Reason: w.Reason}
	change := func(f func(schedule.Job) (schedule.Job, error)) error {
		_, err := s.Store.OperateJob(ctx, e, f)
		return err
	}
	switch verb {
	case verbRun:
		return change(schedule.Job.Ask)
	case verbCancel:
		return change(schedule.Job.Cancel)
	case verbPause:
		return change(func(j schedule.Job) (schedule.Job, error) { return j.Pause(), nil })
	case verbResume:
		return change(func(j schedule.Job) (schedule.Job, error) { return j.Resume(), nil })
	case verbGone, verbKeep:
		return s.answerWithheld(ctx, by, portal, verb, w)
	case verbPublication:
		return s.Store.SetPublication(ctx, portal, cashback.Publication(w.Mode), by, w.Reason)
	case verbFacts:
		if w.Value != "" && w.Source == "" && w.Observed == 0 {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "source"}, "a fact needs its source: the address where it was read")
		}
		if w.AsOf != "" {
			if _, err := cashback.ParseDate(w.AsOf); err != nil {
				return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "as_of"}, "%q is not a date such as 2026-11-24", clip(w.AsOf))
			}
		}
		return s.Store.SetFact(ctx, portal, w.Fact, w.Value, cashback.Origin{Source: w.Source, AsOf: cmp.Or(w.AsOf, cashback.DateOf(now).String()), Learnt: w.Observed}, by, w.Reason)
	case verbPlan:
		if w.Default {
			if s.Crawls == nil {
				return errNotFound
			}
			p, ok := s.Crawls.Plan(portal)
			if !ok {
				return cashback.Errorf(cashback.Invalid, "the definition of %s has no schedule", clip(portal))
			}
			return change(func(j schedule.Job) (schedule.Job, error) { return j.WithDefault(p, now), nil })
		}
		p, err := w.plan()
		if err != nil {
			return err
		}
		return change(func(j schedule.Job) (schedule.Job, error) { return j.WithPlan(p, now) })
	}
	return errNotFound
}

// answerWithheld takes away what a portal no longer lists, or keeps it.
func (s *Server) answerWithheld(ctx context.Context, by, portal, verb string, w wish) error {
	if err := reasoned(w.Reason); err != nil {
		return err
	}
	if w.Run == "" {
		p, err := s.operator().Portal(ctx, portal)
		if err != nil {
			return err
		}
		if w.Run = p.WithheldBy; w.Run == "" {
			return cashback.Errorf(cashback.Conflict, "no removals of %s are withheld", clip(portal))
		}
	}
	answer := s.Store.Keep
	if verb == verbGone {
		answer = s.Store.Gone
	}
	_, err := answer(ctx, portal, w.Run, by, w.Reason)
	return err
}

// reasoned wants a reason.
func reasoned(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "reason"}, "a reason is needed: whoever looks later must know why")
	}
	return nil
}

// withheld lists the offers of a portal that stay though runs no longer find them.
func (s *Server) withheld(ctx context.Context, portal string) (view.Withheld, error) {
	out := view.Withheld{List: view.List[view.WithheldOffer]{Items: []view.WithheldOffer{}}}
	p, err := s.operator().Portal(ctx, portal)
	if err != nil {
		return out, err
	}
	if out.Run = p.WithheldBy; p.Withheld == 0 {
		return out, nil
	}
	offers, err := s.operator().PortalOffers(ctx, portal)
	if err != nil {
		return out, err
	}
	for i := range offers {
		if o := &offers[i]; o.MissedRuns >= cashback.MissesToGo {
			out.Items = append(out.Items, view.WithheldOffer{Key: o.Entry.Key, EvidenceRate: *evidenceRate(o), MissedRuns: o.MissedRuns})
		}
	}
	slices.SortStableFunc(out.Items, func(a, b view.WithheldOffer) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// tellAll pauses or resumes everything.
func (s *Server) tellAll(ctx context.Context, by, verb string, w wish) error {
	if verb != verbPause && verb != verbResume {
		return errNotFound
	}
	jobs, err := s.Store.Jobs(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.Paused == (verb == verbPause) {
			continue
		}
		if err := s.tell(ctx, by, j.Portal, verb, w); err != nil && cashback.KindOf(err) != cashback.NotFound {
			return err // a portal that no longer exists keeps a row, and nobody minds
		}
	}
	return nil
}

// settleRun accepts or rejects a run that is held back.
func (s *Server) settleRun(ctx context.Context, by, id, verb, reason string) (cashback.Run, error) {
	if err := reasoned(reason); err != nil {
		return cashback.Run{}, err
	}
	run, err := s.operator().Run(ctx, id)
	if err != nil {
		return run, err
	}
	if verb == verbAccept && s.Crawls != nil {
		return s.Crawls.Accept(ctx, run.Portal, id, by, reason)
	}
	if verb == verbReject {
		return run, s.Store.Reject(ctx, run.Portal, id, by, reason)
	}
	return run, errNotFound
}

// deskReport is a run with its portal and, where it is held back, what it would change.
func (s *Server) deskReport(ctx context.Context, id string, now time.Time) (*view.DeskReport, error) {
	run, err := s.operator().Run(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := s.onePortal(ctx, run.Portal, now)
	if err != nil {
		return nil, err
	}
	out := &view.DeskReport{Run: run, Portal: p}
	if p.HeldRun == id {
		out.Evidence, err = s.evidence(ctx, run.Portal)
	}
	return out, err
}

// maxSamples is how many entries the evidence shows: enough to see what went wrong.
const maxSamples = 30

// evidence compares what is held back with what is shown.
func (s *Server) evidence(ctx context.Context, portal string) (*view.Evidence, error) {
	held, found, err := s.Store.Held(ctx, portal)
	if err != nil || !found {
		return nil, err
	}
	live, err := s.operator().PortalOffers(ctx, portal)
	if err != nil {
		return nil, err
	}
	shown := make(map[string]*cashback.Offer, len(live))
	for i := range live {
		shown[live[i].Entry.Key] = &live[i]
	}
	named := map[string]bool{} // by the rules that failed: those first
	for _, f := range held.Judgement.Findings {
		for _, n := range f.Sample {
			named[n] = true
		}
	}
	out := &view.Evidence{HeldAt: held.At, Samples: []view.EvidenceRow{}}
	var first, rest []view.EvidenceRow
	add := func(before, after *cashback.Offer) {
		r := view.EvidenceRow{Before: evidenceRate(before), After: evidenceRate(after)}
		o := cmp.Or(after, before)
		r.Key, r.Name = o.Entry.Key, o.Entry.Name
		if named[r.Name] {
			first = append(first, r)
		} else if len(rest) < maxSamples {
			rest = append(rest, r)
		}
	}
	for i := range held.Snapshot.Offers {
		after := &held.Snapshot.Offers[i]
		before := shown[after.Entry.Key]
		delete(shown, after.Entry.Key)
		switch {
		case before == nil:
			out.New++
			add(nil, after)
		case before.Entry.Name != after.Entry.Name || before.Kind != after.Kind || !sameTiers(before.Tiers, after.Tiers):
			out.Changed++
			add(before, after)
		default:
			out.Same++
		}
	}
	for i := range live {
		switch o := &live[i]; {
		case shown[o.Entry.Key] == nil:
		case held.Snapshot.Run.Complete:
			out.Gone++
			add(o, nil)
		default:
			out.Kept++
		}
	}
	out.Samples = append(out.Samples, append(first, rest...)...)
	if len(out.Samples) > maxSamples {
		out.Samples = out.Samples[:maxSamples]
	}
	return out, nil
}

func evidenceRate(o *cashback.Offer) *view.EvidenceRate {
	if o == nil {
		return nil
	}
	return &view.EvidenceRate{Name: o.Entry.Name, RawText: o.Receipt.RawText, Kind: o.Kind, Tiers: append([]cashback.Tier{}, o.Tiers...), URL: o.Receipt.URL, ReadAt: o.Receipt.ReadAt}
}

// sameTiers compares what is paid, whatever the words.
func sameTiers(a, b []cashback.Tier) bool {
	return slices.EqualFunc(a, b, func(x, y cashback.Tier) bool {
		return x.UpTo == y.UpTo && slices.EqualFunc(x.Components, y.Components, func(c, d cashback.Component) bool {
			return c.Kind == d.Kind && c.Currency == d.Currency && c.PointsCurrency == d.PointsCurrency && c.Value.Cmp(d.Value) == 0
		})
	})
}

// unread counts the reward texts of a portal that weren't understood, the most frequent
// first.
func (s *Server) unread(ctx context.Context, portal string) ([]view.Unread, error) {
	offers, err := s.operator().PortalOffers(ctx, portal)
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	out := []view.Unread{}
	for i := range offers {
		o := &offers[i]
		if o.Kind != cashback.Unknown {
			continue
		}
		n, ok := at[o.Receipt.RawText]
		if !ok {
			n = len(out)
			at[o.Receipt.RawText] = n
			out = append(out, view.Unread{Text: o.Receipt.RawText, Reason: o.Unread, Name: o.Entry.Name, URL: o.Receipt.URL})
		}
		out[n].Count++
	}
	slices.SortStableFunc(out, func(a, b view.Unread) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Text, b.Text))
	})
	return out, nil
}

type runQuery struct {
	ID string `path:"id" doc:"The run's id." example:"20261124T090000.000-exemple-fr"`
}

type runsQuery struct {
	Portal string `query:"portal" doc:"The portal whose newest runs are listed; without one, the runs that are held back." example:"exemple-fr"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"20" doc:"The most runs of a portal."`
}

type auditQuery struct {
	Below uint64 `query:"below" doc:"Only entries with a lower number: next of the answer before."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"The most entries."`
}

// deskRuns lists the newest reports of one portal, or those that are held back.
func (s *Server) deskRuns(v *visit, q runsQuery) (view.List[cashback.Run], error) {
	out := view.List[cashback.Run]{Items: []cashback.Run{}}
	if q.Portal != "" {
		runs, err := s.operator().Runs(v.ctx, q.Portal, cmp.Or(q.Limit, 20))
		out.Items = append(out.Items, runs...)
		return out, err
	}
	portals, err := s.operator().Portals(v.ctx)
	if err != nil {
		return out, err
	}
	for _, p := range portals {
		if p.HeldRun == "" {
			continue
		}
		run, err := s.operator().Run(v.ctx, p.HeldRun)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, run)
	}
	return out, nil
}

// decodeJSON reads a body of one JSON object whose fields are all known into t; an empty
// body is an object without fields.
func decodeJSON(v *visit, t any) error {
	if v.req.URL.RawQuery != "" {
		return badInput{"query", "error.query_form", nil}
	}
	if v.req.ContentLength == 0 {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(v.req.Header.Get("Content-Type")); err != nil || kind != kindJSON {
		return fault{http.StatusUnsupportedMediaType, "error.json_type", nil}
	}
	d := json.NewDecoder(v.req.Body)
	d.DisallowUnknownFields()
	err := d.Decode(t)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return fault{http.StatusRequestEntityTooLarge, "error.too_large", nil}
	case err != nil:
		return badInput{"body", "error.json", nil}
	}
	return nil
}

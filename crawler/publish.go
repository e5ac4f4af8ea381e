package crawler

import (
	"context"
	"fmt"
	"strings"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/crawler/gate"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
)

// Publisher is where runs end. Each method is one transaction.
type Publisher interface {
	// Evidence reads what the gate needs of a portal, and of the given merchants on
	// the others.
	Evidence(ctx context.Context, portal string, merchants []cashback.MerchantID) (Evidence, error)
	// Publish makes a judged snapshot what readers see, with the merchants' plan, and
	// ends its stage. It returns the report with Added, Changed and Removed filled.
	Publish(ctx context.Context, p Publication) (cashback.Run, error)
	// Hold keeps a snapshot that the gate holds back, and ends its stage.
	Hold(ctx context.Context, snap cashback.Snapshot, j cashback.Judgement) (cashback.Run, error)
	// Held returns the portal's snapshot that is held back, false where there is none.
	Held(ctx context.Context, portal string) (cashback.Snapshot, cashback.Judgement, bool, error)
	// SaveRun keeps the report of a run that ended without anything to publish.
	SaveRun(ctx context.Context, run cashback.Run) error
}

// Evidence is what the gate judges a portal's next snapshot by.
type Evidence struct {
	// Live are the portal's published offers.
	Live   []cashback.Offer
	Health cashback.PortalHealth
	// Past are, by offer key, the rates of the last 90 days where there was more than
	// one, oldest first; of an unverified offer also the last one before that was
	// verified.
	Past map[string][]cashback.RatePoint
	// Others are, by merchant, what the other portals pay.
	Others map[cashback.MerchantID][]cashback.Offer
}

// Publication is a judged snapshot with all that belongs into its transaction.
type Publication struct {
	Snapshot  cashback.Snapshot
	Judgement cashback.Judgement
	Plan      merchant.Plan
	// By and Reason are the operator's who accepted a snapshot that was held back.
	By, Reason string
}

// finish turns the walk into a report, and what it read into a publication.
func (c *Crawler) finish(ctx context.Context, w *walker) (Report, error) {
	var live []cashback.Offer
	if w.detailed { // what shops' own pages said before is carried on
		evidence, err := c.Publisher.Evidence(ctx, w.def.ID(), nil)
		if err != nil {
			return Report{}, err
		}
		live = evidence.Live
	}
	offers, pairs, err := w.assemble(ctx, live)
	if err != nil {
		return Report{}, err
	}
	report := Report{Health: w.health, Run: w.report(offers)}
	report.RetryAt = w.retryAt
	report.Layout = w.layout > 0 && w.layout*2 >= w.run.Pages
	if len(w.incomplete) > 0 {
		report.Reason = w.incomplete[0]
	}
	snap := cashback.Snapshot{Portal: w.def.Portal(), Run: report.Run, Offers: offers, Pages: w.stats, Pairs: pairs}
	switch {
	case report.Finish == FinishCanceled:
		// Its stage stays: the next run goes on with it.
		return report, c.Publisher.SaveRun(ctx, report.Run)
	case len(offers) == 0 && w.layout == 0 && report.Finish != FinishNoItems && report.Finish != FinishBlocked:
		// The site couldn't be read: that says nothing about what it would have said.
		if err := c.Publisher.SaveRun(ctx, report.Run); err != nil {
			return report, err
		}
		return report, c.Stages.DropStage(ctx, w.def.ID())
	}
	err = c.publish(ctx, w.def, snap, &report)
	return report, err
}

// report fills the run's report.
func (w *walker) report(offers []cashback.Offer) cashback.Run {
	if w.options.Probe {
		w.partial("only the first page of each list was read")
	}
	for _, c := range w.chains {
		w.giveUp(c, "its end isn't proven")
	}
	run := w.run
	run.EndedAt = w.crawler.Now().UTC()
	run.Complete = len(w.incomplete) == 0
	counts := w.session.Counts()
	run.Requests, run.Bytes, run.NotModified, run.Retries, run.RobotsDenied = counts.Requests, counts.Bytes, counts.NotModified, counts.Retries, counts.RobotsDenied
	for o, n := range counts.Failures { // attempts that a retry mended stand beside pages that stayed away
		run.Outcomes[o] = max(run.Outcomes[o], n)
	}
	if counts.RetryAt.After(w.retryAt) {
		w.retryAt = counts.RetryAt
	}
	for _, moved := range counts.Moved {
		w.run.Notes = append(w.run.Notes, "moved for good: "+moved)
	}
	w.run.Notes = append(w.run.Notes, counts.Notes...)
	run.Notes = append(append([]string(nil), w.incomplete...), w.run.Notes...)
	for i := range offers {
		run.Offers++
		switch {
		case offers[i].Kind.Pays():
			run.WithRate++
		case offers[i].Kind == cashback.Unknown:
			run.Unread++
		}
	}
	if run.Finish == "" {
		run.Finish = FinishDone
	}
	if run.Offers == 0 && run.Finish == FinishDone {
		if run.Finish = FinishNoItems; run.Pages == 0 {
			run.Finish = FinishError // no page came: that says nothing about its shops
		}
	}
	return run
}

// publish resolves, judges, and carries the judgement out. The catalogue changes
// only together with the store.
func (c *Crawler) publish(ctx context.Context, def *portal.Definition, snap cashback.Snapshot, report *Report) error {
	merchants, done, err := c.Catalogue.Open(ctx)
	if err != nil {
		return err
	}
	defer done()
	plan := resolve(merchants, &snap)
	evidence, err := c.evidence(ctx, snap)
	if err != nil {
		merchants.Revert(plan)
		return err
	}
	j := c.judge(c.input(evidence, snap, def.Canaries()))
	report.Health, report.Verdict, report.Findings = j.Health, j.Verdict, j.Findings
	if report.Reason == "" {
		report.Reason = whyHeld(j.Findings)
	}
	if j.Verdict == cashback.Hold {
		merchants.Revert(plan)
		for i := range snap.Offers { // new merchants don't exist now
			snap.Offers[i].Merchant = merchants.Of(merchant.Ref{Portal: snap.Portal.ID, Key: snap.Offers[i].Entry.Key})
		}
		report.Run, err = c.Publisher.Hold(ctx, snap, j)
		return err
	}
	run, err := c.Publisher.Publish(ctx, Publication{Snapshot: snap, Judgement: j, Plan: plan})
	if err != nil {
		merchants.Revert(plan)
		return err
	}
	report.Run = run
	return nil
}

// Accept publishes a portal's snapshot that the gate held back: the operator has
// looked at it. run guards against accepting another than the one looked at.
func (c *Crawler) Accept(ctx context.Context, portal, run, by, reason string) (_ cashback.Run, err error) {
	defer cashback.Wrap(&err, "accept run %s of %s", short(run), portal)
	merchants, done, err := c.Catalogue.Open(ctx)
	if err != nil {
		return cashback.Run{}, err
	}
	defer done()
	snap, j, found, err := c.Publisher.Held(ctx, portal)
	switch {
	case err != nil:
		return cashback.Run{}, err
	case !found || snap.Run.ID != run:
		return cashback.Run{}, cashback.Errorf(cashback.Conflict, "it isn't held back any more")
	case len(snap.Offers) == 0:
		return cashback.Run{}, cashback.Errorf(cashback.Conflict, "nothing was read in it: there is nothing to publish")
	case strings.TrimSpace(by) == "" || strings.TrimSpace(reason) == "":
		return cashback.Run{}, cashback.Errorf(cashback.Invalid, "accepting a run needs a name and a reason")
	}
	plan := resolve(merchants, &snap)
	evidence, err := c.evidence(ctx, snap)
	if err != nil {
		merchants.Revert(plan)
		return cashback.Run{}, err
	}
	j = gate.Accepted(c.input(evidence, snap, nil), j.Findings)
	out, err := c.Publisher.Publish(ctx, Publication{Snapshot: snap, Judgement: j, Plan: plan, By: by, Reason: reason})
	if err != nil {
		merchants.Revert(plan)
	}
	return out, err
}

// resolve enters the snapshot's entries in the catalogue.
func resolve(merchants *merchant.Catalogue, snap *cashback.Snapshot) merchant.Plan {
	entries := make([]cashback.Entry, len(snap.Offers))
	for i := range snap.Offers {
		entries[i] = snap.Offers[i].Entry
	}
	plan := merchants.Upsert(snap.Portal.ID, entries)
	for i := range snap.Offers {
		snap.Offers[i].Merchant = merchants.Of(merchant.Ref{Portal: snap.Portal.ID, Key: snap.Offers[i].Entry.Key})
	}
	return plan
}

func (c *Crawler) evidence(ctx context.Context, snap cashback.Snapshot) (Evidence, error) {
	var ids []cashback.MerchantID
	for i := range snap.Offers {
		if id := snap.Offers[i].Merchant; id != 0 {
			ids = append(ids, id)
		}
	}
	return c.Publisher.Evidence(ctx, snap.Portal.ID, ids)
}

// input is the evidence in the gate's own terms.
func (c *Crawler) input(e Evidence, snap cashback.Snapshot, canaries []cashback.Canary) gate.Input {
	in := gate.Input{
		Now: c.Now().UTC(), Staged: snap, Live: e.Live, Health: e.Health, Canaries: canaries, Limits: c.Gate,
		Max90: map[string]cashback.Decimal{}, Others: map[cashback.MerchantID][]gate.Measure{}, LastGood: map[string]gate.Measure{},
	}
	since := in.Now.AddDate(0, 0, -90)
	for i := range e.Live {
		o := &e.Live[i]
		now, ok := gate.MeasureOf(*o)
		if !ok {
			continue
		}
		top := int64(0)
		if o.Status == cashback.OK {
			top = now.Value
		}
		for _, p := range e.Past[o.Entry.Key] {
			m, ok := gate.MeasureOf(cashback.Offer{Tiers: p.Tiers})
			if !ok || p.Status != cashback.OK {
				continue
			}
			if m.Unit == now.Unit && (p.To.IsZero() || p.To.After(since)) {
				top = max(top, m.Value)
			}
			if o.Status == cashback.Unverified {
				in.LastGood[o.Entry.Key] = m // the last one is the latest
			}
		}
		if top > 0 {
			if d, err := decimal.New(top, 4); err == nil {
				in.Max90[o.Entry.Key] = d
			}
		}
	}
	for id, offers := range e.Others {
		for i := range offers {
			if m, ok := gate.MeasureOf(offers[i]); ok && offers[i].Status == cashback.OK {
				in.Others[id] = append(in.Others[id], m)
			}
		}
	}
	return in
}

// whyHeld is the first rule that failed, as a sentence for the schedule's page; the
// findings themselves have their texts in the catalogues.
func whyHeld(findings []cashback.Finding) string {
	for _, f := range findings {
		if f.Result == cashback.Fail {
			why := fmt.Sprintf("the gate's rule %s (%s): %s", f.Rule, f.Reason, f.Measured)
			if f.Limit != "" {
				why += ", allowed " + f.Limit
			}
			return why
		}
	}
	return ""
}

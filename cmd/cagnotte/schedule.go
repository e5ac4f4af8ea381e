package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/view"
)

// The verbs of this file are the operator's words at a terminal. They speak through the
// same addresses as the desk's API: to the server that holds the data folder, or to one
// in this process that nobody else can reach.

type scheduleCmd struct {
	List   scheduleListCmd   `cmd:"" help:"When each portal is crawled, and what runs."`
	Set    scheduleSetCmd    `cmd:"" help:"Crawl a portal at other times than its definition says."`
	Pause  schedulePauseCmd  `cmd:"" help:"Start no run of a portal, or of any, until resume."`
	Resume scheduleResumeCmd `cmd:"" help:"Let the schedule of a portal, or of all, count again."`
	Run    scheduleRunCmd    `cmd:"" help:"Crawl a portal now, in the running server."`
	Cancel scheduleCancelCmd `cmd:"" help:"Stop a portal's run, or take back that one was asked for."`
}

// deskFlags are what every operator's verb takes.
type deskFlags struct {
	dataFlag
	JSON bool `name:"json" help:"Print JSON."`
}

// atDesk asks the operator's addresses of a data folder.
func (c deskFlags) atDesk(w *world, do func(*asker) error) error {
	a, closing, err := operators(w, c.Data)
	if err != nil {
		return err
	}
	err = do(a)
	if e := closing(); err == nil {
		err = e
	}
	return err
}

type reasonFlag struct {
	Reason string `help:"Why, for the record." placeholder:"TEXT"`
}

type scheduleListCmd struct{ deskFlags }

// Run lists the schedule.
func (c scheduleListCmd) Run(w *world) error {
	return c.atDesk(w, func(a *asker) error {
		var all view.List[view.DeskPortal]
		if err := a.get(w.ctx, "ops/portals", nil, &all); err != nil {
			return err
		}
		return c.print(w, all.Items)
	})
}

// print prints portals as a table, or as JSON.
func (c deskFlags) print(w *world, portals []view.DeskPortal) error {
	if c.JSON {
		return printJSON(w, portals)
	}
	t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PORTAL\tSTATE\tREAD\tPLAN\tNEXT\tNOTE\t")
	for i := range portals {
		p := &portals[i]
		plan, next := "-", "-"
		var notes []string
		if p.HeldRun != "" {
			notes = append(notes, "held back: "+p.HeldRun)
		}
		if p.Withheld > 0 {
			notes = append(notes, fmt.Sprintf("%d no longer found: portals withheld %s", p.Withheld, p.ID))
		}
		if p.Publication != cashback.Public {
			notes = append(notes, string(p.Publication))
		}
		if j := p.Job; j != nil {
			plan = planText(j.Plan)
			if j.Own {
				plan += " (own)"
			}
			next = nextText(j, w.now())
			if j.Failures > 0 {
				notes = append(notes, fmt.Sprintf("%d failed: %s", j.Failures, j.LastError))
			}
		}
		read := "never"
		if !p.ReadAt.IsZero() {
			read = p.ReadAt.Local().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", p.ID, p.Health, read, plan, next, strings.Join(notes, "; "))
	}
	return t.Flush()
}

func planText(p view.Plan) string {
	s := p.Cron
	if p.Every != "" {
		s = "every " + p.Every
	}
	if p.Window != "" {
		s += " within " + p.Window
	}
	if p.Zone != "" {
		s += " " + p.Zone
	}
	return s
}

func nextText(j *view.DeskJob, now time.Time) string {
	switch {
	case j.Running != nil && j.Running.Cancelling:
		return "stopping"
	case j.Running != nil:
		return fmt.Sprintf("running: %d of %d pages", j.Running.Pages, j.Running.Known)
	case j.Asked:
		return "asked for"
	case j.Paused:
		return "paused"
	case j.Next.IsZero():
		return "never"
	case !j.Next.After(now):
		return "due"
	}
	return j.Next.Local().Format("2006-01-02 15:04")
}

type scheduleSetCmd struct {
	deskFlags
	reasonFlag
	Portal  string        `arg:"" help:"The portal's id."`
	Every   time.Duration `help:"Crawl at this interval, such as 6h." xor:"when" placeholder:"DURATION"`
	Cron    string        `help:"Crawl by a cron expression of five fields." xor:"when" placeholder:"'0 6 * * *'"`
	Window  string        `help:"Only within this part of the day." placeholder:"HH:MM-HH:MM"`
	Zone    string        `help:"The time zone of cron and window." placeholder:"Europe/Paris"`
	Default bool          `help:"Go back to what the definition says." xor:"when"`
}

// Run changes a portal's schedule.
func (c scheduleSetCmd) Run(w *world) error {
	body := map[string]any{"reason": c.Reason}
	if c.Default {
		body["default"] = true
	} else {
		for k, v := range map[string]string{"cron": c.Cron, "window": c.Window, "zone": c.Zone} {
			if v != "" {
				body[k] = v
			}
		}
		if c.Every != 0 {
			body["every"] = c.Every.String()
		}
	}
	return c.tell(w, c.Portal, "schedule", body)
}

// tell says a word about a portal and prints how it stands then.
func (c deskFlags) tell(w *world, portal, verb string, body map[string]any) error {
	return c.atDesk(w, func(a *asker) error {
		var p view.DeskPortal
		if err := a.post(w.ctx, "ops/portals/"+url.PathEscape(portal)+"/"+verb, body, &p); err != nil {
			return err
		}
		if verb == "run" && a.local != nil {
			fmt.Fprintf(w.stderr, "no server has this data folder: it will be crawled when one starts (cagnotte crawl %s crawls now)\n", portal)
		}
		return c.print(w, []view.DeskPortal{p})
	})
}

// oneOrAll is a portal, or every one.
type oneOrAll struct {
	deskFlags
	reasonFlag
	Portal string `arg:"" optional:"" help:"The portal's id."`
	All    bool   `help:"Every portal."`
}

func (c oneOrAll) tell(w *world, verb string) error {
	body := map[string]any{"reason": c.Reason}
	switch {
	case c.All == (c.Portal != ""):
		return cashback.Errorf(cashback.Invalid, "name a portal, or say --all")
	case !c.All:
		return c.deskFlags.tell(w, c.Portal, verb, body)
	}
	return c.atDesk(w, func(a *asker) error {
		var all view.List[view.DeskPortal]
		if err := a.post(w.ctx, "ops/portals/"+verb, body, &all); err != nil {
			return err
		}
		return c.print(w, all.Items)
	})
}

type schedulePauseCmd struct{ oneOrAll }

// Run pauses a portal, or all.
func (c schedulePauseCmd) Run(w *world) error { return c.tell(w, "pause") }

type scheduleResumeCmd struct{ oneOrAll }

// Run resumes a portal, or all.
func (c scheduleResumeCmd) Run(w *world) error { return c.tell(w, "resume") }

// onePortal is what asks for something about one portal.
type onePortal struct {
	deskFlags
	reasonFlag
	Portal string `arg:"" help:"The portal's id."`
}

type scheduleRunCmd struct{ onePortal }

// Run asks for a run now.
func (c scheduleRunCmd) Run(w *world) error {
	return c.tell(w, c.Portal, "run", map[string]any{"reason": c.Reason})
}

type scheduleCancelCmd struct{ onePortal }

// Run stops a run.
func (c scheduleCancelCmd) Run(w *world) error {
	return c.tell(w, c.Portal, "cancel", map[string]any{"reason": c.Reason})
}

type portalsPublicationCmd struct {
	deskFlags
	reasonFlag
	Portal string `arg:"" help:"The portal's id."`
	Mode   string `arg:"" help:"public, relation, private or off; default goes back to what the definition says." enum:"public,relation,private,off,default"`
}

// Run sets what may be shown of a portal, at once.
func (c portalsPublicationCmd) Run(w *world) error {
	mode := c.Mode
	if mode == "default" {
		mode = ""
	}
	return c.deskFlags.tell(w, c.Portal, "publication", map[string]any{"reason": c.Reason, "mode": mode})
}

type portalsWithheldCmd struct {
	deskFlags
	Portal string `arg:"" help:"The portal's id."`
}

// Run lists what waits for portals gone or portals keep.
func (c portalsWithheldCmd) Run(w *world) error {
	return c.atDesk(w, func(a *asker) error {
		var all view.Withheld
		if err := a.get(w.ctx, "ops/portals/"+url.PathEscape(c.Portal)+"/withheld", nil, &all); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(w, all)
		}
		if len(all.Items) == 0 {
			_, err := fmt.Fprintf(w.stdout, "no removals of %s are withheld\n", c.Portal)
			return err
		}
		t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "SHOP\tPAID\tLAST FOUND\tMISSED\tPAGE\t")
		for i := range all.Items {
			o := &all.Items[i]
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t\n", o.Name, rawText(&o.EvidenceRate), o.ReadAt.Local().Format("2006-01-02 15:04"), o.MissedRuns, o.URL)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w.stdout, "to settle it: cagnotte portals gone %s --run %s --reason … or keep\n", c.Portal, all.Run)
		return err
	})
}

// answer is a word on removals that are withheld.
type answer struct {
	deskFlags
	Portal string `arg:"" help:"The portal's id."`
	Run    string `name:"run" help:"The run that is answered, as portals withheld names it: where another has withheld removals since, nothing is done." placeholder:"RUN"`
	Reason string `help:"Why, for the record." required:"" placeholder:"TEXT"`
}

func (c answer) say(w *world, verb string) error {
	body := map[string]any{"reason": c.Reason}
	if c.Run != "" {
		body["run"] = c.Run
	}
	return c.tell(w, c.Portal, verb, body)
}

type portalsGoneCmd struct {
	Answer answer `embed:""`
}

// Run takes away what a portal no longer lists.
func (c portalsGoneCmd) Run(w *world) error { return c.Answer.say(w, "gone") }

type portalsKeepCmd struct {
	Answer answer `embed:""`
}

// Run keeps what runs no longer find.
func (c portalsKeepCmd) Run(w *world) error { return c.Answer.say(w, "keep") }

type runsCmd struct {
	List   runsListCmd   `cmd:"" help:"The runs that are held back, or the newest of a portal."`
	Show   runsShowCmd   `cmd:"" help:"A run's report; if it is held back, what it would change."`
	Accept runsAcceptCmd `cmd:"" help:"Publish a run that is held back."`
	Reject runsRejectCmd `cmd:"" help:"Drop a run that is held back."`
}

type runsListCmd struct {
	deskFlags
	Portal string `arg:"" optional:"" help:"A portal's id; without one, what is held back is listed."`
	Limit  int    `help:"How many to list." default:"20"`
}

// Run lists runs.
func (c runsListCmd) Run(w *world) error {
	return c.atDesk(w, func(a *asker) error {
		q := url.Values{}
		if c.Portal != "" {
			q.Set("portal", c.Portal)
			q.Set("limit", fmt.Sprint(c.Limit))
		}
		var all view.List[cashback.Run]
		if err := a.get(w.ctx, "ops/runs", q, &all); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(w, all.Items)
		}
		t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "RUN\tEND\tVERDICT\tPAGES\tOFFERS\tUNREAD\tADDED\tCHANGED\tREMOVED\t")
		for _, r := range all.Items {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", r.ID, r.Finish, r.Verdict, r.Pages, r.Offers, r.Unread, r.Added, r.Changed, r.Removed)
		}
		return t.Flush()
	})
}

type runsShowCmd struct {
	deskFlags
	RunID string `arg:"" name:"run" help:"The run's id."`
}

// Run shows a run.
func (c runsShowCmd) Run(w *world) error {
	return c.atDesk(w, func(a *asker) error {
		var r view.DeskReport
		if err := a.get(w.ctx, "ops/runs/"+url.PathEscape(c.RunID), nil, &r); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(w, r)
		}
		out := &strings.Builder{}
		fmt.Fprintf(out, "%s: %s, %s; %d pages, %d offers\n", r.Run.ID, r.Run.Finish, r.Run.Verdict, r.Run.Pages, r.Run.Offers)
		for _, f := range r.Run.Findings {
			fmt.Fprintf(out, "  %-4s %-4s %s %s", f.Rule, f.Result, f.Reason, f.Measured)
			if f.Limit != "" {
				fmt.Fprintf(out, " (limit %s)", f.Limit)
			}
			if len(f.Sample) > 0 && f.Result != cashback.Pass {
				fmt.Fprintf(out, ": %s", strings.Join(f.Sample, ", "))
			}
			fmt.Fprintln(out)
		}
		for _, n := range r.Run.Notes {
			fmt.Fprintf(out, "  %s\n", n)
		}
		if e := r.Evidence; e != nil {
			fmt.Fprintf(out, "it would change %d, add %d, take away %d and leave %d as they are; for example\n", e.Changed, e.New, e.Gone, e.Same+e.Kept)
			t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			for _, s := range e.Samples {
				fmt.Fprintf(t, "  %s\t%s\t→ %s\t\n", s.Name, rawText(s.Before), rawText(s.After))
			}
			if err := t.Flush(); err != nil {
				return err
			}
			fmt.Fprintf(out, "to settle it: cagnotte runs accept %s --reason … or reject\n", r.Run.ID)
		}
		_, err := fmt.Fprint(w.stdout, out)
		return err
	})
}

func rawText(r *view.EvidenceRate) string {
	switch {
	case r == nil:
		return "not listed"
	case r.RawText == "":
		return "no reward"
	}
	return fmt.Sprintf("%q", r.RawText)
}

// settle is a word on a run that is held back.
type settle struct {
	deskFlags
	RunID  string `arg:"" name:"run" help:"The run's id."`
	Reason string `help:"Why, for the record." required:"" placeholder:"TEXT"`
}

func (c settle) tell(w *world, verb string, done func(cashback.Run) string) error {
	return c.atDesk(w, func(a *asker) error {
		var run cashback.Run
		if err := a.post(w.ctx, "ops/runs/"+url.PathEscape(c.RunID)+"/"+verb, map[string]any{"reason": c.Reason}, &run); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(w, run)
		}
		_, err := fmt.Fprintln(w.stdout, done(run))
		return err
	})
}

type runsAcceptCmd struct{ settle }

// Run accepts a run.
func (c runsAcceptCmd) Run(w *world) error {
	return c.tell(w, "accept", func(r cashback.Run) string {
		return fmt.Sprintf("%s is published: %d added, %d changed", r.ID, r.Added, r.Changed)
	})
}

type runsRejectCmd struct{ settle }

// Run rejects a run.
func (c runsRejectCmd) Run(w *world) error {
	return c.tell(w, "reject", func(r cashback.Run) string { return r.ID + " is dropped; what was shown stays" })
}

func printJSON(w *world, v any) error {
	enc := json.NewEncoder(w.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// post sends a word to a path below /api/v1 and reads its answer into out.
func (a *asker) post(ctx context.Context, path string, body, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/api/v1/"+path, strings.NewReader(string(b)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return a.answer(req, path, out)
}

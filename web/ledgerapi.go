package web

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/view"
)

// A person's own ledger for programs of theirs: with one of their API keys, or, to look,
// within the browser's session. What is another's isn't there.

// ledgerKey is how openapi.json calls the key.
const ledgerKey = "ledger"

func ledgerSecurity() *huma.SecurityScheme {
	return &huma.SecurityScheme{
		Type: "http", Scheme: "bearer",
		Description: "One of a person's own API keys, made on their account's page: to read the ledger, or to read and write it. A signed-in browser may look without.",
	}
}

var ledgerDoor = door{"ledger/", "ledger", ledgerKey, Shopper, maxUpload}

func ledgerGet[Q, V any](s *Server, path, id, summary string, decide func(*visit, Q) (V, error)) operation {
	return keyed[Q](s, ledgerDoor, http.MethodGet, path, id, summary, decode[Q], decide)
}

func (s *Server) ledgerOperations() []operation {
	return []operation{
		ledgerGet(s, "balances", "ledger-balances", "What is owed, payable and paid, by portal, unit and state", s.apiBalances),
		ledgerGet(s, "purchases", "ledger-purchases", "Your purchases, in the order in which they were noted", s.apiPurchases),
		ledgerGet(s, "purchases/{id}", "ledger-purchase", "A purchase with its events, and what there is to see to", s.apiPurchase),
		ledgerGet(s, "alerts", "ledger-alerts", "What there is to see to: missing, short, overdue, claims that end", s.apiAlerts),
		ledgerGet(s, "cash", "ledger-cash", "What can be had from each portal, when, and how", s.apiCash),
		keyed(s, ledgerDoor, http.MethodPost, "import", "ledger-import", "Read what a portal tells its member into the ledger, or see what that would change", decodeCall[importCall], s.apiImport),
	}
}

func (s *Server) apiBalances(v *visit, _ struct{}) (view.List[earnings.Balance], error) {
	items, err := s.ledgers.Balances(v.ctx, v.user.ID)
	return view.List[earnings.Balance]{Items: append([]earnings.Balance{}, items...)}, err
}

type apiPurchasesQuery struct {
	Portal string `query:"portal" doc:"Only those at this portal." example:"exemple-fr"`
	State  string `query:"state" enum:"clicked,expected,tracked,confirmed,payable,requested,paid,donated,declined,reversed" doc:"Only those that are there."`
	Year   int64  `query:"year" minimum:"1990" maximum:"9999" doc:"Only those bought in this year."`
	After  string `query:"after" doc:"The cursor that the last page gave."`
	Limit  int64  `query:"limit" minimum:"1" maximum:"500" doc:"How many at most; 100 unless given."`
}

func (s *Server) apiPurchases(v *visit, q apiPurchasesQuery) (view.List[earnings.Purchase], error) {
	out := view.List[earnings.Purchase]{Items: []earnings.Purchase{}}
	after := uint64(0)
	if q.After != "" {
		n, err := strconv.ParseUint(q.After, 10, 64)
		if err != nil {
			return out, badInput{"after", "error.value_number", nil}
		}
		after = n
	}
	filter := store.Filter{Portal: q.Portal}
	if q.State != "" {
		filter.States = []earnings.State{earnings.State(q.State)}
	}
	all, err := s.ledgers.Purchases(v.ctx, v.user.ID, filter)
	if err != nil {
		return out, err
	}
	limit := int(cmp.Or(q.Limit, 100))
	for i := range all {
		p := &all[i]
		if p.Events[0] <= after || q.Year != 0 && int64(p.Day(s.Zone).Time().Year()) != q.Year {
			continue
		}
		if len(out.Items) == limit {
			out.Next = strconv.FormatUint(out.Items[limit-1].Events[0], 10)
			break
		}
		out.Items = append(out.Items, *p)
	}
	return out, nil
}

type purchasePath struct {
	ID string `path:"id" doc:"The purchase's id." example:"6957ead1e27f6b34"`
}

// purchaseAnswer is a purchase with all that is known of it.
type purchaseAnswer struct {
	earnings.Purchase
	History []earnings.Event `json:"history" nullable:"false" doc:"Its events, in order; each one's hash chains it to the ledger's event before it."`
	Alerts  []earnings.Alert `json:"alerts" nullable:"false" doc:"What there is to see to, with reasons as keys and values."`
}

func (s *Server) apiPurchase(v *visit, q purchasePath) (out purchaseAnswer, err error) {
	if out.Purchase, out.History, err = s.ledgers.Purchase(v.ctx, v.user.ID, q.ID); err != nil {
		return out, err
	}
	known, err := s.knownOf(v)
	if err != nil {
		return out, err
	}
	out.Alerts = append([]earnings.Alert{}, earnings.WatchPurchase(out.Purchase, known.Facts, cashback.DateOf(v.now))...)
	return out, known.Err()
}

type alertsQuery struct {
	Over string `query:"over" enum:"1" doc:"Also those of which nothing is left to do, and those that were put aside."`
}

func (s *Server) apiAlerts(v *visit, q alertsQuery) (view.List[earnings.Alert], error) {
	x, err := s.follow(v)
	if err != nil {
		return view.List[earnings.Alert]{}, err
	}
	x.Brief = q.Over == ""
	items := append([]earnings.Alert{}, earnings.Watch(x.Book, x.Facts, v.now)...)
	if x.Brief {
		items = slices.DeleteFunc(items, func(a earnings.Alert) bool { return a.Over || a.Aside })
	}
	return view.List[earnings.Alert]{Items: items}, x.Err()
}

func (s *Server) apiCash(v *visit, _ struct{}) (view.List[earnings.CashOut], error) {
	x, err := s.follow(v)
	if err != nil {
		return view.List[earnings.CashOut]{}, err
	}
	items := append([]earnings.CashOut{}, earnings.CashOuts(x.Book, x.Facts, v.now)...)
	return view.List[earnings.CashOut]{Items: items}, x.Err()
}

type importCall struct{ Body importBody }

type importBody struct {
	Portal string `json:"portal" doc:"The portal whose page or mail it is." example:"exemple-fr"`
	Name   string `json:"name,omitempty" doc:"The file's name, whose ending says what it is: .csv, .html, .eml; without, a pasted table."`
	Text   string `json:"text" doc:"The file's text."`
	Rule   string `json:"rule,omitempty" doc:"The id of the rule to read it by; without, the one that fits best."`
	DryRun bool   `json:"dry_run,omitempty" doc:"Only see what would change."`
}

// importAnswer is what an import has changed, or would.
type importAnswer struct {
	Rule    string                   `json:"rule" doc:"The rule that read it."`
	DryRun  bool                     `json:"dry_run"`
	Counts  map[earnings.Verdict]int `json:"counts" doc:"How many lines are new, met, changed, unchanged, doubtful."`
	Events  int                      `json:"events" doc:"How many events were written, or would be."`
	Doubts  []earnings.Change        `json:"doubtful" nullable:"false" doc:"The lines of which a person must say which purchase they are; nothing is written for them."`
	Refused []statement.Refusal      `json:"refused" nullable:"false" doc:"The rows that couldn't be read, and why."`
}

// apiImport is the import page's work in one step: what is doubtful is left.
func (s *Server) apiImport(v *visit, c importCall) (out importAnswer, err error) {
	in := c.Body
	portal, err := s.portal(v, in.Portal)
	if err != nil && cashback.KindOf(err) == cashback.NotFound {
		return out, badInput{"portal", "error.value_missing", []any{"Field", "portal"}}
	}
	if err != nil {
		return out, err
	}
	raw := []byte(in.Text)
	a := &attempt{handedIn: &handedIn{name: in.Name, portal: in.Portal, raw: raw}, portal: portal, today: cashback.DateOf(v.now)}
	if a.doc, err = statement.Open(in.Name, bytes.NewReader(raw), statement.DefaultLimits()); err != nil {
		return out, err
	}
	if a.rules, err = s.rulesOf(v); err != nil {
		return out, err
	}
	if a.ledger, err = s.ledgers.Ledger(v.ctx, v.user.ID); err != nil {
		return out, err
	}
	fit, err := statement.Pick(a.doc, a.rules, in.Rule, a.options())
	if err != nil {
		return out, err
	}
	plan, err := s.plan(v, a, fit.Reading.Lines, nil)
	if err != nil {
		return out, err
	}
	events := plan.Events()
	out = importAnswer{Rule: fit.Rule.ID, DryRun: in.DryRun, Counts: map[earnings.Verdict]int{}, Events: len(events), Doubts: []earnings.Change{}, Refused: append([]statement.Refusal{}, fit.Reading.Refused...)}
	for _, ch := range plan.Changes {
		if out.Counts[ch.Verdict]++; ch.Verdict == earnings.VerdictDoubtful {
			out.Doubts = append(out.Doubts, ch)
		}
	}
	if in.DryRun {
		return out, nil
	}
	sum, head := sha256.Sum256(raw), uint64(a.ledger.Len())
	_, err = s.ledgers.Enter(v.ctx, v.user.ID, store.Entry{
		Events: events, After: &head,
		Import: &earnings.Import{Hash: hex.EncodeToString(sum[:]), At: s.Now(), Rule: fit.Rule.ID, Name: shownName(in.Name), Lines: len(fit.Reading.Lines)},
	})
	return out, err
}

// shownName is a file's name as it is kept: the last part of it, in one line.
func shownName(name string) string {
	name = strings.ToValidUTF8(name[strings.LastIndexAny(name, "/\\")+1:], "")
	if len(name) > maxFileName {
		name = strings.ToValidUTF8(name[:maxFileName], "")
	}
	return string(slices.DeleteFunc([]rune(name), control))
}

package web

import (
	"bytes"
	"io"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/pages"
)

// chartMonths is how many months the chart shows.
const chartMonths = 12

// moneyPage is a person's money at a glance.
func (s *Server) moneyPage(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	return s.showMoney(v, pages.Form{})
}

func (s *Server) showMoney(v *visit, restore pages.Form) (*reply, error) {
	v.page = "money"
	all, err := s.ledgers.Purchases(v.ctx, v.user.ID, store.Filter{})
	if err != nil {
		return nil, err
	}
	names, _, err := s.portalNames(v)
	if err != nil {
		return nil, err
	}
	m := &pages.MoneyView{
		Overview: earnings.OverviewOf(all, v.now), Purchases: len(all), Year: v.now.Year(), Restore: restore, Now: v.now,
		PortalName: func(id string) string { return nameOf(names, id) },
	}
	for _, p := range slices.Backward(all) {
		if (p.State == earnings.StateClicked) && v.now.Sub(p.Bought) < openFor && len(m.Open) < maxOpen {
			m.Open = append(m.Open, pages.PurchaseLine{Purchase: p, PortalName: nameOf(names, p.Portal)})
		}
	}
	if len(m.Ever) > 0 {
		m.Charts = pages.ChartsOf(m.Overview, earnings.LastMonths(v.now, chartMonths))
	}
	rep, err := html(v.ctx, pages.Money(s.chrome(v, "money"), m))
	if !restore.OK() {
		return refused(rep, err)
	}
	return rep, err
}

// openFor is how long somebody who went to a portal is asked whether they bought, and
// maxOpen how many such questions stand at once.
const (
	openFor = 14 * 24 * time.Hour
	maxOpen = 5
)

type exportQuery struct {
	Format string `path:"format"`
}

// export hands a person's ledger out: as a table, as JSON, as plain-text accounting, or
// as the archive that another instance takes.
func (s *Server) export(v *visit) (*reply, error) {
	q, err := decode[exportQuery](v)
	if err != nil {
		return nil, err
	}
	form, ok := map[string]struct{ ending, kind string }{
		"csv": {"csv", "text/csv; charset=utf-8"}, "json": {"json", kindJSON}, "journal": {"journal", kindText}, "archive": {"zip", "application/zip"},
	}[q.Format]
	if !ok {
		return nil, errNotFound
	}
	if q.Format == "archive" {
		return s.archiveOf(v)
	}
	var b bytes.Buffer
	l, err := s.ledgers.Ledger(v.ctx, v.user.ID)
	if err != nil {
		return nil, err
	}
	write := map[string]func(io.Writer) error{
		"csv":     func(w io.Writer) error { return earnings.WriteCSV(w, l.Purchases()) },
		"json":    func(w io.Writer) error { return earnings.WriteJSON(w, l) },
		"journal": func(w io.Writer) error { return earnings.WriteJournal(w, l.Events(0)) },
	}[q.Format]
	if err := write(&b); err != nil {
		return nil, err
	}
	return attached("cagnotte-"+cashback.DateOf(v.now).String()+"."+form.ending, form.kind, b.Bytes()), nil
}

// archiveOf is everything of the visitor in one file.
func (s *Server) archiveOf(v *visit) (*reply, error) {
	a, err := s.ledgers.Archive(v.ctx, v.user.ID)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := a.Write(&b); err != nil {
		return nil, err
	}
	return attached("cagnotte-"+cashback.DateOf(v.now).String()+".zip", "application/zip", b.Bytes()), nil
}

type restoreForm struct {
	File upload `form:"file"`
}

// uploadedArchive are the limits for an archive that comes through the web (WA17).
var uploadedArchive = earnings.ArchiveLimits{Files: 20_000, Bytes: 50 << 20}

// restore takes an archive of another instance, or of this one, into the ledger.
func (s *Server) restore(v *visit) (*reply, error) {
	f, form, err := decodeForm[restoreForm](v)
	if err != nil {
		return nil, err
	}
	if len(f.File.Body) == 0 {
		form.Refuse("file", v.locale.T("restore.choose"))
		return s.showMoney(v, form)
	}
	a, err := earnings.ReadArchive(bytes.NewReader(f.File.Body), int64(len(f.File.Body)), uploadedArchive)
	if err == nil {
		_, err = s.ledgers.Restore(v.ctx, v.user.ID, a)
	}
	switch kind := cashback.KindOf(err); {
	case err == nil:
		return s.done(v, ours(v, "money"), "restored"), nil
	case kind == cashback.Invalid:
		s.log.Info("an archive was refused", "request", v.id, "error", err)
		form.Refuse("file", v.locale.T("restore.unreadable"))
	case kind == cashback.Conflict:
		form.Refuse("file", v.locale.T("restore.conflict"))
	default:
		return nil, err
	}
	return s.showMoney(v, form)
}

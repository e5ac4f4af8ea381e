package pages

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/view"
)

// The drawing's measures. Across, everything is in thousandths of the width, which the
// screen decides; upwards it is in CSS pixels, so that letters and strokes keep their
// size on every screen.
const (
	chartHigh  = 300 // of the area
	chartHead  = 46  // above it, for the amounts at which the best portal changes
	chartCalm  = 10  // above it where it never does
	chartNamed = 6   // lines with a colour, a dash and a name: as many as can be told apart
	nameGap    = 17  // between the baselines of two names
	nameMost   = 12  // letters of a name
)

// chart is a curve as it is drawn.
type chart struct {
	// Head is the room above the area.
	Head  int
	Lines []chartLine // named ones first
	// Amounts and Values are the ticks.
	Amounts, Values []tickMark
	// Bands cut the width by who leads.
	Bands []band
	// Switches are the amounts at which the best portal changes.
	Switches []switchMark
	// Own is the shopper's own amount; it isn't drawn beyond the width.
	Own switchMark
}

type chartLine struct {
	Portal, Name string
	Class        string // c1 … c6, or "faint"
	Path         string
	Kinks        []dot
	EndY, NameY  int
	// OwnY is the line at the shopper's amount.
	Own  bool
	OwnY int
}

type dot struct{ X, Y int }

type tickMark struct {
	At   int // thousandths across, pixels down
	Text string
}

type band struct {
	From, Wide int
	Class      string
}

type switchMark struct {
	At   int
	Text string
	// Row is the line of text that it stands in, 0 the upper one; -1 where it has no
	// room and stands in the table only.
	Row int
}

// anchor keeps a text inside the drawing.
func (s switchMark) anchor() string {
	switch {
	case s.At < 120:
		return "start"
	case s.At > 880:
		return "end"
	}
	return "middle"
}

// drawing lays a curve out.
func drawing(c Chrome, r *view.Ranking, k *rank.Curve) chart {
	var out chart
	span := max(1, k.To-k.From)
	var high int64 = 1
	for _, l := range k.Lines {
		for _, p := range l.Points {
			high = max(high, p.Value)
		}
	}
	step := tickStep(high, 4)
	high = (high + step - 1) / step * step
	x := func(amount int64) int { return int((amount - k.From) * 1000 / span) }
	y := func(value int64) int { return int(chartHigh - value*chartHigh/high) }
	for v := int64(0); v <= high; v += step {
		out.Values = append(out.Values, tickMark{y(v), c.L.Basket(r.Money(v))})
	}
	step = tickStep(span, 4)
	for v := (k.From + step - 1) / step * step; v <= k.To; v += step {
		out.Amounts = append(out.Amounts, tickMark{x(v), c.L.Basket(r.Money(v))})
	}

	// Those that lead somewhere are named first, then the highest ones at the end.
	places := map[string]int{}
	for _, st := range k.Leaders {
		for _, id := range st.Portals {
			if _, ok := places[id]; !ok {
				places[id] = len(places)
			}
		}
	}
	last := func(l rank.Line) int64 { return l.Points[len(l.Points)-1].Value }
	lines := slices.Clone(k.Lines)
	slices.SortStableFunc(lines, func(a, b rank.Line) int {
		i, leadsA := places[a.Portal]
		j, leadsB := places[b.Portal]
		switch {
		case leadsA && leadsB:
			return cmp.Compare(i, j)
		case leadsA:
			return -1
		case leadsB:
			return 1
		}
		return cmp.Compare(last(b), last(a))
	})
	own := r.Purchase.Amount.Minor
	classes := map[string]string{}
	for i, l := range lines {
		line := chartLine{Portal: l.Portal, Name: short(r.Settle(l.Portal).Name), Class: "faint", EndY: y(last(l))}
		if i < chartNamed {
			line.Class = "c" + strconv.Itoa(i+1)
			classes[l.Portal] = line.Class
		}
		line.Path, line.Kinks = path(l, x, y)
		if j := slices.IndexFunc(r.Ranked, func(row view.Row) bool { return row.Portal == l.Portal }); j >= 0 && own >= k.From && own <= k.To {
			line.Own, line.OwnY = true, y(r.Ranked[j].Value)
		}
		out.Lines = append(out.Lines, line)
	}
	spread(out.Lines[:min(chartNamed, len(out.Lines))])

	for i, st := range k.Leaders {
		b := band{From: x(st.From), Class: "nobody"}
		b.Wide = x(min(st.To+1, k.To)) - b.From
		switch {
		case len(st.Portals) == 1:
			b.Class = cmp.Or(classes[st.Portals[0]], "faint")
		case len(st.Portals) > 1:
			b.Class = "mixed"
		}
		out.Bands = append(out.Bands, b)
		if i > 0 {
			out.Switches = append(out.Switches, switchMark{At: x(st.From), Text: c.L.Basket(r.Money(st.From))})
		}
	}
	out.Head = chartHead
	if len(out.Switches) == 0 {
		out.Head = chartCalm
	}
	free := [2]int{-1000, -1000} // where the last text of each row ends
	const room = 260             // thousandths that an amount takes on a phone
	for i := range out.Switches {
		m := &out.Switches[i]
		m.Row = -1
		for row := range free {
			if m.At-free[row] >= room {
				m.Row, free[row] = row, m.At
				break
			}
		}
	}
	out.Own = switchMark{At: x(min(max(own, k.From), k.To)), Text: c.L.Basket(r.Purchase.Amount)}
	return out
}

// path is a line as SVG writes it, with the places of its kinks.
func path(l rank.Line, x, y func(int64) int) (string, []dot) {
	var b strings.Builder
	var kinks []dot
	for i, p := range l.Points {
		switch {
		case i == 0 || p.Break:
			b.WriteString("M")
		default:
			b.WriteString("L")
		}
		b.WriteString(strconv.Itoa(x(p.Amount)) + " " + strconv.Itoa(y(p.Value)))
		if slices.ContainsFunc(l.Kinks, func(k rank.Kink) bool { return k.Amount == p.Amount }) {
			kinks = append(kinks, dot{x(p.Amount), y(p.Value)})
		}
	}
	return b.String(), kinks
}

// spread moves the names of lines that end close to each other apart.
func spread(lines []chartLine) {
	order := make([]*chartLine, len(lines))
	for i := range lines {
		lines[i].NameY = min(max(lines[i].EndY, nameGap/2), chartHigh-nameGap/2)
		order[i] = &lines[i]
	}
	slices.SortStableFunc(order, func(a, b *chartLine) int { return cmp.Compare(a.EndY, b.EndY) })
	for i := 1; i < len(order); i++ {
		order[i].NameY = max(order[i].NameY, order[i-1].NameY+nameGap)
	}
	bottom := chartHigh - nameGap/2
	for i := len(order) - 1; i >= 0; i-- { // what was pushed out below comes back up
		order[i].NameY = min(order[i].NameY, bottom)
		bottom = order[i].NameY - nameGap
	}
}

// tickStep is a round step that cuts a span into some parts.
func tickStep(span, parts int64) int64 {
	step := int64(1)
	for {
		for _, by := range []int64{1, 2, 5} {
			if step*by*parts >= span {
				return step * by
			}
		}
		step *= 10
	}
}

// short is a name that fits beside the drawing.
func short(name string) string {
	r := []rune(name)
	if len(r) <= nameMost {
		return name
	}
	return strings.TrimSpace(string(r[:nameMost-1])) + "…"
}

// leaders are the portals of a stretch by name.
func leaders(c Chrome, r *view.Ranking, st rank.Stretch) string {
	if len(st.Portals) == 0 {
		return c.T("curve.nobody")
	}
	var names []string
	for _, id := range st.Portals {
		names = append(names, r.Settle(id).Name)
	}
	return strings.Join(names, c.T("list.or"))
}

// stretch is a run of amounts in words.
func stretch(c Chrome, r *view.Ranking, k *rank.Curve, i int) string {
	st := k.Leaders[i]
	from, to := c.L.Basket(r.Money(st.From)), c.L.Basket(r.Money(st.To))
	switch {
	case len(k.Leaders) == 1:
		return c.T("curve.all")
	case i == 0:
		return c.T("curve.to", "To", to)
	case i == len(k.Leaders)-1:
		return c.T("curve.from", "From", from)
	}
	return c.T("curve.between", "From", from, "To", to)
}

// told is what the drawing shows, for who can't see it.
func told(c Chrome, r *view.Ranking, k *rank.Curve) string {
	var parts []string
	for i, st := range k.Leaders {
		parts = append(parts, c.T("curve.stretch", "Amounts", stretch(c, r, k, i), "Portal", leaders(c, r, st)))
	}
	return c.T("curve.told", "Stretches", strings.Join(parts, c.T("list.semicolon")))
}

// bendsOf are the amounts of a line that say something: its kinks with the reason, and
// its ends.
func bendsOf(l rank.Line) []bend {
	var out []bend
	for i, p := range l.Points {
		why := ""
		if j := slices.IndexFunc(l.Kinks, func(k rank.Kink) bool { return k.Amount == p.Amount }); j >= 0 {
			why = l.Kinks[j].Why
		}
		if why != "" || i == 0 || i == len(l.Points)-1 {
			out = append(out, bend{p, why})
		}
	}
	return out
}

type bend struct {
	rank.Point
	Why string
}

func percentOf(thousandths int) string {
	return strconv.Itoa(thousandths/10) + "." + strconv.Itoa(thousandths%10) + "%"
}

func px(n int) string { return strconv.Itoa(n) }

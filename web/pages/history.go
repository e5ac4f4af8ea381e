package pages

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/web/view"
)

// The drawing of a history is 1000 wide, and as high as this.
const pastHigh = 180

// pastDrawing is a history as lines.
type pastDrawing struct {
	// Line is the best over time, Area what lies under it, in a drawing of 1000 by
	// pastHigh.
	Line, Area string
	// Values are the marks on the left: their height from the top, and their text.
	Values []pastMark
	// Days are the marks below: their place in thousandths.
	Days []pastMark
	// Top is the best ever where it lies in the drawing; now is where the line ends.
	Top, Now *pastDot
}

type pastMark struct {
	At   int
	Text string
}

type pastDot struct{ X, Y int }

// drawPast lays a history out.
func drawPast(c Chrome, h *view.History) pastDrawing {
	most := int64(1)
	for _, b := range h.Best {
		most = max(most, b.Worth)
	}
	most += most / 8
	span := max(h.Now.Sub(h.From), time.Hour)
	x := func(t time.Time) int { return int(1000 * t.Sub(h.From) / span) }
	y := func(worth int64) int { return pastHigh - int(pastHigh*worth/most) }
	var d pastDrawing
	var line strings.Builder
	for i, b := range h.Best {
		if i == 0 {
			fmt.Fprintf(&line, "M0 %d", y(b.Worth))
			continue
		}
		fmt.Fprintf(&line, "H%dV%d", x(b.At), y(b.Worth))
	}
	line.WriteString("H1000")
	d.Line = line.String()
	d.Area = fmt.Sprintf("%sV%dH0Z", d.Line, pastHigh)
	d.Now = &pastDot{1000, y(h.Today)}
	if t := h.Top; t != nil && t.Worth > 0 {
		if at := slices.IndexFunc(h.Best, func(b view.Step100) bool { return b.Worth == t.Worth }); at >= 0 {
			d.Top = &pastDot{x(h.Best[at].At), y(t.Worth)}
		}
	}
	for worth, step := int64(0), gap(most); worth <= most; worth += step {
		d.Values = append(d.Values, pastMark{y(worth), c.L.Basket(h.Money(worth))})
	}
	d.Days = []pastMark{{0, c.L.Date(h.From)}}
	if span > 30*24*time.Hour {
		d.Days = append(d.Days, pastMark{500, c.L.Date(h.From.Add(span / 2))})
	}
	d.Days = append(d.Days, pastMark{1000, c.T("history.today")})
	return d
}

// gap is the distance of the marks: 1, 2 or 5 of a power of ten, so that there are two
// to five of them.
func gap(most int64) int64 {
	step := int64(1)
	for most/step > 4 {
		for _, f := range []int64{2, 5, 10} {
			if most/(step*f) <= 4 {
				return step * f
			}
		}
		step *= 10
	}
	return step
}

// pastTold is a history in sentences: how today compares, and the best ever.
func pastTold(c Chrome, h *view.History) []string {
	today := c.L.Money(h.Money(h.Today))
	var out []string
	recent := h.Now.Sub(h.Since) < 360*24*time.Hour
	period := c.T("history.year")
	if recent {
		period = c.T("history.since", "Date", c.L.Date(h.Since))
	}
	switch {
	case h.Today == 0:
		out = append(out, c.T("history.nothing"))
	case h.Higher == 0 && h.Lower == 0:
		out = append(out, c.T("history.still", "Value", today, "Period", period))
	case h.Higher == 0:
		out = append(out, c.T("history.highest", "Value", today, "Period", period, "Share", share100(c, h.Lower)))
	default:
		out = append(out, c.T("history.place", "Value", today, "Period", period, "Lower", share100(c, h.Lower), "Higher", share100(c, h.Higher)))
	}
	if t := h.Top; t != nil && t.Worth > 0 {
		out = append(out, c.T("history.top", "Value", c.L.Money(h.Money(t.Worth)), "Portal", t.PortalName, "Text", t.RawText, "Date", c.L.Date(t.From)))
	}
	return out
}

func share100(c Chrome, percent int) string {
	return c.T("form.percent", "Number", c.L.Int(percent))
}

// anchorAt is where a mark below the drawing hangs.
func anchorAt(thousandths int) string {
	switch {
	case thousandths < 100:
		return "start"
	case thousandths > 900:
		return "end"
	}
	return "middle"
}

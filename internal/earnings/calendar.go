package earnings

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// ReminderKind is what a day is to be remembered for.
type ReminderKind string

const (
	RemindTracked    ReminderKind = "tracked"     // it should be listed by then
	RemindClaimFirst ReminderKind = "claim_first" // a claim may be sent from now on
	RemindClaimLast  ReminderKind = "claim_last"  // and until today
	RemindConfirmed  ReminderKind = "confirmed"   // it should be confirmed by then
	RemindLapse      ReminderKind = "lapse"       // an unused balance lapses
	RemindPayday     ReminderKind = "payday"      // the portal pays out
)

// Reminder is a day on which something is due.
type Reminder struct {
	// UID is the same as long as the reminder is about the same, so that a calendar
	// that reads it again moves it instead of doubling it.
	UID      string        `json:"uid"`
	Kind     ReminderKind  `json:"kind"`
	Day      cashback.Date `json:"day"`
	Portal   string        `json:"portal"`
	Purchase string        `json:"purchase,omitempty"`
	Shop     string        `json:"shop,omitempty"`
	Amount   *Amount       `json:"amount,omitempty"`
}

// Reminders lists the days from today on, the next first.
func Reminders(b Book, f Facts, now time.Time) []Reminder {
	today := cashback.DateOf(now)
	var out []Reminder
	add := func(r Reminder) {
		if r.Day >= today {
			sum := sha256.Sum256([]byte(string(r.Kind) + "\x00" + r.Portal + "\x00" + r.Purchase))
			r.UID = hex.EncodeToString(sum[:12]) + "@cagnotte"
			out = append(out, r)
		}
	}
	lapsed := map[string]bool{} // portals whose rule of inactivity was put aside
	for _, a := range watchBalances(b, f, today) {
		lapsed[a.Portal] = lapsed[a.Portal] || a.Aside
	}
	for i := range b.Purchases {
		p := &b.Purchases[i]
		if p.State != StateExpected && p.State != StateDeclined && p.State != StateTracked {
			continue
		}
		if f.Aside != nil && slices.ContainsFunc(WatchPurchase(*p, f, today), func(a Alert) bool { return a.Aside }) {
			continue
		}
		facts := f.facts(*p)
		bought := p.Day(f.Zone)
		r := Reminder{Portal: p.Portal, Purchase: p.ID, Shop: p.Shop, Amount: p.Amount}
		at := func(k ReminderKind, day cashback.Date) {
			r.Kind, r.Day = k, day
			add(r)
		}
		clock := ClaimClock(bought, facts.ClaimWindow, today)
		switch p.State {
		case StateExpected:
			days := usualTracking
			if facts.TrackingDays != nil {
				days = max(facts.TrackingDays.Value, 1)
			}
			at(RemindTracked, bought+cashback.Date(days))
			if clock.First != 0 {
				at(RemindClaimFirst, clock.First)
			}
			if clock.Last != 0 {
				at(RemindClaimLast, clock.Last)
			}
		case StateDeclined:
			if clock.Last != 0 && p.Claim == "" {
				at(RemindClaimLast, clock.Last)
			}
		case StateTracked:
			days, _ := f.validation(*p, facts)
			at(RemindConfirmed, bought+cashback.Date(days))
		}
	}
	owed := map[string]map[Unit]int64{}
	payable := map[string]map[Unit]int64{}
	var order []string
	for _, b := range b.Balances {
		if !slices.Contains(held, b.State) {
			continue
		}
		if owed[b.Portal] == nil {
			owed[b.Portal], payable[b.Portal] = map[Unit]int64{}, map[Unit]int64{}
			order = append(order, b.Portal)
		}
		owed[b.Portal][b.Unit] += b.Minor
		if b.State == StatePayable {
			payable[b.Portal][b.Unit] += b.Minor
		}
	}
	used := b.used()
	for _, id := range order {
		portal := f.portal(id)
		if x, ok := lapse(used[id], portal, today); ok && !lapsed[id] {
			sums := sortedUnits(owed[id])
			add(Reminder{Kind: RemindLapse, Day: x.Lost, Portal: id, Amount: &sums[0]})
		}
		if pay := portal.Facts.Payout; pay != nil && len(payable[id]) > 0 {
			if day, ok := pay.Value.NextPayday(today); ok {
				sums := sortedUnits(payable[id])
				add(Reminder{Kind: RemindPayday, Day: day, Portal: id, Amount: &sums[0]})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Reminder) int { return cmp.Or(cmp.Compare(a.Day, b.Day), strings.Compare(a.UID, b.UID)) })
	return out
}

// Words of a reminder in somebody's language.
type ReminderText struct{ Summary, Description, URL string }

// WriteCalendar writes reminders as an iCalendar file (RFC 5545): all-day events with an
// alarm at nine, lines folded at 75 octets, times in UTC. The words come from the
// caller.
func WriteCalendar(w io.Writer, name string, reminders []Reminder, now time.Time, words func(Reminder) ReminderText) error {
	b := bufio.NewWriter(w)
	line := func(name, value string) { foldLine(b, name+":"+value) }
	line("BEGIN", "VCALENDAR")
	line("VERSION", "2.0")
	line("PRODID", "-//Cagnotte//Cagnotte//EN")
	line("CALSCALE", "GREGORIAN")
	line("METHOD", "PUBLISH")
	line("X-WR-CALNAME", icsText(name))
	stamp := now.UTC().Format("20060102T150405Z")
	for _, r := range reminders {
		t := words(r)
		line("BEGIN", "VEVENT")
		line("UID", r.UID)
		line("DTSTAMP", stamp)
		line("DTSTART;VALUE=DATE", r.Day.Time().Format("20060102"))
		line("DTEND;VALUE=DATE", (r.Day + 1).Time().Format("20060102"))
		line("SUMMARY", icsText(t.Summary))
		if t.Description != "" {
			line("DESCRIPTION", icsText(t.Description))
		}
		if t.URL != "" {
			line("URL", strings.Map(noControl, t.URL))
		}
		line("TRANSP", "TRANSPARENT")
		line("BEGIN", "VALARM")
		line("ACTION", "DISPLAY")
		line("DESCRIPTION", icsText(t.Summary))
		line("TRIGGER", "PT9H")
		line("END", "VALARM")
		line("END", "VEVENT")
	}
	line("END", "VCALENDAR")
	return b.Flush()
}

func noControl(r rune) rune {
	if r < 0x20 || r == 0x7f {
		return -1
	}
	return r
}

// icsText escapes a text (RFC 5545, 3.3.11).
func icsText(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	s = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\n", `\n`, "\r", `\n`).Replace(s)
	return strings.Map(noControl, s)
}

// foldLine writes a content line, folded so that none is longer than 75 octets and no
// character is cut (RFC 5545, 3.1).
func foldLine(b *bufio.Writer, s string) {
	room := 75
	for len(s) > room {
		cut := room
		for cut > 1 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		_, _ = b.WriteString(s[:cut]) // an error stays until Flush
		_, _ = b.WriteString("\r\n ")
		s, room = s[cut:], 74
	}
	_, _ = b.WriteString(s)
	_, _ = b.WriteString("\r\n")
}

package portal

import (
	"regexp"
	"strconv"
	"strings"
)

// The words for a span of time, by the days they stand for.
var spans = []struct {
	days int
	re   *regexp.Regexp
}{
	{1, regexp.MustCompile(`(?i)(\d{1,4})\s*(?:[-–]?\s*)?(?:days?|jours?|tagen?|tage|d[ií]as?|giorni|giorno|dagar|dager|dage|dagen|dag|päivää|dni|dn[íů]|nap|ngày|hari|日|天|дней|дня|ημέρες)`)},
	{7, regexp.MustCompile(`(?i)(\d{1,3})\s*(?:weeks?|semaines?|wochen?|semanas?|settiman[ae]|veckor|vecka|uker|uke|uger|uge|weken|tygodni|týdnů|viikkoa|週間|週|周)`)},
	{30, regexp.MustCompile(`(?i)(\d{1,2})\s*(?:months?|mois|monaten?|monate|mes(?:es)?|mês|mesi|mese|måneder|månader|månad|maanden|miesi\S*|měsíc\S*|kuukautta|[ヶか箇カケヵ]月|個月|个月)(半)?`)},
}

var bareDays = regexp.MustCompile(`^\s*(\d{1,4})\s*$`)

// days reads how many days a text speaks of; of several spans the longest, 0
// where it speaks of none. "60 - 90 Tage" is 90, "2ヶ月半" 75, a bare 45 is 45.
func days(s string) int {
	if s == "" {
		return 0
	}
	s = strings.Map(func(r rune) rune {
		if r >= '０' && r <= '９' {
			return r - '０' + '0'
		}
		return r
	}, s)
	if m := bareDays.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	longest := 0
	for _, span := range spans {
		for _, m := range span.re.FindAllStringSubmatch(s, 20) {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				continue
			}
			d := n * span.days
			if len(m) > 2 && m[2] != "" {
				d += span.days / 2
			}
			longest = max(longest, d)
		}
	}
	return min(longest, 3650)
}

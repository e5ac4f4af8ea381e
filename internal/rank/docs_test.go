package rank

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// docs/ranking.md works a case by hand: its tables are what Rank says.
func TestDocsExample(t *testing.T) {
	page, err := os.ReadFile("../../docs/ranking.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	block, rest, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the page has no case")
	}
	c, err := Decode([]byte(block))
	if err != nil {
		t.Fatal(err)
	}
	a := mustRank(t, c)
	if len(a.Ranked) != 2 || a.Ranked[0].Portal != "quiet" {
		t.Fatalf("%+v", a)
	}
	loud, quiet, _ := strings.Cut(rest, "## Quiet")
	for portal, section := range map[string]string{"loud": loud, "quiet": quiet} {
		_, row := place(a, portal)
		for _, s := range row.Steps {
			line := regexp.MustCompile(`(?m)^\| ` + s.Step + ` \|.*\| ([+−][0-9.]+) \|$`).FindStringSubmatch(section)
			sign := "+"
			if s.Amount < 0 {
				sign = "−"
			}
			if want := sign + euros(max(s.Amount, -s.Amount)); line == nil || line[1] != want {
				t.Errorf("%s: %s is %q on the page, %s in the answer", portal, s.Step, line, want)
			}
		}
		for _, says := range []string{"**" + euros(row.Value) + "**", fmt.Sprintf(" in %d days", row.Days)} {
			if !strings.Contains(section, says) {
				t.Errorf("%s: the page doesn't say %q", portal, says)
			}
		}
	}
}

func euros(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

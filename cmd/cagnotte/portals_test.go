package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fileOf writes a file of the test's own folder.
func fileOf(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const tryDefinition = `portal: exemple
name: Exemple
homepage: https://www.exemple.test/
countries: [FR]
locale: fr-FR
currency: EUR
hosts: [www.exemple.test]
schedule: {every: 6h}
pages:
  - kind: list
    urls: ["https://www.exemple.test/l?page={page}"]
    paging: {param: page, until: ["link[rel=next] absent"]}
    items: {select: article}
    fields: {name: b, reward: {pick: [i], none: [rien]}, link: "a@href", tiers: {each: li, label: em, reward: u}}
facts:
  vat_basis: {value: net, source: "https://www.exemple.test/aide", phrase: "hors  taxes"}
`

const tryPage = `<link rel=next href=/x><article><a href=/s/1><b>Fnac</b></a> <i>Jusqu'\u00e0 6,5 %</i><li><em>Livres</em><u>6,5 %</u></article><article><a href=/s/2><b>Darty</b></a> <i>rien</i></article>`

func TestPortalsCheck(t *testing.T) {
	good := fileOf(t, "good.yaml", tryDefinition)
	status, stdout, stderr := command(t, "", "portals", "check", good)
	if status != exitOK || !strings.Contains(stdout, "Exemple (exemple)") || stderr != "" {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	for name, c := range map[string]struct{ old, new, says string }{
		"a selector":  {"select: article", "select: \"p[\"", "bad.yaml:13:21: pages[0].items.select"},
		"a schedule":  {"every: 6h", "every: 2m", "schedule.every"},
		"a field":     {"paging:", "pageing:", "is paging meant?"},
		"not YAML":    {"portal: exemple", "portal: [", "not YAML"},
		"a file more": {"", "", ""},
	} {
		bad := fileOf(t, "bad.yaml", strings.Replace(tryDefinition, c.old, c.new, 1))
		args := []string{"portals", "check", good, bad}
		if c.says == "" {
			args[3] = filepath.Join(t.TempDir(), "missing.yaml")
			c.says = "missing.yaml can't be read"
		}
		status, stdout, stderr := command(t, "", args...)
		if status != exitInvalid || !strings.Contains(stderr, c.says) || !strings.Contains(stdout, "Exemple") {
			t.Errorf("%s: status %d, %q, %q", name, status, stdout, stderr)
		}
	}
}

func TestPortalsTry(t *testing.T) {
	definition := fileOf(t, "exemple.yaml", tryDefinition)
	page := fileOf(t, "page.html", strings.ReplaceAll(tryPage, "\\u00e0", "à"))
	status, stdout, stderr := command(t, "", "portals", "try", definition, "--url", "https://www.exemple.test/l", "--page", page, "--json")
	if status != exitOK || stderr != "" {
		t.Fatalf("status %d, %q", status, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines:\n%s", len(lines), stdout)
	}
	var item struct {
		Merchant string
		Link     string
		Tiers    []struct{ Label string }
		Reward   struct {
			Kind, Value string
			UpTo        bool `json:"up_to"`
		}
	}
	if err := json.Unmarshal([]byte(lines[0]), &item); err != nil {
		t.Fatal(err)
	}
	if item.Merchant != "Fnac" || item.Link != "https://www.exemple.test/s/1" || item.Reward.Value != "6.5" || !item.Reward.UpTo || len(item.Tiers) != 1 {
		t.Errorf("%+v", item)
	}
	var summary trySummary
	if err := json.Unmarshal([]byte(lines[2]), &summary); err != nil {
		t.Fatal(err)
	}
	if summary.Outcome != "ok" || summary.Items != 2 || summary.WithRate != 1 || summary.Next != 1 || summary.End {
		t.Errorf("%+v", summary)
	}

	_, stdout, _ = command(t, "", "portals", "try", definition, "--url", "https://www.exemple.test/l", "--page", page)
	for _, s := range []string{"merchant", "Fnac", "up to 6.5 %", "· Livres", "none", "outcome ok", "leads to https://www.exemple.test/l?page=2"} {
		if !strings.Contains(stdout, s) {
			t.Errorf("the table doesn't say %q:\n%s", s, stdout)
		}
	}

	// A header field with a semicolon and commas in it is one field.
	linked := fileOf(t, "linked.yaml", strings.NewReplacer("?page={page}", "", `{param: page, until: ["link[rel=next] absent"]}`, `{next: "next()"}`).Replace(tryDefinition))
	_, stdout, _ = command(t, "", "portals", "try", linked, "--url", "https://www.exemple.test/l", "--page", page, "--header", `Link=</l?page=1>; rel="prev", </l?page=9>; rel="next"`, "--header", "X-Total=9")
	if !strings.Contains(stdout, "leads to https://www.exemple.test/l?page=9") {
		t.Errorf("the header's next page isn't found:\n%s", stdout)
	}

	help := fileOf(t, "aide.html", "<p>Les taux sont hors\n taxes.</p>")
	_, stdout, _ = command(t, "", "portals", "try", definition, "--url", "https://www.exemple.test/aide", "--page", help)
	if !strings.Contains(stdout, `phrase "hors  taxes": there`) {
		t.Errorf("the phrase isn't told:\n%s", stdout)
	}

	// A host without a definition is classified by the general rules.
	shell := fileOf(t, "shell.html", `<body><div id="root"></div><script src="/main.0a1b2c3d.js"></script></body>`)
	status, stdout, _ = command(t, "", "portals", "try", "--url", "https://nobody.test/shops", "--page", shell, "--json")
	if status != exitOK || !strings.Contains(stdout, `"outcome":"script_shell"`) {
		t.Errorf("status %d: %s", status, stdout)
	}

	for name, args := range map[string][]string{
		"no address":         {"portals", "try", definition, "--page", page},
		"not an address":     {"portals", "try", definition, "--url", "exemple", "--page", page},
		"no page":            {"portals", "try", definition, "--url", "https://www.exemple.test/l", "--page", page + "x"},
		"no such rule":       {"portals", "try", definition, "--url", "https://www.exemple.test/l", "--page", page, "--rule", "x"},
		"no such definition": {"portals", "try", definition + "x", "--url", "https://www.exemple.test/l", "--page", page},
		"a rule for nobody":  {"portals", "try", "--url", "https://nobody.test/", "--page", page, "--rule", "x"},
		"a wrong definition": {"portals", "try", page, "--url", "https://www.exemple.test/l", "--page", page},
	} {
		if status, stdout, stderr := command(t, "", args...); status != exitInvalid || stdout != "" || stderr == "" {
			t.Errorf("%s: status %d, %q, %q", name, status, stdout, stderr)
		}
	}
}

// TestNobodyToReach: no portal outside this machine is asked for anything before its
// operator could reach ours; that is said in one sentence, and nothing else.
func TestNobodyToReach(t *testing.T) {
	t.Setenv("CAGNOTTE_CONTACT", "")
	for contact, says := range map[string]string{
		"":        "can't be crawled before a contact is set: portals must be able to reach you (--contact, a URL or a mail address)",
		"nobody":  `"nobody" isn't a contact: give a URL (https://…) or a mail address`,
		"ftp://x": "isn't a contact",
	} {
		args := []string{"crawl", "mycashback-br", "--data", t.TempDir()}
		if contact != "" {
			args = append(args, "--contact", contact)
		}
		status, stdout, stderr := command(t, "", args...)
		if status != exitInvalid || stdout != "" || !strings.Contains(stderr, says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: status %d, %q, %q", contact, status, stdout, stderr)
		}
	}
}

// TestPortalsRemark: what isn't wrong but rarely meant is told, and is no fault.
func TestPortalsRemark(t *testing.T) {
	file := fileOf(t, "odd.yaml", strings.Replace(tryDefinition, "reward: {pick: [i]", "reward: {pick: [rate, i]", 1))
	status, stdout, stderr := command(t, "", "portals", "check", file)
	if status != exitOK || stdout == "" || !strings.Contains(stderr, `note: `) || !strings.Contains(stderr, `is the class .rate meant?`) {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
}

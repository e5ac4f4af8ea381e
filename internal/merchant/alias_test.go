package merchant

import (
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// TestAliases reads the alias data of this build, which checks every line, and
// counts it.
func TestAliases(t *testing.T) {
	r := rules(t)
	if r.aliases.count < 800 {
		t.Errorf("%d other names of shops are known, want at least 800", r.aliases.count)
	}
	t.Logf("%d other names of shops", r.aliases.count)
	for _, c := range []cashback.Country{"FR", "GB", "US", "DE", "ES", "IT", "BR", "PL", "NL"} {
		if len(r.aliases.sets[c]) == 0 {
			t.Errorf("no alias data for %s", c)
		}
	}
}

// TestAliasErrors holds that a wrong line is refused with its file and line.
func TestAliasErrors(t *testing.T) {
	for _, c := range []struct{ name, fr, all, want string }{
		{"alone", "Tartemp", "", "stands alone"},
		{"no kind", "Tartemp; Bidule", "", "needs to say what it is"},
		{"unknown kind", "Tartemp; Bidule [friend]", "", "needs to say what it is"},
		{"no year", "Tartemp; Bidule [rebrand]", "", "dated wrongly"},
		{"wrong month", "Tartemp; Bidule [rebrand 2019-13]", "", "dated wrongly"},
		{"year of initials", "Tartemp Bidule; TBX [initials 2019]", "", "dated wrongly"},
		{"present name with a remark", "Tartemp [short]; Bidule [rebrand 2019]", "", "the first name is the present one"},
		{"empty name", "Tartemp; ; Bidule [short]", "", "name 2 is empty"},
		{"unknown trade", "Tartemp {nonsense}; Bidule [short]", "", "is no trade"},
		{"late trade", "Tartemp; Bidule {fashion} [short]", "", "belongs behind the first name"},
		{"another country", "Tartemp; Tartemp Belgique [spelling]", "", "storefront of BE"},
		{"a country for everybody", "", "Tartemp; Bidule France [spelling]", "storefront of FR"},
		{"known without", "Tartemp; TARTEMP SAS [entity]", "", "only another spelling"},
		{"contradiction", "Tartemp; Bidule [short]\nMachin; Bidule [short]", "", "is a name of \"Tartemp\" already"},
		{"contradiction between files", "Machin; Bidule [short]", "Tartemp; Bidule [short]", "is a name of \"Tartemp\" already"},
		{"unknown section", "[friends]\nTartemp; Bidule [short]", "", "section [friends]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := shippedFiles(t)
			for name := range fsys {
				if strings.HasPrefix(name, "aliases/") {
					delete(fsys, name)
				}
			}
			fsys["aliases/all.txt"] = &fstest.MapFile{Data: []byte("# all\n" + c.all)}
			fsys["aliases/fr.txt"] = &fstest.MapFile{Data: []byte("# one\n\n" + c.fr)}
			_, err := readRules(fsys, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one that says %q", err, c.want)
			}
			if !strings.Contains(err.Error(), "aliases/fr.txt:") && !strings.Contains(err.Error(), "aliases/all.txt:2") {
				t.Errorf("%v doesn't say where", err)
			}
		})
	}
}

// TestLists: the trades of trades.txt are words of categories.txt, and a fault in a
// list is told with its place.
func TestLists(t *testing.T) {
	r := rules(t)
	for _, m := range []map[string]trade{r.soft, r.firm, r.strict} {
		for w, of := range m {
			if r.families[of.name] == 0 {
				t.Errorf("%q is of the trade %q, which is no word of categories.txt", w, of.name)
			}
		}
	}
	for _, c := range []struct{ file, text, want string }{
		{"legal", "[any]\ngmbh, sa\nsa", "words/legal.txt:3"},
		{"trades", "[soft]\nshoes schuhe", "words/trades.txt:2"},
		{"trades", "[soft]\nshoes: schuhe\n[firm]\nshoes: schuhe", "stands under [soft] already"},
		{"countries", "FR: .fr", "want CODE: domains: words"},
		{"grammar", "[verbs]\nto be", "a section [verbs] is not known"},
		{"spellings", "1: one\n2: one", "stands under \"1\" already"},
		{"hosts", "a.com, a.com", "stands here already"},
	} {
		fsys := shippedFiles(t)
		fsys["words/"+c.file+".txt"] = &fstest.MapFile{Data: []byte(c.text)}
		if _, err := readRules(fsys, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %q", c.file, c.text, err, c.want)
		}
	}
}

// shippedFiles are the files of this build, to be changed.
func shippedFiles(t testing.TB) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	for _, dir := range []string{"words", "aliases"} {
		list, err := files.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			data, err := files.ReadFile(path.Join(dir, l.Name()))
			if err != nil {
				t.Fatal(err)
			}
			out[path.Join(dir, l.Name())] = &fstest.MapFile{Data: data}
		}
	}
	return out
}

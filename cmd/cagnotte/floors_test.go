package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cagnotte/cagnotte/"

// floors is the allow-list of the house: which of our packages each package may
// import. A package that isn't listed fails the test, so a new room is a decision.
var floors = map[string][]string{
	"internal/cashback":   {},
	"internal/background": {},
	"internal/strictyaml": {"internal/cashback"},
	"internal/reward":     {"internal/cashback"},
	"internal/merchant":   {"internal/cashback"},
	"internal/rank":       {"internal/cashback"},
	"internal/earnings":   {"internal/cashback", "internal/strictyaml"},
	"internal/account":    {"internal/cashback"},
	"internal/schedule":   {"internal/cashback"},
	"crawler/portal":      {"internal/cashback", "internal/strictyaml", "internal/reward"},
	"crawler/definitions": {
		"internal/cashback", "crawler/portal",
	},
	"internal/store": {
		"internal/cashback", "internal/reward", "internal/merchant", "internal/rank", "internal/earnings", "internal/account", "internal/schedule",
	},
	"index":        {"internal/cashback", "internal/rank", "internal/merchant"},
	"crawler/gate": {"internal/cashback"},
	"crawler/fetch": {
		"internal/cashback",
	},
	"crawler": {
		"internal/cashback", "internal/reward", "internal/merchant", "internal/schedule",
		"crawler/portal", "crawler/fetch", "crawler/definitions", "crawler/gate",
	},
	"web": {
		"internal/cashback", "internal/reward", "internal/merchant", "internal/rank", "internal/earnings", "internal/account", "internal/schedule",
		"internal/store", "index", "crawler", "crawler/portal",
	},
	"internal/portaltest": {"internal/cashback"},
	"cmd/cagnotte": {
		"internal/cashback", "internal/reward", "internal/merchant", "internal/rank", "internal/earnings", "internal/account", "internal/schedule",
		"internal/background", "internal/store", "index", "crawler", "crawler/fetch", "crawler/gate", "crawler/portal", "crawler/definitions", "web", "internal/portaltest",
	},
}

// wardens names the only packages that may know a library, with its prefix.
var wardens = map[string][]string{
	"go.etcd.io/bbolt":          {"internal/store"},
	"github.com/blevesearch/":   {"index"},
	"github.com/gocolly/colly/": {"crawler", "crawler/fetch"},
}

// TestFloors holds the direction of the arrows: imports only go downwards, and
// only one room knows each engine.
func TestFloors(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		room := strings.TrimPrefix(p.ImportPath, module)
		// A room within a room (web/pages in web) shares its floor.
		home := room
		for home != "" {
			if _, ok := floors[home]; ok {
				break
			}
			cut := strings.LastIndexByte(home, '/')
			home = home[:max(cut, 0)]
		}
		allowed, ok := floors[home]
		if !ok {
			t.Errorf("%s stands in no floor: add it to the list, and to the map in the README", room)
			continue
		}
		for _, imp := range p.Imports {
			if other, ours := strings.CutPrefix(imp, module); ours && other != home && !strings.HasPrefix(other, home+"/") && !slices.Contains(allowed, other) && !within(allowed, other) {
				t.Errorf("%s imports %s, which is not below it", room, other)
			}
		}
		for _, imp := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for prefix, rooms := range wardens {
				if strings.HasPrefix(imp+"/", prefix) && !slices.Contains(rooms, home) {
					t.Errorf("%s imports %s: only %v may know it", room, imp, rooms)
				}
			}
		}
	}
}

// within says whether other is a room inside an allowed room whose own floor is
// not stated apart.
func within(allowed []string, other string) bool {
	if _, own := floors[other]; own {
		return false
	}
	return slices.ContainsFunc(allowed, func(a string) bool { return strings.HasPrefix(other, a+"/") })
}

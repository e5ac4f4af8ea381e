// Package definitions holds the shipped portal definitions, one YAML file each.
//
// Its one invariant: each file loads, its id is its name, and no two claim the
// same host; a test holds it.
package definitions

import (
	"embed"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

//go:embed *.yaml
var files embed.FS

// All loads the shipped definitions, in the order of their ids.
func All() ([]*portal.Definition, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, err
	}
	out := make([]*portal.Definition, 0, len(names))
	for _, name := range names {
		d, err := Named(strings.TrimSuffix(name, path.Ext(name)))
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// Named loads the shipped definition of a portal.
func Named(id string) (*portal.Definition, error) {
	b, err := files.ReadFile(id + ".yaml")
	if err != nil {
		return nil, cashback.Errorf(cashback.NotFound, "there is no shipped definition %q", id)
	}
	return portal.Load(id+".yaml", b)
}

// For loads the shipped definition of the portal on an address's host, with or
// without www.; nil where there is none.
func For(address string) (*portal.Definition, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil
	}
	all, err := All()
	if err != nil {
		return nil, err
	}
	host := strings.TrimPrefix(strings.ToLower(u.Host), "www.")
	for _, d := range all {
		for _, h := range d.Hosts() {
			if strings.TrimPrefix(h, "www.") == host {
				return d, nil
			}
		}
	}
	return nil, nil
}

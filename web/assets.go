package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are the embedded files under addresses that hold their hash, so that a
// browser keeps them for ever and never sees an old one.
type assets struct {
	byName map[string]*reply // "site.5f3a9c0b12de.css"
	hashed map[string]string // "site.css" -> "site.5f3a9c0b12de.css"
	// all is a hash over everything: a new build means new ETags.
	all string
}

var assetKinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadAssets() (*assets, error) {
	a := &assets{byName: map[string]*reply{}, hashed: map[string]string{}}
	sum := sha256.New()
	files, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		body, err := assetFiles.ReadFile("assets/" + f.Name())
		if err != nil {
			return nil, err
		}
		ext := path.Ext(f.Name())
		kind := assetKinds[ext]
		if kind == "" {
			return nil, fmt.Errorf("the asset %s has a type that the table doesn't know", f.Name())
		}
		h := sha256.Sum256(body)
		sum.Write(h[:])
		name := strings.TrimSuffix(f.Name(), ext) + "." + hex.EncodeToString(h[:6]) + ext
		a.hashed[f.Name()] = name
		a.byName[name] = &reply{kind: kind, body: body}
	}
	a.all = hex.EncodeToString(sum.Sum(nil)[:6])
	return a, nil
}

// url is the address of an asset.
func (a *assets) url(name string) string { return "/assets/" + a.hashed[name] }

func (s *Server) asset(v *visit) (*reply, error) {
	rep := s.assets.byName[v.param("name")]
	if rep == nil {
		return nil, fault{http.StatusNotFound, "error.not_found", nil}
	}
	return rep, nil
}

// favicon answers browsers that ask for the old address.
func (s *Server) favicon(*visit) (*reply, error) { return seeOther(s.assets.url("mark.svg")), nil }

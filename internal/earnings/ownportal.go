package earnings

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// PortalKind is the kind of the documents that hold a person's own portals: those at which
// they earn and of which this instance has no definition. Their names are the portals' ids.
const PortalKind = "portal"

// ownSuffix sets the ids of own portals apart from those of definitions.
const ownSuffix = "-own"

// maxPortalName bounds a portal's name.
const maxPortalName = 60

// ownPortal is what is kept of one.
type ownPortal struct {
	Name string `json:"name"`
}

// OwnPortal is a portal of the person's own, by its name. Its id begins with the name, so
// that import rules for portals of that name ("shoop-*") are for it.
//
// Errors: Invalid for a name that is empty or too long.
func OwnPortal(name string) (cashback.Portal, Document, error) {
	name = strings.Join(strings.Fields(name), " ")
	if n := len([]rune(name)); n == 0 || n > maxPortalName || strings.ContainsFunc(name, unicode.IsControl) {
		return cashback.Portal{}, Document{}, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "name"}, "a portal needs a name of at most %d letters", maxPortalName)
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(name)) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case !unicode.Is(unicode.Mn, r) && !strings.HasSuffix(b.String(), "-") && b.Len() > 0:
			b.WriteByte('-')
		}
	}
	id := strings.Trim(b.String(), "-")
	if len(id) < 2 {
		sum := sha256.Sum256([]byte(name)) // a name in another script
		id = "p" + hex.EncodeToString(sum[:5])
	}
	id = strings.Trim(id[:min(len(id), 40)], "-") + ownSuffix
	body, err := json.Marshal(ownPortal{name})
	return cashback.Portal{ID: id, Name: name}, Document{Kind: PortalKind, Name: id, Body: body}, err
}

// OwnPortals are those that documents hold; what can't be read is passed over.
func OwnPortals(documents []Document) (out []cashback.Portal) {
	for _, d := range documents {
		var p ownPortal
		if d.Kind == PortalKind && strings.HasSuffix(d.Name, ownSuffix) && json.Unmarshal(d.Body, &p) == nil && p.Name != "" {
			out = append(out, cashback.Portal{ID: d.Name, Name: p.Name})
		}
	}
	return out
}

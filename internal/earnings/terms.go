package earnings

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Terms are what a portal promised at the moment of a click, with where and when that
// was read: the evidence for a claim.
type Terms struct {
	Frozen time.Time `json:"frozen"`
	// Portal and its facts as they were stated then: how long tracking and validation
	// take, when claims are taken.
	Portal     string         `json:"portal"`
	PortalName string         `json:"portal_name"`
	Facts      cashback.Facts `json:"facts"`
	// Offer has rate, tiers, conditions, and a receipt with the raw text, the page's
	// URL, time and hash.
	Offer cashback.Offer `json:"offer"`
	Shop  string         `json:"shop"`
	// Link is where the shopper was sent.
	Link string `json:"link,omitempty"`
}

// MaxTerms bounds frozen terms: a portal's longest conditions stay far below it.
const MaxTerms = 256 << 10

// Evidence is frozen terms as they are kept: a JSON document, and its SHA-256, which
// anybody can recompute with sha256sum.
type Evidence struct {
	Hash     string
	Document []byte
}

// Freeze makes evidence of terms.
func (t Terms) Freeze() (Evidence, error) {
	t.Frozen = t.Frozen.UTC()
	doc, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return Evidence{}, cashback.Errorf(cashback.Internal, "freeze terms: %w", err)
	}
	if len(doc) > MaxTerms {
		return Evidence{}, cashback.Errorf(cashback.Invalid, "the terms have %d bytes, more than the %d that are kept", len(doc), MaxTerms)
	}
	return EvidenceOf(doc), nil
}

// EvidenceOf is evidence of a document that Freeze has made.
func EvidenceOf(document []byte) Evidence {
	h := sha256.Sum256(document)
	return Evidence{Hash: hex.EncodeToString(h[:]), Document: document}
}

// Terms reads the document; Invalid where it isn't what its hash says.
func (e Evidence) Terms() (t Terms, err error) {
	if EvidenceOf(e.Document).Hash != e.Hash {
		return t, cashback.Errorf(cashback.Invalid, "the evidence %.8s… doesn't have the hash it is kept under", e.Hash)
	}
	if err := json.Unmarshal(e.Document, &t); err != nil {
		return t, cashback.Errorf(cashback.Invalid, "the evidence %.8s… can't be read: %w", e.Hash, err)
	}
	return t, nil
}

// Import is one file or pasted table that was read into a ledger.
type Import struct {
	// Hash is the SHA-256 of what was read, in hexadecimal.
	Hash string    `json:"hash" cbor:"1,keyasint"`
	At   time.Time `json:"at" cbor:"2,keyasint"`
	Rule string    `json:"rule" cbor:"3,keyasint"`
	Name string    `json:"name,omitempty" cbor:"4,keyasint,omitempty"`
	// Lines were read; of the events that follow from them Added are new, Known were
	// there already.
	Lines int `json:"lines" cbor:"5,keyasint"`
	Added int `json:"added" cbor:"6,keyasint"`
	Known int `json:"known" cbor:"7,keyasint"`
}

// Document is something small of a person that other rooms understand: a mapping of
// columns, an answer that was given once.
type Document struct {
	Kind    string    `json:"kind" cbor:"1,keyasint"`
	Name    string    `json:"name" cbor:"2,keyasint"`
	Body    []byte    `json:"body" cbor:"3,keyasint"`
	Changed time.Time `json:"changed" cbor:"4,keyasint"`
}

// AsideKind is the kind of the one document that holds what a person has put aside: the ids
// of alerts, the latest last.
const AsideKind = "aside"

// MaxAside is how many alerts stay put aside; the oldest come back.
const MaxAside = 1000

// MaxDocument bounds a document, MaxDocuments how many a person has (RELIABILITY.md
// WA29).
const (
	MaxDocument  = 64 << 10
	MaxDocuments = 500
)

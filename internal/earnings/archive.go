package earnings

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Archive is everything of a person, as it goes from one instance to another.
type Archive struct {
	// Account is the account's JSON: another room's, carried as it is.
	Account  json.RawMessage
	Events   []Event
	Evidence []Evidence
	Imports  []Import
	// Documents are mappings and the like.
	Documents []Document
	// Merchants are those that events name: numbers mean something only where they
	// were given out, so another instance looks for the same shops (Archive.Renumber).
	Merchants []cashback.Merchant
}

// archiveVersion is written into the manifest; a reader refuses later ones.
const archiveVersion = 2

// manifest says what an archive is and holds the hash of every other file.
type manifest struct {
	Format  string            `json:"format"`
	Version int               `json:"version"`
	Events  int               `json:"events"`
	Files   map[string]string `json:"files"` // name: SHA-256 in hexadecimal
}

const archiveFormat = "cagnotte-archive"

// Names of an archive's files. balances.json, purchases.csv and ledger.journal are for
// people and other programs; a reader folds the events anew and compares the balances.
const (
	manifestFile  = "manifest.json"
	accountFile   = "account.json"
	eventsFile    = "events.jsonl"
	balancesFile  = "balances.json"
	importsFile   = "imports.json"
	documentsFile = "documents.json"
	merchantsFile = "merchants.json"
	tableFile     = "purchases.csv"
	journalFile   = "ledger.journal"
	evidenceDir   = "evidence/"
)

// Write writes the archive as a ZIP. The same ledger gives the same bytes.
func (a Archive) Write(w io.Writer) error {
	l, err := Replay(a.Events)
	if err != nil {
		return err
	}
	type part struct {
		name string
		data []byte
	}
	var parts []part
	write := func(name string, f func(io.Writer) error) {
		var b bytes.Buffer
		if err == nil {
			err = f(&b)
		}
		parts = append(parts, part{name, b.Bytes()})
	}
	document := func(name string, v any) {
		write(name, func(w io.Writer) error {
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			return enc.Encode(v)
		})
	}
	if a.Account != nil {
		document(accountFile, a.Account)
	}
	write(eventsFile, func(w io.Writer) error { return WriteEvents(w, a.Events) })
	document(balancesFile, append([]Balance{}, l.Balances()...))
	document(importsFile, append([]Import{}, a.Imports...))
	document(documentsFile, append([]Document{}, a.Documents...))
	document(merchantsFile, append([]cashback.Merchant{}, a.Merchants...))
	write(tableFile, func(w io.Writer) error { return WriteCSV(w, l.Purchases()) })
	write(journalFile, func(w io.Writer) error { return WriteJournal(w, a.Events) })
	for _, e := range a.Evidence {
		parts = append(parts, part{evidenceDir + e.Hash + ".json", e.Document})
	}
	m := manifest{Format: archiveFormat, Version: archiveVersion, Events: len(a.Events), Files: map[string]string{}}
	for _, p := range parts {
		h := sha256.Sum256(p.data)
		m.Files[p.name] = hex.EncodeToString(h[:])
	}
	document(manifestFile, m)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	for _, p := range slices.Concat(parts[len(parts)-1:], parts[:len(parts)-1]) {
		f, err := z.CreateHeader(&zip.FileHeader{Name: p.name, Method: zip.Deflate}) // without a time
		if err != nil {
			return err
		}
		if _, err := f.Write(p.data); err != nil {
			return err
		}
	}
	return z.Close()
}

// ArchiveLimits bound what an archive may be (RELIABILITY.md WA17).
type ArchiveLimits struct {
	Files int
	Bytes int64 // of all files, decoded
}

// OwnArchive are the limits for an archive that the machine's own user names.
var OwnArchive = ArchiveLimits{Files: 110_000, Bytes: 2 << 30}

// ReadArchive reads what Write wrote: every file is the one of the manifest, the chain of
// hashes holds, and the balances are those that the events make.
func ReadArchive(r io.ReaderAt, size int64, limits ArchiveLimits) (a Archive, err error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return a, cashback.Errorf(cashback.Invalid, "this is not a ZIP archive: %w", err)
	}
	if len(z.File) > limits.Files {
		return a, cashback.Errorf(cashback.Invalid, "the archive has %d files, more than %d", len(z.File), limits.Files)
	}
	left := limits.Bytes
	read := func(f *zip.File) ([]byte, error) {
		c, err := f.Open()
		if err != nil {
			return nil, at(f.Name, err)
		}
		defer func() { _ = c.Close() }() // it was only read
		// The header may say anything about the size.
		b, err := io.ReadAll(io.LimitReader(c, left+1))
		if err != nil {
			return nil, at(f.Name, err)
		}
		if left -= int64(len(b)); left < 0 {
			return nil, cashback.Errorf(cashback.Invalid, "the archive holds more than %d bytes", limits.Bytes)
		}
		return b, nil
	}
	var m manifest
	files := map[string]*zip.File{}
	for _, f := range z.File {
		if files[f.Name] != nil {
			return a, cashback.ErrorAt(cashback.Invalid, cashback.Place{File: short(f.Name)}, "it is twice in the archive")
		}
		files[f.Name] = f
	}
	part := func(name string, v any) error {
		f := files[name]
		if f == nil {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: name}, "it is missing in the archive")
		}
		b, err := read(f)
		if err != nil {
			return err
		}
		if h := sha256.Sum256(b); name != manifestFile && m.Files[name] != hex.EncodeToString(h[:]) {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: short(name)}, "it doesn't have the hash that the manifest states")
		}
		if raw, ok := v.(*[]byte); ok {
			*raw = b
			return nil
		}
		if err := json.Unmarshal(b, v); err != nil {
			return at(name, err)
		}
		return nil
	}
	if err := part(manifestFile, &m); err != nil {
		return a, err
	}
	if m.Format != archiveFormat || m.Version > archiveVersion {
		return a, cashback.Errorf(cashback.Invalid, "the archive is %.30q of version %d; this program reads %s up to version %d", m.Format, m.Version, archiveFormat, archiveVersion)
	}
	var balances []Balance
	var events []byte
	for name, v := range map[string]any{eventsFile: &events, balancesFile: &balances, importsFile: &a.Imports, documentsFile: &a.Documents, merchantsFile: &a.Merchants} {
		if err := part(name, v); err != nil {
			return a, err
		}
	}
	if files[accountFile] != nil {
		if err := part(accountFile, &a.Account); err != nil {
			return a, err
		}
	}
	l, err := ReadEvents(bytes.NewReader(events))
	if err != nil {
		return a, at(eventsFile, err)
	}
	if a.Events = l.events; len(balances) > 0 && !reflect.DeepEqual(balances, l.Balances()) {
		return a, cashback.ErrorAt(cashback.Invalid, cashback.Place{File: balancesFile}, "the balances aren't those that the events make")
	}
	for _, f := range z.File {
		name, ok := strings.CutPrefix(f.Name, evidenceDir)
		if !ok {
			continue
		}
		var e Evidence
		if err := part(f.Name, &e.Document); err != nil {
			return a, err
		}
		e.Hash = strings.TrimSuffix(path.Base(name), ".json")
		if _, err := e.Terms(); err != nil {
			return a, at(f.Name, err)
		}
		a.Evidence = append(a.Evidence, e)
	}
	slices.SortFunc(a.Evidence, func(a, b Evidence) int { return cmp.Compare(a.Hash, b.Hash) })
	return a, nil
}

func at(name string, err error) error {
	kind := cashback.KindOf(err)
	if kind == cashback.Internal {
		kind = cashback.Invalid // the archive's fault
	}
	return cashback.ErrorAt(kind, cashback.Place{File: short(name)}, "%w", err)
}

func short(s string) string { return fmt.Sprintf("%.60s", s) }

// Renumber gives the events the merchants' numbers of another instance; find returns 0
// for a shop that isn't known there, whose name stays with the purchase. Where all
// numbers are the same the events stay as they are, byte for byte; else they are
// chained anew, since a number is part of what is hashed.
func (a *Archive) Renumber(find func(cashback.Merchant) cashback.MerchantID) error {
	table := map[cashback.MerchantID]cashback.MerchantID{}
	for _, m := range a.Merchants {
		table[m.ID] = find(m)
	}
	l, same := NewLedger(), true
	for _, e := range a.Events {
		same = same && e.Merchant == table[e.Merchant]
		e.Merchant = table[e.Merchant]
		if _, _, err := l.Append(e, e.Recorded); err != nil {
			return err
		}
	}
	if !same {
		a.Events = l.events
	}
	return nil
}

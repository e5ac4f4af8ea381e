package earnings

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// WriteEvents writes a ledger as JSON lines: the form that ReadEvents takes back.
func WriteEvents(w io.Writer, events []Event) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	return b.Flush()
}

// MaxEvents bounds an import of a ledger: a person who shops ten times a day for a
// lifetime stays below it.
const MaxEvents = 1_000_000

// ReadEvents reads what WriteEvents wrote and folds it; the chain of hashes must
// hold. Errors name the line.
func ReadEvents(r io.Reader) (*Ledger, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var events []Event
	for line := 1; ; line++ {
		var e Event
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return Replay(events)
		}
		if err != nil {
			return nil, cashback.ErrorAt(cashback.Invalid, cashback.Place{Line: line}, "not an event of a ledger: %v", err)
		}
		if len(events) == MaxEvents {
			return nil, cashback.ErrorAt(cashback.Invalid, cashback.Place{Line: line}, "more than %d events", MaxEvents)
		}
		events = append(events, e)
	}
}

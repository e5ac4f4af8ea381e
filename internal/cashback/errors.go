package cashback

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what sort of thing went wrong, so that each edge (exit status, HTTP
// status, run report) can translate it in one table.
type Kind uint8

const (
	// Internal is everything nobody foresaw; users see a general sentence and a
	// request id, the detail goes to the log.
	Internal Kind = iota
	// NotFound also stands for what the asker may not know exists.
	NotFound
	// Invalid is input that can't be accepted; its message says what is allowed.
	Invalid
	// Conflict is an idempotency key or a state that contradicts the input.
	Conflict
	// Forbidden is a known asker without the right.
	Forbidden
	// Unavailable is a resource that is busy or down, now; trying later may help.
	Unavailable
	// Locked is a data folder that another process holds (exit status 73).
	Locked
	// DiskFailed is storage that can't be written; nothing more is acknowledged
	// (exit status 74).
	DiskFailed
)

var kindNames = [...]string{"internal", "not_found", "invalid", "conflict", "forbidden", "unavailable", "locked", "disk_failed"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "internal"
}

// Place is where in an input something is wrong. Line and Column count from 1;
// zero means that they don't apply.
type Place struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Field  string `json:"field,omitempty"`
}

func (p Place) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		if b.Len() > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	if p.Field != "" {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(p.Field)
	}
	return b.String()
}

// Error is an error with a kind, one clear sentence for a person, and the place
// of the fault in the input where there is one.
type Error struct {
	Kind    Kind
	Message string
	Place   Place
	Err     error
}

func (e *Error) Error() string {
	s := e.Message
	if p := e.Place.String(); p != "" {
		s = p + ": " + s
	}
	if e.Err != nil {
		if t := e.Err.Error(); t != "" {
			s += ": " + t
		}
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind; a %w operand stays reachable by errors.Is.
func Errorf(kind Kind, format string, args ...any) error {
	w := fmt.Errorf(format, args...)
	e := &Error{Kind: kind, Message: w.Error()}
	if cause := errors.Unwrap(w); cause != nil {
		e.Err = &silent{cause}
	}
	return e
}

// ErrorAt is Errorf with the place of the fault.
func ErrorAt(kind Kind, at Place, format string, args ...any) error {
	err := Errorf(kind, format, args...).(*Error)
	err.Place = at
	return err
}

// silent keeps a wrapped error in the chain without printing it twice: its text
// already stands in the message.
type silent struct{ err error }

func (s *silent) Error() string { return "" }
func (s *silent) Unwrap() error { return s.err }

// Wrap adds what was attempted to a non-nil error, once per layer:
//
//	defer cashback.Wrap(&err, "publish run %s", id)
func Wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), *err)
	}
}

// KindOf returns the kind of the outermost Error in err's chain, or Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

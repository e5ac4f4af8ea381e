package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
)

type rankCmd struct {
	Case string `help:"A case as JSON (RANKING.md), or - for stdin; the answer is JSON too. Needs no data folder." placeholder:"FILE" required:""`
}

// Run prints the answer of a case in the form of its "expect".
func (r rankCmd) Run(w *world) error {
	data, err := readCase(w, r.Case)
	if err != nil {
		return err
	}
	c, err := rank.Decode(data)
	if err != nil {
		return err
	}
	answer, err := rank.Rank(c)
	if err != nil {
		return err
	}
	out := json.NewEncoder(w.stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	return out.Encode(answer)
}

// readCase reads a file, or stdin for "-", and no more of it than may be a case.
func readCase(w *world, name string) ([]byte, error) {
	in := w.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, unreadable(name, err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, rank.MaxCaseBytes+1))
	if err != nil {
		return nil, unreadable(name, err)
	}
	return data, nil
}

// unreadable says why without the system's words around it: the name is told once.
func unreadable(name string, err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: name}, "the case can't be read: %w", err)
}

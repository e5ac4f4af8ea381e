package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/reward"
)

type rewardCmd struct {
	Parse rewardParseCmd `cmd:"" help:"Read reward texts: a JSON object {text, locale} a line in, what it says a line out."`
}

type rewardParseCmd struct{}

// maxRewardLine bounds a line of input: far more than any text on a tile, and
// little enough for a slip such as a whole page to be refused.
const maxRewardLine = 1 << 20

// rewardLine is a line of the input of `reward parse`. All but the text may be
// absent.
type rewardLine struct {
	Text           *string `json:"text"`
	Locale         string  `json:"locale"`
	Currency       string  `json:"currency"`
	PointsCurrency string  `json:"points_currency"`
	Field          string  `json:"field"`
}

// Run answers each line with a reward.Summary, in order. A line that isn't such
// an object ends the run with its number and exit status 2; what came before it
// has been answered.
func (rewardParseCmd) Run(w *world) (err error) {
	in := bufio.NewScanner(w.stdin)
	in.Buffer(make([]byte, 64<<10), maxRewardLine)
	out := bufio.NewWriter(w.stdout)
	defer func() { err = errors.Join(err, out.Flush()) }()
	answers := json.NewEncoder(out)
	answers.SetEscapeHTML(false)
	n := 0
	for in.Scan() {
		n++
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		text, c, err := readRewardLine(in.Bytes(), n)
		if err != nil {
			return err
		}
		if err := answers.Encode(reward.Summarise(reward.Parse(text, c))); err != nil {
			return err
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{Line: n + 1}, "the line is longer than %d bytes: give one text a line", maxRewardLine)
	}
	return in.Err()
}

var rewardFields = map[string]reward.Field{"": reward.Rate, "rate": reward.Rate, "coupon": reward.Coupon, "label": reward.Label}

func readRewardLine(line []byte, n int) (string, reward.Context, error) {
	at := cashback.Place{Line: n}
	var l rewardLine
	dec := json.NewDecoder(bytes.NewReader(line))
	err := dec.Decode(&l)
	if err == nil && dec.More() {
		err = errors.New("more than one value")
	}
	if err != nil || l.Text == nil {
		var wrong *json.UnmarshalTypeError
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			err = errors.New("the object is cut off")
		case errors.As(err, &wrong) && wrong.Field != "":
			err = fmt.Errorf("%s is a %s, and has to be a text", wrong.Field, wrong.Value)
		case errors.As(err, &wrong):
			err = fmt.Errorf("a %s is no object", wrong.Value)
		}
		if err == nil {
			err = errors.New("no text in it")
		}
		return "", reward.Context{}, cashback.ErrorAt(cashback.Invalid, at, `write a JSON object such as {"text": "5%%", "locale": "fr-FR"}: %v`, err)
	}
	field, known := rewardFields[l.Field]
	if !known {
		at.Field = "field"
		return "", reward.Context{}, cashback.ErrorAt(cashback.Invalid, at, "%q is not a field: use rate, coupon or label", l.Field)
	}
	c := reward.Context{Locale: l.Locale, PointsCurrency: l.PointsCurrency, Field: field}
	if l.Currency != "" {
		if c.Currency, err = cashback.ParseCurrency(l.Currency); err != nil {
			at.Field = "currency"
			return "", reward.Context{}, cashback.ErrorAt(cashback.Invalid, at, "%v", err)
		}
	}
	return *l.Text, c, nil
}

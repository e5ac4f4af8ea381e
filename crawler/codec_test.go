package crawler

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// fill gives every field of v another value that isn't zero, so that a field which
// the codec forgets is missed.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString("s" + string(rune('a'+*n%26)) + string(rune('a'+*n/26%26)))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), n)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[decimal.Decimal]() {
			v.Set(reflect.ValueOf(decimal.MustNew(int64(*n), 3)))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), n)
			}
		}
	default:
		panic("a field of kind " + v.Kind().String() + " needs a place in the codec and here")
	}
}

var exactly = cmp.Comparer(func(a, b decimal.Decimal) bool { return a == b })

func TestDraftsSurvive(t *testing.T) {
	var full draft
	n := 0
	fill(reflect.ValueOf(&full.Offer).Elem(), &n)
	full.Tiered, full.Key = true, "key"
	// What the stage leaves to the page, the store, and the gate.
	full.Offer.Merchant, full.Offer.MissedRuns = 0, 0
	full.Offer.Receipt = cashback.Receipt{RawText: "raw"}
	for _, want := range [][]draft{nil, {{}}, {full}, {full, {}, full}} {
		var w writer
		w.drafts(want)
		got, err := (&reader{b: w.b}).drafts()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, exactly); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		for cut := range w.b { // a part is never taken for the whole
			if got, err := (&reader{b: w.b[:cut]}).drafts(); err == nil {
				t.Fatalf("%d of %d bytes give %d drafts", cut, len(w.b), len(got))
			}
		}
	}
}

func FuzzDrafts(f *testing.F) {
	var w writer
	w.drafts([]draft{{Key: "k", Offer: cashback.Offer{Tiers: []cashback.Tier{{Components: []cashback.Component{{Value: decimal.MustParse("1.5")}}}}}}})
	f.Add(w.b)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := (&reader{b: b}).drafts()
		if err != nil {
			return
		}
		var w writer
		w.drafts(got)
		again, err := (&reader{b: w.b}).drafts()
		if err != nil || !cmp.Equal(got, again, exactly) {
			t.Fatalf("%v after %v", err, bytes.Equal(b, w.b))
		}
	})
}

package store

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// fill puts something into every field of a value, so that a field which a codec
// forgets is seen.
func fill(rng *rand.Rand, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *cashback.Decimal:
		*x = decimal.MustNew(int64(1+rng.IntN(99999)), rng.IntN(4))
		return
	case *cashback.NullDecimal:
		*x = cashback.Some(decimal.MustNew(int64(1+rng.IntN(99999)), rng.IntN(4)))
		return
	case *time.Time:
		*x = time.Unix(int64(rng.IntN(2e9)), int64(rng.IntN(1e9))).UTC()
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("%x", rng.Int64()))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(1 + rng.IntN(1<<20)))
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(1 + rng.IntN(1<<15)))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(rng, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+rng.IntN(3), 3))
		for i := range v.Len() {
			fill(rng, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(rng, v.Field(i))
		}
	default:
		panic("nothing to fill " + v.Type().String() + " with")
	}
}

// Every field of an offer comes back: one that a colleague adds to the noun, and that
// the records don't carry, fails here.
func TestNoFieldOfAnOfferIsLost(t *testing.T) {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(1, 1))
	c := newClock()
	s := openStore(t, t.TempDir(), options(c))
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		t.Fatal(err)
	}
	var o cashback.Offer
	fill(rng, reflect.ValueOf(&o).Elem())
	o.Receipt.Portal, o.Status, o.Merchant = "a.fr", cashback.Unverified, 7
	o.Entry.Link = o.Entry.Key + "/visit"
	p := publish("a.fr", "a-1", c.at, o)
	o.Receipt.Run = "a-1"
	o.MissedRuns, o.Receipt.InForceSince = 0, o.Receipt.ReadAt // the store's own
	mustPublish(t, s, p)
	got, err := s.As(Operator).PortalOffers(ctx, "a.fr")
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], o) {
		t.Errorf("got\n%+v\nwant\n%+v (%v)", got, o, err)
	}
	changes, _, err := s.As(Operator).Changes(ctx, 0, 10)
	if err != nil || len(changes) != 3 || !reflect.DeepEqual(*changes[1].After, o) {
		t.Errorf("change: %+v, %v", changes, err)
	}
}

// The hand-written decoder and the library agree on every record, whatever is left
// out of it; what the hand doesn't know, it leaves to the library.
func TestHotDecoding(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range share(500, 1_000_000) {
		var l listing
		var p pageRecord
		fill(rng, reflect.ValueOf(&l.entryRecord).Elem())
		l.Offer = new(offerRecord)
		for i := range reflect.TypeOf(*l.Offer).NumField() {
			if f := reflect.ValueOf(l.Offer).Elem().Field(i); rng.IntN(2) == 0 && f.Type() != reflect.TypeOf(&reading{}) {
				fill(rng, f)
			}
		}
		l.Last = rng.Uint64N(1 << 40)
		p.URL, p.ReadAt, p.Hash, p.Run = fmt.Sprint(rng.Int64()), rng.Int64()-1<<62, []byte{byte(rng.Int())}, "r"
		l.Offer.Own = &reading{ReadAt: p.ReadAt, Text: "t", Version: strings.Repeat("é", rng.IntN(200))}
		compareDecoders(t, encoded(&l), &listing{}, &listing{}, true)
		compareDecoders(t, encoded(&p), &pageRecord{}, &pageRecord{}, true)
		var bought purchaseRecord
		for i := range reflect.TypeOf(bought).NumField() {
			if f := reflect.ValueOf(&bought).Elem().Field(i); rng.IntN(2) == 0 || f.Kind() == reflect.Slice {
				fill(rng, f)
			}
		}
		compareDecoders(t, encoded(&bought), &purchaseRecord{}, &purchaseRecord{}, true)
		if e := new(entryRecord); !hot(encoded(&l), e) || *e != l.entryRecord {
			t.Fatalf("the entry alone: %+v", e)
		}
	}
	// A field of a later program.
	later := encoded(map[int]any{1: "key", 2: "name", 99: "news"})
	compareDecoders(t, later, &listing{}, &listing{}, false)
	compareDecoders(t, later, &purchaseRecord{}, &purchaseRecord{}, false)
}

func compareDecoders(t *testing.T, payload []byte, byHand, byLibrary any, must bool) {
	t.Helper()
	ok := hot(payload, byHand)
	err := decoding.Unmarshal(payload, byLibrary)
	if must && (!ok || err != nil) {
		t.Fatalf("by hand: %v, by the library: %v", ok, err)
	}
	if ok && (err != nil || !bytes.Equal(encoded(byHand), encoded(byLibrary))) {
		t.Fatalf("by hand\n%+v\nby the library\n%+v (%v)", byHand, byLibrary, err)
	}
}

// FuzzHotDecoding: on any bytes at all the hand either agrees or gives up.
func FuzzHotDecoding(f *testing.F) {
	var l listing
	fill(rand.New(rand.NewPCG(3, 3)), reflect.ValueOf(&l.entryRecord).Elem())
	l.Offer = &offerRecord{Tiers: []cashback.Tier{{Components: []cashback.Component{{Kind: cashback.Percent, Value: dec("6.5")}}}}, RawText: "6,5 %"}
	f.Add(encoded(&l))
	f.Add(encoded(&pageRecord{URL: "u", reading: reading{ReadAt: 5, Hash: []byte{1, 2}}}))
	f.Add(encoded(&purchaseRecord{Portal: "p", State: earnings.StatePaid, Amount: eur(5), Since: []int64{0, 7}, Events: []uint64{1, 1 << 40}}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		compareDecoders(t, payload, &purchaseRecord{}, &purchaseRecord{}, false)
		compareDecoders(t, payload, &listing{}, &listing{}, false)
		compareDecoders(t, payload, &pageRecord{}, &pageRecord{}, false)
	})
}

func TestNewerDataIsRefused(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	o := options(newClock())
	o.schema, o.migrations = schemaVersion+1, []migration{func(*tx) error { return nil }}
	s, err := Open(ctx, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(ctx, dir, options(newClock()))
	if cashback.KindOf(err) != cashback.Invalid || !strings.Contains(err.Error(), "version 2") {
		t.Fatalf("newer data: %v", err)
	}
	_, err = Check(ctx, dir, options(newClock()))
	if cashback.KindOf(err) != cashback.Invalid {
		t.Fatalf("a check of newer data: %v", err)
	}
	for range 2 { // neither attempt has touched it, but for bbolt's own closing line
		s, err := Open(ctx, dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(before) == 0 {
		t.Fatal("nothing was written")
	}
}

func TestMigrationsRunInOrder(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	c := newClock()
	s, err := Open(ctx, dir, options(c))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveHost(ctx, "a.fr", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	step := func(from, to string) migration {
		return func(tx *tx) error {
			v, err := tx.raw(hostsBucket, []byte("a.fr"))
			if err != nil || string(v) != from {
				return fmt.Errorf("found %q, want %q (%v)", v, from, err)
			}
			return tx.putRaw(hostsBucket, []byte("a.fr"), []byte(to))
		}
	}
	o := options(c)
	o.schema = 3
	fails := func(tx *tx) error {
		if err := step("2", "broken")(tx); err != nil {
			return err
		}
		return fmt.Errorf("no")
	}
	o.migrations = []migration{step("1", "2"), fails}
	if _, err := Open(ctx, dir, o); err == nil || !strings.Contains(err.Error(), "from version 2 to 3") {
		t.Fatalf("a migration that fails: %v", err)
	}
	// Its first step stands, the failed one left nothing.
	o.migrations = []migration{fails, step("2", "3")}
	s, err = Open(ctx, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.LoadHost(ctx, "a.fr"); string(v) != "3" || err != nil {
		t.Fatal(string(v), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The database of before each attempt was kept, and opens.
	old := t.TempDir()
	b, err := os.ReadFile(filepath.Join(dir, fileName+".v1"))
	if err == nil {
		err = os.WriteFile(filepath.Join(old, fileName), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s = openStore(t, old, options(c))
	if v, err := s.LoadHost(ctx, "a.fr"); string(v) != "1" || err != nil {
		t.Fatal(string(v), err)
	}
}

// What a crash in the first creation leaves behind is no obstacle.
func TestLeftoverOfACreation(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, freshName), []byte("half a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	openStore(t, dir, options(newClock()))
	if _, err := os.Stat(filepath.Join(dir, freshName)); err == nil {
		t.Error("the leftover is still there")
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	ctx := context.Background()
	for name, content := range map[string][]byte{"empty": nil, "text": []byte(strings.Repeat("not a database ", 1000)), "zeros": make([]byte, 1<<16)} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(ctx, dir, options(newClock())); cashback.KindOf(err) != cashback.DiskFailed {
			t.Errorf("%s: %v", name, err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, fileName)); err != nil || !bytes.Equal(b, content) {
			t.Errorf("%s was touched", name)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, file, options(newClock())); cashback.KindOf(err) != cashback.Invalid {
		t.Errorf("a file for a folder: %v", err)
	}
	o := options(newClock())
	o.Existing = true
	if _, err := Open(ctx, t.TempDir(), o); cashback.KindOf(err) != cashback.Invalid {
		t.Errorf("a folder without data: %v", err)
	}
}

// TestSameOffer: whatever field of an offer's record, its tiers or their components is
// another, the offer isn't the same, but for those that say when and where it was read.
func TestSameOffer(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	some := func() offerRecord {
		return offerRecord{Tiers: []cashback.Tier{{MinSpend: &cashback.Money{Minor: 1}, Cap: &cashback.Money{Minor: 2}, Components: []cashback.Component{{}}}}}
	}
	if a, b := some(), some(); !sameOffer(&a, &b) {
		t.Error("the same isn't the same")
	}
	if a, b := (offerRecord{Tiers: []cashback.Tier{}}), (offerRecord{}); !sameOffer(&a, &b) {
		t.Error("an empty list isn't none")
	}
	still := map[string]bool{"Since": true, "Page": true, "Own": true, "MissedRuns": true}
	for what, part := range map[string]func(*offerRecord) any{
		"offer":     func(r *offerRecord) any { return r },
		"tier":      func(r *offerRecord) any { return &r.Tiers[0] },
		"component": func(r *offerRecord) any { return &r.Tiers[0].Components[0] },
		"minimum":   func(r *offerRecord) any { return r.Tiers[0].MinSpend },
		"cap":       func(r *offerRecord) any { return r.Tiers[0].Cap },
	} {
		r := some()
		kind := reflect.TypeOf(part(&r)).Elem()
		for i := range kind.NumField() {
			a, b := some(), some()
			name := kind.Field(i).Name
			for v := reflect.ValueOf(part(&b)).Elem().Field(i); reflect.DeepEqual(a, b); {
				if name == "Own" {
					b.Own = &reading{Run: "another"}
				} else {
					fill(rng, v)
				}
			}
			if sameOffer(&a, &b) != (what == "offer" && still[name]) {
				t.Errorf("another %s of a %s: %t", name, what, sameOffer(&a, &b))
			}
		}
	}
}

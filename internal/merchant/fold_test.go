package merchant

import "testing"

func TestClean(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "  Le   Petit\tMarché ", "Le Petit Marché"},
		{"entities", "L&#039;Atelier &amp;amp; Fils", "L'Atelier & Fils"},
		{"mojibake", "CafÃ© MÃ¼ller", "Café Müller"},
		{"mojibake twice", "CafÃƒÂ© Noir", "Café Noir"},
		{"mojibake of Windows", "Lâ€™Atelier", "L’Atelier"},
		{"real accents stay", "Ânes Ãlamo", "Ânes Ãlamo"},
		{"bidirectional marks", "\u202eFoo\u202c\u200fBar\u2066", "FooBar"},
		{"zero width", "Fo\u200bo\ufeff", "Foo"},
		{"homoglyphs", "Аmаzоn", "Amazon"},
		{"real Cyrillic stays", "Летуаль", "Летуаль"},
		{"marks", "Shop™ Foo®", "Shop Foo"},
		{"subscript", "O₂", "O2"},
		{"full width", "ＦＯＯ", "FOO"},
		{"broken", "Fo\xff\xfeo", "Fo o"},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := clean(c.in); got != c.want {
				t.Errorf("clean(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		in, narrow, wide string
	}{
		{"Café-Noir!", "cafenoir", "cafenoir"},
		{"Küche", "kuche", "kueche"},
		{"Freßnapf", "fressnapf", "fressnapf"},
		{"Smørrebrød", "smorrebrod", "smoerrebroed"},
		{"Łódź 24", "lodz24", "lodz24"},
		{"Œuvre", "oeuvre", "oeuvre"},
		{"Летуаль", "летуаль", "летуаль"},
	} {
		if n, w := fold(c.in, false), fold(c.in, true); n != c.narrow || w != c.wide {
			t.Errorf("fold(%q) = %q and %q, want %q and %q", c.in, n, w, c.narrow, c.wide)
		}
	}
}

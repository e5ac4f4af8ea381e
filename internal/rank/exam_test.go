package rank

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// examCases are the files of worked cases.
func examCases(t testing.TB) []string {
	t.Helper()
	exam := os.Getenv("CAGNOTTE_EXAM")
	if exam == "" {
		t.Skip("CAGNOTTE_EXAM is not set: it names the folder of the exam")
	}
	files, err := filepath.Glob(filepath.Join(exam, "data", "ranking", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", exam, err)
	}
	return files
}

// Every worked case gives its answer, equal as JSON.
func TestExamCases(t *testing.T) {
	for _, file := range examCases(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := Rank(c)
			if err != nil {
				t.Fatal(err)
			}
			var want struct {
				Expect any `json:"expect"`
			}
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Expect, asJSON(t, answer)); diff != "" {
				t.Errorf("the answer differs (-want +got):\n%s", diff)
			}
		})
	}
}

func asJSON(t testing.TB, v any) (out any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

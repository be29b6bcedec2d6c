package teardown

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables into docs/teardown.md")

func theres() []There {
	return []There{Ours, Live, Unmarked, Perhaps, Foreign, Gone, Unreadable, HalfMade, Unreachable}
}

func journals() []Journal { return []Journal{Made, Listed, Killed, Nothing} }

func wordsSaid() []Word { return []Word{Silence, Leave, Take} }

// Every case has a row, and every row decides a case: one that never does is wrong or in the wrong place.
func TestEveryCaseHasARowAndEveryRowACase(t *testing.T) {
	used := map[string]bool{}
	for _, there := range theres() {
		for _, journal := range journals() {
			for _, word := range wordsSaid() {
				row := decide(there, journal, word)
				if row.Because == "no rule says what it is" {
					t.Errorf("no row for %q, %q, %q", there, journal, word)
				}
				used[row.Because+string(row.There)+string(row.Journal)+string(row.Word)] = true
			}
		}
	}
	for _, row := range Rows() {
		if !used[row.Because+string(row.There)+string(row.Journal)+string(row.Word)] {
			t.Errorf("row %+v never decides", row)
		}
	}
}

// What may be destroyed or freed carries a mark, or its identity is proved and a person has said so.
func TestOnlyWhatIsProvedOursIsDestroyed(t *testing.T) {
	for _, there := range theres() {
		for _, journal := range journals() {
			for _, word := range wordsSaid() {
				action := decide(there, journal, word).Action
				proved := there == Ours || (word == Take && (there == Unmarked || there == Perhaps))
				if action == Remove && !proved {
					t.Errorf("%q, %q, %q: %s", there, journal, word, action)
				}
				if word == Leave && (action == Remove || action == Report) && there != Unreachable {
					t.Errorf("%q, %q: %s although a person says --leave", there, journal, action)
				}
				if action == Ignore && journal == Made {
					t.Errorf("%q, %q, %q: what the run made is never ignored", there, journal, word)
				}
			}
		}
	}
}

// markdown is the two tables as docs/teardown.md has them.
func markdown() string {
	orAny := func(text string) string {
		if text == "" {
			return "–"
		}
		return text
	}
	var text strings.Builder
	text.WriteString("| on the server | in the journal | you say | labctl does | because |\n|---|---|---|---|---|\n")
	for _, row := range Rows() {
		text.WriteString("| " + strings.Join([]string{
			orAny(string(row.There)), orAny(string(row.Journal)), orAny(string(row.Word)), string(row.Action), row.Because,
		}, " | ") + " |\n")
	}
	text.WriteString("\n| a volume under the VMID is | because |\n|---|---|\n")
	for _, row := range VolumeRows() {
		text.WriteString("| " + string(row.Owner) + " | " + row.Because + " |\n")
	}
	return text.String()
}

func TestTheDocumentationHasTheTables(t *testing.T) {
	const page, begin, end = "../../../docs/teardown.md", "<!-- decisions: begin -->\n", "<!-- decisions: end -->\n"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), begin)
	got, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s lacks the comments around its tables", page)
	}
	if want := markdown(); got != want {
		if *update {
			if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Errorf("the tables differ from %s; write them with -update\n%s", page, want)
	}
}

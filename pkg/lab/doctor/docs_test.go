package doctor

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of preconditions into docs/doctor.md")

// TestThePageHasTheList holds the page's table to the list of preconditions.
func TestThePageHasTheList(t *testing.T) {
	const begin, end = "<!-- preconditions: begin -->\n", "<!-- preconditions: end -->\n"
	path := filepath.Join("..", "..", "..", "docs", "doctor.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	table, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s does not have the marks of the table", path)
	}
	want := preconditionTable()
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if table != want {
		t.Errorf("the page has\n%s\nwant (-update writes it)\n%s", table, want)
	}
}

// preconditionTable has a row for every precondition.
func preconditionTable() string {
	var text strings.Builder
	text.WriteString("| check | precondition | what has to be so |\n|---|---|---|\n")
	for _, check := range checks() {
		if check.name == clusterCheck {
			fmt.Fprintf(&text, "| `%s` | those marked with * | they hold for every further node of a lab that spreads its VMs |\n", check.name)
		}
		name := "`" + check.name + "`"
		for _, precondition := range check.preconditions {
			star := ""
			if precondition.perNode {
				star = "*"
			}
			fmt.Fprintf(&text, "| %s | `%s`%s | %s |\n", name, precondition.id, star, precondition.asks)
			name = ""
		}
	}
	return text.String()
}

// TestIDsAreDistinct: a finding's ID names one precondition.
func TestIDsAreDistinct(t *testing.T) {
	ids := PreconditionIDs()
	slices.Sort(ids)
	if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) {
		t.Errorf("%d of %d IDs are distinct: %v", n, len(ids), ids)
	}
}

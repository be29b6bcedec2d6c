package pkg_test

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of packages into docs/ARCHITECTURE.md")

// TestArchitecturePage compares the page's table with the packages that there are, what each says of itself, and what it may
// import.
func TestArchitecturePage(t *testing.T) {
	const page, begin, end = "../docs/ARCHITECTURE.md", "<!-- packages: begin -->\n", "<!-- packages: end -->\n"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, opened := strings.Cut(string(data), begin)
	got, after, closed := strings.Cut(rest, end)
	if !opened || !closed {
		t.Fatalf("%s lacks the comments around its table", page)
	}
	want := packageTable(sources(t))
	if got == want {
		return
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the table of packages in %s is not that of the code: write it with -update\n%s", page, want)
}

// TestEveryRowIsAPackage keeps the table of arrows free of packages that are gone.
func TestEveryRowIsAPackage(t *testing.T) {
	there := map[string]bool{}
	for _, s := range sources(t) {
		there[s.pkg] = true
	}
	for pkg, targets := range arrows {
		for _, name := range append([]string{pkg}, targets...) {
			if name != "*" && !there[name] {
				t.Errorf("pkg/arch_test.go names %s, which is no package", name)
			}
		}
	}
}

// packageTable is the table as Markdown: the package, the first sentence of its comment, and what of ours it may import.
func packageTable(all []source) string {
	purposes := map[string]string{}
	for _, s := range all {
		if text := s.syntax.Doc.Text(); !s.test && text != "" {
			purposes[s.pkg] = firstSentence(text, s.syntax.Name.Name)
		}
	}
	var text strings.Builder
	text.WriteString("| package | what it is for | may import |\n|---|---|---|\n")
	for _, pkg := range slices.Sorted(maps.Keys(arrows)) {
		if purposes[pkg] == "" {
			continue // tests only
		}
		targets := slices.Clone(arrows[pkg])
		slices.Sort(targets)
		for i := range targets {
			targets[i] = strings.TrimPrefix(targets[i], "pkg/")
		}
		imports := strings.Join(targets, ", ")
		switch imports {
		case "":
			imports = "–"
		case "*":
			imports = "all"
		}
		text.WriteString("| `" + pkg + "` | " + purposes[pkg] + " | " + imports + " |\n")
	}
	text.WriteString("\nEvery package may import " + strings.Join(everywhere, ", ") + ".\n")
	return text.String()
}

// firstSentence is the first sentence of a package's comment, without "Package NAME".
func firstSentence(comment, name string) string {
	comment = strings.TrimPrefix(comment, "Package "+name+" ")
	comment = strings.Join(strings.Fields(comment), " ")
	for at := range comment {
		if strings.HasPrefix(comment[at:], ". ") || strings.HasSuffix(comment[:at+1], ".") && at == len(comment)-1 {
			return strings.ReplaceAll(comment[:at+1], "|", "\\|")
		}
	}
	return strings.ReplaceAll(comment, "|", "\\|")
}

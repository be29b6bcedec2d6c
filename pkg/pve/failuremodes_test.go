package pve_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestFailureModesPage keeps docs/failure-modes.md honest: all 78 are there, and
// the tests that it names exist.
func TestFailureModesPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "failure-modes.md"))
	if err != nil {
		t.Fatal(err)
	}
	next := 1
	for line := range strings.Lines(string(page)) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		if number, err := strconv.Atoi(first); err == nil {
			if number != next {
				t.Errorf("failure mode %d comes where %d is due", number, next)
			}
			next = number + 1
		}
	}
	if next != 79 {
		t.Errorf("the last failure mode is %d, want 78", next-1)
	}
	tests := map[string]string{} // the test files of each package
	for _, m := range regexp.MustCompile("`([a-z]+)\\.(Test[A-Za-z]+)(?:/([^`]+))?`").FindAllStringSubmatch(string(page), -1) {
		pkg, name, subtest := m[1], m[2], m[3]
		if _, ok := tests[pkg]; !ok {
			tests[pkg] = testFiles(t, pkg)
		}
		if !strings.Contains(tests[pkg], "\nfunc "+name+"(") {
			t.Errorf("there is no test %s.%s", pkg, name)
		}
		if !strings.Contains(tests[pkg], `"`+strings.ReplaceAll(subtest, "_", " ")) {
			t.Errorf("test %s.%s has no case %q", pkg, name, subtest)
		}
	}
}

// testFiles are the tests of the package with that name, in whatever folder.
func testFiles(t *testing.T, pkg string) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range []string{pkg, filepath.Join("*", pkg)} {
		files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(content)
		}
	}
	return all.String()
}

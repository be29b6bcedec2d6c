package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryCheckIsDocumented holds the page's table of checks to the checks.
func TestEveryCheckIsDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## The checks")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented, made []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(section, -1) {
		documented = append(documented, row[1])
	}
	for _, check := range checks() {
		made = append(made, check.name)
	}
	if !slices.Equal(documented, made) {
		t.Errorf("documented %v, made %v", documented, made)
	}
}

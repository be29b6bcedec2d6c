package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// page reads a page of the documentation.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestConfigurationPage holds the lists of the page to the code: keys, names in the environment, exit codes.
func TestConfigurationPage(t *testing.T) {
	text := page(t, "configuration.md")
	var want, got []string
	for _, key := range configKeys() {
		want = append(want, key+" LABCTL_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_")))
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| `([A-Z_]+)` \\|").FindAllStringSubmatch(text, -1) {
		got = append(got, row[1]+" "+row[2])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-code +page)\n%s", diff)
	}
	var codes, listed []string
	for _, line := range regexp.MustCompile(`(?m)^  (\d+) +(.*)$`).FindAllStringSubmatch(exitCodesHelp, -1) {
		codes = append(codes, line[1]+" "+line[2])
	}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| (.*) \|$`).FindAllStringSubmatch(text, -1) {
		listed = append(listed, row[1]+" "+row[2])
	}
	if diff := cmp.Diff(codes, listed); diff != "" || len(codes) < 6 {
		t.Errorf("exit codes (-help +page)\n%s", diff)
	}
}

// code is all program text that can speak to a user, in one string.
func code(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	root := filepath.Join("..", "..")
	for _, dir := range []string{"pkg", "cloudinit"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") || (filepath.Ext(path) != ".go" && filepath.Ext(path) != ".sh") ||
				strings.Contains(path, "pvesim") {
				return err
			}
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// Texts that continue on the next line of the source are one text.
	return regexp.MustCompile(`"\s*\+\s*"`).ReplaceAllString(all.String(), "")
}

// TestTroubleshootingPage finds every text that the page quotes in the code, or among the texts of PVE that labctl knows.
func TestTroubleshootingPage(t *testing.T) {
	source := code(t)
	quotes := regexp.MustCompile("(?m)^### `(.+)`$").FindAllStringSubmatch(page(t, "troubleshooting.md"), -1)
	if len(quotes) < 20 {
		t.Errorf("only %d texts are quoted", len(quotes))
	}
	for _, quote := range quotes {
		for _, part := range strings.Split(quote[1], "…") {
			if part = strings.TrimSpace(part); part != "" && !strings.Contains(source, part) {
				t.Errorf("nothing says %q", part)
			}
		}
	}
}

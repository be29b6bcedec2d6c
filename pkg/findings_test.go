package pkg_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// citation is "pve-api notes §70", or with more numbers "pve-api lab-findings §32, §33".
	citation = regexp.MustCompile(`pve-api ([\w-]+) (§\d+(?:, §\d+)*)`)
	section  = regexp.MustCompile(`§(\d+)`)
	finding  = regexp.MustCompile(`(?m)^(\d+)\. `)
)

// findings reads the numbers of a page of testdata/pve-api.
func findings(page string) (map[string]bool, error) {
	text, err := os.ReadFile(filepath.Join("..", "testdata", "pve-api", page+".md"))
	numbers := map[string]bool{}
	for _, m := range finding.FindAllStringSubmatch(string(text), -1) {
		numbers[m[1]] = true
	}
	return numbers, err
}

// TestCitedFindings looks up every finding that a comment cites.
func TestCitedFindings(t *testing.T) {
	cited := 0
	for _, s := range sources(t) {
		for _, group := range s.syntax.Comments {
			for _, m := range citation.FindAllStringSubmatch(strings.Join(strings.Fields(group.Text()), " "), -1) {
				known, err := findings(m[1])
				if err != nil {
					t.Errorf("%s: %v", s.at(group.Pos()), err)
				}
				for _, number := range section.FindAllStringSubmatch(m[2], -1) {
					cited++
					if !known[number[1]] {
						t.Errorf("%s: %s has no finding %s", s.at(group.Pos()), m[1], number[1])
					}
				}
			}
		}
	}
	if cited < 20 {
		t.Errorf("only %d citations were found", cited)
	}
}

package guestsetup

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var factLine = regexp.MustCompile(`^([a-z][a-z0-9_]*)=(.*\S.*)$`)

// ParseFacts reads what the scripts print: key=value lines. A fact that the target could not find out is missing; a
// line that is no fact is an error, because then it was not our script that spoke.
func ParseFacts(output []byte) (map[string]string, error) {
	facts := map[string]string{}
	number := 0
	for line := range strings.Lines(string(output)) {
		number++
		match := factLine.FindStringSubmatch(strings.TrimSpace(line))
		if match == nil {
			return nil, fmt.Errorf("reading facts: line %d is not key=value: %.80q", number, line)
		}
		key, value := match[1], match[2]
		if _, twice := facts[key]; twice {
			return nil, fmt.Errorf("reading facts: line %d gives %s a second time", number, key)
		}
		facts[key] = value
	}
	if len(facts) == 0 {
		return nil, errors.New("reading facts: the script printed nothing")
	}
	return facts, nil
}

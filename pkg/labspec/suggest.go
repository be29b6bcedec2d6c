package labspec

import "strings"

// closest returns the candidate that a misspelt word most likely means: the nearest one within two slips of the
// finger, one for short words.
func closest(word string, candidates []string) (string, bool) {
	allowed := 2
	if len(word) < 5 {
		allowed = 1
	}
	best, found := "", false
	for _, candidate := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d <= allowed {
			best, found, allowed = candidate, true, d-1
		}
	}
	return best, found
}

// distance counts the slips between two words: a letter too many, too few, wrong, or two swapped (optimal string
// alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if len(s)-len(t) > 2 || len(t)-len(s) > 2 {
		return len(s) + len(t)
	}
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(s)][len(t)]
}

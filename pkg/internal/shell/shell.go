// Package shell writes words and whole commands for a POSIX shell. It is the one place where labctl quotes: for the
// command lines it sends to targets, and for those it prints for people to paste, often as root.
package shell

import "strings"

// plain are the characters that no POSIX shell treats specially anywhere in a word. The exclamation mark of a token is not
// among them: an interactive bash takes it for its history.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-"

// Quote returns the text as one word of a shell, which passes it on unchanged.
func Quote(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Join quotes every word, with blanks between them.
func Join(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = Quote(word)
	}
	return strings.Join(quoted, " ")
}

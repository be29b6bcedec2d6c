package fio

import "strings"

// shellSafe are the bytes no POSIX shell treats specially inside a word.
const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:,./@%^"

// shellQuote returns word so that a POSIX shell reads it as exactly that word, which is not empty.
func shellQuote(word string) string {
	if strings.Trim(word, shellSafe) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

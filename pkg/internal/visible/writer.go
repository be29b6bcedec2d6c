package visible

import (
	"io"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// Writer passes on what Text makes of what is written to it. It is safe for concurrent use. Bytes that begin a character
// are kept until the rest of it comes.
type Writer struct {
	mu   sync.Mutex
	to   io.Writer
	rest []byte
}

// NewWriter returns a Writer that writes to w; for a *Writer it returns w itself.
func NewWriter(w io.Writer) *Writer {
	if already, ok := w.(*Writer); ok {
		return already
	}
	return &Writer{to: w}
}

// Write writes p, or fails with the error of the writer below.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := append(w.rest, p...) //nolint:gocritic // rest is replaced below
	cut := len(all) - unfinished(all)
	w.rest = append([]byte(nil), all[cut:]...)
	if cut == 0 {
		return len(p), nil
	}
	if _, err := io.WriteString(w.to, Text(string(all[:cut]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Raw is the writer below, for cursor movements of our own.
func (w *Writer) Raw() io.Writer { return w.to }

// attribute is a sequence that sets colour or weight (ECMA-48, 8.3.117): it moves nothing and hides nothing for good.
var attribute = regexp.MustCompile("\x1b\\[[0-9;]{0,16}m")

// Painted returns text for a terminal as Text does, but with its attributes. Only our own text has some: what comes from
// outside has gone through Line or Of before it was painted.
func Painted(s string) string {
	var b strings.Builder
	for s != "" {
		at := attribute.FindStringIndex(s)
		if at == nil {
			at = []int{len(s), len(s)}
		}
		b.WriteString(Text(s[:at[0]]) + s[at[0]:at[1]])
		s = s[at[1]:]
	}
	return b.String()
}

// WritePainted writes what Painted makes of s to w, also when w is a *Writer.
func WritePainted(w io.Writer, s string) error {
	if filter, ok := w.(*Writer); ok {
		w = filter.Raw()
	}
	_, err := io.WriteString(w, Painted(s))
	return err
}

// unfinished is how many bytes at the end begin a character that is not complete.
func unfinished(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if tail := p[len(p)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

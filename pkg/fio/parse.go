package fio

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// ParseReport reads what fio printed with --output-format=json or json+. Warnings around the JSON, and whole lines
// of them inside it, become Talk. Of several reports (--status-interval) the last one counts.
// JSON that ends early is a *TruncatedError, other damage a *SyntaxError, no JSON at all an ErrNoReport.
func ParseReport(data []byte) (*Report, error) {
	docs, err := findReports(data)
	if err != nil {
		return nil, err
	}
	last := docs[len(docs)-1]
	var wire wireReport
	if err := json.Unmarshal(last.json, &wire); err != nil {
		return nil, &SyntaxError{Offset: last.start + decodeOffset(err), Err: err}
	}
	if len(wire.Jobs) == 0 {
		return nil, &SyntaxError{Offset: last.start, Err: errNoJobs}
	}
	report := wire.report()
	report.NotNumbers = last.notNumbers
	report.Talk = talkAround(data, docs)
	return report, nil
}

var errNoJobs = errors.New("the report has no \"jobs\" (those of fio's client/server mode are not read)")

// document is one JSON report inside the output of fio: bytes start to end of it.
type document struct {
	cleaned
	start, end int64
}

var (
	// reportStart is how every fio begins its report.
	reportStart = regexp.MustCompile(`^\{\s*"fio version"`)
	// objectStart is what else could be one, rewritten by another program or cut after a few bytes.
	objectStart = regexp.MustCompile(`^\{\s*("|$)`)
)

// maxCandidates bounds the search in text that is full of braces but has no report.
const maxCandidates = 64

// findReports returns all reports in data, at least one, or the error that describes best why there is none.
func findReports(data []byte) ([]document, error) {
	var docs []document
	var firstErr error
	at := int64(0)
	for range maxCandidates {
		start, certain := nextObject(data, at)
		if start < 0 {
			break
		}
		doc, err := readDocument(data, start)
		switch {
		case err == nil && isReport(doc.json):
			docs = append(docs, doc)
			at = doc.end
		case err == nil:
			at = doc.end
		case certain:
			return nil, err
		default:
			firstErr = cmp.Or(firstErr, err)
			at = start + 1
		}
	}
	switch {
	case len(docs) > 0:
		return docs, nil
	case firstErr != nil:
		return nil, firstErr
	default:
		return nil, fmt.Errorf("%w in %d bytes of output that begin with %q", ErrNoReport, len(data), excerpt(data))
	}
}

// nextObject finds the next JSON object from offset at; certain says that it can be nothing but a fio report.
func nextObject(data []byte, at int64) (start int64, certain bool) {
	for {
		brace := bytes.IndexByte(data[at:], '{')
		if brace < 0 {
			return -1, false
		}
		at += int64(brace)
		if reportStart.Match(data[at:]) {
			return at, true
		}
		if objectStart.Match(data[at:]) {
			return at, false
		}
		at++
	}
}

// readDocument reads the JSON object at start. When it is broken by lines of talk, they are blanked out and it is read again.
func readDocument(data []byte, start int64) (document, error) {
	clean := cleaned{json: data[start:]}
	end, err := objectEnd(clean.json)
	if err != nil {
		clean = clean.clean()
		end, err = objectEnd(clean.json)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return document{}, &TruncatedError{Bytes: int64(len(data)), JSONStart: start, Path: endPath(clean.json)}
	case err != nil:
		return document{}, &SyntaxError{Offset: start + decodeOffset(err), Err: err}
	}
	clean.json = data[start : start+end]
	return document{cleaned: clean.clean(), start: start, end: start + end}, nil
}

// objectEnd is the length of the JSON value that text begins with.
func objectEnd(text []byte) (int64, error) {
	var value json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(text))
	err := decoder.Decode(&value)
	return decoder.InputOffset(), err
}

// isReport tells fio's JSON from any other object in the output.
func isReport(object []byte) bool {
	var probe struct {
		Version json.RawMessage `json:"fio version"`
	}
	return json.Unmarshal(object, &probe) == nil && probe.Version != nil
}

func decodeOffset(err error) int64 {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Offset
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return kind.Offset
	}
	return 0
}

// talkAround is everything in data that is not JSON, without empty lines.
func talkAround(data []byte, docs []document) string {
	var parts []string
	at := int64(0)
	for _, doc := range docs {
		parts = append(parts, string(data[at:doc.start]), doc.talk)
		at = doc.end
	}
	parts = append(parts, string(data[at:]))
	var talk []string
	for line := range strings.Lines(strings.Join(parts, "\n")) {
		if line = strings.TrimSpace(line); line != "" {
			talk = append(talk, strings.ToValidUTF8(line, "�"))
		}
	}
	return strings.Join(talk, "\n")
}

// excerpt is the beginning of data for an error message.
func excerpt(data []byte) string {
	const most = 80
	return strings.ToValidUTF8(string(data[:min(most, len(data))]), "�")
}

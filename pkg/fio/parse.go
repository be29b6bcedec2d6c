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

// MaxReportBytes bounds what is read as the output of one fio: some 300 jobs that read and write fit, with histograms.
const MaxReportBytes = 16 << 20

// ParseReport reads what one fio printed with --output-format=json or json+. Warnings around the JSON, and whole lines
// of them inside it, become Talk. Of the reports of one run (--status-interval) the last one counts.
// JSON that ends early is a *TruncatedError, other damage a *SyntaxError, no JSON at all an ErrNoReport, reports of
// several runs an ErrSeveralRuns.
func ParseReport(data []byte) (*Report, error) {
	reports, err := ParseReports(data)
	if err != nil {
		return nil, err
	}
	if len(reports) > 1 {
		return nil, fmt.Errorf("%w: %d of them", ErrSeveralRuns, len(reports))
	}
	return reports[0], nil
}

// ParseReports reads a file with the reports of one or several runs of fio: one after the other, or in a JSON array.
// The text may be UTF-8 or UTF-16.
func ParseReports(data []byte) ([]*Report, error) {
	if len(data) > MaxReportBytes {
		return nil, fmt.Errorf("the output of fio has %d bytes, more than the %d that labctl reads", len(data), MaxReportBytes)
	}
	data, err := toUTF8(data)
	if err != nil {
		return nil, err
	}
	docs, err := findReports(data)
	if err != nil {
		return nil, err
	}
	var reports []*Report
	at := int64(0)
	for i, doc := range docs {
		report, err := doc.report()
		if err != nil {
			return nil, err
		}
		after := doc.end
		if i == len(docs)-1 {
			after = int64(len(data))
		}
		report.Talk = talkOf(data[at:doc.start], doc.talk, data[doc.end:after])
		report.Text = data[doc.start:doc.end]
		at = doc.end
		if last := len(reports) - 1; last >= 0 && report.continues(reports[last]) {
			report.Talk = talkOf([]byte(reports[last].Talk), report.Talk, nil)
			reports[last] = report
			continue
		}
		reports = append(reports, report)
	}
	return reports, nil
}

// report decodes one document.
func (d document) report() (*Report, error) {
	if depth := nesting(d.json); depth > maxNesting {
		return nil, &SyntaxError{Offset: d.start, Err: fmt.Errorf("values nest %d deep, and fio's at most %d", depth, maxNesting)}
	}
	var wire wireReport
	if err := json.Unmarshal(d.json, &wire); err != nil {
		return nil, &SyntaxError{Offset: d.start + decodeOffset(err), Err: err}
	}
	if len(wire.Jobs) == 0 {
		return nil, &SyntaxError{Offset: d.start, Err: errNoJobs}
	}
	dialect, warning := dialectOf(string(wire.Version))
	r := reader{dialect: dialect}
	report, err := r.report(wire)
	if err != nil {
		return nil, &SyntaxError{Offset: d.start, Err: err}
	}
	if err := r.problem(); err != nil {
		return nil, err
	}
	if warning != "" {
		report.Warnings = append(report.Warnings, warning)
	}
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

const (
	// maxCandidates bounds the search in text that is full of braces but has no report.
	maxCandidates = 16
	// maxReports bounds the reports of one file: an hour of --status-interval=1 fits.
	maxReports = 4096
)

// findReports returns all reports in data, at least one, or the error that describes best why there is none.
func findReports(data []byte) ([]document, error) {
	var docs []document
	var firstErr error
	at := int64(0)
	for tries := 0; tries < maxCandidates; {
		start, certain := nextObject(data, at)
		if start < 0 {
			break
		}
		doc, err := documentAt(data, start, !certain && firstErr != nil)
		switch {
		case err == nil && isReport(doc.json) && len(docs) == maxReports:
			return nil, fmt.Errorf("more than %d reports of fio in one file", maxReports)
		case err == nil && isReport(doc.json):
			docs = append(docs, doc)
			at = doc.end
		case err == nil:
			at = doc.end
			tries++
		case certain:
			return nil, err
		default:
			firstErr = cmp.Or(firstErr, err)
			at = start + 1
			tries++
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

// errNotJSON is all that is said of a candidate after the first.
var errNotJSON = errors.New("not JSON")

// documentAt is the JSON object at start. What is broken is worth the time of cleaning and explaining only once.
func documentAt(data []byte, start int64, briefly bool) (document, error) {
	end, ok := balancedEnd(data[start:])
	switch {
	case ok && json.Valid(data[start:start+end]):
		return document{cleaned: cleaned{json: data[start : start+end]}, start: start, end: start + end}, nil
	case briefly:
		return document{}, errNotJSON
	default:
		return readDocument(data, start)
	}
}

// readDocument reads a broken JSON object: lines of talk in it are blanked out.
func readDocument(data []byte, start int64) (document, error) {
	clean := cleaned{json: data[start:]}
	end, err := objectEnd(clean.json)
	if err != nil {
		clean = clean.clean(sameLength)
		end, err = objectEnd(clean.json)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return document{}, &TruncatedError{Bytes: int64(len(data)), JSONStart: start, Path: endPath(clean.json)}
	case err != nil:
		return document{}, &SyntaxError{Offset: start + decodeOffset(err), Err: err}
	}
	clean = cleaned{json: data[start : start+end]}
	return document{cleaned: clean.clean(quoted), start: start, end: start + end}, nil
}

// balancedEnd is where the brackets that text begins with are all closed.
func balancedEnd(text []byte) (int64, bool) {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return int64(i + 1), true
			}
		}
	}
	return 0, false
}

// maxNesting is deeper than any report of fio, which nests 8 deep.
const maxNesting = 32

// nesting is how deep the values of a JSON text nest.
func nesting(text []byte) int {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
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

// talkOf is what stands around and inside one report, without empty lines and what separates reports of an array.
func talkOf(before []byte, inside string, after []byte) string {
	var talk []string
	for line := range strings.Lines(string(before) + "\n" + inside + "\n" + string(after)) {
		if line = strings.TrimSpace(line); strings.Trim(line, "[],") != "" {
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

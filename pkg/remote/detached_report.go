package remote

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// reportPrefix begins the lines of launchScript. Other lines come from the
// login shell's start-up files and are skipped.
const reportPrefix = "labctl-detached "

// reportState is the word that says what the target found.
type reportState string

const (
	stateStarted reportState = "started" // it runs, or ran already; another line will follow
	stateEnded   reportState = "ended"   // with a status
	stateDied    reportState = "died"    // without one
	stateGone    reportState = "gone"    // nothing is known of it
)

// report is what launchScript says about a command.
type report struct {
	state          reportState
	code           int
	started, ended time.Time
	stdout, stderr []byte
}

// readReport reads up to the end of the report and calls started when the
// target confirms that the command was started.
func readReport(r *bufio.Reader, started func()) (report, error) {
	for {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // a report has an end of its own
		}
		if err != nil {
			return report{}, fmt.Errorf("reading report: %w", err)
		}
		words, ours := strings.CutPrefix(line, reportPrefix)
		if !ours {
			continue
		}
		got, sizes, err := parseReportLine(strings.Fields(words))
		if err != nil {
			return report{}, err
		}
		if got.state == stateStarted {
			started()
			continue
		}
		if got.stdout, err = readExactly(r, sizes[0]); err != nil {
			return report{}, fmt.Errorf("reading stdout: %w", err)
		}
		if got.stderr, err = readExactly(r, sizes[1]); err != nil {
			return report{}, fmt.Errorf("reading stderr: %w", err)
		}
		return got, nil
	}
}

// parseReportLine reads one line, without its prefix; sizes are the lengths of
// stdout and stderr, which follow.
func parseReportLine(words []string) (got report, sizes [2]int64, err error) {
	want := map[reportState]int{stateStarted: 1, stateGone: 1, stateDied: 3, stateEnded: 6}
	if len(words) > 0 {
		got.state = reportState(words[0])
	}
	if n, known := want[got.state]; !known || n != len(words) {
		return report{}, sizes, fmt.Errorf("reading report: unexpected line %q", strings.Join(words, " "))
	}
	if got.state == stateEnded {
		if got.code, err = strconv.Atoi(words[1]); err != nil {
			return report{}, sizes, fmt.Errorf("reading exit code: %w", err)
		}
		if got.started, err = parseClock(words[2]); err != nil {
			return report{}, sizes, err
		}
		if got.ended, err = parseClock(words[3]); err != nil {
			return report{}, sizes, err
		}
	}
	if len(words) > 2 {
		for i, word := range words[len(words)-2:] {
			if sizes[i], err = strconv.ParseInt(word, 10, 64); err != nil || sizes[i] < 0 {
				return report{}, sizes, fmt.Errorf("reading report: bad size %q", word)
			}
		}
	}
	return got, sizes, nil
}

// parseClock reads what `date +%s%N` prints: seconds and nine digits of
// nanoseconds, or only seconds where date knows no %N (some busybox).
func parseClock(text string) (time.Time, error) {
	digits := text
	if cut := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); cut >= 0 {
		digits = text[:cut]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the target's clock: %w", err)
	}
	const nanoDigits = 9
	if len(digits) > 2*nanoDigits {
		return time.Unix(0, n), nil
	}
	return time.Unix(n, 0), nil
}

// readExactly reads n bytes; memory grows with what really arrives.
func readExactly(r io.Reader, n int64) ([]byte, error) {
	var content bytes.Buffer
	if _, err := io.CopyN(&content, r, n); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return content.Bytes(), nil
}

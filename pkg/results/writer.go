package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"labctl/pkg/fio"
	"labctl/pkg/internal/atomicfile"
)

// fileMode of every file of a run: nothing is ever rewritten.
const fileMode = 0o444

// Writer adds to one run. Its methods may be called from several goroutines.
type Writer struct {
	id, dir string

	mu       sync.Mutex
	lock     *os.File     // nil once the writer is closed
	recorded map[int]bool // by sequence number, those of an interrupted beginning included
}

// trialRecord is the content of a trial's file: the trial, and whose it is.
type trialRecord struct {
	SchemaVersion int    `json:"schema_version"`
	Run           string `json:"run"`
	Trial
}

// ending is the content of the file that says how a run ended.
type ending struct {
	SchemaVersion int       `json:"schema_version"`
	Run           string    `json:"run"`
	Status        Status    `json:"status"`
	StatusReason  string    `json:"status_reason,omitempty"`
	Finished      time.Time `json:"finished"`
	Trials        int       `json:"trials"`
	Overhead      *Overhead `json:"overhead,omitempty"`
}

// ErrFinished means that a run has ended and takes nothing more.
var ErrFinished = errors.New("this run is finished and cannot be changed")

// ID is the run's ID.
func (w *Writer) ID() string { return w.id }

// Append records one trial with fio's raw output, and returns it as it was recorded. It is durable, and immutable, then.
// Raw and RawStderr are set here, and Summary and Error from the report in raw, unless the trial has an Error already:
// a trial with an Error has no Summary. A trial without raw output keeps the Summary it came with.
// After a *WriteError the trial is not recorded, all earlier ones are, and Append may be tried again.
func (w *Writer) Append(trial Trial, raw, stderr []byte) (Trial, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.accepts(trial); err != nil {
		return Trial{}, fmt.Errorf("recording trial %d: %w", trial.Seq, err)
	}
	trial.derive(raw, stderr)
	var err error
	if trial.Raw, err = w.putBlob(raw); err != nil {
		return Trial{}, err
	}
	if trial.RawStderr, err = w.putBlob(stderr); err != nil {
		return Trial{}, err
	}
	record := trialRecord{SchemaVersion: SchemaVersion, Run: w.id, Trial: trial}
	if err := w.putJSON(filepath.Join(trialsDir, trialFile(trial)), record); err != nil {
		return Trial{}, err
	}
	w.recorded[trial.Seq] = true
	return trial, nil
}

// accepts says why a trial cannot be recorded.
func (w *Writer) accepts(trial Trial) error {
	switch {
	case w.lock == nil:
		return ErrFinished
	case trial.Seq < 1 || trial.Block < 1 || trial.Target == "" || trial.Workload == "":
		return errors.New("it needs a sequence number, a block, a target and a workload")
	case w.recorded[trial.Seq]:
		return fmt.Errorf("there is one: %w, and results are never rewritten", fs.ErrExist)
	default:
		return nil
	}
}

// Derive computes the summary of a trial from the raw output of fio. A job that failed is an error.
func Derive(raw []byte) (*Summary, error) {
	report, err := fio.ParseReport(raw)
	if err != nil {
		return nil, err
	}
	if err := report.Failed(); err != nil {
		return nil, err
	}
	summary := Summarize(report)
	return &summary, nil
}

// Finish records how the run ended. overhead may be nil. Nothing can be added afterwards.
func (w *Writer) Finish(status Status, reason string, overhead *Overhead) error {
	return w.finishAt(time.Now().UTC(), status, reason, overhead)
}

func (w *Writer) finishAt(at time.Time, status Status, reason string, overhead *Overhead) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lock == nil {
		return fmt.Errorf("finishing run %s: %w", w.id, ErrFinished)
	}
	end := ending{SchemaVersion, w.id, status, reason, at, len(w.recorded), overhead}
	if err := w.putJSON(finishedFile, end); err != nil {
		return err
	}
	return w.unlock()
}

// Close ends writing without saying how the run ended: it stays interrupted and can be resumed. After Finish it does nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unlock()
}

func (w *Writer) unlock() error {
	if w.lock == nil {
		return nil
	}
	lock := w.lock
	w.lock = nil
	return lock.Close()
}

// putBlob stores raw data and returns the reference to it; nil for no data.
func (w *Writer) putBlob(data []byte) (*Blob, error) {
	if len(data) == 0 {
		return nil, nil //nolint:nilnil // no data, no blob
	}
	blob := newBlob(data)
	packed, err := compress(data)
	if err != nil {
		return nil, err
	}
	err = w.put(filepath.FromSlash(blobFile(blob.SHA256)), packed)
	if errors.Is(err, fs.ErrExist) {
		err = nil // another trial had the same output
	}
	return &blob, err
}

func (w *Writer) putJSON(name string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	return w.put(name, append(data, '\n'))
}

// put writes one file of the run, once.
func (w *Writer) put(name string, data []byte) error {
	path := filepath.Join(w.dir, name)
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("writing %s: %w, and results are never rewritten", path, fs.ErrExist)
	}
	if err := atomicfile.Write(path, data, fileMode); err != nil {
		return &WriteError{Path: path, Kept: len(w.recorded), Err: err}
	}
	return nil
}

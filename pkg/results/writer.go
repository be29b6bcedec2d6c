package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"labctl/pkg/internal/atomicfile"
)

// fileMode of every file of a run: nothing is ever rewritten.
const fileMode = 0o444

// Writer adds to one run. Its methods may be called from several goroutines.
type Writer struct {
	id, dir string

	mu       sync.Mutex
	lock     *os.File        // nil once the writer is closed
	recorded map[string]bool // by file, those of an interrupted beginning included
	seq      int             // of the trial that began last
	failed   int
	endings  int
	packer   *zstd.Encoder // nil until it is needed
}

// trialRecord is the content of a trial's file: the trial, and whose it is.
type trialRecord struct {
	SchemaVersion int    `json:"schema_version"`
	Run           string `json:"run"`
	Trial
}

// ErrFinished means that a run has ended and takes nothing more.
var ErrFinished = errors.New("this run is finished and cannot be changed")

// ID is the run's ID.
func (w *Writer) ID() string { return w.id }

// Record records one trial with what it left behind, and returns it as it was recorded. It is durable, and immutable, then.
// An Attempt of 0 is the first, a Seq of 0 the next. Artifacts are set here, and Measures, Error, Said and Findings from
// fio's report and what it printed to standard error. A trial that has an Error already keeps it and has no Measures; one
// without a report keeps the Measures that it came with.
// After a *WriteError the trial is not recorded, all earlier ones are, and Record may be tried again.
func (w *Writer) Record(trial Trial, outputs ...Output) (Trial, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	trial.Attempt = max(1, trial.Attempt)
	if trial.Seq == 0 {
		trial.Seq = w.seq + 1
	}
	if err := w.accepts(trial); err != nil {
		return Trial{}, fmt.Errorf("recording trial %s: %w", trial.Cell, err)
	}
	trial.derive(outputs)
	for _, output := range outputs {
		if len(output.Data) == 0 {
			continue
		}
		blob, err := w.putBlob(output.Data)
		if err != nil {
			return Trial{}, err
		}
		trial.Artifacts = append(trial.Artifacts, Artifact{Role: output.Role, Name: output.Name, Blob: blob})
	}
	file := trialFile(trial)
	if err := w.putJSON(file, trialRecord{SchemaVersion: SchemaVersion, Run: w.id, Trial: trial}); err != nil {
		return Trial{}, err
	}
	w.recorded[file] = true
	w.seq = max(w.seq, trial.Seq)
	if trial.Error != "" {
		w.failed++
	}
	return trial, nil
}

// accepts says why a trial cannot be recorded.
func (w *Writer) accepts(trial Trial) error {
	switch {
	case w.lock == nil:
		return ErrFinished
	case trial.Block < 1 || trial.Target == "" || trial.Workload == "":
		return errors.New("it needs a block, a target and a workload")
	case w.recorded[trialFile(trial)]:
		return fmt.Errorf("attempt %d is there: %w, and results are never rewritten", trial.Attempt, fs.ErrExist)
	default:
		return nil
	}
}

// Finish records how the run ended, and seals it. overhead may be nil. Nothing can be added afterwards, unless the run
// was interrupted and is resumed.
func (w *Writer) Finish(status Status, reason string, overhead *Overhead) error {
	return w.finishAt(time.Now().UTC(), status, reason, overhead)
}

func (w *Writer) finishAt(at time.Time, status Status, reason string, overhead *Overhead) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lock == nil {
		return fmt.Errorf("finishing run %s: %w", w.id, ErrFinished)
	}
	files, err := w.seal()
	if err != nil {
		return fmt.Errorf("finishing run %s: %w", w.id, err)
	}
	end := ending{
		SchemaVersion: SchemaVersion, Run: w.id, Status: status, StatusReason: reason, Finished: at,
		Trials: len(w.recorded), Failed: w.failed, Overhead: overhead, Files: files,
	}
	if err := w.putJSON(endingFile(w.endings+1), end); err != nil {
		return err
	}
	return w.unlock()
}

// seal reads every file of the run, checks it against its own hash, and lists it.
func (w *Writer) seal() ([]sealedFile, error) {
	r, err := readFolder(w.dir, w.id)
	if err != nil {
		return nil, err
	}
	if len(r.damage) > 0 {
		return nil, r.problem()
	}
	return r.sealed(), nil
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
	w.lock, w.packer = nil, nil
	return lock.Close()
}

// putBlob stores data and returns the reference to it.
func (w *Writer) putBlob(data []byte) (Blob, error) {
	if w.packer == nil {
		packer, err := newPacker()
		if err != nil {
			return Blob{}, err
		}
		w.packer = packer
	}
	blob, packed, err := pack(w.packer, data)
	if err != nil {
		return Blob{}, err
	}
	file := blobFile(blob.SHA256)
	err = w.put(file, packed)
	if !errors.Is(err, fs.ErrExist) {
		return blob, err
	}
	// Another trial had the same output. Another version of the compressor may have packed it.
	present, err := readRegular(filepath.Join(w.dir, filepath.FromSlash(file)), maxPacked)
	if err == nil {
		_, err = checkBlob(file, present, maxBlob)
	}
	if err != nil {
		return Blob{}, fmt.Errorf("reading %s: %w", file, err)
	}
	blob.PackedSHA256 = hashOf(present)
	return blob, nil
}

func (w *Writer) putJSON(name string, value any) error {
	data, err := encode(value)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return w.put(name, data)
}

// put writes one file of the run, once.
func (w *Writer) put(name string, data []byte) error {
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("writing %s: %w, and results are never rewritten", path, fs.ErrExist)
	}
	if err := atomicfile.Write(path, data, fileMode); err != nil {
		return &WriteError{Path: path, Kept: len(w.recorded), Err: err}
	}
	return nil
}

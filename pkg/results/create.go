package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"labctl/pkg/internal/atomicfile"
)

// Create begins a run: its manifest is durable when Create returns. Missing ID, Kind and Created are filled in;
// Trials, Status, Finished and Overhead are not part of a beginning and are ignored.
// The run belongs to the Writer until Finish or Close.
func (s *Store) Create(run Run) (*Writer, error) {
	w, err := s.stage(run)
	if err != nil {
		return nil, err
	}
	return w, s.publish(w)
}

// stage makes the folder of a new run, with its manifest, where no reader looks yet.
func (s *Store) stage(run Run) (*Writer, error) {
	if run.Created.IsZero() {
		run.Created = time.Now()
	}
	if run.ID == "" {
		run.ID = NewID(run.Created)
	}
	if !idPattern.MatchString(run.ID) {
		return nil, fmt.Errorf("creating run: %q is not a run ID such as %s", run.ID, NewID(run.Created))
	}
	if run.Kind == "" {
		run.Kind = KindMeasured
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, &WriteError{Path: s.dir, Err: err}
	}
	dir, err := os.MkdirTemp(s.dir, stagingDir)
	if err != nil {
		return nil, &WriteError{Path: s.dir, Err: err}
	}
	w := &Writer{id: run.ID, dir: dir, recorded: map[string]bool{}}
	if err := w.begin(manifest(run)); err != nil {
		return nil, errors.Join(err, w.discard())
	}
	return w, nil
}

// manifest is the part of a run that is known when it begins.
func manifest(run Run) Run {
	run.SchemaVersion = SchemaVersion
	run.Created = run.Created.UTC()
	run.Finished, run.Status, run.StatusReason, run.Trials, run.Overhead = time.Time{}, "", "", nil, nil
	return run
}

// begin fills an empty run folder and locks it.
func (w *Writer) begin(run Run) error {
	for _, dir := range []string{w.dir, filepath.Join(w.dir, trialsDir), filepath.Join(w.dir, rawDir)} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return &WriteError{Path: dir, Err: err}
		}
	}
	err := os.Chmod(w.dir, 0o755) // a temporary folder is private, results are not
	if err == nil {
		err = w.putJSON(manifestFile, run)
	}
	if err == nil {
		w.lock, err = lockRun(w.dir)
	}
	return err
}

// publish gives a staged run its place in the store, in one step.
func (s *Store) publish(w *Writer) error {
	place := filepath.Join(s.dir, w.id)
	_, err := os.Lstat(place)
	if err == nil {
		return errors.Join(fmt.Errorf("creating run %s: %w", w.id, fs.ErrExist), w.discard())
	}
	if err := os.Rename(w.dir, place); err != nil {
		return errors.Join(&WriteError{Path: place, Err: err}, w.discard())
	}
	w.dir = place
	return atomicfile.SyncDir(s.dir)
}

// discard removes a staged run.
func (w *Writer) discard() error {
	return errors.Join(w.Close(), os.RemoveAll(w.dir))
}

// Resume continues a run that was interrupted. It returns the run as it is: Run.Missing tells what is left of its plan.
// A run that has ended otherwise is ErrFinished; one that another process is writing, or that is damaged, is an error too.
func (s *Store) Resume(id string) (*Writer, *Run, error) {
	dir := filepath.Join(s.dir, id)
	if !idPattern.MatchString(id) {
		return nil, nil, fmt.Errorf("resuming run: %q is not a run ID", id)
	}
	lock, err := lockRun(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("resuming run %s: %w", id, err)
	}
	w := &Writer{id: id, dir: dir, lock: lock, recorded: map[string]bool{}}
	run, err := w.takeUp()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("resuming run %s: %w", id, err), w.Close())
	}
	return w, run, nil
}

// takeUp reads what the run has so far.
func (w *Writer) takeUp() (*Run, error) {
	r, err := readFolder(w.dir, w.id)
	if err != nil {
		return nil, err
	}
	switch {
	case r.problem() != nil:
		return nil, r.problem()
	case r.run.SchemaVersion < SchemaVersion:
		return nil, fmt.Errorf("it was begun by an older labctl (schema version %d): begin a new one with `labctl bench --new`", r.run.SchemaVersion)
	case r.run.Status == StatusComplete || r.run.Status == StatusFailed:
		return nil, ErrFinished
	}
	w.endings = r.endings
	for _, trial := range r.run.Trials {
		w.recorded[trialFile(trial)] = true
		w.seq = max(w.seq, trial.Seq)
		if trial.Error != "" {
			w.failed++
		}
	}
	r.run.Status, r.run.StatusReason, r.run.Finished = StatusRunning, "", time.Time{}
	return r.run, nil
}

package results

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"labctl/pkg/internal/atomicfile"
)

// readRun loads the run id from its folder dir. Whatever is whole is returned, together with a *DamagedError about the rest.
func readRun(dir, id string) (*Run, error) {
	r := runReader{dir: dir, id: id, blobs: map[string]bool{}}
	run, err := readManifest(dir, id)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("reading run: %w", err)
	}
	if err != nil {
		r.damaged(manifestFile, err)
		run = &Run{ID: r.id, Kind: KindMeasured}
	}
	r.run = run
	r.survey()
	r.readTrials()
	r.readEnding()
	if len(r.damage) > 0 {
		return run, &DamagedError{Run: r.id, Files: r.damage}
	}
	return run, nil
}

// readManifest reads what was known when the run began.
func readManifest(dir, id string) (*Run, error) {
	var run Run
	if err := readJSON(filepath.Join(dir, manifestFile), &run); err != nil {
		return nil, err
	}
	if err := checkOwner(run.SchemaVersion, run.ID, id); err != nil {
		return nil, err
	}
	run.Status = StatusInterrupted
	return &run, nil
}

func readJSON(path string, value any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("is missing")
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, value); err != nil {
		return fmt.Errorf("is torn or not ours, %d bytes: %w", len(data), err)
	}
	return nil
}

// checkOwner tells the files of this run from those of another run, program or time.
func checkOwner(schema int, id, want string) error {
	switch {
	case schema < 1:
		return errors.New("is not a file of labctl: it has no schema_version")
	case schema > SchemaVersion:
		return fmt.Errorf("was written by a newer labctl (schema version %d, this one reads up to %d)", schema, SchemaVersion)
	case id != want:
		return fmt.Errorf("belongs to run %q", id)
	default:
		return nil
	}
}

// runReader collects one run and what is wrong with its folder.
type runReader struct {
	dir, id    string
	run        *Run
	trialFiles []string
	blobs      map[string]bool
	hasEnding  bool
	damage     []Damage
}

func (r *runReader) damaged(file string, err error) {
	r.damage = append(r.damage, Damage{Path: filepath.Join(r.dir, filepath.FromSlash(file)), Problem: err.Error()})
}

var errForeign = errors.New("does not belong to a run")

// survey finds the files of the run, and those that have no business in its folder.
func (r *runReader) survey() {
	for _, dir := range []string{"", trialsDir, rawDir} {
		entries, err := os.ReadDir(filepath.Join(r.dir, dir))
		if err != nil {
			r.damaged(dir, err)
		}
		for _, entry := range entries {
			r.seen(dir, entry)
		}
	}
}

func (r *runReader) seen(dir string, entry fs.DirEntry) {
	name := entry.Name()
	file := name
	if dir != "" {
		file = dir + "/" + name
	}
	switch {
	case atomicfile.IsTemp(name): // a write that a crash cut short
	case dir == "" && entry.IsDir() && (name == trialsDir || name == rawDir):
	case entry.IsDir() || !belongs(file):
		r.damaged(file, errForeign)
	case dir == trialsDir:
		r.trialFiles = append(r.trialFiles, file)
	case dir == rawDir:
		r.blobs[name] = true
	case name == finishedFile:
		r.hasEnding = true
	}
}

func (r *runReader) readTrials() {
	bySeq := map[int]bool{}
	for _, file := range r.trialFiles {
		trial, err := r.readTrial(file)
		if err == nil && bySeq[trial.Seq] {
			err = fmt.Errorf("is a second trial %d", trial.Seq)
		}
		if err != nil {
			r.damaged(file, err)
			continue
		}
		bySeq[trial.Seq] = true
		r.run.Trials = append(r.run.Trials, trial)
	}
	slices.SortFunc(r.run.Trials, func(a, b Trial) int { return cmp.Compare(a.Seq, b.Seq) })
}

func (r *runReader) readTrial(file string) (Trial, error) {
	var record trialRecord
	if err := readJSON(filepath.Join(r.dir, filepath.FromSlash(file)), &record); err != nil {
		return Trial{}, err
	}
	if err := checkOwner(record.SchemaVersion, record.Run, r.id); err != nil {
		return Trial{}, err
	}
	seq, err := strconv.Atoi(trialPattern.FindStringSubmatch(filepath.Base(file))[1])
	if err != nil || record.Seq != seq || record.Target == "" || record.Workload == "" {
		return Trial{}, fmt.Errorf("holds trial %d of %q on %q, which its name does not say", record.Seq, record.Workload, record.Target)
	}
	for _, blob := range []*Blob{record.Raw, record.RawStderr} {
		if blob != nil && !r.blobs[blob.SHA256+blobSuffix] {
			r.damaged(blobFile(blob.SHA256), fmt.Errorf("is missing; it is raw output of trial %d", record.Seq))
		}
	}
	return record.Trial, nil
}

// readEnding sets how the run ended. Without that it was interrupted, unless somebody is writing it right now.
func (r *runReader) readEnding() {
	if !r.hasEnding {
		r.run.Status, r.run.StatusReason = StatusInterrupted, "the process that measured ended before the run did"
		if isLive(r.dir) {
			r.run.Status, r.run.StatusReason = StatusRunning, ""
		}
		return
	}
	var end ending
	err := readJSON(filepath.Join(r.dir, finishedFile), &end)
	if err == nil {
		err = checkOwner(end.SchemaVersion, end.Run, r.id)
	}
	if err != nil {
		r.damaged(finishedFile, err)
		return
	}
	r.run.Status, r.run.StatusReason, r.run.Finished, r.run.Overhead = end.Status, end.StatusReason, end.Finished, end.Overhead
	if got := len(r.run.Trials); got != end.Trials {
		r.damaged(finishedFile, fmt.Errorf("says that %d trials were recorded; %d can be read", end.Trials, got))
	}
}

package results

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"labctl/pkg/internal/atomicfile"
)

// readRun loads the run id from its folder dir. Whatever is whole is returned, together with a *DamagedError about the rest.
func readRun(dir, id string) (*Run, error) {
	r, err := readFolder(dir, id)
	if err != nil {
		return nil, err
	}
	problem := r.problem()
	r.run.Damage = r.damage
	return r.run, problem
}

// runReader collects one run and what is wrong with its folder.
type runReader struct {
	dir, id string
	run     *Run
	files   map[string]sealedFile  // those that were read, by path
	trials  map[string]fs.DirEntry // the trials' files, by path
	fileOf  map[string]string      // by trialKey
	blobs   map[string]fs.DirEntry // the raw files, by path
	counts  *ending                // that vouches for files which were not read
	endings int                    // number of the last one
	end     *ending                // the last one, when it can be read
	damage  []Damage
}

// readFolder reads everything in the folder of a run, and checks it against the hashes it was written with.
func readFolder(dir, id string) (*runReader, error) {
	r := newReader(dir, id)
	if err := r.readManifest(); err != nil {
		return nil, err
	}
	r.survey()
	r.readEnding()
	r.readRest()
	return r, nil
}

func newReader(dir, id string) *runReader {
	return &runReader{
		dir: dir, id: id, run: &Run{ID: id, Kind: KindMeasured, Status: StatusInterrupted},
		files: map[string]sealedFile{}, fileOf: map[string]string{}, trials: map[string]fs.DirEntry{}, blobs: map[string]fs.DirEntry{},
	}
}

// readRest reads all that lies between the beginning and the end of a run.
func (r *runReader) readRest() {
	r.readTrials()
	r.checkCounts()
	r.checkSeal()
}

// problem is what is wrong with the files of the run, or nil.
func (r *runReader) problem() error {
	if len(r.damage) == 0 {
		return nil
	}
	slices.SortFunc(r.damage, func(a, b Damage) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Problem, b.Problem)) })
	return &DamagedError{Run: r.id, Files: r.damage}
}

func (r *runReader) damaged(file string, err error) {
	if newer := (*NewerError)(nil); errors.As(err, &newer) {
		r.run.PassedOver = append(r.run.PassedOver, file)
		return
	}
	r.damage = append(r.damage, Damage{Path: filepath.Join(r.dir, filepath.FromSlash(file)), Problem: err.Error()})
}

// read reads one JSON file of the run and remembers its hash.
func (r *runReader) read(file string) ([]byte, error) {
	data, err := readRegular(filepath.Join(r.dir, filepath.FromSlash(file)), maxJSON)
	if err == nil {
		r.files[file] = sealedFile{Path: file, SHA256: hashOf(data), SizeBytes: int64(len(data))}
	}
	return data, err
}

// readManifest reads what was known when the run began. Without it there is a run with nothing but an ID.
func (r *runReader) readManifest() error {
	data, err := r.read(manifestFile)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("reading run: %w", err)
	}
	var run *Run
	if err == nil {
		run, err = decodeManifest(data, r.id)
	}
	if newer := (*NewerError)(nil); errors.As(err, &newer) {
		return err
	}
	if err != nil {
		r.damaged(manifestFile, err)
	}
	if run != nil {
		r.run = run
	}
	return nil
}

var errForeign = errors.New("does not belong to a run")

// survey finds the files of the run, and those that have no business in its folder.
func (r *runReader) survey() {
	for _, dir := range []string{"", trialsDir, rawDir} {
		if info, err := os.Lstat(filepath.Join(r.dir, dir)); err != nil || !info.IsDir() {
			r.damaged(dir, cmp.Or(err, errors.New("is not a folder")))
			continue
		}
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
	case dir == "" && (name == trialsDir || name == rawDir): // looked at next
	case entry.IsDir() || !belongs(file):
		r.damaged(file, errForeign)
	case !entry.Type().IsRegular():
		r.damaged(file, errNotRegular)
	case dir == trialsDir:
		r.trials[file] = entry
	case dir == rawDir:
		r.blobs[file] = entry
	default:
		r.endings = max(r.endings, endingNumber(name))
	}
}

func (r *runReader) readTrials() {
	for file := range r.trials {
		trial, err := r.readTrial(file)
		if err == nil && r.fileOf[trialKey(trial)] != "" {
			err = fmt.Errorf("is a second attempt %d at %s", trial.Attempt, trial.Cell)
		}
		if err != nil {
			r.damaged(file, err)
			continue
		}
		r.fileOf[trialKey(trial)] = file
		if r.run.Provenance.Importer == ImporterRunPy && trial.Measures != nil {
			trial.Measures.Convention()
		}
		r.run.Trials = append(r.run.Trials, trial)
	}
	slices.SortFunc(r.run.Trials, func(a, b Trial) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(trialKey(a), trialKey(b)))
	})
}

// trialKey identifies a trial of a run.
func trialKey(t Trial) string {
	return fmt.Sprintf("%d %q %q %q %d", t.Block, t.Target, t.Layer, t.Workload, t.Attempt)
}

func (r *runReader) readTrial(file string) (Trial, error) {
	data, err := r.read(file)
	if err != nil {
		return Trial{}, err
	}
	trial, err := decodeTrial(file, data, r.id)
	if err != nil {
		return Trial{}, err
	}
	for _, artifact := range trial.Artifacts {
		if problem := r.checkArtifact(artifact); problem != nil {
			r.damaged(blobFile(artifact.SHA256), fmt.Errorf("%w (%s of %s)", problem, artifact.Role, trial.Cell))
		}
	}
	return trial, nil
}

// checkArtifact says whether the file of an artifact is what was written.
func (r *runReader) checkArtifact(artifact Artifact) error {
	file := blobFile(artifact.SHA256)
	if _, done := r.files[file]; done {
		return nil // another trial has the same
	}
	if r.blobs[file] == nil {
		return errMissing
	}
	packed, err := readRegular(filepath.Join(r.dir, filepath.FromSlash(file)), maxPacked)
	if err != nil {
		return err
	}
	r.files[file] = sealedFile{Path: file, SHA256: hashOf(packed), SizeBytes: int64(len(packed))}
	if artifact.PackedSHA256 == "" {
		_, err = checkBlob(file, packed, maxBlob)
	} else if r.files[file].SHA256 != artifact.PackedSHA256 {
		err = errChanged
	}
	return err
}

// readEnding sets how the run ended. Without that it was interrupted, unless somebody is writing it right now.
func (r *runReader) readEnding() {
	for n := 1; n <= r.endings; n++ {
		data, err := r.read(endingFile(n))
		var end *ending
		if err == nil {
			end, err = decodeEnding(data, r.id)
		}
		if err != nil {
			r.damaged(endingFile(n), err)
		}
		r.end = end
	}
	live := (r.end == nil || r.end.Status == StatusInterrupted) && isLive(r.dir)
	switch {
	case live:
		r.run.Status, r.run.StatusReason = StatusRunning, ""
	case r.end == nil:
		r.run.Status, r.run.StatusReason = StatusInterrupted, "the process that measured ended before the run did"
	default:
		r.run.Status, r.run.StatusReason, r.run.Finished, r.run.Overhead = r.end.Status, r.end.StatusReason, r.end.Finished, r.end.Overhead
	}
}

// checkCounts compares the trials with what the ending says of them. More can come after an interruption only.
func (r *runReader) checkCounts() {
	if r.end == nil {
		return
	}
	got := len(r.run.Trials)
	if got < r.end.Trials || got > r.end.Trials && r.end.Status != StatusInterrupted {
		r.damaged(endingFile(r.endings), fmt.Errorf("says that %d trials were recorded; %d can be read", r.end.Trials, got))
	}
	if missing := r.run.Missing(); r.end.Status == StatusComplete && len(missing) > 0 {
		r.damaged(endingFile(r.endings), fmt.Errorf("says that the run is complete; %d of %d planned trials are missing, the first is %s",
			len(missing), len(r.run.Plan.Cells), missing[0].Cell))
	}
}

// checkSeal compares the files with what they were when the run ended.
func (r *runReader) checkSeal() {
	if r.end == nil {
		return
	}
	known := map[string]bool{}
	for _, d := range r.damage {
		known[d.Path] = true
	}
	for _, sealed := range r.end.Files {
		path := filepath.Join(r.dir, filepath.FromSlash(sealed.Path))
		now, read := r.files[sealed.Path]
		switch {
		case known[path] || read && now == sealed:
		case read:
			r.damaged(sealed.Path, errors.New("was changed after the run ended"))
		case r.blobs[sealed.Path] == nil:
			r.damaged(sealed.Path, errMissing)
		default: // a raw file that no trial has: a write that was tried twice
		}
	}
}

// sealed lists the files of the run.
func (r *runReader) sealed() []sealedFile {
	files := make([]sealedFile, 0, len(r.files))
	for _, file := range r.files {
		files = append(files, file)
	}
	slices.SortFunc(files, func(a, b sealedFile) int { return cmp.Compare(a.Path, b.Path) })
	return files
}

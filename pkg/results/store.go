package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Store is a folder of runs. Several processes may use one at the same time.
type Store struct{ dir string }

// Open returns the store in dir. The folder is created when the first run is.
func Open(dir string) (*Store, error) {
	if dir == "" {
		return nil, errors.New("opening results: no folder given")
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("opening results: %s is not a folder", dir)
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening results in %s: %w", dir, err)
	}
	return &Store{dir: absolute}, nil
}

// Dir is the store's folder, as an absolute path.
func (s *Store) Dir() string { return s.dir }

// Latest is the reference to the newest run of a store.
const Latest = "latest"

// Load returns the run that ref names: an ID, a unique beginning of one, "latest", the name of a lab (its latest run),
// or a published baseline such as "blog:2023-08-23".
// When files of the run are damaged Load returns all that is whole together with a *DamagedError.
// A ref that fits nothing is a *NotFoundError.
func (s *Store) Load(ref string) (*Run, error) {
	for _, run := range Published() {
		if run.ID == ref {
			return &run, nil
		}
	}
	id, err := s.resolve(ref)
	if err != nil {
		return nil, err
	}
	return readRun(filepath.Join(s.dir, id), id)
}

// ids are the IDs of all runs, oldest first.
func (s *Store) ids() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	var ids []string
	for _, entry := range entries { // sorted by name
		if entry.IsDir() && idPattern.MatchString(entry.Name()) {
			ids = append(ids, entry.Name())
		}
	}
	return ids, nil
}

// resolve finds the ID that ref means.
func (s *Store) resolve(ref string) (string, error) {
	ids, err := s.ids()
	if err != nil {
		return "", err
	}
	if ref == Latest && len(ids) > 0 {
		return ids[len(ids)-1], nil
	}
	var fitting, labs []string
	for _, id := range slices.Backward(ids) {
		if id == ref {
			return id, nil
		}
		if ref != "" && strings.HasPrefix(id, ref) {
			fitting = append(fitting, id)
		}
	}
	if len(fitting) > 1 {
		return "", fmt.Errorf("run %q could be any of %s: give more of the ID", ref, strings.Join(fitting, ", "))
	}
	if len(fitting) == 1 {
		return fitting[0], nil
	}
	for _, id := range slices.Backward(ids) {
		run, err := manifestOf(filepath.Join(s.dir, id), id)
		switch {
		case err != nil || run.Lab == "": // a damaged run says so when it is listed or loaded
		case run.Lab == ref:
			return id, nil
		case !slices.Contains(labs, run.Lab):
			labs = append(labs, run.Lab)
		}
	}
	return "", &NotFoundError{Ref: ref, Known: known(ids, labs)}
}

// known is what could have been meant: the newest runs, the labs, the baselines.
func known(ids, labs []string) []string {
	const newest = 5
	names := slices.Clone(ids[max(0, len(ids)-newest):])
	slices.Reverse(names)
	names = append(names, labs...)
	for _, run := range Published() {
		names = append(names, run.ID)
	}
	return names
}

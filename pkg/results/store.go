package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Store is a folder of runs. Several processes may use one at the same time.
type Store struct {
	dir       string
	baselines []Run
	formats   []Format
}

// Know adds published runs that Load finds by their IDs, and formats that ImportFile reads.
func (s *Store) Know(baselines []Run, formats ...Format) *Store {
	s.baselines, s.formats = append(s.baselines, baselines...), append(s.formats, formats...)
	return s
}

// baseline is the published run of this ID, or nil.
func (s *Store) baseline(id string) *Run {
	for _, run := range s.baselines {
		if run.ID == id {
			return &run
		}
	}
	return nil
}

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

// Load returns the run that ref names, see Refs. When files of the run are damaged Load returns all that is whole together
// with a *DamagedError. A ref that fits nothing is a *NotFoundError.
func (s *Store) Load(ref string) (*Run, error) {
	if run := s.baseline(ref); run != nil {
		return run, nil
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

// IDs are the IDs of the runs that the references name; of all runs without references, oldest first.
func (s *Store) IDs(refs ...string) ([]string, error) {
	if len(refs) == 0 {
		return s.ids()
	}
	var ids []string
	for _, ref := range refs {
		if s.baseline(ref) != nil {
			return nil, fmt.Errorf("%s ships with labctl and is not stored", ref)
		}
		id, err := s.resolve(ref)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"labctl/pkg/internal/atomicfile"
)

// Tags are names that people give to runs. They are kept beside the runs, one file each, which holds the run's ID.

const tagsDir = "tags"

var tagPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)

// Tag gives a run a name, which Load takes wherever it takes an ID. A tag that another run had moves to this one.
// It returns the ID of the run.
func (s *Store) Tag(name, ref string) (string, error) {
	if !tagPattern.MatchString(name) || name == Latest {
		return "", fmt.Errorf("%q cannot be a tag: a tag begins with a letter, has letters, digits, dots, dashes and underscores, and is not %s", name, Latest)
	}
	ids, err := s.ids()
	if err != nil {
		return "", err
	}
	if id, _ := s.newest(ids, name, 0); id != "" {
		return "", fmt.Errorf("%q cannot be a tag: it is the name of a lab that has runs", name)
	}
	if s.baseline(ref) != nil {
		return "", fmt.Errorf("%s needs no tag: it has a name", ref)
	}
	id, err := s.resolve(ref)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(s.dir, tagsDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", &WriteError{Path: dir, Err: err}
	}
	path := filepath.Join(dir, name)
	if err := atomicfile.Write(path, []byte(id+"\n"), 0o644); err != nil {
		return "", &WriteError{Path: path, Err: err}
	}
	return id, nil
}

// Untag takes a name away. The run stays.
func (s *Store) Untag(name string) error {
	tags, err := s.Tags()
	if err != nil {
		return err
	}
	if _, ok := tags[name]; !ok {
		return fmt.Errorf("no tag %q", name)
	}
	if err := os.Remove(filepath.Join(s.dir, tagsDir, name)); err != nil {
		return fmt.Errorf("removing tag %s: %w", name, err)
	}
	return nil
}

// Tags are the IDs of the runs that have a tag, by tag.
func (s *Store) Tags() (map[string]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, tagsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading tags: %w", err)
	}
	tags := map[string]string{}
	for _, entry := range entries {
		if !tagPattern.MatchString(entry.Name()) {
			continue
		}
		id, err := s.tagged(entry.Name())
		if err != nil {
			return nil, err
		}
		tags[entry.Name()] = id
	}
	return tags, nil
}

// tagged is the ID of the run with this tag; "" when there is none.
func (s *Store) tagged(name string) (string, error) {
	if !tagPattern.MatchString(name) {
		return "", nil
	}
	const longest = 100
	content, err := readRegular(filepath.Join(s.dir, tagsDir, name), longest)
	if errors.Is(err, errMissing) {
		return "", nil
	}
	id := strings.TrimSpace(string(content))
	if err == nil && !idPattern.MatchString(id) {
		err = fmt.Errorf("%q is not a run ID", id)
	}
	if err != nil {
		return "", fmt.Errorf("reading tag %s: %w", name, err)
	}
	return id, nil
}

// tagsOf are the tags of a run, sorted.
func tagsOf(tags map[string]string, id string) []string {
	var names []string
	for name, run := range tags {
		if run == id {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

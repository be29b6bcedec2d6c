package results

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Latest is the reference to the newest run of a store.
const Latest = "latest"

// Refs says how a run can be named, for help texts.
const Refs = "its ID, the beginning of one, a tag, a lab's name (its newest run), latest (the newest run), latest~1 (the one before), or a published baseline"

// counted is a reference to the n-th run before the newest: latest~1, demo~2.
var counted = regexp.MustCompile(`^(.+)~(\d{1,6})$`)

// resolve finds the ID that ref means. A run that was interrupted before its first trial ended is nobody's newest run.
func (s *Store) resolve(ref string) (string, error) {
	ids, err := s.ids()
	if err != nil {
		return "", err
	}
	if slices.Contains(ids, ref) {
		return ref, nil
	}
	if id, err := s.tagged(ref); id != "" || err != nil {
		return id, err
	}
	var fitting []string
	for _, id := range slices.Backward(ids) {
		if ref != "" && strings.HasPrefix(id, ref) {
			fitting = append(fitting, id)
		}
	}
	switch len(fitting) {
	case 0:
	case 1:
		return fitting[0], nil
	default:
		return "", fmt.Errorf("run %q could be any of %s: give more of the ID", ref, strings.Join(fitting, ", "))
	}
	name, back := ref, 0
	if match := counted.FindStringSubmatch(ref); match != nil {
		name = match[1]
		back, _ = strconv.Atoi(match[2]) //nolint:errcheck // six digits
	}
	id, labs := s.newest(ids, name, back)
	if id == "" {
		return "", &NotFoundError{Ref: ref, Known: s.known(ids, labs)}
	}
	return id, nil
}

// newest finds the run that is the newest but so many, of a lab or of all for Latest. Without one it returns the names
// of the labs that have runs.
func (s *Store) newest(ids []string, lab string, back int) (id string, labs []string) {
	for _, id := range slices.Backward(ids) {
		dir := filepath.Join(s.dir, id)
		if lab != Latest {
			run, err := manifestOf(dir, id)
			if err != nil || run.Lab == "" { // a damaged run says so when it is listed or loaded
				continue
			}
			if run.Lab != lab {
				if !slices.Contains(labs, run.Lab) {
					labs = append(labs, run.Lab)
				}
				continue
			}
		}
		switch {
		case isVoid(dir, id):
		case back == 0:
			return id, nil
		default:
			back--
		}
	}
	return "", labs
}

// isVoid says that a run was interrupted, or is so young, that it has no trial.
func isVoid(dir, id string) bool {
	if entries, err := os.ReadDir(filepath.Join(dir, trialsDir)); err != nil || len(entries) > 0 {
		return false
	}
	r, err := readFolder(dir, id)
	return err == nil && (r.run.Status == StatusInterrupted || r.run.Status == StatusRunning)
}

// known is what could have been meant: the newest runs, the labs, the baselines.
func (s *Store) known(ids, labs []string) []string {
	const newest = 5
	names := slices.Clone(ids[max(0, len(ids)-newest):])
	slices.Reverse(names)
	names = append(names, labs...)
	for _, run := range s.baselines {
		names = append(names, run.ID)
	}
	return names
}

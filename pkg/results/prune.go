package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"labctl/pkg/internal/atomicfile"
)

// Pruning says which runs to remove. A run that has a tag, that is being written, that cannot be read, or that is the
// newest of its lab is kept, whatever is asked for.
type Pruning struct {
	// Void asks for runs that were interrupted before their first trial ended.
	Void bool
	// Keep is how many of the newest runs of every lab are kept; 0 asks for none by number.
	Keep int
	// Before asks for the runs that began earlier; zero asks for none by age.
	Before time.Time
}

// Prunable lists the runs that p asks for and that may be removed, oldest first.
func (s *Store) Prunable(p Pruning) ([]Header, error) {
	headers, err := s.List()
	if err != nil {
		return nil, err
	}
	newer := map[string]int{} // runs of a lab that are newer and not void
	var prunable []Header
	for _, h := range slices.Backward(headers) {
		rank := newer[h.Lab]
		if !h.isVoid() {
			newer[h.Lab]++
		}
		if p.asksFor(h, rank) && !h.isKept(rank) {
			prunable = append(prunable, h)
		}
	}
	slices.Reverse(prunable)
	return prunable, nil
}

func (h Header) isVoid() bool {
	return h.Trials == 0 && h.Status == StatusInterrupted && h.Problem == ""
}

// asksFor says whether a run is selected; rank is how many runs of its lab are newer.
func (p Pruning) asksFor(h Header, rank int) bool {
	return p.Void && h.isVoid() || p.Keep > 0 && rank >= p.Keep || !p.Before.IsZero() && h.Created.Before(p.Before)
}

// isKept says whether a run is never removed.
func (h Header) isKept(rank int) bool {
	return len(h.Tags) > 0 || h.Status == StatusRunning || h.Problem != "" || rank == 0 && !h.isVoid()
}

// Remove removes a run for ever. One that is being written is not removed.
func (s *Store) Remove(id string) error {
	if !idPattern.MatchString(id) {
		return fmt.Errorf("removing run: %q is not a run ID", id)
	}
	dir := filepath.Join(s.dir, id)
	lock, err := lockRun(dir)
	if err != nil {
		return fmt.Errorf("removing run %s: %w", id, err)
	}
	gone := filepath.Join(s.dir, stagingDir+"gone-"+id) // no reader sees half of it
	err = os.Rename(dir, gone)
	if err == nil {
		err = errors.Join(os.RemoveAll(gone), atomicfile.SyncDir(s.dir))
	}
	if err := errors.Join(err, lock.Close()); err != nil {
		return fmt.Errorf("removing run %s: %w", id, err)
	}
	return nil
}

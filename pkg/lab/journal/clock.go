package journal

import "time"

// clockTarget is where the journal keeps what is known of the clocks; no VM and no host is called so.
const (
	clockTarget = "clock of the server"
	factAhead   = "we_are_ahead"
)

// clockNoise is how far two clocks that agree may seem apart.
const clockNoise = 10 * time.Second

// NoteAhead records that this machine's clock is ahead of the server's, since the times of the entries are by this one and
// those of tasks by the other. What is noise, or known already, costs no entry.
func (j *Journal) NoteAhead(ahead time.Duration) error {
	if ahead <= clockNoise {
		return nil
	}
	if state := j.State(); !state.Active() || ahead <= state.Ahead()+clockNoise {
		return nil
	}
	return j.Learn(clockTarget, map[string]string{factAhead: ahead.Round(time.Second).String()})
}

// Ahead is how far this machine's clock was ahead of the server's at most, as far as that is more than noise.
func (s *State) Ahead() time.Duration {
	ahead, err := time.ParseDuration(s.Fact(clockTarget, factAhead))
	if err != nil {
		return 0
	}
	return ahead
}

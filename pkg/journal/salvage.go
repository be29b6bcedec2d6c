package journal

// Salvage is Read for a damaged journal: it skips the lines that cannot be read, and returns what the others say together
// with a *CorruptError for the first of them. What is not proved to be closed counts as open: every VM that the rest of
// the run mentions as touched, and a run whose Begin is lost as active, under an empty RunID. VMIDs that only lost lines
// named are missing. The state is nil only when the file itself cannot be read.
func Salvage(path string) (*State, error) {
	state, _, err := load(path)
	return state, err
}

// lose takes note of a line that cannot be read. While no run is open, it can only have begun one: what came before was
// proved to be gone.
func (s *State) lose() {
	if !s.Active() {
		*s = *newState()
		s.Run = &Begin{}
	}
	s.lossy = true
}

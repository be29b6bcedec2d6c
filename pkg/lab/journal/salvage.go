package journal

// damageTarget is where a repaired journal keeps that lines of it were lost; no VM and no host is called so.
const (
	damageTarget = "damaged journal"
	factKept     = "kept_as"
)

// NoteDamage records that this journal replaces a damaged one, kept as the given file, of which lines may be lost.
func (j *Journal) NoteDamage(kept string) error {
	return j.Learn(damageTarget, map[string]string{factKept: kept})
}

// Damaged says that the run's journal was damaged and repaired: it may have touched VMIDs that are not among VMs.
func (s *State) Damaged() bool { return s.Fact(damageTarget, factKept) != "" }

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

package results

import "time"

// ending is the content of a file that says how a run ended, and that seals what was written until then. A run that was
// interrupted and resumed has several; the last one counts.
type ending struct {
	SchemaVersion int       `json:"schema_version"`
	Run           string    `json:"run"`
	Status        Status    `json:"status"`
	StatusReason  string    `json:"status_reason,omitempty"`
	Finished      time.Time `json:"finished"`
	// Trials and Failed count what was recorded, so that lists need not read every trial.
	Trials   int       `json:"trials"`
	Failed   int       `json:"failed"`
	Overhead *Overhead `json:"overhead,omitempty"`
	// Files are all files of the run but this one, sorted by path.
	Files []sealedFile `json:"files"`
}

// sealedFile is a file as it was when the run ended.
type sealedFile struct {
	Path      string `json:"path"`
	SHA256    string `json:"sha256"`
	SizeBytes int64  `json:"size_bytes"`
}

package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
)

// Files of every version up to the present one are read for ever: here is what tells the versions apart. Files of
// schema 1 are turned into the present types in schema1.go.

// NewerError says that a newer labctl wrote a file, which this one passes over.
type NewerError struct{ Schema int }

// Error says what would read it.
func (e *NewerError) Error() string {
	return fmt.Sprintf("was written by a newer labctl (schema version %d, this one reads up to %d)", e.Schema, SchemaVersion)
}

// head is what every file of a run has.
type head struct {
	SchemaVersion int    `json:"schema_version"`
	Run           string `json:"run"` // in all but the manifest
	ID            string `json:"id"`  // in the manifest
}

// decode reads a file of the run id into what its version asks for, and returns the version.
func decode(data []byte, id string, into func(schema int) any) error {
	var h head
	if err := json.Unmarshal(data, &h); err != nil {
		return fmt.Errorf("is torn or not ours, %d bytes: %w", len(data), err)
	}
	switch {
	case h.SchemaVersion < 1:
		return errors.New("is not a file of labctl: it has no schema_version")
	case h.SchemaVersion > SchemaVersion:
		return &NewerError{Schema: h.SchemaVersion}
	case h.Run != id && h.ID != id:
		return fmt.Errorf("belongs to run %q", h.Run+h.ID)
	}
	if h.SchemaVersion > 1 {
		if err := checkSum(data); err != nil {
			return err
		}
	}
	if err := json.Unmarshal(data, into(h.SchemaVersion)); err != nil {
		return fmt.Errorf("is torn or not ours, %d bytes: %w", len(data), err)
	}
	return nil
}

func decodeManifest(data []byte, id string) (*Run, error) {
	var run Run
	if err := decode(data, id, func(int) any { return &run }); err != nil { // schema 1 has less in it
		return nil, err
	}
	run.Status = StatusInterrupted
	run.Trials, run.Overhead = nil, nil
	return &run, nil
}

func decodeTrial(file string, data []byte, id string) (Trial, error) {
	var record trialRecord
	var old trialRecord1
	schema := SchemaVersion
	err := decode(data, id, func(version int) any {
		if schema = version; version == 1 {
			return &old
		}
		return &record
	})
	if err != nil {
		return Trial{}, err
	}
	name := trialFile(record.Trial)
	if schema == 1 {
		record.Trial = old.trial()
		name = old.nameLike(path.Base(file))
	}
	if path.Base(name) != path.Base(file) || record.Target == "" || record.Workload == "" {
		return Trial{}, fmt.Errorf("holds attempt %d at %s, which its name does not say", record.Attempt, record.Cell)
	}
	return record.Trial, nil
}

func decodeEnding(data []byte, id string) (*ending, error) {
	var end ending
	if err := decode(data, id, func(int) any { return &end }); err != nil { // schema 1 has less in it
		return nil, err
	}
	return &end, nil
}

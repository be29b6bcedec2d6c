package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
)

// Files of every version up to the present one are read for ever: here is what tells the versions apart. Files of
// schema 1 are turned into the present types in schema1.go.

// NewerError says that a newer labctl wrote a file, which this one passes over.
type NewerError struct{ Schema int }

// Error says what would read it.
func (e *NewerError) Error() string {
	return fmt.Sprintf("was written by a newer labctl (schema version %d, this one reads up to %d)", e.Schema, SchemaVersion)
}

// owned is a file of a run.
type owned interface {
	owner() string // the ID of the run
}

func (r *Run) owner() string          { return r.ID }
func (r *trialRecord) owner() string  { return r.Run }
func (r *trialRecord1) owner() string { return r.Run }
func (e *ending) owner() string       { return e.Run }

// versionAtHead finds the version where labctl writes it, so that a file need not be parsed twice.
var versionAtHead = regexp.MustCompile(`^\{\s*(?:"sha256": "[0-9a-f]{64}",\s*)?"schema_version": (\d{1,9}),`)

// schemaOf is the schema version of a file; 0 when it has none.
func schemaOf(data []byte) (int, error) {
	if match := versionAtHead.FindSubmatch(data); match != nil {
		return strconv.Atoi(string(match[1]))
	}
	var head struct {
		SchemaVersion int `json:"schema_version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return 0, tornError(data, err)
	}
	return head.SchemaVersion, nil
}

func tornError(data []byte, err error) error {
	return fmt.Errorf("is torn or not ours, %d bytes: %w", len(data), err)
}

// decode reads a file of the run id into what its version asks for.
func decode(data []byte, id string, into func(schema int) owned) error {
	schema, err := schemaOf(data)
	switch {
	case err != nil:
		return err
	case schema < 1:
		return errors.New("is not a file of labctl: it has no schema_version")
	case schema > SchemaVersion:
		return &NewerError{Schema: schema}
	}
	if schema > 1 {
		err = checkSum(data)
	}
	file := into(schema)
	if parseErr := json.Unmarshal(data, file); parseErr != nil {
		return tornError(data, parseErr)
	}
	if err == nil && file.owner() != id {
		err = fmt.Errorf("belongs to run %q", file.owner())
	}
	return err
}

func decodeManifest(data []byte, id string) (*Run, error) {
	var run Run
	if err := decode(data, id, func(int) owned { return &run }); err != nil { // schema 1 has less in it
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
	err := decode(data, id, func(version int) owned {
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
	if err := decode(data, id, func(int) owned { return &end }); err != nil { // schema 1 has less in it
		return nil, err
	}
	return &end, nil
}

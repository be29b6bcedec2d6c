package results

import (
	"path/filepath"
	"time"
)

// Header is the short form of a run, for lists.
type Header struct {
	ID           string    `json:"id"`
	Kind         Kind      `json:"kind"`
	Lab          string    `json:"lab,omitempty"`
	Suite        string    `json:"suite,omitempty"`
	Title        string    `json:"title,omitempty"`
	Created      time.Time `json:"created"`
	Finished     time.Time `json:"finished,omitzero"`
	Status       Status    `json:"status"`
	StatusReason string    `json:"status_reason,omitempty"`
	// Targets and Workloads are names.
	Targets   []string `json:"targets"`
	Workloads []string `json:"workloads"`
	// Trials is how many trials are recorded, Failed how many of them have an Error.
	Trials int `json:"trials"`
	Failed int `json:"failed"`
	// Problem says what is wrong with the files of this run; empty when nothing is.
	Problem string `json:"problem,omitempty"`
}

// List returns the runs of the store, oldest first; published baselines are not among them (see Published).
// A damaged run is listed with its Problem; the error is about the store as a whole.
func (s *Store) List() ([]Header, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	headers := make([]Header, 0, len(ids))
	for _, id := range ids {
		run, err := readRun(filepath.Join(s.dir, id), id)
		if run == nil {
			run = &Run{ID: id}
		}
		header := run.Header()
		if err != nil {
			header.Problem = err.Error()
		}
		headers = append(headers, header)
	}
	return headers, nil
}

// manifestOf reads what was known when the run began.
func manifestOf(dir, id string) (*Run, error) {
	data, err := readRegular(filepath.Join(dir, manifestFile), maxJSON)
	if err != nil {
		return nil, err
	}
	return decodeManifest(data, id)
}

// Header is the short form of the run.
func (r *Run) Header() Header {
	h := Header{
		ID: r.ID, Kind: r.Kind, Lab: r.Lab, Suite: r.Suite, Title: r.Title, Created: r.Created, Finished: r.Finished,
		Status: r.Status, StatusReason: r.StatusReason, Targets: []string{}, Workloads: []string{}, Trials: len(r.Trials),
	}
	for _, target := range r.Targets {
		h.Targets = append(h.Targets, target.Name)
	}
	for _, workload := range r.Workloads {
		h.Workloads = append(h.Workloads, workload.Name)
	}
	for _, trial := range r.Trials {
		if trial.Error != "" {
			h.Failed++
		}
	}
	return h
}

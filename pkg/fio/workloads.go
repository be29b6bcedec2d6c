package fio

import (
	"encoding/json"
	"maps"
	"slices"
)

// jobKey names a job of a report. Clones of one job (numjobs) have one key.
type jobKey struct {
	name  string
	group int
}

func (j JobResult) key() jobKey { return jobKey{j.Name, j.GroupID} }

// cloneOf reports whether two results are those of one job that fio ran several times at once.
func (j JobResult) cloneOf(other JobResult) bool {
	return j.key() == other.key() && maps.Equal(j.Options, other.Options)
}

// Workloads returns a report for each workload of the process. Results of one job and its clones are one workload;
// different jobs are different ones, whose numbers must not be added up: they ran one after the other, or at the same
// time where Together is set.
func (r *Report) Workloads() []*Report {
	var parts []*Report
	var members [][]int
	for i, job := range r.Jobs {
		at := slices.IndexFunc(parts, func(p *Report) bool { return p.Jobs[0].cloneOf(job) })
		if at < 0 {
			part := *r
			part.Jobs = nil
			parts, members = append(parts, &part), append(members, nil)
			at = len(parts) - 1
		}
		parts[at].Jobs = append(parts[at].Jobs, job)
		members[at] = append(members[at], i)
	}
	if len(parts) == 1 {
		return []*Report{r}
	}
	for at, part := range parts {
		part.Together = slices.ContainsFunc(parts, func(other *Report) bool { return other != part && other.Jobs[0].GroupID == part.Jobs[0].GroupID })
		part.Text = textOf(r.Text, members[at])
	}
	return parts
}

// textOf is the JSON of a report with some of its jobs only.
func textOf(text []byte, jobs []int) []byte {
	clean := cleaned{json: text}
	if !json.Valid(text) {
		clean = clean.clean(quoted)
	}
	var whole struct {
		Version     json.RawMessage   `json:"fio version"`
		Timestamp   json.RawMessage   `json:"timestamp,omitempty"`
		TimestampMs json.RawMessage   `json:"timestamp_ms,omitempty"`
		Global      json.RawMessage   `json:"global options,omitempty"`
		Jobs        []json.RawMessage `json:"jobs"`
		DiskUtil    json.RawMessage   `json:"disk_util,omitempty"`
	}
	if json.Unmarshal(clean.json, &whole) != nil {
		return text // it has been read before
	}
	all := whole.Jobs
	whole.Jobs = nil
	for _, i := range jobs {
		whole.Jobs = append(whole.Jobs, all[i])
	}
	part, err := json.MarshalIndent(whole, "", " ")
	if err != nil {
		return text
	}
	return append(part, '\n')
}

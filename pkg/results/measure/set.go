package measure

import (
	"cmp"
	"slices"

	"labctl/pkg/fio"
)

// Direction says which I/O of a fio process a number is about.
type Direction string

// The directions.
const (
	Read  Direction = "read"
	Write Direction = "write"
	Trim  Direction = "trim"
	// Mixed is all I/O of a process that was asked to unify its directions (unified_rw_reporting).
	Mixed Direction = "mixed"
	// Verify is the reading back of a process that wrote before; it is no part of the total.
	Verify Direction = "verify"
	// Total is all I/O of a process that goes in several directions.
	Total Direction = "total"
	// Process is for numbers of the whole process, such as its CPU time.
	Process Direction = "process"
)

// Set is what one fio process measured: for every direction that had I/O, and for the process, the metrics of the table.
// What this fio does not report is not there; a value that is unknown for another reason is there and has the reason.
type Set struct {
	// FioVersion is the version fio reported, for example "fio-3.33".
	FioVersion string `json:"fio_version,omitempty"`
	// Jobs is the number of job results: numjobs, or 1 with group_reporting.
	Jobs   int                            `json:"jobs"`
	Values map[Direction]map[ID]fio.Value `json:"values"`
	// Unknown has the reasons why metrics have no value, where they are known.
	Unknown map[Direction]map[ID]Unknown `json:"unknown,omitempty"`
}

// Of takes every metric of the table from a report.
func Of(report *fio.Report) *Set {
	s := &Set{FioVersion: report.Version, Jobs: len(report.Jobs)}
	asked := askedPercentiles(report)
	process := source{jobs: report.Jobs}
	var total source
	active := 0
	for _, d := range flows {
		from := source{jobs: report.Jobs}
		for _, job := range report.Jobs {
			if f := d.of(job); f.Active() {
				from.flows = append(from.flows, f)
			}
		}
		if len(from.flows) == 0 {
			continue
		}
		s.take(d.name, from, asked)
		if d.name != Verify {
			active++
			total.flows = append(total.flows, from.flows...)
		}
	}
	if active > 1 {
		s.take(Total, total, asked)
	}
	s.take(Process, process, nil)
	return s
}

// flows are the directions that fio reports, in the order in which they are shown.
var flows = []struct {
	name Direction
	of   func(fio.JobResult) fio.Flow
}{
	{Read, func(j fio.JobResult) fio.Flow { return j.Read }},
	{Write, func(j fio.JobResult) fio.Flow { return j.Write }},
	{Trim, func(j fio.JobResult) fio.Flow { return j.Trim }},
	{Mixed, func(j fio.JobResult) fio.Flow { return j.Mixed }},
	{Verify, func(j fio.JobResult) fio.Flow { return j.Verify }},
}

// Flows are the directions that fio reports, in the order in which they are shown.
func Flows() []Direction {
	var all []Direction
	for _, f := range flows {
		all = append(all, f.name)
	}
	return all
}

// take reads every metric of one direction.
func (s *Set) take(d Direction, from source, asked []Metric) {
	for _, m := range slices.Concat(table, asked) {
		if m.Process != (d == Process) {
			continue
		}
		r := m.from(from)
		if r.value.IsKnown() || r.Why != "" {
			s.Put(d, m.ID, r.value)
		}
		if r.Why != "" {
			s.doubt(d, m.ID, r.Unknown)
		}
	}
}

// Put sets a value.
func (s *Set) Put(d Direction, id ID, value fio.Value) {
	if s.Values == nil {
		s.Values = map[Direction]map[ID]fio.Value{}
	}
	if s.Values[d] == nil {
		s.Values[d] = map[ID]fio.Value{}
	}
	s.Values[d][id] = value
}

func (s *Set) doubt(d Direction, id ID, why Unknown) {
	if s.Unknown == nil {
		s.Unknown = map[Direction]map[ID]Unknown{}
	}
	if s.Unknown[d] == nil {
		s.Unknown[d] = map[ID]Unknown{}
	}
	s.Unknown[d][id] = why
}

// Get returns the value of a metric. The total of a process that only goes in one direction is that direction's.
func (s *Set) Get(d Direction, id ID) fio.Value {
	return s.Values[s.actual(d)][id]
}

// WhyUnknown returns the reason why a metric has no value, as far as it is known.
func (s *Set) WhyUnknown(d Direction, id ID) Unknown {
	return s.Unknown[s.actual(d)][id]
}

// Convention takes the mean of the jobs' own 99th percentiles for a number, where there is no percentile of all I/O:
// what the blog published is told that way.
func (s *Set) Convention() {
	for d, reasons := range s.Unknown {
		if mean := reasons[ClatP99].JobsMean; mean.IsKnown() {
			s.Put(d, ClatP99Convention, mean)
		}
	}
}

func (s *Set) actual(d Direction) Direction {
	if active := s.Directions(); d == Total && len(active) == 1 {
		return active[0]
	}
	return d
}

// Directions are those that had I/O and are part of the total, in the order in which they are shown.
func (s *Set) Directions() []Direction {
	var active []Direction
	for _, f := range flows {
		if _, ok := s.Values[f.name]; ok && f.name != Verify {
			active = append(active, f.name)
		}
	}
	return active
}

// Has says whether there was I/O in this direction.
func (s *Set) Has(d Direction) bool {
	_, there := s.Values[d]
	return there || d == Process || d == Total && len(s.Directions()) > 0
}

// Extra are the metrics of a direction that the table does not have: percentiles that the job asked for.
func (s *Set) Extra() []Metric {
	var extra []Metric
	for _, values := range s.Values {
		for id := range values {
			same := func(m Metric) bool { return m.ID == id }
			if slices.ContainsFunc(table, same) || slices.ContainsFunc(extra, same) {
				continue
			}
			if m, ok := askedPercentile(id); ok {
				extra = append(extra, m)
			}
		}
	}
	slices.SortFunc(extra, func(a, b Metric) int { return cmp.Compare(a.ID, b.ID) })
	return extra
}

// askedPercentiles are those of the job's percentile_list that the table does not have.
func askedPercentiles(report *fio.Report) []Metric {
	var asked []Metric
	for _, job := range report.Jobs {
		_, inJob := job.Options["percentile_list"]
		_, inGlobal := report.GlobalOptions["percentile_list"]
		if !inJob && !inGlobal {
			continue
		}
		for _, l := range []fio.Latency{job.Read.Clat, job.Write.Clat, job.Trim.Clat, job.Mixed.Clat} {
			for _, p := range l.Percentiles {
				id := percentileID(p.Percent)
				same := func(m Metric) bool { return m.ID == id }
				if !slices.ContainsFunc(table, same) && !slices.ContainsFunc(asked, same) {
					asked = append(asked, latencyPercentile(id, p.Percent).shown(Latency))
				}
			}
		}
	}
	return asked
}

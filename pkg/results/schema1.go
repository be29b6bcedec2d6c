package results

import (
	"fmt"
	"strconv"
	"time"

	"labctl/pkg/fio"
	"labctl/pkg/results/measure"
)

// trialRecord1 is a trial's file of schema 1. A number that fio did not report was 0 there.
type trialRecord1 struct {
	Run        string    `json:"run"`
	Seq        int       `json:"seq"`
	Block      int       `json:"block"`
	Target     string    `json:"target"`
	Workload   string    `json:"workload"`
	Started    time.Time `json:"started"`
	Ended      time.Time `json:"ended"`
	FioElapsed Duration  `json:"fio_elapsed"`
	Wall       Duration  `json:"wall"`
	Args       []string  `json:"args"`
	ExitCode   int       `json:"exit_code"`
	Files      string    `json:"files"`
	Summary    *summary1 `json:"summary"`
	Error      string    `json:"error"`
	Raw        *Blob     `json:"raw"`
	RawStderr  *Blob     `json:"raw_stderr"`
}

type summary1 struct {
	FioVersion string   `json:"fio_version"`
	Jobs       int      `json:"jobs"`
	Read       flow1    `json:"read"`
	Write      flow1    `json:"write"`
	RuntimeMax Duration `json:"runtime_max"`
}

type flow1 struct {
	IOPS          float64 `json:"iops"`
	BytesPerSec   float64 `json:"bytes_per_sec"`
	IOBytes       int64   `json:"io_bytes"`
	ClatMeanNs    float64 `json:"clat_mean_ns"`
	ClatP99MeanNs float64 `json:"clat_p99_mean_ns"`
	TotalIOs      int64   `json:"total_ios"`
}

// nameLike is the name of the trial's file when its number, which is the only reversible part, is right.
func (r *trialRecord1) nameLike(name string) string {
	match := trialPattern1.FindStringSubmatch(name)
	if match == nil {
		return ""
	}
	if seq, err := strconv.Atoi(match[1]); err != nil || seq != r.Seq {
		return fmt.Sprintf("%03d", r.Seq)
	}
	return name
}

func (r *trialRecord1) trial() Trial {
	t := Trial{
		Cell: Cell{Block: r.Block, Target: r.Target, Workload: r.Workload}, Attempt: 1, Seq: r.Seq,
		OnTarget: Window{Start: r.Started, End: r.Ended}, FioElapsed: r.FioElapsed, Wall: r.Wall,
		Args: r.Args, ExitCode: r.ExitCode, Files: r.Files, Error: r.Error,
	}
	if r.Summary != nil {
		t.Measures = r.Summary.measures()
		if len(r.Args) > 0 {
			t.Findings = buffered(argOptions(r.Args))
		}
	}
	for _, raw := range []struct {
		role Role
		blob *Blob
	}{{RoleReport, r.Raw}, {RoleStderr, r.RawStderr}} {
		if raw.blob != nil {
			t.Artifacts = append(t.Artifacts, Artifact{Role: raw.role, Blob: *raw.blob})
		}
	}
	return t
}

func (s *summary1) measures() *measure.Set {
	set := &measure.Set{FioVersion: s.FioVersion, Jobs: s.Jobs}
	flows := []struct {
		direction measure.Direction
		flow1
	}{{measure.Read, s.Read}, {measure.Write, s.Write}}
	for _, f := range flows {
		if f.IOBytes > 0 || f.IOPS > 0 {
			f.put(set, f.direction, s.Jobs)
		}
	}
	if len(set.Directions()) > 1 {
		s.Read.plus(s.Write).put(set, measure.Total, s.Jobs)
	}
	if s.RuntimeMax > 0 {
		set.Put(measure.Process, measure.Runtime, fio.Known(float64(s.RuntimeMax)))
	}
	return set
}

func (f flow1) put(set *measure.Set, d measure.Direction, jobs int) {
	p99 := measure.ClatP99
	if jobs > 1 {
		p99 = measure.ClatP99Convention
	}
	set.Put(d, measure.IOPS, fio.Known(f.IOPS))
	set.Put(d, measure.Bandwidth, fio.Known(f.BytesPerSec))
	set.Put(d, measure.IOBytes, fio.Known(float64(f.IOBytes)))
	for id, number := range map[measure.ID]float64{"ios": float64(f.TotalIOs), measure.ClatMean: f.ClatMeanNs, p99: f.ClatP99MeanNs} {
		if number > 0 {
			set.Put(d, id, fio.Known(number))
		}
	}
}

// plus is both directions together. A percentile of both cannot be had from two percentiles.
func (f flow1) plus(w flow1) flow1 {
	sum := flow1{
		IOPS: f.IOPS + w.IOPS, BytesPerSec: f.BytesPerSec + w.BytesPerSec,
		IOBytes: f.IOBytes + w.IOBytes, TotalIOs: f.TotalIOs + w.TotalIOs,
	}
	if sum.TotalIOs > 0 {
		sum.ClatMeanNs = (f.ClatMeanNs*float64(f.TotalIOs) + w.ClatMeanNs*float64(w.TotalIOs)) / float64(sum.TotalIOs)
	}
	return sum
}

package results

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"labctl/pkg/fio"
	"labctl/pkg/results/measure"
)

// Verification is what Verify found out about one run.
type Verification struct {
	Run string
	// Files were read, Trials derived anew from fio's raw output.
	Files, Trials int
	// Sealed says that the run has ended, so that its end vouches for every file.
	Sealed bool
	// PassedOver are files that a newer labctl wrote.
	PassedOver []string
	// Damage is everything that is not as it was written.
	Damage []Damage
}

// Verify reads every file of a run, unpacks all raw data, derives the numbers from it again, and says what differs from
// what was recorded.
func (s *Store) Verify(id string) (*Verification, error) {
	if !idPattern.MatchString(id) {
		return nil, fmt.Errorf("verifying run: %q is not a run ID", id)
	}
	dir := filepath.Join(s.dir, id)
	r, err := readFolder(dir, id)
	if newer := (*NewerError)(nil); errors.As(err, &newer) {
		return &Verification{Run: id, PassedOver: []string{manifestFile}}, nil
	}
	if err != nil {
		return nil, err
	}
	v := &Verification{Run: id, Files: len(r.files), Sealed: r.end != nil && r.run.Status != StatusRunning}
	for i := range r.run.Trials {
		r.verifyTrial(&r.run.Trials[i], v)
	}
	if planned := len(r.run.Plan.Cells); r.endings == 0 && r.run.Status == StatusInterrupted && planned > 0 && len(r.run.Missing()) == 0 {
		r.damaged(finishedFile, errors.New("is missing, though every planned trial is there"))
	}
	v.Damage, v.PassedOver = r.damage, r.run.PassedOver
	return v, nil
}

// verifyTrial unpacks what a trial left behind, and derives its numbers again.
func (r *runReader) verifyTrial(t *Trial, v *Verification) {
	var outputs []Output
	for _, artifact := range t.Artifacts {
		data, err := readBlob(r.dir, artifact.Blob)
		if err == nil && int64(len(data)) != artifact.SizeBytes {
			err = fmt.Errorf("unpacks to %d bytes, recorded were %d", len(data), artifact.SizeBytes)
		}
		if err != nil {
			r.damagedOnce(blobFile(artifact.SHA256), err)
			return
		}
		outputs = append(outputs, Output{Role: artifact.Role, Name: artifact.Name, Data: data})
	}
	if output(outputs, RoleReport) == nil {
		return
	}
	again := Trial{Cell: t.Cell, ExitCode: t.ExitCode}
	again.derive(outputs)
	v.Trials++
	if t.Measures == nil {
		return // its error may be labctl's own
	}
	for _, problem := range t.differences(again) {
		r.damaged(r.fileOf[trialKey(*t)], errors.New(problem))
	}
}

// damagedOnce is damaged for a file that the first reading may have found already.
func (r *runReader) damagedOnce(file string, err error) {
	path := filepath.Join(r.dir, filepath.FromSlash(file))
	if !slices.ContainsFunc(r.damage, func(d Damage) bool { return d.Path == path }) {
		r.damaged(file, err)
	}
}

// differences are the recorded numbers that fio's report does not have.
func (t *Trial) differences(again Trial) []string {
	if again.Measures == nil {
		return []string{"has numbers, and fio's report has none: " + again.Error}
	}
	var found []string
	if t.Measures.Jobs != again.Measures.Jobs || t.Measures.FioVersion != again.Measures.FioVersion {
		found = append(found, fmt.Sprintf("says %d jobs of %s, fio's report has %d of %s",
			t.Measures.Jobs, t.Measures.FioVersion, again.Measures.Jobs, again.Measures.FioVersion))
	}
	for _, d := range append(measure.Flows(), measure.Total, measure.Process) {
		for _, metric := range append(measure.All(), t.Measures.Extra()...) {
			recorded, stored := t.Measures.Values[d][metric.ID]
			derived := again.Measures.Get(d, metric.ID)
			if stored && metric.ID != measure.ClatP99Convention && !sameNumber(recorded, derived) {
				found = append(found, fmt.Sprintf("says that %s %s is %s, fio's report gives %s", d, metric.Name, recorded, derived))
			}
		}
	}
	return found
}

// sameNumber allows for another order of additions.
func sameNumber(a, b fio.Value) bool {
	x, knowX := a.Get()
	y, knowY := b.Get()
	return knowX == knowY && math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y))
}

package results

import (
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// Header is the short form of a run, for lists.
type Header struct {
	ID    string
	Kind  Kind
	Lab   string
	Suite string
	Title string
	// Server is the Proxmox VE that was measured, Node its node. Sandbox is as in Provenance.
	Server, Node, Sandbox string
	Created               time.Time
	Finished              time.Time // zero while it has not ended
	Status                Status
	StatusReason          string
	Tags                  []string
	// Trials is how many trials are recorded, Failed how many of them have an Error.
	Trials, Failed int
	// Problem says what is wrong with the files of this run; empty when nothing is.
	Problem string
	// Newer says that a newer labctl wrote the run, which this one cannot read.
	Newer bool
}

// List returns the runs of the store, oldest first; published baselines are not among them.
// A damaged run is listed with its Problem; the error is about the store as a whole.
// Of a sealed run only its beginning and its end are read, and the names and sizes of its files compared: Verify reads all.
func (s *Store) List() ([]Header, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	tags, err := s.Tags()
	if err != nil {
		return nil, err
	}
	headers := make([]Header, len(ids))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				headers[i] = readHeader(filepath.Join(s.dir, ids[i]), ids[i])
				headers[i].Tags = tagsOf(tags, ids[i])
			}
		})
	}
	for i := range ids {
		next <- i
	}
	close(next)
	workers.Wait()
	return headers, nil
}

// readHeader reads as little of a run as its header needs.
func readHeader(dir, id string) Header {
	r := newReader(dir, id)
	err := r.readManifest()
	if newer := (*NewerError)(nil); errors.As(err, &newer) {
		return Header{ID: id, Newer: true, Problem: err.Error()}
	}
	if err == nil {
		r.survey()
		r.readEnding()
	}
	if err == nil && !r.sealedAsNamed() {
		r.readRest()
	}
	h := r.run.Header()
	if r.counts != nil {
		h.Trials, h.Failed = r.counts.Trials, r.counts.Failed
	}
	if err == nil {
		err = r.problem()
	}
	if err != nil {
		h.Problem = err.Error()
	}
	return h
}

// sealedAsNamed says whether the names and sizes of the files are those of the seal, so that its counts hold.
func (r *runReader) sealedAsNamed() bool {
	if r.end == nil || r.end.SchemaVersion < 2 || r.end.Status == StatusInterrupted || len(r.damage) > 0 {
		return false
	}
	sealed := map[string]int64{}
	for _, file := range r.end.Files {
		sealed[file.Path] = file.SizeBytes
	}
	for _, present := range []map[string]fs.DirEntry{r.trials, r.blobs} {
		for file, entry := range present {
			info, err := entry.Info()
			if size, ok := sealed[file]; !ok || err != nil || info.Size() != size {
				return false
			}
			delete(sealed, file)
		}
	}
	for file := range sealed {
		if file != manifestFile && endingNumber(file) == 0 {
			return false
		}
	}
	r.counts = r.end
	return true
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
		ID: r.ID, Kind: r.Kind, Lab: r.Lab, Suite: r.Suite, Title: r.Title,
		Server: r.Provenance.Server, Node: r.Provenance.PVENode, Sandbox: r.Provenance.Sandbox,
		Created: r.Created, Finished: r.Finished, Status: r.Status, StatusReason: r.StatusReason, Trials: len(r.Trials),
	}
	for _, trial := range r.Trials {
		if trial.Error != "" {
			h.Failed++
		}
	}
	return h
}

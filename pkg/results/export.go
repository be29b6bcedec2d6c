package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"labctl/pkg/internal/atomicfile"
)

// exportField marks an export of labctl; its value is the version of the export format.
const (
	exportField   = "labctl_export"
	exportVersion = 1
)

// export is a run folder as one JSON document.
type export struct {
	Version int          `json:"labctl_export"`
	ID      string       `json:"id"`
	Files   []exportFile `json:"files"`
}

// exportFile is one file of the folder: JSON files as JSON, others as base64.
type exportFile struct {
	Path   string          `json:"path"`
	SHA256 string          `json:"sha256"`
	JSON   json.RawMessage `json:"json,omitempty"`
	Base64 []byte          `json:"base64,omitempty"`
}

// maxExport bounds the size of an export, written or read.
const maxExport = 512 << 20

// unpackLimit is how much the raw files of one export may unpack to. fio's reports and logs pack to a tenth or less, but
// never to a thousandth: a small document that unpacks to gigabytes is hostile.
func unpackLimit(packed int64) int64 { return 64<<20 + 1000*packed }

// Export writes the run that ref names as one self-contained JSON document, raw data included.
// Import restores it bit for bit. A damaged run, or one that is being written, is not exported: nothing is written then.
func (s *Store) Export(ref string, w io.Writer) error {
	files, id, err := s.exportable(ref)
	if err == nil {
		err = writeExport(w, filepath.Join(s.dir, id), id, files)
	}
	if err != nil {
		return fmt.Errorf("exporting %s: %w", ref, err)
	}
	return nil
}

// exportable checks a run, every raw file included, and lists its files.
func (s *Store) exportable(ref string) ([]sealedFile, string, error) {
	if s.baseline(ref) != nil {
		return nil, "", errors.New("it ships with every labctl")
	}
	id, err := s.resolve(ref)
	if err != nil {
		return nil, "", err
	}
	dir := filepath.Join(s.dir, id)
	r, err := readFolder(dir, id)
	switch {
	case err != nil:
		return nil, "", err
	case r.problem() != nil:
		return nil, "", r.problem()
	case len(r.run.PassedOver) > 0:
		return nil, "", fmt.Errorf("%s was written by a newer labctl, which can export it", r.run.PassedOver[0])
	case r.run.Status == StatusRunning:
		return nil, "", errBusy
	}
	files := r.sealed()
	var size, left int64
	for _, file := range files {
		size += file.SizeBytes * 4 / 3 // base64
		left += file.SizeBytes
	}
	if size > maxExport {
		return nil, "", fmt.Errorf("its files have %d bytes, and an export has at most %d", size, maxExport)
	}
	left = unpackLimit(left)
	for _, file := range files {
		if isJSON(file.Path) {
			continue
		}
		n, err := checkBlobFile(dir, file.Path, left)
		if err != nil {
			return nil, "", fmt.Errorf("%s %w", filepath.Join(dir, filepath.FromSlash(file.Path)), err)
		}
		left -= n
	}
	return files, id, nil
}

// checkBlobFile checks a raw file and returns how long its content is, which is at most this much.
func checkBlobFile(dir, file string, most int64) (int64, error) {
	packed, err := readRegular(filepath.Join(dir, filepath.FromSlash(file)), maxPacked)
	if err != nil {
		return 0, err
	}
	return checkBlob(file, packed, most)
}

// writeExport writes the document file by file.
func writeExport(w io.Writer, dir, id string, files []sealedFile) error {
	head, err := json.Marshal(id)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "{\n  %q: %d,\n  \"id\": %s,\n  \"files\": [", exportField, exportVersion, head); err != nil {
		return err
	}
	for i, sealed := range files {
		content, err := readRegular(filepath.Join(dir, filepath.FromSlash(sealed.Path)), max(maxJSON, maxPacked))
		if err == nil && hashOf(content) != sealed.SHA256 {
			err = errors.New("changes while it is read")
		}
		if err != nil {
			return fmt.Errorf("%s %w", sealed.Path, err)
		}
		file := exportFile{Path: sealed.Path, SHA256: sealed.SHA256}
		if isJSON(file.Path) {
			file.JSON = content
		} else {
			file.Base64 = content
		}
		text, err := json.MarshalIndent(file, "    ", "  ")
		if err != nil {
			return err
		}
		separator := ",\n    "
		if i == 0 {
			separator = "\n    "
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator, text); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, "\n  ]\n}\n")
	return err
}

func isJSON(path string) bool { return strings.HasSuffix(path, ".json") }

// content is the file as it was. The files of a run are indented by one rule, so that the JSON alone gives the bytes back.
func (f exportFile) content() ([]byte, error) {
	content := f.Base64
	if isJSON(f.Path) {
		var text bytes.Buffer
		if err := json.Indent(&text, f.JSON, "", "  "); err != nil {
			return nil, err
		}
		content = append(text.Bytes(), '\n')
	}
	if hashOf(content) != f.SHA256 {
		return nil, errors.New("its content does not fit its hash")
	}
	return content, nil
}

// isExport says whether a file is an export of labctl.
func isExport(data []byte) bool {
	var probe map[string]json.RawMessage
	return json.Unmarshal(data, &probe) == nil && probe[exportField] != nil
}

// importExport restores an exported run.
func (s *Store) importExport(data []byte) (*Run, error) {
	var doc export
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("reading export: %w", err)
	}
	if doc.Version != exportVersion {
		return nil, fmt.Errorf("export format %d is not known, only %d", doc.Version, exportVersion)
	}
	if !idPattern.MatchString(doc.ID) {
		return nil, fmt.Errorf("reading export: %q is not a run ID", doc.ID)
	}
	contents, err := doc.contents(unpackLimit(int64(len(data))))
	if err != nil {
		return nil, fmt.Errorf("reading export: %w", err)
	}
	if contents[manifestFile] == nil {
		return nil, fmt.Errorf("reading export: it has no %s", manifestFile)
	}
	return s.restore(doc.ID, contents)
}

// contents are the files of the export by path. Its raw files unpack to at most this many bytes.
func (e export) contents(left int64) (map[string][]byte, error) {
	contents := map[string][]byte{}
	for _, file := range e.Files {
		content, err := file.content()
		switch {
		case err != nil:
		case !belongs(file.Path):
			err = errForeign
		case contents[file.Path] != nil:
			err = errors.New("is in it twice")
		case !isJSON(file.Path):
			var n int64
			n, err = checkBlob(file.Path, content, left)
			left -= n
		}
		if err != nil {
			return nil, fmt.Errorf("file %q: %w", file.Path, err)
		}
		contents[file.Path] = content
	}
	return contents, nil
}

// restore makes a run folder of these files, or finds that it exists with the same content.
func (s *Store) restore(id string, contents map[string][]byte) (*Run, error) {
	place := filepath.Join(s.dir, id)
	if _, err := os.Lstat(place); err == nil {
		return s.sameRun(id, contents)
	}
	w, err := s.stage(Run{ID: id})
	if err != nil {
		return nil, err
	}
	for path, content := range contents {
		if err := atomicfile.Write(filepath.Join(w.dir, filepath.FromSlash(path)), content, fileMode); err != nil {
			return nil, errors.Join(&WriteError{Path: path, Err: err}, w.discard())
		}
	}
	if _, err := readRun(w.dir, id); err != nil {
		return nil, errors.Join(fmt.Errorf("reading export: %w", err), w.discard())
	}
	if err := w.Close(); err != nil {
		return nil, errors.Join(err, w.discard())
	}
	if err := s.publish(w); err != nil {
		return nil, err
	}
	return readRun(place, id)
}

// sameRun loads the run id of this store if these are its files.
func (s *Store) sameRun(id string, contents map[string][]byte) (*Run, error) {
	r, err := readFolder(filepath.Join(s.dir, id), id)
	if err == nil {
		err = r.problem()
	}
	if err != nil {
		return nil, fmt.Errorf("run %s is here already: %w", id, err)
	}
	same := len(r.files) == len(contents)
	for path, file := range r.files {
		same = same && hashOf(contents[path]) == file.SHA256
	}
	if !same {
		return nil, fmt.Errorf("run %s is here already and has other content", id)
	}
	return r.run, nil
}

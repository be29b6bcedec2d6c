package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// Export writes the run that ref names as one self-contained JSON document, raw data included.
// Import restores it bit for bit. A damaged run, or one that is being written, is not exported.
func (s *Store) Export(ref string, w io.Writer) error {
	run, err := s.Load(ref)
	switch {
	case err != nil:
	case run.Kind == KindPublished:
		err = errors.New("it ships with every labctl")
	case run.Status == StatusRunning:
		err = errBusy
	}
	if err != nil {
		return fmt.Errorf("exporting %s: %w", ref, err)
	}
	files, err := exportFiles(filepath.Join(s.dir, run.ID))
	if err != nil {
		return fmt.Errorf("exporting %s: %w", ref, err)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(export{Version: exportVersion, ID: run.ID, Files: files}); err != nil {
		return fmt.Errorf("exporting %s: %w", ref, err)
	}
	return nil
}

// exportFiles reads the files of a run folder, sorted by path.
func exportFiles(dir string) ([]exportFile, error) {
	var files []exportFile
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || atomicfile.IsTemp(path) {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file := exportFile{Path: filepath.ToSlash(relative), SHA256: hashOf(content)}
		if isJSON(file.Path) {
			file.JSON = content
		} else {
			file.Base64 = content
		}
		files = append(files, file)
		return nil
	})
	return files, err
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
	if isJSON(f.Path) {
		return content, nil
	}
	_, err := checkBlob(f.Path, content, maxBlob)
	return content, err
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
	contents := map[string][]byte{}
	for _, file := range doc.Files {
		content, err := file.content()
		if err == nil && !belongs(file.Path) {
			err = errForeign
		}
		if err != nil {
			return nil, fmt.Errorf("reading export: file %q: %w", file.Path, err)
		}
		contents[file.Path] = content
	}
	if contents[manifestFile] == nil {
		return nil, fmt.Errorf("reading export: it has no %s", manifestFile)
	}
	return s.restore(doc.ID, contents)
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
	dir := filepath.Join(s.dir, id)
	present, err := exportFiles(dir)
	if err != nil {
		return nil, err
	}
	same := len(present) == len(contents)
	for _, file := range present {
		content, known := contents[file.Path]
		same = same && known && hashOf(content) == file.SHA256
	}
	if !same {
		return nil, fmt.Errorf("run %s is here already and has other content", id)
	}
	return readRun(dir, id)
}

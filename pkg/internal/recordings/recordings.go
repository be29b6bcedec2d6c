// Package recordings reads what was recorded from real Proxmox VE servers: testdata/pve-api of this repository, or the
// folder that LABCTL_EXCHANGES names. Tests use it; testdata/pve-api/README.md describes the files.
package recordings

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Variable is the environment variable that names another folder of recordings.
const Variable = "LABCTL_EXCHANGES"

// maxFileBytes is the size that an unpacked file may have. The largest of ours has 0.7 MB.
const maxFileBytes = 64 << 20

// Folder holds recordings: FOLDER/exchanges-8.4/*.json, FOLDER/second-8.4/*.json and the like, plain or as .json.gz.
type Folder struct {
	files fs.FS
	name  string
}

// Open returns the folder that LABCTL_EXCHANGES names, or the repository's own.
func Open() (Folder, error) {
	name := os.Getenv(Variable)
	if name == "" {
		root, err := repositoryRoot()
		if err != nil {
			return Folder{}, err
		}
		name = filepath.Join(root, "testdata", "pve-api")
	}
	if _, err := os.Stat(name); err != nil {
		return Folder{}, fmt.Errorf("no recordings of Proxmox VE (%s names their folder): %w", Variable, err)
	}
	return Folder{files: os.DirFS(name), name: name}, nil
}

// repositoryRoot is the folder with go.mod at or above the working directory: go test runs in the package's folder.
func repositoryRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("no go.mod in the working directory or above it")
		}
		folder = parent
	}
}

// Names lists the recorded series of a version of PVE, such as "exchanges-8.4/31-lp-life" and "second-8.4/44-sdn".
func (f Folder) Names(version string) ([]string, error) {
	var names []string
	for _, part := range []string{"exchanges-", "second-"} {
		entries, err := fs.ReadDir(f.files, part+version)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing recordings in %s: %w", f.name, err)
		}
		for _, entry := range entries {
			name := strings.TrimSuffix(entry.Name(), ".gz")
			if base, ok := strings.CutSuffix(name, ".json"); ok {
				names = append(names, path.Join(part+version, base))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Read returns the JSON of a file, named without .json or .json.gz, such as "privileges-8.4". The plain one wins.
func (f Folder) Read(name string) ([]byte, error) {
	text, err := f.read(name+".json", func(r io.Reader) (io.Reader, error) { return r, nil })
	if errors.Is(err, fs.ErrNotExist) {
		text, err = f.read(name+".json.gz", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
	}
	if err != nil {
		return nil, fmt.Errorf("reading recording %s in %s: %w", name, f.name, err)
	}
	return text, nil
}

func (f Folder) read(name string, unpack func(io.Reader) (io.Reader, error)) ([]byte, error) {
	file, err := f.files.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unpacked, err := unpack(file)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(unpacked, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("more than %d bytes", maxFileBytes)
	}
	return text, nil
}

// Exchanges reads one recorded series, in either of the two formats.
func (f Folder) Exchanges(name string) ([]Exchange, error) {
	text, err := f.Read(name)
	if err != nil {
		return nil, err
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("recording %s: %w", name, err)
	}
	var list []Exchange
	for i, entry := range entries {
		one, err := decode(entry, i)
		if err != nil {
			return nil, fmt.Errorf("recording %s, entry %d: %w", name, i, err)
		}
		list = append(list, one...)
	}
	return list, nil
}

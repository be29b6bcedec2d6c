// Package recordings reads what was captured on real systems: the repository's testdata, and the exchanges with real
// Proxmox VE servers in testdata/pve-api or in the folder that LABCTL_EXCHANGES names. Tests use it.
// testdata/README.md describes the files.
package recordings

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Variable is the environment variable that names another folder of recordings.
const Variable = "LABCTL_EXCHANGES"

// maxFileBytes is the size that an unpacked file may have. The largest of ours has 0.7 MB.
const maxFileBytes = 64 << 20

// Folder holds captured files, plain or packed as NAME.gz.
type Folder struct {
	files fs.FS
	name  string
	own   *Folder // what is looked at for a file that is not there
}

// Captured returns a folder of the repository's testdata, such as "fio".
func Captured(name string) (Folder, error) {
	root, err := repositoryRoot()
	if err != nil {
		return Folder{}, err
	}
	return folderAt(filepath.Join(root, "testdata", filepath.FromSlash(name)))
}

// File reads a file of the repository's testdata, such as "blog/run-2023-09-12.json".
func File(name string) ([]byte, error) {
	folder, err := Captured(".")
	if err != nil {
		return nil, err
	}
	return folder.Read(name)
}

// Exchanges returns the folder with what was exchanged with real servers: FOLDER/exchanges-8.4/*.json,
// FOLDER/second-8.4/*.json and the like. It is the one that LABCTL_EXCHANGES names, or the repository's own. What is not
// in the named one, such as the set-up that every series starts from, is read from the repository's.
func Exchanges() (Folder, error) {
	own, err := Captured("pve-api")
	if err != nil {
		return Folder{}, err
	}
	name := os.Getenv(Variable)
	if name == "" {
		return own, nil
	}
	named, err := folderAt(name)
	if err != nil {
		return Folder{}, fmt.Errorf("reading %s: %w", Variable, err)
	}
	named.own = &own
	return named, nil
}

func folderAt(name string) (Folder, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Folder{}, fmt.Errorf("no folder of recordings: %w", err)
	}
	if !info.IsDir() {
		return Folder{}, fmt.Errorf("recordings %s: not a folder", name)
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

// Series lists what was recorded from a version of PVE, such as "exchanges-8.4/31-lp-life" and "second-8.4/44-sdn".
func (f Folder) Series(version string) ([]string, error) {
	var names []string
	for _, part := range []string{"exchanges-", "second-"} {
		files, err := f.List(part + version + "/*.json")
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			names = append(names, strings.TrimSuffix(file, ".json"))
		}
	}
	return names, nil
}

// List lists the files that match a pattern, which is written without the .gz of packed ones, and so are the names.
func (f Folder) List(pattern string) ([]string, error) {
	var names []string
	for _, packed := range []string{"", ".gz"} {
		found, err := fs.Glob(f.files, pattern+packed)
		if err != nil {
			return nil, fmt.Errorf("listing recordings in %s: %w", f.name, err)
		}
		for _, name := range found {
			names = append(names, strings.TrimSuffix(name, packed))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Read returns a file, unpacked. The plain one wins over a packed one.
func (f Folder) Read(name string) ([]byte, error) {
	text, err := f.read(name, func(r io.Reader) (io.Reader, error) { return r, nil })
	if errors.Is(err, fs.ErrNotExist) {
		text, err = f.read(name+".gz", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
	}
	if errors.Is(err, fs.ErrNotExist) && f.own != nil {
		return f.own.Read(name)
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

// Exchanges reads one series, in either of the two formats.
func (f Folder) Exchanges(series string) ([]Exchange, error) {
	text, err := f.Read(series + ".json")
	if err != nil {
		return nil, err
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("recording %s: %w", series, err)
	}
	var list []Exchange
	for i, entry := range entries {
		one, err := decode(entry, i)
		if err != nil {
			return nil, fmt.Errorf("recording %s, entry %d: %w", series, i, err)
		}
		list = append(list, one...)
	}
	return list, nil
}

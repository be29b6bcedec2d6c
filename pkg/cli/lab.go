package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	labspecs "labctl/lab-specs"
	"labctl/pkg/labspec"
)

// defaultLab is taken when no lab is named.
const defaultLab = "lab.yaml"

// labFile is a lab spec with its text.
type labFile struct {
	lab  *labspec.Lab
	text []byte
}

// sha256 is the hash of the text.
func (f labFile) sha256() string {
	sum := sha256.Sum256(f.text)
	return hex.EncodeToString(sum[:])
}

// loadLab reads the lab that the argument names: a file, or a built-in lab.
func (a *app) loadLab(args []string) (labFile, error) {
	name := defaultLab
	if len(args) > 0 {
		name = args[0]
		a.lab = name
	}
	text, err := readLab(name)
	if err != nil && len(args) == 0 {
		err = usagef("no lab was named, and %w", err)
	}
	if err != nil {
		return labFile{}, err
	}
	lab, err := labspec.Parse(name, text)
	if err != nil {
		return labFile{}, err
	}
	return labFile{lab: lab, text: text}, nil
}

func readLab(name string) ([]byte, error) {
	if !strings.ContainsAny(name, "./"+string(filepath.Separator)) {
		text, err := fs.ReadFile(labspecs.FS, name+".yaml")
		if err == nil {
			return text, nil
		}
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("there is no lab %s: neither a file nor a built-in lab (%s)", name, strings.Join(builtInLabs(), ", "))
	}
	if err != nil {
		return nil, usagef("reading the lab: %w", err)
	}
	return text, nil
}

func builtInLabs() []string {
	files, err := fs.Glob(labspecs.FS, "*.yaml")
	if err != nil {
		return nil
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(file, ".yaml")
	}
	return files
}

// labDir is where the state of a lab is kept. A sandbox has labs of its own.
func (a *app) labDir(lab string) string { return filepath.Join(a.stateRoot(), "labs", lab) }

func (a *app) stateRoot() string {
	if a.flags.sandbox != "" {
		return a.sandboxDir()
	}
	return a.flags.stateDir
}

func (a *app) sandboxDir() string { return filepath.Join(a.flags.stateDir, "sandbox-"+sandboxHost) }

// activeLabs lists the labs of the state root that are up, or were when labctl last looked.
func (a *app) activeLabs() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(a.stateRoot(), "labs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing labs: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if _, err := os.Stat(filepath.Join(a.labDir(entry.Name()), journalFile)); err == nil {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	labspecs "labctl/lab-specs"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/labspec"
)

// defaultLab is taken when no lab is named.
const defaultLab = "lab.yaml"

// loadLab reads the lab that the argument names: a file, or a built-in lab.
func (a *app) loadLab(args []string) (labrun.Spec, error) {
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
		return labrun.Spec{}, err
	}
	lab, err := labspec.Parse(name, text)
	if err != nil {
		return labrun.Spec{}, err
	}
	if a.flags.instance != "" {
		if err := lab.AsInstance(a.flags.instance); err != nil {
			return labrun.Spec{}, usagef("--instance %s: %w", a.flags.instance, err)
		}
	}
	return labrun.Spec{Lab: lab, Text: text}, nil
}

// noLabError says that no lab has the name.
type noLabError struct{ name string }

// Error names what there is.
func (e *noLabError) Error() string {
	return fmt.Sprintf("there is no lab %s: neither a file nor a built-in lab (%s)", e.name, strings.Join(builtInLabs(), ", "))
}

// loadKnown is loadLab for commands to which the name of a lab that is up is enough: it was kept with its spec.
func (a *app) loadKnown(args []string) (labrun.Spec, error) {
	spec, err := a.loadLab(args)
	if missing := (*noLabError)(nil); !errors.As(err, &missing) {
		return spec, err
	}
	known, listErr := a.labStore().Labs()
	if listErr != nil {
		return labrun.Spec{}, errors.Join(err, listErr)
	}
	if len(args) > 0 && slices.Contains(known, args[0]) {
		a.byName = true
		return a.labStore().SavedSpec(args[0])
	}
	up := "no lab is up from this state directory"
	if len(known) > 0 {
		up = "up are: " + strings.Join(known, ", ")
	}
	return labrun.Spec{}, usagef("%w; %s; `labctl gc` shows what is on the server", err, up)
}

func readLab(name string) ([]byte, error) {
	if !strings.ContainsAny(name, "./"+string(filepath.Separator)) {
		text, err := fs.ReadFile(labspecs.FS, name+".yaml")
		if err == nil {
			return text, nil
		}
	}
	text, err := readSome(name, labspec.MaxFileBytes+1) // of a longer one labspec says that it is too long
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &usageError{&noLabError{name}}
	}
	if err != nil {
		return nil, usagef("reading the lab: %w", err)
	}
	return text, nil
}

// readSome reads a file, which may have no end, up to a size.
func readSome(path string, sizeBytes int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, sizeBytes))
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

func (a *app) stateRoot() string {
	if a.flags.sandbox != "" {
		return a.sandboxDir()
	}
	return a.flags.stateDir
}

func (a *app) sandboxDir() string {
	return filepath.Join(a.flags.stateDir, "sandbox-"+cmp.Or(a.flags.sandbox, sandboxHost))
}

// labStore is where the labs' state is kept. A sandbox has labs of its own.
func (a *app) labStore() labrun.Store {
	return labrun.Store{Root: a.stateRoot(), Machine: labrun.ThisMachine()}
}

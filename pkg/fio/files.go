package fio

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxFiles is how many files of a job labctl keeps track of.
const MaxFiles = 10000

// UnknownFilesError says that nobody can tell which files fio will make.
type UnknownFilesError struct{ Option, Reason string }

// Error names the option that makes it so.
func (e *UnknownFilesError) Error() string { return e.Option + " " + e.Reason }

// FileNames returns the names of the files that fio makes of the job in its working directory. It is the one model of
// fio's naming (add_job and make_filename in init.c, add_file in filesetup.c, at fio-3.28 to fio-3.42): a filename is
// one file for all clones; else each of the numjobs has nrfiles of its own, called NAME.JOB.FILE or as
// filename_format says. What the model does not cover is an *UnknownFilesError.
func (j Job) FileNames() ([]string, error) {
	for _, option := range []string{"directory", "opendir", "read_iolog", "write_iolog", "filetype"} {
		if _, ok := j.Get(option); ok {
			return nil, &UnknownFilesError{option, "lets fio choose its files"}
		}
	}
	if name, ok := j.Get("filename"); ok {
		if strings.ContainsAny(name, `:\/`) || name == "-" {
			return nil, &UnknownFilesError{"filename", "is not one plain name"}
		}
		return []string{name}, nil
	}
	jobs, files := j.number("numjobs", 1), j.number("nrfiles", j.number("nr_files", 1))
	switch {
	case jobs < 1:
		return nil, &UnknownFilesError{"numjobs", "is not a number from 1"}
	case files < 1:
		return nil, &UnknownFilesError{"nrfiles", "is not a number from 1"}
	case jobs > MaxFiles || files > MaxFiles || jobs*files > MaxFiles:
		return nil, &UnknownFilesError{"nrfiles", fmt.Sprintf("and numjobs make more than %d files", MaxFiles)}
	}
	name, ok := j.Get("name")
	if !ok {
		return nil, &UnknownFilesError{"name", "is missing, from which fio makes the names of its files"}
	}
	format, ok := j.Get("filename_format")
	if !ok {
		format = "$jobname.$jobnum.$filenum"
	}
	return expand(format, name, jobs, files), nil
}

// expand writes the names of a format, each once.
func expand(format, name string, jobs, files int) []string {
	var names []string
	seen := map[string]bool{}
	for job := range jobs {
		for file := range files {
			made := strings.NewReplacer("$jobname", name, "$jobnum", strconv.Itoa(job), "$filenum", strconv.Itoa(file)).Replace(format)
			if !seen[made] {
				seen[made] = true
				names = append(names, made)
			}
		}
	}
	return names
}

// number is a whole number of the job's options; 0 where it cannot be read.
func (j Job) number(option string, absent int) int {
	text, ok := j.Get(option)
	if !ok {
		return absent
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

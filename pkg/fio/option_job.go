package fio

import (
	"fmt"
	"slices"
	"strings"
)

// OptionProblem is what is wrong with one option of a job, and what to do.
type OptionProblem struct {
	Option, Problem, Remedy string
	// Unknown says that no fio has an option of that name.
	Unknown bool
}

// Check returns what is wrong with the options of a job that comes from outside. Of a job without problems fio reads
// and writes its own files in the working directory, and runs nothing.
func (j Job) Check() []OptionProblem {
	var problems []OptionProblem
	first := map[string]string{}
	for i, option := range j.Options {
		fail := func(problem, remedy string, unknown bool) {
			problems = append(problems, OptionProblem{option.Name, problem, remedy, unknown})
		}
		rule, known := FindOption(option.Name)
		if !known {
			problem, remedy, unknown := unknownOption(option.Name)
			fail(problem, remedy, unknown)
			continue
		}
		if other, twice := first[rule.Name]; twice {
			fail(fmt.Sprintf("is the same option as %s", other), "remove one", false)
		}
		first[rule.Name] = option.Name
		if problem := rule.Check(option); problem != nil {
			fail(problem.Problem, problem.Remedy, false)
		} else if engine := (Job{Options: j.Options[:i]}).engine(); rule.engine != "" && !slices.Contains(strings.Fields(rule.engine), engine) {
			fail("is an option of "+alternatives(strings.Fields(rule.engine))+" only, and the engine is "+engine, "write the ioengine before it, or remove it", false)
		}
	}
	return problems
}

// engine is the engine that fio runs the job with; psync is its default on Linux.
func (j Job) engine() string {
	if engine, ok := j.Get("ioengine"); ok {
		return engine
	}
	return "psync"
}

// unknownOption says what a name is that no option has in full.
func unknownOption(name string) (problem, remedy string, unknown bool) {
	meant := abbreviated(name)
	for _, rule := range meant {
		switch {
		case rule.refused != "" && len(rule.Name) == len(name):
			return "is not for lab files: " + rule.Refused(), "remove it", false
		case rule.refused != "":
			return fmt.Sprintf("fio may take it for %s, which is not for lab files: %s", rule.Name, rule.Refused()), "remove it", false
		}
	}
	if len(meant) > 0 {
		return "is not the full name of a fio option", "did you mean " + meant[0].Name + "?", false
	}
	return "unknown option of fio", "write an option that docs/lab-spec.md lists, by its full name", true
}

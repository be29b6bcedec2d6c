package fio

import (
	"fmt"
	"slices"
	"strings"
)

//go:generate go run ./internal/optiongen -out zz_options.go

// OptionRule is what labctl knows of one option of fio: which values it takes from a lab file, or why it takes none.
// Everything that is no OptionRule is refused: fio takes abbreviations of names, so a list of what is dangerous would
// never be complete.
type OptionRule struct {
	// Name is the full name. Alias is the other name that fio knows, or "".
	Name, Alias string
	// Since and Until are the first and the last fio of 3.28 to 3.42 with the option; "" for all.
	Since, Until string

	kind     string
	values   string // words of an enumeration
	min, max int64  // limits of a whole number; without a max there is none
	engine   string // engines that the option belongs to; "" for all
	refused  string // why a lab file may not have it
}

// ValueProblem is what is wrong with a value, and what to write instead.
type ValueProblem struct{ Problem, Remedy string }

// OptionRules returns the rules of all options of fio 3.28 to 3.42, by name.
func OptionRules() []OptionRule { return options() }

// Engines are the engines that labctl runs: those that do nothing but read and write the job's own files.
func Engines() []string {
	return []string{"io_uring", "libaio", "posixaio", "psync", "pvsync", "pvsync2", "sync", "vsync", "mmap"}
}

// Refused is why a lab file may not set the option; "" if it may.
func (r OptionRule) Refused() string { return refusalReasons()[r.refused] }

// IsFlag says that the option stands without a value too.
func (r OptionRule) IsFlag() bool { return r.kind == "flag" }

// Values says in a few words what the option takes.
func (r OptionRule) Values() string {
	switch r.kind {
	case "enum":
		return alternatives(strings.Fields(r.values))
	case "engine":
		return alternatives(Engines())
	}
	return kindNamed(r.kind).what
}

// Pattern is the regular expression that every value of the option matches as a whole.
func (r OptionRule) Pattern() string {
	pattern := kindNamed(r.kind).pattern
	switch r.kind {
	case "enum":
		pattern = strings.Join(strings.Fields(r.values), "|")
	case "engine":
		pattern = strings.Join(Engines(), "|")
	}
	return "^(" + pattern + ")$"
}

// refusalReasons are the reasons that verdicts.txt names.
func refusalReasons() map[string]string {
	return map[string]string{
		"output":    "labctl reads the results from fio's standard output as JSON",
		"place":     "labctl runs fio in the directory of the target",
		"process":   "labctl starts each workload as one fio process of its own",
		"nothing":   "fio would measure nothing",
		"command":   "a lab file runs no other commands",
		"log":       "its files would lie among the measured ones and not be kept",
		"dump":      "fio would write files of names that nobody knows before",
		"state":     "labctl neither keeps nor reads the state of a verification",
		"recording": "labctl does not bring the recorded file to the targets",
		"machine":   "it changes more of the target than the job",
		"network":   "labctl uses no fio server",
		"trim":      "labctl measures files, which fio cannot trim",
		"zoned":     "it is for zoned block devices, and labctl measures files",
		"nvme":      "it is for NVMe devices without a file system, and labctl measures files",
		"gone":      "fio does not know it any more",
	}
}

// FindOption returns the rule of an option by its full name or alias.
func FindOption(name string) (OptionRule, bool) {
	rules := options()
	at := slices.IndexFunc(rules, func(r OptionRule) bool { return r.Name == name || r.Alias == name && r.Alias != "" })
	if at < 0 {
		return OptionRule{}, false
	}
	return rules[at], true
}

// abbreviated returns the options that fio may take name for. Hyphens and underscores count as one, as fio uses both.
func abbreviated(name string) []OptionRule {
	spell := strings.NewReplacer("_", "-").Replace
	var found []OptionRule
	for _, rule := range options() {
		if spelled := spell(rule.Name); strings.HasPrefix(spelled, spell(name)) || rule.Alias != "" && strings.HasPrefix(spell(rule.Alias), spell(name)) {
			if spelled == spell(name) {
				return []OptionRule{rule}
			}
			found = append(found, rule)
		}
	}
	return found
}

// Check is what is wrong with the value of the option; nil if nothing is.
func (r OptionRule) Check(option Option) *ValueProblem {
	switch {
	case r.refused != "":
		return &ValueProblem{"is not for lab files: " + r.Refused(), "remove it"}
	case !option.HasValue && !r.IsFlag():
		return &ValueProblem{"has no value, and fio would take the next option for it", "write " + r.Values() + " after the colon"}
	case !option.HasValue:
		return nil
	case strings.HasPrefix(option.Value, "global") && r.kind == "jobname":
		return &ValueProblem{fmt.Sprintf("fio takes %q for the options of all jobs, as it does every name that begins so", option.Value), "choose another name"}
	}
	return r.checkKind(option.Value)
}

// ListRemedy is what to do with several values for the option.
func (r OptionRule) ListRemedy() string {
	switch remedy := kindNamed(r.kind).list; {
	case r.Name == "bs":
		return oneBlock
	case r.kind == "floats":
		return "join the elements with a colon: 50:99:99.9"
	case remedy == "":
		return oneValue
	default:
		return remedy
	}
}

package fio

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
)

// version is a release of fio; a build between releases counts as the one before it.
type version struct{ major, minor int }

// The oldest and the newest fio whose reports are known: what they write was read in stat.c at the tags
// fio-2.0.10 to fio-3.42. fio 2.0.9 and older write no JSON.
var (
	oldestKnown = version{2, 0}
	newestKnown = version{3, 42}
)

var versionNumber = regexp.MustCompile(`(\d{1,4})\.(\d{1,4})`)

// versionOf reads "fio-3.33", "3.33" or "fio-3.33-12-g1a2b3c".
func versionOf(text string) (v version, ok bool) {
	found := versionNumber.FindStringSubmatch(text)
	if found == nil {
		return version{}, false
	}
	v.major, _ = strconv.Atoi(found[1]) //nolint:errcheck // digits
	v.minor, _ = strconv.Atoi(found[2]) //nolint:errcheck // digits
	return v, true
}

func (v version) before(other version) bool {
	return cmp.Or(cmp.Compare(v.major, other.major), cmp.Compare(v.minor, other.minor)) < 0
}

func (v version) String() string { return fmt.Sprintf("fio %d.%d", v.major, v.minor) }

// dialect is how a version of fio spells its numbers.
type dialect struct {
	// ioBytes is the unit of io_bytes where there is no io_kbytes beside it: KiB before fio 2.21 (stat.c, add_ddir_status_json).
	ioBytes float64
	// latIsClat says that percentiles of the total latency stand under clat_ns, when only they were asked for: before
	// fio 3.18 there was one histogram.
	latIsClat bool
}

// dialectOf returns the dialect of a version, and a warning where nobody knows it.
func dialectOf(text string) (d dialect, warning string) {
	v, ok := versionOf(text)
	if !ok {
		return dialect{ioBytes: 1}, fmt.Sprintf("The version %q is none of fio; its numbers were read as those of %s.", text, newestKnown)
	}
	d = dialect{ioBytes: 1, latIsClat: v.before(version{3, 18})}
	if v.before(version{2, 21}) {
		d.ioBytes = 1024
	}
	if v.before(oldestKnown) || newestKnown.before(v) {
		warning = fmt.Sprintf("%s was not tried with this labctl, which knows %s to %s: compare its numbers with fio's own text output.", text, oldestKnown, newestKnown)
	}
	return d, warning
}

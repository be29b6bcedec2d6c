package results

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// The files of a run folder. docs/results-format.md describes them.
const (
	manifestFile = "run.json"
	finishedFile = "finished.json" // the first ending; later ones are finished-2.json and so on
	trialsDir    = "trials"
	rawDir       = "raw"
	blobSuffix   = ".zst"
	stagingDir   = ".new-" // prefix of a folder that is being made and is not a run yet
)

var (
	idPattern     = regexp.MustCompile(`^\d{8}T\d{6}Z-[0-9a-z]{2,16}$`)
	endingPattern = regexp.MustCompile(`^finished(?:-([2-9]|[1-9]\d{1,5}))?\.json$`)
	trialPattern  = regexp.MustCompile(`^b\d+-[A-Za-z0-9._-]+-a\d+-[0-9a-f]{8}\.json$`)
	trialPattern1 = regexp.MustCompile(`^(\d{3,9})-[A-Za-z0-9._-]+-b\d+\.json$`) // of schema 1
	blobPattern   = regexp.MustCompile(`^([0-9a-f]{64})\.zst$`)
	unsafeBytes   = regexp.MustCompile(`[^A-Za-z0-9._]+`)
)

// endingFile is the name of the n-th ending of a run, from 1.
func endingFile(n int) string {
	if n == 1 {
		return finishedFile
	}
	return fmt.Sprintf("finished-%d.json", n)
}

// endingNumber reverses endingFile; 0 for other names.
func endingNumber(name string) int {
	match := endingPattern.FindStringSubmatch(name)
	if match == nil {
		return 0
	}
	n, err := strconv.Atoi(match[1])
	if err != nil {
		return 1
	}
	return n
}

// trialFile is the path of a trial's file below the run folder, for example trials/b2-pve-sync4k-q1-a1-0f3c55d2.json.
// The digits at the end are of the cell's hash: two names may be spelled the same in a file name.
func trialFile(t Trial) string {
	words := []string{fmt.Sprintf("b%d", t.Block)}
	for _, name := range []string{t.Target, t.Layer, t.Workload} {
		if name != "" {
			words = append(words, fileWord(name))
		}
	}
	cell := hashOf(fmt.Appendf(nil, "%q %q %q", t.Target, t.Layer, t.Workload))
	words = append(words, fmt.Sprintf("a%d", t.Attempt), cell[:8])
	return path.Join(trialsDir, strings.Join(words, "-")+".json")
}

// maxFileWord keeps file names below the 255 bytes that file systems take.
const maxFileWord = 60

// fileWord makes a name fit for a file name. It need not be reversible.
func fileWord(name string) string {
	word := strings.Trim(unsafeBytes.ReplaceAllString(name, "-"), "-")
	if word == "" {
		return "unnamed"
	}
	return word[:min(len(word), maxFileWord)]
}

// blobFile is the path of a blob below the run folder.
func blobFile(sha256 string) string { return path.Join(rawDir, sha256+blobSuffix) }

// belongs reports whether a run folder may hold a file of this slash-separated path.
func belongs(file string) bool {
	switch dir, name := path.Split(file); dir {
	case "":
		return name == manifestFile || endingNumber(name) > 0
	case trialsDir + "/":
		return trialPattern.MatchString(name) || trialPattern1.MatchString(name)
	case rawDir + "/":
		return blobPattern.MatchString(name)
	default:
		return false
	}
}

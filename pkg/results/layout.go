package results

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// The files of a run folder. docs/results-format.md describes them.
const (
	manifestFile = "run.json"
	finishedFile = "finished.json"
	trialsDir    = "trials"
	rawDir       = "raw"
	blobSuffix   = ".zst"
	stagingDir   = ".new-" // prefix of a folder that is being made and is not a run yet
)

var (
	idPattern    = regexp.MustCompile(`^\d{8}T\d{6}Z-[0-9a-z]{2,16}$`)
	trialPattern = regexp.MustCompile(`^(\d{3,9})-[A-Za-z0-9._-]+-b\d+\.json$`)
	blobPattern  = regexp.MustCompile(`^([0-9a-f]{64})\.zst$`)
	unsafeBytes  = regexp.MustCompile(`[^A-Za-z0-9._]+`)
)

// trialFile is the name of a trial's file in the folder of trials, for example 007-pve-sync4k-q1-b2.json.
func trialFile(t Trial) string {
	return fmt.Sprintf("%03d-%s-%s-b%d.json", t.Seq, fileWord(t.Target), fileWord(t.Workload), t.Block)
}

// fileWord makes a name fit for a file name. It need not be reversible: the trial's sequence number is unique.
func fileWord(name string) string {
	if word := strings.Trim(unsafeBytes.ReplaceAllString(name, "-"), "-"); word != "" {
		return word
	}
	return "unnamed"
}

// blobFile is the path of a blob below the run folder.
func blobFile(sha256 string) string { return path.Join(rawDir, sha256+blobSuffix) }

// belongs reports whether a run folder may hold a file of this slash-separated path.
func belongs(file string) bool {
	switch dir, name := path.Split(file); dir {
	case "":
		return name == manifestFile || name == finishedFile
	case trialsDir + "/":
		return trialPattern.MatchString(name)
	case rawDir + "/":
		return blobPattern.MatchString(name)
	default:
		return false
	}
}

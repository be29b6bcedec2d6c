package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"labctl/pkg/sandbox"
)

// pageStep is one thing that a page tells its reader to do: write a file, or run a command.
type pageStep struct {
	file, content string
	command       string
}

var pageBlock = regexp.MustCompile("(?s)(?:<!-- file: (\\S+) -->\n)?```(\\w+)\n(.*?)```")

// stepsOf reads the steps of a page: the files that a comment names, and the lines of its consoles that begin with "$ ".
func stepsOf(page string) []pageStep {
	var steps []pageStep
	for _, block := range pageBlock.FindAllStringSubmatch(page, -1) {
		switch {
		case block[1] != "":
			steps = append(steps, pageStep{file: block[1], content: block[3]})
		case block[2] == "console":
			for line := range strings.Lines(block[3]) {
				if command, ok := strings.CutPrefix(line, "$ "); ok {
					steps = append(steps, pageStep{command: strings.TrimSpace(command)})
				}
			}
		}
	}
	return steps
}

// follow is the script command "follow PAGE SERVED": it does literally what a page says, with its CAPITALS replaced by what
// `sandbox serve --output json` printed into the file SERVED. Commands that this labctl does not have yet are left out,
// and what is written by hand instead of by them is written.
func follow(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) != 2 {
		ts.Fatalf("usage: follow PAGE SERVED")
	}
	page, err := os.ReadFile(filepath.Join(ts.Getenv("REPOSITORY"), args[0]))
	ts.Check(err)
	served, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	var info sandbox.Info
	ts.Check(json.Unmarshal(served, &info))
	yours := strings.NewReplacer("TOKEN_SECRET", info.TokenSecret, "FINGERPRINT", info.Fingerprint, "PROXY", info.Gateway, "URL", info.URL)
	ran := 0
	for _, step := range stepsOf(string(page)) {
		if step.file != "" {
			writeIfMissing(ts, step.file, yours.Replace(step.content))
			continue
		}
		if !exists(step.command) {
			ts.Logf("left out, since this labctl has no such command: %s", step.command)
			continue
		}
		ts.Logf("$ %s", step.command)
		ts.Check(ts.Exec("sh", "-c", yours.Replace(step.command)))
		ran++
	}
	if ran < 7 {
		ts.Fatalf("%s has only %d commands", args[0], ran)
	}
}

// writeIfMissing writes a file as a reader would, unless an earlier command has.
func writeIfMissing(ts *testscript.TestScript, name, content string) {
	path := ts.MkAbs(name)
	if strings.HasPrefix(name, ".config/") {
		path = filepath.Join(ts.Getenv("XDG_CONFIG_HOME"), strings.TrimPrefix(name, ".config/"))
	}
	if _, err := os.Stat(path); err == nil {
		return
	}
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
	ts.Check(os.WriteFile(path, []byte(content), 0o600))
}

// exists says whether this labctl has the command of the line.
func exists(line string) bool {
	words := strings.Fields(line)
	found, _, err := newRoot(&app{}).Find(words[1:min(len(words), 3)])
	return err == nil && found.Name() != "labctl"
}

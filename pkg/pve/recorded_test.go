package pve

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exchange is a recorded call of a real server, as far as errors need it.
type exchange struct {
	Name     string
	Request  struct{ Method, Path string }
	Response struct {
		Status int
		Reason string
		JSON   json.RawMessage
		Body   *string
	}
}

// body returns the answer's bytes as they were on the wire, but for blanks.
func (e exchange) body() []byte {
	if e.Response.Body != nil {
		return []byte(*e.Response.Body)
	}
	return e.Response.JSON
}

// sharedDir finds the recordings beside the repository, or skips the test.
func sharedDir(t *testing.T) string {
	dir := os.Getenv("LABCTL_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	if _, err := os.Stat(filepath.Join(dir, "pve-api")); err != nil {
		t.Skipf("recordings of real servers are not here (LABCTL_SHARED): %v", err)
	}
	return dir
}

// recordings reads all recorded exchanges, by file.
func recordings(t *testing.T) map[string][]exchange {
	files, err := filepath.Glob(filepath.Join(sharedDir(t), "pve-api", "exchanges-*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skipf("no recorded exchanges: %v", err)
	}
	all := map[string][]exchange{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var raw []json.RawMessage
		if err := json.Unmarshal(data, &raw); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, r := range raw {
			var e exchange
			if json.Unmarshal(r, &e) == nil && e.Response.Status != 0 { // others are observations and raw bytes
				all[file] = append(all[file], e)
			}
		}
	}
	return all
}

var numbers = regexp.MustCompile(`\d+`)

// TestRecordedErrors passes every error that real servers answered through the
// classifier. Each must get a class, or be one of the plain failures listed in
// testdata/plain.txt (numbers shown as N).
func TestRecordedErrors(t *testing.T) {
	plain := map[string]bool{}
	data, err := os.ReadFile("testdata/plain.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		plain[strings.TrimSpace(line)] = true
	}
	seen, errors := map[string]bool{}, 0
	for file, exchanges := range recordings(t) {
		for _, e := range exchanges {
			if e.Response.Status < 400 {
				continue
			}
			errors++
			c := call{method: e.Request.Method, path: strings.TrimPrefix(e.Request.Path, "/api2/json"), readOnly: e.Request.Method == "GET"}
			got := answerError(c, answer{status: e.Response.Status, reason: e.Response.Reason, body: e.body()}, "lp@pve!run")
			if got.text() == "" {
				t.Errorf("%s#%s: no text", filepath.Base(file), e.Name)
			}
			if len(got.kinds) > 0 {
				continue
			}
			text := numbers.ReplaceAllString(got.text(), "N")
			if !plain[text] {
				t.Errorf("%s#%s: no class and not listed as plain: %d %s", filepath.Base(file), e.Name, e.Response.Status, text)
			}
			seen[text] = true
		}
	}
	t.Logf("%d error answers, %d plain texts", errors, len(seen))
	for text := range plain {
		if text != "" && !seen[text] && !strings.HasPrefix(text, "#") {
			t.Errorf("testdata/plain.txt lists %q, which was never answered", text)
		}
	}
}

// TestRecordedTaskEnds does the same for the ends of tasks.
func TestRecordedTaskEnds(t *testing.T) {
	plain := []string{
		"VM quit/powerdown failed - got timeout", "start failed: QEMU exited with code N",
		"you can't start a vm if it's a template", "snapshot name 'sN' already used",
		"download failed: Connecting to N.N.N.N:N... failed: Connection refused.",
	}
	for file, exchanges := range recordings(t) {
		for _, e := range exchanges {
			var w struct {
				Data struct {
					ExitStatus string `json:"exitstatus"`
				} `json:"data"`
			}
			if e.Response.Status != 200 || json.Unmarshal(e.body(), &w) != nil || w.Data.ExitStatus == "" {
				continue
			}
			status := newTaskStatus(UPID{}, false, w.Data.ExitStatus)
			text := numbers.ReplaceAllString(w.Data.ExitStatus, "N")
			interrupted := strings.HasSuffix(text, "failed: interrupted by signal")
			if status.Failed() && len(classifyText(w.Data.ExitStatus)) == 0 && !interrupted && !slices.Contains(plain, text) {
				t.Errorf("%s#%s: no class and not listed as plain: %s", filepath.Base(file), e.Name, text)
			}
		}
	}
}

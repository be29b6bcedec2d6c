package pve

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"labctl/pkg/internal/recordings"
)

// body returns the answer's bytes as they were on the wire, but for blanks.
func body(e recordings.Exchange) []byte {
	if e.Response.JSON == nil {
		return []byte(e.Response.Body)
	}
	return e.Response.JSON
}

// recorded reads what real servers answered, by series.
func recorded(t *testing.T) map[string][]recordings.Exchange {
	t.Helper()
	folder, err := recordings.Exchanges()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]recordings.Exchange{}
	for _, version := range []string{"8.4", "9.2"} {
		names, err := folder.Series(version)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			list, err := folder.Exchanges(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				if e.Response != nil && e.Response.Status != nil && *e.Response.Status != 0 { // others are observations and raw bytes
					all[name] = append(all[name], e)
				}
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
	for file, exchanges := range recorded(t) {
		for _, e := range exchanges {
			if *e.Response.Status < 400 {
				continue
			}
			errors++
			c := call{method: e.Request.Method, path: strings.TrimPrefix(e.Request.Path, "/api2/json"), readOnly: e.Request.Method == "GET"}
			got := answerError(c, answer{status: *e.Response.Status, reason: e.Response.Reason, body: body(e)}, "lp@pve!run")
			if got.text() == "" {
				t.Errorf("%s#%s: no text", file, e.Name)
			}
			if len(got.kinds) > 0 {
				continue
			}
			text := strings.ReplaceAll(numbers.ReplaceAllString(got.text(), "N"), "\n", " ")
			if !plain[text] {
				t.Errorf("%s#%s: no class and not listed as plain: %d %s", file, e.Name, *e.Response.Status, text)
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
		"storage 'nas' is not online", "clone failed: storage 'nas' is not online",
		"no such logical volume vgN/data", "clone failed: no such logical volume vgN/data",
		"snapshot feature is not available", "you can't take a snapshot if it's a template",
		"can't rollback, 'sN' is not most recent snapshot on 'zfs:vm-N-disk-N'", "can't resize this image format",
		"MAX N vcpus allowed per VM on this node", "unable to create VM N - failed to stat '/var/lib/vz/import/nosuch.qcowN'",
		"KVM virtualisation configured, but not available. Either disable in VM configuration or enable in BIOS.",
	}
	for file, exchanges := range recorded(t) {
		for _, e := range exchanges {
			var w struct {
				Data struct {
					ExitStatus string `json:"exitstatus"`
				} `json:"data"`
			}
			if *e.Response.Status != 200 || json.Unmarshal(body(e), &w) != nil || w.Data.ExitStatus == "" {
				continue
			}
			status := newTaskStatus(UPID{}, false, w.Data.ExitStatus)
			text := numbers.ReplaceAllString(w.Data.ExitStatus, "N")
			interrupted := strings.HasSuffix(text, ": interrupted by signal")
			if status.Failed() && len(classifyText(w.Data.ExitStatus)) == 0 && !interrupted && !slices.Contains(plain, text) {
				t.Errorf("%s#%s: no class and not listed as plain: %s", file, e.Name, text)
			}
		}
	}
}

package recordings

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write makes a folder of recordings and lets LABCTL_EXCHANGES name it.
func write(t *testing.T, files map[string]string) Folder {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(Variable, root)
	folder, err := Exchanges()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestOwnRecordings reads every file of the repository whole: they are what the tests of pve and pvesim stand on.
func TestOwnRecordings(t *testing.T) {
	t.Setenv(Variable, "")
	folder, err := Exchanges()
	if err != nil {
		t.Fatal(err)
	}
	exchanges := 0
	for _, version := range []string{"8.4", "9.2"} {
		names, err := folder.Series(version)
		if err != nil || len(names) < 18 {
			t.Errorf("%d series of %s, %v", len(names), version, err)
		}
		for _, name := range names {
			list, err := folder.Exchanges(name)
			if err != nil {
				t.Error(err)
			}
			for _, e := range list {
				if e.Name == "" || (e.Request == nil) == (e.Observation == nil) {
					t.Errorf("%s: %q is neither a request nor an observation", name, e.Name)
				}
			}
			exchanges += len(list)
		}
		for _, table := range []string{"schema-", "privileges-"} {
			if text, err := folder.Read(table + version + ".json"); err != nil || len(text) < 10_000 {
				t.Errorf("%s%s: %d bytes, %v", table, version, len(text), err)
			}
		}
	}
	if exchanges < 6000 {
		t.Errorf("only %d exchanges", exchanges)
	}
}

func TestAnotherFolder(t *testing.T) {
	folder := write(t, map[string]string{
		"exchanges-8.4/50-new.json": `[{"name": "one", "request": {"method": "GET", "path": "/api2/json/version", "headers": {"A": "b"}}, "response": {"status": 200}}]`,
		"second-8.4/51-more.json":   `[{"name": "seen", "observation": "zfs list"}]`,
		"second-8.4/README.md":      "not a recording",
	})
	names, err := folder.Series("8.4")
	if err != nil || !cmp.Equal(names, []string{"exchanges-8.4/50-new", "second-8.4/51-more"}) {
		t.Errorf("%q, %v", names, err)
	}
	if names, err := folder.Series("9.2"); err != nil || names != nil {
		t.Errorf("%q, %v", names, err)
	}
	list, err := folder.Exchanges("exchanges-8.4/50-new")
	if err != nil || len(list) != 1 || list[0].Request.Headers["A"] != "b" || *list[0].Response.Status != 200 {
		t.Errorf("%+v, %v", list, err)
	}
	if setup, err := folder.Exchanges("exchanges-8.4/00-setup"); err != nil || len(setup) != 16 {
		t.Errorf("the repository's own set-up: %d exchanges, %v", len(setup), err)
	}
}

// TestShortFormat reads an entry that has the task's end beside the answer as the requests that were made for it.
func TestShortFormat(t *testing.T) {
	folder := write(t, map[string]string{"second-9.2/short.json": `[
{"name": "look", "request": "GET /cluster/nextid", "form": {"vmid": "9000"}, "status": 400, "reason": "Parameter verification failed.", "answer": {"data": null}},
{"name": "start", "request": "POST /nodes/pve/qemu/7/status/start", "form": {"timeout": 5, "x": "a b"}, "status": 200, "reason": "OK",
 "answer": {"data": "UPID:pve:PID:PSTART:START:qmstart:7:labctl@pve!run:"}, "exitstatus": "no", "log": ["a \"b\"", "TASK ERROR: no"]},
{"name": "head", "request": "HEAD /version", "form": {}, "status": 501, "reason": "method 'HEAD' not available", "answer": ""}]`})
	list, err := folder.Exchanges("second-9.2/short")
	if err != nil {
		t.Fatal(err)
	}
	type seen struct{ Name, Method, Path, Body, JSON string }
	var got []seen
	for _, e := range list {
		body := ""
		if e.Request.Body != nil {
			body = *e.Request.Body
		}
		got = append(got, seen{e.Name, e.Request.Method, e.Request.Path, body, string(e.Response.JSON)})
	}
	const task, upid = "/api2/json/nodes/pve/tasks/UPID:pve:00001001:0000EC54:6B0A9005:qmstart:7:labctl@pve%21run:/", "UPID:pve:00001001:0000EC54:6B0A9005:qmstart:7:labctl@pve!run:"
	want := []seen{
		{"look", "GET", "/api2/json/cluster/nextid?vmid=9000", "", `{"data": null}`},
		{"start", "POST", "/api2/json/nodes/pve/qemu/7/status/start", "timeout=5&x=a+b", `{"data": "` + upid + `"}`},
		{"start.status", "GET", task + "status", "", `{"data":{"exitstatus":"no","id":"7","node":"pve","pid":4097,"pstart":60500,"starttime":1795854341,"status":"stopped",` +
			`"tokenid":"run","type":"qmstart","upid":"` + upid + `","user":"labctl@pve"}}`},
		{"start.log", "GET", task + "log", "", `{"data":[{"n":1,"t":"a \"b\""},{"n":2,"t":"TASK ERROR: no"}],"total":2}`},
		{"head", "HEAD", "/api2/json/version", "", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBrokenRecordings(t *testing.T) {
	folder := write(t, map[string]string{
		"a.json": "{", "b.json": `[{"request": 5}]`, "c.json": `["x"]`, "d.json.gz": "not packed", "e.json": `[{"request": "GET /", "status": "x"}]`,
	})
	for _, name := range []string{"a", "b", "c", "d", "e", "none"} {
		if list, err := folder.Exchanges(name); err == nil {
			t.Errorf("%s: %+v", name, list)
		}
	}
	t.Setenv(Variable, filepath.Join(t.TempDir(), "none"))
	if _, err := Exchanges(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

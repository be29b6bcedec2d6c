package pve

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRequests has the request that each call makes.
func TestRequests(t *testing.T) {
	task := `"` + upidStop + `"`
	upid := mustUPID(t, upidStop)
	const taskPath = "/nodes/pve/tasks/" + upidStop
	tests := map[string]struct {
		call   func(context.Context, *Client) error
		answer string
		want   string
	}{
		"linked clone": {func(ctx context.Context, c *Client) error {
			_, err := c.Clone(ctx, CloneRequest{Source: VMRef{"pve", 9000}, NewID: 101, Name: "a", Pool: "lab", Description: "mark"})
			return err
		}, task, "POST /nodes/pve/qemu/9000/clone newid=101 full=0 name=a pool=lab description=mark"},
		"full clone": {func(ctx context.Context, c *Client) error {
			_, err := c.Clone(ctx, CloneRequest{Source: VMRef{"pve", 9000}, NewID: 101, Full: true, Storage: "zfs"})
			return err
		}, task, "POST /nodes/pve/qemu/9000/clone newid=101 full=1 storage=zfs"},
		"clone onto another node": {func(ctx context.Context, c *Client) error {
			_, err := c.Clone(ctx, CloneRequest{Source: VMRef{"pve", 9000}, NewID: 101, Target: "pve2"})
			return err
		}, task, "POST /nodes/pve/qemu/9000/clone newid=101 full=0 target=pve2"},
		"download": {func(ctx context.Context, c *Client) error {
			_, err := c.Download(ctx, "pve", "local", Download{URL: "https://example.org/a.img", Name: "a.qcow2", Content: "import", SHA256: "ab"})
			return err
		}, task, "POST /nodes/pve/storage/local/download-url url=https://example.org/a.img content=import filename=a.qcow2 checksum-algorithm=sha256 checksum=ab"},
		"VM from an image": {func(ctx context.Context, c *Client) error {
			_, err := c.CreateVM(ctx, NewVM{EmptyVM: EmptyVM{VMRef: vm101, Pool: "lab"}, Set: []Param{{"scsi0", "zfs:0,import-from=local:import/a.qcow2"}}})
			return err
		}, task, "POST /nodes/pve/qemu vmid=101 pool=lab scsi0=zfs:0,import-from=local:import/a.qcow2"},
		"volume": {func(ctx context.Context, c *Client) error {
			_, err := c.VolumePath(ctx, "pve", "zfs:vm-101-disk-1")
			return err
		}, `{"path":"/dev/zvol/rpool/data/vm-101-disk-1","size":1,"used":1,"format":"raw"}`, "GET /nodes/pve/storage/zfs/content/zfs:vm-101-disk-1"},
		"template": {func(ctx context.Context, c *Client) error { _, err := c.MakeTemplate(ctx, vm101); return err }, task, "POST /nodes/pve/qemu/101/template"},
		"empty VM": {func(ctx context.Context, c *Client) error {
			_, err := c.CreateEmptyVM(ctx, EmptyVM{VMRef: vm101, Pool: "lab", Name: "probe", Description: "mark"})
			return err
		}, task, "POST /nodes/pve/qemu vmid=101 pool=lab name=probe description=mark"},
		"config": {func(ctx context.Context, c *Client) error {
			_, _, err := c.SetVMConfig(ctx, vm101, ConfigChange{Set: []Param{{"cores", "2"}}, Delete: []string{"a", "b"}, Digest: "d", BackgroundDelay: 1500 * time.Millisecond})
			return err
		}, "null", "POST /nodes/pve/qemu/101/config cores=2 delete=a,b digest=d background_delay=2"},
		"config with a long delay": {func(ctx context.Context, c *Client) error {
			_, _, err := c.SetVMConfig(ctx, vm101, ConfigChange{Set: []Param{{"cores", "2"}}, BackgroundDelay: time.Minute})
			return err
		}, "null", "POST /nodes/pve/qemu/101/config cores=2 background_delay=20"},
		"resize": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Resize(ctx, vm101, "scsi0", 32<<30)
				return err
			},
			task, "PUT /nodes/pve/qemu/101/resize disk=scsi0 size=32G",
		},
		"start":        {func(ctx context.Context, c *Client) error { _, err := c.Start(ctx, vm101); return err }, task, "POST /nodes/pve/qemu/101/status/start"},
		"stop":         {func(ctx context.Context, c *Client) error { _, err := c.Stop(ctx, vm101); return err }, task, "POST /nodes/pve/qemu/101/status/stop"},
		"destroy only": {func(ctx context.Context, c *Client) error { _, err := c.DestroyOnly(ctx, vm101); return err }, task, "DELETE /nodes/pve/qemu/101 purge=1"},
		"destroy":      {func(ctx context.Context, c *Client) error { _, err := c.Destroy(ctx, vm101); return err }, task, "DELETE /nodes/pve/qemu/101 purge=1 destroy-unreferenced-disks=1"},
		"abort":        {func(ctx context.Context, c *Client) error { return c.AbortTask(ctx, upid) }, "null", "DELETE " + taskPath},
		"task":         {func(ctx context.Context, c *Client) error { _, err := c.TaskStatus(ctx, upid); return err }, `{"status":"running"}`, "GET " + taskPath + "/status"},
		"tasks": {func(ctx context.Context, c *Client) error {
			_, err := c.Tasks(ctx, "pve", TaskFilter{Type: "qmclone", VMID: 9000, Since: time.Unix(1795348778, 0), Limit: 7})
			return err
		}, "[]", "GET /nodes/pve/tasks source=all limit=7 typefilter=qmclone vmid=9000 since=1795348778"},
		"all tasks":   {func(ctx context.Context, c *Client) error { _, err := c.Tasks(ctx, "pve", TaskFilter{}); return err }, "[]", "GET /nodes/pve/tasks source=all limit=500"},
		"volumes":     {func(ctx context.Context, c *Client) error { _, err := c.Volumes(ctx, "pve", "zfs", 101); return err }, "[]", "GET /nodes/pve/storage/zfs/content vmid=101"},
		"all volumes": {func(ctx context.Context, c *Client) error { _, err := c.Volumes(ctx, "pve", "zfs", 0); return err }, "[]", "GET /nodes/pve/storage/zfs/content"},
		"permissions": {func(ctx context.Context, c *Client) error { _, err := c.Permissions(ctx, "/pool/lab"); return err }, "{}", "GET /access/permissions path=/pool/lab"},
		"resources":   {func(ctx context.Context, c *Client) error { _, err := c.Resources(ctx); return err }, "[]", "GET /cluster/resources type=vm"},
		"ping":        {func(ctx context.Context, c *Client) error { return c.AgentPing(ctx, vm101) }, `{"result":{}}`, "POST /nodes/pve/qemu/101/agent/ping"},
		"guest file": {
			func(ctx context.Context, c *Client) error {
				_, err := c.AgentReadFile(ctx, vm101, "/etc/a b&c")
				return err
			},
			`{"content":"x"}`, "GET /nodes/pve/qemu/101/agent/file-read file=/etc/a b&c",
		},
		"odd node name": {func(ctx context.Context, c *Client) error { _, err := c.Storages(ctx, "a/../b?c"); return err }, "[]", "GET /nodes/a/../b?c/storage"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &server{answer: func(int, sent) (*http.Response, error) { return data(tt.answer), nil }}
			if err := tt.call(t.Context(), newTestClient(t, s)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tt.want}, s.lines()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAnswers decodes what real servers of both majors answered to one lab's life.
func TestAnswers(t *testing.T) {
	for _, release := range []string{"8.4", "9.2"} {
		t.Run(release, func(t *testing.T) {
			var recorded map[string]json.RawMessage
			readJSON(t, "answers-"+release+".json", &recorded)
			decoded := map[string]any{}
			ask := func(name string, call func(context.Context, *Client) (any, error)) {
				body, ok := recorded[name]
				if !ok {
					t.Fatalf("no recorded answer %s", name)
				}
				s := &server{answer: func(int, sent) (*http.Response, error) { return reply(200, "OK", string(body)), nil }}
				value, err := call(t.Context(), newTestClient(t, s))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				decoded[name] = value
			}
			vm := VMRef{"pve", 201}
			ask("version", func(ctx context.Context, c *Client) (any, error) { return c.Version(ctx) })
			ask("nodes", func(ctx context.Context, c *Client) (any, error) { return c.Nodes(ctx) })
			ask("view.resources.running", func(ctx context.Context, c *Client) (any, error) { return c.Resources(ctx) })
			ask("perm /pool/labp", func(ctx context.Context, c *Client) (any, error) { return c.Permissions(ctx, "/pool/labp") })
			ask("view.perm.running", func(ctx context.Context, c *Client) (any, error) { return c.Permissions(ctx, "/vms/201") })
			ask("view.nextid.before", func(ctx context.Context, c *Client) (any, error) { return c.VMIDTaken(ctx, 201) })
			ask("pools", func(ctx context.Context, c *Client) (any, error) { return c.Pools(ctx) })
			ask("view.pool.running", func(ctx context.Context, c *Client) (any, error) { return c.PoolMembers(ctx, "labp") })
			ask("current.running", func(ctx context.Context, c *Client) (any, error) { return c.VMStatus(ctx, vm) })
			ask("current.stopped", func(ctx context.Context, c *Client) (any, error) { return c.VMStatus(ctx, vm) })
			ask("agent.ping", func(ctx context.Context, c *Client) (any, error) { return nil, c.AgentPing(ctx, vm) })
			ask("agent.network-get-interfaces", func(ctx context.Context, c *Client) (any, error) { return c.AgentInterfaces(ctx, vm) })
			ask("agent.get-osinfo", func(ctx context.Context, c *Client) (any, error) { return c.AgentOSInfo(ctx, vm) })
			ask("agent.file-read.hostkey", func(ctx context.Context, c *Client) (any, error) {
				content, err := c.AgentReadFile(ctx, vm, "/etc/ssh/ssh_host_ed25519_key.pub")
				return string(content), err
			})
			ask("storage", func(ctx context.Context, c *Client) (any, error) { return c.Storages(ctx, "pve") })
			ask("storage.list", func(ctx context.Context, c *Client) (any, error) { return c.StorageConfigs(ctx) })
			ask("network", func(ctx context.Context, c *Client) (any, error) { return c.Bridges(ctx, "pve") })
			ask("content.running", func(ctx context.Context, c *Client) (any, error) { return c.Volumes(ctx, "pve", "zfs", 201) })
			ask("view.tasks-all.during", func(ctx context.Context, c *Client) (any, error) { return c.Tasks(ctx, "pve", TaskFilter{}) })
			ask("view.tasks-all.running", func(ctx context.Context, c *Client) (any, error) { return c.Tasks(ctx, "pve", TaskFilter{}) })
			clone := mustUPID(t, "UPID:pve:0000016C:000B72C4:6B02D92A:qmclone:9000:lp@pve!run:")
			ask("clone.status.during", func(ctx context.Context, c *Client) (any, error) { return c.TaskStatus(ctx, clone) })
			ask("clone.status.poll", func(ctx context.Context, c *Client) (any, error) { return c.TaskStatus(ctx, clone) })
			ask("clone.log", func(ctx context.Context, c *Client) (any, error) { return c.TaskLog(ctx, clone, 0) })
			for _, name := range []string{"config.read", "tmpl.config"} {
				ask(name, func(ctx context.Context, c *Client) (any, error) {
					v, err := c.VMConfig(ctx, vm)
					return map[string]any{
						"config": v, "name": v.Name(), "description": v.Description(), "tags": v.Tags(), "lock": v.Lock(),
						"template": v.Template(), "protection": v.Protection(), "digest": v.Digest(), "drives": v.Drives(),
					}, err
				})
			}
			text, err := json.MarshalIndent(decoded, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "answers-"+release+".golden", string(text)+"\n")
		})
	}
}

func TestVMIDTaken(t *testing.T) {
	taken := always(400, "Parameter verification failed.",
		`{"errors":{"vmid":"VM 201 already exists"},"message":"Parameter verification failed.\n","data":null}`)
	if got, err := newTestClient(t, taken).VMIDTaken(t.Context(), 201); !got || err != nil {
		t.Errorf("taken: %v, %v", got, err)
	}
	bad := always(400, "Parameter verification failed.", `{"errors":{"vmid":"invalid format - value does not look like a valid VM ID\n"}}`)
	if got, err := newTestClient(t, bad).VMIDTaken(t.Context(), 1); got || !errors.Is(err, ErrInvalid) {
		t.Errorf("invalid: %v, %v", got, err)
	}
}

// TestSetVMConfigAnswers: PVE answers without a task when it was done in time.
func TestSetVMConfigAnswers(t *testing.T) {
	change := ConfigChange{Set: []Param{{"cores", "2"}}, BackgroundDelay: 5 * time.Second}
	upid, running, err := newTestClient(t, inTurn(data("null"))).SetVMConfig(t.Context(), vm101, change)
	if !upid.IsZero() || running || err != nil {
		t.Errorf("done in time: %v, %v, %v", upid, running, err)
	}
	upid, running, err = newTestClient(t, inTurn(data(`"`+upidStop+`"`))).SetVMConfig(t.Context(), vm101, change)
	if upid.String() != upidStop || !running || err != nil {
		t.Errorf("still at work: %v, %v, %v", upid, running, err)
	}
	failed := always(500, "failed to update VM 271: zfs error: cannot create 'tank/vm-271-disk-9': out of space", "")
	if _, running, err := newTestClient(t, failed).SetVMConfig(t.Context(), vm101, change); running || !errors.Is(err, ErrNoSpace) {
		t.Errorf("failed in time: %v, %v", running, err)
	}
}

func TestAgentReadFileFails(t *testing.T) {
	ask := func(s *server) error {
		_, err := newTestClient(t, s).AgentReadFile(t.Context(), vm101, "/none")
		return err
	}
	if err := ask(always(500, "Agent error: failed to open file '/none' (mode: 'r'): No such file or directory", "")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if err := ask(inTurn(data(`{"content":"x","truncated":1}`))); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("truncated: %v", err)
	}
	if err := ask(inTurn(data(`{"content":"€"}`))); err == nil || !strings.Contains(err.Error(), "no byte") {
		t.Errorf("not bytes: %v", err)
	}
}

// TestVolumesOfOwner: with a VMID PVE also lists what belongs to nobody.
func TestVolumesOfOwner(t *testing.T) {
	s := inTurn(data(`[{"volid":"local:230/vm-230-disk-6.raw","vmid":230,"content":"images","format":"raw","size":16777216,"parent":null},
		{"volid":"local:import/x.qcow2","content":"import","format":"qcow2","size":1},
		{"volid":"local:snippets/a.sh","content":"snippets","format":"snippet","size":17}]`))
	got, err := newTestClient(t, s).Volumes(t.Context(), "pve", "local", 230)
	want := []Volume{{ID: "local:230/vm-230-disk-6.raw", Content: "images", Format: "raw", SizeBytes: 16777216, VMID: 230}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestTaskLog: PVE's own limit is 50 lines, and the cause is in the last ones.
func TestTaskLog(t *testing.T) {
	upid := mustUPID(t, upidStop)
	page := func(total int, lines string) *http.Response {
		text, err := json.Marshal(total)
		if err != nil {
			t.Fatal(err)
		}
		return reply(200, "OK", `{"total":`+string(text)+`,"data":[`+lines+`]}`)
	}
	short := inTurn(page(2, `{"n":1,"t":"a"},{"n":2,"t":"TASK OK"}`))
	got, err := newTestClient(t, short).TaskLog(t.Context(), upid, 2)
	if diff := cmp.Diff([]string{"a", "TASK OK"}, got); diff != "" || err != nil || len(short.requests()) != 1 {
		t.Errorf("short log: %v %v\n%s", err, short.lines(), diff)
	}
	long := inTurn(page(120, `{"n":1,"t":"a"},{"n":2,"t":"b"}`), page(120, `{"n":119,"t":"y"},{"n":120,"t":"TASK ERROR: z"}`))
	got, err = newTestClient(t, long).TaskLog(t.Context(), upid, 2)
	if diff := cmp.Diff([]string{"y", "TASK ERROR: z"}, got); diff != "" || err != nil {
		t.Errorf("long log: %v\n%s", err, diff)
	}
	if want := "GET /nodes/pve/tasks/" + upidStop + "/log start=118 limit=2"; long.lines()[1] != want {
		t.Errorf("asked %q, want %q", long.lines()[1], want)
	}
	// An unknown task's log is a good answer with one object (8.4:12#task.not-found.log).
	unknown := inTurn(reply(200, "OK", `{"total":1,"data":{"n":1,"t":"unable to open file - No such file or directory"}}`))
	if got, err := newTestClient(t, unknown).TaskLog(t.Context(), upid, 2); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown task: %v, %v", got, err)
	}
}

// TestRefusals: what the server refuses reaches the caller with its kind, from every call.
func TestRefusals(t *testing.T) {
	upid := mustUPID(t, upidStop)
	calls := map[string]func(context.Context, *Client) error{
		"Version":     func(ctx context.Context, c *Client) error { _, err := c.Version(ctx); return err },
		"Nodes":       func(ctx context.Context, c *Client) error { _, err := c.Nodes(ctx); return err },
		"Resources":   func(ctx context.Context, c *Client) error { _, err := c.Resources(ctx); return err },
		"VMIDTaken":   func(ctx context.Context, c *Client) error { _, err := c.VMIDTaken(ctx, 101); return err },
		"Permissions": func(ctx context.Context, c *Client) error { _, err := c.Permissions(ctx, ""); return err },
		"Pools":       func(ctx context.Context, c *Client) error { _, err := c.Pools(ctx); return err },
		"PoolMembers": func(ctx context.Context, c *Client) error { _, err := c.PoolMembers(ctx, "lab"); return err },
		"Clone": func(ctx context.Context, c *Client) error {
			_, err := c.Clone(ctx, CloneRequest{Source: vm101})
			return err
		},
		"CreateEmptyVM": func(ctx context.Context, c *Client) error {
			_, err := c.CreateEmptyVM(ctx, EmptyVM{VMRef: vm101})
			return err
		},
		"VMConfig": func(ctx context.Context, c *Client) error { _, err := c.VMConfig(ctx, vm101); return err },
		"SetVMConfig": func(ctx context.Context, c *Client) error {
			_, _, err := c.SetVMConfig(ctx, vm101, ConfigChange{})
			return err
		},
		"Resize":          func(ctx context.Context, c *Client) error { _, err := c.Resize(ctx, vm101, "scsi0", 1); return err },
		"Start":           func(ctx context.Context, c *Client) error { _, err := c.Start(ctx, vm101); return err },
		"Stop":            func(ctx context.Context, c *Client) error { _, err := c.Stop(ctx, vm101); return err },
		"DestroyOnly":     func(ctx context.Context, c *Client) error { _, err := c.DestroyOnly(ctx, vm101); return err },
		"Destroy":         func(ctx context.Context, c *Client) error { _, err := c.Destroy(ctx, vm101); return err },
		"VMStatus":        func(ctx context.Context, c *Client) error { _, err := c.VMStatus(ctx, vm101); return err },
		"AgentPing":       func(ctx context.Context, c *Client) error { return c.AgentPing(ctx, vm101) },
		"AgentInterfaces": func(ctx context.Context, c *Client) error { _, err := c.AgentInterfaces(ctx, vm101); return err },
		"AgentReadFile":   func(ctx context.Context, c *Client) error { _, err := c.AgentReadFile(ctx, vm101, "/x"); return err },
		"AgentOSInfo":     func(ctx context.Context, c *Client) error { _, err := c.AgentOSInfo(ctx, vm101); return err },
		"Storages":        func(ctx context.Context, c *Client) error { _, err := c.Storages(ctx, "pve"); return err },
		"Volumes":         func(ctx context.Context, c *Client) error { _, err := c.Volumes(ctx, "pve", "zfs", 0); return err },
		"TaskStatus":      func(ctx context.Context, c *Client) error { _, err := c.TaskStatus(ctx, upid); return err },
		"TaskLog":         func(ctx context.Context, c *Client) error { _, err := c.TaskLog(ctx, upid, 1); return err },
		"Tasks":           func(ctx context.Context, c *Client) error { _, err := c.Tasks(ctx, "pve", TaskFilter{}); return err },
		"AbortTask":       func(ctx context.Context, c *Client) error { return c.AbortTask(ctx, upid) },
	}
	for name, call := range calls {
		s := always(403, "Permission check failed (/some/path, Some.Privilege)", `{"data":null}`)
		err := call(t.Context(), newTestClient(t, s))
		var p *PermissionError
		if !errors.As(err, &p) || p.Path != "/some/path" || p.Privilege != "Some.Privilege" || len(s.requests()) != 1 {
			t.Errorf("%s: %v after %v", name, err, s.lines())
		}
		// And nonsense instead of an answer is an error, never an empty result.
		if err := call(t.Context(), newTestClient(t, always(200, "OK", "<html>"))); err == nil {
			t.Errorf("%s took HTML for an answer", name)
		}
	}
}

func TestVersionAtLeast(t *testing.T) {
	for _, test := range []struct {
		release      string
		major, minor int
		want         bool
	}{{"8.4", 8, 4, true}, {"8.2", 8, 4, false}, {"9.0", 8, 4, true}, {"9.2", 9, 2, true}, {"9.10", 9, 2, true}, {"8.4", 9, 0, false}, {"", 8, 4, false}} {
		if (Version{Release: test.release}).AtLeast(test.major, test.minor) != test.want {
			t.Errorf("%s at least %d.%d: want %v", test.release, test.major, test.minor, test.want)
		}
	}
}

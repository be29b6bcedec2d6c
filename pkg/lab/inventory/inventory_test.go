package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"labctl/pkg/pve"
)

// fakePVE answers from maps and counts the requests.
type fakePVE struct {
	resources []pve.Resource
	configs   map[pve.VMID]map[string]string // nil value: exists, but may not be read
	requests  int
}

func (f *fakePVE) Resources(context.Context) ([]pve.Resource, error) {
	f.requests++
	return f.resources, nil
}

func (f *fakePVE) VMConfig(_ context.Context, vm pve.VMRef) (pve.VMConfig, error) {
	f.requests++
	raw, ok := f.configs[vm.ID]
	if !ok || raw == nil {
		return pve.VMConfig{}, fmt.Errorf("config of %s: %w", vm, &pve.PermissionError{Path: "/vms/" + vm.ID.String(), Privilege: "VM.Audit"})
	}
	return pve.VMConfig{Raw: raw}, nil
}

func (f *fakePVE) VMStatus(_ context.Context, vm pve.VMRef) (pve.VMStatus, error) {
	f.requests++
	status := f.configs[vm.ID]["status"]
	if status == vanishing {
		delete(f.configs, vm.ID)
		return pve.VMStatus{}, fmt.Errorf("status of %s: %w", vm, &pve.PermissionError{Path: "/vms/" + vm.ID.String(), Privilege: "VM.Audit"})
	}
	return pve.VMStatus{Status: status}, nil
}

// vanishing is the status of a VM that is gone a moment after its configuration was read.
const vanishing = "vanishing"

func (f *fakePVE) VMIDTaken(_ context.Context, id pve.VMID) (bool, error) {
	f.requests++
	_, ok := f.configs[id]
	return ok, nil
}

func description(lab, vm string) string {
	return Mark{Lab: lab, Owner: "me@here", Run: "r1", VM: vm, Version: "v", Expires: time.Unix(0, 0)}.Description()
}

var scope = Scope{Self: Self{Lab: "blog", Owner: "me@here"}, Node: "pve", Pool: "labctl", First: 9100, Last: 9199}

func TestObserveFilesEveryVMID(t *testing.T) {
	api := &fakePVE{
		resources: []pve.Resource{
			{VMID: 100, Node: "pve", Name: "nas"},
			{VMID: 9000, Node: "pve", Name: "ubuntu", Template: true, Tags: []string{"labctl"}},
			{VMID: 9100, Node: "pve"},                              // ours, in the range
			{VMID: 300, Node: "pve2", Pool: "labctl"},              // ours, in the pool, on another node now
			{VMID: 9105, Node: "pve"},                              // somebody else's VM in our range
			{VMID: 9106, Node: "pve", Tags: []string{"labctl"}},    // another lab's
			{VMID: 9107, Node: "pve", Name: "blog-8gb", Lock: "x"}, // our name, without a mark
		},
		configs: map[pve.VMID]map[string]string{
			100:  {"description": description("blog", "2gb")}, // outside of everything: never looked at
			9100: {"description": description("blog", "2gb"), "status": "running"},
			300:  {"description": description("blog", "4gb"), "status": "stopped"},
			9105: {"description": "mine!"},
			9106: {"description": description("demo", "2gb")},
			9107: {"name": "blog-8gb", "tags": "labctl"},
			9108: nil,
			9110: {"description": Mark{Lab: "blog", Owner: "her@there", Run: "r9", VM: "2gb"}.Description()},
		},
	}
	api.resources = append(api.resources, pve.Resource{VMID: 9110, Node: "pve", Pool: "labctl"})
	withJournal := scope
	withJournal.Known = []pve.VMRef{{Node: "pve", ID: 9100}, {Node: "pve", ID: 9105}, {Node: "pve", ID: 9108}, {Node: "pve", ID: 9109}}
	seen, err := Observe(t.Context(), api, withJournal)
	if err != nil {
		t.Fatal(err)
	}
	var ours []string
	for _, vm := range seen.VMs {
		ours = append(ours, fmt.Sprintf("%s %d on %s running=%v", vm.Mark.VM, vm.Ref.ID, vm.Ref.Node, vm.Running))
	}
	if diff := cmp.Diff([]string{"4gb 300 on pve2 running=false", "2gb 9100 on pve running=true"}, ours); diff != "" {
		t.Errorf("ours (-want +got)\n%s", diff)
	}
	if len(seen.Others) != 1 || seen.Others[0].Mark.Owner != "her@there" {
		t.Errorf("others = %+v: somebody else's lab of the same name is not ours", seen.Others)
	}
	for _, check := range []struct {
		name string
		got  []pve.VMRef
		want pve.VMID
	}{{"foreign", refsOf(seen.Foreign), 9105}, {"unreadable", seen.Unreadable, 9108}, {"gone", seen.Gone, 9109}} {
		if len(check.got) != 1 || check.got[0].ID != check.want {
			t.Errorf("%s = %v, want %d", check.name, check.got, check.want)
		}
	}
}

func refsOf(vms []VM) []pve.VMRef {
	refs := make([]pve.VMRef, len(vms))
	for i, vm := range vms {
		refs[i] = vm.Ref
	}
	return refs
}

// The destroy that a killed labctl began may end between two looks. The VM was seen to be ours, so that its VMID is to be
// proved clean, also without a journal.
func TestObserveNoticesThatAVMVanishes(t *testing.T) {
	api := &fakePVE{
		resources: []pve.Resource{{VMID: 9100, Node: "pve"}},
		configs:   map[pve.VMID]map[string]string{9100: {"description": description("blog", "2gb"), "status": vanishing}},
	}
	seen, err := Observe(t.Context(), api, scope)
	if err != nil || len(seen.VMs) > 0 || len(seen.Gone) != 1 || seen.Gone[0].ID != 9100 {
		t.Errorf("seen %+v, error %v", seen, err)
	}
}

func TestEmptyServerCostsOneRequest(t *testing.T) {
	api := &fakePVE{resources: []pve.Resource{{VMID: 9000, Template: true}}}
	if _, err := Observe(t.Context(), api, scope); err != nil || api.requests != 1 {
		t.Errorf("%d requests, error %v", api.requests, err)
	}
}

func TestFreeVMIDs(t *testing.T) {
	api := &fakePVE{configs: map[pve.VMID]map[string]string{9101: nil}}
	seen := Observed{Resources: []pve.Resource{{VMID: 9100}}}
	known := scope
	known.Known = []pve.VMRef{{ID: 9102}}
	free, err := seen.FreeVMIDs(t.Context(), api, known, 2)
	if diff := cmp.Diff([]pve.VMID{9103, 9104}, free); diff != "" || err != nil {
		t.Errorf("free %v, error %v: 9100 is listed, 9101 invisible but taken, 9102 in the journal", free, err)
	}
	known.Last = 9103
	if _, err = seen.FreeVMIDs(t.Context(), api, known, 2); err == nil || !strings.Contains(err.Error(), "only 1 of 2") {
		t.Errorf("error %v", err)
	}
}

func TestFindTemplateSaysWhatIsWrong(t *testing.T) {
	seen := Observed{Resources: []pve.Resource{
		{VMID: 100, Name: "nas", Node: "pve"},
		{VMID: 9000, Name: "ubuntu", Node: "pve", Template: true},
		{VMID: 9001, Name: "other", Node: "pve2", Template: true},
		{VMID: 9002, Name: "secret", Node: "pve", Template: true},
		{VMID: 9003, Node: "pve"}, // just built: the list does not know more yet
		{VMID: 9004, Node: "pve"},
	}}
	api := &fakePVE{configs: map[pve.VMID]map[string]string{
		100: {"name": "nas"}, 9000: {"scsi0": "x"}, 9002: nil, 9003: {"name": "fresh", "template": "1"}, 9004: {"name": "debian"},
	}}
	for _, test := range []struct {
		id   pve.VMID
		name string
		want string
	}{
		{9000, "", ""},
		{0, "ubuntu", ""},
		{9003, "", "9003"},
		{0, "fresh", "9003"},
		{0, "debian", "not found"},
		{9999, "", "9000 (ubuntu on pve)"},
		{100, "", "VM 100 is not a template"},
		{9001, "", "it is on node pve2"},
		{9002, "", "cannot be read"},
	} {
		template, err := seen.FindTemplate(t.Context(), api, "pve", test.id, test.name)
		if test.want == "" || test.want == "9003" {
			if err != nil || (template.Ref.ID != 9000 && template.Ref.ID.String() != test.want) {
				t.Errorf("template %d %q: %v, %v", test.id, test.name, template.Ref, err)
			}
			continue
		}
		var problem *TemplateError
		if !errors.As(err, &problem) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("template %d %q: error %v, want %q", test.id, test.name, err, test.want)
		}
	}
}

func TestMarkSurvivesTheDescription(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mark := Mark{
			Owner: rapid.String().Draw(t, "owner"), Lab: rapid.StringMatching(`[a-z][a-z0-9-]{0,20}`).Draw(t, "lab"), Run: rapid.StringMatching(`[0-9a-zA-Z-]{1,30}`).Draw(t, "run"),
			VM: rapid.String().Draw(t, "vm"), Version: rapid.String().Draw(t, "version"),
			Expires: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "expires"), 0).UTC(),
		}
		got, ok := ParseMark(mark.Description())
		mark.VM, mark.Version, mark.Owner = strings.ToValidUTF8(mark.VM, "\ufffd"), strings.ToValidUTF8(mark.Version, "\ufffd"), strings.ToValidUTF8(mark.Owner, "\ufffd")
		if !ok || got != mark {
			t.Fatalf("got %+v, %v, want %+v", got, ok, mark)
		}
	})
}

func TestWhatOnlyLooksLikeAMarkIsNone(t *testing.T) {
	for _, text := range []string{
		"", "labctl", "labctl lab blog", `{"labctl":3,"lab":"blog","run":"r"}`, `{"labctl":0,"lab":"blog","run":"r"}`, `{"labctl":1,"lab":"","run":"r"}`,
		`{"labctl":1,"lab":"blog"}`, ` {"labctl":1,"lab":"blog","run":"r"}`, `x {"labctl":1,"lab":"blog","run":"r"}`,
		`{"labctl":1,"lab":"blog","run":"r","more":true}`, `{"labctl":1,"lab":"blog","run":"r"`,
	} {
		if mark, ok := ParseMark(text); ok {
			t.Errorf("%q was taken for %+v", text, mark)
		}
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add(description("blog", "2gb"))
	f.Fuzz(func(t *testing.T, text string) {
		if mark, ok := ParseMark(text); ok && (mark.Lab == "" || mark.Run == "") {
			t.Fatalf("%q: a mark without owner: %+v", text, mark)
		}
	})
}

type fakeStorages []pve.Storage

func (f fakeStorages) Storages(context.Context, string) ([]pve.Storage, error) { return f, nil }

func TestCheckStorages(t *testing.T) {
	there := fakeStorages{
		{Name: "local", Content: []string{"iso"}, Active: true, Enabled: true},
		{Name: "zfs", Content: []string{"images"}, Active: true, Enabled: true},
		{Name: "dead", Content: []string{"images"}, Enabled: true},
		{Name: "off", Content: []string{"images"}, Active: true},
	}
	if err := CheckStorages(t.Context(), there, "pve", []string{"zfs"}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"local", "dead", "off", "fast"} {
		err := CheckStorages(t.Context(), there, "pve", []string{"zfs", name})
		if err == nil || !strings.Contains(err.Error(), "storage "+name+" on node pve") || !strings.Contains(err.Error(), "usable are: zfs") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

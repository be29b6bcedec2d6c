package pvesim

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// visit is one request of a walk through the API. A method with a star starts a task, whose exit status is compared
// instead of the reason.
type visit struct {
	method, path, args string // args as "name=value name=value"
	want               string // reason, or exit status
	has                string // text in the answer's body
}

// walk sends requests one after another.
func walk(t *testing.T, c *client, visits []visit) {
	t.Helper()
	for _, v := range visits {
		var args []string
		for pair := range strings.FieldsSeq(v.args) {
			name, value, _ := strings.Cut(pair, "=")
			args = append(args, name, value)
		}
		method, isTask := strings.CutPrefix(v.method, "*")
		path := strings.Replace(v.path, "~", "/nodes/pve/qemu", 1)
		got, body := "", ""
		if isTask {
			got = c.task(method, path, args...)
		} else {
			r := c.do(method, path, args...)
			got, body = r.Reason, r.Body
		}
		if got != v.want || !strings.Contains(body, v.has) {
			t.Errorf("%s %s %s: %q %s, want %q with %s", v.method, v.path, v.args, got, body, v.want, v.has)
		}
	}
}

// asRoot is a client with a token of root's that has all privileges.
func asRoot(t *testing.T, cluster *Cluster) *client {
	c := newClient(t, cluster)
	cluster.access.users["root@pam"].tokens["all"] = &token{name: "all", secret: "s"}
	c.token = "root@pam!all=s"
	return c
}

func TestWalkVM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newSandbox(t, 8, func(topology *Topology) {
			topology.Storages[0].Content = append(topology.Storages[0].Content, "images")
			topology.Storages[0].Files = []FileSpec{{Content: "import", Name: "jammy.qcow2", SizeBytes: 1 << 20, VirtualBytes: 2 << 30}}
		})
		walk(t, asRoot(t, cluster), []visit{
			{"*POST", "~", "vmid=150 name=built memory=512 scsi0=zfs:0,import-from=local:import/jammy.qcow2 ide2=zfs:cloudinit net0=virtio,bridge=vmbr0 agent=1", "OK", ""},
			{"GET", "~/150/config", "", "OK", `"scsi0":"zfs:vm-150-disk-0,size=2G"`},
			{"GET", "~/150/config", "", "OK", `"boot":"order=scsi0;net0"`},
			{"PUT", "~/150/config", "ide0=zfs:cloudinit", "ide0 - cloud-init drive is already attached at 'ide2'", ""},
			{"PUT", "~/150/config", "ciuser=lab cipassword=secret nameserver=10.10.10.1 searchdomain=lab ipconfig0=ip=10.10.10.150/24,gw=10.10.10.1", "OK", ""},
			{"GET", "~/150/cloudinit", "", "OK", hiddenPassword},
			{"PUT", "~/150/cloudinit", "", "OK", ""},
			{"GET", "~/150/cloudinit/dump", "type=user", "OK", "fqdn: built.lab"},
			{"GET", "~/150/cloudinit/dump", "type=network", "OK", "netmask: '255.255.255.0'"},
			{"GET", "~/150/cloudinit/dump", "type=meta", "OK", "instance-id: "},
			{"PUT", "~/150/config", "scsi1=local:1,ssd=1", "OK", ""},
			{"GET", "/nodes/pve/storage/local/content", "content=images", "OK", `"volid":"local:150/vm-150-disk-0.raw"`},
			{"GET", "/nodes/pve/storage/local/content/local:150/vm-150-disk-0.raw", "", "OK", "/var/lib/vz/images/150/vm-150-disk-0.raw"},
			{"PUT", "~/150/unlink", "idlist=scsi1 force=1", "OK", ""},
			{"PUT", "~/150/config", "scsi2=zfs:vm-150-disk-9", "timeout: no zvol device link for 'vm-150-disk-9' found after 10 sec.", ""},
			{"PUT", "~/150/config", "ide3=local:iso/none.iso,media=cdrom", "volume 'local:iso/none.iso' does not exist", ""},
			{"PUT", "~/150/config", "scsi2=/dev/sda", "Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 581.", ""},
			{"PUT", "~/150/config", "digest=0123456789012345678901234567890123456789 cores=2", "checksum mismatch (file change by other user?)", ""},
			{"PUT", "~/150/config", "", "no options specified", ""},
			{"*POST", "~/150/status/start", "", "OK", ""},
			{"PUT", "~/150/config", "cores=4", "OK", ""},
			{"GET", "~/150/pending", "", "OK", `{"key":"cores","pending":4}`},
			{"GET", "~/150/config", "current=1", "OK", `"memory":"512"`},
			{"PUT", "~/150/config", "revert=cores", "OK", ""},
			{"*POST", "~/150/snapshot", "snapname=one description=first", "OK", ""},
			{"*POST", "~/150/snapshot", "snapname=one", "snapshot name 'one' already used", ""},
			{"GET", "~/150/snapshot", "", "OK", `"description":"You are here!","parent":"one"`},
			{"*POST", "~/150/status/suspend", "", "OK", ""},
			{"GET", "~/150/status/current", "", "OK", `"qmpstatus":"paused"`},
			{"*POST", "~/150/status/resume", "", "OK", ""},
			{"*POST", "~/150/status/reset", "", "OK", ""},
			{"*POST", "~/150/status/shutdown", "timeout=2", "VM quit/powerdown failed - got timeout", ""},
			{"GET", "~/150/agent/get-osinfo", "", "OK", "Ubuntu 22.04"},
			{"GET", "~/150/agent/get-host-name", "", "OK", `"host-name":"built"`},
			{"GET", "~/150/agent/info", "", "OK", "guest-network-get-interfaces"},
			{"POST", "~/150/agent", "command=get-time", "OK", `"result":`},
			{"POST", "~/150/agent/exec", "command=true", "Agent error: The command has been disabled for this instance", ""},
			{"*POST", "~/150/status/shutdown", "", "OK", ""},
			{"*POST", "~/150/snapshot/one/rollback", "", "OK", ""},
			{"*DELETE", "~/150/snapshot/one", "", "OK", ""},
			{"*DELETE", "~/150/snapshot/one", "", "snapshot 'one' does not exist", ""},
			{"PUT", "~/150/config", "net1=virtio,bridge=vmbr9", "OK", ""},
			{"*POST", "~/150/status/start", "", "start failed: QEMU exited with code 1", ""},
			{"PUT", "~/150/config", "protection=1 delete=net1", "OK", ""},
			{"DELETE", "~/150", "", "can't remove VM 150 - protection mode enabled", ""},
			{"PUT", "~/150/config", "delete=scsi0", "can't remove drive 'scsi0' - protection mode enabled", ""},
			{"PUT", "~/150/config", "protection=0", "OK", ""},
			{"*POST", "~/150/template", "", "OK", ""},
			{"POST", "~/150/template", "", "you can't convert a template to a template", ""},
			{"*POST", "~/150/status/start", "", "you can't start a vm if it's a template", ""},
			{"*POST", "~/150/clone", "newid=151", "OK", ""},
			{"*DELETE", "~/150", "", "base volume 'zfs:base-150-disk-0' is still in use by linked cloned", ""},
			{"*DELETE", "~/151", "purge=1", "OK", ""},
			{"*DELETE", "~/150", "purge=1", "OK", ""},
		})
		if n := len(cluster.volumesOf("", 150)) + len(cluster.volumesOf("", 151)); n != 0 {
			t.Errorf("%d volumes left", n)
		}
	})
}

func TestWalkAdministration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newSandbox(t, 9, nil)
		walk(t, asRoot(t, cluster), []visit{
			{"GET", "/", "", "OK", "cluster"},
			{"GET", "/cluster/status", "", "OK", `"name":"pve"`},
			{"GET", "/nodes/pve/status", "", "OK", `"pveversion":"pve-manager/9.`},
			{"GET", "/nodes/pve/network", "type=bridge", "OK", `"cidr":"10.10.10.1/24"`},
			{"GET", "/nodes/gone/status", "", "hostname lookup 'gone' failed - failed to get address info for: gone: Name or service not known", ""},
			{"POST", "/pools", "poolid=p comment=mine", "OK", ""},
			{"PUT", "/pools/p", "vms=100 storage=local", "OK", ""},
			{"PUT", "/pools/p", "vms=100", "update pools failed: VM 100 is already a pool member", ""},
			{"GET", "/pools/p", "", "OK", `"storage":"local"`},
			{"DELETE", "/pools/p", "", "delete pool failed: pool 'p' is not empty (contains VM 100)", ""},
			{"PUT", "/pools", "poolid=p vms=100 storage=local delete=1", "OK", ""},
			{"DELETE", "/pools", "poolid=p", "OK", ""},
			{"POST", "/access/roles", "roleid=R privs=VM.Audit,VM.Monitor", "Parameter verification failed.", "invalid privilege 'VM.Monitor'"},
			{"POST", "/access/roles", "roleid=R privs=VM.Audit", "OK", ""},
			{"PUT", "/access/roles/R", "privs=VM.Clone append=1", "OK", ""},
			{"GET", "/access/roles/R", "", "OK", `{"VM.Audit":1,"VM.Clone":1}`},
			{"PUT", "/access/roles/PVEAdmin", "privs=VM.Clone", "update role failed: auto-generated role 'PVEAdmin' cannot be modified", ""},
			{"POST", "/access/users", "userid=u@pve password=secret-enough", "OK", ""},
			{"POST", "/access/users/u@pve/token/tt", "expire=1 comment=x", "OK", `"full-tokenid":"u@pve!tt"`},
			{"PUT", "/access/users/u@pve/token/tt", "expire=0", "OK", `"expire":"0"`},
			{"GET", "/access/users/u@pve/token", "", "OK", `"tokenid":"tt"`},
			{"PUT", "/access/acl", "path=/vms roles=R users=u@pve tokens=u@pve!tt", "OK", ""},
			{"PUT", "/access/acl", "path=/vms roles=None users=u@pve", "ACL update failed: role 'None' does not exist", ""},
			{"GET", "/access/acl", "", "OK", `{"path":"/vms","roleid":"R","type":"token","ugid":"u@pve!tt","propagate":1}`},
			{"GET", "/access/permissions", "userid=u@pve!tt path=/vms/100", "OK", `{"/vms/100":{"VM.Audit":1,"VM.Clone":1}}`},
			{"PUT", "/access/users/u@pve", "enable=0", "OK", ""},
			{"GET", "/access/users/u@pve", "", "OK", `"enable":0`},
			{"GET", "/access/users", "", "OK", `"userid":"u@pve"`},
			{"DELETE", "/access/users/u@pve/token/tt", "", "OK", ""},
			{"DELETE", "/access/users/u@pve", "", "OK", ""},
			{"DELETE", "/access/roles/R", "", "OK", ""},
			{"POST", "/storage", "storage=extra type=zfspool pool=rpool/extra blocksize=16k", "OK", `"storage":"extra"`},
			{"PUT", "/storage/extra", "sparse=1", "OK", ""},
			{"GET", "/storage/extra", "", "OK", `"sparse":1,"blocksize":"16k"`},
			{"GET", "/nodes/pve/storage", "content=images", "OK", `"storage":"extra"`},
			{"GET", "/nodes/pve/storage/extra/status", "", "OK", `"active":1`},
			{"DELETE", "/storage/extra", "", "OK", ""},
			{"*POST", "/nodes/pve/storage/local/download-url", "content=iso filename=x.iso url=http://x.test/x.iso", "download failed: Connecting to x.test... failed: Connection refused.", ""},
			{"*DELETE", "/nodes/pve/storage/local/content/local:iso/none.iso", "", "OK", ""},
			{"GET", "/cluster/tasks", "", "OK", `"type":"download"`},
		})
	})
}

func TestUploadAndDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const address = "https://images.test/jammy.img"
		cluster := newSandbox(t, 8, func(topology *Topology) {
			topology.Downloads = map[string]FileSpec{address: {SizeBytes: 5 << 20, VirtualBytes: 2 << 30}}
		})
		c := asRoot(t, cluster)
		c.done(post, "/nodes/pve/storage/local/download-url", "content", "import", "filename", "jammy.qcow2", "url", address)
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part := func(w any, err error) {
			if err != nil {
				t.Fatal(w, err)
			}
		}
		part(nil, form.WriteField("content", "iso"))
		file, err := form.CreateFormFile("filename", "dir/my seed.iso")
		part(file, err)
		fmt.Fprint(file, "content")
		part(nil, form.Close())
		r, err := http.NewRequestWithContext(t.Context(), post, c.base+"/api2/json/nodes/pve/storage/local/upload", &body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", form.FormDataContentType())
		r.Header.Set("Authorization", "PVEAPIToken="+c.token)
		if answer := c.send(r); answer.Status != http.StatusOK {
			t.Fatalf("upload: %d %s %s", answer.Status, answer.Reason, answer.Body)
		}
		<-time.After(time.Second)
		walk(t, c, []visit{
			{"GET", "/nodes/pve/storage/local/content", "content=iso", "OK", `"volid":"local:iso/my_seed.iso","content":"iso","format":"iso","size":7`},
			{"GET", "/nodes/pve/storage/local/content", "content=import", "OK", `"volid":"local:import/jammy.qcow2"`},
			{"*DELETE", "/nodes/pve/storage/local/content/local:iso/my_seed.iso", "", "OK", ""},
		})
	})
}

// TestHangingStorage is a storage whose commands do not return.
func TestHangingStorage(t *testing.T) {
	inSandbox(t, 8, `
faults:
- volume: {operation: list, storage: zfs}
  do: {delay: 1m}
- volume: {operation: status, storage: zfs}
  do: {delay: 1m}
`, func(t *testing.T, _ *Cluster, c *client) {
		begin := time.Now()
		walk(t, c, []visit{
			{"GET", "/nodes/pve/storage/zfs/content", "", "command 'zfs list -o name,volsize,origin,type,refquota -t volume,filesystem -d1 -Hp rpool/data' failed: got timeout", ""},
			{"GET", "/nodes/pve/storage/zfs/status", "", "OK", `"active":0`},
			{"GET", "/nodes/pve/storage/zfs/status", "", "OK", `"active":1`},
		})
		if took := time.Since(begin); took != 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

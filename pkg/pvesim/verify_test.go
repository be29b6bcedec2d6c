package pvesim

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func schemaOf(t testing.TB, major int) *schema {
	t.Helper()
	schemas, err := loadSchemas()
	if err != nil {
		t.Fatal(err)
	}
	return schemas[major]
}

// fieldsOf verifies parameters and returns what is wrong with each.
func fieldsOf(t testing.TB, m *method, p params) map[string]string {
	t.Helper()
	err := m.verify(p)
	var refusal *apiError
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	if refusal == nil {
		return nil
	}
	return refusal.fields
}

func TestVerify(t *testing.T) {
	const config, clone = "PUT /nodes/{node}/qemu/{vmid}/config", "POST /nodes/{node}/qemu/{vmid}/clone"
	for _, tt := range []struct{ method, name, value, want string }{
		{config, "cores", "0", "value must have a minimum value of 1"},
		{config, "cores", "many", "type check ('integer') failed - got 'many'"},
		{config, "onboot", "yes", "type check ('boolean') failed - got 'yes'"},
		{config, "onboot", "1", ""},
		{config, "memory", "lots", "invalid format - format error\nmemory.current: type check ('integer') failed - got 'lots'\n"},
		{config, "scsi30", "zfs:8", ""},
		{config, "scsi31", "zfs:8", textUnknown},
		{config, "scsi01", "zfs:8", textUnknown},
		{config, "scsi0", "zfs:8,discard=on,iothread=yes,ssd=1,serial=labctl-data,cache=none", ""},
		{config, "scsi0", "zfs:8,zfs:9", "invalid format - duplicate key in comma-separated list property: file\n"},
		{config, "net0", "virtio,bridge=vmbr0", ""},
		{config, "net0", "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=12", ""},
		{config, "net0", "virtio,e1000=BC:24:11:00:00:01", "invalid format - key alias 'model' is already defined\n"},
		{config, "net0", "virtio=nonsense", "invalid format - format error\nnet0.macaddr: invalid format - value does not look like a valid unicast MAC address\n\n"},
		{config, "ipconfig0", "ip=10.0.0.5/24,gw=10.0.0.1", ""},
		{config, "ipconfig0", "ip=dhcp", ""},
		{config, "ipconfig0", "gw=10.0.0.256", "invalid format - format error\nipconfig0.gw: invalid format - value does not look like a valid IPv4 address\n\n"},
		{config, "name", "under_score", "invalid format - value does not look like a valid DNS name\n"},
		{config, "tags", "a;b,c d", ""},
		{config, "tags", "a;b!", "invalid format - invalid characters in tag\n"},
		{config, "sshkeys", "ssh-ed25519 AAAA", "invalid format - invalid urlencoded string: ssh-ed25519 AAAA\n"},
		{config, "digest", strings.Repeat("0", 41), "value may only be 40 characters long"},
		{config, "nothing", "1", textUnknown},
		{clone, "newid", "99", "invalid format - value does not look like a valid VM ID\n"},
	} {
		for _, major := range []int{8, 9} {
			p := params{"node": {"pve"}, "vmid": {"101"}, "newid": {"102"}, tt.name: {tt.value}}
			if tt.method == config {
				delete(p, "newid")
			}
			got := fieldsOf(t, schemaOf(t, major).methods[tt.method], p)
			if got[tt.name] != tt.want || len(got) > 1 {
				t.Errorf("%d: %s=%s: %q, want %q", major, tt.name, tt.value, got, tt.want)
			}
		}
	}
	missing := fieldsOf(t, schemaOf(t, 8).methods[clone], params{"node": {"pve"}, "vmid": {"101"}})
	if diff := cmp.Diff(map[string]string{"newid": textMissing}, missing); diff != "" {
		t.Error(diff)
	}
}

// TestServedMethodsAreInSchema checks that no method is served that Proxmox VE does not have.
func TestServedMethodsAreInSchema(t *testing.T) {
	for _, major := range []int{8, 9} {
		for _, rt := range apiRoutes() {
			if _, ok := schemaOf(t, major).methods[rt.method+" "+rt.path]; !ok && rt.path != "/" {
				t.Errorf("version %d has no %s %s", major, rt.method, rt.path)
			}
		}
	}
}

// FuzzVerify checks that no value of any parameter breaks the check, and that its verdict is stable.
func FuzzVerify(f *testing.F) {
	for _, seed := range [][2]string{
		{"scsi0", "zfs:8,discard=on"},
		{"net0", "virtio=AA:BB:CC:00:00:01,bridge=vmbr0"},
		{"ipconfig0", "ip=dhcp"},
		{"agent", "enabled=1"},
		{"boot", "order=scsi0;net0"},
		{"tags", "a;b"},
		{"memory", "512"},
		{"sshkeys", "%20"},
		{"delete", "cores,memory"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		for _, major := range []int{8, 9} {
			m := schemaOf(t, major).methods["POST /nodes/{node}/qemu/{vmid}/config"]
			p := params{"node": {"pve"}, "vmid": {"101"}, name: {value}}
			if diff := cmp.Diff(fieldsOf(t, m, p), fieldsOf(t, m, p)); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// FuzzRequest sends arbitrary bodies: the answer is always one of the API's.
func FuzzRequest(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", "poolid=a&comment=b+c%2B")
	f.Add("application/json", `{"poolid":"a","x":[1,true,null,"s"]}`)
	f.Add("application/json", `{oops`)
	f.Add("multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\niso\r\n--B--\r\n")
	f.Add("", "a=1&a=2")
	cluster, err := New(SandboxTopology(8), WithSeed(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind, body string) {
		r := httptest.NewRequest(http.MethodPost, "/api2/json/pools", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", "PVEAPIToken="+SandboxTokenID+"="+SandboxTokenSecret)
		response, err := cluster.Transport().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode < 200 || response.StatusCode > 599 || strings.ContainsAny(response.Status, "\r\n") {
			t.Errorf("status %q", response.Status)
		}
	})
}

package pvesim

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestCheckRequests(t *testing.T) {
	good := []Request{
		{Method: get, Path: "/api2/json/version", Params: params{}},
		{Method: post, Path: "/api2/json/nodes/pve/qemu/9000/clone", Params: params{"newid": {"101"}, "pool": {"labctl"}, "full": {"0"}}},
		{Method: put, Path: "/api2/json/nodes/pve/qemu/101/resize", Params: params{"disk": {"scsi0"}, "size": {"+4G"}}},
		{Method: post, Path: "/api2/json/nodes/pve/qemu/101/config", Params: params{"scsi1": {"zfs:8,discard=on,serial=labctl-data"}}},
		{Method: get, Path: "/nothing", Params: nil},
	}
	if err := CheckRequests(good); err != nil {
		t.Errorf("good requests: %v", err)
	}
	for _, tt := range []struct {
		request Request
		want    string
	}{
		{Request{Method: post, Path: "/api2/json/nodes/pve/qemu/9000/clone", Params: params{"newid": {"101"}, "tags": {"x"}}}, "tags: property is not defined in schema"},
		{Request{Method: post, Path: "/api2/json/nodes/pve/qemu/101/config", Params: params{"onboot": {"true"}}}, "onboot: type check ('boolean') failed - got 'true'"},
		{Request{Method: post, Path: "/api2/json/nodes/pve/qemu/101/config", Params: params{"scsi31": {"zfs:1"}}}, "scsi31: property is not defined"},
		{Request{Method: get, Path: "/api2/json/nodes/pve/qemu/101/agent/ping", Params: params{}}, "has no method GET"},
		{Request{Method: put, Path: "/api2/json/nodes/pve/qemu/101/resize", Params: params{"size": {"1GB"}}}, "disk: property is missing"},
	} {
		err := CheckRequests([]Request{tt.request})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %q", tt.request.Method, tt.request.Path, err, tt.want)
		}
	}
}

// TestRequestLog checks that what is logged can be checked.
func TestRequestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newSandbox(t, 8, nil)
		c := newClient(t, cluster)
		c.done(post, "/nodes/pve/qemu/9000/clone", "newid", "101", "pool", "labctl")
		c.do(post, "/nodes/pve/qemu/101/config", "bogus", "1")
		c.token = "x@pve!y=z"
		c.do(get, "/version")
		log := cluster.Requests()
		if err := CheckRequests(log); err == nil || strings.Count(err.Error(), "bogus") != 2 {
			t.Errorf("log: %v", err)
		}
		if last := log[len(log)-1]; last.Status != 401 || last.Who != "" || log[0].Who != SandboxTokenID || log[0].Status != 200 {
			t.Errorf("first %+v, last %+v", log[0], last)
		}
	})
}

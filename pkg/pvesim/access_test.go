package pvesim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPermissions(t *testing.T) {
	c := instant(t, 8)
	c.access.users["u@pve"] = &user{id: "u@pve", enabled: true, tokens: map[string]*token{
		"all": {name: "all"}, "sep": {name: "sep", privsep: true},
	}}
	c.access.roles["A"] = &role{privileges: []string{"VM.Audit", "VM.PowerMgmt"}}
	c.access.roles["B"] = &role{privileges: []string{"VM.Clone"}}
	for _, g := range []grant{
		{"/vms", "u@pve", "A", true},
		{"/vms/100", "u@pve", "B", false},
		{"/vms", "u@pve!sep", "B", true},
		{"/pool/labctl", "u@pve", "A", true},
		{"/nodes", "u@pve", "NoAccess", true},
	} {
		c.access.set(g)
	}
	c.pools["labctl"].add(101)
	for _, tt := range []struct {
		who, path string
		want      privileges
	}{
		{"u@pve", "/vms/9000", privileges{"VM.Audit": true, "VM.PowerMgmt": true}},
		{"u@pve", "/vms/100", privileges{"VM.Clone": false}}, // what is set below replaces what is above
		{"u@pve", "/vms/101", privileges{"VM.Audit": true, "VM.PowerMgmt": true}},
		{"u@pve", "/pool/labctl", privileges{"VM.Audit": true, "VM.PowerMgmt": true}},
		{"u@pve", "/nodes/pve", privileges{}},
		{"u@pve", "/", privileges{}},
		{"u@pve!all", "/vms/9000", privileges{"VM.Audit": true, "VM.PowerMgmt": true}},
		{"u@pve!sep", "/vms/9000", privileges{}}, // granted to the token, but not to its user
		{"u@pve!sep", "/vms/100", privileges{"VM.Clone": false}},
		{"u@pve!gone", "/vms/100", privileges{}},
		{SandboxTokenID, "/vms/101", c.permissions("labctl@pve", "/vms/101")}, // as a member of the pool
	} {
		if diff := cmp.Diff(tt.want, c.permissions(tt.who, tt.path)); diff != "" {
			t.Errorf("%s on %s:\n%s", tt.who, tt.path, diff)
		}
	}
	if len(c.permissions("labctl@pve", "/vms/101")) == 0 || len(c.permissions("root@pam", "/x")) < 40 || len(c.permissions("root@pam", "")) != 0 {
		t.Error("pool members or root")
	}
}

func TestTicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, newSandbox(t, 9, nil))
		login := func(password string) (reply, loginAnswer) {
			body := strings.NewReader("username=root@pam&password=" + strings.ReplaceAll(password, "+", "%2B"))
			r, err := http.NewRequestWithContext(t.Context(), post, c.base+"/api2/json/access/ticket", body)
			if err != nil {
				t.Fatal(err)
			}
			answer := c.send(r)
			var data loginAnswer
			_ = json.Unmarshal(answer.Data, &data)
			return answer, data
		}
		begin := time.Now()
		if answer, _ := login("wrong"); answer.Status != 401 || answer.Message != "authentication failure\n" || time.Since(begin) != Quick().AuthDelay {
			t.Errorf("wrong password: %d %q after %v", answer.Status, answer.Body, time.Since(begin))
		}
		_, ticket := login(SandboxTokenSecret)
		if answer, _ := login(ticket.Ticket); answer.Status != 200 {
			t.Errorf("renewal: %d", answer.Status)
		}
		try := func(method, csrf string) int {
			r, err := http.NewRequestWithContext(t.Context(), method, c.base+"/api2/json/pools?poolid=x", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Cookie", "other=1; PVEAuthCookie="+ticket.Ticket)
			r.Header.Set("CSRFPreventionToken", csrf)
			return c.send(r).Status
		}
		if got := []int{try(get, ""), try(del, ""), try(del, ticket.CSRF)}; !cmp.Equal(got, []int{500, 401, 500}) {
			t.Errorf("with a ticket: %v", got)
		}
		<-time.After(3 * time.Hour)
		if got := try(get, ""); got != 401 {
			t.Errorf("an old ticket: %d", got)
		}
	})
}

// TestStaleResources checks that names and states in cluster/resources are as old as pvestatd's last round.
func TestStaleResources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, newSandbox(t, 8, func(topology *Topology) { topology.Timings.Statistics = 10 * time.Second }))
		state := func(id int) string {
			for _, v := range ok[[]vmStatus](c, get, "/cluster/resources", "type", "vm") {
				if v.VMID == id {
					return v.Status
				}
			}
			return ""
		}
		<-time.After(10*time.Second - time.Millisecond)
		c.done(post, "/nodes/pve/qemu/9000/clone", "newid", "101", "pool", "labctl")
		<-time.After(10 * time.Second)
		c.done(post, "/nodes/pve/qemu/101/status/start")
		got := []string{state(101)}
		<-time.After(10 * time.Second)
		if got = append(got, state(101)); !cmp.Equal(got, []string{"stopped", "running"}) {
			t.Errorf("states %v", got)
		}
	})
}

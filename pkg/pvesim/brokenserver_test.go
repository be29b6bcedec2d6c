package pvesim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ask makes a request without a client; the answer's body comes with its headers.
func ask(t *testing.T, transport http.RoundTripper, authorization, method, path string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://pve.invalid:8006"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

const sandboxToken = "PVEAPIToken=" + SandboxTokenID + "=" + SandboxTokenSecret

// TestBrokenTopologies: what an administrator can have broken shows in the API as on a real server.
func TestBrokenTopologies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topology := SandboxTopology(9)
		topology.Version, topology.ClockSkew, topology.HAManaged = "9.0.3", time.Hour, []int{SandboxTemplate}
		topology.Nodes = append(topology.Nodes, NodeSpec{Name: "pve2", Offline: true})
		topology.Storages[1].Inactive = true
		topology.Storages = append(topology.Storages, StorageSpec{Name: "off", Type: "zfspool", Content: []string{"images"}, TotalBytes: 1 << 40, Disabled: true})
		topology.Templates[0].Config = map[string]string{"agent": ""}
		cluster, err := New(topology)
		if err != nil {
			t.Fatal(err)
		}
		root := cluster.RootTransport()
		for path, wants := range map[string][]string{
			"/api2/json/version":                            {`"version":"9.0.3"`, `"release":"9.0"`},
			"/api2/json/nodes":                              {`"node":"pve2","status":"offline"`},
			"/api2/json/nodes/pve/storage":                  {`"storage":"off","type":"zfspool","content":"images","active":0,"enabled":0`, `"storage":"zfs","type":"zfspool","content":"images,rootdir","active":0,"enabled":1,"shared":0,"total":0`},
			"/api2/json/nodes/pve/qemu/9000/status/current": {`"ha":{"managed":1}`},
			"/": {"<title>pve - Proxmox Virtual Environment</title>", "pvemanagerlib.js?ver=9.0.3"},
		} {
			resp, body := ask(t, root, "", http.MethodGet, path)
			for _, want := range wants {
				if resp.StatusCode != http.StatusOK || !strings.Contains(body, want) {
					t.Errorf("%s: %s\n%s\nwant %s", path, resp.Status, body, want)
				}
			}
			date, err := http.ParseTime(resp.Header.Get("Date"))
			if skew := time.Until(date); err != nil || skew < 59*time.Minute || skew > 61*time.Minute {
				t.Errorf("%s: Date %s (%v)", path, resp.Header.Get("Date"), err)
			}
		}
		if resp, _ := ask(t, root, "", http.MethodGet, "/api2/json/nodes/pve2/storage"); resp.StatusCode != 595 {
			t.Errorf("an offline node answers %s", resp.Status)
		}
		if _, body := ask(t, root, "", http.MethodGet, "/api2/json/nodes/pve/qemu/9000/config"); strings.Contains(body, `"agent"`) {
			t.Errorf("the template has an agent: %s", body)
		}
	})
}

// TestTheConsoleIsRoots: only RootTransport needs no credentials, and what comes that way is root's.
func TestTheConsoleIsRoots(t *testing.T) {
	cluster, err := New(SandboxTopology(8))
	if err != nil {
		t.Fatal(err)
	}
	if resp, _ := ask(t, cluster.Transport(), "", http.MethodGet, "/api2/json/access/users"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without credentials: %s", resp.Status)
	}
	_, body := ask(t, cluster.RootTransport(), "", http.MethodGet, "/api2/json/access/users")
	var users struct {
		Data []struct{ UserID string }
	}
	if err := json.Unmarshal([]byte(body), &users); err != nil || len(users.Data) != 2 {
		t.Errorf("root sees %s (%v)", body, err)
	}
	if resp, _ := ask(t, cluster.RootTransport(), sandboxToken, http.MethodDelete, "/api2/json/access/roles/LabctlVM"); resp.StatusCode != http.StatusOK {
		t.Errorf("root removes a role: %s", resp.Status)
	}
	requests := cluster.Requests()
	if who := requests[len(requests)-1].Who; who != "root@pam" {
		t.Errorf("the last request was %s's", fmt.Sprint(who))
	}
}

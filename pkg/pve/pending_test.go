package pve

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// answering is a server with one answer.
type answering string

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}

func answered(t *testing.T, answer string) *Client {
	t.Helper()
	client, err := New(Config{URL: "https://pve.invalid:8006", TokenID: "a@pve!run", TokenSecret: "00000000-0000-4000-8000-000000000001", Transport: answering(answer)})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestPendingConfig reads what is in effect apart from what waits for the next start.
func TestPendingConfig(t *testing.T) {
	client := answered(t, `{"data":[{"key":"cores","value":2,"pending":4},{"key":"cpulimit","value":"1.5","delete":1},{"key":"net1","pending":"virtio"},{"key":"memory","value":"512"}]}`)
	config, err := client.PendingConfig(t.Context(), VMRef{Node: "pve", ID: 100})
	if err != nil || !slices.Equal(config.Waiting, []string{"cores", "cpulimit", "net1"}) {
		t.Errorf("%+v, %v", config, err)
	}
	if raw := config.Current.Raw; raw["cores"] != "2" || raw["cpulimit"] != "1.5" || raw["memory"] != "512" || len(raw) != 3 {
		t.Errorf("in effect: %v", raw)
	}
}

// TestRecordedPending: what real servers answered can be read, and of a VM that was just started nothing waits.
func TestRecordedPending(t *testing.T) {
	seen := 0
	for _, exchanges := range recorded(t) {
		for _, e := range exchanges {
			if e.Request == nil || !strings.HasSuffix(e.Request.Path, "/pending") || *e.Response.Status != http.StatusOK {
				continue
			}
			seen++
			config, err := answered(t, string(body(e))).PendingConfig(t.Context(), VMRef{Node: "pve", ID: 100})
			if err != nil || config.Current.Digest() == "" {
				t.Errorf("%s: %+v, %v", e.Name, config, err)
			}
		}
	}
	if seen == 0 {
		t.Error("nothing was recorded")
	}
}

// TestNodesCPUs: a node's CPUs are unknown unless the token may see them.
func TestNodesCPUs(t *testing.T) {
	nodes, err := answered(t, `{"data":[{"node":"a","status":"online","maxcpu":16},{"node":"b","status":"unknown"}]}`).Nodes(t.Context())
	if err != nil || len(nodes) != 2 || nodes[0].CPUs == nil || *nodes[0].CPUs != 16 || nodes[1].CPUs != nil {
		t.Errorf("%+v, %v", nodes, err)
	}
}

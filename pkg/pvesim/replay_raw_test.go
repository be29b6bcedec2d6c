package pvesim

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var statusLine = regexp.MustCompile(`HTTP/1\.[01] \d{3} [^\r\n]*`)

// notPlayed are recorded conversations that Go's HTTP server does not let us answer the same way.
var notPlayed = map[string]string{
	"plain-http-on-tls-port": "plain HTTP is refused instead of redirected", "plain-http-post": "plain HTTP is refused instead of redirected",
	"http2-preface": "the refusal has another HTTP version", "expect-100": "net/http sends 100 Continue by itself",
}

// TestReplayRaw says the recorded bytes to a listening simulation and compares the status lines that come back.
func TestReplayRaw(t *testing.T) {
	if testing.Short() {
		t.Skip("talks to sockets for some seconds")
	}
	folder := recorded(t)
	for _, version := range []string{"8.4", "9.2"} {
		list := readSeries(t, folder, "exchanges-"+version+"/13-protocol")
		address, secret := serveForRaw(t, int(version[0]-'0'))
		for _, e := range list {
			if e.Request.Raw == "" {
				continue
			}
			if why := notPlayed[e.Name]; why != "" {
				t.Logf("not played: %s/%s: %s", version, e.Name, why)
				continue
			}
			t.Run(version+"/"+e.Name, func(t *testing.T) {
				t.Parallel()
				request := strings.ReplaceAll(e.Request.Raw, "<secret>", secret)
				got := statusLine.FindAllString(converse(t, address, e.Request.TLS, request), -1)
				want := statusLine.FindAllString(e.Response.Raw, -1)
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("%q, recorded were %q", got, want)
				}
			})
		}
	}
}

// serveForRaw serves a cluster as these recordings expect it.
func serveForRaw(t *testing.T, major int) (address, secret string) {
	t.Helper()
	topology := SandboxTopology(major)
	topology.Storages[0].Files = []FileSpec{{Content: "import", Name: "debian12-cloud.qcow2", SizeBytes: 1 << 20}}
	topology.Users[0].Tokens = []TokenSpec{{Name: "rig", Secret: SandboxTokenSecret}}
	cluster, err := New(topology)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, cluster), SandboxTokenSecret
}

// converse sends a request, in two parts with a gap between them where the recording has one, and reads until the
// other side closes or says no more.
func converse(t *testing.T, address string, encrypted bool, request string) string {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if encrypted {
		connection = tls.Client(connection, insecure())
	}
	var answer strings.Builder
	for part := range strings.SplitSeq(request, "<<<gap>>>") {
		if _, err := io.WriteString(connection, part); err != nil {
			break
		}
		if err := connection.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&answer, connection); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	return answer.String()
}

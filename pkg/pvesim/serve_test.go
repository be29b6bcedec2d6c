package pvesim

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"
)

func testCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serve runs a sandbox on a loopback port and returns its address.
func serve(t *testing.T, c *Cluster) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Serve(ctx, listener, testCertificate(t)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().String()
}

func insecure() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

func TestServe(t *testing.T) {
	cluster := newSandbox(t, 8, nil)
	address := serve(t, cluster)
	c := newClient(t, cluster)
	transport := &http.Transport{TLSClientConfig: insecure(), IdleConnTimeout: time.Second}
	defer transport.CloseIdleConnections()
	c.http, c.base = &http.Client{Transport: transport}, "https://"+address
	if v := ok[map[string]string](c, get, "/version"); v["release"] != "8.4" {
		t.Errorf("version = %v", v)
	}
	if n := ok[[]nodeResource](c, get, "/nodes"); len(n) != 1 || len(n[0].Fingerprint) != 95 {
		t.Errorf("nodes = %v", n)
	}
	r := c.do(post, "/nodes/pve/qemu/9000/clone", "newid", "100", "pool", "labctl")
	if r.Status != 500 || r.Reason != "unable to create VM 100: config file already exists" {
		t.Errorf("clone: %d %q", r.Status, r.Reason)
	}
	c.done(post, "/nodes/pve/qemu/9000/clone", "newid", "101", "pool", "labctl")
	c.token = "nobody@pve!x=y"
	if r := c.do(get, "/version"); r.Status != 401 || r.Reason != "Authentication failed!" || r.Body != "" {
		t.Errorf("bad token: %d %q %q", r.Status, r.Reason, r.Body)
	}
}

// TestEffectsWithoutPolling checks that tasks go on though nobody asks.
func TestEffectsWithoutPolling(t *testing.T) {
	guests := &countingGuests{booted: make(chan GuestSpec, 1)}
	cluster, err := New(SandboxTopology(9), WithGuests(guests))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, cluster)
	c := newClient(t, cluster)
	c.done(post, "/nodes/pve/qemu/9000/clone", "newid", "101", "name", "vm1", "pool", "labctl")
	ok[*string](c, post, "/nodes/pve/qemu/101/config", "ciuser", "lab", "sshkeys", testKey,
		"ipconfig0", "ip=10.10.10.101/24", "scsi1", "zfs:8,serial=labctl-data", "background_delay", "20")
	ok[string](c, post, "/nodes/pve/qemu/101/status/start")
	spec := <-guests.booted
	if spec.CIUser != "lab" || len(spec.SSHKeys) != 1 || len(spec.Addresses) != 1 || spec.MAC == "" || len(spec.Disks) != 2 ||
		spec.Disks[1].Serial != "labctl-data" || spec.Disks[1].SizeBytes != 8<<30 || spec.UUID == "" {
		t.Errorf("spec = %+v", spec)
	}
}

type countingGuests struct {
	NoGuests
	booted chan GuestSpec
}

func (g *countingGuests) Boot(spec GuestSpec) (Guest, error) {
	g.booted <- spec
	return g.NoGuests.Boot(spec)
}

// TestProtocol checks what pveproxy does below HTTP's level.
func TestProtocol(t *testing.T) {
	address := serve(t, newSandbox(t, 8, nil))
	talk := func(request string) (*http.Response, error) {
		connection, err := tls.Dial("tcp", address, insecure())
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		if _, err := io.WriteString(connection, request); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err == nil {
			raw, _ := io.ReadAll(answer.Body)
			answer.Body = io.NopCloser(bytes.NewReader(raw))
		}
		return answer, err
	}
	auth := fmt.Sprintf("Host: x\r\nAuthorization: PVEAPIToken=%s=%s\r\n", SandboxTokenID, SandboxTokenSecret)
	for _, tt := range []struct{ request, status string }{
		{"POST /api2/json/pools HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501 chunked transfer encoding not supported"},
		{"PATCH /api2/json/version HTTP/1.1\r\n" + auth + "\r\n", "501 method 'PATCH' not available"},
		{"GET /api2/json/foo HTTP/1.1\r\n" + auth + "\r\n", "501 Method 'GET /foo' not implemented"},
		{"DELETE /api2/json/pools HTTP/1.1\r\n" + auth + "Content-Length: 3\r\n\r\na=b", "501 Unexpected content for method 'DELETE'"},
		{"GET /api2/json/version HTTP/1.1\r\nHost: x\r\n\r\n", "401 No ticket"},
	} {
		answer, err := talk(tt.request)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status != tt.status {
			t.Errorf("%q: %s", tt.request, answer.Status)
		}
	}
}

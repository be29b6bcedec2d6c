package guesthost

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// startGateway serves until the test ends.
func startGateway(t *testing.T, machines *Machines) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- machines.Gateway(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// ask sends one request to the gateway.
func ask(t *testing.T, gateway, method, target string) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", gateway)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	path := target
	if method != http.MethodConnect {
		path = "/"
	}
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, path, target); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	return conn, reader, response
}

func TestGateway(t *testing.T) {
	key := newSigner(t)
	machines := newMachines(t, Options{})
	guest := boot(t, machines, testSpec(key))
	gateway := startGateway(t, machines)

	conn, reader, response := ask(t, gateway, http.MethodConnect, "10.10.10.101:22")
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
	if line, err := reader.ReadString('\n'); err != nil || line != "SSH-2.0-labctl-sandbox\r\n" {
		t.Errorf("behind the gateway answers %q, %v", line, err)
	}
	for _, test := range []struct {
		method, target string
		status         int
		text           string
	}{
		{http.MethodConnect, "10.10.10.102:22", http.StatusBadGateway, "no running guest"},
		{http.MethodConnect, "10.10.10.101:80", http.StatusBadGateway, "connection refused"},
		{http.MethodConnect, "127.0.0.1:22", http.StatusBadGateway, "no running guest"},
		{http.MethodConnect, "localhost:22", http.StatusBadGateway, "want an address"},
		{http.MethodGet, "10.10.10.101:22", http.StatusMethodNotAllowed, "only connects"},
	} {
		_, _, response := ask(t, gateway, test.method, test.target)
		text, err := io.ReadAll(response.Body)
		if response.StatusCode != test.status || !strings.Contains(string(text), test.text) {
			t.Errorf("%s %s: %s %q, %v", test.method, test.target, response.Status, text, err)
		}
	}

	if err := guest.PowerOff(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the tunnel's end: %v", err)
	}
	if _, _, response := ask(t, gateway, http.MethodConnect, "10.10.10.101:22"); response.StatusCode != http.StatusBadGateway {
		t.Errorf("a guest that is off: %s", response.Status)
	}
}

func TestGatewayServesLoopbackOnly(t *testing.T) {
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := newMachines(t, Options{}).Gateway(t.Context(), listener); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v", err)
	}
}

func TestHost(t *testing.T) {
	key := newSigner(t)
	machines := newMachines(t, Options{})
	spec := HostSpec{
		Name: "pve", Address: netip.MustParseAddr("10.10.10.2"), User: "root", AuthorizedKeys: []string{authorized(key)}, Directory: "/rpool/labctl",
	}
	host, err := machines.AddHost(spec)
	if err != nil {
		t.Fatal(err)
	}
	conn, reader, response := ask(t, startGateway(t, machines), http.MethodConnect, "10.10.10.2:22")
	if response.StatusCode != http.StatusOK || reader.Buffered() > 0 && conn == nil {
		t.Fatal(response.Status)
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(host.HostKey()))
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", host.machine.server.listener.Addr().String(), &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(hostKey),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, _, err := run(t, client, "echo >$LABCTL_ROOT/rpool/labctl/f", nil); err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(host.Directory()); err != nil || len(files) != 1 {
		t.Errorf("directory: %v, %v", files, err)
	}
	for _, wrong := range []HostSpec{{Name: "../x", Directory: "/x"}, {Name: "x", Directory: "x"}, spec} {
		if _, err := machines.AddHost(wrong); err == nil {
			t.Errorf("%+v: added", wrong)
		}
	}
	if err := host.PowerOff(); err != nil {
		t.Error(err)
	}
}

package gateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// The gateway takes the first route that knows an address, reaches port 22 there, and goes nowhere else.
func TestServe(t *testing.T) {
	guest, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close()
	go func() {
		for {
			conn, err := guest.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "SSH-2.0-test\r\n")
			_ = conn.Close()
		}
	}()
	to := func(address string) Route {
		return func(asked netip.Addr) (string, bool) {
			return guest.Addr().String(), asked == netip.MustParseAddr(address)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, to("10.0.0.1"), to("10.0.0.2")) }()
	for target, want := range map[string]string{
		"10.0.0.1:22":  "SSH-2.0-test",
		"10.0.0.2:22":  "SSH-2.0-test",
		"10.0.0.3:22":  "no route to host",
		"10.0.0.2:80":  "connection refused",
		"127.0.0.1:22": "no route to host",
		"guest:22":     "want an address and port",
	} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n")
		reader := bufio.NewReader(conn)
		response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
		if err != nil {
			t.Fatal(err)
		}
		said, _ := reader.Peek(len(want))
		if response.StatusCode != http.StatusOK {
			said, _ = io.ReadAll(response.Body)
		}
		if !strings.Contains(string(said), want) {
			t.Errorf("%s: %s %q, want %q", target, response.Status, said, want)
		}
		_ = conn.Close()
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// Package gateway is the way into the network of the sandbox's guests: an HTTP proxy that connects to guests and nowhere
// else.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// sshPort is the only port that machines are reached at.
const sshPort = 22

// headerTime is how long a client may take to say where it wants to.
const headerTime = 10 * time.Second

// Route finds the loopback address (host:port) at which the SSH server of the guest with an address listens.
type Route func(netip.Addr) (loopback string, found bool)

// Serve serves as HTTP proxy on listener until ctx ends, and is the only way to the addresses of guests:
// "CONNECT 10.10.10.101:22" reaches that guest's SSH server. The first route that knows an address is taken.
func Serve(ctx context.Context, listener net.Listener, routes ...Route) error {
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok || !address.IP.IsLoopback() {
		return errors.Join(fmt.Errorf("serving gateway: %v is not on loopback", listener.Addr()), listener.Close())
	}
	var tunnels sync.WaitGroup
	server := &http.Server{
		ReadHeaderTimeout: headerTime,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tunnels.Add(1)
			defer tunnels.Done()
			tunnel(ctx, w, r, routes)
		}),
	}
	release := context.AfterFunc(ctx, func() { _ = server.Close() }) // Serve says that it ended
	defer release()
	err := server.Serve(listener)
	tunnels.Wait()
	if ctx.Err() != nil && errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving gateway: %w", err)
}

// tunnel connects one client with one machine.
func tunnel(ctx context.Context, w http.ResponseWriter, r *http.Request, routes []Route) {
	if r.Method != http.MethodConnect {
		http.Error(w, "this proxy only connects to guests of the sandbox", http.StatusMethodNotAllowed)
		return
	}
	guest, err := dial(ctx, r.Host, routes)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer guest.Close()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer client.Close()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	hangUp := func() { _ = client.Close(); _ = guest.Close() }
	defer context.AfterFunc(ctx, hangUp)()
	// SSH has no use for a half-open connection: the end of one direction ends both.
	var both sync.WaitGroup
	both.Go(func() { defer hangUp(); _, _ = io.Copy(guest, buffered) })
	both.Go(func() { defer hangUp(); _, _ = io.Copy(client, guest) })
	both.Wait()
}

// dial connects to the machine that has an address now.
func dial(ctx context.Context, target string, routes []Route) (net.Conn, error) {
	address, err := netip.ParseAddrPort(target)
	if err != nil {
		return nil, fmt.Errorf("%s: want an address and port of a guest: %w", target, err)
	}
	for _, route := range routes {
		loopback, found := route(address.Addr().Unmap())
		if !found {
			continue
		}
		if address.Port() != sshPort {
			return nil, fmt.Errorf("%s: connection refused: guests only listen on port %d", target, sshPort)
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", loopback)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", target, err)
		}
		return conn, nil
	}
	return nil, fmt.Errorf("%s: no route to host: no running guest has this address", target)
}

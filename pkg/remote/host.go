package remote

import (
	"context"
	"fmt"
	"sync"
)

// Host is a target that proved who it is. It holds one connection and opens a
// new one when the old one is lost, never while a command may be running on it.
// All methods may be called from many goroutines at once.
type Host struct {
	target Target
	// turn is held by whoever connects; a channel, so that waiting ends with ctx.
	turn chan struct{}

	mu     sync.Mutex
	conn   *connection
	closed bool
}

// Connect opens a verified connection. It tries once: whoever waits for a
// machine to boot knows how long that is worth it. Errors are
// *[UnreachableError], *[HostKeyError] and *[AuthError], or ctx's.
func Connect(ctx context.Context, target Target) (*Host, error) {
	if target.Signer == nil {
		return nil, fmt.Errorf("%s: connecting: no private key given", target.Name)
	}
	if err := target.HostKey.problem(); err != nil {
		return nil, fmt.Errorf("%s: connecting: %w", target.Name, err)
	}
	h := &Host{target: target.withDefaults(), turn: make(chan struct{}, 1)}
	if _, err := h.live(ctx); err != nil {
		return nil, err
	}
	return h, nil
}

// Close ends the connection and everything that waits on it. Detached commands
// go on. Closing twice is harmless.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	conn := h.conn
	h.mu.Unlock()
	if conn != nil {
		conn.end(ErrClosed)
	}
	return nil
}

// live returns a connection that is not known to be lost, opening one if need be.
func (h *Host) live(ctx context.Context) (*connection, error) {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: connecting: %w", h.target.Name, ctx.Err())
	}
	if conn, err := h.current(); conn != nil || err != nil {
		return conn, err
	}
	conn, err := dial(ctx, h.target)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		conn.end(ErrClosed)
		return nil, ErrClosed
	}
	h.conn = conn
	return conn, nil
}

// current is the connection in use, or nil when there is none or it was lost.
func (h *Host) current() (*connection, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	if h.conn == nil || h.conn.isLost() {
		return nil, nil
	}
	return h.conn, nil
}

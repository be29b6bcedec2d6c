package guestqemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// request is a command of the QEMU machine protocol, which the guest agent speaks too.
type request struct {
	Execute   string `json:"execute"`
	Arguments any    `json:"arguments,omitempty"`
}

// response is an answer, or with Event something that happened.
type response struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class       string `json:"class"`
		Description string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

// dialIn connects to a socket in a folder, however long the folder's path is.
func dialIn(ctx context.Context, dir, name string) (net.Conn, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	return new(net.Dialer).DialContext(ctx, "unix", filepath.Join("/proc/self/fd", fmt.Sprint(folder.Fd()), name))
}

// monitor is QEMU's own control channel (QMP).
type monitor struct {
	conn    net.Conn
	decoder *json.Decoder
}

// openMonitor connects to the monitor of the VM in the folder.
func openMonitor(ctx context.Context, dir string) (*monitor, error) {
	conn, err := dialIn(ctx, dir, qmpSocket)
	if err != nil {
		return nil, err
	}
	m := &monitor{conn: conn, decoder: json.NewDecoder(conn)}
	var greeting struct {
		QMP json.RawMessage `json:"QMP"`
	}
	defer deadline(ctx, conn)()
	if err := m.decoder.Decode(&greeting); err != nil {
		return nil, errors.Join(fmt.Errorf("reading QEMU's greeting: %w", err), conn.Close())
	}
	if _, err := m.execute(ctx, "qmp_capabilities", nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return m, nil
}

func (m *monitor) close() error { return m.conn.Close() }

// execute sends a command and returns its answer; events in between are passed over.
func (m *monitor) execute(ctx context.Context, command string, arguments any) (json.RawMessage, error) {
	defer deadline(ctx, m.conn)()
	if err := json.NewEncoder(m.conn).Encode(request{command, arguments}); err != nil {
		return nil, fmt.Errorf("asking QEMU: %w", err)
	}
	for {
		var answer response
		if err := m.decoder.Decode(&answer); err != nil {
			return nil, fmt.Errorf("asking QEMU: %w", err)
		}
		switch {
		case answer.Event != "":
		case answer.Error != nil:
			return nil, fmt.Errorf("QEMU refuses %s: %s", command, answer.Error.Description)
		default:
			return answer.Return, nil
		}
	}
}

// deadline makes reads and writes end with ctx. What it returns ends the watch.
func deadline(ctx context.Context, conn net.Conn) func() {
	_ = conn.SetDeadline(time.Time{}) // sockets have deadlines
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

// isGone says that nobody listens: the process has not come so far, or has ended.
func isGone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET)
}

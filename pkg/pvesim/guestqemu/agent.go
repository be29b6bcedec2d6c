package guestqemu

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"labctl/pkg/pvesim"
)

// agentTime bounds one command of the guest agent, as qemu-server does (5 s); emulated guests are slower than real ones.
const agentTime = 15 * time.Second

// agent is the guest agent behind its socket. It answers one question at a time.
type agent struct {
	dir string

	mu       sync.Mutex
	conn     net.Conn // nil: to be opened
	reader   *bufio.Reader
	sequence int
}

var _ pvesim.RealAgent = (*agent)(nil)

// ping says whether the agent answers in time.
func (a *agent) ping(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := a.ask(ctx, "guest-ping", nil)
	return err == nil
}

// Execute implements pvesim.RealAgent.
func (a *agent) Execute(ctx context.Context, command string, arguments any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, agentTime)
	defer cancel()
	return a.ask(ctx, command, arguments)
}

// ask asks anew after whatever went wrong before: answers to earlier questions must not be taken for this one's.
func (a *agent) ask(ctx context.Context, command string, arguments any) (json.RawMessage, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	answer, err := a.exchange(ctx, command, arguments)
	var said *pvesim.AgentError
	if err != nil && !errors.As(err, &said) {
		a.hangUp()
	}
	return answer, err
}

func (a *agent) hangUp() {
	if a.conn != nil {
		_ = a.conn.Close()
		a.conn, a.reader = nil, nil
	}
}

func (a *agent) exchange(ctx context.Context, command string, arguments any) (json.RawMessage, error) {
	if a.conn == nil {
		conn, err := dialIn(ctx, a.dir, agentSocket)
		if err != nil {
			return nil, fmt.Errorf("reaching the guest agent: %w", err)
		}
		a.conn, a.reader = conn, bufio.NewReader(conn)
		if err := a.synchronize(ctx); err != nil {
			return nil, err
		}
	}
	defer deadline(ctx, a.conn)()
	if err := json.NewEncoder(a.conn).Encode(request{command, arguments}); err != nil {
		return nil, fmt.Errorf("asking the guest agent: %w", err)
	}
	return a.answer()
}

// synchronize throws away what the agent still has to say to somebody else: the answer to a number of ours comes after it
// (QEMU Guest Agent Protocol, guest-sync-delimited).
func (a *agent) synchronize(ctx context.Context) error {
	defer deadline(ctx, a.conn)()
	a.sequence++
	mark := fmt.Sprint(time.Now().UnixNano()%1e9, a.sequence)
	id := json.RawMessage(strings.ReplaceAll(mark, " ", ""))
	question, err := json.Marshal(request{"guest-sync-delimited", struct {
		ID json.RawMessage `json:"id"`
	}{id}})
	if err != nil {
		return fmt.Errorf("asking the guest agent: %w", err)
	}
	if _, err := a.conn.Write(append(append([]byte{0xff}, question...), '\n')); err != nil {
		return fmt.Errorf("asking the guest agent: %w", err)
	}
	for {
		if _, err := a.reader.ReadBytes(0xff); err != nil {
			return fmt.Errorf("waiting for the guest agent: %w", err)
		}
		if answer, err := a.answer(); err == nil && string(answer) == string(id) {
			return nil
		} else if said := (*pvesim.AgentError)(nil); err != nil && !errors.As(err, &said) {
			return err
		}
	}
}

func (a *agent) answer() (json.RawMessage, error) {
	line, err := a.reader.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("waiting for the guest agent: %w", err)
	}
	var answer response
	if err := json.Unmarshal(line, &answer); err != nil {
		return nil, fmt.Errorf("reading the guest agent's answer: %w", err)
	}
	if answer.Error != nil {
		return nil, &pvesim.AgentError{Description: answer.Error.Description}
	}
	return answer.Return, nil
}

// maxFile is how much of a file is read, as the API does.
const maxFile = 16 << 20

// ReadFile implements pvesim.Agent.
func (a *agent) ReadFile(path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), agentTime)
	defer cancel()
	handle, err := a.ask(ctx, "guest-file-open", struct {
		Path string `json:"path"`
		Mode string `json:"mode"`
	}{path, "r"})
	if said := (*pvesim.AgentError)(nil); errors.As(err, &said) && strings.HasSuffix(strings.TrimSpace(said.Description), "No such file or directory") {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, err
	}
	content, err := a.readAll(ctx, handle)
	_, closeErr := a.ask(ctx, "guest-file-close", openFile{Handle: handle})
	return content, errors.Join(err, closeErr)
}

// openFile are the arguments of guest-file-read and -close.
type openFile struct {
	Handle json.RawMessage `json:"handle"`
	Count  int             `json:"count,omitempty"` // bytes
}

func (a *agent) readAll(ctx context.Context, handle json.RawMessage) ([]byte, error) {
	var content []byte
	for len(content) < maxFile {
		said, err := a.ask(ctx, "guest-file-read", openFile{handle, 1 << 20})
		if err != nil {
			return content, err
		}
		var part struct {
			EOF  bool   `json:"eof"`
			Data string `json:"buf-b64"`
		}
		if err := json.Unmarshal(said, &part); err != nil {
			return content, fmt.Errorf("reading the guest agent's answer: %w", err)
		}
		raw, err := base64.StdEncoding.DecodeString(part.Data)
		if err != nil {
			return content, fmt.Errorf("reading the guest agent's answer: %w", err)
		}
		content = append(content, raw...)
		if part.EOF {
			break
		}
	}
	return content, nil
}

// Interfaces implements pvesim.Agent; nil when the guest does not tell.
func (a *agent) Interfaces() []pvesim.AgentInterface {
	said, err := a.Execute(context.Background(), "guest-network-get-interfaces", nil)
	if err != nil {
		return nil
	}
	interfaces, err := parseInterfaces(said)
	if err != nil {
		return nil
	}
	return interfaces
}

func parseInterfaces(said []byte) ([]pvesim.AgentInterface, error) {
	var wire []struct {
		Name      string `json:"name"`
		MAC       string `json:"hardware-address"`
		Addresses []struct {
			Address string `json:"ip-address"`
			Prefix  int    `json:"prefix"`
		} `json:"ip-addresses"`
	}
	if err := json.Unmarshal(said, &wire); err != nil {
		return nil, fmt.Errorf("reading the guest agent's interfaces: %w", err)
	}
	var list []pvesim.AgentInterface
	for _, i := range wire {
		known := pvesim.AgentInterface{Name: i.Name, MAC: i.MAC}
		for _, a := range i.Addresses {
			address, err := netip.ParseAddr(a.Address)
			if err != nil {
				return nil, fmt.Errorf("reading the guest agent's interfaces: %w", err)
			}
			known.Addresses = append(known.Addresses, netip.PrefixFrom(address, a.Prefix))
		}
		list = append(list, known)
	}
	return list, nil
}

// OSInfo implements pvesim.Agent; what the guest does not tell stays empty.
func (a *agent) OSInfo() pvesim.AgentOSInfo {
	var info pvesim.AgentOSInfo
	if said, err := a.Execute(context.Background(), "guest-get-osinfo", nil); err == nil {
		_ = json.Unmarshal(said, &info)
	}
	return info
}

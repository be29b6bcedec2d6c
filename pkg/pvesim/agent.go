package pvesim

import (
	"errors"
	"io/fs"
	"strings"
)

// agentResult is the wrapping around most answers of the guest agent.
type agentResult struct {
	Result any `json:"result"`
}

// empty is {}.
type empty struct{}

// agent is the answering guest agent of the VM of the path; without one the call fails, late.
func (k *call) agent() (Agent, error) {
	v, err := k.vm()
	if err != nil {
		return nil, err
	}
	if _, set := v.config["agent"]; !set {
		return nil, failure("No QEMU guest agent configured")
	}
	if !v.running() {
		return nil, failure("VM %d is not running", v.id)
	}
	if v.process.guest != nil {
		a, up := v.process.guest.Agent()
		if a, up = k.agentFault(v.id, a, up); up {
			return a, nil
		}
	}
	if err := k.pass(k.ctx, k.timings.AgentDown); err != nil {
		return nil, err
	}
	return nil, failure("QEMU guest agent is not running")
}

// agentCommand is an agent call without parameters whose answer comes wrapped: a real agent is asked by the name, for
// others ask makes the answer, and nil means that they cannot.
func agentCommand(name string, ask func(k *call, a Agent) any) handler {
	return func(k *call) (any, error) {
		a, err := k.agent()
		if err != nil {
			return nil, err
		}
		if real, ok := a.(RealAgent); ok {
			said, err := k.execute(real, name, nil)
			return agentResult{said}, err
		}
		if ask == nil {
			return agentUnable(k)
		}
		return agentResult{ask(k, a)}, nil
	}
}

func agentPing(*call, Agent) any { return empty{} }

func agentOSInfo(_ *call, a Agent) any { return a.OSInfo() }

type agentCommandInfo struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Success bool   `json:"success-response"`
}

func agentInfo(*call, Agent) any {
	var list []agentCommandInfo
	for _, name := range []string{
		"guest-ping", "guest-info", "guest-get-osinfo", "guest-get-host-name", "guest-get-time", "guest-network-get-interfaces",
		"guest-file-open", "guest-file-read", "guest-file-close",
	} {
		list = append(list, agentCommandInfo{Name: name, Enabled: true, Success: true})
	}
	return struct {
		Version  string             `json:"version"`
		Commands []agentCommandInfo `json:"supported_commands"`
	}{"6.2.0", list}
}

func agentHostName(k *call, _ Agent) any {
	name := ""
	if v, err := k.vm(); err == nil {
		name = v.name()
	}
	return map[string]string{"host-name": name}
}

func agentTime(k *call, _ Agent) any { return k.clock.UnixNano() }

type agentAddress struct {
	Address string `json:"ip-address"`
	Type    string `json:"ip-address-type"`
	Prefix  int    `json:"prefix"`
}

type agentNIC struct {
	Name       string         `json:"name"`
	MAC        string         `json:"hardware-address"`
	Addresses  []agentAddress `json:"ip-addresses,omitempty"`
	Statistics agentTraffic   `json:"statistics"`
}

type agentTraffic struct {
	RxBytes   int64 `json:"rx-bytes"`
	RxPackets int64 `json:"rx-packets"`
	RxErrs    int64 `json:"rx-errs"`
	RxDropped int64 `json:"rx-dropped"`
	TxBytes   int64 `json:"tx-bytes"`
	TxPackets int64 `json:"tx-packets"`
	TxErrs    int64 `json:"tx-errs"`
	TxDropped int64 `json:"tx-dropped"`
}

func agentInterfaces(_ *call, a Agent) any {
	list := []agentNIC{}
	for _, i := range a.Interfaces() {
		nic := agentNIC{Name: i.Name, MAC: strings.ToLower(i.MAC)}
		for _, p := range i.Addresses {
			kind := "ipv6"
			if p.Addr().Is4() {
				kind = "ipv4"
			}
			nic.Addresses = append(nic.Addresses, agentAddress{Address: p.Addr().String(), Type: kind, Prefix: p.Bits()})
		}
		list = append(list, nic)
	}
	return list
}

type agentFile struct {
	Content   string `json:"content"`
	BytesRead int    `json:"bytes-read"`
	Truncated int    `json:"truncated,omitempty"`
}

// maxAgentFile is how much of a file the agent call returns.
const maxAgentFile = 16 << 20

// agentFileRead is GET .../agent/file-read. The content's bytes come as the characters with those numbers.
func agentFileRead(k *call) (any, error) {
	a, err := k.agent()
	if err != nil {
		return nil, err
	}
	path := k.params.text("file")
	content, err := k.readFile(a, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, failure("Agent error: failed to open file '%s' (mode: 'r'): No such file or directory", path)
	case err != nil:
		return nil, failure("Agent error: failed to open file '%s' (mode: 'r'): %v", path, err)
	}
	f := agentFile{BytesRead: len(content)}
	if len(content) > maxAgentFile {
		content, f.Truncated, f.BytesRead = content[:maxAgentFile], 1, maxAgentFile
	}
	f.Content = latin1(content)
	return f, nil
}

// latin1 shows each byte as the character of that number, as Perl does with bytes that it takes for text.
func latin1(raw []byte) string {
	runes := make([]rune, len(raw))
	for i, b := range raw {
		runes[i] = rune(b)
	}
	return string(runes)
}

func agentTimezone(*call, Agent) any {
	return struct {
		Zone   string `json:"zone"`
		Offset int    `json:"offset"`
	}{"UTC", 0}
}

func agentUsers(*call, Agent) any { return []empty{} }

// agentGeneric is POST .../agent, the old way to give a command.
func agentGeneric(k *call) (any, error) {
	command := k.params.text("command")
	ask, ok := agentCommands()[command]
	if !ok {
		return agentUnable(k)
	}
	return agentCommand(command, ask)(k)
}

// agentCommands are the commands without parameters, by their names in the API.
func agentCommands() map[string]func(*call, Agent) any {
	return map[string]func(*call, Agent) any{
		"ping": agentPing, "info": agentInfo, "get-osinfo": agentOSInfo, "get-host-name": agentHostName, "get-time": agentTime,
		"get-timezone": agentTimezone, "get-users": agentUsers, "network-get-interfaces": agentInterfaces,
		"get-fsinfo": nil, "get-vcpus": nil, "get-memory-blocks": nil, "get-memory-block-info": nil, "fstrim": nil,
		"fsfreeze-status": nil, "fsfreeze-freeze": nil, "fsfreeze-thaw": nil,
	}
}

// agentUnable is for commands that change or run something in a guest: the agents here cannot.
func agentUnable(k *call) (any, error) {
	if _, err := k.agent(); err != nil {
		return nil, err
	}
	return nil, failure("Agent error: The command has been disabled for this instance")
}

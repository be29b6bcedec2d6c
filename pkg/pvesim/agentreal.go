package pvesim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// execute passes a command on to a real agent. Others get in meanwhile: a guest may take its time.
func (k *call) execute(a RealAgent, name string, arguments any) (json.RawMessage, error) {
	said, err := outside(k, func() (json.RawMessage, error) { return a.Execute(k.ctx, "guest-"+name, arguments) })
	return said, k.agentFailure(name, err)
}

// readFile asks an agent for a file; a real one takes its time.
func (k *call) readFile(a Agent, path string) ([]byte, error) {
	if _, real := a.(RealAgent); !real {
		return a.ReadFile(path)
	}
	return outside(k, func() ([]byte, error) { return a.ReadFile(path) })
}

// outside runs something slow with the cluster unlocked.
func outside[T any](k *call, slow func() (T, error)) (T, error) {
	k.unlock()
	defer k.enter()
	return slow()
}

// agentFailure is Proxmox's wording of what went wrong with an agent.
func (k *call) agentFailure(name string, err error) error {
	said := (*AgentError)(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said):
		return failure("Agent error: %s", said.Description)
	}
	return failure("VM %d qmp command 'guest-%s' failed - got timeout", k.vmid(), name)
}

// realAgent is the answering real agent of the VM of the path; others cannot run or change anything.
func (k *call) realAgent() (RealAgent, error) {
	a, err := k.agent()
	if err != nil {
		return nil, err
	}
	real, ok := a.(RealAgent)
	if !ok {
		_, err := agentUnable(k)
		return nil, err
	}
	return real, nil
}

// execArguments are those of guest-exec.
type execArguments struct {
	Path    string   `json:"path"`
	Args    []string `json:"arg,omitempty"`
	Input   string   `json:"input-data,omitempty"` // base64
	Capture bool     `json:"capture-output"`
}

// agentExec is POST .../agent/exec. The command is the program and its arguments, not a shell line.
func agentExec(k *call) (any, error) {
	real, err := k.realAgent()
	if err != nil {
		return nil, err
	}
	command := k.params["command"]
	if len(command) == 0 {
		return nil, failure("No command or input-data given")
	}
	arguments := execArguments{Path: command[0], Args: slices.Clone(command[1:]), Capture: true}
	if k.params.has("input-data") {
		arguments.Input = base64.StdEncoding.EncodeToString([]byte(k.params.text("input-data")))
	}
	said, err := k.execute(real, "exec", arguments)
	return said, err
}

// execStatus is the answer of guest-exec-status, and what the API makes of it: truth values are numbers there, and the
// output is text.
type execStatus struct {
	Exited       bit01  `json:"exited"`
	ExitCode     *int   `json:"exitcode,omitempty"`
	Signal       *int   `json:"signal,omitempty"`
	Out          string `json:"out-data,omitempty"`
	Err          string `json:"err-data,omitempty"`
	OutTruncated *bit01 `json:"out-truncated,omitempty"`
	ErrTruncated *bit01 `json:"err-truncated,omitempty"`
}

// bit01 is a truth value that is read as JSON has it and written as 0 or 1.
type bit01 bool

// MarshalJSON writes 0 or 1.
func (b bit01) MarshalJSON() ([]byte, error) {
	if b {
		return []byte("1"), nil
	}
	return []byte("0"), nil
}

// agentExecStatus is GET .../agent/exec-status. An answer that says that the command has ended comes once.
func agentExecStatus(k *call) (any, error) {
	real, err := k.realAgent()
	if err != nil {
		return nil, err
	}
	said, err := k.execute(real, "exec-status", map[string]int{"pid": k.params.number("pid", 0)})
	if err != nil {
		return nil, err
	}
	var status execStatus
	if err := json.Unmarshal(said, &status); err != nil {
		return nil, failure("reading the agent's answer: %v", err)
	}
	for _, output := range []*string{&status.Out, &status.Err} {
		raw, err := base64.StdEncoding.DecodeString(*output)
		if err != nil {
			return nil, failure("reading the agent's answer: %v", err)
		}
		*output = latin1(raw)
	}
	return status, nil
}

// agentFileWrite is POST .../agent/file-write.
func agentFileWrite(k *call) (any, error) {
	real, err := k.realAgent()
	if err != nil {
		return nil, err
	}
	content := k.params.text("content")
	if !k.params.has("encode") || k.params.flag("encode") {
		raw, err := fromLatin1(content)
		if err != nil {
			return nil, failure("%v at /usr/share/perl5/PVE/API2/Qemu/Agent.pm line 521.", err)
		}
		content = base64.StdEncoding.EncodeToString(raw)
	}
	handle, err := k.execute(real, "file-open", map[string]string{"path": k.params.text("file"), "mode": "wb"})
	if err != nil {
		return nil, err
	}
	open := openFile{Handle: bytes.TrimSpace(handle)}
	_, err = k.execute(real, "file-write", openFile{Handle: open.Handle, Content: &content})
	_, closeErr := k.execute(real, "file-close", open)
	return nil, errors.Join(err, closeErr)
}

// openFile are the arguments of guest-file-write and -close.
type openFile struct {
	Handle  json.RawMessage `json:"handle"`
	Content *string         `json:"buf-b64,omitempty"`
}

// fromLatin1 turns characters into the bytes of those numbers, as Perl does.
func fromLatin1(text string) ([]byte, error) {
	raw := make([]byte, 0, len(text))
	for _, character := range text {
		if character > 0xff {
			return nil, fmt.Errorf("Wide character in subroutine entry") //nolint:staticcheck // Perl's own words
		}
		raw = append(raw, byte(character))
	}
	return raw, nil
}

package pvesim

import "time"

// daemonFates are the values of Action.Daemon.
var daemonFates = []string{"away", "before", "during"}

// daemonFault is what becomes of pvedaemon while it has a request.
type daemonFault struct {
	fate  string
	after time.Duration // during: from the request to the kill
}

// daemonGone is the answer of pveproxy when pvedaemon cannot take the request: it was not sent, or nobody read it.
func (k *call) daemonGone() error {
	if k.daemon == nil || k.method == nil || !k.method.Protected {
		return nil
	}
	switch k.daemon.fate {
	case "away":
		return &apiError{status: 595, message: "Connection refused", bare: true}
	case "before":
		return &apiError{status: 596, message: "Connection reset by peer", bare: true}
	}
	return nil
}

// killedDuring reports whether pvedaemon is killed while it works on the request.
func (k *call) killedDuring() bool {
	return k.daemon != nil && k.daemon.fate == "during" && k.method != nil && k.method.Protected
}

// cutOff is the answer of pveproxy when pvedaemon died before it answered.
func cutOff() error { return &apiError{status: 596, message: "Broken pipe", bare: true} }

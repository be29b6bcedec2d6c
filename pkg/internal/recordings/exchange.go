package recordings

import "encoding/json"

// Exchange is one recorded request with its answer, or an observation made outside the API.
type Exchange struct {
	Name        string          `json:"name"`
	Observation json.RawMessage `json:"observation"`
	Request     *Request        `json:"request"`
	Response    *Response       `json:"response"`
}

// Request is what was sent. Raw is a whole conversation on a socket, instead of the rest.
type Request struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    *string           `json:"body"`
	Raw     string            `json:"raw"`
	TLS     bool              `json:"tls"`
	Form    map[string]any    `json:"form"`
}

// Response is what came back: JSON, or Body where it was none. Status is nil where none was recorded.
type Response struct {
	Status  *int            `json:"status"`
	Reason  string          `json:"reason"`
	Raw     string          `json:"raw"`
	Seconds float64         `json:"seconds"`
	JSON    json.RawMessage `json:"json"`
	Body    string          `json:"body"`
}

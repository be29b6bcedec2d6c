package pvesim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what goes back to the client: a status line with PVE's own reason, and a body.
type answer struct {
	status int
	reason string
	kind   string // content type; empty means no body at all
	body   []byte
	close  bool // the connection ends after it
	delay  time.Duration
	drop   bool // the connection ends instead of it
}

// apiError is a refusal or failure that becomes an answer of its own.
type apiError struct {
	status  int
	message string
	fields  map[string]string // parameter → what is wrong with it
	bare    bool              // no body: the reason in the status line is all there is
	delay   time.Duration
}

// Error implements error.
func (e *apiError) Error() string { return e.message }

// failure is a plain error of a handler: status 500.
func failure(format string, args ...any) error {
	return &apiError{status: http.StatusInternalServerError, message: fmt.Sprintf(format, args...)}
}

// refused is a missing privilege; without details when the check was a combined one.
func refused(detail string) *apiError {
	text := "Permission check failed"
	if detail != "" {
		text += " (" + detail + ")"
	}
	return &apiError{status: http.StatusForbidden, message: text}
}

// badParameters is a failed parameter verification.
func badParameters(fields map[string]string) *apiError {
	return &apiError{status: http.StatusBadRequest, message: "Parameter verification failed.", fields: fields}
}

// badParameter is badParameters for a single one.
func badParameter(name, format string, args ...any) *apiError {
	return badParameters(map[string]string{name: fmt.Sprintf(format, args...)})
}

// listing is data with the number of all rows beside it.
type listing struct {
	data  any
	total int
}

// envelope is the JSON around every answer of /api2/json.
type envelope struct {
	Data    any               `json:"data"`
	Total   *int              `json:"total,omitempty"`
	Message string            `json:"message,omitempty"`
	Errors  map[string]string `json:"errors,omitempty"`
}

// extEnvelope is that of /api2/extjs, whose HTTP status is always 200.
type extEnvelope struct {
	envelope
	Success int `json:"success"`
	Status  any `json:"status,omitempty"`
}

const jsonType = "application/json;charset=UTF-8"

// encode turns what a handler returned into an answer.
func encode(format string, data any, err error) answer {
	if err != nil {
		return encodeError(format, err)
	}
	e := envelope{Data: data}
	if l, ok := data.(listing); ok {
		e.Data, e.Total = l.data, &l.total
	}
	if format == "extjs" {
		return jsonAnswer(http.StatusOK, "OK", extEnvelope{envelope: e, Success: 1})
	}
	return jsonAnswer(http.StatusOK, "OK", e)
}

func encodeError(format string, err error) answer {
	var e *apiError
	if !errors.As(err, &e) {
		e = &apiError{status: http.StatusInternalServerError, message: err.Error()}
	}
	reason, _, _ := strings.Cut(e.message, "\n")
	message := e.message
	if e.status != http.StatusNotImplemented && !strings.HasSuffix(message, "\n") {
		message += "\n"
	}
	if e.bare {
		return answer{status: e.status, reason: reason, close: true, delay: e.delay}
	}
	body := envelope{Message: message, Errors: e.fields}
	if format == "extjs" {
		ext := extEnvelope{envelope: body, Status: e.status}
		if e.fields != nil {
			ext.Status = strconv.Itoa(e.status) // a string here, a number elsewhere: so it is
		}
		return jsonAnswer(http.StatusOK, "OK", ext)
	}
	a := jsonAnswer(e.status, reason, body)
	a.close, a.delay = true, e.delay
	return a
}

func jsonAnswer(status int, reason string, v any) answer {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return answer{status: http.StatusInternalServerError, reason: "unable to encode the answer: " + err.Error()}
	}
	return answer{status: status, reason: reason, kind: jsonType, body: bytes.TrimRight(b.Bytes(), "\n")}
}

// textAnswer is an early error: plain text, or nothing.
func textAnswer(status int, reason, body string) answer {
	a := answer{status: status, reason: reason, body: []byte(body), close: true}
	if body != "" {
		a.kind = "text/plain"
	}
	return a
}

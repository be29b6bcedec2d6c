package results

import (
	"fmt"
	"time"
)

// Duration is a time.Duration that is written to JSON with its unit, as Go prints it: "30s", "1m0.25s".
type Duration time.Duration

// String is the form used in JSON.
func (d Duration) String() string { return time.Duration(d).String() }

// Seconds is the duration in seconds.
func (d Duration) Seconds() float64 { return time.Duration(d).Seconds() }

// MarshalText writes the exact duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("reading a duration such as \"30s\": %w", err)
	}
	*d = Duration(parsed)
	return nil
}

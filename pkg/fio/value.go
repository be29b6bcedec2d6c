package fio

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Value is a number that may be unknown. The zero Value is unknown, which is not the number zero.
// The unit is said where a Value is used. Counts are exact up to 2^53.
type Value struct {
	number float64
	known  bool
}

// Known is the Value of a number. What is not finite is no number, and unknown.
func Known(number float64) Value {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return Value{}
	}
	return Value{number: number, known: true}
}

// Get returns the number; false says that it is unknown.
func (v Value) Get() (number float64, known bool) { return v.number, v.known }

// Or is the number, or a substitute where it is unknown.
func (v Value) Or(substitute float64) float64 {
	if !v.known {
		return substitute
	}
	return v.number
}

// IsKnown says whether there is a number.
func (v Value) IsKnown() bool { return v.known }

// IsZero says that the value is unknown: JSON fields tagged omitzero are left out then.
func (v Value) IsZero() bool { return !v.known }

// Equal says that both are unknown or both the same number.
func (v Value) Equal(other Value) bool { return v == other }

// Add is the sum of two values; it is unknown when one of them is.
func (v Value) Add(other Value) Value {
	if !v.known || !other.known {
		return Value{}
	}
	return Known(v.number + other.number)
}

// Scale is the value times a factor.
func (v Value) Scale(factor float64) Value {
	if !v.known {
		return Value{}
	}
	return Known(v.number * factor)
}

// String is the number with as many digits as it needs, or a dash.
func (v Value) String() string {
	if !v.known {
		return "–"
	}
	return strconv.FormatFloat(v.number, 'f', -1, 64)
}

// MarshalJSON writes the number, or null.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.known {
		return []byte("null"), nil
	}
	return json.Marshal(v.number)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (v *Value) UnmarshalJSON(data []byte) error {
	var number *float64
	if err := json.Unmarshal(data, &number); err != nil {
		return fmt.Errorf("reading a number or null: %w", err)
	}
	*v = Value{}
	if number != nil {
		*v = Known(*number)
	}
	return nil
}

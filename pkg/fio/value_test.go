package fio

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Unknown is null and comes back as unknown; every finite number comes back as itself, zero included.
func TestValueRoundTrip(t *testing.T) {
	values := rapid.OneOf(rapid.Just(Value{}), rapid.Map(rapid.Float64(), Known))
	rapid.Check(t, func(t *rapid.T) {
		v := values.Draw(t, "value")
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		back := Known(1)
		if err := json.Unmarshal(text, &back); err != nil || !back.Equal(v) {
			t.Fatalf("%v became %s and then %v: %v", v, text, back, err)
		}
	})
}

func TestUnknownIsNotZero(t *testing.T) {
	for _, number := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if Known(number).IsKnown() {
			t.Errorf("%v is a number", number)
		}
	}
	zero := Known(0)
	if (Value{}).Equal(zero) || zero.IsZero() || !(Value{}).IsZero() || zero.String() != "0" || (Value{}).String() != "–" {
		t.Error("unknown and zero are the same")
	}
	if _, known := zero.Add(Value{}).Get(); known || (Value{}).Scale(2).IsKnown() {
		t.Error("a sum with something unknown is known")
	}
	if n, known := Known(2).Add(Known(3)).Scale(2).Get(); n != 10 || !known {
		t.Errorf("(2+3)*2 is %v, %v", n, known)
	}
	for _, text := range []string{`"5"`, `{}`, `x`} {
		if err := json.Unmarshal([]byte(text), new(Value)); err == nil {
			t.Errorf("%s was read as a number", text)
		}
	}
}

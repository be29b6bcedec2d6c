package killtest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// TestKilledInTrial kills run while fio runs in the guests, which goes on without it.
func TestKilledInTrial(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("fio"); err != nil {
		t.Skip("fio is not installed")
	}
	for _, stateless := range some([]bool{true, false}) {
		t.Run(fmt.Sprintf("stateless %v", stateless), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(8))
			was := w.belongings(t)
			h := w.newHome(t, "home", benchLab())
			run := h.start(t, "run")
			isMeasured := func() bool { return w.isMeasured(t) }
			await(t, "fio", isMeasured)
			run.kill()
			await(t, "fio, which runs on detached", isMeasured) // a process that just executes a program shows nothing
			if stateless {
				if err := os.RemoveAll(h.state); err != nil {
					t.Fatal(err)
				}
			}
			h.must(t, 0, []string{"down"}, "3 VMs removed")
			w.wantAsBefore(t, was, run)
		})
	}
}

package killtest

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestNeverUpBesideOthers runs down for a lab that never existed, on a server where another lab of the same owner came and
// went in the same VMID range.
func TestNeverUpBesideOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sharedHost(9))
	was := w.belongings(t)
	other := w.newHome(t, "other", otherLab)
	other.must(t, 0, []string{"up"})
	other.must(t, 0, []string{"down"}, "1 VM removed")
	h := w.newHome(t, "home", killLab)
	for range 2 {
		h.must(t, 0, []string{"down"}, "lab kill is not up: nothing to remove")
	}
	w.wantAsBefore(t, was, nil)
}

// TestDownBesideOthersDown removes a lab without its state while another lab of the same owner goes down.
func TestDownBesideOthersDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sharedHost(8))
	was := w.belongings(t)
	other := w.newHome(t, "other", strings.Replace(otherLab, "vms:\n", "vms:\n  - {name: two, cores: 1, memory: 512MiB, osDisk: {size: 4GiB}, dataDisk: {storage: zfs, size: 1GiB}}\n", 1))
	other.must(t, 0, []string{"up"})
	h := w.halfway(t)
	if err := os.RemoveAll(h.state); err != nil {
		t.Fatal(err)
	}
	theirs := other.start(t, "down")
	await(t, "the other lab's destroy", func() bool { return w.requested(http.MethodDelete) })
	h.must(t, 0, []string{"down"}, "3 VMs removed")
	theirs.want(t, 0, "2 VMs removed")
	w.wantAsBefore(t, was, theirs)
}

// TestUpBesideOthersUp brings a lab up, kills it and removes it without its state while another lab of the same owner comes
// up.
func TestUpBesideOthersUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sharedHost(9))
	was := w.belongings(t)
	h := w.newHome(t, "home", killLab)
	h.killUp(t, 2)
	if err := os.RemoveAll(h.state); err != nil {
		t.Fatal(err)
	}
	other := w.newHome(t, "other", otherLab)
	theirs := other.start(t, "up")
	h.must(t, 0, []string{"down"}, "VMs removed")
	theirs.want(t, 0, "lab other is up")
	other.must(t, 0, []string{"down"}, "1 VM removed")
	w.wantAsBefore(t, was, theirs)
}

// TestDownElsewhereDuringUp removes a lab from another state directory while up works on it: whatever up makes of that, in
// the end nothing is left.
func TestDownElsewhereDuringUp(t *testing.T) {
	t.Parallel()
	for _, n := range some([]int{5, 2, 9, 12}) {
		t.Run(fmt.Sprintf("change %d", n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(9))
			was := w.belongings(t)
			h, elsewhere := w.newHome(t, "home", killLab), w.newHome(t, "elsewhere", killLab)
			started := make(chan *process, 1)
			up := h.at(t, n, func(*process) { started <- elsewhere.start(t, "down") }, "up")
			down := <-started
			code := down.wait(t)
			if up.wait(t); code != 0 && code != 5 {
				t.Errorf("down ended with %d:\n%s", code, down.text())
			}
			told := h.cleanUp(t, new(tally), "down") + elsewhere.cleanUp(t, new(tally), "down")
			if left := w.changes(t, was); left != "" {
				t.Errorf("not as before:\n%s\nup: %s\ndown elsewhere: %s\n%s", left, up.text(), down.text(), told)
			}
		})
	}
}

// TestSecondProcessIsTurnedAway runs other commands on a lab that up works on.
func TestSecondProcessIsTurnedAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sharedHost(8))
	was := w.belongings(t)
	h := w.newHome(t, "home", killLab)
	up := h.at(t, 5, func(p *process) {
		for _, command := range []string{"up", "down", "bench", "run"} {
			h.must(t, 1, []string{command}, fmt.Sprintf("another labctl (process %d) is working on this lab", p.cmd.Process.Pid))
		}
		h.must(t, 0, []string{"status"}, "lab kill is partial")
	}, "up")
	up.want(t, 0, "lab kill is up: 3 VMs")
	h.must(t, 0, []string{"down"}, "3 VMs removed")
	w.wantAsBefore(t, was, up)
}

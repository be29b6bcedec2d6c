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

// TestDownBesideOthersDown removes a lab without its state while another lab of the same owner goes down. Both may look at one
// VMID at the same moment, and then one of them has to say that it could not.
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
	var sum tally
	told := h.cleanUp(t, &sum, "down")
	if code := theirs.wait(t); code == 0 {
		theirs.want(t, 0, "2 VMs removed")
	} else {
		theirs.want(t, 5, "as root on pve")
		told += other.cleanUp(t, &sum, "down")
	}
	if left := w.changes(t, was); left != "" {
		t.Errorf("not as before:\n%s\n%s", left, told)
	}
	t.Logf("%d times down twice", sum.twice)
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

// TestDownBesideOthersProof lets two labs prove one VMID at the same moment: the down of one was killed before its proof, and
// the other never was up. Each leaves the other's probe alone, and says so.
func TestDownBesideOthersProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sharedHost(9))
	was := w.belongings(t)
	other := w.newHome(t, "other", otherLab)
	other.must(t, 0, []string{"up"})
	victim := w.gate.set(&trap{moment: effect, n: 2}, func() *process { return other.start(t, "down") }) // stop, destroy
	victim.wait(t)
	w.gate.clear()
	h := w.newHome(t, "home", killLab)
	down := h.at(t, 2, func(*process) { // the probe exists and is about to be destroyed
		other.must(t, 5, []string{"down"}, "VM one (9200 on node pve)", "somebody else's now")
	}, "down")
	down.want(t, 0, "lab kill is not up: nothing to remove")
	other.must(t, 0, []string{"down"}, "no volume of theirs is left")
	w.wantAsBefore(t, was, down)
}

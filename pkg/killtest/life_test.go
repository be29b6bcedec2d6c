package killtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// killLab is the lab whose labctl is killed: that of lab-specs/demo.yaml without the host.
const killLab = `apiVersion: labctl/v1
name: kill
node: pve
pool: labctl
template: {vmid: 9000}
vmids: {first: 9200, last: 9299}
network: {bridge: vmbr0, address: "192.168.7.{201..249}/24", gateway: 192.168.7.1, nameserver: 192.168.7.1}
user: labctl
vmDefaults:
  cores: 4
  osDisk: {size: 4GiB}
  dataDisk: {storage: zfs, size: 1GiB, bus: scsi, cache: none, iothread: true, ssd: true, discard: true, mount: /opt/data}
vms:
  - {name: 2gb, memory: 2GiB}
  - {name: 4gb, memory: 4GiB}
  - {name: 8gb, memory: 8GiB}
suite: {rest: 0s, workloads: [{name: write, fio: {rw: randwrite, size: 1m}}]}
`

// otherLab is another lab of the same owner, in the same pool and the same VMID range.
const otherLab = `apiVersion: labctl/v1
name: other
node: pve
pool: labctl
template: {vmid: 9000}
vmids: {first: 9200, last: 9299}
network: {bridge: vmbr0, address: "192.168.8.{201..249}/24"}
vms:
  - {name: one, cores: 1, memory: 512MiB, osDisk: {size: 4GiB}, dataDisk: {storage: zfs, size: 1GiB}}
suite: {rest: 0s, workloads: [{name: write, fio: {rw: randwrite, size: 1m}}]}
`

// lane is one row of the matrix: labctl is killed at each change of one command in turn.
type lane struct {
	major     int
	command   string // up, down, gc, or again: an up that goes on where a killed one stopped
	moment    moment
	stateless bool // the state directory is deleted before the final down
	beside    bool // another lab of the same owner stands by
}

// String names the row.
func (l lane) String() string {
	pass, beside := "with-state", "alone"
	if l.stateless {
		pass = "without-state"
	}
	if l.beside {
		beside = "beside-another"
	}
	return fmt.Sprintf("pve%d/%s/%s/%s/%s", l.major, l.command, l.moment, pass, beside)
}

// tally is what came of a lane.
type tally struct {
	kills     int      // lives that ended with a kill
	survivors int      // lives after which something was left, or something foreign was changed
	twice     int      // lives after which one down was not enough, and said so
	requests  []string // at which it was killed
}

// add adds another tally.
func (t *tally) add(other tally) {
	t.kills, t.survivors, t.twice = t.kills+other.kills, t.survivors+other.survivors, t.twice+other.twice
	t.requests = append(t.requests, other.requests...)
}

// walkers is how many worlds share the changes of a lane: a life mostly waits.
const walkers = 2

// walk kills labctl at the first change, at the second, and so on, until a life ends by itself.
func (l lane) walk(t *testing.T) (sum tally) {
	sums := make([]tally, walkers)
	var wait sync.WaitGroup
	for i := range walkers {
		wait.Go(func() { sums[i] = l.walkEvery(t, 1+i, walkers) })
	}
	wait.Wait()
	for _, one := range sums {
		sum.add(one)
	}
	return sum
}

// walkEvery kills labctl at the n-th change and at every step-th after it.
func (l lane) walkEvery(t *testing.T, n, step int) (sum tally) {
	for n > 0 {
		stage := l.open(t)
		n = stage.walk(t, n, step, &sum)
		stage.close(t)
	}
	return sum
}

// walkSome kills labctl at some changes.
func (l lane) walkSome(t *testing.T, points []int) (sum tally) {
	stage := l.open(t)
	for _, n := range points {
		if _, ok := stage.live(t, n, &sum); !ok {
			break
		}
	}
	stage.close(t)
	return sum
}

// stage is a world in which one life follows the other, as long as each leaves it as it was.
type stage struct {
	lane
	world *world
	was   belongings
	other *home // of the other lab, or nil
	empty belongings
}

func (l lane) open(t *testing.T) *stage {
	s := &stage{lane: l, world: newWorld(t, sharedHost(l.major))}
	s.empty = s.world.belongings(t)
	if l.beside {
		s.other = s.world.newHome(t, "other", otherLab)
		s.other.must(t, 0, []string{"up"})
	}
	s.was = s.world.belongings(t)
	return s
}

// close ends the other lab as its owner would.
func (s *stage) close(t *testing.T) {
	if s.other == nil || s.world.changes(t, s.was) != "" {
		return
	}
	s.other.must(t, 0, []string{"status"}, "lab other is up")
	s.other.must(t, 0, []string{"down"}, "1 VM removed")
	if left := s.world.changes(t, s.empty); left != "" {
		t.Errorf("after the end of the other lab:\n%s", left)
	}
}

// walk lives from the n-th change on. It returns the change to go on with in a new world, since this one was spoilt, or 0.
func (s *stage) walk(t *testing.T, n, step int, sum *tally) (next int) {
	for ; ; n += step {
		end, ok := s.live(t, n, sum)
		switch {
		case end.changes < n:
			return 0
		case !ok:
			return n + step
		}
	}
}

// live is one life: up to the n-th change of the command, and then the clean-up. It says whether all is as before.
func (s *stage) live(t *testing.T, n int, sum *tally) (end trap, ok bool) {
	h := s.world.newHome(t, fmt.Sprintf("home-%d", n), killLab)
	command, remedy := s.prepare(t, h)
	victim := s.world.gate.set(&trap{moment: s.moment, n: n}, func() *process { return h.start(t, command...) })
	code := victim.wait(t)
	end = s.world.gate.clear()
	if !end.killed && code != 0 {
		t.Errorf("life %d: %s was not killed and ended with %d:\n%s", n, s.command, code, victim.text())
	}
	if s.stateless {
		if err := os.RemoveAll(h.state); err != nil {
			t.Fatal(err)
		}
	}
	told := h.cleanUp(t, sum, remedy...)
	left := s.world.changes(t, s.was)
	if end.killed {
		sum.kills++
		sum.requests = append(sum.requests, end.request)
	}
	if left != "" {
		sum.survivors++
		t.Errorf("life %d: killed at change %d (%s, %s) of `%s`, then %s\nnot as before:\n%s",
			n, n, end.request, s.moment, s.command, told, left)
	}
	return end, left == ""
}

// prepare leads up to the command, and says what has to clean up after its death.
func (l lane) prepare(t *testing.T, h *home) (command, remedy []string) {
	t.Helper()
	switch l.command {
	case "down":
		h.must(t, 0, []string{"up"})
	case "again":
		h.killUp(t, 5)
		return []string{"up"}, []string{"down"}
	case "gc":
		h.must(t, 0, []string{"up"})
		if err := os.RemoveAll(filepath.Join(h.state, "labs")); err != nil {
			t.Fatal(err)
		}
		if !l.stateless {
			return []string{"gc", "--yes"}, []string{"gc", "--yes"}
		}
		return []string{"gc", "--yes"}, []string{"down"}
	}
	return []string{l.command}, []string{"down"}
}

// killUp kills up after the effect of its n-th change.
func (h *home) killUp(t *testing.T, n int) {
	t.Helper()
	victim := h.world.gate.set(&trap{moment: effect, n: n}, func() *process { return h.start(t, "up") })
	victim.wait(t)
	if end := h.world.gate.clear(); !end.killed {
		t.Fatalf("up was not killed:\n%s", victim.text())
	}
}

// cleanUp runs a command until it is content. If it is not, it has to name what is left, with commands for an operator.
func (h *home) cleanUp(t *testing.T, sum *tally, command ...string) (told string) {
	t.Helper()
	code, text := h.run(t, command...)
	told = fmt.Sprintf("%v ended with %d:\n%s", command, code, text)
	if code == 5 {
		sum.twice++
		if !regexp.MustCompile(`VM \S+ \(92\d\d on node pve\)`).MatchString(text) || !strings.Contains(text, "as root on pve") {
			t.Errorf("exit code 5 and no word of what is left:\n%s", text)
		}
		code, text = h.run(t, command...)
		told += fmt.Sprintf("a second one ended with %d:\n%s", code, text)
	}
	if code != 0 {
		t.Errorf("%s", told)
	}
	return told
}

package change

import (
	"sync"
	"time"
)

// pace measures how long the removal of one VM takes on each node. The zero value knows nothing.
type pace struct {
	mu     sync.Mutex
	inside map[string]map[*removal]bool
	took   map[string]time.Duration // the last one, as if it had been alone
}

// removal is one that is measured; pace.mu guards it.
type removal struct{ beside int } // how many there were at once, itself among them

const (
	// lockPause is how much of PVE's wait for a storage lock, 10 s, is used: the lock is not fair, and a free that does not get it leaks
	// its volume behind an `OK` (pve-api lab-findings §29, §33).
	lockPause = 8 * time.Second
	// mostFreesAtOnce: eight destroys at once left nothing where one took 1 s.
	mostFreesAtOnce = 8
)

// freesAtOnce is how many VMs may be removed at once on the node, so that one waits for the lock of the others' volumes no longer than
// PVE lets it: one, until it is known how long that takes.
func (p *pace) freesAtOnce(node string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	took, known := p.took[node]
	if !known {
		return 1
	}
	return min(max(int(lockPause/max(took, time.Millisecond)), 1), mostFreesAtOnce)
}

// measure runs a removal and takes its time. Those that run at once queue for one lock, so that each takes its own part only.
func (p *pace) measure(node string, run func() error) error {
	me := p.begin(node)
	begun := time.Now()
	err := run()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.inside[node], me)
	if err == nil {
		p.took[node] = time.Since(begun) / time.Duration(me.beside)
	}
	return err
}

func (p *pace) begin(node string) *removal {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inside == nil {
		p.inside, p.took = map[string]map[*removal]bool{}, map[string]time.Duration{}
	}
	if p.inside[node] == nil {
		p.inside[node] = map[*removal]bool{}
	}
	me := &removal{}
	p.inside[node][me] = true
	for one := range p.inside[node] {
		one.beside = max(one.beside, len(p.inside[node]))
	}
	return me
}

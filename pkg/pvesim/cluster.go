package pvesim

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Cluster is one simulated Proxmox VE cluster. All its methods may be called from many goroutines.
type Cluster struct {
	gate    chan struct{} // the one lock around everything below; a channel, so that waiting for it is durable in synctest
	changed chan struct{} // closed and replaced whenever something may have become due earlier than waiters think

	major   int
	schema  *schema
	timings Timings
	guests  Guests
	logger  *slog.Logger
	random  *rand.Rand

	booted   time.Time // when the nodes came up
	clock    time.Time // simulated time: that of the effect being applied, otherwise the last time looked at
	events   eventQueue
	sequence int
	lastPID  int

	nodes     []*node
	storages  map[string]*storage            // as the first node sees them
	elsewhere map[string]map[string]*storage // by node and name: local storages of the other nodes
	vms       map[int]*vm
	pools     map[string]*pool
	access    access
	tasks     []*task
	flocks    map[string]*flock
	published statistics
	routes    []route
	requests  []*Request
	faults    []*armed
	downloads map[string]FileSpec // what download-url finds, by address

	version string        // told instead of the recorded server's
	skew    time.Duration // of the nodes' clocks, in the answers' Date and in tasks
}

// Option changes how a cluster is made.
type Option func(*Cluster)

// WithGuests says what a started VM really is. Without it a VM is only pretended (NoGuests).
func WithGuests(guests Guests) Option { return func(c *Cluster) { c.guests = guests } }

// WithLogger sends what the cluster does (task starts and ends, refusals) to a logger.
func WithLogger(logger *slog.Logger) Option { return func(c *Cluster) { c.logger = logger } }

// WithSeed fixes the generated uuids and MAC addresses; two clusters with one seed and one history are equal.
func WithSeed(seed uint64) Option {
	return func(c *Cluster) { c.random = rand.New(rand.NewPCG(seed, seed)) }
}

// New builds a cluster from a topology. Nothing runs until a request comes in or Serve is called.
func New(t Topology, options ...Option) (*Cluster, error) {
	if t.Major != 8 && t.Major != 9 {
		return nil, fmt.Errorf("building the simulated cluster: major version %d is not 8 or 9", t.Major)
	}
	schemas, err := loadSchemas()
	if err != nil {
		return nil, fmt.Errorf("building the simulated cluster: %w", err)
	}
	now := time.Now()
	c := &Cluster{
		gate: make(chan struct{}, 1), changed: make(chan struct{}),
		major: t.Major, schema: schemas[t.Major], timings: t.Timings, logger: slog.New(slog.DiscardHandler),
		random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		booted: now.Add(-time.Hour), clock: now, lastPID: 1000,
		storages: map[string]*storage{}, elsewhere: map[string]map[string]*storage{}, vms: map[int]*vm{}, pools: map[string]*pool{}, flocks: map[string]*flock{},
	}
	for _, o := range options {
		o(c)
	}
	if c.guests == nil {
		c.guests = NoGuests{AgentAfter: t.Timings.Boot}
	}
	c.routes = apiRoutes()
	if err := c.build(t); err != nil {
		return nil, fmt.Errorf("building the simulated cluster: %w", err)
	}
	c.publish()
	return c, nil
}

func (c *Cluster) lock()   { c.gate <- struct{}{} }
func (c *Cluster) unlock() { <-c.gate }

// enter locks the cluster and brings it up to now.
func (c *Cluster) enter() {
	c.lock()
	c.advance(time.Now())
	c.reap()
}

// reap notices guests that ended by themselves, as qmeventd does.
func (c *Cluster) reap() {
	for _, v := range c.vms {
		if v.process == nil {
			continue
		}
		if mortal, ok := v.process.guest.(Mortal); ok && mortal.Ended() {
			c.logger.Info("guest ended by itself", "vmid", v.id)
			v.process = nil
			c.applyPending(v)
		}
	}
}

// Advance applies everything that is due by now. Requests do it by themselves; tests that look at the state directly
// after letting time pass do not need it either, since all accessors do the same.
func (c *Cluster) Advance() {
	c.enter()
	c.unlock()
}

// uuid returns a random (version 4) UUID.
func (c *Cluster) uuid() string {
	a, b := c.random.Uint64(), c.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

// mac returns a random MAC address with Proxmox's prefix.
func (c *Cluster) mac() string {
	r := c.random.Uint64()
	return fmt.Sprintf("BC:24:11:%02X:%02X:%02X", r&0xff, r>>8&0xff, r>>16&0xff)
}

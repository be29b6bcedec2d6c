package pvesim

// The least shares of answers that must be as recorded, in percent.
const (
	leastOfAll   = 98.5 // of exchanges-*
	leastOfCore  = 98.5 // of those of methods that labctl uses
	leastOfOther = 85.0 // of a series that the table does not have: one in another folder of recordings
)

// leastRates says how much of a series must be as recorded: whoever teaches the simulation something raises a number.
// In 36-kill-worker chance decides how far a worker had come.
var leastRates = map[string]float64{
	"exchanges-8.4/00-setup":              100.0,
	"exchanges-8.4/10-auth-errors":        100.0,
	"exchanges-8.4/11-param-errors":       100.0,
	"exchanges-8.4/12-tasks-locks":        99.3,
	"exchanges-8.4/13-protocol":           100.0,
	"exchanges-8.4/20-flow":               98.2,
	"exchanges-8.4/21-during-clone":       100.0,
	"exchanges-8.4/22-privileges":         100.0,
	"exchanges-8.4/23-slow-and-states":    95.4,
	"exchanges-8.4/24-agent":              96.7,
	"exchanges-8.4/25-proxy-timeout":      87.5,
	"exchanges-8.4/30-lp-setup":           100.0,
	"exchanges-8.4/31-lp-life":            100.0,
	"exchanges-8.4/32-ownership":          100.0,
	"exchanges-8.4/33-orphans":            100.0,
	"exchanges-8.4/34-parallel":           100.0,
	"exchanges-8.4/34b-parallel-slow":     100.0,
	"exchanges-8.4/34c-parallel-busy":     100.0,
	"exchanges-8.4/35-lost-answer":        95.4,
	"exchanges-8.4/36-kill-worker":        98.0,
	"exchanges-8.4/37-background-delay":   83.5,
	"exchanges-8.4/38-tokens":             99.0,
	"exchanges-8.4/39-status-current":     100.0,
	"second-8.4/40-ha-groups-domains":     25.7,
	"second-8.4/42-config-rules":          69.7,
	"second-8.4/43-template-inheritance":  63.0,
	"second-8.4/44-sdn":                   57.0,
	"second-8.4/45-storages":              63.6,
	"second-8.4/46-worker-races":          100.0,
	"exchanges-9.2/00-setup":              100.0,
	"exchanges-9.2/10-auth-errors":        100.0,
	"exchanges-9.2/11-param-errors":       100.0,
	"exchanges-9.2/13-protocol":           100.0,
	"exchanges-9.2/20-flow":               98.0,
	"exchanges-9.2/21-during-clone":       100.0,
	"exchanges-9.2/22-privileges":         97.8,
	"exchanges-9.2/24-agent":              96.8,
	"exchanges-9.2/25-proxy-timeout":      80.0,
	"exchanges-9.2/30-lp-setup":           100.0,
	"exchanges-9.2/31-lp-life":            97.9,
	"exchanges-9.2/32-ownership":          100.0,
	"exchanges-9.2/33-orphans":            100.0,
	"exchanges-9.2/34c-parallel-busy":     100.0,
	"exchanges-9.2/36-kill-worker":        98.0,
	"exchanges-9.2/39-status-current":     100.0,
	"second-9.2/agent-of-a-running-guest": 33.3,
	"second-9.2/least-privilege-token":    77.1,
}

func leastRate(series string) float64 {
	if rate, ok := leastRates[series]; ok {
		return rate
	}
	return leastOfOther
}

package cli

import (
	"testing"
	"time"
)

// TestUnderWay: the live line says what is waited for, and never reads as if it were over.
func TestUnderWay(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration, text string) activity { return activity{text, now.Add(-d)} }
	for _, test := range []struct {
		running map[string]activity
		want    string
	}{
		{
			map[string]activity{"2gb": ago(655*time.Second, "waiting for the guest agent"), "4gb": ago(650*time.Second, "waiting for the guest agent"), "8gb": ago(time.Second, "waiting for the guest agent")},
			"3 VMs: waiting for the guest agent (10m55s)",
		},
		{
			map[string]activity{"a": ago(2*time.Second, "being cloned"), "b": ago(62*time.Second, "waiting for the guest agent, still booting: [ 12.3] systemd[1]: Started")},
			"a: being cloned (2.0s); b: waiting for the guest agent, still booting: [ 12.3] systemd[1]: Started (1m02s)",
		},
	} {
		if got := underWay(test.running, now); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}

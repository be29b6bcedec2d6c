package labspec

import "fmt"

// AsInstance renames the lab to NAME-INSTANCE, so that several runs of one lab file can be up on one server: each has VMs,
// state and uploads of its own. The names that follow from it must still be names that PVE takes.
func (l *Lab) AsInstance(instance string) error {
	name := l.Name + "-" + instance
	if err := dnsLabel.check(instance); err != nil {
		return fmt.Errorf("instance: %w", err)
	}
	for _, vm := range l.VMs {
		if err := dnsLabel.check(name + "-" + vm.Name); err != nil {
			return fmt.Errorf("the name of VM %s with this instance: %w", vm.Name, err)
		}
	}
	l.Name = name
	return nil
}

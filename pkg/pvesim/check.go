package pvesim

import "strings"

// checkRoute does what comes between finding a method and running it: privileges, the node, then the parameters.
func (c *Cluster) checkRoute(k *call) error {
	if k.method == nil {
		return nil
	}
	if strings.HasSuffix(k.method.Path, "/upload") {
		if err := k.checkUpload(k.method); err != nil {
			return err
		}
	}
	if err := k.authorize(k.method); err != nil {
		return err
	}
	if err := c.checkNode(k); err != nil {
		return err
	}
	if err := k.daemonGone(); err != nil {
		return err
	}
	return k.method.verify(k.params)
}

// knownConfigKey reports whether a configuration key exists.
func (c *Cluster) knownConfigKey(key string) bool {
	_, ok := c.schema.methods["POST /nodes/{node}/qemu/{vmid}/config"].param(key)
	return ok
}

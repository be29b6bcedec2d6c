package pvesim

import (
	"net/http"
	"slices"
	"strings"
)

const (
	onGet, onPost, onPut, onDelete = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete

	nodePath    = "/nodes/{node}"
	qemuPath    = nodePath + "/qemu"
	guestPath   = qemuPath + "/{vmid}"
	storagePath = nodePath + "/storage/{storage}"
	taskPath    = nodePath + "/tasks/{upid}"
	userPath    = "/access/users/{userid}"
)

// apiRoutes are the methods that are served. What is not here answers as an unknown method does.
func apiRoutes() []route {
	return slices.Concat(clusterRoutes(), nodeRoutes(), vmRoutes(), agentRoutes(), accessRoutes())
}

func clusterRoutes() []route {
	return []route{
		{onGet, "/", getRoot},
		{onGet, "/version", getVersion},
		{onGet, "/cluster/nextid", nextID},
		{onGet, "/cluster/resources", listResources},
		{onGet, "/cluster/tasks", listClusterTasks},
		{onGet, "/cluster/status", getClusterStatus},
		{onGet, "/pools", listPools},
		{onPost, "/pools", createPool},
		{onPut, "/pools", updatePool},
		{onDelete, "/pools", deletePool},
		{onGet, "/pools/{poolid}", getPool},
		{onPut, "/pools/{poolid}", updatePool},
		{onDelete, "/pools/{poolid}", deletePool},
		{onGet, "/storage", listStorageConfigs},
		{onPost, "/storage", createStorage},
		{onGet, "/storage/{storage}", getStorageConfig},
		{onPut, "/storage/{storage}", updateStorage},
		{onDelete, "/storage/{storage}", deleteStorage},
	}
}

func nodeRoutes() []route {
	return []route{
		{onGet, "/nodes", listNodes},
		{onGet, nodePath + "/status", getNodeStatus},
		{onGet, nodePath + "/network", listNetwork},
		{onGet, nodePath + "/tasks", listTasks},
		{onGet, taskPath + "/status", getTaskStatus},
		{onGet, taskPath + "/log", getTaskLog},
		{onDelete, taskPath, abortTask},
		{onGet, nodePath + "/storage", listStorages},
		{onGet, storagePath + "/status", getStorageStatus},
		{onGet, storagePath + "/content", listContent},
		{onGet, storagePath + "/content/{volume}", getVolume},
		{onDelete, storagePath + "/content/{volume}", deleteVolume},
		{onPost, storagePath + "/upload", uploadFile},
		{onPost, storagePath + "/download-url", downloadFile},
	}
}

func vmRoutes() []route {
	return []route{
		{onGet, qemuPath, listVMs},
		{onPost, qemuPath, createVM},
		{onDelete, guestPath, destroyVM},
		{onGet, guestPath + "/config", getConfig},
		{onPut, guestPath + "/config", putConfig},
		{onPost, guestPath + "/config", postConfig},
		{onGet, guestPath + "/pending", getPending},
		{onPost, guestPath + "/clone", cloneVM},
		{onPost, guestPath + "/template", makeTemplate},
		{onPut, guestPath + "/resize", resizeDisk},
		{onPut, guestPath + "/unlink", unlinkDisks},
		{onGet, guestPath + "/status/current", getStatus},
		{onPost, guestPath + "/status/start", startVM},
		{onPost, guestPath + "/status/stop", stopVM},
		{onPost, guestPath + "/status/shutdown", shutdownVM},
		{onPost, guestPath + "/status/reboot", rebootVM},
		{onPost, guestPath + "/status/reset", resetVM},
		{onPost, guestPath + "/status/suspend", suspendVM},
		{onPost, guestPath + "/status/resume", resumeVM},
		{onGet, guestPath + "/cloudinit", getCloudinit},
		{onPut, guestPath + "/cloudinit", regenerateCloudinit},
		{onGet, guestPath + "/cloudinit/dump", dumpCloudinit},
		{onGet, guestPath + "/snapshot", listSnapshots},
		{onPost, guestPath + "/snapshot", takeSnapshot},
		{onPost, guestPath + "/snapshot/{snapname}/rollback", rollBack},
		{onDelete, guestPath + "/snapshot/{snapname}", deleteSnapshot},
	}
}

func agentRoutes() []route {
	const agent = guestPath + "/agent"
	routes := []route{
		{onPost, agent, agentGeneric},
		{onGet, agent + "/file-read", agentFileRead},
		{onPost, agent + "/file-write", agentFileWrite},
		{onPost, agent + "/exec", agentExec},
		{onGet, agent + "/exec-status", agentExecStatus},
	}
	for name, ask := range agentCommands() {
		on := onPost
		if name == "info" || name == "network-get-interfaces" || strings.HasPrefix(name, "get-") {
			on = onGet
		}
		routes = append(routes, route{on, agent + "/" + name, agentCommand(name, ask)})
	}
	return routes
}

func accessRoutes() []route {
	return []route{
		{onPost, "/access/ticket", login},
		{onGet, "/access/permissions", getPermissions},
		{onPut, "/access/password", setPassword},
		{onGet, "/access/roles", listRoles},
		{onPost, "/access/roles", createRole},
		{onGet, "/access/roles/{roleid}", getRole},
		{onPut, "/access/roles/{roleid}", updateRole},
		{onDelete, "/access/roles/{roleid}", deleteRole},
		{onGet, "/access/acl", listGrants},
		{onPut, "/access/acl", setGrants},
		{onGet, "/access/users", listUsers},
		{onPost, "/access/users", createUser},
		{onGet, userPath, getUser},
		{onPut, userPath, updateUser},
		{onDelete, userPath, deleteUser},
		{onGet, userPath + "/token", listTokens},
		{onGet, userPath + "/token/{tokenid}", getToken},
		{onPost, userPath + "/token/{tokenid}", createToken},
		{onPut, userPath + "/token/{tokenid}", updateToken},
		{onDelete, userPath + "/token/{tokenid}", deleteToken},
	}
}

package pvesim

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"
)

// page is what is not the API: the login page, and files that are not there.
func (c *Cluster) page(r *http.Request) answer {
	path := r.URL.Path
	if path == "/" && r.Method == http.MethodGet {
		return c.loginPage()
	}
	if rest, isHost := strings.CutPrefix(path, "//"); isHost { // what follows is taken for a host
		path = rest[strings.Index(rest+"/", "/"):]
	}
	text := fmt.Sprintf("no such file '%s'", path)
	return textAnswer(http.StatusInternalServerError, text, text+"\n")
}

// loginPage is GET /, which everybody may see. Of the real page it has what tells the node and the version: the title,
// and the script that carries the version in its address (pve-manager, www/index.html.tpl).
func (c *Cluster) loginPage() answer {
	version, _, _ := c.release()
	page := fmt.Sprintf(`<!DOCTYPE html>
<html>
  <head>
    <meta http-equiv="Content-Type" content="text/html; charset=utf-8" />
    <title>%s - Proxmox Virtual Environment</title>
    <script type="text/javascript" src="/pve2/js/pvemanagerlib.js?ver=%s"></script>
  </head>
  <body></body>
</html>
`, html.EscapeString(c.nodes[0].name), html.EscapeString(version))
	return answer{status: http.StatusOK, reason: "OK", kind: "text/html; charset=utf-8", body: []byte(page)}
}

// date is the server's clock as the header of every answer shows it.
func (c *Cluster) date() string { return time.Now().Add(c.skew).UTC().Format(http.TimeFormat) }

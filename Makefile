# make demo   a whole lab's life in the sandbox: up, bench, report, down; needs no Proxmox
# make test   go vet and all tests; lists those that were skipped, and fails when one has no good reason for that
# make kill   kills the built labctl at every change of up and down, and lets everything go wrong that can; takes minutes
# make e2e    labctl from end to end with real virtual machines, without Proxmox: ten minutes without KVM, needs root
# make fuzz   fuzzes every Fuzz function for FUZZTIME
# make lint   gofmt, go vet, golangci-lint with gosec and staticcheck, and govulncheck, in pinned versions
# make build  bin/labctl

VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOLANGCI    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
CHARTS      := results-charts
FUZZTIME    := 10s

# GOTEST is go test, and fails when a test was skipped for a reason that is not accepted.
GOTEST := go run ./pkg/internal/testrun

.PHONY: demo test kill e2e fuzz lint build clean fio e2e-packages

# The lab goes away again whatever happens in between; a lab that does not go away fails the demo.
demo: build fio
	@set -eu; \
	labctl() { echo "\$$ labctl --sandbox $$*"; ./bin/labctl --sandbox "$$@"; }; \
	finish() { status=$$?; trap - EXIT; labctl down demo || status=$$?; exit $$status; }; \
	trap finish EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; \
	labctl up demo; \
	labctl bench demo; \
	labctl report --format svg --out $(CHARTS)

test:
	go vet ./...
	go vet -tags e2e ./pkg/e2e
	$(GOTEST) $(TESTFLAGS) ./...

kill:
	$(GOTEST) ./pkg/lab/labrun -thorough -v -run 'FaultMatrix|RandomHistories|TwentyVMs'
	$(GOTEST) ./pkg/killtest -kill -v -timeout 40m

# The tests side by side mostly wait.
e2e: e2e-packages
	$(GOTEST) -tags e2e -count=1 -v -timeout 40m -parallel 6 $(E2EFLAGS) ./pkg/e2e

fuzz:
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u | while read -r folder; do \
		for name in $$(grep -h '^func Fuzz' "$$folder"/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/'); do \
			echo "$$folder $$name"; \
			go test "$$folder" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) </dev/null || exit 1; \
		done; \
	done

# golangci-lint runs gosec and staticcheck, too. VULNDB=file:///FOLDER is a copy of vuln.go.dev; where neither can be had,
# the known holes are not looked for, and that is said.
lint:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go run $(GOLANGCI) run --timeout 15m ./...
	@echo "govulncheck ./..."; \
	if ! said=$$(go run $(GOVULNCHECK) $(if $(VULNDB),-db $(VULNDB)) ./... 2>&1); then \
		echo "$$said"; \
		echo "$$said" | grep -q 'fetching vulnerabilities' || exit 1; \
		echo 'KNOWN HOLES WERE NOT LOOKED FOR: the database cannot be reached'; \
	fi

build:
	go build -ldflags '-X labctl/pkg/cli.buildVersion=$(VERSION)' -o bin/labctl ./cmd/labctl

clean:
	rm -rf bin $(CHARTS)

# The sandbox runs the real fio on this machine.
fio:
	@$(call install,fio,fio)

# What virtual machines and their image need.
e2e-packages:
	@$(call install,fio,fio)
	@$(call install,qemu-system-x86_64,qemu-system-x86)
	@$(call install,qemu-img,qemu-utils)
	@$(call install,mmdebstrap,mmdebstrap)

# install PROGRAM PACKAGE installs the package when the program is missing.
define install
command -v $(1) >/dev/null && exit 0; \
if [ "$$(id -u)" -eq 0 ]; then sudo=; \
elif sudo -n true 2>/dev/null; then sudo='sudo -n'; \
else echo '$(1) is missing and installing it needs root: sudo apt-get install $(2)' >&2; exit 1; fi; \
command -v apt-get >/dev/null || { echo '$(1) is missing and this is no Debian or Ubuntu: install it ($(2) on Debian)' >&2; exit 1; }; \
set -x; $$sudo apt-get update --quiet; $$sudo apt-get install --quiet --yes --no-install-recommends $(2)
endef

# Two commands do everything on a fresh Debian machine with cargo: make demo, make test.

PREFIX ?= /usr/local
export CARGO_TERM_PROGRESS_WHEN ?= never

.DEFAULT_GOAL := help
.PHONY: help build demo unit test matrix peers torture lint fuzz fmt bench docs install place deb static sbom reproducible pictures image clean

help: ## Show the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

build: ## Build the tools into target/release
	@scripts/bootstrap.sh build
	cargo build --release --locked

demo: build ## Back up, lose and restore a small database on a private server
	@scripts/bootstrap.sh demo
	@scripts/demo.sh

unit: ## Run the tests that need no server
	cargo test --workspace --locked --lib --bins
	cargo test --workspace --locked --doc

# A test waits now and then: for a server, for what has to hang until it is given up.
export RUST_TEST_THREADS ?= $(shell expr 2 '*' "$$(nproc)")

test: ## Run all tests on a private server
	@scripts/bootstrap.sh test
	cargo test --workspace --locked

# The data of the other modules are made by statements that MySQL does not have. What each server goes through there and
# back is in matrix::, ranges:: and held::.
MARIADB_MODULES := corpus:: swap:: drill:: pod:: ranges:: held:: matrix::
MYSQL_MODULES := ranges:: held:: matrix::

matrix: ## Run the tests that depend on the server on each of four; SERVERS='mariadb-10.5 mysql-9.7'
	@scripts/bootstrap.sh test
	@status=0; for server in $(or $(SERVERS),mariadb-10.5 mariadb-10.11 mariadb-11.8 mysql-9.7); do \
	  case $$server in mysql-*) modules='$(MYSQL_MODULES)' ;; *) modules='$(MARIADB_MODULES)' ;; esac; \
	  printf 'matrix: %s: %s\n' "$$server" "$$modules"; \
	  FWB_TEST_SERVER=$$server cargo test --locked --test integration -- $$modules || status=1; \
	  case $$server in mysql-*) continue ;; esac; \
	  printf 'matrix: %s: restores in place: corpus::\n' "$$server"; \
	  FWB_TEST_SERVER=$$server FWB_TEST_IN_PLACE=1 cargo test --locked --test integration -- corpus:: || status=1; \
	done; exit $$status

peers: ## Run the server's own test cases, and back up and restore what they make; CASES='main/create json'; takes an hour
	@scripts/bootstrap.sh peers
	cargo test --locked --test peers -- $(CASES)

torture: ## Let everything go wrong, in all ways and at every call; takes an hour
	@scripts/bootstrap.sh test
	FWB_TORTURE=whole cargo test --release --locked --test integration -- torture:: monsters:: settings:: random:: \
	  pod::faults stores::faults accounts::interrupted environment:: moment:: follow:: --nocapture --test-threads=1

lint: ## Formatting, clippy, the API's documentation, shellcheck, dependencies
	@scripts/bootstrap.sh test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --lib --no-deps --document-private-items --locked
	shellcheck scripts/*.sh .ci/run
	shellcheck --shell=sh lib/fwb-mysql/src/pod/*.sh
	scripts/deny.sh
	scripts/msrv.sh

fuzz: ## Run the fuzz targets; RUNS=20000 or SECONDS=600 for each, TARGETS='scanner keys', CORPUS=DIR
	@scripts/bootstrap.sh fuzz
	@scripts/fuzz.sh $(if $(RUNS),--runs '$(RUNS)') $(if $(SECONDS),--seconds '$(SECONDS)') \
	  $(if $(CORPUS),--corpus '$(CORPUS)') $(TARGETS)

fmt: ## Format the code
	cargo fmt --all

bench: build ## Race the peers on the same machine; SIZE=900M ROUNDS=3
	@scripts/bootstrap.sh bench
	@scripts/bench.sh

docs: build ## Man pages and shell completions into target/docs, and the API's documentation
	@scripts/docs.sh target/docs
	cargo doc --workspace --lib --no-deps --document-private-items --locked

# Where the built tools are: make install BINARIES=target/static/x86_64-unknown-linux-gnu/release
BINARIES ?= target/release
DOCS ?= target/docs
TOOLS = dump verify ls prune copy restore follow run report

# root often has no cargo, and needs none for what somebody has built already.
install: $(if $(shell sh -c "command -v cargo"),build) place ## Install the tools, man pages, completions and systemd units under PREFIX

# What is built, put in its place.
place:
	@for tool in $(TOOLS); do \
	  [ -x $(BINARIES)/fwb-$$tool ] || { \
	    printf '%s\n' "make: error: $(BINARIES)/fwb-$$tool is not there, and cargo is not either" \
	      'hint: run make build as the user who has cargo, then make install again' >&2; exit 2; }; done
	@scripts/docs.sh --binaries $(BINARIES) $(DOCS)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share
	install -m 755 $(foreach tool,$(TOOLS),$(BINARIES)/fwb-$(tool)) $(DESTDIR)$(PREFIX)/bin
	cp -R $(DOCS)/share/. $(DESTDIR)$(PREFIX)/share
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/doc/fwb-tools
	@for unit in scripts/systemd/fwb-*; do \
	  sed 's#@bindir@#$(PREFIX)/bin#' $$unit | install -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit; done
	install -m 644 scripts/systemd/backup.env $(DESTDIR)$(PREFIX)/share/doc/fwb-tools/backup.env
	sed 's#@bindir@#$(PREFIX)/bin#' scripts/cron/fwb | install -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/share/doc/fwb-tools/cron

deb: build ## A Debian package in target/deb
	@scripts/deb.sh

static: ## Tools that need no library of the system, into target/static
	@scripts/bootstrap.sh build
	@scripts/static.sh

sbom: ## What the tools are made of, as CycloneDX: target/sbom.cdx.json
	@scripts/bootstrap.sh demo
	@scripts/sbom.sh target/sbom.cdx.json

reproducible: ## Build twice in two places and compare; TOOLS='dump verify', all of them takes half an hour
	@scripts/bootstrap.sh build
	@scripts/reproducible.sh $(if $(filter command line,$(origin TOOLS)),$(TOOLS),verify)

pictures: build ## The pictures in docs/pictures, anew, of the tools at work
	@scripts/bootstrap.sh pictures
	@scripts/pictures.sh

image: ## Build the image for Kubernetes with docker, podman or buildah; SAVE=FILE writes it there too
	@scripts/image.sh $(if $(SAVE),--save '$(SAVE)') $(if $(BUILD_ARGS),-- $(BUILD_ARGS))

clean: ## Stop the private server and remove everything built
	-scripts/sandbox.sh stop --purge
	cargo clean

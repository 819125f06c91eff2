# The verbs of the house. Each works alone as the first command in a fresh clone, with git, make, a C compiler and
# Python 3.11 or newer; what else Debian must have is installed when we are root, and named when we are not.
#
#   build   .venv with the extensions built and .venv/bin/xinyu     check   lint, types, architecture: the quick part of test
#   run     xinyu serve, in the foreground (data in ./data)         bench   servers and their parts beside others;
#                                                                           bench-quick takes under 2 minutes; bench-micro
#                                                                           has the parts alone, for who works on them
#   test    everything, the debug build of the extensions included  wire    xinyu.wire from proto/
#   wheel   an sdist, and a wheel built out of it, in dist/         clean   all that these made, except ./data
#   cluster every role as a process of its own, with MariaDB, Redis, ZooKeeper and nginx, in the foreground (./cluster)
#   smoke   two people chat through a server that runs (URL=...)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
ROOMS := src services migrations web
FAST_SOURCES := $(wildcard src/xinyu/_fast/*.pyx src/xinyu/_fast/*.pxd src/xinyu/_fast/*.pxi src/xinyu/_fast/*.h)
APT := DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends

# Two makes in one checkout wait for each other.
LOCKED = mkdir -p build && flock build/.lock

.PHONY: build run cluster test smoke check bench bench-quick bench-micro wire wheel clean test-system cluster-system
.DEFAULT_GOAL := build

build: $(VENV)/.built

run: build
	@exec $(BIN)/xinyu serve

cluster: build cluster-system
	@exec $(BIN)/xinyu cluster run

# Two processes or more share the tests; most of them wait for servers. Alone: make test SIDE_BY_SIDE=
SIDE_BY_SIDE := -n logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder

test: $(VENV)/.test build test-system
	$(BIN)/python -m pytest tests $(SIDE_BY_SIDE)

# The core flow against a server that runs, over its one public address.
URL ?= http://127.0.0.1:9000
smoke: $(VENV)/.test build
	@$(BIN)/python -m tests.smoke $(URL)

check: $(VENV)/.test build
	$(BIN)/python -m pytest -q tests/unit/test_architecture.py tests/unit/test_static_checks.py

bench: $(VENV)/.bench build
	$(BIN)/python -m benchmarks.side_by_side

bench-quick: $(VENV)/.bench build
	$(BIN)/python -m benchmarks.side_by_side --quick --output build/bench

bench-micro: $(VENV)/.test build
	$(BIN)/python -m pytest benchmarks/micro --benchmark-only --benchmark-columns=min,median,ops,rounds --benchmark-sort=name

wire: $(VENV)/.test
	$(BIN)/python proto/generate.py

wheel: $(VENV)/.test
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

clean:
	rm -rf $(VENV) build dist *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf benchmarks/peers/node_modules tests/integration/rpc/node_client/node_modules
	rm -f src/xinyu/_fast/*.so
	find $(ROOMS) tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# ---- how the verbs get what they need

# What changed decides: pyproject.toml and setup.py what is installed, the compiled part's sources what is built.
$(VENV)/.built: $(VENV)/.installed setup.py $(FAST_SOURCES)
	@$(LOCKED) $(BIN)/python setup.py -q build_ext --inplace
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml setup.py src/xinyu/__init__.py
	@echo "installing xinyu and what it needs into $(VENV)"
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' > $(VENV)/build-requires.txt
	@$(PIP) install -r $(VENV)/build-requires.txt
	@$(LOCKED) env XINYU_EXTENSIONS= PYTHONWARNINGS=ignore $(PIP) install --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	@echo "installing what the tests need into $(VENV)"
	@$(LOCKED) env XINYU_EXTENSIONS= PYTHONWARNINGS=ignore $(PIP) install --no-build-isolation -e '.[test]'
	@touch $@

# The peers of the side-by-side benchmark; one that cannot be had is left out by it, with a line that says so.
$(VENV)/.bench: $(VENV)/.installed benchmarks/peers/package.json
	@echo "installing what XinYu is compared with"
	@$(LOCKED) env XINYU_EXTENSIONS= PYTHONWARNINGS=ignore $(PIP) install --no-build-isolation -e '.[bench]' || true
	@command -v npm >/dev/null && npm install --silent --no-package-lock --no-audit --no-fund --prefix benchmarks/peers || true
	@touch $@

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "xinyu needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c '$(HAS_HEADERS)' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get -qq update && $(APT) install python3-venv python3-dev; } || true
	@$(PYTHON) -c '$(HAS_HEADERS)' 2>/dev/null || { echo "missing: the venv module or Python.h of $(PYTHON) (Debian: apt-get install python3-venv python3-dev)" >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade pip
	@touch $@

HAS_HEADERS := import ensurepip, os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))

# The tests drive the system's Chromium, call from Node (which installs its gRPC by npm), and start MariaDB, Redis, ZooKeeper and nginx of their own; so does `xinyu env`.
SERVER_PACKAGES := mariadb-server redis-server nginx-light default-jre-headless libzookeeper-java libslf4j-java
# A Node that is there already may not go together with Debian's.
NODE_PACKAGES = $$(command -v node >/dev/null && command -v npm >/dev/null || echo nodejs npm)
HAS_SERVERS = PATH="$$PATH:/usr/sbin"; command -v mariadbd redis-server nginx java && [ -e /usr/share/java/zookeeper.jar ]

cluster-system:
	@{ $(HAS_SERVERS); } >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get -qq update && $(APT) install $(SERVER_PACKAGES) >/dev/null; } || { echo "missing: apt-get install $(SERVER_PACKAGES)" >&2; exit 1; }

test-system: cluster-system
	@{ command -v chromium && command -v node && command -v npm; } >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get -qq update && $(APT) install chromium $(NODE_PACKAGES) >/dev/null; } || { echo "missing: apt-get install chromium nodejs npm" >&2; exit 1; }

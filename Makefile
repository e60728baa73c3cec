# The commands of the project; `make` lists them.

# How long the demonstration runs, and of how many cameras. Plain assignments, so that a variable of the same
# name in the environment (bash has its own SECONDS) means nothing; `make demo SECONDS=60` does.
SECONDS = 20
CAMERAS = 4
unexport SECONDS CAMERAS

# The command. Of all packages the one program, so that they agree on features and the wheel finds them built.
BUILD = cargo build --release --locked --workspace --bin valkka

# The tests that have a longer form, with VALKKA_FAULTS=full in the environment.
FAULTS = $(addprefix --test ,power_loss kill full_file_system bit_flips garbage) -- --nocapture

# Where their files are: in memory if possible, for what they do is synced again and again, and disks wear out.
FAULTS_DIR = $(firstword $(wildcard /dev/shm) /tmp)

# Where Python is.
PYTHON = bindings/python examples

# Where rustup puts cargo, also right after `setup` has installed it.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

.DEFAULT_GOAL := help

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: setup-demo ## show CAMERAS synthetic cameras for SECONDS seconds: make demo SECONDS=60 CAMERAS=9
	$(BUILD)
	target/release/valkka demo --cameras $(CAMERAS) --seconds $(SECONDS)

test: test-rust test-python ## run every test

test-rust: setup-test
	cargo test --workspace --locked --no-fail-fast

test-python: setup-test ## run the tests of Python alone
	@scripts/test-python

test-faults: setup-test ## run the tests of faults in full: power cuts, killing, full disks, flipped bits, garbage
	VALKKA_FAULTS=full TMPDIR=$(FAULTS_DIR) cargo test --locked --no-fail-fast --package valkka-store --package valkka-core $(FAULTS)
	@VALKKA_CHAOS_SECONDS=300 VALKKA_RANDOM_SECONDS=60 scripts/test-python tests/test_chaos.py tests/test_lifetimes.py

build: setup-build ## build the command, target/release/valkka, and the wheel, in target/wheels
	$(BUILD)
	scripts/wheel

setup: ## install what demo, build, test and lint need
	@scripts/setup

setup-demo:
	@scripts/setup demo

setup-build:
	@scripts/setup demo build

setup-test:
	@scripts/setup demo build test

format: ## format the sources
	cargo fmt --all
	@scripts/setup-python lint && target/python/bin/ruff format --config bindings/python/pyproject.toml $(PYTHON)

lint: ## check format, warnings, types, documentation, scripts, licences, words
	@scripts/lint

bench: setup-test ## measure, and print the tables of docs/performance.md
	cargo bench --locked --package valkka --bench performance
	cargo bench --locked --package valkka --bench recording
	cargo bench --locked --package valkka --bench serving
	cargo bench --locked --package valkka-web --bench browsers
	scripts/bench-python

fuzz: ## feed damaged streams to each parser, a minute each (needs a nightly toolchain and cargo-fuzz)
	@scripts/fuzz

.PHONY: help demo test test-rust test-python test-faults build setup setup-demo setup-build setup-test format lint bench fuzz

# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# A top-level molecule/ folder is what users of the collection look for; naming it here also silences Molecule's advice to move it.
export MOLECULE_GLOB := molecule/*/molecule.yml

.PHONY: help setup demo demo-down test test-faults test-vm test-pi lint unit molecule docs bench build clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Make the virtual environment .venv (implied by the others)
	@scripts/setup

demo: setup ## Bring up a pair of hosts, deploy them, take a lease, fail over; leave them running
	@lab/demo up

demo-down: setup ## Remove what demo left running
	@lab/demo down

test: setup ## Lint, unit tests, simulated roll-outs, and the pairs of all Kea versions in the lab
	@scripts/check lint
	@scripts/check unit
	@scripts/check simulated
	@rm -f .cache/lab-tests
	@lab/run; tests=$$?; cat .cache/lab-tests && exit $$tests

test-faults: setup ## Accidents and faults under clients, one by one, into the tables of docs/faults.md; takes an hour
	@rm -f .cache/faults.jsonl
	@lab/run molecule test -s faults; tests=$$?; lab/faults.py && exit $$tests

test-vm: setup ## A pair of virtual machines: AppArmor, boots, power cuts, clocks, the firewall; 40 minutes where they are emulated
	@lab/vm.py run molecule test -s vm

test-pi: setup ## A pair of emulated Raspberry Pis (arm64); half an hour, and as long once for the image
	@lab/vm.py run molecule test -s raspberry_pi

lint: setup ## ansible-lint (production), yamllint, ruff, documentation, licences
	@scripts/check lint

unit: setup ## The unit tests (no host, no container)
	@scripts/check unit

docs: setup ## Write the generated parts of docs/ and of the roles' argument_specs
	@python scripts/docs.py

bench: setup ## Measure: renderer, runs of a pair beside plain ssh and apt, and what clients notice; takes over an hour
	@lab/run bench

build: setup ## Build the collection's tarball
	@ansible-galaxy collection build --force --output-path .cache

clean: ## Remove caches, the virtual environment and rendered files
	rm -rf .venv .cache .pytest_cache .ruff_cache .hypothesis rendered
	find . -path ./.git -prune -o -name __pycache__ -prune -exec rm -rf {} +

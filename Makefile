# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

VENV := .venv
READY := $(VENV)/.ready
LINT_VENV := .venv-lint
LINT_READY := $(LINT_VENV)/.ready
LINT_PYTHON := $(LINT_VENV)/bin/python
LAB := python3 roles/lab/files/lab
LINK := $(VENV)/collections/ansible_collections/lulab/lvs
# Relative, so that a checkout that is moved or copied runs its own modules, not those of its old place.
FROM_LINK := ../../../..
HOST ?= Host0
EXPERIMENTS := exp1 exp2 exp3 exp4
# Errors only: pip's warnings are about indexes, and about root.
INSTALL := pip install -qq --disable-pip-version-check --requirement
PLAY := cd playbooks && ansible-playbook -i lab

# $(CURDIR) may hold spaces: only here, where no shell takes it apart.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/playbooks/ansible.cfg

.DEFAULT_GOAL := help
.PHONY: help setup $(EXPERIMENTS) lab-up lab-down show verify clean ssh test bench docs lint sanity hooks role-docs changelog

help: ## List what there is to type
	@awk -F ':.*## ' '/^[$$a-zA-Z0-9()_-]+:.*## / { sub("[$$][(]EXPERIMENTS[)]", "exp1|exp2|exp3|exp4", $$1); printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(EXPERIMENTS): $(READY) ## Build an experiment in the lab, then verify and show it
	@$(LAB) build > /dev/null
	@$(PLAY) lab_up.yml $@.yml verify.yml show.yml

lab-up: $(READY) ## Start the lab's guests, or those that are missing
	@$(LAB) build > /dev/null
	@$(PLAY) lab_up.yml

lab-down: ## End the lab; nothing of it is left running
	@$(LAB) down --lab-dir .lab

show: $(READY) ## List what is built with ipvsadm, iptables, ipset and ip
	@$(PLAY) show.yml

verify: $(READY) ## Check what is built, hop by hop
	@$(PLAY) verify.yml

clean: $(READY) ## Take back what the experiments built
	@$(PLAY) clean.yml

ssh: ## Open a shell on a guest: make ssh HOST=Host1
	@ssh -F .lab/ssh_config $(HOST)

test: $(READY) ## Run all tests: unit, integration, scenarios
	@python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

bench: $(READY) ## Time the modules beside the field's own tools, as ratios
	@python tests/bench

docs: .venv-docs/.ready ## Build the documentation site: docs/build/html
	@.venv-docs/bin/python docs

lint: $(LINT_READY) ## Run all checks but the tests, a line each
	@$(LINT_PYTHON) tests/checks

sanity: $(LINT_READY) ## Of the checks, ansible-test and the unit tests on each ansible-core
	@$(LINT_PYTHON) tests/checks sanity units

hooks: $(LINT_READY) ## Have git run the quick checks before each commit
	@$(LINT_VENV)/bin/pre-commit install

role-docs: $(LINT_READY) ## Make the roles' READMEs from their argument specs
	@$(LINT_PYTHON) tests/checks/role_docs.py

changelog: $(LINT_READY) ## Make the changelog from its fragments, for the version in galaxy.yml
	@$(LINT_PYTHON) tests/checks/changelog.py

setup: $(READY) ## Install what is missing and make .venv

$(READY): requirements.txt roles/lab/files/lab/needs.py
	@$(LAB) doctor --install --for venv --for lab --for test
	@echo "Making $(VENV) with pinned dependencies (about half a minute) ..."
	@python3 -m venv $(VENV)
	@$(VENV)/bin/$(INSTALL) requirements.txt
	@mkdir -p $(dir $(LINK)) && ln -sfn $(FROM_LINK) $(LINK)
	@touch $@

.venv-docs/.ready: requirements-docs.txt
	@$(LAB) doctor --install --for venv
	@echo "Making .venv-docs with pinned dependencies (about half a minute) ..."
	@python3 -m venv .venv-docs
	@.venv-docs/bin/$(INSTALL) requirements-docs.txt
	@touch $@

$(LINT_READY): requirements-lint.txt
	@$(LAB) doctor --install --for venv
	@echo "Making $(LINT_VENV) with pinned dependencies (about half a minute) ..."
	@python3 -m venv $(LINT_VENV)
	@$(LINT_VENV)/bin/$(INSTALL) requirements-lint.txt
	@touch $@

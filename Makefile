# Run `make` to see what you can do. Every verb takes ENV= (default lab), may be interrupted, and run again.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

# One verb after the other, also with -j.
.NOTPARALLEL:

ENV ?= lab
# The lab's own settings: tests run theirs beside yours with another folder, name and ports.
LAB_STATE ?= .lab
LAB_NAME ?= ctlv-lab
LAB_API_PORT ?= 8006
LAB_WEB_PORT ?= 8080
LAB_REST_PORT ?= 8081

# What a caller gives is text: it reaches the programs through the environment as it was typed (provision/arguments.py), and
# is no expression of make's and no word of the shell's.
ENV_FROM := $(if $(filter environment,$(origin ENV)), in your shell's environment)
override export ENV := $(value ENV)
override export LAB_STATE := $(value LAB_STATE)
override export LAB_NAME := $(value LAB_NAME)
override export LAB_API_PORT := $(value LAB_API_PORT)
override export LAB_WEB_PORT := $(value LAB_WEB_PORT)
override export LAB_REST_PORT := $(value LAB_REST_PORT)
override export KEY := $(value KEY)
override export NAMES := $(value NAMES)
override export VMID := $(value VMID)
override export FINGERPRINT := $(value FINGERPRINT)
override export SNAPSHOT := $(value SNAPSHOT)
override export KEEP := $(value KEEP)
override export RELEASE := $(value RELEASE)
override export FROM := $(value FROM)
override export TIMES := $(value TIMES)
override export TO := $(value TO)
override export MAP := $(value MAP)
override export SHIFT := $(value SHIFT)
override export JOURNAL := $(value JOURNAL)
override export ROWS := $(value ROWS)
override export AUTHORITY := $(value AUTHORITY)
override export WHAT := $(value WHAT)
override export STATE := $(value STATE)
override export CONFIRM := $(value CONFIRM)
override export YES := $(value YES)
override export FORCE := $(value FORCE)
override export UNLOCK := $(value UNLOCK)
override export SKIP := $(value SKIP)
override export CLUSTER := $(value CLUSTER)
override export REBOOT := $(value REBOOT)
override export STOP := $(value STOP)
override export JSON := $(value JSON)
override export FOLLOW := $(value FOLLOW)
override export SINCE := $(value SINCE)
override export ROUNDS := $(value ROUNDS)
override export SWITCHES := $(value SWITCHES)
override export BROKEN := $(value BROKEN)
override export ONLY := $(value ONLY)
override export MINUTES := $(value MINUTES)
override export FRESH := $(value FRESH)
override export VERBOSE := $(value VERBOSE)
# Some shells set these for all they start: meant is only what stands behind make.
override export NAME := $(if $(findstring command,$(origin NAME)),$(value NAME))
override export HOST := $(if $(findstring command,$(origin HOST)),$(value HOST))
override export LINES := $(if $(findstring command,$(origin LINES)),$(value LINES))
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter override,$(origin $(name))),$(name)))
UNKNOWN := $(strip $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))

# Said before anything is done. `up` and the tests make what the other verbs need.
VERBS := $(filter-out help,$(or $(MAKECMDGOALS),help))
ENVIRONMENTS := $(patsubst inventory/%/hosts.yml,%,$(wildcard inventory/*/hosts.yml))
define NO_VARIABLE
make knows no variable $(UNKNOWN)
  Next: see README.md for those of each verb
endef
define NO_ENVIRONMENT
ENV is '$(ENV)'$(ENV_FROM), which is no folder of inventory/
  Next: give one of these: $(addprefix ENV=,$(ENVIRONMENTS))
endef
define NO_VENV
there is no complete .venv here
  Next: make up, or without a lab: setup/machine packages && setup/machine venv
endef
ifneq ($(UNKNOWN),)
$(error $(NO_VARIABLE))
endif
ifneq ($(VERBS),)
ifneq ($(words $(ENV))/$(filter $(ENVIRONMENTS),$(ENV)),1/$(ENV))
$(error $(NO_ENVIRONMENT))
endif
endif
ifneq ($(filter-out up test test-fast lint,$(VERBS)),)
ifeq ($(wildcard .venv/.complete),)
$(error $(NO_VENV))
endif
endif

# Ansible refuses to work in a locale that is not UTF-8 or that this machine has not: this one it always has.
export LC_ALL := C.UTF-8
# Plain `su` keeps a path without the administrator's programs.
export PATH := $(or $(value PATH),/usr/local/bin:/usr/bin:/bin):/usr/sbin:/sbin
ifeq ($(value HOME),)
export HOME := $(shell getent passwd "$$(id -u)" | cut -d : -f 6)
endif
ifeq ($(ENV),lab)
export CTLV_LAB_STATE := $(if $(filter /%,$(LAB_STATE)),$(LAB_STATE),$(CURDIR)/$(LAB_STATE))
export LOCK := $(CTLV_LAB_STATE)/busy.lock
else
export LOCK := $(value HOME)/.config/ctlv/$(ENV)/busy.lock
endif

# The lab makes containers, bridges and mounts: its verbs need root, and say so when they take it by sudo.
COMMA := ,
SPACE := $(COMMA:,=) $(COMMA:,=)
ifneq ($(shell id -u),0)
ifeq ($(ENV),lab)
AS_ROOT := sudo --preserve-env=CTLV_LAB_STATE,CI,MAKELEVEL,$(subst $(SPACE),$(COMMA),$(strip $(GIVEN))) env PYTHONDONTWRITEBYTECODE=1 LC_ALL=$(LC_ALL)
endif
endif
RUN := $(AS_ROOT) .venv/bin/python -m
ALONE := $(AS_ROOT) setup/alone "$$LOCK" .venv/bin/python -m
STEP := setup/step
# 2 says that something is left to do, which is no failure of the verb.
OR_PENDING := || [ $$? = 2 ]

##@ Everything
.PHONY: up down help
up: ## From an empty machine to a speaking agenda; prints the address at the end
	@bash setup/machine check
# The large shape's example, and what lies beside it, where they are not there yet.
	@for example in $(if $(filter 1,$(CLUSTER)),inventory/$(ENV)/hosts-cluster.yml.txt inventory/$(ENV)/host_vars/*/edge.yml.txt); do cp -n "$$example" "$${example%.txt}"; done
	@$(STEP) --quiet "1/6 machine" setup/machine packages
	@$(STEP) --quiet "1/6 machine" setup/machine venv
# A minute of work the first time, beside the making of lab and containers: deploy waits for it, and builds what it did not.
	@$(RUN) rollout.release.build --debian trixie >build/release.log 2>&1 &
ifeq ($(ENV),lab)
	@$(STEP) --quiet "2/6 lab" $(RUN) lab up
endif
	@$(STEP) --quiet "3/6 secrets" $(MAKE) secrets
	@$(STEP) "4/6 provision" $(MAKE) provision $(if $(filter lab,$(ENV)),YES=1)
	@$(STEP) "5/6 deploy" $(MAKE) deploy
# 3 says that something cannot be proved from here, such as what only a machine in VLAN 2028 sees.
	@$(STEP) "6/6 verify" $(RUN) tests.infra || [ $$? = 3 ]
	@$(RUN) rollout.reach address

down: ## Stop the lab and its containers; all data is kept
	@$(RUN) lab down

help: ## Show this list
	@awk 'BEGIN {FS = ":.*?## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*?## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nENV=lab is the default; ENV=srv-px5 is the real cluster. README.md tells the rest.\n'

##@ Containers
.PHONY: doctor plan provision adopt environment destroy status drift snapshot snapshot-list snapshot-restore
doctor: ## Would provisioning work? One line a check, with what to do
	@$(RUN) provision doctor

plan: ## Show what provisioning would change, field by field
	@$(RUN) provision plan $(OR_PENDING)

provision: doctor ## Check, plan, ask, then create or change the containers (YES=1 answers, REBOOT=1 restarts for what waits)
	@$(ALONE) provision apply $(OR_PENDING)

adopt: ## Take over an existing container: NAME=… VMID=…
	@$(RUN) provision adopt

environment: ## Another environment beside one, such as staging: NAME=staging FROM=srv-px5 SHIFT=20 (added to each VMID and address)
	@$(RUN) rollout.environments

destroy: ## Destroy containers by name: NAMES="…" (in the lab, all without NAMES; elsewhere STOP=1 stops running ones first)
	@$(ALONE) provision destroy $(if $(filter lab,$(ENV)),--stop)

status: ## One screen: containers, units, release, backups, certificate, disk; fails when something is red
	@status=0; $(RUN) provision status || status=1; $(RUN) rollout.status || status=1; exit $$status

drift: ## Does anything differ from the inventory? Exits 2 when it does
	@$(ALONE) rollout.drift

snapshot: ## Snapshot all containers together: SNAPSHOT=name KEEP=number
	@$(ALONE) provision snapshot

snapshot-list: ## List the snapshots
	@$(RUN) provision snapshot-list

snapshot-restore: ## Take all containers back to one: SNAPSHOT=name
	@$(ALONE) provision snapshot-restore

##@ Service
.PHONY: secrets rotate operators operator-add operator-remove escrow deploy redeploy rollback verify recover admin factor-reset audit demo logs metrics ssh trust maintenance backup restore import
secrets: ## Make the secrets that are missing, into the vault (AUTHORITY=new: also a certificate authority in the place of a lost one)
	@$(ALONE) rollout.secrets
	@$(ALONE) rollout.operators share

rotate: ## A new secret in the place of one, under load: WHAT=database|migrate|rest|secret-key|token-key|backup-key|host-keys|authority|api-token
	@$(ALONE) rollout.rotate
	@$(ALONE) rollout.operators share
	@$(ALONE) rollout.operators share

operators: ## Whose SSH keys open the containers and the vault, who holds which secret
	@$(RUN) rollout.operators list

operator-add: ## One more, from the next deploy on: NAME=anne KEY="ssh-ed25519 …" (or the .pub file)
	@$(ALONE) rollout.operators add

operator-remove: ## One less, from the next deploy on, and another password of the vault: NAME=anne
	@$(ALONE) rollout.operators remove

escrow: ## One encrypted bundle from which a bare machine operates and restores; the first time KEY=escrow-key.pub
	@$(ALONE) rollout.escrow

deploy: ## Configure every container with Ansible (SKIP=names: without these hosts, which are down)
	@$(ALONE) rollout.play deploy

redeploy: ## Ship new code without touching the rest (FORCE=1: also code that failed before; SKIP= as deploy)
	@$(ALONE) rollout.play redeploy

rollback: ## Serve the previous good release again, or the one that RELEASE= names (SKIP= as deploy)
	@$(ALONE) rollout.play rollback

maintenance: ## A page that says so instead of the agenda: STATE=on|off
	@$(RUN) rollout.reach maintenance

backup: ## Back up the database now, and fetch it (every night it happens by itself)
	@$(ALONE) rollout.backups backup

restore: ## Put a backup in the place of the live rows: FROM=latest|name|file, or TO="2026-11-29 14:05" (what was written until then)
	@$(ALONE) rollout.backups restore

import: ## The people and tasks of an old agenda: FROM=dump.sql|export.json|db.sqlite3 MAP=mapping.yml (without MAP= one is proposed)
	@$(ALONE) rollout.imports

recover: ## Of three databases none takes writes: bring them back with all they wrote (CONFIRM=hosts that are given up)
	@$(ALONE) rollout.recover

admin: ## Print a single-use link for a first administrator, who needs a phone with an authenticator app
	@$(RUN) rollout.reach address --admin

factor-reset: ## Remove the lost second factor of an account: NAME=…
	@$(RUN) rollout.reach factor-reset

audit: ## Who signed in, was refused, changed password, token, second step: SINCE=2026-11-30 NAME=account JSON=1
	@$(RUN) rollout.reach audit

demo: ## An account named demo with a believable week, and how to sign in
	@$(RUN) rollout.reach demo

logs: ## What the services of all containers said, nginx's lines too, by time: HOST=web|database|… SINCE="10 min ago" LINES=100 FOLLOW=1
	@$(RUN) rollout.logs

metrics: ## For a Prometheus and a Grafana that are there: whom to ask, alert rules, a board, into build/metrics/ENV/
	@$(RUN) rollout.metrics

ssh: ## A shell on a container: HOST=web|database|…
	@$(RUN) rollout.reach ssh

trust: ## Record a host key that you have compared on the container's console: NAME=… FINGERPRINT=SHA256:…
	@$(RUN) provision trust

verify: ## Prove that what is deployed behaves; changes nothing (SKIP=names: what is down there is not proved)
	@$(RUN) tests.infra

##@ Development
.PHONY: dev test test-fast lint bench-provision bench-app bench-rest bench-scale drill-reboot drill-redeploy drill-faults drill-restarts drill-flood drill-edge drill-drift drill-rpo drill-rotate drill-restore drill-upgrade mutants audit-packages
dev: ## The agenda on this machine, read anew when its code changes: no root, no lab
	@.venv/bin/python -m tests.app.dev

bench-provision: ## Our provisioner beside community.proxmox and the bare work: ratios (root, own lab; KEEP=1 for docs/bench.md)
	@$(RUN) tests.bench.provision

bench-app: ## The agenda beside a bare view, a huge table, the mariadb client and runserver: ratios (KEEP=1 for docs/bench.md)
	@.venv/bin/python -m tests.bench.app

bench-rest: ## What the API costs beside bare Django and MariaDB's client: ratios (KEEP=1 for docs/bench.md)
	@.venv/bin/python -m tests.bench.rest

bench-scale: ## What a request of each kind costs, 1,000 open pages, a million accounts slowed down (KEEP=1 for docs/bench.md)
	@.venv/bin/python -m tests.bench.scale

drill-reboot: ## Restart each container, in both orders, and prove that all comes back
	@$(ALONE) tests.drills.reboot

drill-redeploy: ## Twenty redeploys and rollbacks and seven broken releases under load: SWITCHES= BROKEN=
	@$(ALONE) tests.drills.redeploy

drill-faults: ## Kill, fill, cut off each container and move its clock under load: what people notice
	@$(ALONE) tests.drills.faults

drill-restarts: ## A deploy that restarts nginx and MariaDB while people work: is anybody refused, how long is the pause?
	@$(ALONE) tests.drills.restarts

drill-flood: ## One address floods the web: does anybody at another one notice?
	@$(ALONE) tests.drills.flood

drill-edge: ## Kill, cut off and restart edges, web hosts and databases under load: how long is nobody answered? ONLY=
	@$(ALONE) tests.drills.edge

drill-drift: ## 51 changes by hand: does drift name each, and deploy put back what it owns?
	@$(RUN) tests.drills.drift

drill-rpo: ## Cut the database's power while people write: what does its disk take along? TIMES=5
	@$(ALONE) tests.drills.rpo

drill-rotate: ## Rotate each secret while people and programs work: does anybody notice? ONLY=
	@$(ALONE) tests.drills.rotate

drill-restore: ## Restore the last backup aside, compare every row, print RTO and RPO: FROM=…
	@$(ALONE) rollout.backups drill

drill-upgrade: ## From the last release (FROM=commit) to this tree, under load, in a lab of its own: is anything lost?
	@$(RUN) tests.drills.upgrade

audit-packages: ## Known holes in the pinned packages, by pip-audit's database; says so when that cannot be asked
	@$(RUN) rollout.packages

mutants: ## Small mistakes in deadline, purge and speech: does a test notice each? NAME= MINUTES= FRESH=1 (KEEP=1 for docs/mutants.md)
	@.venv/bin/python -m tests.mutants

test: ## All tests, the whole road on real containers included (root, about 20 minutes)
	@tests/run all

test-fast: ## Tests without root and network, about two minutes
	@tests/run fast

lint: ## Every linter
	@tests/run lint

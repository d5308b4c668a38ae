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

# What a caller gives is text: to make it is no expression, and `quoted` makes it one word of the shell.
GIVEN := ENV LAB_STATE LAB_NAME LAB_API_PORT LAB_WEB_PORT LAB_REST_PORT NAME NAMES VMID SNAPSHOT KEEP RELEASE FROM JOURNAL ROWS AUTHORITY \
	HOST LINES STATE CONFIRM YES FORCE UNLOCK REBOOT STOP JSON FOLLOW ROUNDS SWITCHES BROKEN ONLY MINUTES FRESH
# Some shells set these for all they start: meant is only what stands behind make.
$(foreach name,NAME HOST LINES,$(if $(filter environment,$(origin $(name))),$(eval override $(name) :=)))
ENV_FROM := $(if $(filter environment,$(origin ENV)), in your shell's environment)
define NEWLINE


endef
$(foreach name,$(GIVEN),$(if $(filter undefined,$(origin $(name))),,$(eval override $(name) := $$(strip $$(subst $$(NEWLINE), ,$$(value $(name)))))))
quoted = '$(subst ','\'',$(1))'

# Said before anything is done. `up` and the tests make what the other verbs need.
VERBS := $(filter-out help,$(or $(MAKECMDGOALS),help))
ENVIRONMENTS := $(patsubst inventory/%/hosts.yml,%,$(wildcard inventory/*/hosts.yml))
define NO_ENVIRONMENT
ENV is '$(ENV)'$(ENV_FROM), which is no folder of inventory/
  Next: give one of these: $(addprefix ENV=,$(ENVIRONMENTS))
endef
define NO_VENV
there is no complete .venv here
  Next: make up, or without a lab: setup/machine packages && setup/machine venv
endef
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
export PATH := $(or $(PATH),/usr/local/bin:/usr/bin:/bin):/usr/sbin:/sbin
ifeq ($(HOME),)
export HOME := $(shell getent passwd "$$(id -u)" | cut -d : -f 6)
endif
ifeq ($(ENV),lab)
export CTLV_LAB_STATE := $(if $(filter /%,$(LAB_STATE)),$(LAB_STATE),$(CURDIR)/$(LAB_STATE))
endif

# The lab makes containers, bridges and mounts: its verbs need root, and say so when they take it by sudo.
ifneq ($(shell id -u),0)
ifeq ($(ENV),lab)
AS_ROOT := sudo --preserve-env=CTLV_LAB_STATE,CI env PYTHONDONTWRITEBYTECODE=1 LC_ALL=$(LC_ALL)
endif
endif
PYTHON := $(AS_ROOT) .venv/bin/python
LOCK := $(if $(filter lab,$(ENV)),$(LAB_STATE),$(HOME)/.config/ctlv/$(ENV))/busy.lock
ALONE := $(AS_ROOT) setup/alone $(call quoted,$(LOCK))
PROVISION := $(PYTHON) -m provision
PLAYBOOK := $(ALONE) env PATH="$$PWD/.venv/bin:$$PATH" .venv/bin/ansible-playbook --inventory inventory/$(ENV)
REACH := $(PYTHON) -m rollout.reach --env $(ENV)
LAB := $(PYTHON) -m lab
STEP := setup/step

NOT_DONE = { printf '$@ $(ENV): not done\n  Next: see above which task failed and why, then run the same again\n' >&2; exit 1; }
DEPLOY_ANSWERS = $(if $(FORCE),--extra-vars '{"agenda_force": true}') $(if $(UNLOCK),--extra-vars '{"agenda_unlock": true}')
ANSWERS := $(if $(YES),--yes) $(if $(CONFIRM),--confirm=$(call quoted,$(CONFIRM)))

##@ Everything
.PHONY: up down help
up: ## From an empty machine to a speaking agenda; prints the address at the end
	@bash setup/machine check $(ENV) $(call quoted,$(LAB_STATE)) $(call quoted,$(LAB_API_PORT)) $(call quoted,$(LAB_WEB_PORT)) $(call quoted,$(LAB_REST_PORT))
	@$(STEP) "1/6 machine" setup/machine packages
	@$(STEP) "1/6 machine" setup/machine venv
ifeq ($(ENV),lab)
	@$(STEP) "2/6 lab" $(LAB) up --state=$(call quoted,$(LAB_STATE)) --name=$(call quoted,$(LAB_NAME)) --api-port=$(call quoted,$(LAB_API_PORT)) --web-port=$(call quoted,$(LAB_WEB_PORT)) --rest-port=$(call quoted,$(LAB_REST_PORT))
endif
	@$(STEP) "3/6 secrets" $(MAKE) secrets
	@$(STEP) "4/6 provision" $(MAKE) provision $(if $(filter lab,$(ENV)),YES=1)
	@$(STEP) "5/6 deploy" $(MAKE) deploy
	@$(STEP) "6/6 verify" $(MAKE) verify
	@$(REACH) address

down: ## Stop the lab and its containers; all data is kept
	@$(LAB) down --state=$(call quoted,$(LAB_STATE))

help: ## Show this list
	@awk 'BEGIN {FS = ":.*?## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*?## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nENV=lab is the default; ENV=srv-px5 is the real cluster. README.md tells the rest.\n'

##@ Containers
.PHONY: doctor plan provision adopt destroy status drift snapshot snapshot-list snapshot-restore
doctor: ## Would provisioning work? One line a check, with what to do
	@$(PROVISION) doctor --env $(ENV)

plan: ## Show what provisioning would change, field by field
	@$(PROVISION) plan --env $(ENV) || [ $$? = 2 ]

provision: ## Check, plan, ask, then create or change the containers (YES=1 answers, REBOOT=1 restarts for what waits)
	@$(PROVISION) doctor --env $(ENV)
	@$(ALONE) .venv/bin/python -m provision apply --env $(ENV) $(if $(REBOOT),--reboot) $(ANSWERS) || [ $$? = 2 ]

adopt: ## Take over an existing container: NAME=… VMID=…
	@$(if $(and $(NAME),$(VMID)),true,false) || { printf 'adopt: NAME= or VMID= is missing\n  Next: make adopt NAME=<container of the inventory> VMID=<its number>\n' >&2; exit 1; }
	@$(PROVISION) adopt --vmid=$(call quoted,$(VMID)) --env $(ENV) $(ANSWERS) -- $(call quoted,$(NAME))

destroy: ## Destroy containers by name: NAMES="…" (in the lab, all without NAMES; elsewhere STOP=1 stops running ones first)
	@$(ALONE) .venv/bin/python -m provision destroy --env $(ENV) $(if $(filter lab,$(ENV)),--stop $(if $(NAMES)$(NAME),,--all),$(if $(STOP),--stop)) $(ANSWERS) -- $(foreach name,$(or $(NAMES),$(NAME)),$(call quoted,$(name)))

status: ## One screen: containers, units, release, backups, certificate, disk; fails when something is red
	@status=0; $(PROVISION) status --env $(ENV) || status=1; $(PYTHON) -m rollout.status --env $(ENV) || status=1; exit $$status

drift: ## Does anything differ from the inventory? Exits 2 when it does
	@$(ALONE) .venv/bin/python -m rollout.drift --env $(ENV) $(if $(JSON),--json)

snapshot: ## Snapshot all containers together: SNAPSHOT=name KEEP=number
	@$(ALONE) .venv/bin/python -m provision snapshot --env $(ENV) $(if $(SNAPSHOT),--name=$(call quoted,$(SNAPSHOT))) $(if $(KEEP),--keep=$(call quoted,$(KEEP))) $(ANSWERS)

snapshot-list: ## List the snapshots
	@$(PROVISION) snapshot-list --env $(ENV)

snapshot-restore: ## Take all containers back to one: SNAPSHOT=name
	@$(if $(SNAPSHOT),true,false) || { printf 'snapshot-restore: no SNAPSHOT= given\n  Next: choose one of `make snapshot-list`\n' >&2; exit 1; }
	@$(ALONE) .venv/bin/python -m provision snapshot-restore --env $(ENV) $(ANSWERS) -- $(call quoted,$(SNAPSHOT))

##@ Service
.PHONY: secrets deploy redeploy rollback verify admin demo logs ssh maintenance backup restore
secrets: ## Make the secrets that are missing, into the vault (AUTHORITY=new: also a certificate authority in the place of a lost one)
	@$(ALONE) .venv/bin/python -m rollout.secrets --env $(ENV) $(if $(AUTHORITY),--authority=$(call quoted,$(AUTHORITY)))

deploy: ## Configure every container with Ansible
	@$(PLAYBOOK) ansible/site.yml $(DEPLOY_ANSWERS) || $(NOT_DONE)
	@echo "deploy $(ENV): every container is as the inventory says"

redeploy: ## Ship new code without touching the rest (FORCE=1: also code that failed before)
	@$(PLAYBOOK) ansible/redeploy.yml $(DEPLOY_ANSWERS) || $(NOT_DONE)
	@echo "redeploy $(ENV): the code of this tree serves"

rollback: ## Serve the previous good release again, or the one that RELEASE= names
	@[[ $(call quoted,$(RELEASE)) =~ ^[A-Za-z0-9._-]*$$ ]] || { printf "rollback: RELEASE= is '%s', which names no release\n  Next: make status names them\n" $(call quoted,$(RELEASE)) >&2; exit 1; }
	@$(PLAYBOOK) ansible/rollback.yml $(DEPLOY_ANSWERS) $(if $(RELEASE),--extra-vars rollback_release=$(RELEASE)) || $(NOT_DONE)
	@echo "rollback $(ENV): $(or $(RELEASE),the previous good release) serves"

maintenance: ## A page that says so instead of the agenda: STATE=on|off
	@[[ $(call quoted,$(STATE)) =~ ^(on|off)$$ ]] || { printf 'maintenance: STATE= is "%s"\n  Next: make maintenance STATE=on, and STATE=off when it is over\n' $(call quoted,$(STATE)) >&2; exit 1; }
	@$(REACH) maintenance $(STATE)

backup: ## Back up the database now, and fetch it (every night it happens by itself)
	@$(ALONE) .venv/bin/python -m rollout.backups --env $(ENV) backup

restore: ## Put a backup in the place of the live rows: FROM=latest|name|file
	@$(if $(FROM),true,false) || { $(PYTHON) -m rollout.backups --env $(ENV) list; printf 'restore: no FROM= given\n  Next: choose one of these: make restore FROM=<name>\n' >&2; exit 1; }
	@$(ALONE) .venv/bin/python -m rollout.backups --env $(ENV) restore --from=$(call quoted,$(FROM)) $(if $(JOURNAL),--journal=$(call quoted,$(JOURNAL))) $(if $(ROWS),--rows=$(call quoted,$(ROWS))) $(ANSWERS)

admin: ## Print a single-use link for a first administrator
	@$(REACH) address --admin

demo: ## An account named demo with a believable week, and how to sign in
	@$(REACH) demo $(ANSWERS)

logs: ## The services' last lines: HOST=web|database|… LINES=100 FOLLOW=1
	@[[ $(call quoted,$(LINES)) =~ ^[0-9]*$$ ]] || { printf "logs: LINES= is '%s', not a number\n  Next: make logs LINES=100\n" $(call quoted,$(LINES)) >&2; exit 1; }
	@$(REACH) ssh --to=$(call quoted,$(or $(HOST),web)) journalctl --no-hostname --lines $(or $(LINES),100) $(if $(FOLLOW),--follow) --unit "'agenda*'" --unit nginx --unit mariadb --unit tinyproxy

ssh: ## A shell on a container: HOST=web|database|…
	@$(REACH) ssh --to=$(call quoted,$(or $(HOST),web))

verify: ## Prove that what is deployed behaves; changes nothing
	@$(PYTHON) -m tests.infra --env $(ENV)

##@ Development
.PHONY: test test-fast lint bench-provision bench-app bench-rest drill-reboot drill-redeploy drill-faults drill-restore mutants
bench-provision: ## Our provisioner beside community.proxmox and the bare work: ratios (root, own lab; KEEP=1 for docs/bench.md)
	@$(AS_ROOT) .venv/bin/python -m tests.bench.provision $(if $(ROUNDS),--rounds=$(call quoted,$(ROUNDS))) $(if $(KEEP),--keep)

bench-app: ## The agenda beside a bare view, a huge table, the mariadb client and runserver: ratios (KEEP=1 for docs/bench.md)
	@.venv/bin/python -m tests.bench.app $(if $(ROWS),--rows=$(call quoted,$(ROWS))) $(if $(ROUNDS),--rounds=$(call quoted,$(ROUNDS))) $(if $(KEEP),--keep)

bench-rest: ## What the API costs beside bare Django and MariaDB's client: ratios (KEEP=1 for docs/bench.md)
	@.venv/bin/python -m tests.bench.rest $(if $(ROWS),--rows=$(call quoted,$(ROWS))) $(if $(KEEP),--keep)

drill-reboot: ## Restart each container, in both orders, and prove that all comes back
	@$(ALONE) .venv/bin/python -m tests.drills.reboot --env $(ENV) $(ANSWERS)

drill-redeploy: ## Twenty redeploys and rollbacks and seven broken releases under load: SWITCHES= BROKEN=
	@$(ALONE) .venv/bin/python -m tests.drills.redeploy --env $(ENV) $(if $(SWITCHES),--switches=$(call quoted,$(SWITCHES))) $(if $(BROKEN),--broken=$(call quoted,$(BROKEN))) $(if $(KEEP),--keep) $(ANSWERS)

drill-faults: ## Kill, fill, cut off each container and move its clock under load: what people notice
	@$(ALONE) .venv/bin/python -m tests.drills.faults --env $(ENV) $(if $(ONLY),--only=$(call quoted,$(ONLY))) $(if $(KEEP),--keep) $(ANSWERS)

drill-restore: ## Restore the last backup aside, compare every row, print RTO and RPO: FROM=…
	@$(ALONE) .venv/bin/python -m rollout.backups --env $(ENV) drill $(if $(FROM),--from=$(call quoted,$(FROM))) $(ANSWERS)

mutants: ## Small mistakes in deadline, purge and speech: does a test notice each? NAME= MINUTES= FRESH=1 (KEEP=1 for docs/mutants.md)
	@.venv/bin/python -m tests.mutants $(if $(NAME),--only=$(call quoted,$(NAME))) $(if $(MINUTES),--minutes=$(call quoted,$(MINUTES))) $(if $(FRESH),--fresh) $(if $(KEEP),--keep)

test: ## All tests, the whole road on real containers included (root, about 20 minutes)
	@tests/run all

test-fast: ## Tests without root and network, about two minutes
	@tests/run fast

lint: ## Every linter
	@tests/run lint

# Python 3.11 or newer and make are all that must be there; everything else is installed here.

ENV ?= dev
PYTHON ?= python3
VENV := .venv
# torchtitan's own: a dependency of it and one of the CDK need different versions of typeguard.
TITAN := .venv-torchtitan
# Tools of releases and of lock files.
SUPPLY := .venv-supply
# Node, npm and every console script of the virtual environment come first for all recipes.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# uv would install into another one that is active.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Images of containers often set it, and then each of a thousand processes compiles what it imports.
unexport PYTHONDONTWRITEBYTECODE
# Node and uv trust what the system trusts: behind a company's proxy they fail otherwise.
export NODE_USE_SYSTEM_CA := 1
export UV_NATIVE_TLS := 1

# Nothing is installed that the lock files hold no hash of.
INSTALL := pip install --quiet --require-hashes

# PyTorch for processors, where pip is set up to find it; else PyPI's, which needs NVIDIA's libraries.
PYTORCH := requirements-pytorch.txt requirements-pytorch-cpu.txt requirements-pytorch-nvidia.txt
define install_pytorch
	$(call install_locks,requirements-pytorch.txt requirements-pytorch-cpu.txt,$(1)) 2> /dev/null || \
	  $(call install_locks,requirements-pytorch.txt requirements-pytorch-nvidia.txt,$(1))
endef

.PHONY: help setup rehearse rehearse-node rehearse-night campaign image-rehearsal fuzz properties mutants review review-samples test lint imported docs docs-outputs release-check golden rules reference unverified catalogue lock sbom vulnerabilities versions bench planner-fit planner-accuracy planner-rehearsals bench-training bench-network clean

help:
	@echo "make rehearse ENV=dev   deploy an environment to an emulated AWS on this machine"
	@echo "make rehearse-node      boot the nodes of an environment in virtual machines, with faults"
	@echo "make rehearse-night     a real Slurm with real monitoring, and the catalogue of faults"
	@echo "make campaign ENV=dev   let every resource of an environment fail, one after the other"
	@echo "make image-rehearsal    build the training image on a stand-in of AWS's base, and run it"
	@echo "make test               every test, linter and type check"
	@echo "make fuzz MINUTES=60    files that hurt, through every command that reads files"
	@echo "make mutants SAMPLE=200 small mistakes in the code, and whether the tests notice them"
	@echo "make review ENV=dev     what is built, what changes and what it risks, on one page"
	@echo "make golden             rewrite the golden templates that reviews compare, and say what changes"
	@echo "make rules              rewrite the page of the fabric rules"
	@echo "make unverified         rewrite the page of what only an account can tell"
	@echo "make docs               the site, in build/site"
	@echo "make release-check      wheel and sdist, checked and installed"
	@echo "make bench              measure synthesis against an empty CDK app"

# uv needs 3 s of processor time for what pip takes 40 for.
environment = uv venv --quiet --seed --python $(PYTHON) $(1) 2> /dev/null || $(PYTHON) -m venv $(1)

$(VENV)/bin/python:
	$(call environment,$(VENV))

# Lock files into an environment, by uv, which reads no configuration of pip's and is told its index and
# its folders of wheels; where it cannot, by pip, which would compile every module of aws-cdk-lib.
define install_locks
	{ index=$${PIP_INDEX_URL:-$$(pip config get global.index-url 2> /dev/null)}; \
	  links=$${PIP_FIND_LINKS:-$$(pip config get global.find-links 2> /dev/null)}; \
	  if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	  if [ -n "$$links" ]; then export UV_FIND_LINKS="$$(echo $$links | tr ' ' ,)"; fi; \
	  VIRTUAL_ENV=$(CURDIR)/$(2) uv $(INSTALL) --no-deps $(1:%=-r %) || \
	  { echo "uv cannot; pip does it, which takes longer" >&2; \
	    $(2)/bin/$(INSTALL) --no-compile --no-deps $(1:%=-r %); }; }
endef

# What a rehearsal and a deployment need: CDK from the lock files, Node and npm from a wheel; pip
# brings uv where there is none.
$(VENV)/rehearsal.stamp: $(VENV)/bin/python requirements-rehearsal.txt pyproject.toml package-lock.json
	command -v uv > /dev/null || { $(call packages,uv) requirements-supply.txt > $(VENV)/uv.txt; \
	  $(INSTALL) --no-deps -r $(VENV)/uv.txt; } || true
	$(call install_locks,requirements-rehearsal.txt,$(VENV))
	npm ci --no-audit --no-fund --prefer-offline --loglevel=error & npm=$$!; $(first_synthesis) & cdk=$$!; \
	  pip install --quiet --no-deps --no-build-isolation --editable . && wait $$npm && { wait $$cdk || true; }
	@touch $@

# What the first synthesis would do while everything waits for it: jsii unpacks the CDK into its
# cache, and Python compiles the modules that the constructs import, of which aws_ec2 is a third.
define first_synthesis
	{ python -m compileall -q $(VENV)/lib/python*/site-packages/aws_cdk/aws_ec2 & ec2=$$!; \
	  python -c 'import cdk_nag; from aws_cdk import $(CDK_MODULES)' > /dev/null 2>&1; wait $$ec2; }
endef
CDK_MODULES = $(shell grep -rhoE '^from aws_cdk import aws_\w+' constructs_lib stacks | sed 's/.* //' | sort -u | paste -sd, -)

# What tests need on top: test tools, and PyTorch for the training program.
$(VENV)/dev.stamp: $(VENV)/rehearsal.stamp requirements-dev.txt $(PYTORCH)
	$(call install_locks,requirements-dev.txt,$(VENV))
	$(call install_pytorch,$(VENV))
	@touch $@

$(TITAN)/stamp: $(PYTORCH) training/torchtitan/requirements.txt training/torchtitan/triton.txt
	$(call environment,$(TITAN))
	$(call install_pytorch,$(TITAN))
	$(call install_locks,training/torchtitan/requirements.txt training/torchtitan/triton.txt,$(TITAN))
	PYTHONPATH=. $(TITAN)/bin/python -W ignore -c 'from training.torchtitan import device; device.choose(); import training.torchtitan.trainer'
	@touch $@

setup: $(VENV)/rehearsal.stamp

rehearse: $(VENV)/rehearsal.stamp
	@ultracluster rehearse $(ENV) $(if $(KEEP),--keep)

# QEMU and mmdebstrap are Debian's packages; where they are missing it says what to install.
rehearse-node: $(VENV)/rehearsal.stamp
	@ultracluster rehearse $(ENV) --nodes $(if $(ACCEPT),--accept) $(if $(FAULT),--node-fault $(FAULT))

# The catalogue of faults on a real Slurm with real monitoring, half an hour: docs/operate/night.md.
# Debian's slurmctld slurmd slurm-client slurmdbd mariadb-server prometheus prometheus-alertmanager.
rehearse-night: $(VENV)/dev.stamp
	python -m tests.night.night

# A fault at every resource and between calls: how each ended, what was charged, what is left.
campaign: $(VENV)/rehearsal.stamp
	@ultracluster rehearse $(ENV) --campaign --page docs/campaign/$(ENV).md $(if $(JOBS),--jobs $(JOBS))

# Root, Debian's buildah and mmdebstrap, and a Python 3.12 that can be moved (PYTHON312);
# NCCL_TESTS=FOLDER takes a local copy of nccl-tests where GitHub cannot be reached.
image-rehearsal:
	tests/training/image/rehearse.sh

# Side by side: one process more than cores, up to four, as tests of a real Slurm mostly wait for its
# clock. `pytest` alone runs all tests one after the other.
PROCESSES = $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n + 1 : 4)))

test: $(VENV)/dev.stamp
	$(MAKE) --no-print-directory --jobs 2 lint $(TITAN)/stamp imported
	pytest --numprocesses $(PROCESSES) --dist loadscope

# Python compiles here what tests import, and not in each of several processes at the same moment.
imported: $(VENV)/dev.stamp
	@found=$$(pytest --collect-only -qq) || { echo "$$found"; exit 1; }

# Files that hurt, through every command that reads files; the seed is the time, and is printed.
fuzz: $(VENV)/dev.stamp
	python -m tests.hostile.campaign $(or $(MINUTES),60) $(SEED)

# Twenty times the examples of those properties of which each example takes a part of a second.
properties: $(VENV)/dev.stamp
	ULTRACLUSTER_EXAMPLES=$(or $(TIMES),20) pytest --numprocesses $(PROCESSES) $$(grep -l 'tests.drawn import' -r tests --include '*.py')

# Small mistakes in the code, which the tests have to notice without the golden templates: hours.
mutants: $(VENV)/dev.stamp
	python -m benchmarks.mutants --sample $(or $(SAMPLE),200) $(if $(SEED),--seed $(SEED)) $(if $(ROOM),--room $(ROOM))

lint: $(VENV)/dev.stamp
	ruff check .
	ruff format --check .
	mypy
	hadolint training/image/Dockerfile
	shellcheck .ci/run $$(find training tests ultracluster constructs_lib -name '*.sh' -o -name '*.sbatch') \
		$$(find ultracluster/rehearse/machine/root -path '*bin/*' -type f) \
		$$(find ultracluster/rehearse/machine/program -type f ! -name train)

# The site in build/site, every link of it checked. A release: `mike deploy --push 0.2 latest`.
docs: build/docs/stamp
	NO_MKDOCS_2_WARNING=1 build/docs/bin/mkdocs build --quiet

build/docs/stamp: requirements-docs.txt
	$(call environment,build/docs)
	$(call install_locks,$<,build/docs)
	@touch $@

# What README and the pages that tests follow print, written anew; read the diff.
docs-outputs: $(VENV)/dev.stamp
	python -m tests.docs.test_commands $(or $(PAGES),README.md $(addprefix docs/,$(addsuffix .md,environments existing-vpc audit cost course)))

# Wheel and sdist of what is committed, checked and installed in an empty environment.
release-check: $(SUPPLY)/stamp
	$(SUPPLY)/bin/python golden/release.py

golden: $(VENV)/dev.stamp
	python -m golden.generate
	python -m golden.samples
	python -m golden.image_page

# What the environment builds and what it changes against the golden templates, in build/review.
review: $(VENV)/rehearsal.stamp
	@ultracluster review $(ENV) --format html,md,json $(if $(BASELINE),--baseline $(BASELINE))

# The sample reports in docs/review, and where Chromium is installed the README's pictures of one.
review-samples: $(VENV)/dev.stamp
	python -m golden.samples
	if command -v chromium > /dev/null; then python -m tests.review.screenshot; fi

rules: $(VENV)/rehearsal.stamp
	python -m golden.rules_page

# Every command and option; the fields of environments, and their JSON Schema.
reference: $(VENV)/rehearsal.stamp
	python -m golden.commands_page
	python -m golden.specs_page

unverified: $(VENV)/rehearsal.stamp
	python -m golden.unverified_page

catalogue: $(VENV)/rehearsal.stamp
	python facts/generate.py
	python facts/replacements.py
	python facts/property_limits.py
	python -m facts.job_environment

bench: $(VENV)/dev.stamp
	python benchmarks/synthesis.py
	python benchmarks/audit.py
	python -m benchmarks.review
	python benchmarks/planner/speed.py

# The planner's constants, fitted again to half of the published runs on one node.
planner-fit: $(VENV)/dev.stamp
	python benchmarks/planner/fit.py

# docs/planner-accuracy.md: predicted against published, for every row.
planner-accuracy: $(VENV)/dev.stamp
	python benchmarks/planner/accuracy.py

# docs/training/rehearsals.md: each recipe's rehearsal against its plan; RECIPES="gpt-1b" rehearses
# these anew before, minutes each.
planner-rehearsals: $(VENV)/dev.stamp
	python benchmarks/planner/rehearsals.py $(RECIPES)

# On a machine without an NVIDIA GPU it says so and does nothing else.
bench-training: $(VENV)/dev.stamp
	python benchmarks/training/throughput.py

# MiCS against ZeRO-3 over rate-limited links between network namespaces: Linux, root, iproute2.
bench-network: $(VENV)/dev.stamp
	python benchmarks/training/mics_network.py

# The lock files, and what changed in them. $(1): what is compiled, $(2): further options.
compile = $(SUPPLY)/bin/uv pip compile $(1) --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet $(2)
# The packages of a lock whose names begin with one of $(1), each with its hashes; with `!` all others.
packages = awk '/^[A-Za-z]/ { named = /^($(1))/ } $(2)named'
# The wheel for processors that PyTorch's own index has of the pinned version (CPython 3.11, x86-64).
PYTORCH_CPU := 981442fab184a8791f7724dda9196ffa723bb038c6059d1b04b5f80196e746a6

$(SUPPLY)/stamp: requirements-supply.txt
	$(PYTHON) -m venv $(SUPPLY)
	$(SUPPLY)/bin/$(INSTALL) -r $<
	@touch $@

lock: $(SUPPLY)/stamp
	$(call compile,pyproject.toml,--extra rehearse --group build -o requirements-rehearsal.txt)
	$(call compile,pyproject.toml,--extra cdk --constraint requirements-rehearsal.txt -o requirements.txt)
	$(call compile,pyproject.toml,--extra review --group build --constraint requirements-rehearsal.txt -o requirements-audit.txt)
	$(call compile,pyproject.toml,--extra dev --group build --constraint requirements-rehearsal.txt -o requirements-dev.txt)
	$(call compile,--group supply,-o requirements-supply.txt)
	$(call compile,--group docs,-o requirements-docs.txt)
	$(call compile,training/requirements.txt,--constraint training/torchtitan/requirements.in --constraint requirements-dev.txt) > $(SUPPLY)/pytorch.txt
	$(call packages,nvidia|cuda|triton|torch==,!) $(SUPPLY)/pytorch.txt > requirements-pytorch.txt
	$(call packages,nvidia|cuda|triton|torch==) $(SUPPLY)/pytorch.txt > requirements-pytorch-nvidia.txt
	sed -n 's/^torch==\([^ ]*\).*/torch==\1+cpu \\\n    --hash=sha256:$(PYTORCH_CPU)/p' $(SUPPLY)/pytorch.txt > requirements-pytorch-cpu.txt
	$(call compile,training/torchtitan/requirements.in,--constraint requirements-pytorch-nvidia.txt) > $(SUPPLY)/torchtitan.txt
	$(call packages,nvidia|cuda|triton|torch==|numpy,!) $(SUPPLY)/torchtitan.txt > training/torchtitan/requirements.txt
	$(call packages,triton) $(SUPPLY)/torchtitan.txt > training/torchtitan/triton.txt
	npm install --package-lock-only --silent
	@git diff --unified=0 -- '*requirements*.txt' package-lock.json | grep -oE '^[-+]([A-Za-z][^ ]*==[^ ]*|.*"version".*)' || echo "No version changed."

# What is installed, as CycloneDX: the Python packages of each lock file, and npm's.
sbom: $(SUPPLY)/stamp $(VENV)/rehearsal.stamp
	mkdir -p build
	for lock in requirements.txt requirements-rehearsal.txt requirements-audit.txt; do \
	  $(SUPPLY)/bin/cyclonedx-py requirements $$lock --output-file build/sbom-$${lock%.txt}.json; done
	npm sbom --package-lock-only --sbom-format cyclonedx > build/sbom-npm.json

# Asks PyPI and npm for advisories about what the lock files hold; both answer over the internet alone.
vulnerabilities: $(SUPPLY)/stamp $(VENV)/rehearsal.stamp
	for lock in requirements-dev.txt requirements-pytorch.txt training/torchtitan/requirements.txt; do \
	  $(SUPPLY)/bin/pip-audit --strict --disable-pip --require-hashes --requirement $$lock || exit 1; done
	npm audit

# The foreign examples with the lowest and the highest CDK that the registry serves.
versions: $(VENV)/dev.stamp $(SUPPLY)/stamp
	PATH="$(CURDIR)/$(SUPPLY)/bin:$$PATH" python examples/versions.py

clean:
	rm -rf $(VENV) $(TITAN) $(SUPPLY) node_modules cdk.out build *.egg-info

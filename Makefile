# SPDX-License-Identifier: LGPL-2.1-or-later
# The front door. The build itself is meson's; see meson.build.
.PHONY: all demo test bench format lint install clean

all: build/build.ninja
	ninja -C build
	ln -sfn src/cli/cistern build/cistern
	ln -sfn src/daemon/cisternd build/cisternd

build/build.ninja:
	scripts/install-packages build
	meson setup build

demo:
	@scripts/install-packages build demo
	@$(MAKE) -s all
	scripts/demo

# The last line is `N passed, N failed, N skipped`.
test:
	scripts/install-packages build test lab
	scripts/test

bench:
	scripts/install-packages build bench lab
	meson setup build-bench --buildtype=release $(if $(wildcard build-bench/build.ninja),--reconfigure)
	ninja -C build-bench
	tests/bench/run build-bench --write docs/benchmarks.md
	tests/bench/run build-bench --lab --write docs/benchmarks.md

format:
	scripts/install-packages format
	git ls-files '*.c' '*.h' | xargs clang-format -i

lint:
	scripts/install-packages build format test
	scripts/lint

install: all
	meson install -C build

clean:
	rm -rf build build-*

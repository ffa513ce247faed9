# The toolchain and what is built with it. Sourced, never run.
# shellcheck shell=bash source=scripts/lib.sh disable=SC2154

cargo_deny_version=0.20.2

# OpenSSL, zlib, zstd and librdkafka are compiled from their sources.
need_toolchain() {
    command -v cargo >/dev/null || die "cargo is missing: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml") or newer with rustup"
    need gcc gcc libc6-dev
    need g++ g++
    need make make
    need perl perl
    local component
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 || rustup component add "${component/fmt/rustfmt}" >/dev/null 2>&1 ||
            die "cargo $component is missing: rustup component add ${component/fmt/rustfmt}"
    done
}

# Into target/tools, once a version. Unoptimised, because compiling it is what takes long.
install_cargo_deny() {
    local tools=$target/tools
    [[ "$("$tools/bin/cargo-deny" --version 2>/dev/null)" == "cargo-deny $cargo_deny_version" ]] && return
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_TARGET_DIR=$tools/build \
        cargo install cargo-deny --version "=$cargo_deny_version" --locked --force --no-track --quiet --root "$tools" || return
    rm -rf "$tools/build"
}

cargo_deny() { "$target/tools/bin/cargo-deny" "$@"; }

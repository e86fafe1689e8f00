# Formatting and lints.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# All tests.
test:
    cargo test --locked

# Google's Python and Node clients, for their conformance tests.
clients:
    bash tests/clients/set-up

# Go through changed snapshots.
review:
    cargo insta test --review --test-runner nextest

# What must hold under fault, at full size; and each fuzz target for a minute, where the toolchain permits.
soak:
    SOAK=1 cargo test --locked --test cli -- --nocapture --test-threads=1 every_fault swarm interrupted journal::
    bash fuzz/soak

# The API's documentation, warnings denied.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items

# All that CI runs.
ci:
    bash .ci/run

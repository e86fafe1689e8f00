# Formatting and lints.
check:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings

# All tests.
test:
    cargo test --locked

# Google's Python and Node clients, for their conformance tests.
clients:
    bash tests/clients/set-up

# Go through changed snapshots.
review:
    cargo insta test --review --test-runner nextest

# The API's documentation, warnings denied.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --document-private-items

# All that CI runs.
ci:
    bash .ci/run

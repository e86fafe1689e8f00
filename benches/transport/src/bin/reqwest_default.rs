//! One GET by reqwest as its builder makes it: root certificates are loaded when it is built.

use transport_bench::{comparable, get, run};

fn main() {
    run(async { get(comparable().build().expect("a client")).await });
}

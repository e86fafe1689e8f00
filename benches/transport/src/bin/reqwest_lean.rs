//! One GET by reqwest without root certificates, which serves plain HTTP only.

use transport_bench::{comparable, get, run};

fn main() {
    run(async { get(comparable().tls_certs_only([]).build().expect("a client")).await });
}

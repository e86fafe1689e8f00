//! One GET by our transport.

use http::{HeaderMap, Uri};
use transport_bench::transport::{Endpoint, Transport};
use transport_bench::{run, url};

fn main() {
    run(async {
        let endpoint = Endpoint::parse(&url()).expect("an address");
        let transport = Transport::to(&endpoint).expect("a transport");
        let uri: Uri = url().parse().expect("an address");
        let answer = transport.get(uri, HeaderMap::new()).await.expect("an answer");
        assert_eq!(answer.body.len(), 200);
    });
}

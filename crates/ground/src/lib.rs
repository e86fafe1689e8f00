//! What the program and its sandbox share: hop-by-hop headers, the claims of a token, private
//! files, and tunnels for upgraded connections.

pub mod hop_by_hop;
pub mod jwt;
pub mod private_files;
pub mod tunnel;

//! What the program and its sandbox share: hop-by-hop headers, the claims of a token, private
//! files, the form of secrets, and tunnels for upgraded connections.

pub mod hop_by_hop;
pub mod jwt;
pub mod private_files;
pub mod secret_text;
pub mod tunnel;

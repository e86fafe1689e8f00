//! What the program and its sandbox both stand on: headers that are about one connection, what stands in a
//! token, files that nobody else may read, and what follows where a connection speaks another protocol.

pub mod hop_by_hop;
pub mod jwt;
pub mod private_files;
pub mod tunnel;

//! How to call a service: the URL, the audience of the token, and the hosts that may receive it.

mod curl_line;
mod curl_words;
mod probe;
mod program;
mod target;
mod tell;
mod way;

pub use self::curl_line::{path_word, service_word};
pub use self::curl_words::{CurlWords, WordsError};
pub use self::probe::Prober;
pub use self::program::{Config, Ended, Program, run_program};
pub use self::target::{Call, Wanted, find};
pub use self::tell::{FrontEndRefusal, ResponseHeaders};
pub use self::way::{Way, destination, way};

//! What was read of the world and is asked for with request after request, kept until the world
//! changes.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// A state of the world. It differs from any other that was seen before or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(pub(super) i64);

/// As much as is kept of one kind. More is asked for by nobody but who means to fill the memory.
const MOST: usize = 1_000;

/// Values of one kind by their keys, each read at the state that is noted or after it.
pub(crate) struct Remembered<K, V>(Mutex<Option<(Version, HashMap<K, V>)>>);

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<K, V> fmt::Debug for Remembered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").finish_non_exhaustive()
    }
}

impl<K: Eq + Hash, V: Clone> Remembered<K, V> {
    /// The value of a key at a state of the world that was looked at before this call, or at a later
    /// one: remembered, or else read. Nobody waits for who reads.
    pub(crate) fn get<E>(
        &self,
        version: Version,
        key: K,
        read: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, values)) = &*lock()
            && *of == version
            && let Some(value) = values.get(&key)
        {
            return Ok(value.clone());
        }
        let value = read()?;
        let mut kept = lock();
        match &mut *kept {
            Some((of, values)) if *of == version && values.len() < MOST => {
                values.insert(key, value.clone());
            }
            _ => *kept = Some((version, HashMap::from([(key, value.clone())]))),
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_value_is_read_once_until_the_world_changes() {
        let remembered = Remembered::default();
        let reads = std::cell::Cell::new(0);
        let get = |version, key| {
            let read = || {
                reads.set(reads.get() + 1);
                Ok::<_, Infallible>(reads.get())
            };
            remembered.get(Version(version), key, read).unwrap()
        };
        assert_eq!((get(1, "a"), get(1, "a"), get(1, "b")), (1, 1, 2));
        assert_eq!((get(2, "a"), get(2, "a")), (3, 3));
        // Another state, though an earlier number: what is kept is not of it.
        assert_eq!(get(1, "a"), 4);
        let failed = remembered.get(Version(1), "c", || Err("no"));
        assert_eq!((failed, get(1, "c")), (Err("no"), 5));
    }

    #[test]
    fn the_memory_is_bounded() {
        let remembered = Remembered::default();
        for key in 0..3 * MOST {
            assert_eq!(remembered.get(Version(1), key, || Ok::<_, Infallible>(key)), Ok(key));
        }
        let kept = remembered.0.lock().unwrap();
        assert!(kept.as_ref().is_some_and(|(_, values)| values.len() <= MOST));
    }
}

//! Which known names are closest to one that is not known.

/// Returns up to three of `known` that are close enough to `typed` to be what was meant,
/// the closest first.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = typed.to_lowercase();
    let mut scored: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let lowered = name.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &lowered);
            let contained = wanted.len() > 2
                && lowered.len() > 2
                && (lowered.contains(&wanted) || wanted.contains(&lowered));
            let close = distance <= (wanted.chars().count() / 3).max(1) || contained;
            close.then_some((distance, name))
        })
        .collect();
    scored.sort_unstable();
    scored.dedup();
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_of_the_finger_and_parts_of_names() {
        let known = ["hello", "orders", "storefront", "status-page"];
        assert_eq!(nearest("helo", known), ["hello"]);
        assert_eq!(nearest("ordres", known), ["orders"]);
        assert_eq!(nearest("status", known), ["status-page"]);
        assert_eq!(nearest("zzz", known), Vec::<&str>::new());
    }
}

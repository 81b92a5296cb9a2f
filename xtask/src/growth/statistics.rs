//! What so many runs prove, and what is usual among them.

/// The chance of no more than `misses` in `n` tries that each miss with probability `rate`.
fn at_most(misses: u32, n: u32, rate: f64) -> f64 {
    // one term from the one before it, so that no factorial is needed
    let mut term = (1.0 - rate).powi(n as i32);
    let mut sum = term;
    for k in 0..misses.min(n) {
        term *= f64::from(n - k) / f64::from(k + 1) * rate / (1.0 - rate);
        sum += term;
    }
    sum
}

/// The share of successes that is exceeded with 95 % confidence (Clopper and Pearson, one-sided). 299 of 299 is 99.0 %.
fn lower_bound(misses: u32, n: u32) -> f64 {
    if misses >= n {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let rate = f64::midpoint(low, high);
        if at_most(misses, n, rate) > 0.05 {
            low = rate;
        } else {
            high = rate;
        }
    }
    1.0 - low
}

/// The same for a table.
pub(crate) fn show_lower_bound(misses: u32, n: u32) -> String {
    format!("{:.1} %", 100.0 * lower_bound(misses, n))
}

/// The smallest value that at least that share of the values does not exceed.
pub(crate) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

/// The same as a whole number, for a table.
pub(crate) fn show_percentile(values: &[f64], share: f64) -> String {
    percentile(values, share).map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_that_of_known_tables() {
        // without a miss it is 0.05^(1/n)
        for (misses, n, bound) in [
            (0, 48, 0.9395),
            (0, 200, 0.9851),
            (0, 299, 0.9900),
            (1, 100, 0.9534),
            (3, 50, 0.8522),
        ] {
            let found = lower_bound(misses, n);
            assert!((found - bound).abs() < 0.0002, "{misses} of {n}: {found}");
        }
        assert!(lower_bound(5, 5).abs() < 1e-9 && lower_bound(0, 0).abs() < 1e-9);
    }

    #[test]
    fn a_percentile_is_a_value_that_was_there() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(percentile(&values, 0.5), Some(3.0));
        assert_eq!(percentile(&values, 0.99), Some(5.0));
        assert_eq!(percentile(&values, 0.0), Some(1.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}

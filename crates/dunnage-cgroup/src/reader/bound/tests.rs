use super::*;
use proptest::prelude::*;

fn level(limit: Option<u64>, high: Option<u64>, swap: Option<u64>) -> Level {
    Level { limit, high, swap }
}

#[test]
fn the_tightest_level_binds_and_of_two_alike_the_lower_one() {
    let found = |levels: &[Level]| tightest(levels, None, None).map(|(at, _)| at);
    let limits = [Some(9), Some(5), Some(5)].map(|limit| level(limit, None, None));
    assert_eq!(found(&limits), Some(1));
    let limits = [level(Some(9), None, None), level(None, Some(4), None)];
    assert_eq!(found(&limits), Some(1), "memory.high binds too");
    assert_eq!(found(&[level(None, None, Some(0))]), None);
}

#[test]
fn a_hidden_limit_and_a_stated_one_bind_at_the_leaf() {
    let levels = [level(None, None, Some(3)), level(Some(90), None, Some(3))];
    let hidden = Hierarchical {
        memory: Size::Limit(40),
        both: None,
    };
    let (index, bound) = tightest(&levels, Some(hidden), None).unwrap();
    assert_eq!((index, bound.limit, bound.swap), (0, Some(40), 3));
    let (index, bound) = tightest(&levels, None, Some(50)).unwrap();
    assert_eq!((index, bound.limit, bound.swap), (0, Some(50), 0));
    let (index, bound) = tightest(&levels, None, Some(100)).unwrap();
    assert_eq!((index, bound.limit), (1, Some(90)), "the kernel's is lower");
}

#[test]
fn an_ancestor_that_does_not_bind_on_v1_is_passed_over() {
    let over_all = Hierarchical {
        memory: Size::Limit(80),
        both: None,
    };
    let levels = [level(Some(80), None, None), level(Some(20), None, None)];
    let (index, bound) = tightest(&levels, Some(over_all), None).unwrap();
    assert_eq!((index, bound.limit), (0, Some(80)));
}

#[test]
fn free_swap_is_read_as_the_kernel_writes_it() {
    let text = b"SwapTotal:       8000 kB\nSwapFree:        4000 kB\nZswap: 0 kB\n";
    assert_eq!(parse_free_swap(text), Some(4000 * 1024));
    assert_eq!(parse_free_swap(b"SwapFree: many kB\n"), None);
    assert_eq!(parse_free_swap(b""), None);
}

proptest! {
    #[test]
    fn the_bound_is_the_least_of_all_that_is_set(
        levels in prop::collection::vec((any::<Option<u64>>(), any::<Option<u64>>()), 0..6),
        stated: Option<u64>,
    ) {
        let levels: Vec<_> = levels.iter().map(|(limit, high)| level(*limit, *high, None)).collect();
        let least = levels.iter().flat_map(|level| [level.limit, level.high]).chain([stated]).flatten().min();
        let found = tightest(&levels, None, stated);
        prop_assert_eq!(found.map(|(_, bound)| bound.capacity), least);
        prop_assert!(found.is_none_or(|(index, _)| index < levels.len().max(1)));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_free_swap(&bytes);
    }
}

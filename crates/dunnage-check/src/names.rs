//! When two names are the same to a person: files write `shop_web`, images `shop-web` and `Shop.Web`.

/// A letter as it is compared: small, and `-` for what parts words.
fn plain_letter(letter: char) -> char {
    match letter {
        '_' | '.' => '-',
        other => other.to_ascii_lowercase(),
    }
}

/// A name as it is compared.
pub(crate) fn plain(name: &str) -> String {
    name.chars().map(plain_letter).collect()
}

/// Are they the same? Every image is compared with every folder: nothing is copied.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one
            .chars()
            .map(plain_letter)
            .eq(other.chars().map(plain_letter))
}

/// Is a word, or several, among the whole words of a name?
pub(crate) fn has_word(name: &str, word: &str) -> bool {
    let between = |name: &str| format!("-{}-", plain(name));
    !word.is_empty() && between(name).contains(&between(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_what_parts_words_make_no_other_name() {
        assert!(is_same("Shop_web", "shop-Web") && is_same("shop.web", "shop_web"));
        assert!(!is_same("shop-web", "shopweb") && !is_same("shop", "shop-web"));
    }

    #[test]
    fn a_word_is_looked_for_as_a_whole_one() {
        assert!(has_word("Shop_backend.v2", "backend") && has_word("my-web-app", "Web_app"));
        assert!(!has_word("backend", "end") && !has_word("shop", "") && !has_word("", "shop"));
    }
}

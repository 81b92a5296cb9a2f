//! Texts from outside, made safe for where they stand.

/// For HTML text and quoted attributes.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // NUL is an error in HTML, and the others do something to a terminal that the page's source is shown in
            letter if letter.is_control() && letter != '\n' && letter != '\t' => {
                out.push('\u{fffd}');
            }
            letter => out.push(letter),
        }
    }
    out
}

/// For JSON within a `<script>` of data: no text can end the element or open a comment in it.
pub(super) fn json_in_html(json: &str) -> String {
    // outside of strings, JSON has none of these letters
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_place() {
        assert_eq!(
            html("</script><img src=x onerror=\"alert('1')\">\u{0}&amp;"),
            "&lt;/script&gt;&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;\u{fffd}&amp;amp;"
        );
        assert_eq!(
            json_in_html(r#"{"name":"</script><!--<script>&"}"#),
            r#"{"name":"\u003c/script\u003e\u003c!--\u003cscript\u003e\u0026"}"#
        );
    }

    #[test]
    fn escaped_json_means_the_same() {
        let text = "</script> & <!-- \u{2028} \" ' \\";
        let json = serde_json::to_string(text).unwrap();
        let back: String = serde_json::from_str(&json_in_html(&json)).unwrap();
        assert_eq!(back, text);
    }
}

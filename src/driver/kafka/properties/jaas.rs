//! `sasl.jaas.config` of the Java client: a login module and its options on one line.

use std::collections::HashMap;

/// A login module and its options.
#[derive(Debug, PartialEq)]
pub(super) struct Login {
    /// The class without its package.
    pub module: String,
    pub options: HashMap<String, String>,
}

/// Reads `package.Module required key="value" …;`.
///
/// `None` where it isn't one; the text holds a password, so nothing of it may be told.
pub(super) fn parse(text: &str) -> Option<Login> {
    let text = text.trim();
    let (class, rest) = text.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let (flag, mut rest) = rest
        .split_once([' ', '\t', '\n', ';'])
        .unwrap_or((rest, ""));
    if !["required", "requisite", "sufficient", "optional"].contains(&flag.to_lowercase().as_str())
    {
        return None;
    }
    let mut options = HashMap::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() || rest == ";" {
            break;
        }
        let (key, after) = rest.split_once('=')?;
        let (value, after) = value(after.trim_start())?;
        options.insert(key.trim().to_owned(), value);
        rest = after;
    }
    let module = class.rsplit('.').next().unwrap_or(class).to_owned();
    Some(Login { module, options })
}

/// One value, in quotes with backslash escapes or bare, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| ['"', '\''].contains(c));
    let Some(quote) = quote else {
        let end = text
            .find(|c: char| c.is_whitespace() || c == ';')
            .unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = text[1..].char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next()?.1),
            c if c == quote => return Some((value, &text[index + 2..])),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_read_with_quotes_and_escapes() {
        let login = parse(
            "org.apache.kafka.common.security.scram.ScramLoginModule required \
             username=\"al;ice\"  password='s\\'3=\"cret' ;",
        )
        .unwrap();
        assert_eq!(login.module, "ScramLoginModule");
        assert_eq!(login.options["username"], "al;ice");
        assert_eq!(login.options["password"], "s'3=\"cret");
    }

    #[test]
    fn what_is_no_login_is_refused() {
        for text in [
            "",
            "Module",
            "Module maybe a=b;",
            "M required a;",
            "M required a=\"b",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("M required a=b").unwrap().options["a"], "b");
    }
}

//! `${NAME}` in values of files: what the environment has under that name, so that secrets stay
//! out of files.

use std::env;

use serde_yaml::Value;

use super::Problem;
use super::tree::Entry;

/// Puts the environment's values into all values, but for those of keys that are `kept`.
pub(super) fn resolve(
    entries: &mut [Entry],
    kept: &dyn Fn(&str) -> bool,
    problems: &mut Vec<Problem>,
) {
    for entry in entries.iter_mut().filter(|entry| !kept(&entry.key)) {
        resolve(&mut entry.children, kept, problems);
        if let Err(message) = resolve_value(&mut entry.value) {
            entry.unresolved = true;
            problems.push(Problem {
                origin: entry.at.clone(),
                message: format!("{}: {message}", entry.key),
            });
        }
    }
}

fn resolve_value(value: &mut Value) -> Result<(), String> {
    match value {
        Value::String(text) => *text = substitute(text)?,
        Value::Sequence(all) => all.iter_mut().try_for_each(resolve_value)?,
        // A mapping's values are those of its entries.
        _ => {}
    }
    Ok(())
}

/// The text with `${NAME}` replaced by the environment's value of that name, `${NAME:-TEXT}` by
/// TEXT where there is none or an empty one, and `$${` by `${`. What comes in is not looked at
/// again.
///
/// # Errors
/// Which variable there isn't, and what to do.
pub(super) fn substitute(text: &str) -> Result<String, String> {
    substitute_from(text, &|name| env::var(name))
}

fn substitute_from(
    text: &str,
    variable: &dyn Fn(&str) -> Result<String, env::VarError>,
) -> Result<String, String> {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        rest = &after[2..];
        if let Some(plain) = before.strip_suffix('$') {
            whole.push_str(plain);
            whole.push_str("${");
            continue;
        }
        whole.push_str(before);
        let Some((inner, behind)) = rest.split_once('}') else {
            return Err("${ has no }; add it, or write $${ for a plain ${".to_owned());
        };
        rest = behind;
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!(
                "${{{inner}}} does not name an environment variable; write $${{ for a plain ${{"
            ));
        }
        let found = match variable(name) {
            Err(env::VarError::NotUnicode(_)) => {
                return Err(format!("the environment variable {name} is not UTF-8 text"));
            }
            found => found.ok(),
        };
        match (found, default) {
            (Some(value), None) => whole.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => whole.push_str(&value),
            (_, Some(default)) => whole.push_str(default),
            (None, None) => {
                return Err(format!(
                    "there is no environment variable {name}; set it, or write ${{{name}:-DEFAULT}}"
                ));
            }
        }
    }
    whole.push_str(rest);
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, String> {
        substitute_from(text, &|name| match name {
            "USER" => Ok("ann".to_owned()),
            "_ODD1" => Ok("${USER}".to_owned()),
            "EMPTY" => Ok(String::new()),
            _ => Err(env::VarError::NotPresent),
        })
    }

    #[test]
    fn variables_are_replaced_once_and_a_doubled_dollar_keeps_them() {
        for (text, expected) in [
            ("plain $5 }{", "plain $5 }{"),
            ("${USER}", "ann"),
            ("a ${USER}-${USER}.", "a ann-ann."),
            ("${_ODD1}", "${USER}"),
            ("$${USER} ${USER}", "${USER} ann"),
            ("$USER", "$USER"),
            ("${NONE:-b:-c}", "b:-c"),
            ("${EMPTY:-x}${EMPTY}", "x"),
            ("${USER:-x}", "ann"),
            ("${NONE:-}", ""),
        ] {
            assert_eq!(with(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_or_no_name_is_told() {
        for (text, told) in [
            ("${NONE}", "there is no environment variable NONE; set it"),
            ("a ${USER", "${ has no }"),
            ("${}", "does not name"),
            ("${1A}", "does not name"),
            ("${file:/etc/secrets:password}", "does not name"),
        ] {
            let error = with(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}

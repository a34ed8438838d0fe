//! Commands to type, as texts: what a POSIX shell would read otherwise than it stands is quoted.

use std::borrow::Cow;
use std::path::Path;

/// An argument as one word of a shell.
pub fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |symbol: char| symbol.is_alphanumeric() || "_-./:,@%+=".contains(symbol);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// A path as one word of a shell; one that begins like an option stands behind `./`. Not solved: a path that is not UTF-8
/// has no spelling here that a shell reads back.
pub fn path_word(path: &Path) -> String {
    let text = path.display().to_string();
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    word(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_read_otherwise_is_quoted() {
        for plain in ["policy/baseline", "/ip4/127.0.0.1/tcp/7400", "策略包", "zhang=clerk"] {
            assert_eq!(word(plain), plain);
        }
        for text in ["", "my policy", "it's", "$HOME", "a;b", "~x", "a*", "《示例条例》", "a\\b"] {
            let output = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", word(text)))
                .output()
                .expect("a shell");
            assert_eq!(String::from_utf8_lossy(&output.stdout), text);
        }
        assert_eq!(path_word(Path::new("-x y")), "'./-x y'");
    }
}

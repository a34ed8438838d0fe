//! Commands to type, as texts: what a POSIX shell would read otherwise than it stands is quoted, and who typed one command
//! with flags that say at which node and as whom is told the next one with the same.

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

/// Commands that another person types: a plan is signed by somebody who did not stage it.
const OF_OTHERS: &[&str] = &["policy sign"];

/// Commands that the same person types at the same node, where a sentence names them. Others may be somebody else's: an
/// account is made by the security administrator, a member is entered by a coordinator.
const OWN: &[&str] = &[
    "check",
    "config validate",
    "federation members",
    "import",
    "join",
    "notice",
    "operator list",
    "peer list",
    "policy explain",
    "policy show",
    "policy status",
    "record",
    "serve",
    "status",
];

/// The flags that a command was typed with and that the next one needs as well: quoted, each behind a blank. What a variable
/// says holds for that command by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerFlags {
    /// At which node.
    pub place: String,
    /// As whom.
    pub person: String,
}

impl CallerFlags {
    /// A whole command, which begins with the program's name, as it is typed next.
    #[must_use]
    pub fn command(&self, command: &str) -> String {
        let Some(rest) = command.strip_prefix("chengxin ") else { return command.to_owned() };
        let person = if OF_OTHERS.iter().any(|other| rest.starts_with(other)) { "" } else { &self.person };
        format!("chengxin{}{person} {rest}", self.place)
    }

    /// A sentence with the commands in it as they are typed next.
    #[must_use]
    pub fn sentence(&self, sentence: &str) -> String {
        let mut parts = sentence.split("chengxin ");
        let mut told = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_own = OWN.iter().any(|own| {
                part.strip_prefix(own)
                    .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
            });
            told.push_str("chengxin");
            if is_own {
                told.push_str(&self.place);
                told.push_str(&self.person);
            }
            told.push(' ');
            told.push_str(part);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_has_the_flags_of_the_caller_and_another_persons_has_the_node_only() {
        let flags = CallerFlags { place: " --home /srv/a".to_owned(), person: " --operator wang".to_owned() };
        for (command, typed) in [
            ("chengxin policy status", "chengxin --home /srv/a --operator wang policy status"),
            ("chengxin policy sign v1 --digest 00", "chengxin --home /srv/a policy sign v1 --digest 00"),
            ("ls", "ls"),
        ] {
            assert_eq!(flags.command(command), typed);
            assert_eq!(CallerFlags::default().command(command), command);
        }
        for (sentence, told) in [
            (
                "start the node, then chengxin import resume b-1",
                "start the node, then chengxin --home /srv/a --operator wang import resume b-1",
            ),
            ("用 chengxin status 查看", "用 chengxin --home /srv/a --operator wang status 查看"),
            (
                "ask for chengxin operator add, then chengxin joined",
                "ask for chengxin operator add, then chengxin joined",
            ),
            ("use the chengxin of the same version", "use the chengxin of the same version"),
        ] {
            assert_eq!(flags.sentence(sentence), told);
            assert_eq!(CallerFlags::default().sentence(sentence), sentence);
        }
    }

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

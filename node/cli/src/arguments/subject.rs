//! Whom a command is about, as it is typed: the code itself, or `-` for the first line of standard input. Arguments of
//! a process can be read by everybody on the machine and stay in the shell's history, so a person's number is better
//! not among them.

use std::convert::Infallible;

/// A subject as typed. `Debug` leaves it out: it may be a person's number.
#[derive(Clone, PartialEq, Eq)]
pub struct SubjectArgument(String);

impl SubjectArgument {
    /// The code, unless it is to be read from standard input.
    pub fn typed(self) -> Option<String> {
        (self.0 != "-").then_some(self.0)
    }
}

impl std::str::FromStr for SubjectArgument {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for SubjectArgument {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SubjectArgument(..)")
    }
}

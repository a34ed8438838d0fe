//! The federation as its users run it.

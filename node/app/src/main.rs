//! The one binary `chengxin`.

fn main() {}

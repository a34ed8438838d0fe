//! A moment as documents spell it: RFC 3339 in UTC.

use chengxin_schemas::time::UnixTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment; its text is RFC 3339 in UTC with whole seconds, for example `2026-11-22T08:00:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Moment(pub UnixTime);

impl From<UnixTime> for Moment {
    fn from(time: UnixTime) -> Self {
        Self(time)
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.to_rfc3339())
    }
}

impl std::str::FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>()
            .map(|timestamp| Self(UnixTime(timestamp.as_second())))
            .map_err(|_| "not a time; write RFC 3339, for example 2026-11-22T08:00:00Z")
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_rfc_3339_in_both_directions() {
        let moment = Moment(UnixTime(1_795_334_400));
        let json = serde_json::to_string(&moment).expect("json");
        assert_eq!(json, "\"2026-11-22T08:00:00Z\"");
        assert_eq!(serde_json::from_str::<Moment>(&json).expect("round trip"), moment);
        assert_eq!("2026-11-22T16:00:00+08:00".parse::<Moment>().expect("offset"), moment);
        assert!("yesterday".parse::<Moment>().is_err());
    }
}

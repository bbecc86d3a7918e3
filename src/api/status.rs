//! How the gateway is, as JSON: the retained status at the broker, and health over HTTP.

use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// 2026 begins; since 1970. A device without a battery for its clock wakes up in 1970, or when its system was built.
const FIRST_GATEWAY: Duration = Duration::from_secs(1_767_225_600);

/// The gateway's retained status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Version of this form; grows only where an old reader would be misled.
    pub v: u32,
    /// The gateway's name.
    pub gateway: String,
    /// Grows with every start, so that a late word of an earlier one is known for what it is.
    pub session: u64,
    /// Is it there?
    pub state: Presence,
    /// Name and version of the model, if it is loaded.
    pub student: Option<String>,
    /// Why the journal takes no question; absent while it does, so that the status fits into the smallest packet of a broker.
    #[serde(default, skip_serializing_if = "JournalHealth::is_ok")]
    pub journal: JournalHealth,
    /// Has the device's clock been set?
    #[serde(default)]
    pub clock: Clock,
    /// Since the start.
    pub uptime_s: u64,
    /// While the gateway lives, a new status comes at least so often.
    pub heartbeat_s: u64,
    /// What it has counted since the start.
    pub counts: Counts,
    /// Serial ports whose adapter or device sends back what the gateway says; only where there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serial_echo: Vec<String>,
}

/// Has the device's clock been set since it was switched on? Only the dates of cases and reviews depend on it, and whether the broker's
/// certificate is believed; no order and no deadline does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// As far as is known.
    #[default]
    Set,
    /// It stands before the first gateway was made.
    Unset,
}

impl Clock {
    /// What a clock that shows this time is.
    pub fn showing(now: SystemTime) -> Self {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if since < FIRST_GATEWAY { Self::Unset } else { Self::Set }
    }
}

/// Is the gateway there?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It is.
    Online,
    /// It was stopped.
    Stopped,
    /// It is gone without a word; the broker says so in its name.
    Offline,
}

/// What the gateway has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// New questions.
    pub received: u64,
    /// Questions that came again.
    pub repeated: u64,
    /// Answers that stand.
    pub answered: u64,
    /// Questions that a person was asked about.
    pub escalated: u64,
    /// Questions whose time ran out.
    pub expired: u64,
    /// Questions that the model failed at.
    pub failed: u64,
    /// Answers and rationales that reached their asker.
    pub delivered: u64,
}

/// Is the gateway well?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok` where all below is as it should be.
    pub status: HealthStatus,
    /// Name and version of the model, if it is loaded.
    pub student: Option<String>,
    /// The journal, as far as it is known without writing.
    pub journal: JournalHealth,
    /// The broker.
    pub broker: BrokerHealth,
    /// The clock. No part of the sum: on a line without a network it may never be set, and every question is answered.
    pub clock: Clock,
    /// Serial ports whose adapter or device sends back what the gateway says; only where there are any. No part of the sum: what comes
    /// back is passed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serial_echo: Vec<String>,
}

/// The sum of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Questions are answered.
    Ok,
    /// Something is missing.
    Impaired,
}

/// The journal's part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JournalHealth {
    /// It takes questions.
    #[default]
    Ok,
    /// Its space is used up: new questions are refused.
    Full,
    /// Its disk has no room: new questions are refused, and what was acknowledged waits until there is some.
    DiskFull,
    /// It does not answer.
    Unreachable,
}

impl JournalHealth {
    /// It takes questions.
    pub fn is_ok(&self) -> bool {
        *self == Self::Ok
    }
}

/// The broker's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BrokerHealth {
    /// It is there.
    Connected,
    /// It is not.
    Disconnected,
    /// None is configured.
    Off,
}

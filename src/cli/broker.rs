//! x
use super::BrokerArgs;
/// x
pub fn broker(_args: &BrokerArgs) -> u8 {
    1
}

//! The RocketMQ that `scripts/test` has started, asked in the simplest form of its protocol.

use std::env;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::wait_for;

/// `code` of requests.
const GET_ALL_TOPIC_CONFIG: u32 = 21;
const GET_ALL_SUBSCRIPTIONGROUP_CONFIG: u32 = 201;
const GET_CONSUMER_CONNECTION_LIST: u32 = 203;
const GET_ALL_TOPIC_LIST_FROM_NAMESERVER: u32 = 206;

pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run scripts/test, or source the env file of scripts/broker rocketmq"
        )
    })
}

/// As a person gives it with `-b`.
pub fn address() -> String {
    format!("rocketmq://{}", variable("OMB_ROCKETMQ"))
}

/// The content of an answer; null where it is refused.
fn ask(server: &str, code: u32, fields: &Value) -> Value {
    let header = json!({
        "code": code, "flag": 0, "language": "OTHER", "version": 0, "opaque": 1, "extFields": fields,
    });
    let header = header.to_string();
    let mut stream = TcpStream::connect(server).unwrap();
    let length = header.len() as u32;
    stream.write_all(&(length + 4).to_be_bytes()).unwrap();
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(header.as_bytes()).unwrap();
    let mut number = || {
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).unwrap();
        u32::from_be_bytes(bytes) as usize
    };
    let (whole, header) = (number(), number());
    let mut rest = vec![0; whole - 4];
    stream.read_exact(&mut rest).unwrap();
    serde_json::from_slice(&rest[header..]).unwrap_or_default()
}

/// Names that are the keys of a table.
fn keys(table: &Value) -> Vec<String> {
    let keys = table.as_object().into_iter().flatten();
    keys.map(|(name, _)| name.clone()).collect()
}

/// Names of all topics and groups that contain this.
pub fn names(part: &str) -> Vec<String> {
    names_at(
        &variable("OMB_ROCKETMQ"),
        &variable("OMB_ROCKETMQ_BROKER"),
        part,
    )
}

/// As [`names`], at this name server and broker.
pub fn names_at(name_server: &str, broker: &str, part: &str) -> Vec<String> {
    let none = json!({});
    let listed = ask(name_server, GET_ALL_TOPIC_LIST_FROM_NAMESERVER, &none);
    let listed = listed["topicList"].as_array().unwrap().iter();
    let mut names: Vec<String> = listed
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    names.extend(keys(
        &ask(broker, GET_ALL_TOPIC_CONFIG, &none)["topicConfigTable"],
    ));
    let groups = ask(broker, GET_ALL_SUBSCRIPTIONGROUP_CONFIG, &none);
    names.extend(keys(&groups["subscriptionGroupTable"]));
    names.retain(|name| name.contains(part));
    // What the broker has made for a group is of the group: `%RETRY%GROUP`.
    for name in &mut names {
        *name = name.rsplit('%').next().unwrap().to_owned();
    }
    names.sort_by_key(|name| (name.starts_with("sub-"), name.clone()));
    names.dedup();
    names
}

/// Whether all groups whose names contain this are without members.
pub fn is_without_members(part: &str) -> bool {
    let broker = variable("OMB_ROCKETMQ_BROKER");
    let groups = ask(&broker, GET_ALL_SUBSCRIPTIONGROUP_CONFIG, &json!({}));
    let groups = keys(&groups["subscriptionGroupTable"]).into_iter();
    groups.filter(|name| name.contains(part)).all(|name| {
        let fields = json!({"consumerGroup": name});
        let connected = ask(&broker, GET_CONSUMER_CONNECTION_LIST, &fields);
        connected["connectionSet"]
            .as_array()
            .is_none_or(Vec::is_empty)
    })
}

/// Fails if a topic or a group of this run, or what the broker has made for it, is there longer than a killed
/// run may leave it.
pub fn assert_nothing_left(run: &str) {
    wait_for("topics and groups gone", Duration::from_secs(10), || {
        names(run).is_empty().then_some(())
    });
}

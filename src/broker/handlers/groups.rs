//! Joining and leaving groups, and looking at them. A member with an instance id is served as any
//! other: it rejoins when it comes back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    GroupId, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, SyncGroupRequest,
    SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::code;
use crate::broker::connection::Client;
use crate::broker::core::Core;
use crate::broker::groups::member::{Answer, Join, Joined, Joining, Member};
use crate::broker::groups::{Group, Phase};
use crate::broker::liar::Liar;
use crate::broker::wire::Head;

/// From this version on, a new member is given its id first and joins with it.
const INVITED_SINCE: i16 = 4;

/// From this version on, members leave several at once.
const LEAVE_TOGETHER_SINCE: i16 = 3;

/// From this version on, groups are listed with their states.
const STATES_SINCE: i16 = 4;

/// The longest session, as with Kafka.
const LONGEST_SESSION: Duration = Duration::from_secs(1800);

/// Takes a member into its group's next generation.
pub async fn join(client: &Client, head: &Head, request: JoinGroupRequest) -> JoinGroupResponse {
    let asked = request.member_id.clone();
    let core = &client.core;
    let response = JoinGroupResponse::default();
    let started = start(client, head, request);
    // A new generation has deadlines.
    core.changed();
    let joined = match started {
        Ok(Join::Invited(member)) => {
            return response
                .with_error_code(ResponseError::MemberIdRequired.code())
                .with_generation_id(-1)
                .with_protocol_name(Some(StrBytes::new()))
                .with_member_id(StrBytes::from_string(member));
        }
        Ok(Join::Answer(answer)) => wait(answer).await,
        Err(error) => Err(error),
    };
    match joined {
        Ok(joined) => response_of(response, joined),
        Err(error) => response
            .with_error_code(error.code())
            .with_generation_id(-1)
            .with_protocol_name(Some(StrBytes::new()))
            .with_member_id(asked),
    }
}

fn response_of(response: JoinGroupResponse, joined: Joined) -> JoinGroupResponse {
    let member = |(id, metadata)| {
        JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_string(id))
            .with_metadata(metadata)
    };
    response
        .with_generation_id(joined.generation)
        .with_protocol_name(Some(StrBytes::from_string(joined.protocol)))
        .with_leader(StrBytes::from_string(joined.leader))
        .with_member_id(StrBytes::from_string(joined.member))
        .with_members(joined.members.into_iter().map(member).collect())
}

fn start(client: &Client, head: &Head, request: JoinGroupRequest) -> Result<Join, ResponseError> {
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let session = millis(request.session_timeout_ms).unwrap_or_default();
    if session.is_zero() || session > LONGEST_SESSION {
        return Err(ResponseError::InvalidSessionTimeout);
    }
    let own = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    let who = Joining {
        member: request.member_id.to_string(),
        invite: head.version >= INVITED_SINCE,
        client: head.client.clone(),
        host: client.peer.ip().to_string(),
        session,
        // Version 0 knows one time for both.
        rebalance: millis(request.rebalance_timeout_ms).unwrap_or(session),
        kind: request.protocol_type.to_string(),
        protocols: request
            .protocols
            .iter()
            .map(|protocol| (protocol.name.to_string(), own(&protocol.metadata)))
            .collect(),
    };
    let groups = &mut client.core.state.borrow_mut().groups;
    let group = match who.member.is_empty() {
        true => groups.get_or_create(&request.group_id),
        false => groups
            .get(&request.group_id)
            .ok_or(ResponseError::UnknownMemberId)?,
    };
    group.join(who, Instant::now())
}

fn millis(value: i32) -> Option<Duration> {
    u64::try_from(value).ok().map(Duration::from_millis)
}

async fn wait<T>(answer: Answer<T>) -> Result<T, ResponseError> {
    match answer {
        Answer::Now(answer) => Ok(answer),
        // Without an answer, the member was taken for dead, or joined again elsewhere.
        Answer::Later(answer) => answer.await.unwrap_or(Err(ResponseError::UnknownMemberId)),
    }
}

/// Takes what the leader assigned, gives a member its part.
pub async fn sync(core: &Core, request: SyncGroupRequest) -> SyncGroupResponse {
    let own = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    let assigned = request
        .assignments
        .iter()
        .map(|one| (one.member_id.to_string(), own(&one.assignment)))
        .collect();
    let (member, generation) = (&request.member_id, request.generation_id);
    let started = with(core, &request.group_id, |group| {
        group.sync(member, generation, assigned, Instant::now())
    });
    core.changed();
    let synced = match started {
        Ok(answer) => wait(answer).await,
        Err(error) => Err(error),
    };
    SyncGroupResponse::default()
        .with_error_code(code(&synced))
        .with_assignment(synced.unwrap_or_default())
}

/// Hears that a member is alive.
pub fn heartbeat(core: &Core, request: &HeartbeatRequest) -> HeartbeatResponse {
    let heard = with(core, &request.group_id, |group| {
        group.heartbeat(&request.member_id, request.generation_id, Instant::now())
    });
    let heard = match &core.liar {
        Some(liar) if called_back(core, liar, &request.group_id) => {
            heard.and(Err(ResponseError::RebalanceInProgress))
        }
        _ => heard,
    };
    HeartbeatResponse::default().with_error_code(code(&heard))
}

/// Whether the liar wants a group to join again.
fn called_back(core: &Core, liar: &Liar, group: &str) -> bool {
    let state = core.state.borrow();
    let reads = |topic: &str| {
        let mut readers = state.groups.readers(topic).into_iter();
        readers.any(|(reader, _)| reader == group)
    };
    let mut topics = state.topics.keys();
    topics.any(|topic| liar.calls_back(topic, group) && reads(topic))
}

/// Lets members go.
pub fn leave(core: &Core, version: i16, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let go = |id: &str| {
        with(core, &request.group_id, |group| {
            group.leave(id, Instant::now())
        })
    };
    let response = if version < LEAVE_TOGETHER_SINCE {
        LeaveGroupResponse::default().with_error_code(code(&go(&request.member_id)))
    } else {
        let members = request.members.into_iter().map(|member| {
            MemberResponse::default()
                .with_error_code(code(&go(&member.member_id)))
                .with_member_id(member.member_id)
                .with_group_instance_id(member.group_instance_id)
        });
        LeaveGroupResponse::default().with_members(members.collect())
    };
    core.state.borrow_mut().groups.sweep();
    response
}

/// Does something to a group that is there.
fn with<T>(
    core: &Core,
    name: &str,
    act: impl FnOnce(&mut Group) -> Result<T, ResponseError>,
) -> Result<T, ResponseError> {
    if name.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let groups = &mut core.state.borrow_mut().groups;
    act(groups.get(name).ok_or(ResponseError::UnknownMemberId)?)
}

/// Says what a person wants to know of groups.
pub fn describe(core: &Core, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = &mut core.state.borrow_mut().groups;
    let describe = |name: GroupId| {
        let response = DescribedGroup::default();
        let response = match groups.get(&name) {
            Some(group) => describe_one(response, group),
            None => response.with_group_state(StrBytes::from_static_str("Dead")),
        };
        response.with_group_id(name)
    };
    DescribeGroupsResponse::default()
        .with_groups(request.groups.into_iter().map(describe).collect())
}

fn describe_one(response: DescribedGroup, group: &Group) -> DescribedGroup {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let member = |(id, member): (&String, &Member)| {
        DescribedGroupMember::default()
            .with_member_id(text(id))
            .with_client_id(text(&member.said.client))
            .with_client_host(text(&format!("/{}", member.said.host)))
            .with_member_metadata(member.says(&group.protocol))
            .with_member_assignment(member.assignment.clone())
    };
    response
        .with_group_state(state(group))
        .with_protocol_type(text(&group.kind))
        .with_protocol_data(text(&group.protocol))
        .with_members(group.members.iter().map(member).collect())
}

fn state(group: &Group) -> StrBytes {
    StrBytes::from_static_str(match group.phase {
        Phase::Empty => "Empty",
        Phase::Joining { .. } => "PreparingRebalance",
        Phase::Assigning { .. } => "CompletingRebalance",
        Phase::Stable => "Stable",
    })
}

/// Lists the groups, or those in certain states.
pub fn list(core: &Core, head: &Head, request: &ListGroupsRequest) -> ListGroupsResponse {
    let state_of = state;
    let core_state = core.state.borrow();
    let listed = core_state.groups.iter().filter_map(|(name, group)| {
        let state = state_of(group);
        let wanted = request.states_filter.is_empty() || request.states_filter.contains(&state);
        let listed = ListedGroup::default()
            .with_group_id(GroupId(StrBytes::from_string(name.clone())))
            .with_protocol_type(StrBytes::from_string(group.kind.clone()));
        let listed = match head.version >= STATES_SINCE {
            true => listed.with_group_state(state),
            false => listed,
        };
        wanted.then_some(listed)
    });
    ListGroupsResponse::default().with_groups(listed.collect())
}

/// Deletes groups that have no members.
pub fn delete(core: &Core, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let groups = &mut core.state.borrow_mut().groups;
    let results = request.groups_names.into_iter().map(|name| {
        let error = match groups.get(&name) {
            None => ResponseError::GroupIdNotFound.code(),
            Some(group) if !group.members.is_empty() => ResponseError::NonEmptyGroup.code(),
            Some(_) => {
                groups.remove(&name);
                0
            }
        };
        DeletableGroupResult::default()
            .with_group_id(name)
            .with_error_code(error)
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}

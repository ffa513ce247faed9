//! Administration: exchanges and queues over AMQP, and lists of them from the management plugin.

use std::sync::Arc;

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind, Queue};

use super::connect::{Nodes, explain};
use super::management::Management;
use super::{queue_arguments, queue_name, short};
use crate::clock::Instant;
use crate::config::RabbitMqConfig;
use crate::driver::link::wait_for;
use crate::driver::patience::enter;
use crate::driver::{
    Admin, DriverError, Group, Leftovers, NewTopic, SeenTopic, Survey, TopicState, Undone,
};

/// `reply-code` of what isn't there, and of what is there and not as it is asked for.
const NOT_FOUND: u16 = 404;
const DIFFERENT: u16 = 406;

/// Creates and deletes exchanges and queues.
pub struct RabbitMqAdmin {
    nodes: Nodes,
    config: Arc<RabbitMqConfig>,
    management: Management,
    connection: Option<Connection>,
    attempts: usize,
}

/// How something failed.
enum Failure {
    /// The broker's answer, which ended the channel: its code and text.
    Answered(u16, String),
    /// Nobody answered.
    Unanswered(DriverError),
}

impl Failure {
    fn of(error: &lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(refused) => {
                Self::Answered(refused.get_id(), refused.get_message().to_string())
            }
            _ => Self::Unanswered(explain(error)),
        }
    }
}

impl RabbitMqAdmin {
    /// Not connected yet.
    pub fn new(nodes: Nodes, config: Arc<RabbitMqConfig>) -> Self {
        Self {
            management: Management::new(&config),
            nodes,
            config,
            connection: None,
            attempts: 0,
        }
    }

    /// A new channel; what is refused ends the one that it was asked on.
    fn channel(&mut self, deadline: Instant) -> Result<Channel, DriverError> {
        let alive = |connection: &&Connection| connection.status().connected();
        if self.connection.as_ref().filter(alive).is_none() {
            let number = self.attempts;
            self.attempts += 1;
            let nodes = self.nodes.clone();
            let connecting = async move { nodes.connect(number, "omb-steward").await };
            self.connection = Some(wait_for(deadline, &self.silent(), connecting)?);
        }
        let Some(connection) = &self.connection else {
            return Err(DriverError(self.silent()));
        };
        wait_for(deadline, &self.silent(), async {
            connection.create_channel().await.map_err(|e| explain(&e))
        })
    }

    fn silent(&self) -> String {
        format!("RabbitMQ at {} does not answer", self.nodes.shown())
    }

    /// Does one thing for each of these, on one channel as long as nothing is refused. `work` says what
    /// becomes of a refusal: an error, or what is done without it.
    fn each<T, R>(
        &mut self,
        items: &[T],
        deadline: Instant,
        work: impl AsyncFn(&Channel, &T) -> lapin::Result<R>,
        mut refused: impl FnMut(&T, u16, String) -> Result<R, String>,
    ) -> Result<Vec<R>, Undone> {
        let mut done = Vec::with_capacity(items.len());
        let mut open: Option<Channel> = None;
        for item in items {
            let channel = match open.take() {
                Some(channel) => channel,
                None => self.channel(deadline)?,
            };
            let outcome = wait_for(deadline, &self.silent(), async {
                Ok(work(&channel, item).await)
            })?;
            match outcome {
                Ok(result) => {
                    done.push(result);
                    open = Some(channel);
                }
                Err(error) => match Failure::of(&error) {
                    Failure::Answered(code, text) => {
                        let instead = refused(item, code, text);
                        done.push(instead.map_err(|text| Undone::Refused(DriverError(text)))?);
                    }
                    Failure::Unanswered(error) => return Err(error.into()),
                },
            }
        }
        Ok(done)
    }
}

/// Whether an exchange is there.
async fn exists(channel: &Channel, topic: &str) -> lapin::Result<bool> {
    let options = ExchangeDeclareOptions {
        passive: true,
        ..ExchangeDeclareOptions::default()
    };
    let name = topic.into();
    channel
        .exchange_declare(name, ExchangeKind::Fanout, options, FieldTable::default())
        .await
        .map(|()| true)
}

/// Looks at a queue.
async fn passive(channel: &Channel, queue: &ShortString) -> lapin::Result<Queue> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(queue.clone(), options, FieldTable::default())
        .await
}

fn queues(group: &Group) -> Result<Vec<ShortString>, DriverError> {
    let topics = group.topics.iter();
    topics
        .map(|topic| short(&queue_name(topic, &group.name)))
        .collect()
}

impl Admin for RabbitMqAdmin {
    fn connect(&mut self, deadline: Instant) -> Result<(), DriverError> {
        const HOPELESS: [&str; 5] = [
            "ACCESS_REFUSED",
            "NOT_ALLOWED",
            "ertificate",
            "resolve",
            "lookup",
        ];
        let entered = enter(deadline, &HOPELESS, || {
            let number = self.attempts;
            self.attempts += 1;
            let nodes = self.nodes.clone();
            let connecting = async move { nodes.connect(number, "omb-steward").await };
            self.connection = Some(wait_for(deadline, "no answer", connecting)?);
            Ok(())
        });
        entered.map_err(|error| {
            DriverError(format!(
                "no RabbitMQ lets us in at {error}; check -b or amqpUris, with their users, \
                 passwords and virtual hosts"
            ))
        })
    }

    fn cluster(&mut self, deadline: Instant) -> Option<String> {
        self.management.cluster(deadline)
    }

    fn create_topics(&mut self, topics: &[NewTopic], deadline: Instant) -> Result<(), DriverError> {
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        let there = self.each(
            &names,
            deadline,
            async |channel, topic| exists(channel, topic).await,
            |_, code, text| match code {
                NOT_FOUND => Ok(false),
                _ => Err(text),
            },
        )?;
        if let Some((name, _)) = names.iter().zip(there).find(|(_, there)| *there) {
            return Err(DriverError(format!(
                "exchange {name} exists already: delete it, or use it with --topic {name}"
            )));
        }
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        self.each(
            &names,
            deadline,
            async |channel, topic| {
                let (name, kind) = (topic.as_str().into(), ExchangeKind::Fanout);
                channel
                    .exchange_declare(name, kind, options, FieldTable::default())
                    .await
            },
            |topic, _, text| Err(format!("cannot create exchange {topic}: {text}")),
        )?;
        Ok(())
    }

    fn create_groups(&mut self, groups: &[Group], deadline: Instant) -> Result<(), DriverError> {
        let arguments = queue_arguments(self.config.queue);
        let of_group = |group: &Group| -> Vec<(String, String)> {
            let topics = group.topics.iter();
            topics
                .map(|topic| (topic.clone(), queue_name(topic, &group.name)))
                .collect()
        };
        let all: Vec<(String, String)> = groups.iter().flat_map(of_group).collect();
        for (_, queue) in &all {
            short(queue)?;
        }
        self.each(
            &all,
            deadline,
            async |channel, (topic, queue)| {
                let options = QueueDeclareOptions {
                    durable: true,
                    ..QueueDeclareOptions::default()
                };
                let name: ShortString = queue.as_str().into();
                channel
                    .queue_declare(name.clone(), options, arguments.clone())
                    .await?;
                let (exchange, key) = (topic.as_str().into(), ShortString::default());
                let options = QueueBindOptions::default();
                channel
                    .queue_bind(name, exchange, key, options, FieldTable::default())
                    .await
            },
            |(_, queue), _, text| Err(format!("cannot create queue {queue}: {text}")),
        )?;
        Ok(())
    }

    /// The broker tells nobody.
    fn largest_message(&mut self, _topic: &str, _deadline: Instant) -> Option<u64> {
        None
    }

    fn describe(
        &mut self,
        topics: &[String],
        deadline: Instant,
    ) -> Result<Vec<TopicState>, DriverError> {
        self.each(
            topics,
            deadline,
            async |channel, topic| exists(channel, topic).await,
            |topic, code, text| {
                Err(match code {
                    NOT_FOUND => format!(
                        "there is no exchange {topic} in this virtual host: create it, or leave \
                     --topic out"
                    ),
                    _ => text,
                })
            },
        )?;
        let state = |name: &String| TopicState {
            name: name.clone(),
            ends: vec![0],
        };
        Ok(topics.iter().map(state).collect())
    }

    /// A queue gets what comes after it was bound.
    fn start_group_at(
        &mut self,
        group: &str,
        offsets: &[(String, u32, u64)],
        deadline: Instant,
    ) -> Result<(), DriverError> {
        let group = Group {
            name: group.to_owned(),
            topics: offsets.iter().map(|(topic, ..)| topic.clone()).collect(),
        };
        self.create_groups(&[group], deadline)
    }

    /// A queue that somebody consumes from stays.
    fn delete_once(
        &mut self,
        topics: &[String],
        groups: &[Group],
        deadline: Instant,
    ) -> Result<(), Undone> {
        let all = groups.iter().map(queues).collect::<Result<Vec<_>, _>>()?;
        self.each(
            &all.concat(),
            deadline,
            async |channel, queue| {
                // Quorum queues know no deletion of what is unused only.
                if passive(channel, queue).await?.consumer_count() == 0 {
                    let options = QueueDeleteOptions::default();
                    channel.queue_delete(queue.clone(), options).await?;
                }
                Ok(())
            },
            |queue, code, text| match code {
                NOT_FOUND => Ok(()),
                _ => Err(format!("cannot delete queue {queue}: {text}")),
            },
        )?;
        self.each(
            topics,
            deadline,
            async |channel, topic| {
                let options = ExchangeDeleteOptions::default();
                channel
                    .exchange_delete(topic.as_str().into(), options)
                    .await
            },
            |topic, code, text| match code {
                NOT_FOUND => Ok(()),
                _ => Err(format!("cannot delete exchange {topic}: {text}")),
            },
        )?;
        Ok(())
    }

    fn list(
        &mut self,
        topics: &[String],
        groups: &[Group],
        deadline: Instant,
    ) -> Result<Leftovers, DriverError> {
        let absent = |code: u16, text: String| match code {
            NOT_FOUND => Ok(false),
            // Whatever else it is, it is there.
            DIFFERENT => Ok(true),
            _ => Err(text),
        };
        let there = self.each(
            topics,
            deadline,
            async |channel, topic| exists(channel, topic).await,
            |_, code, text| absent(code, text),
        )?;
        let mut left = Leftovers::default();
        for (topic, _) in topics.iter().zip(there).filter(|(_, there)| *there) {
            left.topics.push(topic.clone());
        }
        for group in groups {
            let queues = queues(group)?;
            let there = self.each(
                &queues,
                deadline,
                async |channel, queue| passive(channel, queue).await.map(|_| true),
                |_, code, text| absent(code, text),
            )?;
            if there.contains(&true) {
                left.groups.push(group.name.clone());
            }
        }
        Ok(left)
    }

    fn survey(&mut self, deadline: Instant) -> Result<Survey, DriverError> {
        let mut survey = self.management.survey(deadline)?;
        // The plugin counts consumers every 5 s; of a stream's, AMQP tells nothing.
        for seen in survey.groups.iter_mut().filter(|group| group.empty) {
            let group = Group {
                name: seen.name.clone(),
                topics: seen.topics.clone().unwrap_or_default(),
            };
            let consumers = self.each(
                &queues(&group)?,
                deadline,
                async |channel, queue| passive(channel, queue).await.map(|q| q.consumer_count()),
                |_, _, _| Ok(0),
            )?;
            seen.empty = consumers.iter().all(|&count| count == 0);
        }
        Ok(survey)
    }

    /// How many messages were published to each exchange.
    fn ends(&mut self, topics: &[SeenTopic], deadline: Instant) -> Vec<Option<Vec<u64>>> {
        self.management.published(topics, deadline)
    }

    /// A survey tells what each group reads.
    fn committed(
        &mut self,
        _group: &str,
        _topics: &[SeenTopic],
        _deadline: Instant,
    ) -> Result<Vec<String>, DriverError> {
        Ok(Vec::new())
    }
}

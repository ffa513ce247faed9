//! One connection: requests are answered one after the other, in the order they came.
//!
//! A request that can't be understood ends its connection, and no other.

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::core::Core;
use super::handlers;
use super::wire::Fault;
use super::wire::frame::{self, Reader};

/// Who is on the other side.
#[derive(Debug)]
pub struct Client {
    /// What all connections share.
    pub core: Rc<Core>,
    /// Where it is connected from.
    pub peer: SocketAddr,
    /// Notified when there is something to read where it waits.
    pub reader: Rc<Notify>,
}

/// Serves one connection until the client closes it, or sends what can't be understood.
pub async fn serve(core: Rc<Core>, mut stream: TcpStream, peer: SocketAddr) {
    let client = Client {
        core,
        peer,
        reader: Rc::new(Notify::new()),
    };
    match converse(&client, &mut stream).await {
        Ok(()) => {}
        Err(Fault::Io(error)) => tracing::debug!(%peer, "a connection broke: {error}"),
        Err(fault) => tracing::warn!(%peer, "closed a connection: {fault}"),
    }
}

async fn converse(client: &Client, stream: &mut TcpStream) -> Result<(), Fault> {
    // An answer is whole when it is written: it waits for nothing.
    stream.set_nodelay(true)?;
    let mut reader = Reader::default();
    while let Some(request) = reader.next(stream).await? {
        let answer = tokio::select! {
            biased;
            answer = handlers::answer(client, request) => answer?,
            // Nobody is left to tell: what waits for room, or for others, is given up.
            () = frame::closed(stream) => return Ok(()),
        };
        if let Some(answer) = answer {
            frame::write(stream, answer).await?;
        }
    }
    Ok(())
}

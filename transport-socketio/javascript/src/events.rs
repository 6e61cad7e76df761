//! The events of the session, to the listeners.

use std::rc::Rc;

use futures::StreamExt as _;
use js_sys::{Array, Promise};
use socketio_p2p_core::handle::Events;
use socketio_p2p_core::{Event, IncomingTransferId, Packet, PeerId, ReplyToken};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::global::{new_object, next_task};
use crate::listeners::{Heard, is_own};
use crate::shared::Shared;
use crate::token::Keeping;
use crate::transfer::IncomingTransfer;
use crate::values::arguments;

/// Dispatches events until the session has ended.
pub(crate) async fn dispatch(shared: Rc<Shared>, mut events: Events, keeping: Option<Keeping>) {
    // A program adds its listeners when `join` has returned, and then hears of those who were there before.
    next_task().await;
    while let Some(event) = events.next().await {
        take(&shared, event);
    }
    drop(keeping);
    shared.listeners.tell("close", &Array::new());
    shared.clear();
}

fn take(shared: &Rc<Shared>, event: Event) {
    let tell = |name: &str, arguments: &Array| shared.listeners.tell(name, arguments);
    let changed = |peer: &PeerId, what: &str| {
        shared.note(peer);
        if let Some(member) = shared.member(peer) {
            tell("peer-changed", &Array::of2(&member, &what.into()));
        }
    };
    match event {
        Event::Received { from, packet, reply, .. } => receive(shared, &from, &packet, reply),
        Event::ServerEvent { packet, reply } => receive_from_server(shared, &packet, reply),
        Event::TransferOpened { from, transfer, packet, size } => {
            open(shared, &from, transfer, &packet, size);
        }
        Event::PeerJoined { peer, .. } => {
            if let Some(member) = shared.member(&peer) {
                tell("peer", &Array::of1(&member));
            }
        }
        Event::PeerLeft { peer, reason, .. } => {
            if let Some(member) = shared.forget(&peer) {
                tell("peer-left", &Array::of2(&member, &reason.to_string().into()));
            }
        }
        Event::PeerRenamed { from, to } => {
            shared.rename(&from, &to);
            changed(&to, "id");
        }
        Event::PeerUpdated { peer, .. } => changed(&peer, "data"),
        Event::PathChanged { peer, .. } => changed(&peer, "path"),
        Event::DirectChanged { peer, .. } => changed(&peer, "direct"),
        Event::PeerAway { peer } => changed(&peer, "away"),
        Event::PeerBack { peer } => changed(&peer, "back"),
        Event::PeerError { peer, error } => {
            if let Some(member) = shared.member(&peer) {
                tell("peer-error", &Array::of2(&member, &Failure::from(error).into()));
            }
        }
        Event::Ready => tell("ready", &Array::new()),
        Event::Upgrade => tell("upgrade", &Array::new()),
        Event::Connected { id, resumed, .. } => {
            let connection = new_object([("id", id.as_str().into()), ("resumed", resumed.into())]);
            tell("connect", &Array::of1(&connection));
        }
        Event::Disconnected { error, retry_in } => {
            let pause = JsValue::from(retry_in.as_secs_f64() * 1e3);
            tell("disconnect", &Array::of2(&Failure::from(error).into(), &pause));
        }
        Event::Refused(refusal) => tell("refused", &Array::of1(&Failure::from(refusal).into())),
        // The handle has dealt with the others.
        _ => {}
    }
}

fn receive(shared: &Rc<Shared>, from: &PeerId, packet: &Packet, reply: Option<ReplyToken>) {
    let name = packet.event_name().unwrap_or_default();
    let heard = Heard::Named(name.clone().into_owned());
    let sender = shared.member(from).unwrap_or(JsValue::UNDEFINED);
    let sent = match arguments(packet) {
        Ok(sent) => sent,
        Err(error) => return shared.listeners.report(&error, &heard),
    };
    let any = Array::of2(&name.as_ref().into(), &sender).concat(&sent);
    shared.listeners.call(&Heard::Any, &any);
    if is_own(&name) {
        // It would look like an event of the session itself.
        return;
    }
    let first = if sent.length() > 0 { sent.shift() } else { JsValue::UNDEFINED };
    let answer = shared.listeners.call(&heard, &Array::of2(&first, &sender).concat(&sent));
    if let (Some(token), Some(answer)) = (reply, answer) {
        spawn_local(reply_with(Rc::clone(shared), token, answer, heard));
    }
}

fn receive_from_server(shared: &Rc<Shared>, packet: &Packet, reply: Option<ReplyToken>) {
    let name = packet.event_name().unwrap_or_default().into_owned();
    let heard = Heard::Server(name);
    let sent = match arguments(packet) {
        Ok(sent) => sent,
        Err(error) => return shared.listeners.report(&error, &heard),
    };
    let answer = shared.listeners.call(&heard, &sent);
    if let (Some(token), Some(answer)) = (reply, answer) {
        spawn_local(reply_with(Rc::clone(shared), token, answer, heard));
    }
}

/// Answers with what a listener has returned, or what its promise resolves to.
async fn reply_with(shared: Rc<Shared>, token: ReplyToken, answer: JsValue, heard: Heard) {
    let replied = async {
        let answer = match answer.is_object() {
            true => JsFuture::from(Promise::resolve(&answer)).await?,
            false => answer,
        };
        let answer: &[JsValue] = if answer.is_undefined() { &[] } else { &[answer] };
        let answer = Arguments::read(answer, shared.max_packet)?.complete().await?;
        shared.handle.reply(&token, &answer).await.map_err(Failure::from)?;
        Ok::<_, JsValue>(())
    };
    if let Err(error) = replied.await {
        shared.listeners.report(&error, &heard);
    }
}

fn open(
    shared: &Rc<Shared>,
    from: &PeerId,
    transfer: IncomingTransferId,
    packet: &Packet,
    size: Option<u64>,
) {
    let heard = Heard::Named("transfer".to_owned());
    let argument = arguments(packet).map(|sent| sent.get(0));
    let sender = shared.member(from).filter(|_| shared.listeners.hears(&heard));
    let (Ok(argument), Some(sender)) = (argument, sender) else {
        // Nobody would read it, and its sender would wait. Fails when it has ended already.
        let _ = shared.handle.refuse(&transfer);
        return;
    };
    let name = packet.event_name().unwrap_or_default().into_owned();
    let incoming =
        IncomingTransfer::new(Rc::clone(shared), transfer, name, argument, size, sender.clone());
    shared.listeners.call(&heard, &Array::of2(&incoming.into(), &sender));
}

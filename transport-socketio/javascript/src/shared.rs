//! What the objects of one session share.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::Array;
use socketio_p2p_core::handle::Peer;
use socketio_p2p_core::{PeerId, PeerInfo};
use wasm_bindgen::JsValue;

use crate::listeners::Listeners;
use crate::member::{Member, MemberState};
use crate::order::Order;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) handle: Peer,
    /// The maximum bytes of an event.
    pub(crate) max_packet: usize,
    pub(crate) listeners: Listeners,
    pub(crate) order: Order,
    known: RefCell<BTreeMap<PeerId, Known>>,
}

/// A member as JavaScript knows it: always the same object.
#[derive(Debug)]
struct Known {
    state: Rc<MemberState>,
    object: JsValue,
}

impl Shared {
    pub(crate) fn new(handle: Peer, max_packet: usize) -> Rc<Self> {
        Rc::new(Self {
            handle,
            max_packet,
            listeners: Listeners::default(),
            order: Order::default(),
            known: RefCell::default(),
        })
    }

    /// A member of the room.
    pub(crate) fn member(self: &Rc<Self>, id: &PeerId) -> Option<JsValue> {
        let info = self.handle.peer(id);
        // It may be asked for by a former id.
        let id = info.as_ref().map_or(id, |info| &info.id).clone();
        if let Some(known) = self.known.borrow().get(&id) {
            return Some(known.object.clone());
        }
        let state = Rc::new(MemberState::new(info?));
        let object = JsValue::from(Member::new(Rc::clone(self), Rc::clone(&state)));
        let known = Known { state, object: object.clone() };
        self.known.borrow_mut().insert(id, known);
        Some(object)
    }

    /// All members, in the order of their ids.
    pub(crate) fn members(self: &Rc<Self>) -> Array {
        let members = self.handle.peers().into_iter();
        members.filter_map(|PeerInfo { id, .. }| self.member(&id)).collect()
    }

    /// Gives a member its new id.
    pub(crate) fn rename(&self, from: &PeerId, to: &PeerId) {
        let mut known = self.known.borrow_mut();
        if let Some(member) = known.remove(from) {
            member.state.rename(to.clone());
            known.insert(to.clone(), member);
        }
    }

    /// Remembers how members are, for the time when they are gone.
    pub(crate) fn note(&self, id: &PeerId) {
        if let (Some(known), Some(info)) = (self.known.borrow().get(id), self.handle.peer(id)) {
            known.state.note(info);
        }
    }

    /// Forgets a member that is gone, and returns it.
    pub(crate) fn forget(&self, id: &PeerId) -> Option<JsValue> {
        self.known.borrow_mut().remove(id).map(|known| {
            known.state.end();
            known.object
        })
    }

    /// Forgets everything, at the end of the session.
    pub(crate) fn clear(&self) {
        self.known.borrow_mut().clear();
        self.listeners.remove_all(|_| true);
    }
}

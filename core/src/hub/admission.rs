//! What the server's application decides about a client that connects.

use crate::id::RoomName;
use crate::wire::MemberData;

/// The decision of the server's application to let a client join. The default admits it to the room that it asks
/// for, within [`HubConfig::room_capacity`](super::HubConfig::room_capacity), as nobody in particular.
///
/// To refuse a client, the server answers CONNECT with CONNECT_ERROR and does not ask the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admission {
    /// What the application has verified about the client: an account, a name, rights. All v1 members see it.
    pub user: Option<MemberData>,
    /// The room, in place of the one that the client asks for.
    pub room: Option<RoomName>,
    /// The maximum number of members of the room for this client, in place of the hub's.
    pub capacity: Option<usize>,
}

impl Admission {
    /// Sets [`user`](Self::user).
    #[must_use]
    pub fn with_user(mut self, user: MemberData) -> Self {
        self.user = Some(user);
        self
    }

    /// Sets [`room`](Self::room).
    #[must_use]
    pub fn with_room(mut self, room: RoomName) -> Self {
        self.room = Some(room);
        self
    }

    /// Sets [`capacity`](Self::capacity).
    #[must_use]
    pub const fn with_capacity(mut self, members: usize) -> Self {
        self.capacity = Some(members);
        self
    }
}

//! What the two ends of a transfer say to each other, in numbered packets of the bulk lane.

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::codec::{Blob, EncodeError, PayloadError};
use crate::error::PeerError;
use crate::link::Context;
use crate::link::control::NAMESPACE;
use crate::packet::{Namespace, Packet};

#[derive(Debug)]
pub(super) enum Message {
    Open {
        transfer: u64,
        size: Option<u64>,
        event: Packet,
    },
    Chunk {
        transfer: u64,
        bytes: Bytes,
    },
    Finish(u64),
    Abort(u64),
    /// Back to the sender, about transfers of this epoch of its own.
    Back {
        epoch: u32,
        answer: Answer,
    },
}

#[derive(Debug)]
pub(super) enum Answer {
    /// So much has been read, so much may be sent in all.
    Credit {
        transfer: u64,
        read: u64,
        granted: u64,
    },
    Refuse(u64),
    Done(u64),
    /// Nothing is known of the transfers below this any more: the receiver has begun anew.
    Lost(u64),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Opening {
    pub(super) transfer: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl Message {
    pub(super) fn to_packet(&self) -> Result<Packet, EncodeError> {
        let packet = match self {
            Self::Open { transfer, size, event } => {
                let head = Blob::from(event.head().as_bytes().clone());
                let attachments: Vec<Blob> =
                    event.attachments().iter().cloned().map(Blob::from).collect();
                let opening = Opening { transfer: *transfer, size: *size };
                Packet::event("open", &(opening, head, attachments))
            }
            Self::Chunk { transfer, bytes } => {
                Packet::event("chunk", &(transfer, Blob::from(bytes.clone())))
            }
            Self::Finish(transfer) => Packet::event("finish", &(transfer,)),
            Self::Abort(transfer) => Packet::event("abort", &(transfer,)),
            Self::Back { epoch, answer } => match answer {
                Answer::Credit { transfer, read, granted } => {
                    Packet::event("credit", &(transfer, read, granted, epoch))
                }
                Answer::Refuse(transfer) => Packet::event("refuse", &(transfer, epoch)),
                Answer::Done(transfer) => Packet::event("done", &(transfer, epoch)),
                Answer::Lost(transfer) => Packet::event("lost", &(transfer, epoch)),
            },
        }?;
        Ok(packet.in_namespace(&Namespace::from_static(NAMESPACE)))
    }

    /// `None` for a message that a later version may have added.
    pub(super) fn from_packet(
        packet: &Packet,
        cx: &Context<'_>,
    ) -> Result<Option<Self>, PeerError> {
        let unreadable = |_: PayloadError| PeerError::Misbehaved("an unreadable transfer message");
        let number = || Ok(packet.args::<(u64,)>().map_err(unreadable)?.0);
        let back = |answer: fn(u64) -> Answer| {
            let (transfer, epoch) = packet.args::<(u64, u32)>().map_err(unreadable)?;
            Ok(Self::Back { epoch, answer: answer(transfer) })
        };
        let event = packet.event_name();
        Ok(Some(match event.as_deref() {
            Some("open") => {
                let (Opening { transfer, size }, head, attachments) =
                    packet.args::<(Opening, Blob, Vec<Blob>)>().map_err(unreadable)?;
                let head = ByteString::try_from(Bytes::from(head))
                    .map_err(|_| PeerError::Misbehaved("a transfer whose event is not UTF-8"))?;
                let attachments = attachments.into_iter().map(Bytes::from).collect();
                let limits = &cx.config.limits;
                let event = Packet::from_head_and_attachments(head, attachments, limits);
                Self::Open { transfer, size, event: event.map_err(PeerError::BadPacket)? }
            }
            Some("chunk") => {
                let (transfer, bytes) = packet.args::<(u64, Blob)>().map_err(unreadable)?;
                Self::Chunk { transfer, bytes: bytes.into() }
            }
            Some("finish") => Self::Finish(number()?),
            Some("abort") => Self::Abort(number()?),
            Some("credit") => {
                let (transfer, read, granted, epoch) =
                    packet.args::<(u64, u64, u64, u32)>().map_err(unreadable)?;
                Self::Back { epoch, answer: Answer::Credit { transfer, read, granted } }
            }
            Some("refuse") => back(Answer::Refuse)?,
            Some("done") => back(Answer::Done)?,
            Some("lost") => back(Answer::Lost)?,
            Some(_) | None => return Ok(None),
        }))
    }
}

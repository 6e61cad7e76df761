//! Files of any size as transfers, with their progress and their hashes.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use socketio_p2p_core::{IncomingTransferId, Packet, TransferOutcome};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::{compat::TokioAsyncReadCompatExt as _, io::InspectReader};

use crate::client::Client;
use crate::common::{Failure, files, text::printable};
use crate::talk::Post;

/// The bytes of a file that its preview shows.
const PREVIEW: u64 = 64;

impl Client {
    /// Sends a file to everybody: the first bytes as an event, then the whole file as transfers.
    pub(crate) async fn send(&self, path: &str) -> Result<(), Failure> {
        let (mut file, size) = files::open(Path::new(path)).await?;
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
        let mut start = Vec::new();
        (&mut file).take(PREVIEW).read_to_end(&mut start).await?;
        file.rewind().await?;
        self.post(Post::Preview { name: name.to_string(), start: start.into() }).await?;

        let (mut hash, mut bar) = (Sha256::new(), self.bars.add(&name, Some(size)));
        let source = InspectReader::new(file, |piece| {
            hash.update(piece);
            bar.advance(piece.len());
        });
        let to = self.peer.peers().into_iter().map(|peer| peer.id);
        let event = Packet::event("file", &(&name,))?;
        let sent = self.peer.send_transfer(to, &event, Some(size), source.compat()).await?;
        drop(bar);
        let mut delivered = 0;
        for (to, outcome) in sent {
            delivered += usize::from(matches!(outcome, Ok(TransferOutcome::Delivered)));
            let outcome = outcome.map_or_else(|error| error.to_string(), |it| it.to_string());
            self.bars.print(&format!("{name} to {}: {outcome}", self.name(&to)));
        }
        if delivered == 0 {
            return Err(format!("nobody has received {name}").into());
        }
        self.bars.print(&format!("sent {name}, sha256 {}", hex(hash)));
        Ok(())
    }

    /// Receives a file from a peer.
    pub(crate) async fn receive(
        &self,
        id: IncomingTransferId,
        about: &Packet,
    ) -> Result<(), Failure> {
        let mut transfer = self.peer.accept(id)?;
        let (name,) = about.args::<(String,)>()?;
        let label = format!("{} from {}", printable(&name, 80), self.name(transfer.peer()));
        let (mut hash, mut bar) = (Sha256::new(), self.bars.add(&label, transfer.size()));
        let mut file = self.downloads.create(&name).await?;
        while let Some(piece) = transfer.next().await? {
            hash.update(&piece);
            bar.advance(piece.len());
            file.write(&piece).await?;
        }
        drop(bar);
        let path = files::shown(&file.keep().await?);
        self.bars.print(&format!("received {path}, sha256 {}", hex(hash)));
        Ok(())
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

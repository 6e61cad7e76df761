//! Bundles: the messages between two v1 peers, each two epochs and then items.

mod item;
mod read;
mod write;

pub(crate) use self::item::RecordHead;
pub use self::item::{Item, MAX_NEIGHBOURS, Neighbours, Record, Stream};
pub use self::read::{BadBundle, Bundle};
pub(crate) use self::write::Writer;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{BadBundle, Bundle, Item, Neighbours, Record, Stream, Writer};
    use crate::wire::{Epochs, Lane, Passed, PeerLimits, Seal};

    const EPOCHS: Epochs = Epochs { epoch: 70_000, peer_epoch: 0 };

    fn items(bytes: Bytes) -> Result<Vec<Item>, BadBundle> {
        let bundle = Bundle::read(bytes)?;
        assert_eq!(bundle.epochs, EPOCHS);
        bundle.collect()
    }

    fn number() -> impl Strategy<Value = u64> {
        (0_u32..62).prop_map(|bits| (1 << bits) - 1)
    }

    fn item() -> impl Strategy<Value = Item> {
        let stream = prop_oneof![
            Just(Stream::Transfers),
            prop::sample::select(&Lane::ALL[..]).prop_map(Stream::Lane),
        ];
        let bytes = || prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        let peer = || "[a-z]{1,30}".prop_map(|id| id.parse().unwrap());
        let record = (stream, number(), number(), any::<bool>(), any::<bool>(), bytes());
        let passed = || {
            (number(), any::<[u8; 32]>(), bytes()).prop_map(|(number, seal, bundle)| Passed {
                number,
                seal: Seal::new(seal),
                bundle,
            })
        };
        prop_oneof![
            4 => record.prop_map(|(stream, number, offset, end, abort, bytes)| {
                Item::Record(Record { stream, number, offset, end, abort, bytes })
            }),
            1 => number().prop_map(Item::Ping),
            1 => number().prop_map(Item::Pong),
            1 => Just(Item::Bye),
            1 => Just(Item::Wait),
            1 => (peer(), number()).prop_map(|(asker, nonce)| Item::Proof(asker, nonce)),
            1 => any::<u32>().prop_map(Item::GivenUp),
            1 => (number(), any::<[u32; 4]>()).prop_map(|(packet_bytes, rest)| {
                let [attachments, json_depth, event_name, namespace] = rest;
                Item::Limits(PeerLimits {
                    packet_bytes, attachments, json_depth, event_name, namespace,
                })
            }),
            1 => (number(), prop::collection::vec(peer(), 0..5))
                .prop_map(|(rate, peers)| Item::Neighbours(Neighbours { peers, rate })),
            1 => (peer(), passed()).prop_map(|(to, passed)| Item::Pass(to, passed)),
            1 => (peer(), passed()).prop_map(|(from, passed)| Item::Passed(from, passed)),
            1 => peer().prop_map(Item::NoWay),
        ]
    }

    proptest! {
        #[test]
        fn reading_returns_what_was_written(all in prop::collection::vec(item(), 0..8)) {
            prop_assert_eq!(items(Bundle::write(EPOCHS, &all)), Ok(all));
        }

        /// A bundle that is cut anywhere yields a prefix of its items, and an error unless the cut is between
        /// two items.
        #[test]
        fn a_truncated_bundle_is_an_error(all in prop::collection::vec(item(), 1..5), cut in any::<prop::sample::Index>()) {
            let mut writer = Writer::new(EPOCHS, 0);
            let mut ends = vec![writer.len()];
            for item in &all {
                writer.item(item);
                ends.push(writer.len());
            }
            let bytes = writer.finish();
            let cut = ends[0] + cut.index(bytes.len() - ends[0]);
            match items(bytes.slice(..cut)) {
                Ok(read) => prop_assert!(ends.contains(&cut) && all.starts_with(&read)),
                Err(_) => prop_assert!(!ends.contains(&cut)),
            }
        }

        #[test]
        fn arbitrary_bytes_are_read_as_a_bundle_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(bundle) = Bundle::read(bytes.into()) {
                let errors = bundle.filter(Result::is_err).count();
                prop_assert!(errors <= 1);
            }
        }
    }

    #[test]
    fn control_of_an_unknown_type_is_ignored() {
        let mut writer = Writer::new(EPOCHS, 0);
        writer.control(0x7f, b"later");
        writer.bye();
        assert_eq!(items(writer.finish()), Ok(vec![Item::Bye]));
    }
}

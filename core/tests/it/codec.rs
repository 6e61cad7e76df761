//! The packet codec, seen from outside.

use bytes::Bytes;
use socketio_p2p_core::codec::{Blob, Decoder, Limits, Value};
use socketio_p2p_core::{Frame, Packet};

#[test]
fn an_event_with_bytes_goes_out_and_comes_back_the_same() {
    let p =
        Packet::event("a", &(1, "x\n", Blob::from(vec![1, 2, 3]), vec![Some(1.5), None])).unwrap();
    assert_eq!(p.head(), "51-[\"a\",1,\"x\\n\",{\"_placeholder\":true,\"num\":0},[1.5,null]]");
    let (a, b, c, d): (u8, String, Blob, Vec<Option<f64>>) = p.args().unwrap();
    assert_eq!((a, b.as_str(), &c[..], d), (1, "x\n", &[1u8, 2, 3][..], vec![Some(1.5), None]));
    assert_eq!(c.into_bytes().as_ptr(), p.attachments()[0].as_ptr());
    let mut d = Decoder::new(Limits::default());
    let mut got = None;
    for f in p.frames() {
        got = d.push(f).unwrap();
    }
    let got = got.unwrap();
    assert_eq!(got, p);
    got.validate(&Limits::default()).unwrap();
    let v: Value = got.data().unwrap();
    let v2: Vec<Value> = got.args().unwrap();
    let again = Packet::event("a", &v2).unwrap();
    assert_eq!(again, p);
    let _ = (v, Frame::from(Bytes::new()));
}

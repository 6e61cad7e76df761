//! Dynamic objects.

use std::collections::BTreeMap;

use proptest::prelude::*;
use socketio_p2p_core::Packet;
use socketio_p2p_core::codec::{Object, Value};

fn read(json: &str) -> Object {
    let packet =
        Packet::event("e", &(serde_json::value::RawValue::from_string(json.into()).unwrap(),));
    let (object,) = packet.unwrap().args().unwrap();
    object
}

/// The entries of a JavaScript object: a key keeps its first position, and has its last value.
fn model(entries: &[(String, u32)]) -> Vec<(String, Value)> {
    let mut object: Vec<(String, Value)> = Vec::new();
    for (key, value) in entries {
        match object.iter_mut().find(|(other, _)| other == key) {
            Some((_, old)) => *old = Value::from(*value),
            None => object.push((key.clone(), Value::from(*value))),
        }
    }
    object
}

fn json(entries: &[(String, u32)]) -> String {
    let entries = entries.iter().map(|(key, value)| format!("\"{key}\":{value}"));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

proptest! {
    #[test]
    fn objects_merge_equal_keys_as_javascript_does(
        entries in proptest::collection::vec(("[a-d]{0,2}|[xy]{22,23}", 0..100_u32), 0..60),
    ) {
        let expected = model(&entries);
        let object = read(&json(&entries));
        prop_assert_eq!(object.clone().into_iter().collect::<Vec<_>>(), expected.clone());
        let collected: Object =
            entries.iter().map(|(key, value)| (key, Value::from(*value))).collect();
        prop_assert!(collected.iter().eq(object.iter()));

        let mut inserted = Object::new();
        let mut olds = BTreeMap::new();
        for (key, value) in &entries {
            let old = inserted.insert(key, Value::from(*value));
            prop_assert_eq!(old, olds.insert(key, Value::from(*value)));
        }
        prop_assert!(inserted.iter().eq(&object));

        let keys: Vec<&str> = expected.iter().map(|(key, _)| key.as_str()).collect();
        prop_assert_eq!(object.keys().collect::<Vec<_>>(), keys);
        prop_assert!(object.values().eq(expected.iter().map(|(_, value)| value)));
        for (key, value) in &expected {
            prop_assert_eq!(object.get(key), Some(value));
        }
        let packet = Packet::event("e", &(&object,)).unwrap();
        let (again,): (Object,) = packet.args().unwrap();
        prop_assert!(again.iter().eq(&object));
    }

    #[test]
    fn equal_objects_have_the_same_entries_in_any_order(
        (entries, shuffled) in proptest::collection::btree_map("[a-z]{1,3}", 0..9_u32, 1..30)
            .prop_map(|entries| entries.into_iter().collect::<Vec<_>>())
            .prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle())),
        at in any::<prop::sample::Index>(),
    ) {
        let (object, other) = (read(&json(&entries)), read(&json(&shuffled)));
        prop_assert!(object == other);
        let key = &entries[at.index(entries.len())].0;
        let mut changed = other.clone();
        *changed.get_mut(key).unwrap() = Value::Null;
        prop_assert!(object != changed);
        let mut fewer = other.clone();
        prop_assert!(fewer.remove(key).is_some() && fewer.remove(key).is_none());
        prop_assert!(object != fewer && fewer.len() + 1 == object.len());
        prop_assert!(!fewer.contains_key(key) && object.contains_key(key));
        fewer.insert(format!("{key}-"), Value::Null);
        prop_assert!(object != fewer);
    }
}

#[test]
fn an_object_of_equal_keys_takes_less_than_quadratic_time() {
    // 10^10 comparisons if each key were compared with all before it.
    let entries = (0..100_000_u32).map(|n| (format!("{:05}", n / 2), Value::from(n)));
    let object = entries.collect::<Object>();
    assert_eq!(object.len(), 50_000);
    assert!(
        object.values().enumerate().all(|(at, value)| *value == Value::from(at as u32 * 2 + 1))
    );
    let entries = object.clone().into_iter().collect::<Vec<_>>().into_iter().rev();
    assert!(entries.collect::<Object>() == object);
}

#[test]
fn debug_output_of_objects_shows_the_size_and_no_content() {
    let mut object = read(r#"{"secret":"token","b":1}"#);
    object.values_mut().for_each(|value| *value = Value::from("secret"));
    assert_eq!(object.get("b"), Some(&Value::from("secret")));
    let shown = format!("{object:?} {:?} {:?}", object.iter(), object.clone().into_iter());
    assert_eq!(shown, "Object(2 entries) Iter(2 entries) IntoIter(2 entries)");
    assert_eq!(object.iter().len() + object.clone().into_iter().len(), 4);
    assert!(!object.is_empty() && Object::default().is_empty());
}

#[test]
fn values_of_other_kinds_are_not_read_as_objects() {
    let packet = Packet::event("e", &(1,)).unwrap();
    let error = packet.args::<(Object,)>().unwrap_err();
    assert_eq!(error.to_string(), "expected an object, got a whole number at byte 6 of the head");
    // In another format, where keys need not be strings.
    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, MapDeserializer};
    let map = MapDeserializer::<_, Error>::new([(1_u32, 2_u32)].into_iter());
    let error = <Object as serde::Deserialize>::deserialize(map.into_deserializer()).unwrap_err();
    assert_eq!(error.to_string(), "invalid type: integer `1`, expected a key");
}

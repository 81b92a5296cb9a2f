//! Reads a trace back, by Perfetto's field numbers and not by the encoder's: tracks with their slices, counters, moments.
//! Anything that a trace must not be (a field of a wrong kind, an unknown name, an end without a begin) is a panic.

use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq)]
enum Value<'a> {
    Number(u64),
    Double(f64),
    Bytes(&'a [u8]),
}

type Fields<'a> = Vec<(u64, Value<'a>)>;

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a number ends");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number of more than 64 bits");
}

fn fields(mut bytes: &[u8]) -> Fields<'_> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)),
            1 => {
                let (word, rest) = bytes.split_first_chunk::<8>().expect("eight bytes");
                bytes = rest;
                Value::Double(f64::from_le_bytes(*word))
            }
            2 => {
                let count = varint(&mut bytes) as usize;
                let (inner, rest) = bytes.split_at(count);
                bytes = rest;
                Value::Bytes(inner)
            }
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, value));
    }
    found
}

fn number(fields: &Fields<'_>, field: u64) -> Option<u64> {
    fields.iter().find_map(|(number, value)| match value {
        Value::Number(value) if *number == field => Some(*value),
        _ => None,
    })
}

fn bytes<'a>(fields: &Fields<'a>, field: u64) -> impl Iterator<Item = &'a [u8]> {
    let found: Vec<&[u8]> = fields
        .iter()
        .filter_map(|(number, value)| match value {
            Value::Bytes(value) if *number == field => Some(*value),
            _ => None,
        })
        .collect();
    found.into_iter()
}

fn text(fields: &Fields<'_>, field: u64) -> Option<String> {
    let found = bytes(fields, field).next()?;
    Some(std::str::from_utf8(found).expect("UTF-8").to_owned())
}

fn double(fields: &Fields<'_>, field: u64) -> Option<f64> {
    fields.iter().find_map(|(number, value)| match value {
        Value::Double(value) if *number == field => Some(*value),
        _ => None,
    })
}

/// A slice, or a moment, which has no end.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    pub start: u64,
    pub end: Option<u64>,
    pub name: String,
    pub category: String,
    pub arguments: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Track {
    pub uuid: u64,
    pub parent: Option<u64>,
    pub name: String,
    /// Process and thread; the thread is 0 for a process.
    pub of: Option<(i32, i32)>,
    pub unit: Option<String>,
    pub slices: Vec<Slice>,
    pub counter: Vec<(u64, f64)>,
}

fn track(descriptor: &[u8]) -> Track {
    let described = fields(descriptor);
    let mut track = Track {
        uuid: number(&described, 1).expect("a track has a uuid"),
        parent: number(&described, 5),
        name: text(&described, 2).unwrap_or_default(),
        ..Track::default()
    };
    for process in bytes(&described, 3).map(fields) {
        track.of = Some((number(&process, 1).unwrap() as i32, 0));
        track.name = text(&process, 6).unwrap();
    }
    for thread in bytes(&described, 4).map(fields) {
        let id = |field| number(&thread, field).unwrap() as i32;
        track.of = Some((id(1), id(2)));
        track.name = text(&thread, 5).unwrap();
    }
    track.unit = bytes(&described, 8)
        .map(|counter| text(&fields(counter), 6).unwrap())
        .next();
    track
}

type Names = BTreeMap<(u64, u64), String>;

fn slice(event: &Fields<'_>, names: &Names, start: u64) -> Slice {
    let name_of = |kind, number| names[&(kind, number)].clone();
    let arguments = bytes(event, 4)
        .map(fields)
        .map(|argument| {
            let shown = number(&argument, 3).map(|value| value.to_string());
            let shown = shown.or_else(|| double(&argument, 5).map(|value| format!("{value}")));
            let shown = shown.or_else(|| text(&argument, 6)).unwrap();
            (name_of(3, number(&argument, 1).unwrap()), shown)
        })
        .collect();
    Slice {
        start,
        end: None,
        name: name_of(2, number(event, 10).unwrap()),
        category: name_of(1, number(event, 3).unwrap()),
        arguments,
    }
}

/// The tracks of a trace, in order.
pub fn decode(trace: &[u8]) -> Vec<Track> {
    let mut names = Names::new();
    let mut tracks: Vec<Track> = Vec::new();
    let mut open: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, (field, packet)) in fields(trace).into_iter().enumerate() {
        assert_eq!(field, 1, "a trace is packets");
        let Value::Bytes(packet) = packet else {
            panic!("a packet is a message");
        };
        let packet = fields(packet);
        assert_eq!(number(&packet, 10), Some(1), "sequence");
        let flags = number(&packet, 13).unwrap();
        assert_eq!(flags & 1 == 1, at == 0, "the state is cleared once");
        for interned in bytes(&packet, 12).map(fields) {
            for (kind, entry) in interned {
                let Value::Bytes(entry) = entry else { panic!() };
                let entry = fields(entry);
                let before =
                    names.insert((kind, number(&entry, 1).unwrap()), text(&entry, 2).unwrap());
                assert_eq!(before, None, "a number means one name");
            }
        }
        tracks.extend(bytes(&packet, 60).map(track));
        for event in bytes(&packet, 11).map(fields) {
            let uuid = number(&event, 11).unwrap();
            let on = tracks.iter_mut().find(|track| track.uuid == uuid);
            let on = on.expect("a track is described before it is used");
            let time = number(&packet, 8).unwrap();
            match number(&event, 9).unwrap() {
                1 => {
                    on.slices.push(slice(&event, &names, time));
                    open.entry(uuid).or_default().push(on.slices.len() - 1);
                }
                2 => {
                    let begun = open.get_mut(&uuid).and_then(Vec::pop);
                    on.slices[begun.expect("what ends has begun")].end = Some(time);
                }
                3 => on.slices.push(slice(&event, &names, time)),
                4 => on.counter.push((time, double(&event, 44).unwrap())),
                other => panic!("event type {other}"),
            }
        }
    }
    assert!(open.values().all(Vec::is_empty), "what began has ended");
    tracks
}

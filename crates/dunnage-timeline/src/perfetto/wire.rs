//! Protocol buffers' wire format, the few kinds of fields that a trace needs.
//! Source: protobuf.dev, "Encoding".

/// A message that grows.
#[derive(Debug, Default)]
pub struct Wire(pub Vec<u8>);

/// A number in groups of seven bits, the lowest first; returns how many bytes it takes.
fn encode(mut value: u64, bytes: &mut [u8; 10]) -> usize {
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return at + 1;
        }
        *byte |= 0x80;
    }
    bytes.len()
}

impl Wire {
    fn varint(&mut self, value: u64) {
        let mut bytes = [0; 10];
        let count = encode(value, &mut bytes);
        self.0.extend_from_slice(&bytes[..count]);
    }

    fn key(&mut self, field: u32, kind: u64) {
        self.varint(u64::from(field) << 3 | kind);
    }

    /// A number; negative ones of 32 bits as protobuf wants them, sign extended.
    pub fn number(&mut self, field: u32, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    /// A signed number of 32 bits (`int32`).
    pub fn signed(&mut self, field: u32, value: i32) {
        self.number(field, i64::from(value).cast_unsigned());
    }

    /// A floating point number.
    pub fn double(&mut self, field: u32, value: f64) {
        self.key(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A text.
    pub fn text(&mut self, field: u32, value: &str) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value.as_bytes());
    }

    /// A message within this one.
    pub fn message(&mut self, field: u32, fill: impl FnOnce(&mut Self)) {
        self.key(field, 2);
        let start = self.0.len();
        fill(self);
        let mut bytes = [0; 10];
        let count = encode((self.0.len() - start) as u64, &mut bytes);
        self.0.splice(start..start, bytes[..count].iter().copied());
    }
}

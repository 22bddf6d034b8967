//! The frame around every stored payload: `magic(2) version(2) length(4) sequence(8) crc32c(4) payload`, big-endian.
//!
//! The checksum covers the key as well, so that a payload under the wrong key is as broken as a flipped bit.

use prost::Message;

const MAGIC: [u8; 2] = *b"sw";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 20;
/// The header without its checksum.
const CHECKED_BYTES: usize = 16;

/// Bytes that a frame adds to its payload.
pub(super) const OVERHEAD_BYTES: usize = HEADER_BYTES;

/// The part of a frame that stands for the whole in the seal's digest: version, length, sequence and checksum.
pub(super) fn header(value: &[u8]) -> &[u8] {
    &value[..value.len().min(HEADER_BYTES)]
}

/// A value that is not a whole frame of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BrokenFrame {
    #[error("it is too short to be a record")]
    Short,
    #[error("it does not start like a record")]
    Magic,
    #[error("it has record version {0}, not {VERSION}")]
    Version(u16),
    #[error("its length is not the one it states")]
    Length,
    #[error("its checksum does not match")]
    Checksum,
    #[error("it is not the message that belongs under its key")]
    Payload,
}

/// Frames `message` for storage under `key`.
pub(super) fn seal_in(key: &[u8], sequence: u64, message: &impl Message) -> Vec<u8> {
    let length = message.encoded_len();
    let mut frame = Vec::with_capacity(HEADER_BYTES + length);
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&VERSION.to_be_bytes());
    // a payload is bounded far below 4 GiB by what a message on the wire may hold
    frame.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(&sequence.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&message.encode_to_vec());
    let crc = checksum(key, &frame);
    frame[CHECKED_BYTES..HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    frame
}

/// Checks the frame `value` found under `key`; returns its sequence number and payload.
pub(super) fn check<'a>(key: &[u8], value: &'a [u8]) -> Result<(u64, &'a [u8]), BrokenFrame> {
    let Some((header, payload)) = value.split_first_chunk::<HEADER_BYTES>() else {
        return Err(BrokenFrame::Short);
    };
    let [m0, m1, v0, v1, l0, l1, l2, l3, sequence @ .., c0, c1, c2, c3] = *header;
    if [m0, m1] != MAGIC {
        return Err(BrokenFrame::Magic);
    }
    let version = u16::from_be_bytes([v0, v1]);
    if version != VERSION {
        return Err(BrokenFrame::Version(version));
    }
    if u32::from_be_bytes([l0, l1, l2, l3]) as usize != payload.len() {
        return Err(BrokenFrame::Length);
    }
    if u32::from_be_bytes([c0, c1, c2, c3]) != checksum(key, value) {
        return Err(BrokenFrame::Checksum);
    }
    Ok((u64::from_be_bytes(sequence), payload))
}

/// Checks the frame and decodes its payload.
pub(super) fn read<M: Message + Default>(key: &[u8], value: &[u8]) -> Result<(u64, M), BrokenFrame> {
    let (sequence, payload) = check(key, value)?;
    let message = M::decode(payload).map_err(|_| BrokenFrame::Payload)?;
    Ok((sequence, message))
}

fn checksum(key: &[u8], frame: &[u8]) -> u32 {
    let crc = crc32c::crc32c(key);
    let crc = crc32c::crc32c_append(crc, &frame[..CHECKED_BYTES]);
    crc32c::crc32c_append(crc, &frame[HEADER_BYTES..])
}

#[cfg(test)]
mod tests {
    use seedsweep_proto::store::v1::FailureRecord;

    use super::*;

    #[test]
    fn every_flipped_bit_and_a_foreign_key_are_noticed() {
        let record = FailureRecord { cause: "the worker died three times".to_owned() };
        let frame = seal_in(b"key", 77, &record);
        assert_eq!(read(b"key", &frame), Ok((77, record)));
        assert_eq!(check(b"kez", &frame), Err(BrokenFrame::Checksum));
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(check(b"key", &flipped).is_err(), "bit {bit}");
        }
        for length in 0..frame.len() {
            assert!(check(b"key", &frame[..length]).is_err(), "length {length}");
        }
    }
}

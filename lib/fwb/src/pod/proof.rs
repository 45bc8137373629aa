//! What the script in the pod says of the streams, against what went through here.

use sha2::{Digest, Sha256};

/// Bytes that went one way, and their hash.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    bytes: u64,
    hash: Sha256,
}

impl Tally {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
    }
}

/// The last line of the script in the pod: `STATUS BYTES SHA256 BYTES SHA256`, first of the program's stdout, then of
/// its stdin. In place of a hash stands `cut` where the script did not see the end, and `none` where it ran nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    /// The exit status of the program, by the rules of the shell: 128 and the number of a signal that ended it.
    pub(super) status: u8,
    output: Seen,
    input: Seen,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    bytes: u64,
    sha256: String,
}

impl Proof {
    /// Reads the line without what marks it.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let status = words.next()?.parse().ok()?;
        let mut seen = || {
            let bytes = words.next()?.parse().ok()?;
            Some(Seen { bytes, sha256: words.next()?.to_owned() })
        };
        let (output, input) = (seen()?, seen()?);
        words.next().is_none().then_some(Self { status, output, input })
    }

    /// Whether the pod could not get rid of what the program wrote.
    pub(super) fn is_output_cut(&self) -> bool {
        self.output.sha256 == "cut"
    }

    /// How the streams differ: in words, or not at all.
    pub(super) fn difference(&self, received: &Tally, sent: &Tally) -> Option<String> {
        if let Some(difference) = difference(&self.output, received) {
            let Seen { bytes, .. } = self.output;
            return Some(format!("{} of {bytes} bytes arrived, {difference}", received.bytes));
        }
        let difference = difference(&self.input, sent)?;
        let Seen { bytes, .. } = self.input;
        Some(format!("{bytes} of {} bytes reached the program, {difference}", sent.bytes))
    }
}

fn difference(there: &Seen, here: &Tally) -> Option<&'static str> {
    if there.sha256 == "cut" || there.sha256 == "none" {
        return Some("and not the end of the stream");
    }
    if there.bytes != here.bytes {
        return Some("so the stream was cut");
    }
    let sha256 = hex::encode(here.hash.clone().finalize());
    (there.sha256 != sha256).then_some("and their SHA-256 differs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(bytes: &[u8]) -> Tally {
        let mut tally = Tally::default();
        tally.add(bytes);
        tally
    }

    fn proof(output: &[u8], input: &[u8]) -> Proof {
        let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        let line = format!("0 {} {} {} {}", output.len(), hash(output), input.len(), hash(input));
        Proof::read(&line).unwrap()
    }

    #[test]
    fn equal_streams_are_proved() {
        assert_eq!(proof(b"out", b"").difference(&tally(b"out"), &tally(b"")), None);
    }

    #[test]
    fn any_difference_is_found() {
        let cut = proof(b"output", b"in").difference(&tally(b"outp"), &tally(b"in")).unwrap();
        assert!(cut.contains("4 of 6 bytes arrived"), "{cut}");
        let cut = proof(b"output", b"in").difference(&tally(b"output"), &tally(b"input")).unwrap();
        assert!(cut.contains("2 of 5 bytes reached"), "{cut}");
        let changed = proof(b"output", b"in").difference(&tally(b"Output"), &tally(b"in")).unwrap();
        assert!(changed.contains("SHA-256"), "{changed}");
        let line = format!("0 3 {} 0 cut", hex::encode(Sha256::digest(b"out")));
        assert!(Proof::read(&line).unwrap().difference(&tally(b"out"), &tally(b"")).is_some());
    }

    #[test]
    fn half_a_proof_is_none() {
        let whole = "0 1 aa 2 bb";
        assert!(Proof::read(whole).is_some());
        for end in 0..whole.len() - 2 {
            assert!(Proof::read(&whole[..end]).is_none(), "{}", &whole[..end]);
        }
        assert!(Proof::read("0 1 aa 2 bb cc").is_none());
        assert!(Proof::read("256 1 aa 2 bb").is_none());
    }
}

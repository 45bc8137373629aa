//! Rows that go into a table: by `LOAD DATA LOCAL`, or by MariaDB's bulk protocol. Source of the latter: MariaDB's manual,
//! "`COM_STMT_PREPARE`" and "`COM_STMT_BULK_EXECUTE`".

use std::io;

use fwb::{Loaded, SessionError, ValueKind};

use super::{Connection, ok, send_command};
use crate::handshake::server_error;
use crate::wire::{Fields, malformed};

/// `COM_STMT_PREPARE`, `COM_STMT_CLOSE` and `COM_STMT_BULK_EXECUTE`.
const PREPARE: u8 = 0x16;
const CLOSE: u8 = 0x19;
const BULK_EXECUTE: u8 = 0xFA;
/// That the types of the values come before them.
const SEND_TYPES: u16 = 128;
/// The types of values that are bytes, and that are texts (`MYSQL_TYPE_BLOB` and `MYSQL_TYPE_STRING`): the server reads a number or a
/// date out of either where the column is one.
const BLOB: u8 = 252;
const STRING: u8 = 254;
/// The largest packet that rows for `LOAD DATA` are sent in, in bytes.
const ROWS_PACKET: usize = 256 << 10;

/// A statement that the server has prepared.
pub(super) struct Prepared {
    text: Vec<u8>,
    /// The server's number for it.
    id: u32,
}

impl Connection {
    /// Sends a statement that asks for rows, and the rows.
    pub(super) fn send_rows(&mut self, statement: &[u8], rows: &[u8]) -> Result<(), SessionError> {
        let asked = self.send_part(statement, true).and_then(|()| self.take_answers_but(1));
        // The server waits for rows that do not come.
        asked.inspect_err(|_| self.is_broken = true)?;
        self.begins_with(0xFB, "no request for rows")?;
        // An empty packet ends them.
        let mut parts = rows.chunks(ROWS_PACKET).chain([&b""[..]]);
        let sent =
            parts.try_for_each(|part| self.packets.write_one(part)).and_then(|()| self.packets.flush());
        self.numbers.push_back(self.packets.number());
        sent.or_else(|error| self.ended(error))
    }

    /// Reads the first packet of the next answer, which begins so unless the server refuses; `else_it_is` says what another one is.
    fn begins_with(&mut self, byte: u8, else_it_is: &'static str) -> Result<(), SessionError> {
        self.packets.set_number(self.numbers.pop_front().unwrap_or(1));
        let packet = self.packets.short().map_err(SessionError::Lost)?;
        match packet.first() {
            Some(first) if *first == byte => Ok(()),
            Some(0xFF) => {
                let error = fwb::ServerError { statement: Some(self.answered), ..server_error(packet) };
                self.answered += 1;
                Err(SessionError::Server(error))
            }
            _ => Err(SessionError::Lost(malformed(else_it_is))),
        }
    }

    /// Reads the answer to rows that were loaded.
    pub(super) fn take_loaded(&mut self) -> Result<Loaded, SessionError> {
        // Rows that were sent behind something that has failed were loaded all the same.
        self.take_answers_but(1).inspect_err(|_| self.is_broken = true)?;
        if self.answered == self.sent {
            return Err(SessionError::Lost(io::Error::other("no rows were sent")));
        }
        self.begins_with(0, "an answer to rows that is none")?;
        self.answered += 1;
        let read = ok(self.packets.last())
            .and_then(|(rows, _, mut rest)| Ok(Loaded { rows, warnings: rest.u16()? }));
        read.map_err(SessionError::Lost)
    }

    /// Sends rows for an `INSERT` that has a placeholder for each column.
    pub(super) fn send_bulk(
        &mut self,
        insert: &[u8],
        columns: &[ValueKind],
        rows: &[u8],
    ) -> Result<(), SessionError> {
        if !self.takes_bulk {
            return Err(SessionError::Lost(io::Error::other("the server takes no rows in bulk")));
        }
        let id = match &self.prepared {
            Some(prepared) if prepared.text == insert => prepared.id,
            _ => self.prepare(insert, columns.len())?,
        };
        let mut head = vec![BULK_EXECUTE];
        head.extend_from_slice(&id.to_le_bytes());
        head.extend_from_slice(&SEND_TYPES.to_le_bytes());
        for kind in columns {
            head.push(match kind {
                ValueKind::Bytes => BLOB,
                ValueKind::Text => STRING,
            });
            // It has a sign, which says nothing of either.
            head.push(0);
        }
        self.packets.set_number(0);
        if let Err(error) = self.packets.write_behind(&head, rows).and_then(|()| self.packets.flush()) {
            self.is_broken = true;
            self.cut_off(error)?;
        }
        self.numbers.push_back(self.packets.number());
        self.sent += 1;
        Ok(())
    }

    /// Prepares a statement, in the place of the one before. A refusal counts as the answer to the statement.
    fn prepare(&mut self, insert: &[u8], columns: usize) -> Result<u32, SessionError> {
        self.take_answers_but(0)?;
        self.expect_nothing()?;
        if let Some(old) = self.prepared.take() {
            // It is not answered.
            send_command(&mut self.packets, CLOSE, &old.id.to_le_bytes()).map_err(SessionError::Lost)?;
        }
        send_command(&mut self.packets, PREPARE, insert).map_err(SessionError::Lost)?;
        self.numbers.push_back(self.packets.number());
        self.begins_with(0, "no prepared statement").inspect_err(|_| self.sent += 1)?;
        let (id, results, placeholders) = prepared(self.packets.last()).map_err(SessionError::Lost)?;
        if results != 0 || usize::from(placeholders) != columns {
            return Err(SessionError::Lost(malformed("a prepared statement that is another one")));
        }
        // What it says of each placeholder, and where it ends, is the same for all.
        for _ in 0..usize::from(placeholders) + usize::from(!self.ends_with_ok) {
            self.packets.short().map_err(SessionError::Lost)?;
        }
        self.prepared = Some(Prepared { text: insert.to_vec(), id });
        Ok(id)
    }
}

/// What the answer to `COM_STMT_PREPARE` says: the statement's number, of how many columns its results are, and how many placeholders
/// it has.
fn prepared(packet: &[u8]) -> io::Result<(u32, u16, u16)> {
    let mut fields = Fields::new(packet);
    fields.u8()?;
    Ok((fields.u32()?, fields.u16()?, fields.u16()?))
}

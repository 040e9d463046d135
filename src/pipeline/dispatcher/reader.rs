//! Reads receipts on a thread of its own and hands over what they hold, piece by piece.

use tokio::sync::mpsc;

use super::super::horizon::Horizon;
use super::super::process::{End, process};
use super::super::rules::Rules;
use crate::domain::Receipt;
use crate::store::PlannedEvent;

/// Some events of a receipt.
pub(super) struct Piece {
    pub(super) events: Vec<PlannedEvent>,
    /// Routes whose condition could not be decided, with the reason, one entry an event.
    pub(super) undecided: Vec<(String, String)>,
    /// They are the last; and what else there is to say about the receipt.
    pub(super) end: Option<End>,
}

/// Pieces on their way from the thread that reads, several at a time: small receipts are many.
pub(super) struct Shipper {
    sender: mpsc::Sender<Vec<Piece>>,
    pieces: Vec<Piece>,
    events: usize,
    /// So many go at once.
    piece_events: usize,
}

impl Shipper {
    pub(super) fn new(sender: mpsc::Sender<Vec<Piece>>, piece_events: usize) -> Self {
        Self { sender, pieces: Vec::new(), events: 0, piece_events }
    }

    /// Whether the receiver is gone: the receipts will be claimed again.
    fn is_in_vain(&self) -> bool {
        self.sender.is_closed()
    }

    fn push(&mut self, piece: Piece) {
        self.events += piece.events.len();
        self.pieces.push(piece);
        if self.events >= self.piece_events {
            self.ship();
        }
    }

    fn ship(&mut self) {
        self.events = 0;
        let pieces = std::mem::take(&mut self.pieces);
        drop(self.sender.blocking_send(pieces));
    }
}

/// The other end.
pub(super) struct Arriving {
    receiver: mpsc::Receiver<Vec<Piece>>,
    at_hand: std::vec::IntoIter<Piece>,
}

impl Arriving {
    /// What comes through this channel.
    pub(super) fn of(receiver: mpsc::Receiver<Vec<Piece>>) -> Self {
        Self { receiver, at_hand: Vec::new().into_iter() }
    }

    /// The next piece; `None` where the thread that reads has ended.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.at_hand.next() {
                return Some(piece);
            }
            self.at_hand = self.receiver.recv().await?.into_iter();
        }
    }
}

/// Reads receipts one after the other, until the receiver of the pieces is gone.
pub(super) fn read_all(works: Vec<(Receipt, u32, Horizon)>, rules: &Rules, mut shipper: Shipper) {
    for (receipt, tries, horizon) in works {
        let (mut events, mut undecided) = (Vec::new(), Vec::new());
        let end = process(receipt, tries, horizon, rules, &mut |(planned, unclear)| {
            if shipper.is_in_vain() {
                return;
            }
            if events.len() >= shipper.piece_events {
                let (events, undecided) = (std::mem::take(&mut events), std::mem::take(&mut undecided));
                shipper.push(Piece { events, undecided, end: None });
            }
            events.push(planned);
            undecided.extend(unclear);
        });
        shipper.push(Piece { events, undecided, end: Some(end) });
        if shipper.is_in_vain() {
            return;
        }
    }
    shipper.ship();
}

//! The rules as tables, whole life cycles, and a random walk.

mod absorbing;
mod bad_input;
mod clock;
mod correlating;
mod digests;
mod grouping;
mod life;
mod orders;
mod storms;
mod timers;
mod told;
mod walk;
mod world;

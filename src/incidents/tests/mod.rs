//! The rules as tables, whole lives, and a random walk.

mod absorbing;
mod correlating;
mod grouping;
mod life;
mod orders;
mod timers;
mod told;
mod walk;
mod world;

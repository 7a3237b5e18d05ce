//! One small case for each fault that somebody met, named by what they did.

mod ends;
mod environment;
mod errors;
mod http;
mod leftovers;
mod sizes;
mod wire;

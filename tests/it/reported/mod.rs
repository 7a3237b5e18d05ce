//! One small case for each fault that somebody met, named by what they did.

mod closing;
mod ends;
mod environment;
mod http;
mod leftovers;
mod promised;
mod schemas;
mod sizes;
mod wire;

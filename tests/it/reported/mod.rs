//! One small case for each fault that somebody met, named by what they did.

mod ends;
mod environment;
mod http;
mod leftovers;
mod scripts;
mod session;
mod wire;

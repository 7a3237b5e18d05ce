//! One small case for each fault that somebody met, named by what they did.

mod arguments;
mod ends;
mod environment;
mod http;
mod leftovers;
mod outside;
mod values;
mod wire;

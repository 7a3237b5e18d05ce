//! One small case for each fault that somebody met, named by what they did.

mod approvals;
mod arguments;
mod call_by_hand;
mod closing;
mod ends;
mod environment;
mod errors;
mod http;
mod left_behind;
mod leftovers;
mod options;
mod outside;
mod personal_keys;
mod planted;
mod promised;
mod schemas;
mod scripts;
mod session;
mod sizes;
mod values;
mod wire;

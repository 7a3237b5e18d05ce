//! Ports for computes: the state gives them out, and the data plane serves them.

use std::{io, net::Ipv4Addr};

/// Ports that were given to computes, and wait to be served.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    opened: Vec<(u16, std::net::TcpListener)>,
}

impl Ports {
    /// A port of 127.0.0.1 for a new compute.
    pub(crate) fn open(&mut self) -> io::Result<u16> {
        self.bind(0)
    }

    /// The port that a compute had before, or another one where somebody else has it now.
    pub(crate) fn reopen(&mut self, port: u16) -> io::Result<u16> {
        self.bind(port).or_else(|_| self.bind(0))
    }

    fn bind(&mut self, port: u16) -> io::Result<u16> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        self.opened.push((port, listener));
        Ok(port)
    }

    /// Those that nobody serves yet.
    pub(crate) fn take(&mut self) -> Vec<(u16, std::net::TcpListener)> {
        std::mem::take(&mut self.opened)
    }
}

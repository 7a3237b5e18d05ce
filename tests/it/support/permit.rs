//! A permit for tests that send what no guard has looked at. The one place to change when the guard's door moves.

use neon_mcp::guard::{Effect, Permitted};
use neon_mcp::neon::Request;

/// Lets `request` through.
pub fn permit(request: Request) -> Permitted<Request> {
    Permitted::for_tests(request, Effect::Write)
}

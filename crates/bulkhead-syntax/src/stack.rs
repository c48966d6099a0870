//! Room on the stack for deeply nested files.

use crate::grammar::Depth;

/// Stack that one level of nesting may take while the tree is built and lowered, in bytes. Measured without optimisation,
/// and doubled. Rows of operators and arguments take none.
const LEVEL: usize = 10 << 10;

/// So much stack is expected to be free wherever a file is parsed, in bytes.
const FREE: usize = 768 << 10;

/// Run `task` where it has stack enough for a file of that depth: here, or on a thread made for it.
///
/// # Errors
/// A message, if the system gives no thread with such a stack.
pub(crate) fn run<T: Send>(depth: Depth, task: impl FnOnce() -> T + Send) -> Result<T, String> {
    let need = depth.nesting as usize * LEVEL;
    if need <= FREE {
        return Ok(task());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(need + (2 << 20)).spawn_scoped(scope, task);
        let thread = thread.map_err(|error| format!("no memory for code nested this deep: {error}"))?;
        thread.join().map_err(|_| "the parser failed on this text; please report it".to_owned())
    })
}

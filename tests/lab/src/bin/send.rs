//! Sends the frames that it reads, one a line in hexadecimal digits, by the interface that its argument names, and then
//! writes those that it captures within half a second in the same form. It is for containers: tests put it into one.

use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bulkhead_lab::Socket;

fn main() -> Result<()> {
    let interface = std::env::args().nth(1).context("usage: bulkhead-lab-send INTERFACE < FRAMES")?;
    let socket = Socket::open_here(&interface)?;
    for line in std::io::stdin().lock().lines() {
        socket.send(&from_hex(&line?)?)?;
    }
    let mut output = std::io::stdout().lock();
    let end = Instant::now() + Duration::from_millis(500);
    while Instant::now() < end {
        for frame in socket.drain()? {
            let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(output, "{hex}")?;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn from_hex(line: &str) -> Result<Vec<u8>> {
    let line = line.trim();
    (0..line.len())
        .step_by(2)
        .map(|at| {
            let digits = line.get(at..at + 2).with_context(|| format!("{line} has half a byte at its end"))?;
            u8::from_str_radix(digits, 16).with_context(|| format!("{digits} is no byte"))
        })
        .collect()
}

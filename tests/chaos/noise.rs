//! Misbehaving tenants.

use crate::caller::{Caller, Endpoint};
use crate::definitions::{MAX_BODY_BYTES, NOISY_TENANT, POISON_TENANT};
use crate::effects::Effects;
use crate::events::Noise;
use crate::history::Kind;
use crate::random::Random;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Calls of a hanging tenant that wait for their answers, and that do not: more than all workers have places.
const HANGING_CALLS: usize = 120;
const HANGING_WORK: usize = 200;
/// Pause between hanging calls: to have many is another noise than to send many at once.
const HANGING_INTERVAL: Duration = Duration::from_millis(10);
/// Connections of a flood.
const FLOOD: usize = 8;
const POISON_INTERVAL: Duration = Duration::from_millis(20);
/// Deeper than any parser of a document follows.
const NESTING: usize = 100_000;

/// Positions of calls over all noises of a run.
static N: AtomicU64 = AtomicU64::new(0);

/// One misbehaviour, from beginning to end.
pub(crate) async fn misbehave(noise: Noise, caller: &Caller, effects: &Effects, random: &mut Random) {
    let time = Duration::from_millis(random.within(10_000..15_000));
    match noise {
        Noise::Hangs => hang(caller, effects, time).await,
        Noise::Floods => flood(caller, time).await,
        Noise::Poisons => poison(caller, time, random).await,
    }
}

/// The remote system hangs for the time. Callers who wait longer go on waiting after it.
async fn hang(caller: &Caller, effects: &Effects, time: Duration) {
    effects.hang(true);
    let [call, work] = [("call", Kind::Synchronous), ("work", Kind::Asynchronous)]
        .map(|(integration, kind)| Endpoint::new(NOISY_TENANT, integration, kind, false));
    for endpoint in std::iter::repeat_n(call, HANGING_CALLS).chain(std::iter::repeat_n(work, HANGING_WORK)) {
        let caller = caller.clone();
        tokio::spawn(async move { caller.call(&endpoint, next()).await });
        tokio::time::sleep(HANGING_INTERVAL).await;
    }
    tokio::time::sleep(time).await;
    effects.hang(false);
}

async fn flood(caller: &Caller, time: Duration) {
    let until = Instant::now() + time;
    let mut sending = JoinSet::new();
    for _ in 0..FLOOD {
        let (caller, endpoint) = (caller.clone(), Endpoint::new(NOISY_TENANT, "echo", Kind::Flood, false));
        sending.spawn(async move {
            while Instant::now() < until {
                caller.call(&endpoint, next()).await;
            }
        });
    }
    sending.join_all().await;
}

async fn poison(caller: &Caller, time: Duration, random: &mut Random) {
    let until = Instant::now() + time;
    let malformed = Endpoint::new(POISON_TENANT, "strict", Kind::Malformed, false);
    let failing = Endpoint::new(POISON_TENANT, "failing", Kind::Failing, false);
    while Instant::now() < until {
        let (endpoint, body) = match random.within(0..5) {
            0 => (&malformed, b"{\"call\":".to_vec()),
            1 => (&malformed, [b"[".repeat(NESTING), b"]".repeat(NESTING)].concat()),
            2 => (&malformed, vec![b' '; MAX_BODY_BYTES + 1]),
            3 => (&malformed, b"{\"text\":\"\xff\xfe\"}".to_vec()),
            _ => (&failing, b"{\"price\":\"many\"}".to_vec()),
        };
        let id = caller.open(endpoint, next());
        caller.send(endpoint, id, None, body).await;
        tokio::time::sleep(POISON_INTERVAL).await;
    }
}

fn next() -> u64 {
    N.fetch_add(1, Ordering::Relaxed)
}

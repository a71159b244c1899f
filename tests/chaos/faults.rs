//! The faults: each begins, lasts, and is undone before it returns.

use crate::caller::Caller;
use crate::effects::Effects;
use crate::events::Event;
use crate::installation::{Installation, services};
use crate::noise::misbehave;
use crate::random::Random;
use forebay_tests::{Proxy, Way};
use std::time::Duration;

/// Of the broker's own memory; no broker uses less.
const ALARM: &str = "rabbitmqctl set_vm_memory_high_watermark 0.000001";
/// The value that `scripts/parts/broker.sh` starts the broker with.
const NO_ALARM: &str = "rabbitmqctl set_vm_memory_high_watermark 0.25";

/// Everything that events act on.
pub(crate) struct UnderTest {
    pub(crate) installation: Installation,
    pub(crate) effects: Effects,
    pub(crate) caller: Caller,
}

/// Runs one event from its beginning to its end.
///
/// # Errors
/// A server could not be stopped or started.
pub(crate) async fn inject(event: Event, under_test: &UnderTest, random: &mut Random) -> Result<(), String> {
    let UnderTest { installation, effects, caller } = under_test;
    let mut millis = |range| Duration::from_millis(random.within(range));
    match event {
        Event::KillWorker => {
            let away = millis(0..4_000);
            installation.kill_worker(random.within(0..installation.workers() as u64) as usize, away).await;
        }
        Event::FreezeWorker => {
            let time = millis(2_000..20_000);
            installation.freeze_worker(random.within(0..installation.workers() as u64) as usize, time).await;
        }
        Event::KillIngress => {
            let away = millis(0..3_000);
            installation.kill_ingress(random.within(0..installation.ingresses() as u64) as usize, away).await;
        }
        Event::RestartBroker => stopped("stop-broker", "start-broker", millis(0..3_000)).await?,
        Event::KillBroker => stopped("kill-broker", "start-broker", millis(0..3_000)).await?,
        Event::RestartDatabase => stopped("stop-database", "start-database", millis(0..6_000)).await?,
        Event::KillDatabase => stopped("kill-database", "start-database", millis(0..6_000)).await?,
        Event::MemoryAlarm => {
            services(ALARM).await?;
            tokio::time::sleep(millis(2_000..12_000)).await;
            services(NO_ALARM).await?;
        }
        Event::CutBroker => cut(&installation.broker),
        Event::CutDatabase => cut(&installation.database),
        Event::StallBroker => {
            installation.broker.set(Way::Shut);
            tokio::time::sleep(millis(2_000..15_000)).await;
            installation.broker.set(Way::Open);
        }
        Event::StallDatabase => {
            installation.database.set(Way::Shut);
            tokio::time::sleep(millis(2_000..15_000)).await;
            installation.database.set(Way::Open);
        }
        Event::LoseBroker => {
            installation.broker.set(Way::Shut);
            tokio::time::sleep(millis(200..3_000)).await;
            cut(&installation.broker);
        }
        Event::Tenant(noise) => misbehave(noise, caller, effects, random).await,
    }
    Ok(())
}

fn cut(proxy: &Proxy) {
    proxy.set(Way::Cut);
    proxy.set(Way::Open);
}

async fn stopped(stop: &str, start: &str, away: Duration) -> Result<(), String> {
    services(stop).await?;
    tokio::time::sleep(away).await;
    services(start).await
}

//! The events of a run: faults of processes and servers, and misbehaving tenants.

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// SIGKILL to a worker, which starts again.
    KillWorker,
    /// SIGSTOP to a worker for 2 to 20 s, then SIGCONT.
    FreezeWorker,
    /// SIGKILL to an ingress, which starts again at its address.
    KillIngress,
    /// The broker stops in order and starts again.
    RestartBroker,
    /// SIGKILL to the broker, which starts again.
    KillBroker,
    /// The broker is short of memory: it reads nothing of connections that publish.
    MemoryAlarm,
    /// All connections to the broker are closed.
    CutBroker,
    /// Nothing passes on the connections to the broker, which stay open.
    StallBroker,
    /// The same, and then they are closed with the bytes that were held back.
    LoseBroker,
    /// The database stops in order and starts again.
    RestartDatabase,
    /// The database stops at once, without a checkpoint, and starts again.
    KillDatabase,
    /// All connections to the database are closed.
    CutDatabase,
    /// Nothing passes on the connections to the database, which stay open.
    StallDatabase,
    /// A tenant misbehaves; every process and server is well.
    Tenant(Noise),
}

/// A misbehaviour of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Noise {
    /// Its remote system does not answer.
    Hangs,
    /// It sends as many calls as it can.
    Floods,
    /// It sends bodies that cannot be accepted or that make its mapping fail.
    Poisons,
}

/// The part of the installation that an event concerns. Two events at the same time concern different parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Worker,
    Ingress,
    Broker,
    Database,
    Tenant,
}

impl Event {
    pub(crate) const ALL: [Self; 16] = [
        Self::KillWorker,
        Self::FreezeWorker,
        Self::KillIngress,
        Self::RestartBroker,
        Self::KillBroker,
        Self::MemoryAlarm,
        Self::CutBroker,
        Self::StallBroker,
        Self::LoseBroker,
        Self::RestartDatabase,
        Self::KillDatabase,
        Self::CutDatabase,
        Self::StallDatabase,
        Self::Tenant(Noise::Hangs),
        Self::Tenant(Noise::Floods),
        Self::Tenant(Noise::Poisons),
    ];

    /// The name in arguments and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KillWorker => "kill-worker",
            Self::FreezeWorker => "freeze-worker",
            Self::KillIngress => "kill-ingress",
            Self::RestartBroker => "restart-broker",
            Self::KillBroker => "kill-broker",
            Self::MemoryAlarm => "memory-alarm",
            Self::CutBroker => "cut-broker",
            Self::StallBroker => "stall-broker",
            Self::LoseBroker => "lose-broker",
            Self::RestartDatabase => "restart-database",
            Self::KillDatabase => "kill-database",
            Self::CutDatabase => "cut-database",
            Self::StallDatabase => "stall-database",
            Self::Tenant(noise) => noise.name(),
        }
    }

    pub(crate) fn target(self) -> Target {
        match self {
            Self::KillWorker | Self::FreezeWorker => Target::Worker,
            Self::KillIngress => Target::Ingress,
            Self::RestartBroker | Self::KillBroker | Self::MemoryAlarm | Self::CutBroker | Self::StallBroker | Self::LoseBroker => {
                Target::Broker
            }
            Self::RestartDatabase | Self::KillDatabase | Self::CutDatabase | Self::StallDatabase => Target::Database,
            Self::Tenant(_) => Target::Tenant,
        }
    }

    /// The misbehaviour, where the event is one.
    pub(crate) fn noise(self) -> Option<Noise> {
        if let Self::Tenant(noise) = self { Some(noise) } else { None }
    }
}

impl Noise {
    fn name(self) -> &'static str {
        match self {
            Self::Hangs => "hangs",
            Self::Floods => "floods",
            Self::Poisons => "poisons",
        }
    }
}

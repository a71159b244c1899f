//! A cluster of three RabbitMQ nodes of the system's package: own names, ports and data folders, nothing shared with other brokers.

use crate::eventually;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use uuid::Uuid;

const BIN: &str = "/usr/lib/rabbitmq/bin";
const NODES: usize = 3;

/// The cluster; its processes end with it.
pub struct Cluster {
    folder: PathBuf,
    epmd_port: u16,
    nodes: Vec<Node>,
}

/// An address that leads to one node of a cluster after the other.
pub struct VirtualAddress {
    /// The URL.
    pub url: String,
    current: Arc<AtomicUsize>,
}

impl VirtualAddress {
    /// The node of the latest connection.
    #[must_use]
    pub fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }
}

struct Node {
    name: String,
    amqp_port: u16,
    dist_port: u16,
}

fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

impl Cluster {
    /// Starts three nodes and waits until they are one cluster.
    pub async fn start() -> Self {
        let id = Uuid::new_v4().simple().to_string();
        let folder = std::env::temp_dir().join(format!("cluster-{id}"));
        let ports = free_ports(2 * NODES + 1);
        let node = |index: usize| Node {
            name: format!("n{}-{}@localhost", index + 1, &id[..8]),
            amqp_port: ports[2 * index],
            dist_port: ports[2 * index + 1],
        };
        let cluster = Self { folder, epmd_port: ports[2 * NODES], nodes: (0..NODES).map(node).collect() };
        // The first node forms the cluster that the others find.
        for index in 0..NODES {
            cluster.configure(index);
            cluster.start_node(index).await;
        }
        cluster
    }

    fn folder_of(&self, node: usize) -> PathBuf {
        self.folder.join(format!("n{}", node + 1))
    }

    fn configure(&self, node: usize) {
        let folder = self.folder_of(node);
        for name in ["mnesia", "log", "config"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        let mut text = String::from(
            "vm_memory_high_watermark.relative = 0.2\ndisk_free_limit.absolute = 100MB\ncluster_partition_handling = ignore\n\
             cluster_formation.peer_discovery_backend = classic_config\ncluster_formation.randomized_startup_delay_range.min = 0\n\
             cluster_formation.randomized_startup_delay_range.max = 1\n",
        );
        for (index, node) in self.nodes.iter().enumerate() {
            text.push_str(&format!("cluster_formation.classic_config.nodes.{} = {}\n", index + 1, node.name));
        }
        std::fs::write(folder.join("rabbitmq.conf"), text).unwrap();
        std::fs::write(folder.join("enabled_plugins"), "[].\n").unwrap();
        std::fs::write(folder.join("rabbitmq-env.conf"), "").unwrap();
        let cookie = folder.join(".erlang.cookie");
        std::fs::write(&cookie, "FOREBAYTESTCLUSTER").unwrap();
        std::fs::set_permissions(&cookie, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    }

    /// A command of RabbitMQ's in the environment of a node. As in `scripts/parts/broker.sh`, nothing of the system's broker reaches it.
    fn command(&self, node: usize, program: &str) -> Command {
        let (folder, Node { name, amqp_port, dist_port }) = (self.folder_of(node), &self.nodes[node]);
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let mut command = Command::new(format!("{BIN}/{program}"));
        command.env_clear().current_dir(&folder).stdin(Stdio::null()).kill_on_drop(false);
        command.env("PATH", "/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8").env("HOME", &folder);
        command.env("ERL_EPMD_ADDRESS", "127.0.0.1").env("ERL_EPMD_PORT", self.epmd_port.to_string());
        command.env("RABBITMQ_NODENAME", name).env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1");
        command.env("RABBITMQ_NODE_PORT", amqp_port.to_string()).env("RABBITMQ_DIST_PORT", dist_port.to_string());
        command.env("RABBITMQ_BASE", &folder).env("RABBITMQ_MNESIA_BASE", path("mnesia")).env("RABBITMQ_LOG_BASE", path("log"));
        command.env("RABBITMQ_GENERATED_CONFIG_DIR", path("config")).env("RABBITMQ_CONF_ENV_FILE", path("rabbitmq-env.conf"));
        command.env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")).env("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"));
        command.env("RABBITMQ_PID_FILE", path("pid"));
        // One scheduler a node: tests share few processors.
        command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1");
        command
    }

    /// Starts a node that is not running, and waits until it takes connections.
    pub async fn start_node(&self, node: usize) {
        let _ = std::fs::remove_file(self.folder_of(node).join("pid"));
        let log = std::fs::File::create(self.folder_of(node).join("console")).unwrap();
        let mut command = self.command(node, "rabbitmq-server");
        command.stdout(log.try_clone().unwrap()).stderr(log).process_group(0).spawn().unwrap();
        eventually(&format!("node {} takes connections", self.nodes[node].name), || async {
            // A node that starts may take the connection and never greet.
            let url = self.url(&[node]);
            let connect = lapin::Connection::connect(&url, lapin::ConnectionProperties::default());
            tokio::time::timeout(Duration::from_secs(5), connect).await.ok()?.ok().map(drop)
        })
        .await;
    }

    fn pid(&self, node: usize) -> Option<String> {
        let text = std::fs::read_to_string(self.folder_of(node).join("pid")).ok()?;
        Some(text.trim().to_owned())
    }

    /// Ends a node at once.
    pub fn kill_node(&self, node: usize) {
        let pid = self.pid(node).expect("the node runs");
        assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        let _ = std::fs::remove_file(self.folder_of(node).join("pid"));
    }

    /// The URL of these nodes, in this order.
    #[must_use]
    pub fn url(&self, nodes: &[usize]) -> String {
        let hosts: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", self.nodes[*node].amqp_port)).collect();
        format!("amqp://guest:guest@{}/%2f", hosts.join(","))
    }

    /// One address for the cluster: connections are passed to the first node that takes them.
    pub async fn virtual_address(&self) -> VirtualAddress {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("amqp://guest:guest@{}/%2f", listener.local_addr().unwrap());
        let current = Arc::new(AtomicUsize::new(0));
        let (ports, chosen) = (self.nodes.iter().map(|node| node.amqp_port).collect::<Vec<_>>(), current.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                for (node, port) in ports.iter().enumerate() {
                    let connect = TcpStream::connect(("127.0.0.1", *port));
                    let Ok(Ok(mut broker)) = tokio::time::timeout(Duration::from_millis(300), connect).await else { continue };
                    chosen.store(node, Ordering::Relaxed);
                    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut broker).await });
                    break;
                }
            }
        });
        VirtualAddress { url, current }
    }

    /// Queues and the nodes on which they have their leaders, as one node says; those without a leader are left out.
    pub async fn leaders(&self, node: usize) -> Vec<(String, usize)> {
        let text = self.run(node, "rabbitmqctl", &["--quiet", "list_queues", "name", "leader", "--formatter=json"]).await;
        let listed: Value = serde_json::from_str(&text).unwrap();
        let leader_of = |row: &Value| {
            let leader = self.nodes.iter().position(|node| row["leader"] == node.name.as_str())?;
            Some((row["name"].as_str()?.to_owned(), leader))
        };
        listed.as_array().unwrap().iter().filter_map(leader_of).collect()
    }

    /// Spreads the leaders of queues over all nodes.
    pub async fn rebalance(&self, node: usize) {
        self.run(node, "rabbitmq-queues", &["rebalance", "quorum"]).await;
    }

    /// Runs one of RabbitMQ's tools on a node; what it printed.
    async fn run(&self, node: usize, program: &str, arguments: &[&str]) -> String {
        let output = self.command(node, program).args(arguments).output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for pid in (0..NODES).filter_map(|node| self.pid(node)) {
            let _ = std::process::Command::new("kill").args(["-KILL", &pid]).status();
        }
        // On a port of its own, so it is ours to end.
        let _ = std::process::Command::new("epmd").args(["-port", &self.epmd_port.to_string(), "-kill"]).stdout(Stdio::null()).status();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

//! A file server: the real OpenSSH server on a free port, with keys and a folder of its own, as the user who runs the test.

use crate::eventually;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio::net::{TcpListener, TcpStream};

/// The server and its files; both end with the test.
pub struct FileServer {
    port: u16,
    folder: PathBuf,
    process: tokio::process::Child,
}

impl FileServer {
    /// Starts `sshd`, which signs in the current user with [`private_key`](Self::private_key).
    pub async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("forebay-sftp-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(folder.join("files")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        // A usual server has host keys of several kinds.
        for (key, kind) in [("host_key", "ed25519"), ("rsa_host_key", "rsa"), ("user_key", "ed25519")] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(folder.join(key)).status();
            assert!(made.expect("ssh-keygen of openssh-client").success());
        }
        fs::copy(folder.join("user_key.pub"), folder.join("authorized_keys")).unwrap();
        if is_root() {
            // Where sshd puts those that are not signed in yet; it insists on it when run by root.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = free_port().await;
        let config = folder.join("sshd_config");
        let lines = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {0}/host_key\nHostKey {0}/rsa_host_key\nAuthorizedKeysFile {0}/authorized_keys\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\n\
             Subsystem sftp internal-sftp\n",
            folder.display()
        );
        fs::write(&config, lines).unwrap();
        // By its absolute path: sshd starts itself anew for each connection.
        let mut command = tokio::process::Command::new("/usr/sbin/sshd");
        command.arg("-D").arg("-e").arg("-f").arg(&config).kill_on_drop(true).stderr(fs::File::create(folder.join("log")).unwrap());
        let process = command.spawn().expect("openssh-server, which scripts/test installs");
        let server = Self { port, folder, process };
        eventually("sshd answers", async || TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        server
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Who can sign in.
    #[must_use]
    pub fn username(&self) -> String {
        output_of(Command::new("id").arg("-un")).trim().to_owned()
    }

    /// The key that signs in, as OpenSSH writes it.
    #[must_use]
    pub fn private_key(&self) -> String {
        fs::read_to_string(self.folder.join("user_key")).unwrap()
    }

    /// The host key's fingerprint, `SHA256:...`.
    #[must_use]
    pub fn host_key(&self) -> String {
        self.fingerprint("host_key.pub")
    }

    /// The fingerprint of its second host key, which is of the kind RSA.
    #[must_use]
    pub fn rsa_host_key(&self) -> String {
        self.fingerprint("rsa_host_key.pub")
    }

    fn fingerprint(&self, key: &str) -> String {
        let line = output_of(Command::new("ssh-keygen").arg("-lf").arg(self.folder.join(key)));
        line.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// An empty folder for files.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    /// What the server wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> bool {
    output_of(Command::new("id").arg("-u")).trim() == "0" && Path::new("/run").exists()
}

fn output_of(command: &mut Command) -> String {
    String::from_utf8(command.stderr(Stdio::inherit()).output().unwrap().stdout).unwrap()
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

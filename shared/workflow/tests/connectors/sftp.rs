//! Files on a real OpenSSH server.

use super::*;
use forebay_tests::FileServer;
use forebay_workflow::connector::{Earlier, FileAction, RemotePath};
use std::sync::Mutex;

fn at(server: &FileServer, changes: Json) -> Arc<Connection> {
    let mut sftp = json!({
        "host": "127.0.0.1", "port": server.port(), "username": server.username(), "private_key": server.private_key(),
        "host_key": server.host_key(), "folder": server.files(),
    });
    sftp.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    connection(json!({ "sftp": sftp }))
}

fn path(text: &str) -> RemotePath {
    RemotePath { text: text.to_owned(), is_inserted: true }
}

fn put(file: &str, bytes: &[u8]) -> FileAction {
    FileAction::Put { path: path(file), bytes: bytes.to_vec().into(), id: "7k3/put".to_owned() }
}

fn get(file: &str, content_type: Option<&str>) -> FileAction {
    FileAction::Get { path: path(file), content_type: content_type.map(str::to_owned) }
}

async fn done(connection: &Arc<Connection>, action: FileAction) -> Json {
    json_of(&connectors().sftp(connection, action, Earlier::NONE, BOUNDS).await.unwrap())
}

async fn refused_by(connection: &Arc<Connection>, action: FileAction) -> ExecutionError {
    connectors().sftp(connection, action, Earlier::NONE, BOUNDS).await.unwrap_err()
}

#[tokio::test]
async fn a_file_is_written_whole_listed_read_moved_and_deleted() {
    let server = FileServer::start().await;
    let (connection, folder) = (at(&server, json!({})), server.files());
    let large: Vec<u8> = (0..3_000_001_u32).flat_map(|number| number.to_le_bytes()).take(3_000_001).collect();
    let file = folder.join("a.bin").to_string_lossy().into_owned();
    assert_eq!(done(&connection, put("a.bin", &large)).await, json!({ "path": file, "size": 3_000_001 }));
    assert_eq!(std::fs::read(&file).unwrap(), large);
    // Over the one that is there.
    done(&connection, put("a.bin", b"hi")).await;
    std::fs::write(folder.join("b.json"), r#"{"b":1}"#).unwrap();
    std::fs::create_dir(folder.join("c.json")).unwrap();
    let list = done(&connection, FileAction::List { path: path(""), pattern: None }).await;
    let names: Vec<_> = list.as_array().unwrap().iter().map(|file| (file["name"].as_str().unwrap(), file["isFolder"] == true)).collect();
    assert_eq!(names, [("a.bin", false), ("b.json", false), ("c.json", true)]);
    assert_eq!((&list[0]["size"], &list[0]["path"]), (&json!(2), &json!(file)));
    assert!(list[0]["modifiedAt"].as_str().unwrap().starts_with("20"), "{list}");
    let some = done(&connection, FileAction::List { path: path(""), pattern: Some("?.json".to_owned()) }).await;
    assert_eq!(some.as_array().unwrap().len(), 2);
    assert_eq!(done(&connection, get("b.json", None)).await["body"], json!({ "b": 1 }));
    assert_eq!(done(&connection, get("b.json", Some("text/plain"))).await["body"], json!(r#"{"b":1}"#));
    assert_eq!(done(&connection, get("a.bin", None)).await["body"], json!({ "base64": "aGk=", "contentType": null, "size": 2 }));
    let moved = FileAction::Move { path: path("b.json"), to: path("a.bin") };
    assert_eq!(done(&connection, moved).await, json!({ "path": file }));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), r#"{"b":1}"#);
    assert_eq!(done(&connection, FileAction::Delete { path: path("a.bin") }).await, json!({ "deleted": true }));
    assert_eq!(done(&connection, FileAction::Delete { path: path("a.bin") }).await, json!({ "deleted": false }));
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["c.json"]);
}

#[tokio::test]
async fn another_host_key_is_refused_and_the_servers_own_is_shown() {
    let server = FileServer::start().await;
    let error = refused_by(&at(&server, json!({ "host_key": "SHA256:other" })), get("a", None)).await;
    assert_permanent(&error, ErrorCode::Connection, &[&server.host_key(), "SHA256:other", "connection 'remote' (sftp at 127.0.0.1:"]);
}

#[tokio::test]
async fn a_login_that_is_not_accepted_says_what_to_check() {
    let server = FileServer::start().await;
    let other = FileServer::start().await;
    let error = refused_by(&at(&server, json!({ "private_key": other.private_key() })), get("a", None)).await;
    assert_permanent(&error, ErrorCode::Connection, &["does not accept the login", "private_key"]);
    let error = refused_by(&at(&server, json!({ "private_key": "no key" })), get("a", None)).await;
    assert_permanent(&error, ErrorCode::Connection, &["private_key cannot be read"]);
}

#[tokio::test]
async fn what_the_server_refuses_names_the_file() {
    let server = FileServer::start().await;
    let connection = at(&server, json!({}));
    let error = refused_by(&connection, get("none.json", None)).await;
    assert_permanent(&error, ErrorCode::Remote, &["none.json could not be read", "No such file"]);
    let error = refused_by(&connection, put("no/folder.json", b"1")).await;
    assert_permanent(&error, ErrorCode::Remote, &["folder.json could not be written"]);
    let error = refused_by(&connection, get("../host_key", None)).await;
    assert_permanent(&error, ErrorCode::Mapping, &["`..`"]);
    std::fs::write(server.files().join("a.json"), "{").unwrap();
    assert_permanent(&refused_by(&connection, get("a.json", None)).await, ErrorCode::Body, &["a.json", "JSON"]);
    let small = Bounds { most_bytes: 100, ..BOUNDS };
    std::fs::write(server.files().join("b.txt"), [b'x'; 101]).unwrap();
    let error = connectors().sftp(&connection, get("b.txt", None), Earlier::NONE, small).await.unwrap_err();
    assert_permanent(&error, ErrorCode::Limit, &["b.txt has more than 100 bytes"]);
    let port = server.port();
    drop(server);
    eventually("sshd ends", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err()).await;
    assert_transient(&refused_by(&connection, get("a", None)).await, ErrorCode::Unreachable, &["could not be reached"]);
}

#[tokio::test]
async fn steps_write_and_read_bodies_by_the_files_ending() {
    let server = FileServer::start().await;
    let steps = "
steps:
  - { id: csv, sftp: { connection: remote, put: 'out-${ .body.id }.csv', body: '[{ a: 1 }]' } }
  - { id: raw, sftp: { connection: remote, put: 'out.dat', body: '{ base64: \"aGk=\" }' } }
  - { id: files, sftp: { connection: remote, list: '', pattern: 'out-*' } }
  - { id: back, sftp: { connection: remote, get: '${ .steps.files[0].path }' } }
  - { id: away, sftp: { connection: remote, move: 'out.dat', to: 'in.dat' } }
respond: { body: '[.steps.back.body, .steps.back.name, .steps.csv.size]' }";
    let output = run_on(at(&server, json!({})), steps, &json!({ "id": 7 })).await.unwrap();
    assert_eq!(output, json!([[{ "a": "1" }], "out-7.csv", 6]));
    assert_eq!(std::fs::read(server.files().join("in.dat")).unwrap(), b"hi");
}

#[tokio::test]
async fn what_an_earlier_attempt_may_have_done_is_taken_as_done_only_where_all_is_as_it_would_have_left_it() {
    let server = FileServer::start().await;
    let (connection, folder) = (at(&server, json!({})), server.files());
    let doubts = Mutex::new(Vec::new());
    let in_doubt = |is_in_doubt| doubts.lock().unwrap().push(is_in_doubt);
    let again = Earlier { may_have_done_it: true, in_doubt: &in_doubt };
    let to_b = || FileAction::Move { path: path("a"), to: path("b") };
    let delete = || FileAction::Delete { path: path("a") };
    let repeated = async |action| connectors().sftp(&connection, action, again, BOUNDS).await.map(|output| json_of(&output));
    // Neither source nor target: nobody has moved anything.
    assert_permanent(&repeated(to_b()).await.unwrap_err(), ErrorCode::Remote, &["a could not be moved to", "No such file"]);
    assert_eq!(std::mem::take(&mut *doubts.lock().unwrap()), [true, false]);
    std::fs::write(folder.join("b"), "old").unwrap();
    let first = refused_by(&connection, to_b()).await;
    assert_permanent(&first, ErrorCode::Remote, &["a could not be moved to"]);
    assert_eq!(repeated(to_b()).await.unwrap(), json!({ "path": folder.join("b"), "assumed": true }));
    assert_eq!(repeated(delete()).await.unwrap(), json!({ "deleted": true, "assumed": true }));
    assert_eq!(done(&connection, delete()).await, json!({ "deleted": false }));
    // The source is there: it is moved, whatever was before.
    std::fs::write(folder.join("a"), "new").unwrap();
    doubts.lock().unwrap().clear();
    assert_eq!(repeated(to_b()).await.unwrap(), json!({ "path": folder.join("b") }));
    assert_eq!((std::fs::read_to_string(folder.join("b")).unwrap().as_str(), doubts.lock().unwrap().as_slice()), ("new", &[true][..]));
}

/// Hands connections to a port on, until [`cut`](Self::cut).
struct Wire {
    port: u16,
    cut: tokio::sync::watch::Sender<u32>,
}

impl Wire {
    async fn to(port: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self { port: listener.local_addr().unwrap().port(), cut: tokio::sync::watch::Sender::new(0) };
        let cut = wire.cut.subscribe();
        tokio::spawn(async move {
            loop {
                let (mut outside, _) = listener.accept().await.unwrap();
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let mut inside = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut outside, &mut inside) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        wire
    }

    /// Ends every connection there is.
    fn cut(&self) {
        self.cut.send_modify(|times| *times += 1);
    }
}

#[tokio::test]
async fn steps_share_a_session_and_one_that_has_ended_is_noticed_before_a_step_relies_on_it() {
    let server = FileServer::start().await;
    let wire = Wire::to(server.port()).await;
    let (connectors, connection) = (connectors(), at(&server, json!({ "port": wire.port })));
    let act = async |action| connectors.sftp(&connection, action, Earlier::NONE, BOUNDS).await;
    let sign_ins = || server.log().matches("Accepted publickey").count();
    for _ in 0..3 {
        act(put("a.txt", b"hi")).await.unwrap();
        act(get("a.txt", None)).await.unwrap();
    }
    assert_eq!((sign_ins(), connectors.sessions()), (1, 1));
    wire.cut();
    act(FileAction::Move { path: path("a.txt"), to: path("b.txt") }).await.unwrap();
    assert_eq!((sign_ins(), connectors.sessions()), (2, 1));
    // What failed may have left a file open there.
    act(get("none.txt", None)).await.unwrap_err();
    assert_eq!(connectors.sessions(), 0);
    act(get("b.txt", None)).await.unwrap();
    assert_eq!(sign_ins(), 3);
}

#[tokio::test]
async fn the_kind_of_host_key_that_the_connection_names_is_asked_for() {
    let server = FileServer::start().await;
    assert_eq!(done(&at(&server, json!({ "host_key": server.rsa_host_key() })), put("a", b"1")).await["size"], 1);
    let another = at(&server, json!({ "host_key": "SHA256:0000000000000000000000000000000000000000000" }));
    let error = refused_by(&another, put("b", b"1")).await;
    assert!(error.code == ErrorCode::Connection && !error.transient, "{error:?}");
    for part in [&server.host_key(), &server.rsa_host_key(), "has the host keys", "SHA256:000"] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
}

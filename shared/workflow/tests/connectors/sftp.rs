//! Files on a real OpenSSH server.

use super::*;
use forebay_connectors::{Earlier, FileAction, RemotePath};
use forebay_contract::body::BodyRule;
use forebay_tests::FileServer;
use std::sync::Mutex;
use std::time::Duration;

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
    FileAction::Put { path: path(file), bytes: bytes.to_vec().into(), id: "7k3/put".to_owned(), overwrite: true, rename: true }
}

/// Returns [`put`] with these settings.
fn put_as(file: &str, bytes: &[u8], overwrite: bool, rename: bool) -> FileAction {
    FileAction::Put { path: path(file), bytes: bytes.to_vec().into(), id: "7k3/put".to_owned(), overwrite, rename }
}

fn moved(from: &str, to: &str, overwrite: bool) -> FileAction {
    FileAction::Move { path: path(from), to: path(to), overwrite }
}

/// Returns the names in a folder, in order.
fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn get(file: &str, content_type: Option<&str>) -> FileAction {
    let rule = BodyRule::new(content_type, None, None).unwrap();
    FileAction::Get { path: path(file), rule }
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
    // Replaces the existing file.
    done(&connection, put("a.bin", b"hi")).await;
    std::fs::write(folder.join("b.json"), r#"{"b":1}"#).unwrap();
    std::fs::create_dir(folder.join("c.json")).unwrap();
    let list = done(&connection, FileAction::List { path: path(""), pattern: None }).await;
    let told: Vec<_> = list.as_array().unwrap().iter().map(|file| (file["name"].as_str().unwrap(), file["isFolder"] == true)).collect();
    assert_eq!(told, [("a.bin", false), ("b.json", false), ("c.json", true)]);
    assert_eq!((&list[0]["size"], &list[0]["path"]), (&json!(2), &json!(file)));
    assert!(list[0]["modifiedAt"].as_str().unwrap().starts_with("20"), "{list}");
    let some = done(&connection, FileAction::List { path: path(""), pattern: Some("?.json".to_owned()) }).await;
    assert_eq!(some.as_array().unwrap().len(), 2);
    assert_eq!(done(&connection, get("b.json", None)).await["body"], json!({ "b": 1 }));
    assert_eq!(done(&connection, get("b.json", Some("text/plain"))).await["body"], json!(r#"{"b":1}"#));
    assert_eq!(done(&connection, get("a.bin", None)).await["body"], json!({ "base64": "aGk=", "contentType": null, "size": 2 }));
    assert_eq!(done(&connection, moved("b.json", "a.bin", true)).await, json!({ "path": file }));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), r#"{"b":1}"#);
    assert_eq!(done(&connection, FileAction::Delete { path: path("a.bin") }).await, json!({ "deleted": true }));
    assert_eq!(done(&connection, FileAction::Delete { path: path("a.bin") }).await, json!({ "deleted": false }));
    assert_eq!(names(&folder), ["c.json"]);
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
    let small = Bounds { max_bytes: 100, ..BOUNDS };
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
    let to_b = || moved("a", "b", true);
    let delete = || FileAction::Delete { path: path("a") };
    let repeated = async |action| connectors().sftp(&connection, action, again, BOUNDS).await.map(|output| json_of(&output));
    // Neither source nor target exists: the file was not moved.
    assert_permanent(&repeated(to_b()).await.unwrap_err(), ErrorCode::Remote, &["a could not be moved to", "No such file"]);
    assert_eq!(std::mem::take(&mut *doubts.lock().unwrap()), [true, false]);
    std::fs::write(folder.join("b"), "old").unwrap();
    let first = refused_by(&connection, to_b()).await;
    assert_permanent(&first, ErrorCode::Remote, &["a could not be moved to"]);
    assert_eq!(repeated(to_b()).await.unwrap(), json!({ "path": folder.join("b"), "assumed": true }));
    assert_eq!(repeated(delete()).await.unwrap(), json!({ "deleted": true, "assumed": true }));
    assert_eq!(done(&connection, delete()).await, json!({ "deleted": false }));
    // The source exists: it is moved, regardless of earlier attempts.
    std::fs::write(folder.join("a"), "new").unwrap();
    doubts.lock().unwrap().clear();
    assert_eq!(repeated(to_b()).await.unwrap(), json!({ "path": folder.join("b") }));
    assert_eq!((std::fs::read_to_string(folder.join("b")).unwrap().as_str(), doubts.lock().unwrap().as_slice()), ("new", &[true][..]));
}

/// Forwards connections to a port, until [`cut`](Self::cut).
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

    /// Ends all connections.
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
    act(moved("a.txt", "b.txt", true)).await.unwrap();
    assert_eq!((sign_ins(), connectors.sessions()), (2, 1));
    // The failed step may have left a file open in the session.
    act(get("none.txt", None)).await.unwrap_err();
    assert_eq!(connectors.sessions(), 0);
    act(get("b.txt", None)).await.unwrap();
    assert_eq!(sign_ins(), 3);
}

#[tokio::test]
async fn files_with_names_that_are_not_utf8_are_listed_read_moved_written_and_deleted() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let server = FileServer::start().await;
    let (connection, folder) = (at(&server, json!({})), server.files());
    let file = |name: &[u8]| folder.join(OsStr::from_bytes(name));
    // Latin-1, invalid UTF-8, a name with a character that represents a byte, and an ordinary one.
    let all: [&[u8]; 4] = [b"J\xf6rg.json", b"a\xc3(\xff.json", "x\u{ef80}.json".as_bytes(), "Jörg.json".as_bytes()];
    for name in all {
        std::fs::write(file(name), r#"{"a":1}"#).unwrap();
    }
    let listed = done(&connection, FileAction::List { path: path(""), pattern: Some("*.json".to_owned()) }).await;
    let listed = listed.as_array().unwrap();
    let told: Vec<Vec<u8>> = listed
        .iter()
        .map(|entry| match entry["nameBase64"].as_str() {
            Some(base64) => data_encoding::BASE64.decode(base64.as_bytes()).unwrap(),
            None => entry["name"].as_str().unwrap().as_bytes().to_vec(),
        })
        .collect();
    assert!(told.len() == 4 && all.iter().all(|name| told.contains(&name.to_vec())), "{listed:?}");
    assert!(listed.iter().any(|entry| entry["name"] == "Jörg.json") && listed.iter().any(|entry| entry["name"] == "J\u{eff6}rg.json"));
    for entry in listed {
        let (name, at) = (entry["name"].as_str().unwrap(), entry["path"].as_str().unwrap());
        let read = done(&connection, get(at, None)).await;
        assert_eq!((&read["body"], &read["name"], &read["path"]), (&json!({ "a": 1 }), &entry["name"], &entry["path"]));
        done(&connection, moved(name, &format!("{name}.done"), true)).await;
        done(&connection, moved(&format!("{name}.done"), &format!("{name}.2"), false)).await;
        done(&connection, put(&format!("{name}.2"), b"new")).await;
        done(&connection, put_as(&format!("new-{name}"), b"x", false, false)).await;
    }
    for name in all {
        assert_eq!(std::fs::read(file(&[name, b".2"].concat())).unwrap(), b"new");
        assert_eq!(std::fs::read(file(&[b"new-", name].concat())).unwrap(), b"x");
    }
    for entry in done(&connection, FileAction::List { path: path(""), pattern: None }).await.as_array().unwrap() {
        let deleted = done(&connection, FileAction::Delete { path: path(entry["name"].as_str().unwrap()) }).await;
        assert_eq!(deleted, json!({ "deleted": true }));
    }
    assert!(names(&folder).is_empty());
}

#[tokio::test]
async fn what_is_not_to_be_overwritten_stays_as_it_is() {
    let server = FileServer::start().await;
    let (connection, folder) = (at(&server, json!({})), server.files());
    let there = || std::fs::read_to_string(folder.join("there")).unwrap();
    std::fs::write(folder.join("there"), "old").unwrap();
    std::fs::write(folder.join("a"), "new").unwrap();
    for action in [put_as("there", b"new", false, true), put_as("there", b"new", false, false), moved("a", "there", false)] {
        let error = refused_by(&connection, action).await;
        assert_permanent(&error, ErrorCode::Remote, &["there is there already", "overwrite: false"]);
        assert_eq!((there().as_str(), names(&folder)), ("old", vec!["a".to_owned(), "there".to_owned()]));
    }
    // An earlier attempt may have done it, and another file exists at the target.
    let again = Earlier { may_have_done_it: true, in_doubt: &|_| {} };
    let repeated = async |action| connectors().sftp(&connection, action, again, BOUNDS).await.map(|output| json_of(&output));
    for action in [put_as("there", b"new", false, true), put_as("there", b"ol", false, true), moved("a", "there", false)] {
        assert_permanent(&repeated(action).await.unwrap_err(), ErrorCode::Remote, &["there is there already"]);
        assert_eq!(there(), "old");
    }
    // The earlier attempt did it: the same bytes exist at the target, or the source is gone.
    let expected = json!({ "path": folder.join("there"), "size": 3, "assumed": true });
    assert_eq!(repeated(put_as("there", b"old", false, true)).await.unwrap(), expected);
    assert_eq!(repeated(put_as("there", b"old", false, false)).await.unwrap(), expected);
    assert_eq!(repeated(moved("gone", "there", false)).await.unwrap(), json!({ "path": folder.join("there"), "assumed": true }));
    for (action, expected) in [
        (put_as("b", b"1", false, true), json!({ "path": folder.join("b"), "size": 1 })),
        (put_as("c", b"2", false, false), json!({ "path": folder.join("c"), "size": 1 })),
        (moved("a", "d", false), json!({ "path": folder.join("d") })),
        (put_as("there", b"new", true, false), json!({ "path": folder.join("there"), "size": 3 })),
    ] {
        assert_eq!(done(&connection, action).await, expected);
    }
    assert_eq!((names(&folder).join(" "), there().as_str()), ("b c d there".to_owned(), "new"));
}

#[tokio::test]
async fn two_that_write_one_new_file_at_once_do_not_overwrite_each_other() {
    let server = FileServer::start().await;
    let (connection, connectors) = (at(&server, json!({})), connectors());
    for rename in [true, false] {
        let file = format!("one-{rename}");
        let write = async |number: u8| {
            let bytes = vec![number; 100_000];
            let action = FileAction::Put { path: path(&file), bytes: bytes.into(), id: number.to_string(), overwrite: false, rename };
            connectors.sftp(&connection, action, Earlier::NONE, BOUNDS).await.is_ok()
        };
        let won = futures_util::future::join_all((0..4).map(write)).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
        let winner = u8::try_from(won.iter().position(|won| *won).unwrap()).unwrap();
        assert_eq!(std::fs::read(server.files().join(&file)).unwrap(), vec![winner; 100_000]);
    }
    assert_eq!(names(&server.files()).join(" "), "one-false one-true");
}

#[tokio::test]
async fn no_unfinished_file_is_left_whatever_ends_a_step() {
    let server = FileServer::start().await;
    let wire = Wire::to(server.port()).await;
    let (connection, connectors, folder) = (at(&server, json!({ "port": wire.port })), connectors(), server.files());
    // The server refuses the rename: there is a folder of that name.
    std::fs::create_dir(folder.join("folder")).unwrap();
    refused_by(&connection, put("folder", b"1")).await;
    assert_eq!(names(&folder), ["folder"]);
    let large = vec![7; 60_000_000];
    let unfinished = || names(&folder).into_iter().any(|name| name.starts_with(".forebay-"));
    let clean = async || eventually("nothing is left", async || names(&folder) == ["folder"]).await;
    // The connection is lost.
    let broken = connectors.sftp(&connection, put("a", &large), Earlier::NONE, BOUNDS);
    let cut = async {
        eventually("it is being written", async || unfinished()).await;
        wire.cut();
    };
    assert_transient(&tokio::join!(broken, cut).0.unwrap_err(), ErrorCode::Unreachable, &["broke off"]);
    assert_eq!(names(&folder), ["folder"], "gone before the step ends");
    // The step is too slow.
    let slow = Bounds { timeout: Duration::from_millis(150), ..BOUNDS };
    connectors.sftp(&connection, put("a", b"sign in"), Earlier::NONE, BOUNDS).await.unwrap();
    std::fs::remove_file(folder.join("a")).unwrap();
    let error = connectors.sftp(&connection, put("a", &large), Earlier::NONE, slow).await.unwrap_err();
    assert_transient(&error, ErrorCode::Timeout, &["did not end within 150ms"]);
    assert_eq!(names(&folder), ["folder"], "gone before the step ends");
    // The execution is cancelled.
    let cancelled = connectors.sftp(&connection, put("a", &large), Earlier::NONE, BOUNDS);
    tokio::select! {
        _ = cancelled => panic!("it ended"),
        () = eventually("it is being written", async || unfinished()) => {}
    }
    clean().await;
    // After the process has died, the next attempt of the step removes its leftovers, and nothing of other steps.
    let direct = at(&server, json!({}));
    for attempt in 0..2 {
        let dies = || {
            // When the runtime ends, the task that would clean up ends too.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connectors = super::connectors();
                tokio::select! {
                    _ = connectors.sftp(&direct, put("a", &large), Earlier::NONE, BOUNDS) => panic!("it ended"),
                    () = eventually("it is being written", async || names(&folder).len() > attempt + 1) => {}
                }
            });
        };
        std::thread::scope(|scope| scope.spawn(dies).join().unwrap());
    }
    assert_eq!(names(&folder).len(), 3, "{:?}", names(&folder));
    std::fs::write(folder.join(".forebay-other.part"), "").unwrap();
    let again = Earlier { may_have_done_it: true, in_doubt: &|_| {} };
    connectors.sftp(&connection, put("a", b"whole"), again, BOUNDS).await.unwrap();
    assert_eq!(names(&folder), [".forebay-other.part", "a", "folder"]);
}

#[tokio::test]
async fn a_file_that_is_written_in_its_place_and_not_to_its_end_is_said_to_be_there_in_part() {
    let server = FileServer::start().await;
    let wire = Wire::to(server.port()).await;
    let (connection, connectors, folder) = (at(&server, json!({ "port": wire.port })), connectors(), server.files());
    let part = "a part of it may be there";
    // The disk is full.
    let full = RemotePath { text: "/dev/full".to_owned(), is_inserted: false };
    let action = FileAction::Put { path: full, bytes: b"1".to_vec().into(), id: "7k3/put".to_owned(), overwrite: true, rename: false };
    let error = refused_by(&connection, action).await;
    assert_transient(&error, ErrorCode::Remote, &["could not be written", part]);
    // The step did not begin: there is no such folder.
    let error = refused_by(&connection, put_as("none/a", b"1", true, false)).await;
    assert!(!error.message.contains(part), "{error}");
    std::fs::write(folder.join("a"), "old").unwrap();
    let large = vec![7; 60_000_000];
    let broken = connectors.sftp(&connection, put_as("a", &large, true, false), Earlier::NONE, BOUNDS);
    let cut = async {
        eventually("it is being written", async || std::fs::read(folder.join("a")).unwrap() != b"old").await;
        wire.cut();
    };
    assert_transient(&tokio::join!(broken, cut).0.unwrap_err(), ErrorCode::Unreachable, &["broke off", part]);
    let slow = Bounds { timeout: Duration::from_millis(150), ..BOUNDS };
    let error = connectors.sftp(&connection, put_as("a", &large, true, false), Earlier::NONE, slow).await.unwrap_err();
    assert_transient(&error, ErrorCode::Timeout, &["the file may be there, or a part of it"]);
    assert!(std::fs::metadata(folder.join("a")).unwrap().len() < 60_000_000);
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

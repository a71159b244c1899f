use forebay_workflow::mapping::*;
use std::io::Read;
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();
fn main() {
    // lines: program \t input
    let mut all = String::new();
    std::io::stdin().read_to_string(&mut all).unwrap();
    for line in all.lines() {
        let (p, i) = line.split_once('\t').unwrap();
        let out = match Mapping::compile(&format!("[{p}]")) {
            Err(e) => format!("COMPILE {e}"),
            Ok(m) => match m.run(&parse_json(i.as_bytes()).unwrap(), &Limits::default()) {
                Ok(v) => String::from_utf8(to_json(&v)).unwrap(),
                Err(e) => format!("ERR {e}"),
            },
        };
        println!("{out}");
    }
}

//! Duration of mappings: `cargo bench -p forebay-mapping`. Prints microseconds per run, the best of several rounds.
#![allow(missing_docs, clippy::print_stdout)]

use std::time::{Duration, Instant};

use forebay_fairness::{CountingAllocator, STACK_BYTES};
use forebay_mapping::{Limits, Mapping, MappingError, Value, parse_json, to_json};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

/// Converts an order of about 2 KB to a work order: conversions, a list, sums, texts, dates, a lookup.
const ORDER: &str = r#"
.body.order as $order | {
  id: $order.id,
  reference: "ACME-\($order.id)-\($order.revision | tostring)",
  customer: { number: $order.customer.number | tonumber, name: ($order.customer.name | ascii_upcase), vat: ($order.customer.vat // null) },
  created: ($order.createdAt | fromdate | strftime("%Y-%m-%d")),
  due: ($order.createdAt | fromdate + 86400 * 14 | todate),
  priority: ({ low: 3, normal: 2, high: 1 }[$order.priority] // 2),
  lines: [ $order.lines[] | select(.quantity | tonumber > 0) | {
    item: .sku, text: "\(.quantity) x \(.name)", quantity: (.quantity | tonumber), price: (.price | tonumber),
    amount: ((.quantity | tonumber) * (.price | tonumber)) } ],
  total: ([ $order.lines[] | (.quantity | tonumber) * (.price | tonumber) ] | add),
  tags: ($order.tags | map(ascii_downcase) | unique | join(",")),
  delivery: ($order.addresses | map(select(.kind == "delivery")) | first | "\(.street), \(.zip) \(.city)"),
  source: { tenant: .tenant, key: .query.customerid }
}
"#;

fn order() -> Value {
    let lines: Vec<String> = (0..10)
        .map(|n| {
            format!(
                r#"{{"sku":"SKU-{n:05}","name":"Pump housing, size {n}","quantity":"{}","price":"{}.50","unit":"pcs","note":""}}"#,
                n + 1,
                100 + n
            )
        })
        .collect();
    let text = format!(
        r#"{{"tenant":"t37ed","query":{{"customerid":42}},"body":{{"order":{{"id":"4711","revision":3,"createdAt":"2026-11-24T08:00:00Z",
        "priority":"high","customer":{{"number":"000123","name":"Acme Industries AB","email":"orders@example.com"}},
        "addresses":[{{"kind":"invoice","street":"Storgatan 1","zip":"111 22","city":"Stockholm"}},
        {{"kind":"delivery","street":"Hamngatan 2","zip":"411 06","city":"Göteborg"}}],
        "tags":["Urgent","pump","PUMP","spare"],"lines":[{}]}}}}}}"#,
        lines.join(",")
    );
    parse_json(text.as_bytes()).unwrap_or_default()
}

/// Runs the same program in plain jaq: with its own values, without the meter.
fn without_bounds(input: &str) {
    use jaq_core::load::{Arena, File, Loader};
    use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
    let loader = Loader::new(jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()));
    let arena = Arena::default();
    let Ok(modules) = loader.load(&arena, File { code: ORDER, path: () }) else { return };
    let natives = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let Ok(filter) = Compiler::default().with_funs(natives).compile(modules) else { return };
    let Ok(input) = jaq_json::read::parse_single(input.as_bytes()) else { return };
    best("order mapping, jaq without bounds", || {
        let context = Ctx::<data::JustLut<jaq_json::Val>>::new(&filter.lut, Vars::new([]));
        assert!(filter.id.run((context, input.clone())).map(unwrap_valr).all(|output| output.is_ok()));
    });
}

fn text_of(value: &Value) -> String {
    String::from_utf8(to_json(value)).unwrap_or_default()
}

fn best(name: &str, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..60 {
        let rounds = 20;
        let start = Instant::now();
        (0..rounds).for_each(|_| work());
        best = best.min(start.elapsed() / rounds);
    }
    println!("{name:<45} {:>9.2} us", best.as_secs_f64() * 1e6);
}

fn measure() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let input = order();
    let limits = Limits::default();
    let mapping = Mapping::compile(ORDER)?;
    let output = mapping.run(&input, &limits)?;
    println!("input {} bytes, output {} bytes", to_json(&input).len(), to_json(&output).len());

    without_bounds(&text_of(&input));
    best("order mapping", || drop(mapping.run(&input, &limits)));
    let one = Mapping::compile(".body.order.id")?;
    best("`.body.order.id`", || drop(one.run(&input, &limits)));
    let text = to_json(&input);
    best("read the input from JSON", || drop(parse_json(&text)));
    best("write the output as JSON", || drop(to_json(&output)));
    best("compile the order mapping", || drop(Mapping::compile(ORDER)));
    best("compile `.body.order.id`", || drop(Mapping::compile(".body.order.id")));

    let endless = Mapping::compile("def f: f; f")?;
    let inline = Limits::inline();
    best("`def f: f; f` with a deadline of 2 ms", || {
        assert!(matches!(endless.run(&input, &inline), Err(MappingError::Time { .. })));
    });
    let deep = Mapping::compile("def f: 1 + f; f")?;
    let start = Instant::now();
    assert!(matches!(deep.run(&input, &limits), Err(MappingError::Stack)));
    println!("`def f: 1 + f; f` is stopped after {:?}", start.elapsed());
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(measure)?;
    thread.join().map_err(|_| "the measuring thread panicked")?
}

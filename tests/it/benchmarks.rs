//! The benchmarks run, with size 1, and measure what their names say.

#[path = "../../benches/respond.rs"]
mod respond;

#[test]
fn respond_runs_and_each_case_gets_its_status() {
    let statuses: Vec<(&str, u16)> = respond::run(1)
        .into_iter()
        .map(|(case, _, status)| (case, status))
        .collect();
    assert_eq!(
        statuses,
        [
            ("plain GET", 200),
            ("browser's GET", 200),
            ("304 by tag", 304),
            ("206", 206),
            ("404", 404),
            ("308", 308),
        ]
    );
}

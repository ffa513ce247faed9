use super::*;

#[test]
fn a_threshold_is_read_as_it_is_shown() {
    for text in [
        "publish.p99<50ms",
        "response.p999<=1s",
        "publishDelay.avg<200us",
        "endToEnd.max>0",
        "endToEndResponse.p9999<1.5ms",
        "publishRate>=9900",
        "consumeRate>=9_900.5",
        "errors<0.1%",
        "errors==0",
        "lost==0",
        "restarts<=3",
        "recovery.max<5s",
    ] {
        let threshold = parse_threshold(text).unwrap();
        assert_eq!(threshold.to_string(), text);
        let sent = serde_json::to_string(&threshold).unwrap();
        assert_eq!(serde_json::from_str::<Threshold>(&sent).unwrap(), threshold);
    }
    let spaced = parse_threshold(" publish.p99 <= 50ms ").unwrap();
    assert_eq!((spaced.relation, spaced.bound), (Relation::AtMost, 50.0));
}

#[test]
fn bounds_are_in_the_unit_of_what_they_bound() {
    for (text, bound) in [
        ("publish.p99<50ms", 50.0),
        ("publish.p99<1s", 1_000.0),
        ("publish.p99<200us", 0.2),
        ("recovery.max<1500ms", 1.5),
        ("errors<0.5%", 0.5),
        ("publishRate>=10_000", 10_000.0),
        ("lost==7", 7.0),
    ] {
        assert_eq!(parse_threshold(text).unwrap().bound, bound, "{text}");
    }
}

#[test]
fn every_name_is_known_by_itself_and_end_to_end_by_its_short_one() {
    let names: Vec<String> = measures().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 5 * 8 + 13);
    for (name, measure) in measures() {
        assert_eq!(parse_name(&name), Ok(measure));
        assert!(parse_bound(measure, measure.example()).is_ok(), "{name}");
    }
    let short = parse_threshold("e2e.p99<1s").unwrap();
    assert_eq!(short.to_string(), "endToEnd.p99<1s");
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_one() {
    for (name, near) in [
        ("publish.p98", "publish.p9"),
        ("publish.p99.9", "publish.p99"),
        ("Lost", "lost"),
        ("publisRate", "publishRate"),
        ("e2e.p9", "endToEnd.p9"),
        ("recovery", "recovery.max"),
    ] {
        let told = parse_name(name).unwrap_err();
        let advice = told.split("did you mean ").nth(1).unwrap_or_default();
        assert!(advice.starts_with(near), "{told}");
    }
    let told = parse_name("zzz").unwrap_err();
    assert!(
        told.contains("unknown threshold zzz; give publish"),
        "{told}"
    );
}

#[test]
fn a_wrong_bound_is_told_with_one_that_would_do() {
    for (text, example) in [
        ("publish.p99<50", "such as \"<50ms\""),
        ("publish.p99=50ms", "such as \"<50ms\""),
        ("publish.p99<", "such as \"<50ms\""),
        ("publish.p99<-1ms", "such as \"<50ms\""),
        ("lost==0.5", "such as \"==0\""),
        ("lost==many", "such as \"==0\""),
        ("publishRate>=9900ms", "such as \">=9900\""),
        ("publishRate>=inf", "such as \">=9900\""),
        ("errors<1s", "such as \"<0.1%\""),
        ("recovery.max<5", "such as \"<5s\""),
        ("publish.p99", "such as publish.p99<50ms"),
        ("", "such as publish.p99<50ms"),
    ] {
        let told = parse_threshold(text).unwrap_err();
        assert!(told.ends_with(example), "{text}: {told}");
    }
}

#[test]
fn relations_hold_as_they_are_written() {
    for (sign, below, same, above) in [
        ("<", true, false, false),
        ("<=", true, true, false),
        ("==", false, true, false),
        (">=", false, true, true),
        (">", false, false, true),
    ] {
        let relation = parse_threshold(&format!("lost{sign}2")).unwrap().relation;
        let found = [1.0, 2.0, 3.0].map(|measured| relation.holds(measured, 2.0));
        assert_eq!(found, [below, same, above], "{sign}");
        assert_eq!(relation.sign(), sign);
    }
}

//! What a cursor finds, in stores that are made by hand.

use crate::testing::*;

use super::*;

/// Three blocks of 160 ms, each with a key frame 80 ms after its beginning; not in the order of the ring.
fn three() -> Image {
    let image = Image::new(4096, 5);
    image.close(2, &Block::video(3, (1000..1160).step_by(40), &[1000, 1080]));
    image.close(3, &Block::video(4, (1160..1320).step_by(40), &[1240]));
    image.close(0, &Block::video(5, (1320..1480).step_by(40), &[1400]));
    image
}

#[test]
fn blocks_are_read_in_the_order_of_recording() {
    let image = three();
    let mut cursor = image.cursor();
    assert_eq!(read(&mut cursor), "K1000 P1040 K1080 P1120 P1160 P1200 K1240 P1280 P1320 P1360 K1400 P1440");
    assert_eq!(cursor.position(), Some(at(1440)));
    assert_eq!(read(&mut cursor), "");
    assert_eq!(read(&mut image.store().cursor(OTHER)), "");
    assert_eq!(seek(&mut image.store().cursor(OTHER), 1000), "empty");
}

#[test]
fn a_moment_is_found_by_the_key_frame_before_it() {
    let image = three();
    let mut cursor = image.cursor();
    for (to, found) in [
        (0, 1000),
        (1000, 1000),
        (1079, 1000),
        (1080, 1080),
        (1150, 1080),
        (1239, 1080),
        (1240, 1240),
        (1399, 1240),
        (9999, 1400),
    ] {
        assert_eq!(seek(&mut cursor, to), format!("K{found}"), "to {to}");
    }
    cursor.seek(at(1300)).unwrap();
    assert_eq!(read(&mut cursor), "K1240 P1280 P1320 P1360 K1400 P1440");
}

#[test]
fn key_frames_beside_a_moment_are_told() {
    let image = three();
    let mut cursor = image.cursor();
    cursor.seek(at(1100)).unwrap();
    let mut before = |millis| cursor.keyframe_before(at(millis)).unwrap().map(WallTime::millis);
    assert_eq!([before(9999), before(1400), before(1240)], [Some(1400), Some(1240), Some(1080)]);
    assert_eq!([before(1001), before(1000), before(0)], [Some(1000), None, None]);
    let mut after = |millis| cursor.keyframe_after(at(millis)).unwrap().map(WallTime::millis);
    assert_eq!([after(0), after(1000), after(1080)], [Some(1000), Some(1080), Some(1240)]);
    assert_eq!([after(1399), after(1400)], [Some(1400), None]);
    assert!(read(&mut cursor).starts_with("K1080 P1120"), "it stays where it is");
}

#[test]
fn a_gap_stands_where_it_was() {
    let image = Image::new(4096, 3);
    let block = Block::video(1, 0..1, &[0]).gap(ID, 40, 5000, "camera offline");
    image.close(0, &block.packet(ID, VIDEO, 5000, true));
    let mut cursor = image.cursor();
    assert_eq!(read(&mut cursor), "K0 (40 to 5000: camera offline) K5000");
    assert_eq!(seek(&mut cursor, 4999), "K0");
    assert_eq!(seek(&mut cursor, 5000), "K5000");
}

#[test]
fn tracks_have_their_parameters_wherever_reading_begins() {
    let image = Image::new(8192, 2);
    let mut block = Block::new(1, 1).params(ID, AUDIO).params(ID, VIDEO);
    for millis in (0..400).step_by(40) {
        block = block.packet(ID, VIDEO, millis, millis % 200 == 0).packet(ID, AUDIO, millis, true);
    }
    image.close(0, &block);
    let mut cursor = image.cursor();
    cursor.seek(at(300)).unwrap();
    let mut params = Vec::new();
    while let Some(Entry::Frame(frame)) = cursor.next().unwrap() {
        params.push(frame.packet().unwrap().params.clone());
    }
    assert_eq!(params.len(), 10);
    assert_eq!((&params[0].extra[..], &params[1].extra[..]), (&b"sets"[..], &[0x14, 8][..]));
    assert!(params.iter().skip(2).zip(&params).all(|(one, other)| Arc::ptr_eq(one, other)));
}

#[test]
fn streams_of_audio_only_are_sought_too() {
    let image = Image::new(4096, 2);
    let block = Block::new(1, 1).params(ID, AUDIO);
    image.close(0, &(0..9).fold(block, |block, number| block.packet(ID, AUDIO, number * 20, true)));
    let mut cursor = image.cursor();
    assert_eq!(seek(&mut cursor, 70), "A60");
    assert_eq!(cursor.keyframe_after(at(60)).unwrap(), Some(at(80)));
}

#[test]
fn pictures_may_depend_on_a_block_before() {
    let image = Image::new(4096, 5);
    image.close(0, &Block::video(1, (0..200).step_by(40), &[40]));
    image.close(1, &Block::video(2, (200..400).step_by(40), &[]));
    image.close(2, &Block::video(3, (400..600).step_by(40), &[560]));
    let mut cursor = image.cursor();
    assert_eq!((seek(&mut cursor, 500), seek(&mut cursor, 560)), ("K40".into(), "K560".into()));
    assert_eq!(cursor.keyframe_after(at(300)).unwrap(), Some(at(560)));
    assert_eq!(cursor.keyframe_before(at(560)).unwrap(), Some(at(40)));
}

#[test]
fn a_clock_that_is_set_back_hides_nothing() {
    let image = Image::new(4096, 5);
    image.close(0, &Block::video(1, (10_000..10_200).step_by(40), &[10_000, 10_120]));
    image.close(1, &Block::video(2, (10_200..10_400).step_by(40), &[10_240]));
    image.close(2, &Block::video(3, (10_040..10_280).step_by(40), &[10_040, 10_160]));
    let mut cursor = image.cursor();
    let all = read(&mut cursor);
    assert!(all.starts_with("K10000 ") && all.ends_with("P10360 K10040 P10080 P10120 K10160 P10200 P10240"));
    // Of the later recording where there is one.
    assert_eq!([10_100, 10_200].map(|to| seek(&mut cursor, to)), ["K10040", "K10160"]);
    assert_eq!([10_000, 10_350].map(|to| seek(&mut cursor, to)), ["K10000", "K10240"]);
    let mut back = vec![at(20_000)];
    while let Some(before) = cursor.keyframe_before(*back.last().unwrap()).unwrap() {
        assert!(before < *back.last().unwrap());
        back.push(before);
    }
    assert_eq!(back.last(), Some(&at(10_000)));
}

#[test]
fn equal_times_are_all_read() {
    let image = Image::new(4096, 3);
    let block = Block::new(1, 1).params(ID, VIDEO);
    let block = (0..5).fold(block, |block, number| block.packet(ID, VIDEO, 40, number % 2 == 0));
    image.close(0, &block);
    let mut cursor = image.cursor();
    assert_eq!(read(&mut cursor), "K40 P40 K40 P40 K40");
    cursor.seek(at(40)).unwrap();
    assert_eq!(read(&mut cursor), "K40");
    assert_eq!(cursor.keyframe_before(at(40)).unwrap(), None);
}

#[test]
fn a_cursor_follows_what_is_written() {
    let image = Image::new(4096, 3);
    let mut block = Block::video(7, 0..1, &[0]);
    image.open(1, &block);
    let mut cursor = image.cursor();
    assert_eq!(read(&mut cursor), "K0");
    block = block.packet(ID, VIDEO, 40, false);
    let whole = block.data.len();
    image.put(1, &block.data[..whole - 10]);
    assert_eq!(read(&mut cursor), "", "it is only half there");
    image.put(1, &block.data);
    assert_eq!(read(&mut cursor), "P40");
    block = block.packet(ID, VIDEO, 80, true);
    image.close(1, &block);
    assert_eq!(read(&mut cursor), "K80");
    image.open(2, &Block::video(8, 120..121, &[]));
    assert_eq!(read(&mut cursor), "P120");
    // Not closed, but nobody goes on with it.
    image.open(0, &Block::video(9, 160..161, &[]));
    assert_eq!(read(&mut cursor), "P160");
    assert_eq!(seek(&mut cursor, 1000), "K80");
}

#[test]
fn damage_costs_what_it_hit() {
    let block = Block::video(1, (0..200).step_by(40), &[0, 120]);
    let (starts, end) = (block.starts(), block.data.len());
    let hit = |offset: usize, open: bool| {
        let image = Image::new(4096, 3);
        if open {
            image.open(0, &block)
        } else {
            image.close(0, &block)
        }
        image.flip(0, offset);
        read(&mut image.cursor())
    };
    for open in [false, true] {
        let payload = starts[2] + RECORD_HEADER;
        assert_eq!(
            hit(payload, open),
            format!(
                "K0 <block 0, byte {}: the payload of a record is rotten or torn> P80 K120 P160",
                starts[2]
            )
        );
        let words = hit(starts[2] + 8, open);
        assert_eq!(
            words,
            format!("K0 <block 0, byte {}: 80 bytes are no valid record> P80 K120 P160", starts[2])
        );
        let words = hit(starts[0] + RECORD_HEADER, open);
        assert!(
            words.starts_with("<block 0, byte 64: the payload") && words.ends_with("> K0 P40 P80 K120 P160")
        );
        let words = hit(3, open);
        assert!(
            words.starts_with("<block 0, byte 0: the header") && words.ends_with("> K0 P40 P80 K120 P160")
        );
    }
    let words = hit(4096 - 64 - 1, false);
    assert!(
        words.starts_with("K0 P40 P80 K120 P160 <") && words.contains("the index of the block"),
        "{words}"
    );
    for offset in [4096 - 1, 4096 - 64, end] {
        assert_eq!(hit(offset, false), "K0 P40 P80 K120 P160", "the table knows where it ends");
    }
}

#[test]
fn damaged_parameters_are_told_of_wherever_reading_begins() {
    let image = three();
    image.flip(3, 64 + RECORD_HEADER);
    let mut cursor = image.cursor();
    assert!(seek(&mut cursor, 1240).starts_with("<block 3, byte 64: the payload"));
    assert_eq!(read(&mut cursor), "K1240 P1280 P1320 P1360 K1400 P1440");
}

#[test]
fn damaged_rows_are_made_up_for() {
    let image = three();
    image.row(3, &Row::default());
    let mut cursor = image.cursor();
    assert_eq!(read(&mut cursor), "K1000 P1040 K1080 P1120 P1320 P1360 K1400 P1440", "said to be free");
    let table = image.dir.join("blockfile");
    let mut bytes = std::fs::read(&table).unwrap();
    bytes[Row::offset(3) as usize] = 77;
    std::fs::write(&table, bytes).unwrap();
    let mut cursor = image.cursor();
    assert!(read(&mut cursor).contains("P1120 P1160 P1200 K1240 P1280 P1320"));
    assert_eq!(seek(&mut cursor, 1300), "K1240");
}

#[test]
fn a_block_that_is_overwritten_is_a_gap() {
    let image = three();
    let mut cursor = image.cursor();
    assert_eq!(word(&cursor.next().unwrap().unwrap()), "K1000");
    image.open(2, &Block::video(6, (1480..1600).step_by(40), &[1520]));
    // What was read ahead is whole.
    cursor.window.forget();
    assert_eq!(
        read(&mut cursor),
        "(1000 to 1160: overwritten by newer recordings) P1160 P1200 K1240 P1280 P1320 P1360 K1400 P1440 \
         P1480 K1520 P1560"
    );
    // All of them, while the cursor was read to the end.
    for (block, sequence) in [(3, 7), (0, 8), (1, 9), (4, 10), (2, 11)] {
        let begin = sequence as i64 * 1000;
        image.close(block, &Block::video(sequence, begin..begin + 1, &[begin]));
    }
    assert_eq!(
        read(&mut cursor),
        "(1560 to 7000: overwritten by newer recordings) K7000 K8000 K9000 K10000 K11000"
    );
}

#[test]
fn streams_that_share_blocks_are_told_apart() {
    let image = Image::new(8192, 4);
    let block = Block::new(1, 0).params(ID, VIDEO).packet(ID, VIDEO, 0, true);
    let block = block.params(OTHER, VIDEO).packet(OTHER, VIDEO, 10, true).packet(ID, VIDEO, 40, false);
    image.close(0, &block);
    image.close(1, &Block::new(2, 0).params(OTHER, VIDEO).packet(OTHER, VIDEO, 50, true));
    let block = Block::new(3, 0).params(OTHER, VIDEO).packet(OTHER, VIDEO, 90, false);
    image.open(2, &block.params(ID, VIDEO).packet(ID, VIDEO, 100, true));
    let (mut one, mut other) = (image.cursor(), image.store().cursor(OTHER));
    assert_eq!((read(&mut one), read(&mut other)), ("K0 P40 K100".into(), "K10 K50 P90".into()));
    assert_eq!((seek(&mut one, 60), seek(&mut other, 60)), ("K0".into(), "K50".into()));
    assert_eq!((seek(&mut one, 100), seek(&mut other, 95)), ("K100".into(), "K50".into()));
}

#[test]
fn the_older_format_is_read_alike() {
    let first = older_block(&[
        (1, 1000, 0x67),
        (1, 1000, 0x68),
        // Cameras that are received in one thread are mixed, unit by unit.
        (2, 1001, 0x67),
        (1, 1000, 0x65),
        (1, 1040, 0x41),
        // Two pictures of one millisecond.
        (1, 1040, 0x41),
        (2, 1001, 0x68),
        (2, 1001, 0x65),
    ]);
    let second = older_block(&[(1, 2000, 0x41), (1, 2040, 0x67), (1, 2040, 0x68), (1, 2040, 0x65)]);
    let third = older_block(&[(2, 3000, 0x41), (1, 3040, 0x41)]);
    let rows = [older_row(2040, 2040), older_row(0, 0), older_row(0, 0), older_row(1001, 1040)];
    let image = Image::older(4096, &rows, &[(3, first), (0, second), (1, third)]);
    let (mut one, mut other) = (image.cursor(), image.store().cursor(OTHER));
    assert_eq!(read(&mut one), "K1000 P1040 P1040 P2000 K2040 P3040");
    assert_eq!(read(&mut other), "K1001 P3000");
    assert_eq!([999, 1500, 2040, 5000].map(|to| seek(&mut one, to)), ["K1000", "K1000", "K2040", "K2040"]);
    assert_eq!(seek(&mut other, 2999), "K1001");
    assert_eq!(one.keyframe_after(at(1000)).unwrap(), Some(at(2040)));
}

#[test]
fn the_older_format_is_followed() {
    let rows = [older_row(1000, 1040), older_row(0, 0), older_row(0, 0)];
    let (first, second) = ([(1, 1000, 0x65), (1, 1040, 0x41)], [(1, 2000, 0x65)]);
    let image = Image::older(4096, &rows, &[(0, older_block(&first))]);
    let mut cursor = image.cursor();
    assert_eq!(read(&mut cursor), "K1000 P1040");
    // The row tells of the block before it is complete.
    image.put(0, &older_block(&[&first[..], &[(1, 1080, 0x41)]].concat()));
    image.older_row(0, &older_row(1000, 1080));
    assert_eq!(read(&mut cursor), "P1080");
    image.put(1, &older_block(&second));
    assert_eq!(read(&mut cursor), "K2000");
    image.put(1, &older_block(&[&second[..], &[(1, 2040, 0x41)]].concat()));
    image.older_row(1, &older_row(2000, 2040));
    image.put(2, &older_block(&[(1, 3000, 0x65)]));
    assert_eq!(read(&mut cursor), "P2040 K3000");
    image.older_row(2, &older_row(3000, 3000));
    image.older_row(0, &older_row(0, 0));
    image.put(0, &older_block(&[(1, 4000, 0x65)]));
    assert_eq!(read(&mut cursor), "K4000");
    let mut late = image.cursor();
    assert_eq!(word(&late.next().unwrap().unwrap()), "K2000");
    image.older_row(1, &older_row(0, 0));
    image.older_row(0, &older_row(4000, 4000));
    image.put(1, &older_block(&[(1, 5000, 0x65)]));
    late.store.refresh().unwrap();
    assert_eq!(read(&mut late), "(2000 to 3000: overwritten by newer recordings) K3000 K4000 K5000");
}

#[test]
fn nonsense_in_the_older_format_ends_a_block() {
    let rows = [older_row(1000, 1000), older_row(2000, 2000), older_row(0, 0)];
    let mut rotten = older_block(&[(1, 1000, 0x65), (1, 1040, 0x41)]);
    rotten[43 + 28 + 7] = 0x80;
    let image = Image::older(4096, &rows, &[(0, rotten.clone()), (1, rotten)]);
    let damage = "byte 43: 4053 bytes are no valid record>";
    let all = read(&mut image.cursor());
    // Of the newest block nobody knows whether it is complete.
    assert_eq!(all, format!("K1000 <block 0, {damage} K1000"));
    image.put(2, &older_block(&[(1, 3000, 0x65)]));
    let all = read(&mut image.cursor());
    assert_eq!(all, format!("K1000 <block 0, {damage} K1000 <block 1, {damage} K3000"));
}

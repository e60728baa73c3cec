//! What keys mean.

use valkka::playback::Step;
use valkka::render::Key;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Action {
    /// Stand still; or go on, if it does.
    Pause,
    /// Another picture.
    Step(Step),
    /// So many seconds forward.
    Skip(i64),
    /// To the oldest picture.
    First,
    /// To the newest picture.
    Last,
    /// Another speed.
    Speed(Change),
    /// Show the time, or do not.
    Caption,
}

/// Another speed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Faster,
    Slower,
    Normal,
    Reverse,
}

impl Change {
    /// The speed after `speed`, within what a player can.
    pub(super) fn of(self, speed: f64) -> f64 {
        match self {
            Self::Faster => (speed.abs() * 2.0).min(FASTEST).copysign(speed),
            Self::Slower => (speed.abs() / 2.0).max(SLOWEST).copysign(speed),
            Self::Normal => 1.0,
            Self::Reverse => -speed,
        }
    }
}

/// As users of other players expect.
pub(super) fn action(key: Key) -> Option<Action> {
    Some(match key {
        Key::Char(' ' | 'p' | 'P') => Action::Pause,
        Key::Char('.') => Action::Step(Step::Next),
        Key::Char(',') => Action::Step(Step::Previous),
        Key::Right => Action::Skip(5),
        Key::Left => Action::Skip(-5),
        Key::Up => Action::Skip(60),
        Key::Down => Action::Skip(-60),
        Key::PageUp => Action::Skip(600),
        Key::PageDown => Action::Skip(-600),
        Key::Home => Action::First,
        Key::End => Action::Last,
        Key::Char(']' | '+' | '=') => Action::Speed(Change::Faster),
        Key::Char('[' | '-') => Action::Speed(Change::Slower),
        Key::Backspace => Action::Speed(Change::Normal),
        Key::Char('r' | 'R') => Action::Speed(Change::Reverse),
        Key::Char('o' | 'O') => Action::Caption,
        _ => return None,
    })
}

/// A speed for people: `2×`, `-1/4×`.
pub(super) fn speed(speed: f64) -> String {
    let sign = if speed < 0.0 { "-" } else { "" };
    match speed.abs() {
        slow if slow < 1.0 && (1.0 / slow).fract() == 0.0 => format!("{sign}1/{}×", 1.0 / slow),
        other => format!("{sign}{other}×"),
    }
}

const SLOWEST: f64 = 1.0 / 16.0;
const FASTEST: f64 = 64.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_stay_possible_and_keep_their_direction() {
        for (change, before, after) in [
            (Change::Faster, 1.0, "2×"),
            (Change::Faster, 64.0, "64×"),
            (Change::Faster, -40.0, "-64×"),
            (Change::Slower, 1.0, "1/2×"),
            (Change::Slower, 0.0625, "1/16×"),
            (Change::Slower, -3.0, "-1.5×"),
            (Change::Normal, -8.0, "1×"),
            (Change::Reverse, 0.25, "-1/4×"),
            (Change::Reverse, -1.0, "1×"),
        ] {
            assert_eq!(speed(change.of(before)), after, "{change:?} of {before}");
        }
        assert_eq!(action(Key::Char('x')), None);
        assert_eq!(action(Key::Up), Some(Action::Skip(60)));
    }
}

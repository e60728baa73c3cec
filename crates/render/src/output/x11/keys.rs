//! From key codes to keys.

use crate::event::Key;

/// What the keys of the keyboard mean, as the X server tells.
#[derive(Debug, Default)]
pub(super) struct Keymap {
    pub(super) first_code: u8,
    pub(super) symbols_per_code: u8,
    pub(super) symbols: Vec<u32>,
}

impl Keymap {
    /// The key with this code, with Shift or Caps Lock.
    pub(super) fn key(&self, code: u8, shift: bool, caps_lock: bool) -> Option<Key> {
        let per_code = usize::from(self.symbols_per_code);
        let start = usize::from(code.checked_sub(self.first_code)?) * per_code;
        let symbols = self.symbols.get(start..start + per_code)?;
        let plain = *symbols.first()?;
        // A key without a second symbol has the same one twice (X11 protocol, section 5, "Keyboards").
        let shifted = symbols.get(1).copied().filter(|&symbol| symbol != NO_SYMBOL);
        let letter = matches!(key_of(plain), Some(Key::Char(c)) if c.is_alphabetic());
        let upper = shift != (caps_lock && letter);
        let key = key_of(if upper { shifted.unwrap_or(plain) } else { plain })?;
        Some(match key {
            Key::Char(c) if upper && letter && shifted.is_none() => {
                Key::Char(c.to_uppercase().next().unwrap_or(c))
            }
            other => other,
        })
    }
}

/// The key of a keysym; `None` if there is none.
fn key_of(symbol: u32) -> Option<Key> {
    Some(match symbol {
        NO_SYMBOL => return None,
        // Latin 1 stands for itself, and Unicode is offset (X11 protocol, appendix A).
        0x20..=0x7e | 0xa0..=0xff => Key::Char(char::from_u32(symbol)?),
        0x0100_0100..=0x0110_ffff => Key::Char(char::from_u32(symbol - 0x0100_0000)?),
        0xff08 => Key::Backspace,
        0xff09 => Key::Tab,
        0xff0d | 0xff8d => Key::Enter,
        0xff1b => Key::Escape,
        0xff50 | 0xff95 => Key::Home,
        0xff51 | 0xff96 => Key::Left,
        0xff52 | 0xff97 => Key::Up,
        0xff53 | 0xff98 => Key::Right,
        0xff54 | 0xff99 => Key::Down,
        0xff55 | 0xff9a => Key::PageUp,
        0xff56 | 0xff9b => Key::PageDown,
        0xff57 | 0xff9c => Key::End,
        // The number pad.
        0xffaa..=0xffaf => Key::Char(char::from_u32(symbol - 0xffaa + u32::from(b'*'))?),
        0xffb0..=0xffb9 => Key::Char(char::from_u32(symbol - 0xffb0 + u32::from(b'0'))?),
        0xffbe..=0xffe0 => Key::Function((symbol - 0xffbd) as u8),
        0xffff => Key::Delete,
        other => Key::Other(other),
    })
}

const NO_SYMBOL: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_understood() {
        assert_eq!(key_of(0xff1b), Some(Key::Escape));
        assert_eq!(key_of(0x66), Some(Key::Char('f')));
        assert_eq!(key_of(0x0100_20ac), Some(Key::Char('€')));
        assert_eq!(key_of(0xffbe), Some(Key::Function(1)));
        assert_eq!(key_of(0xffab), Some(Key::Char('+')));
        assert_eq!(key_of(0xffe1), Some(Key::Other(0xffe1)));
        assert_eq!(key_of(0x0100_d800), None);
    }

    #[test]
    fn shift_and_caps_lock() {
        let map =
            Keymap { first_code: 8, symbols_per_code: 2, symbols: vec![0x66, 0x46, 0x31, 0x21, 0x67, 0] };
        let key = |code, shift, caps| match map.key(code, shift, caps) {
            Some(Key::Char(c)) => c,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            [key(8, false, false), key(8, true, false), key(8, false, true), key(8, true, true)],
            ['f', 'F', 'F', 'f']
        );
        assert_eq!([key(9, false, false), key(9, true, false), key(9, false, true)], ['1', '!', '1']);
        assert_eq!(key(10, true, false), 'G');
        assert_eq!((map.key(7, false, false), map.key(11, false, false)), (None, None));
    }
}

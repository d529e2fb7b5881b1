//! LOLWUT: computer art, by the version that is asked for, and the version that is running.

use super::{error, integer, is};
use crate::REDIS_VERSION;
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::store::random::random;
use std::f64::consts::FRAC_PI_2;
use std::fmt::Write;

/// Dots across and down a character of Braille.
const CELL: (usize, usize) = (2, 4);

pub(super) fn run(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let (mut version, mut rest) = (0, &args[1..]);
    if let [word, number, others @ ..] = rest
        && is(word, "version")
    {
        match integer(number) {
            Ok(number) => (version, rest) = (number, others),
            Err(text) => return error(call, text),
        }
    }
    let mut numbers = Vec::new();
    if version == 5 || version == 6 {
        for arg in rest.iter().take(3) {
            match integer(arg) {
                Ok(number) => numbers.push(number),
                Err(text) => return error(call, text),
            }
        }
    }
    let number = |i: usize, otherwise: i64, most: i64| {
        let number = numbers.get(i).copied().unwrap_or(otherwise);
        number.clamp(1, most) as usize
    };
    let mut text = match version {
        5 => squares(number(0, 66, 1000), number(1, 8, 200), number(2, 12, 200)),
        6 => skyline(number(0, 80, 1000), number(1, 20, 1000)),
        _ => String::new(),
    };
    let _ = writeln!(text, "Redis ver. {REDIS_VERSION}");
    call.out.verbatim("txt", text.as_bytes());
    Flow::Next
}

/// A number from 0 to below 1.
fn chance() -> f64 {
    (random() >> 11) as f64 / (1u64 << 53) as f64
}

/// Rows of squares, `columns` characters wide, ever more in disorder the further down they are.
fn squares(columns: usize, across: usize, down: usize) -> String {
    let width = columns * CELL.0;
    let padding = if width > 4 { 2 } else { 0 };
    let side = (width - 2 * padding) as f64 / across as f64;
    let height = (side * down as f64) as usize + 2 * padding;
    let mut canvas = Canvas::new(width, height);
    for row in 0..down {
        let disorder = match row {
            0..2 => 0.0,
            row => row as f64 / down as f64,
        };
        for column in 0..across {
            let shift = |most: f64| (chance() - 0.5) * disorder * most;
            let angle = shift(FRAC_PI_2);
            let x = padding as f64 + (column as f64 + 0.5) * side + shift(side * 0.7);
            let y = padding as f64 + (row as f64 + 0.5) * side + shift(side * 0.7);
            canvas.square(x, y, side, angle);
        }
    }
    canvas.text() + "\nGeorg Nees - schotter, plotter on paper, 1968. "
}

/// Black and white dots.
struct Canvas {
    width: usize,
    height: usize,
    dots: Vec<bool>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Canvas {
        Canvas {
            width,
            height,
            dots: vec![false; width * height],
        }
    }

    /// A square around a point, turned by `angle`.
    fn square(&mut self, x: f64, y: f64, side: f64, angle: f64) {
        let corner = |i: usize| {
            let at = angle + FRAC_PI_2 * (i as f64 + 0.5);
            let radius = side * std::f64::consts::FRAC_1_SQRT_2;
            (x + radius * at.cos(), y + radius * at.sin())
        };
        (0..4).for_each(|i| self.line(corner(i), corner(i + 1)));
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        let (x, y) = (to.0 - from.0, to.1 - from.1);
        let steps = x.abs().max(y.abs()).ceil().max(1.0);
        for step in 0..=steps as usize {
            let part = step as f64 / steps;
            self.dot((from.0 + x * part).round(), (from.1 + y * part).round());
        }
    }

    fn dot(&mut self, x: f64, y: f64) {
        if (0.0..self.width as f64).contains(&x) && (0.0..self.height as f64).contains(&y) {
            self.dots[y as usize * self.width + x as usize] = true;
        }
    }

    fn is_set(&self, x: usize, y: usize) -> bool {
        x < self.width && y < self.height && self.dots[y * self.width + x]
    }

    /// In characters of Braille.
    fn text(&self) -> String {
        /// The bits of a character's dots, row by row.
        const BITS: [[u32; CELL.0]; CELL.1] = [[0, 3], [1, 4], [2, 5], [6, 7]];
        let mut text = String::new();
        for y in (0..self.height).step_by(CELL.1) {
            for x in (0..self.width).step_by(CELL.0) {
                let mut code = 0x2800;
                for (down, row) in BITS.iter().enumerate() {
                    for (across, bit) in row.iter().enumerate() {
                        code |= u32::from(self.is_set(x + across, y + down)) << bit;
                    }
                }
                text.extend(char::from_u32(code));
            }
            // As in Redis, which compares with the last row of dots.
            if y + 1 != self.height {
                text.push('\n');
            }
        }
        text
    }
}

/// The sky over a town, in four shades of a terminal's.
fn skyline(columns: usize, rows: usize) -> String {
    const SHADES: [&str; 4] = ["0;97;107m", "0;37;47m", "0;90;100m", "0;30;40m"];
    let mut shades = vec![0; columns * rows];
    // Nearer houses are darker, and stand before those behind them.
    for shade in 1..SHADES.len() {
        let mut from = 0;
        while from < columns {
            let width = 3 + (chance() * 8.0) as usize;
            let tall = 1.0 - 0.25 * shade as f64 + 0.25 * chance();
            let top = rows - ((rows as f64 * tall) as usize).clamp(1, rows);
            for x in from..(from + width).min(columns) {
                for y in top..rows {
                    // Some windows are lit.
                    let lit = shade > 1 && x % 2 == 1 && y % 2 == 1 && chance() < 0.2;
                    shades[y * columns + x] = if lit { 0 } else { shade };
                }
            }
            from += width + (chance() * 4.0) as usize;
        }
    }
    let mut text = String::new();
    for row in shades.chunks(columns) {
        for shade in row {
            let _ = write!(text, "\x1b[{} \x1b[0m", SHADES[*shade]);
        }
        text.push('\n');
    }
    text + "Dedicated to the 8 bit game developers of past and present. "
}

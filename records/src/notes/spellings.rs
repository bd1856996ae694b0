/// How many spellings are remembered; of further ones there is a count.
const MOST: usize = 64;
/// How many rows are remembered of each.
const MOST_ROWS: usize = 3;
/// How many characters of a spelling are shown.
const SHOWN: usize = 50;

/// Cells that are not what their column holds, by what is written in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spellings {
    known: Vec<Spelling>,
    /// Cells of spellings that are not remembered.
    further: u64,
    cells: u64,
    /// Cells that hold a digit.
    with_digit: u64,
}

/// What is written in some cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelling {
    /// Its beginning, where it is long.
    pub text: String,
    pub cells: u64,
    /// The first of its rows, counted from 1.
    pub rows: Vec<u64>,
}

impl Spellings {
    /// Takes a cell of `row`, counted from 0.
    pub(crate) fn add(&mut self, text: &[u8], row: usize) {
        self.add_cells(text, 1, &[row as u64 + 1]);
    }

    /// Takes `cells` of one spelling, the first of them in `rows`.
    pub(crate) fn add_cells(&mut self, text: &[u8], cells: u64, rows: &[u64]) {
        self.cells += cells;
        if text.iter().any(u8::is_ascii_digit) {
            self.with_digit += cells;
        }
        // The usual case makes no copy: tokens may be met in every other cell.
        if let Some(known) = self
            .known
            .iter_mut()
            .find(|known| known.text.as_bytes() == text)
        {
            known.add(cells, rows);
            return;
        }
        let shown: String = String::from_utf8_lossy(text).chars().take(SHOWN).collect();
        self.remember(shown, cells, rows);
    }

    fn remember(&mut self, text: String, cells: u64, rows: &[u64]) {
        if let Some(known) = self.known.iter_mut().find(|known| known.text == text) {
            known.add(cells, rows);
        } else if self.known.len() < MOST {
            self.known.push(Spelling {
                text,
                cells,
                rows: rows.iter().take(MOST_ROWS).copied().collect(),
            });
        } else {
            self.further += cells;
        }
    }

    /// Takes the cells of another part of the column, behind `first_row` rows.
    pub fn absorb(&mut self, other: Spellings, first_row: u64) {
        self.cells += other.cells;
        self.with_digit += other.with_digit;
        self.further += other.further;
        for spelling in other.known {
            let rows: Vec<u64> = spelling.rows.iter().map(|row| row + first_row).collect();
            self.remember(spelling.text, spelling.cells, &rows);
        }
    }

    #[must_use]
    pub fn cells(&self) -> u64 {
        self.cells
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells == 0
    }

    #[must_use]
    pub fn holds_digits(&self) -> bool {
        self.with_digit > 0
    }

    /// How many spellings there are, or one more than what is remembered.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.known.len() + usize::from(self.further > 0)
    }

    /// Those that are remembered, in the order in which they were met.
    #[must_use]
    pub fn known(&self) -> &[Spelling] {
        &self.known
    }

    /// The first cell: its row, counted from 1, and what is written in it.
    #[must_use]
    pub fn first(&self) -> Option<(u64, &str)> {
        let firsts = self
            .known
            .iter()
            .filter_map(|known| Some((*known.rows.first()?, known.text.as_str())));
        firsts.min()
    }

    /// The most frequent ones with their rows, for people.
    pub(crate) fn shown(&self) -> String {
        const MOST_SHOWN: usize = 3;
        let mut known: Vec<&Spelling> = self.known.iter().collect();
        known.sort_by_key(|known| std::cmp::Reverse(known.cells));
        let mut shown: Vec<String> = known
            .iter()
            .take(MOST_SHOWN)
            .map(|known| known.to_string())
            .collect();
        if self.distinct() > MOST_SHOWN {
            shown.push("…".to_owned());
        }
        shown.join(", ")
    }
}

impl Spelling {
    fn add(&mut self, cells: u64, rows: &[u64]) {
        self.cells += cells;
        let room = MOST_ROWS.saturating_sub(self.rows.len());
        self.rows.extend(rows.iter().take(room));
    }
}

impl std::fmt::Display for Spelling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows: Vec<String> = self.rows.iter().map(u64::to_string).collect();
        let word = if self.cells == 1 { "row" } else { "rows" };
        let more = if self.cells > self.rows.len() as u64 {
            ", …"
        } else {
            ""
        };
        let text = match self.text.as_str() {
            "\u{a0}" => "a blank that does not break",
            text => return write!(f, "`{text}` in {word} {}{more}", rows.join(", ")),
        };
        write!(f, "{text} in {word} {}{more}", rows.join(", "))
    }
}

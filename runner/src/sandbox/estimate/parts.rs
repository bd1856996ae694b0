//! What a module has besides the code of its functions, and what each piece takes when the module is compiled.

use wasmparser::{
    CompositeInnerType, ConstExpr, Data, DataKind, Element, ElementItems, ElementKind,
    ExternalKind, FromReader, Operator, Payload, SectionLimited, Table, TableInit, TypeRef,
};

/// Bytes for a function, whatever it does: where it lies, what it is called, and the code around it.
const FUNCTION: u64 = 6 << 10;
/// Bytes for a function that others than the module itself may call: they come by another way. So for a parameter or result.
const ESCAPES: u64 = 7 << 10;
const ESCAPING_VALUE: u64 = 160;
/// Bytes for a type, through which functions of the host may be called, and for a parameter or result of it.
const TYPE: u64 = 7 << 10;
const TYPE_VALUE: u64 = 270;
const IMPORT: u64 = 512;
const EXPORT: u64 = 512;
/// Bytes for what is calculated as a module starts: the beginning of a global, a piece of data, an element of a table. All
/// that becomes code, but for tables and memories whose beginning is known before.
const GLOBAL: u64 = 3 << 10;
const OPERATION: u64 = 450;
const DATA: u64 = 21 << 10;
const SEGMENT: u64 = 9 << 10;
const ELEMENT: u64 = 7 << 10;
/// An image of a memory's contents is always made when it is smaller than this. It is in memory so often.
const SMALL_IMAGE: u64 = 16 << 20;
const IMAGES: u64 = 2;
const PAGE: u64 = 64 << 10;
/// Bytes for an entry of a table whose beginning is known, and the most such entries.
const ENTRY: u64 = 16;
const MAX_KNOWN: u64 = 1 << 20;

/// Parameters and results.
pub(super) type Arity = (u64, u64);

/// What was read of a module so far.
#[derive(Default)]
pub(super) struct Parts {
    /// What it all takes, but for the contents of memory. Bytes.
    bytes: u64,
    contents: Contents,
    /// Types by their index, and the types of functions: those imported, then the module's own.
    types: Vec<Arity>,
    functions: Vec<u32>,
    imported: usize,
    /// Functions that were seen to escape.
    escaped: Vec<bool>,
    tables: Vec<KnownTable>,
    /// A segment came that is put into its table as the module starts. So are all that follow.
    is_late: bool,
}

struct KnownTable {
    entries: u64,
    /// Entries that are counted already.
    counted: u64,
}

impl Parts {
    pub fn read(&mut self, payload: &Payload<'_>) {
        match payload {
            Payload::TypeSection(section) => {
                for group in section.clone().into_iter().flatten() {
                    for each in group.types() {
                        self.add_type(&each.composite_type.inner);
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports().flatten() {
                    self.add(IMPORT);
                    match import.ty {
                        TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                            self.functions.push(index)
                        }
                        // None can be had, but they count where the module numbers them.
                        TypeRef::Table(table) => self.add_table(table.initial),
                        _ => {}
                    }
                }
                self.imported = self.functions.len();
            }
            Payload::FunctionSection(section) => {
                let before = self.functions.len();
                self.functions.extend(section.clone().into_iter().flatten());
                self.add_each(FUNCTION, self.functions.len() - before);
            }
            Payload::MemorySection(section) => each(section, |memory| {
                self.contents.memory = memory.initial.saturating_mul(PAGE);
            }),
            Payload::TableSection(section) => each(section, |table| self.table(&table)),
            Payload::GlobalSection(section) => each(section, |global| {
                self.add(GLOBAL);
                self.expression(&global.init_expr);
            }),
            Payload::ExportSection(section) => each(section, |export| {
                self.add(EXPORT);
                if export.kind == ExternalKind::Func {
                    self.escapes(export.index);
                }
            }),
            Payload::ElementSection(section) => each(section, |segment| self.segment(&segment)),
            Payload::DataSection(section) => each(section, |data| self.data(&data)),
            _ => {}
        }
    }

    /// What all of it takes when it is compiled.
    pub fn bytes(&self) -> u64 {
        self.bytes.saturating_add(self.contents.bytes())
    }

    /// How many tables the module has.
    pub fn tables(&self) -> usize {
        self.tables.len()
    }

    /// Of the module's own function of this position.
    pub fn own_function(&self, position: usize) -> Arity {
        let function = self.functions.get(self.imported + position);
        function.map_or_else(Arity::default, |index| self.arity(*index))
    }

    pub fn function(&self, index: u32) -> Arity {
        let function = self.functions.get(index as usize);
        function.map_or_else(Arity::default, |index| self.arity(*index))
    }

    /// Of the type of this index.
    pub fn arity(&self, index: u32) -> Arity {
        self.types.get(index as usize).copied().unwrap_or_default()
    }

    fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn add_each(&mut self, bytes: u64, count: usize) {
        self.add(bytes.saturating_mul(count as u64));
    }

    fn add_type(&mut self, inner: &CompositeInnerType) {
        let (parameters, results) = match inner {
            CompositeInnerType::Func(function) => (
                function.params().len() as u64,
                function.results().len() as u64,
            ),
            _ => (0, 0),
        };
        self.types.push((parameters, results));
        self.add(TYPE + (parameters + results) * TYPE_VALUE);
    }

    fn add_table(&mut self, entries: u64) {
        self.tables.push(KnownTable {
            entries,
            counted: 0,
        });
    }

    fn table(&mut self, table: &Table<'_>) {
        self.add_table(table.ty.initial);
        if let TableInit::Expr(first) = &table.init {
            self.expression(first);
            self.known(self.tables.len() - 1, table.ty.initial);
        }
    }

    /// The beginning of a table is known up to `end`.
    fn known(&mut self, table: usize, end: u64) {
        let Some(table) = self.tables.get_mut(table) else {
            return;
        };
        let new = end.min(MAX_KNOWN).saturating_sub(table.counted);
        table.counted += new;
        self.add(new * ENTRY);
    }

    fn segment(&mut self, segment: &Element<'_>) {
        let count = match &segment.items {
            ElementItems::Functions(functions) => {
                each(functions, |index| self.escapes(index));
                u64::from(functions.count())
            }
            ElementItems::Expressions(_, expressions) => {
                each(expressions, |expression| self.expression(&expression));
                u64::from(expressions.count())
            }
        };
        if let ElementKind::Declared = segment.kind {
            return;
        }
        if let Some((table, end)) = self.place(segment, count) {
            self.known(table, end);
            return;
        }
        self.is_late |= !matches!(segment.kind, ElementKind::Passive);
        self.add(SEGMENT);
        self.add(count.saturating_mul(ELEMENT));
    }

    /// The table that a segment is put into before the module starts, and where it ends there.
    fn place(&self, segment: &Element<'_>, count: u64) -> Option<(usize, u64)> {
        let ElementKind::Active {
            table_index,
            offset_expr,
        } = &segment.kind
        else {
            return None;
        };
        let table = table_index.unwrap_or(0) as usize;
        let end = constant(offset_expr)?.saturating_add(count);
        let fits = end <= self.tables.get(table)?.entries.min(MAX_KNOWN);
        let are_functions = matches!(segment.items, ElementItems::Functions(_));
        (fits && are_functions && !self.is_late).then_some((table, end))
    }

    fn data(&mut self, data: &Data<'_>) {
        if let DataKind::Active { offset_expr, .. } = &data.kind {
            let place = constant(offset_expr);
            if place.is_none() {
                self.expression(offset_expr);
            }
            self.contents.add(place, data.data.len() as u64);
        }
    }

    fn expression(&mut self, expression: &ConstExpr<'_>) {
        for operator in expression.get_operators_reader().into_iter().flatten() {
            self.add(OPERATION);
            if let Operator::RefFunc { function_index } = operator {
                self.escapes(function_index);
            }
        }
    }

    fn escapes(&mut self, function: u32) {
        let index = function as usize;
        if index >= self.functions.len() {
            return;
        }
        self.escaped.resize(self.functions.len(), false);
        if !std::mem::replace(&mut self.escaped[index], true) {
            let (parameters, results) = self.function(function);
            self.add(ESCAPES + (parameters + results) * ESCAPING_VALUE);
        }
    }
}

/// What a memory holds as the module starts.
struct Contents {
    /// Bytes that the memory has then.
    memory: u64,
    pieces: u64,
    /// Bytes of all pieces together.
    size: u64,
    /// Where the first byte lies, and where the last one ends.
    start: u64,
    end: u64,
    /// A piece lies where nobody knows before.
    is_late: bool,
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            memory: 0,
            pieces: 0,
            size: 0,
            start: u64::MAX,
            end: 0,
            is_late: false,
        }
    }
}

impl Contents {
    fn add(&mut self, place: Option<u64>, size: u64) {
        let end = place.map_or(u64::MAX, |start| start.saturating_add(size));
        self.pieces += 1;
        self.is_late |= end > self.memory;
        if size > 0 && !self.is_late {
            self.size = self.size.saturating_add(size);
            self.start = self.start.min(place.unwrap_or_default());
            self.end = self.end.max(end);
        }
    }

    /// They become one image, unless that would be mostly empty: then each piece is put in place as the module starts.
    fn bytes(&self) -> u64 {
        let image = self.end.saturating_sub(self.start);
        if self.is_late || image >= self.size.saturating_mul(2).max(SMALL_IMAGE) {
            self.pieces.saturating_mul(DATA)
        } else {
            image.saturating_mul(IMAGES)
        }
    }
}

/// The number that an expression is, if it is no more than that.
fn constant(expression: &ConstExpr<'_>) -> Option<u64> {
    let mut operators = expression.get_operators_reader().into_iter().flatten();
    match (operators.next(), operators.next(), operators.next()) {
        (Some(Operator::I32Const { value }), Some(Operator::End), None) => {
            Some(u64::from(value.cast_unsigned()))
        }
        _ => None,
    }
}

/// Calls `work` with what a section holds, as far as it can be read: the compiler says what is wrong with the rest.
fn each<'a, T: FromReader<'a>>(section: &SectionLimited<'a, T>, work: impl FnMut(T)) {
    section.clone().into_iter().flatten().for_each(work);
}

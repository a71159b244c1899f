// The difference of two texts as changes of whole lines. A change that spans the caret, or begins in the middle of a line above it, would
// move the caret away from the line in which the user types.

// Maximum pairs of lines to compare. With more pairs, all lines between the common beginning and end are one change.
const MAX_PAIRS = 4_000_000;

// Returns changes in CodeMirror's form, { from, to, insert }, in order, with positions in `before`.
export function changesOf(before, after) {
  const [old, fresh] = [before.split("\n"), after.split("\n")];
  const starts = [0];
  for (const line of old) starts.push(starts.at(-1) + line.length + 1);
  return blocksOf(old, fresh).flatMap((block) => changesOfBlock(block, old, fresh, starts, before.length));
}

// Returns true if the caret is at the beginning of a line and a change inserts lines right before this line.
export function isBeforeCaret(changes, before, caret) {
  if (caret > 0 && before[caret - 1] !== "\n") return false;
  return changes.some(({ from, to, insert }) => from === caret && to === caret && insert.endsWith("\n"));
}

// Returns the number of common items of two lists, or common characters of two texts, at the beginning (head) and at the end (tail).
function commonEnds(before, after) {
  let [head, tail] = [0, 0];
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  while (tail < before.length - head && tail < after.length - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  return { head, tail };
}

// Returns the blocks { from, to, freshFrom, freshTo }: the lines old[from..to] become fresh[freshFrom..freshTo].
function blocksOf(old, fresh) {
  const { head, tail } = commonEnds(old, fresh);
  const [rows, columns] = [old.length - head - tail, fresh.length - head - tail];
  if (rows === 0 && columns === 0) return [];
  if (rows * columns > MAX_PAIRS) return [{ from: head, to: head + rows, freshFrom: head, freshTo: head + columns }];
  return differentBlocks(old.slice(head, head + rows), fresh.slice(head, head + columns)).map(({ from, to, freshFrom, freshTo }) => (
    { from: from + head, to: to + head, freshFrom: freshFrom + head, freshTo: freshTo + head }
  ));
}

// Returns the blocks between the lines of the longest common subsequence.
function differentBlocks(old, fresh) {
  const width = fresh.length + 1;
  const common = new Uint32Array((old.length + 1) * width);
  for (let row = old.length - 1; row >= 0; row -= 1) {
    for (let column = fresh.length - 1; column >= 0; column -= 1) {
      common[row * width + column] = old[row] === fresh[column]
        ? common[(row + 1) * width + column + 1] + 1
        : Math.max(common[(row + 1) * width + column], common[row * width + column + 1]);
    }
  }
  const blocks = [];
  let [row, column] = [0, 0];
  while (row < old.length || column < fresh.length) {
    if (row < old.length && column < fresh.length && old[row] === fresh[column]) {
      [row, column] = [row + 1, column + 1];
      continue;
    }
    const block = { from: row, to: row, freshFrom: column, freshTo: column };
    while ((row < old.length || column < fresh.length) && !(row < old.length && column < fresh.length && old[row] === fresh[column])) {
      const isInserted = row === old.length || column < fresh.length && common[row * width + column + 1] >= common[(row + 1) * width + column];
      if (isInserted) column += 1;
      else row += 1;
    }
    [block.to, block.freshTo] = [row, column];
    blocks.push(block);
  }
  return blocks;
}

function changesOfBlock({ from, to, freshFrom, freshTo }, old, fresh, starts, length) {
  const lines = fresh.slice(freshFrom, freshTo);
  if (from === to) {
    const isAtEnd = from === old.length;
    return [isAtEnd ? { from: length, to: length, insert: `\n${lines.join("\n")}` } : { from: starts[from], to: starts[from], insert: `${lines.join("\n")}\n` }];
  }
  if (lines.length === 0) {
    // The last line has no line break after it, so the change removes the line break before it.
    return [to === old.length ? { from: Math.max(starts[from] - 1, 0), to: length, insert: "" } : { from: starts[from], to: starts[to], insert: "" }];
  }
  if (to - from === lines.length) return lines.flatMap((line, index) => changeWithin(old[from + index], line, starts[from + index]));
  return changeWithin(old.slice(from, to).join("\n"), lines.join("\n"), starts[from]);
}

// Returns the change without the common beginning and end.
function changeWithin(before, after, start) {
  if (before === after) return [];
  const { head, tail } = commonEnds(before, after);
  return [{ from: start + head, to: start + before.length - tail, insert: after.slice(head, after.length - tail) }];
}

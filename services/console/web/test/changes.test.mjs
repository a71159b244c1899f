// Tests the position of the caret after a change of the text: `node --test test/`. scripts/check runs it.
import { ChangeSet, Text } from "@codemirror/state";
import assert from "node:assert/strict";
import test from "node:test";
import { changesOf, isBeforeCaret } from "../src/changes.js";

// Returns the text after the user types "#" at the mark |, if the text has become `after` before.
function typed(marked, after) {
  const caret = marked.indexOf("|");
  const before = marked.replace("|", "");
  const changes = changesOf(before, after);
  const set = ChangeSet.of(changes, before.length);
  const moved = set.mapPos(caret, isBeforeCaret(changes, before, caret) ? 1 : -1);
  const text = set.apply(Text.of(before.split("\n"))).toString();
  assert.equal(text, after);
  return `${text.slice(0, moved)}#${text.slice(moved)}`;
}

test("the caret stays in its line", () => {
  for (const [marked, after, expected] of [
    // Lines added at the end, where the caret is.
    ["a: 1\n|", "a: 1\ninput: a7\n", "a: 1\ninput: a7\n#"],
    ["a: 1|", "a: 1\ninput: a7\n", "a: 1#\ninput: a7\n"],
    ["a: 1|", "a: 1\n", "a: 1#\n"],
    // Lines added before the caret's line, which begins like the new one.
    ["a: 1\n|items: 1\n", "a: 1\ninput: 2\nitems: 1\n", "a: 1\ninput: 2\n#items: 1\n"],
    ["a: 1\nit|ems: 1\n", "a: 1\ninput: 2\nitems: 1\n", "a: 1\ninput: 2\nit#ems: 1\n"],
    // Changes above and below the caret.
    ["a: 1\nb: 2|\nc: 3\n", "a: 9\nb: 2\nc: 8\nd: 4\n", "a: 9\nb: 2#\nc: 8\nd: 4\n"],
    ["a: 1\nx: 0\nb: 2|\nc: 3\n", "a: 1\nb: 2\nc: 3\nd: 4\n", "a: 1\nb: 2#\nc: 3\nd: 4\n"],
    // A changed value in the caret's line.
    ["a: { every: 1h } |", "a: { every: 25m } ", "a: { every: 25m } #"],
    ["a: 1\nb: 2\n|", "a: 1\n", "a: 1\n#"],
    ["|", "a: 1\n", "a: 1\n#"],
  ]) assert.equal(typed(marked, after), expected, JSON.stringify([marked, after]));
});

test("the changes turn any text into any other text", () => {
  let state = 1;
  const random = (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % below;
  };
  const text = () => Array.from({ length: random(8) }, () => ["", "a", "b: 1", "b: 2", "  c"][random(5)]).join("\n");
  for (let turn = 0; turn < 5000; turn += 1) {
    const [before, after] = [text(), text()];
    const changed = ChangeSet.of(changesOf(before, after), before.length).apply(Text.of(before.split("\n"))).toString();
    assert.equal(changed, after, JSON.stringify([before, after]));
  }
});

// Where the caret stays when the text changes under it: `node --test test/`, as scripts/check runs it.
import { ChangeSet, Text } from "@codemirror/state";
import assert from "node:assert/strict";
import test from "node:test";
import { changesOf, isBeforeCaret } from "../src/changes.js";

// What a person gets who types "#" where the mark | stands, once the text has become `after`.
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

test("typing goes on in the line in which the caret stands", () => {
  for (const [marked, after, expected] of [
    // Lines that are added at the end, where the caret is.
    ["a: 1\n|", "a: 1\ninput: a7\n", "a: 1\ninput: a7\n#"],
    ["a: 1|", "a: 1\ninput: a7\n", "a: 1#\ninput: a7\n"],
    ["a: 1|", "a: 1\n", "a: 1#\n"],
    // Before the caret's line, which begins like the new one.
    ["a: 1\n|items: 1\n", "a: 1\ninput: 2\nitems: 1\n", "a: 1\ninput: 2\n#items: 1\n"],
    ["a: 1\nit|ems: 1\n", "a: 1\ninput: 2\nitems: 1\n", "a: 1\ninput: 2\nit#ems: 1\n"],
    // Above and below it at once.
    ["a: 1\nb: 2|\nc: 3\n", "a: 9\nb: 2\nc: 8\nd: 4\n", "a: 9\nb: 2#\nc: 8\nd: 4\n"],
    ["a: 1\nx: 0\nb: 2|\nc: 3\n", "a: 1\nb: 2\nc: 3\nd: 4\n", "a: 1\nb: 2#\nc: 3\nd: 4\n"],
    // A value of the same line.
    ["a: { every: 1h } |", "a: { every: 25m } ", "a: { every: 25m } #"],
    ["a: 1\nb: 2\n|", "a: 1\n", "a: 1\n#"],
    ["|", "a: 1\n", "a: 1\n#"],
  ]) assert.equal(typed(marked, after), expected, JSON.stringify([marked, after]));
});

test("any text becomes any other", () => {
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

// Tests the editor's completions at a position of a definition: `node --test test/`.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { pathAt, Schema } from "../src/schema.js";

const schema = new Schema(JSON.parse(await readFile(new URL("../../../../schema/definition.json", import.meta.url))));

// The mark ‸ in the text is the position.
function at(marked) {
  const position = marked.indexOf("‸");
  return pathAt(marked.replace("‸", ""), position);
}

test("the fields around a position are found by their columns", () => {
  const cases = [
    ["‸", []],
    ["tenant: t\n‸", []],
    ["trigger:\n  ‸", ["trigger"]],
    ["trigger:\n  webhook:\n    meth‸", ["trigger", "webhook"]],
    ["trigger:\n  webhook:\n    methods: [POST]\n    ‸ordered: true", ["trigger", "webhook"]],
    ["trigger:\n  webhook:\n    query:\n      id: { ‸", ["trigger", "webhook", "query", "id"]],
    ["trigger: { webhook: { response: { wa‸", ["trigger", "webhook", "response"]],
    ["steps:\n  - id: a\n    ‸", ["steps", "[]"]],
    ["steps:\n- id: a\n  http:\n    ‸", ["steps", "[]", "http"]],
    ["steps:\n  - id: a\n    set: 1\n  - ‸", ["steps", "[]"]],
    ["steps:\n  - id: c\n    switch:\n      cases:\n        - when: x\n          steps:\n            - id: d\n              ‸",
      ["steps", "[]", "switch", "cases", "[]", "steps", "[]"]],
    ["retry: { attempts: 3 }\n# a comment\nsteps:\n  - { id: a, http: { ‸", ["steps", "[]", "http"]],
    ["tenant: a\ntrigger:\n  x: 1\n---\n‸", []],
  ];
  for (const [text, path] of cases) assert.deepEqual(at(text), path, text);
});

test("the schema's fields and values are offered at their position", () => {
  const names = (path) => schema.fields(path).map((field) => field.name);
  assert.ok(names([]).includes("trigger") && names([]).includes("connection"));
  assert.ok(names(["trigger", "webhook"]).includes("ordered"));
  assert.ok(names(["steps", "[]"]).includes("http"));
  assert.ok(names(["steps", "[]", "switch", "cases", "[]", "steps", "[]", "sql"]).includes("params"));
  assert.deepEqual(schema.values(["trigger", "webhook", "query", "any", "type"]), ["string", "integer", "number", "boolean"]);
  assert.deepEqual(schema.values(["trigger", "webhook", "ordered"]), ["true", "false"]);
  assert.deepEqual(schema.values(["enabled"]), ["true", "false"]);
});

// The text editor of definitions: CodeMirror replaces a textarea on the page. The form still sends the textarea.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorSelection, EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, hoverTooltip, keymap, lineNumbers } from "@codemirror/view";
import { changesOf, isBeforeCaret } from "./changes.js";
import { colours, look } from "./editor-look.js";
import { startForm } from "./editor-form.js";
import { pathAt, Schema } from "./schema.js";
import { checkSessionBeforeSending, showNotSaved } from "./session.js";

const MAX_MESSAGE = 640;

// Returns null if the schema cannot be loaded: the editor then offers no completion and no descriptions.
async function schemaOf(box) {
  try {
    const response = await fetch(box.dataset.schema);
    return response.ok ? new Schema(await response.json()) : null;
  } catch {
    return null;
  }
}

function completion(loading) {
  return async (context) => {
    const schema = await loading;
    if (!schema) return null;
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    const word = context.matchBefore(/[\w-]*/);
    const text = context.state.doc.toString();
    const inValue = /(?:^|[{,\s-])["']?[\w.-]+["']?:\s+[\w-]*$/.test(before);
    if (!context.explicit && word.from === word.to && !/[{,]\s*$/.test(before)) return null;
    if (inValue) {
      const at = word.from;
      const field = before.slice(0, at - line.from).match(/([\w.-]+)["']?:\s*$/)?.[1];
      const around = pathAt(text, line.from + before.lastIndexOf(field));
      const options = schema.values([...around, field]).map((value) => ({ label: value, type: "constant" }));
      return options.length ? { from: at, options, validFor: /^[\w-]*$/ } : null;
    }
    if (!/(?:^|[{,]|- )\s*["']?[\w-]*$/.test(before)) return null;
    const options = schema.fields(pathAt(text, word.from)).map((field) => ({
      label: field.name,
      type: "property",
      detail: field.choices.length ? field.choices.join(" | ") : field.types.join(" | "),
      info: field.description || undefined,
      apply: `${field.name}: `,
    }));
    return options.length ? { from: word.from, options, validFor: /^[\w-]*$/ } : null;
  };
}

function hover(loading) {
  return hoverTooltip(async (view, position) => {
    const schema = await loading;
    if (!schema) return null;
    const line = view.state.doc.lineAt(position);
    for (const found of line.text.matchAll(/([A-Za-z_][\w-]*)["']?\s*:(?:\s|$)/g)) {
      const from = line.from + found.index;
      if (position < from || position > from + found[1].length) continue;
      const path = pathAt(view.state.doc.toString(), from);
      const field = schema.fields(path).find((one) => one.name === found[1]);
      if (!field?.description) return null;
      return { pos: from, end: from + found[1].length, above: true, create: () => ({ dom: explained(field) }) };
    }
    return null;
  });
}

function explained(field) {
  const box = document.createElement("div");
  box.className = "explained";
  const title = document.createElement("strong");
  title.textContent = field.name;
  const kinds = field.choices.length ? field.choices.join(" | ") : field.types.join(" | ");
  const kind = document.createElement("span");
  kind.textContent = ` ${kinds}${field.usual === undefined ? "" : `, default ${JSON.stringify(field.usual)}`}`;
  const text = document.createElement("p");
  text.textContent = field.description;
  box.append(title, kind, text);
  return box;
}

// Converts the server's problems: { line, column, path, message }, with lines and columns from 1.
function diagnosticsOf(state, problems) {
  return problems.map((problem) => {
    const line = state.doc.line(Math.min(Math.max(problem.line || 1, 1), state.doc.lines));
    const from = Math.min(line.from + Math.max((problem.column || 1) - 1, 0), line.to);
    const message = problem.path ? `${problem.path}: ${problem.message}` : problem.message;
    return { from, to: Math.max(line.to, from), severity: "error", message: message.slice(0, MAX_MESSAGE) };
  });
}

function startEditor(box) {
  const label = document.querySelector(`label[for="${box.id}"]`)?.textContent ?? "Text";
  const host = document.createElement("div");
  host.className = "editor";
  // In a shadow root CodeMirror uses constructed style sheets, which the page's content security policy allows. In the document it would add
  // style elements, which the policy forbids.
  const root = host.attachShadow({ mode: "open" });
  const extensions = [
    lineNumbers(), foldGutter(), lintGutter(), highlightActiveLineGutter(), history(), drawSelection(), indentOnInput(), bracketMatching(),
    closeBrackets(), highlightActiveLine(), highlightSelectionMatches(), indentUnit.of("  "), EditorState.tabSize.of(2),
    // The editor does not handle Tab, so that a keyboard user can leave it.
    keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap, ...lintKeymap]),
    box.dataset.editor === "json" ? json() : yaml(), look, colours,
    EditorView.contentAttributes.of({ "aria-label": label.trim() }),
    EditorView.lineWrapping,
    EditorView.updateListener.of((update) => {
      if (!update.docChanged || box.value === update.state.doc.toString()) return;
      box.value = update.state.doc.toString();
      box.dispatchEvent(new Event("input", { bubbles: true }));
    }),
  ];
  if (box.dataset.schema) {
    const loading = schemaOf(box);
    extensions.push(autocompletion({ override: [completion(loading)] }), hover(loading));
  }
  if (box.readOnly) extensions.push(EditorState.readOnly.of(true));
  const view = new EditorView({ state: EditorState.create({ doc: box.value, extensions }), parent: root, root });
  box.after(host);
  box.hidden = true;
  document.querySelector(`label[for="${box.id}"]`)?.addEventListener("click", () => view.focus());
  box.addEventListener("replaced", () => {
    if (view.state.doc.toString() !== box.value) replace(view, box.value);
  });
  box.addEventListener("checked", (event) => view.dispatch(setDiagnostics(view.state, diagnosticsOf(view.state, event.detail))));
  box.addEventListener("goto", (event) => {
    const line = view.state.doc.line(Math.min(Math.max(event.detail, 1), view.state.doc.lines));
    view.dispatch({ selection: { anchor: line.from }, scrollIntoView: true });
    view.focus();
  });
}

// Replaces only the lines that differ, so that the caret, the selection and the undo history stay.
function replace(view, text) {
  const { doc, selection } = view.state;
  const before = doc.toString();
  const changes = changesOf(before, text);
  const set = view.state.changes(changes);
  const moved = (position) => set.mapPos(position, isBeforeCaret(changes, before, position) ? 1 : -1);
  const ranges = selection.ranges.map((range) => EditorSelection.range(moved(range.anchor), moved(range.head)));
  view.dispatch({ changes: set, selection: EditorSelection.create(ranges, selection.mainIndex) });
}

for (const box of document.querySelectorAll("textarea[data-editor]")) startEditor(box);
startForm();
for (const form of document.querySelectorAll("form[data-check-session]")) {
  checkSessionBeforeSending(form, (reason) => showNotSaved(form.querySelector("[data-check-session-state]"), reason));
}

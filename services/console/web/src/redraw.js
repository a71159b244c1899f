// Puts newly drawn HTML into a part of the page without touching what a person is at work on. Nodes that stay the same stay the same
// nodes, so focus, caret, selection and open folds survive; nothing is ever moved, since moving a node takes its focus away.

// A control by its name; of several with one name (radio buttons, boxes to tick) by its value too.
function controlKey(control) {
  const isOfSeveral = control.type === "radio" || control.type === "checkbox";
  return isOfSeveral ? `${control.name}=${control.value}` : control.name;
}

// By what an element is found again in the next drawing: itself, or the first thing inside of it that has a name.
function keyOf(element) {
  if (element.id) return element.id;
  if (element.name) return controlKey(element);
  const inside = element.querySelector("[id], [name], a[href]");
  if (!inside) return "";
  return inside.id || (inside.name ? controlKey(inside) : inside.getAttribute("href"));
}

function isSame(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return false;
  return old.nodeType !== Node.ELEMENT_NODE || keyOf(old) === keyOf(fresh);
}

function find(from, fresh, keep) {
  const isKeyed = fresh.nodeType === Node.ELEMENT_NODE && keyOf(fresh) !== "";
  for (let node = from; node; node = node.nextSibling) {
    if (isSame(node, fresh)) return node;
    // What has no key is found at its own place only; and no search passes over what must stay.
    if (!isKeyed || keep && node.contains(keep)) return null;
  }
  return null;
}

function stateOf(control) {
  if (control.type === "radio" || control.type === "checkbox") return control.checked;
  return control.value;
}

// As the server has drawn it, before anybody touched it.
function drawnState(control) {
  if (control.type === "radio" || control.type === "checkbox") return control.defaultChecked;
  if (control.tagName !== "SELECT") return control.defaultValue;
  return ([...control.options].find((option) => option.defaultSelected) ?? control.options[0])?.value ?? "";
}

// True where somebody has changed a control since the server drew it.
export function isTyped(control) {
  return stateOf(control) !== drawnState(control);
}

function setState(control, state) {
  if (stateOf(control) === state) return;
  if (control.type === "radio" || control.type === "checkbox") control.checked = state;
  else control.value = state;
}

function alike(old, fresh, rules) {
  if (old === rules.keep) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  const isControl = old.matches("input, select, textarea");
  const typed = isControl && rules.keepsTyped && isTyped(old) ? stateOf(old) : null;
  for (const { name } of [...old.attributes]) {
    // The reader chooses which folds are open.
    if (!fresh.hasAttribute(name) && !(name === "open" && old.tagName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  children(old, fresh, rules);
  if (isControl) setState(old, typed ?? drawnState(old));
}

function children(old, fresh, rules) {
  let at = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const match = find(at, node, rules.keep);
    if (!match) {
      old.insertBefore(node, at);
      continue;
    }
    while (at !== match) at = removed(at, rules);
    at = match.nextSibling;
    alike(match, node, rules);
  }
  while (at) at = removed(at, rules);
}

// Returns what comes after it.
function removed(node, rules) {
  const next = node.nextSibling;
  if (!rules.keep || !node.contains(rules.keep)) node.remove();
  return next;
}

function parsed(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content;
}

// The smallest part of a form that is worked on as one: a row of several fields, a field, a control.
function unitOf(control) {
  return control.closest("[data-row]") ?? control.closest(".field") ?? control;
}

// Draws a form anew, all of it or nothing: where the part that has focus would have to change, nothing is changed and the answer is false.
export function redrawForm(part, html) {
  const fresh = parsed(html);
  const active = part.contains(document.activeElement) ? document.activeElement : null;
  const keep = active && unitOf(active);
  if (keep) {
    const controls = keep.matches("[name]") ? [keep] : [...keep.querySelectorAll("[name]")];
    const drawn = new Map([...fresh.querySelectorAll("[name]")].map((control) => [controlKey(control), control]));
    for (const control of controls) {
      const other = drawn.get(controlKey(control));
      if (!other || drawnState(other) !== stateOf(control)) return false;
    }
  }
  children(part, fresh, { keep, keepsTyped: false });
  return true;
}

// Draws what is there to be read, in which somebody may have typed, ticked or opened something meanwhile.
export function redrawPart(part, html) {
  const keep = part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea") ? document.activeElement : null;
  children(part, parsed(html), { keep, keepsTyped: true });
}

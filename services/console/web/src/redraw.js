// Updates a part of the page to new HTML without disturbing the user. Unchanged elements stay the same nodes, so focus, caret, selection
// and open folds stay. No node is moved, because a moved node loses the focus.

// Returns the name of a control. Several radio buttons or checkboxes have one name, so their key also has the value.
function controlKey(control) {
  const sharesName = control.type === "radio" || control.type === "checkbox";
  return sharesName ? `${control.name}=${control.value}` : control.name;
}

// Returns the key by which an element is found in the new HTML: from the element, or from the first element in it that has an id, name or
// link. An element without them has the key "".
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
    // An element without a key matches only at the same position. The search does not skip the element that must stay.
    if (!isKeyed || keep && node.contains(keep)) return null;
  }
  return null;
}

function stateOf(control) {
  if (control.type === "radio" || control.type === "checkbox") return control.checked;
  return control.value;
}

// Returns the state of a control in the server's HTML.
function drawnState(control) {
  if (control.type === "radio" || control.type === "checkbox") return control.defaultChecked;
  if (control.tagName !== "SELECT") return control.defaultValue;
  return ([...control.options].find((option) => option.defaultSelected) ?? control.options[0])?.value ?? "";
}

// Returns true if the user has changed a control since the server drew it.
export function isEdited(control) {
  return stateOf(control) !== drawnState(control);
}

function setState(control, state) {
  if (stateOf(control) === state) return;
  if (control.type === "radio" || control.type === "checkbox") control.checked = state;
  else control.value = state;
}

function update(old, fresh, rules) {
  if (old === rules.keep) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  const isControl = old.matches("input, select, textarea");
  const edited = isControl && rules.keepsEdits && isEdited(old) ? stateOf(old) : null;
  for (const { name } of [...old.attributes]) {
    // The user opens and closes folds.
    if (!fresh.hasAttribute(name) && !(name === "open" && old.tagName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  updateChildren(old, fresh, rules);
  if (isControl) setState(old, edited ?? drawnState(old));
}

function updateChildren(old, fresh, rules) {
  let at = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const match = find(at, node, rules.keep);
    if (!match) {
      old.insertBefore(node, at);
      continue;
    }
    while (at !== match) at = remove(at, rules);
    at = match.nextSibling;
    update(match, node, rules);
  }
  while (at) at = remove(at, rules);
}

// Removes a node, unless it contains the element that must stay. Returns the next node.
function remove(node, rules) {
  const next = node.nextSibling;
  if (!rules.keep || !node.contains(rules.keep)) node.remove();
  return next;
}

function parse(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content;
}

// Returns the unit of a form that contains the control: a row of several fields, a field, or the control itself.
function unitOf(control) {
  return control.closest("[data-row]") ?? control.closest(".field") ?? control;
}

// Redraws a form completely. If the unit that has the focus would change, it changes nothing and returns false.
export function redrawForm(part, html) {
  const fresh = parse(html);
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
  updateChildren(part, fresh, { keep, keepsEdits: false });
  return true;
}

// Redraws a part of the page. Keeps text, choices and open folds of the user.
export function redrawPart(part, html) {
  const keep = part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea") ? document.activeElement : null;
  updateChildren(part, parse(html), { keep, keepsEdits: true });
}

// Finds the fields of the published JSON Schema at a position in a YAML text.

// Returns the fields around a position: ["trigger", "webhook"], with "[]" for an item of a list. Reads only the text before the position,
// line by line, because an unfinished text is often not YAML.
export function pathAt(text, position) {
  const before = text.slice(0, position);
  const start = before.lastIndexOf("\n---\n");
  const lines = before.slice(start < 0 ? 0 : start + 5).split("\n");
  const current = lines.pop();
  const flow = openBrackets(current);
  const own = marks(flow.length ? current.slice(0, flow[0].at) : current);
  const inner = flow.flatMap((bracket) => [...(bracket.field ? [bracket.field] : []), ...(bracket.sign === "[" ? ["[]"] : [])]);
  // The column where the position's own field begins or would begin: the fields around it begin further left.
  const path = [];
  let limit = own.end;
  let isDash = false;
  for (const line of [own, ...lines.reverse().map(marks)]) {
    for (const { name, column } of line.found.reverse()) {
      const isField = name !== "[]";
      if (line === own && isField && !flow.length) continue;
      // A list may begin in the same column as the field that contains it.
      const isAround = isDash && isField ? column <= limit : column < limit;
      if (!isAround) continue;
      path.unshift(name);
      limit = column;
      isDash = !isField;
    }
    if (limit === 0 && !isDash) break;
  }
  return [...path, ...inner];
}

// Returns the dashes and the field at the beginning of a line, each with its column, and the column after the dashes.
function marks(line) {
  const found = [];
  let column = line.match(/^ */)[0].length;
  if (!line.trim() || line[column] === "#") return { found, end: column };
  while (/^-(?: |$)/.test(line.slice(column))) {
    found.push({ name: "[]", column });
    column += 1 + line.slice(column + 1).match(/^ */)[0].length;
  }
  const field = line.slice(column).match(/^["']?([\w.-]+)["']?\s*:/)?.[1];
  if (field) found.push({ name: field, column });
  return { found, end: field ? column + 0.5 : column };
}

// Returns the brackets of flow collections that are open at the end of a line, each with the field before it.
function openBrackets(line) {
  const open = [];
  let quote = null;
  for (let at = 0; at < line.length; at += 1) {
    const sign = line[at];
    if (quote) {
      if (sign === quote) quote = null;
    } else if (sign === '"' || sign === "'") quote = sign;
    else if (sign === "#" && line[at - 1] === " ") break;
    else if ("{[".includes(sign)) {
      const from = open.length ? open[open.length - 1].at + 1 : 0;
      const field = open.length ? line.slice(from, at).match(/([\w.-]+)\s*:\s*$/)?.[1] : null;
      open.push({ sign, at, field });
    } else if ("}]".includes(sign)) open.pop();
  }
  return open;
}

export class Schema {
  constructor(document) {
    this.document = document;
  }

  // Returns the schemas that can apply at a path.
  at(path) {
    let found = this.expand(this.document);
    for (const part of path) {
      const next = [];
      for (const schema of found) {
        if (part === "[]") schema.items && next.push(...this.expand(schema.items));
        else if (schema.properties?.[part] !== undefined) next.push(...this.expand(schema.properties[part]));
        else if (schema.additionalProperties && typeof schema.additionalProperties === "object") {
          next.push(...this.expand(schema.additionalProperties));
        }
      }
      found = next;
    }
    return found;
  }

  // Returns a schema with the schemas to which it refers and its alternatives.
  expand(schema, depth = 0) {
    if (!schema || typeof schema !== "object" || depth > 8) return [];
    const found = [schema];
    const more = [...(schema.oneOf ?? []), ...(schema.anyOf ?? []), ...(schema.allOf ?? [])];
    for (const branch of ["then", "else"]) if (schema[branch]) more.push(schema[branch]);
    if (schema.$ref) {
      const target = schema.$ref.slice(2).split("/").reduce((value, name) => value?.[name], this.document);
      // A description beside a reference is more specific than the one of its target.
      found.push(...this.expand(target, depth + 1).map((inner) => ({ ...inner, description: schema.description ?? inner.description })));
    }
    for (const inner of more) found.push(...this.expand(inner, depth + 1));
    return found;
  }

  // Returns the allowed fields of an object: name, description, types.
  fields(path) {
    const fields = new Map();
    for (const schema of this.at(path)) {
      for (const [name, inner] of Object.entries(schema.properties ?? {})) {
        if (fields.has(name)) continue;
        const whole = this.expand(inner);
        fields.set(name, { name, description: whole.map((one) => one.description).find(Boolean) ?? "", ...this.kind(whole) });
      }
    }
    return [...fields.values()];
  }

  // Returns the allowed values.
  values(path) {
    const values = new Set();
    for (const schema of this.at(path)) {
      for (const value of schema.enum ?? []) values.add(String(value));
      if (schema.const !== undefined) values.add(String(schema.const));
      if (schema.type === "boolean") ["true", "false"].forEach((word) => values.add(word));
    }
    return [...values];
  }

  kind(schemas) {
    const types = new Set(schemas.flatMap((schema) => schema.type ?? []).filter((type) => type !== "null"));
    const choices = schemas.flatMap((schema) => schema.enum ?? []);
    const usual = schemas.map((schema) => schema.default).find((value) => value !== undefined);
    return { types: [...types], choices, usual };
  }
}

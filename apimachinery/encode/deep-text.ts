/** Large values written piece by piece, so that others can run between two of them. */

/** Values that are written in one piece: about a millisecond's work. */
const PIECE_VALUES = 200;

/** Whether a value has more in it than is written in one piece. */
export function isLarge(value: unknown): boolean {
  return countUpTo(value, PIECE_VALUES + 1) > PIECE_VALUES;
}

function countUpTo(value: unknown, most: number): number {
  if (typeof value !== "object" || value === null) return 1;
  let count = 1;
  // Object.values would read all of a map of 60,000 names, in 70 ms.
  for (const name in value) {
    if (count >= most) break;
    count += countUpTo((value as Readonly<Record<string, unknown>>)[name], most - count);
  }
  return count;
}

function* membersOf(value: object): Generator<[string, unknown]> {
  for (const name of Object.keys(value)) {
    const member = (value as Readonly<Record<string, unknown>>)[name];
    if (member !== undefined) yield [name, member];
  }
}

/**
 * Yields `JSON.stringify(value, null, 2)` in parts, each line but the first indented by `spaces`.
 */
export function* prettyJson(value: unknown, spaces: string): Generator<string> {
  if (!isLarge(value)) {
    yield JSON.stringify(value, null, 2).replaceAll("\n", `\n${spaces}`);
    return;
  }
  const inner = `${spaces}  `;
  const list = Array.isArray(value);
  yield list ? "[" : "{";
  let comma = "";
  for (const [name, child] of list ? value.entries() : membersOf(value as object)) {
    yield `${comma}\n${inner}${list ? "" : `${JSON.stringify(name)}: `}`;
    yield* prettyJson(child ?? null, inner);
    comma = ",";
  }
  yield `\n${spaces}${list ? "]" : "}"}`;
}

/** A value as lines of YAML that start with `spaces`; `text` writes what is not large. */
export function* yamlLines(
  value: unknown,
  spaces: string,
  text: (value: object) => string,
): Generator<string> {
  if (!isLarge(value)) {
    yield movedRight(text(value as object), spaces);
    return;
  }
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) yield* yamlItem(item, spaces, text);
    return;
  }
  for (const [name, child] of membersOf(value as object)) {
    if (!isLarge(child)) yield movedRight(text({ [name]: child }), spaces);
    else {
      yield movedRight(text({ [name]: null }).replace(/: null\n$/, ":\n"), spaces);
      yield* yamlLines(child, `${spaces}  `, text);
    }
  }
}

function* yamlItem(
  item: unknown,
  spaces: string,
  text: (value: object) => string,
): Generator<string> {
  if (!isLarge(item)) {
    yield movedRight(text([item]), spaces);
    return;
  }
  // The first line of a nested value has the dash.
  let first = true;
  for (const part of yamlLines(item, `${spaces}  `, text)) {
    yield first ? `${spaces}- ${part.slice(spaces.length + 2)}` : part;
    first = false;
  }
}

/** Empty lines stay as they are: within a text they are its own. */
const movedRight = (text: string, spaces: string): string =>
  spaces === "" ? text : text.replace(/^(?=.)/gm, spaces);

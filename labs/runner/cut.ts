import { LabError } from "./lab-error.ts";

/**
 * A tagged region of the product's source: the body of a function that a reader writes.
 *
 *     // lab:02 begin append
 *     ... the reference ...
 *     // lab:02 end
 */
export interface Region {
  readonly lab: string;
  readonly name: string;
  /** Index of the line with `begin`, and of the line with `end`. */
  readonly begin: number;
  readonly end: number;
  readonly indent: string;
}

const BEGIN = /^(\s*)\/\/ lab:(\d\d[a-z]?) begin ([\w-]+)$/;
const END = /^\s*\/\/ lab:(\d\d[a-z]?) end$/;

/**
 * Returns the tagged regions of a source. Throws if one is not closed, or closed by another lab.
 */
export function regionsOf(text: string, path: string): Region[] {
  const regions: Region[] = [];
  let open: Omit<Region, "end"> | undefined;
  text.split("\n").forEach((line, index) => {
    const begin = BEGIN.exec(line);
    const end = END.exec(line);
    if (begin) {
      if (open) throw bad(path, index, `${open.name} is still open`);
      open = { indent: begin[1]!, lab: begin[2]!, name: begin[3]!, begin: index };
    } else if (end) {
      if (!open || open.lab !== end[1]) throw bad(path, index, "nothing of this lab is open");
      regions.push({ ...open, end: index });
      open = undefined;
    }
  });
  if (open) throw bad(path, open.begin, `${open.name} is not closed`);
  return regions;
}

/** The functions of a lab's regions: what its reader writes. */
export function bodiesOf(text: string, lab: string, path: string): string[] {
  const lines = text.split("\n");
  const regions = regionsOf(text, path).filter((region) => region.lab === lab);
  return regions.flatMap((region) => functionAround(lines, region) ?? []);
}

/** The body whose region has this text of the untagged source, or is the next one after it. */
export function bodyAt(text: string, lab: string, path: string, find: string): string | undefined {
  const lines = text.split("\n");
  const regions = regionsOf(text, path).filter((region) => region.lab === lab);
  const untagged = lines.flatMap((line, at) => (isTag(line) ? [] : [{ line, at }]));
  const before = untagged
    .map(({ line }) => line)
    .join("\n")
    .split(find)[0]!;
  // A text whose first character ends a line is on the next one.
  const first = before.split("\n").length - 1 + (find.startsWith("\n") ? 1 : 0);
  const at = untagged[first]?.at ?? 0;
  const region = regions.find(({ end }) => end > at) ?? regions.at(-1);
  return region && functionAround(lines, region);
}

/** The reference of a body: the text of its regions; undefined if the source has no such body. */
export function bodyText(
  text: string,
  lab: string,
  path: string,
  name: string,
): string | undefined {
  const lines = text.split("\n");
  const regions = regionsOf(text, path).filter((region) => {
    return region.lab === lab && functionAround(lines, region) === name;
  });
  if (regions.length === 0) return undefined;
  return regions.map(({ begin, end }) => lines.slice(begin + 1, end).join("\n")).join("\n");
}

const isTag = (line: string) => BEGIN.test(line) || END.test(line);

/** The signature of a function in a source, with the comment above it. */
export function signatureOf(text: string, name: string): string | undefined {
  const lines = text.split("\n");
  const at = headerOf(lines, name);
  if (at < 0) return undefined;
  let first = at;
  while (/^\s*(\*|\/\*\*)/.test(lines[first - 1] ?? "")) first--;
  const length = lines.slice(at).findIndex((line) => /\{$/.test(line));
  const found = lines.slice(first, at + length + 1);
  const indent = /^\s*/.exec(found[0]!)![0].length;
  return found
    .map((line) => line.slice(indent))
    .join("\n")
    .replace(/\s*\{$/, "");
}

/** The line, from 1, of a function in a source. */
export function lineOf(text: string, name: string): number | undefined {
  const at = headerOf(text.split("\n"), name);
  return at < 0 ? undefined : at + 1;
}

/** The index of a function's first line, else of a method's; a call looks like a method's. */
function headerOf(lines: readonly string[], name: string): number {
  const at = lines.findIndex((line) => FUNCTION.exec(line)?.[1] === name);
  if (at >= 0) return at;
  return lines.findIndex((line) => METHOD.exec(line)?.[1] === name && !line.endsWith(";"));
}

/** The function or method around a region; undefined for a region that is in none. */
function functionAround(lines: readonly string[], region: Region): string | undefined {
  const above = lines.slice(0, region.begin).reverse();
  const outermost = above.find((line) => /^\S/.test(line)) ?? "";
  // Two spaces start a method in a class, and a statement in a function.
  const header = CLASS.test(outermost) ? METHOD : FUNCTION;
  const names = region.indent === "" ? [] : above.map((line) => header.exec(line));
  return names.find((match) => match !== null)?.[1];
}

const CLASS = /^(?:export )?(?:abstract )?class /;
const FUNCTION = /^(?:export )?(?:async )?function\*? (\w+)/;
const METHOD = /^ {2}(?:(?:async|static|get|set) )*\*?#?(\w+)(?:<.*>)?\(/;

function bad(path: string, index: number, why: string): LabError {
  return new LabError("BAD_TAG", `${path}:${index + 1}: ${why}`);
}

/**
 * Message thrown by a cut region, with the function's name; checks use it to distinguish missing
 * code from wrong code.
 */
export function notWritten(lab: string, name: string): string {
  return `lab ${lab}: ${name} is not written yet`;
}

/**
 * Returns a source's skeleton for one lab: signatures and docs stay, each region becomes a `throw`.
 * Tags of other labs are removed too. Imports that only regions used stay.
 */
export function cutSkeleton(text: string, lab: string, path: string): string {
  const regions = regionsOf(text, path);
  const lines = text.split("\n");
  const kept = lines.flatMap((line, index) => {
    const region = regions.find((item) => index >= item.begin && index <= item.end);
    if (!region) return [line];
    if (region.lab !== lab) return index === region.begin || index === region.end ? [] : [line];
    if (index !== region.begin) return [];
    const name = functionAround(lines, region) ?? region.name;
    return [`${region.indent}throw new Error("${notWritten(lab, name)}");`];
  });
  return kept.join("\n");
}

/** Returns the source without tags, for comparison with the reader's. */
export function withoutTags(text: string): string {
  return text
    .split("\n")
    .filter((line) => !isTag(line))
    .join("\n");
}

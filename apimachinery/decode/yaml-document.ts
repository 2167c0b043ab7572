import { messageOf } from "@raft2kube/std/errors.ts";
import { goTags } from "@raft2kube/std/go-yaml.ts";
import {
  type Alias,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  type Range,
  type Scalar,
  type ScalarTag,
  type Tags,
  type Document as YamlDocument,
} from "yaml";
import { badRequest } from "../errors/catalog.ts";
import {
  BODY_DEPTH_MAX,
  MANAGED_FIELDS_DEPTH_MAX,
  ODDITIES_MAX,
  ODDITY_CHARACTERS_MAX,
  YAML_ALIASES_CHARS_MAX,
  YAML_ALIASES_MAX,
} from "../limits.ts";
import { type Document, parseJson, textOf } from "./json-document.ts";

/**
 * Parses one YAML document with JSON's types; aliases, depth and numbers are bounded. Throws 400.
 */
export function parseYaml(body: Buffer): Document {
  const lines = new LineCounter();
  const options = {
    uniqueKeys: false,
    version: "1.1",
    lineCounter: lines,
    customTags: (tags: Tags) => [BINARY, ...goTags(tags)],
    intAsBigInt: true,
    // Each error or warning would get a copy of its line, and a line may have all of them.
    prettyErrors: false,
  } as const;
  const documents = withoutStacks(() => parseAllDocuments(textOf(body), options));
  // Documents after the first are ignored, as upstream does.
  const [document] = Array.isArray(documents) ? documents : [];
  if (document === undefined) return { value: null, duplicates: [] };
  const [error] = document.errors;
  if (error) throw badRequest(`yaml: line ${lines.linePos(error.pos[0]).line}: ${error.code}`);
  const inspection = new Inspection(lines);
  inspection.visit(document.contents);
  // Through JSON once more: the same limits hold, and dates and odd keys become plain.
  const { value } = parseJson(Buffer.from(JSON.stringify(plain(document) ?? null)));
  return { value, duplicates: inspection.duplicates };
}

/** Errors of the library have their stacks otherwise: a line may have a million of them. */
function withoutStacks<T>(parse: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return parse();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Go's decoder takes the bytes for text. */
const BINARY: ScalarTag = {
  tag: "tag:yaml.org,2002:binary",
  resolve: (text) => Buffer.from(text, "base64").toString(),
};

/** Throws 400 when the value of a merge key (`<<`) is no map. */
function plain(document: YamlDocument): unknown {
  try {
    // The library would look through the whole document for each alias to count them.
    return document.toJS({ maxAliasCount: -1 });
  } catch (thrown) {
    throw badRequest(`yaml: ${messageOf(thrown)}`);
  }
}

/** A value with a name. */
interface Anchored {
  readonly node: Node;
  /** Characters that an alias of it expands to; undefined within it. */
  chars: number | undefined;
}

/**
 * Walks the nodes as written: collects duplicate keys, and rejects documents that are too deep, or
 * larger than they look.
 */
class Inspection {
  readonly duplicates: string[] = [];
  readonly #lines: LineCounter;
  /** The values that aliases stand for at this place. */
  readonly #anchors = new Map<string, Anchored>();
  #aliases = 0;
  #expanded_chars = 0;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  /** Returns the characters that a node expands to. Throws 400. */
  visit(node: unknown, depth = 0): number {
    if (depth > MANAGED_FIELDS_DEPTH_MAX) {
      throw badRequest(`the body of the request is nested deeper than ${BODY_DEPTH_MAX}`);
    }
    if (isAlias(node)) return this.#expand(this.#targetOf(node).chars);
    if (!isNode(node)) return 0;
    const anchored: Anchored = { node, chars: undefined };
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, anchored);
    const before = this.#expanded_chars;
    if (isMap(node)) this.#visitPairs(node.items, depth + 1);
    else if (isSeq(node)) for (const item of node.items) this.visit(item, depth + 1);
    const [from = 0, to = 0] = node.range ?? [];
    anchored.chars = to - from + this.#expanded_chars - before;
    return anchored.chars;
  }

  #visitPairs(pairs: readonly Pair[], depth: number): void {
    const seen = new Set<string>();
    for (const { key, value } of pairs) {
      this.visit(key, depth);
      const name = this.#nameOf(key);
      if (seen.has(name) && isScalar(key)) this.#twice(key, name);
      seen.add(name);
      const chars = this.visit(value, depth);
      if (isScalar(key) && typeof key.value === "symbol") this.#expand(chars);
    }
  }

  #nameOf(key: unknown): string {
    const found = isAlias(key) ? this.#targetOf(key).node : key;
    if (found === null || found === undefined) return "null";
    if (isScalar(found)) return String(found.value);
    // Its text takes time that is exponential in its depth.
    throw badRequest(`yaml: line ${this.#lineOf(key)}: a list or map is the key of a map`);
  }

  #twice(key: Scalar, name: string): void {
    if (this.duplicates.length === ODDITIES_MAX) return;
    const text = JSON.stringify(name.slice(0, ODDITY_CHARACTERS_MAX));
    this.duplicates.push(`line ${this.#lineOf(key)}: key ${text} already set in map`);
  }

  #targetOf(alias: Alias): Anchored & { chars: number } {
    const { node, chars } = this.#anchors.get(alias.source) ?? {};
    const at = `yaml: line ${this.#lineOf(alias)}: `;
    const name = alias.source.slice(0, ODDITY_CHARACTERS_MAX);
    if (node === undefined) throw badRequest(`${at}unknown anchor '${name}' referenced`);
    if (chars === undefined) throw badRequest(`${at}anchor '${name}' value contains itself`);
    return { node, chars };
  }

  /** Counts an alias, or a merge, which copies. */
  #expand(chars: number): number {
    this.#aliases++;
    this.#expanded_chars += chars;
    if (this.#aliases > YAML_ALIASES_MAX || this.#expanded_chars > YAML_ALIASES_CHARS_MAX) {
      throw badRequest("yaml: document contains excessive aliasing");
    }
    return chars;
  }

  #lineOf(node: unknown): number {
    const { range } = node as { range?: Range | null };
    return this.#lines.linePos(range?.[0] ?? 0).line;
  }
}

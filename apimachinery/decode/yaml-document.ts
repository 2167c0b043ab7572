import {
  isAlias,
  isMap,
  isScalar,
  LineCounter,
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
  ODDITIES_MAX,
  ODDITY_CHARACTERS_MAX,
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
    customTags: goTags,
    intAsBigInt: true,
  } as const;
  const documents = parseAllDocuments(textOf(body), options);
  // Documents after the first are ignored, as upstream does.
  const [document] = Array.isArray(documents) ? documents : [];
  if (document === undefined) return { value: null, duplicates: [] };
  const [error] = document.errors;
  if (error) throw badRequest(`yaml: line ${lines.linePos(error.pos[0]).line}: ${error.code}`);
  const lineOf = ({ range }: { range?: Range | null }) => lines.linePos(range?.[0] ?? 0).line;
  const duplicates: string[] = [];
  const keyOf = (key: unknown): string => {
    const found = isAlias(key) ? key.resolve(document) : key;
    if (found === null || found === undefined) return "null";
    if (isScalar(found)) return String(found.value);
    // Its text takes time that is exponential in its depth.
    throw badRequest(`yaml: line ${lineOf(key as Scalar)}: a list or map is the key of a map`);
  };
  inspect(document.contents, 0, {
    keyOf,
    twice(key, name) {
      if (duplicates.length === ODDITIES_MAX) return;
      const text = JSON.stringify(name.slice(0, ODDITY_CHARACTERS_MAX));
      duplicates.push(`line ${lineOf(key)}: key ${text} already set in map`);
    },
  });
  // Through JSON once more: the same limits hold, and dates and odd keys become plain.
  const { value } = parseJson(Buffer.from(JSON.stringify(plain(document) ?? null)));
  return { value, duplicates };
}

/** Go's decoder knows this notation of YAML 1.2 as well. */
const OCTAL: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^[-+]?0o[0-7]+$/,
  resolve: (text) => Number(text.replace(/^[-+]/, "")) * (text.startsWith("-") ? -1 : 1),
};

/**
 * Returns the tags by which Go's decoder reads plain scalars: those of YAML 1.1 with two
 * exceptions: `12:30` is not the number 750, and a date stays text.
 */
function goTags(tags: Tags): Tags {
  const known = tags.filter(
    (each) =>
      typeof each === "string" || (each.format !== "TIME" && !each.tag.endsWith(":timestamp")),
  );
  return [OCTAL, ...known];
}

function plain(document: YamlDocument): unknown {
  try {
    return document.toJS({ maxAliasCount: YAML_ALIASES_MAX });
  } catch (thrown) {
    if (thrown instanceof ReferenceError) throw badRequest(`yaml: ${thrown.message}`);
    throw thrown;
  }
}

interface Inspection {
  /** Throws 400 for a key that is no scalar. */
  keyOf(key: unknown): string;
  twice(key: Scalar, name: string): void;
}

/** Walks the nodes as written: reports duplicate keys, and rejects documents that are too deep. */
function inspect(node: unknown, depth: number, inspection: Inspection): void {
  if (depth > BODY_DEPTH_MAX) {
    throw badRequest(`the body of the request is nested deeper than ${BODY_DEPTH_MAX}`);
  }
  if (isMap(node)) {
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      const name = inspection.keyOf(key);
      if (seen.has(name) && isScalar(key)) inspection.twice(key, name);
      seen.add(name);
      inspect(value, depth + 1, inspection);
    }
    return;
  }
  const items = (node as { items?: unknown[] } | null)?.items ?? [];
  for (const item of items) inspect(item, depth + 1, inspection);
}

import { type Document as YamlDocument, isMap, isScalar, parseAllDocuments } from "yaml";
import { badRequest } from "../errors/catalog.ts";
import { BODY_DEPTH_MAX, YAML_ALIASES_MAX } from "../limits.ts";
import type { Document } from "./decode.ts";
import { parseJson, textOf } from "./json-document.ts";

/**
 * Parses one YAML document with JSON's types; aliases, depth and numbers are bounded. Throws 400.
 */
export function parseYaml(body: Buffer): Document {
  const documents = parseAllDocuments(textOf(body), { uniqueKeys: false, version: "1.1" });
  const [document, second] = Array.isArray(documents) ? documents : [];
  if (document === undefined) throw badRequest("the body of the request is empty");
  if (second) throw badRequest("the body of the request has more than one document");
  const [error] = document.errors;
  if (error) throw badRequest(`error converting YAML to JSON: yaml: ${error.message}`);
  const duplicates: string[] = [];
  inspect(document.contents, "", 0, duplicates);
  // Through JSON once more: the same limits hold, and dates and odd keys become plain.
  const { value } = parseJson(Buffer.from(JSON.stringify(plain(document) ?? null)));
  return { value, duplicates };
}

function plain(document: YamlDocument): unknown {
  try {
    return document.toJS({ maxAliasCount: YAML_ALIASES_MAX });
  } catch (thrown) {
    if (thrown instanceof ReferenceError) throw badRequest(`yaml: ${thrown.message}`);
    throw thrown;
  }
}

/** Walks the nodes as written: finds keys that stand twice, and refuses what is too deep. */
function inspect(node: unknown, path: string, depth: number, duplicates: string[]): void {
  if (depth > BODY_DEPTH_MAX) {
    throw badRequest(`the body of the request is nested deeper than ${BODY_DEPTH_MAX}`);
  }
  if (isMap(node)) {
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      const name = String(isScalar(key) ? key.value : key);
      const at = path === "" ? name : `${path}.${name}`;
      if (seen.has(name)) duplicates.push(at);
      seen.add(name);
      inspect(value, at, depth + 1, duplicates);
    }
    return;
  }
  const items = (node as { items?: unknown[] } | null)?.items ?? [];
  for (const [index, item] of items.entries()) {
    inspect(item, `${path}[${index}]`, depth + 1, duplicates);
  }
}

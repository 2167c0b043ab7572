import { parseAllDocuments, visit } from "yaml";
import { badRequest } from "../errors/catalog.ts";
import { BODY_DEPTH_MAX, YAML_ALIASES_MAX } from "../limits.ts";
import type { Document } from "./decode.ts";
import { parseJson, textOf } from "./json-document.ts";

/**
 * Parses one YAML document with JSON's types. Aliases, depth and numbers are bounded. Throws 400.
 */
export function parseYaml(body: Buffer): Document {
  const documents = parseAllDocuments(textOf(body), { uniqueKeys: false, version: "1.1" });
  if (!Array.isArray(documents) || documents.length === 0) {
    throw badRequest("the body of the request is empty");
  }
  if (documents.length > 1) throw badRequest("the body of the request has more than one document");
  const [document] = documents;
  const [error] = document!.errors;
  if (error) throw badRequest(`error converting YAML to JSON: yaml: ${error.message}`);
  let depth = 0;
  visit(document!, {
    Collection(_key, _node, path) {
      depth = Math.max(depth, path.length);
      return depth > 2 * BODY_DEPTH_MAX ? visit.BREAK : undefined;
    },
  });
  if (depth > 2 * BODY_DEPTH_MAX) {
    throw badRequest(`the body of the request is nested deeper than ${BODY_DEPTH_MAX}`);
  }
  let value: unknown;
  try {
    value = document!.toJS({ maxAliasCount: YAML_ALIASES_MAX });
  } catch (thrown) {
    if (thrown instanceof ReferenceError) throw badRequest(`yaml: ${thrown.message}`);
    throw thrown;
  }
  // Through JSON once more: the same limits hold, and dates and odd keys become plain.
  return parseJson(Buffer.from(JSON.stringify(value ?? null)));
}

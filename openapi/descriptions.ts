/**
 * The descriptions that `kubectl explain` prints: our own words for structures and their fields.
 * They stand in `texts/*.md`, are read when a document is generated, and are not cached.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "@raft2kube/std/assert.ts";
import { parseTexts, type StructureTexts } from "./texts.ts";

const TEXTS_DIR = join(import.meta.dirname, "texts");

/** The fields of every object and list, which have the same meaning everywhere. */
const EVERY_OBJECT = "Name, namespace, labels, annotations and what else every object has.";
const EVERY_LIST: Readonly<Record<string, string>> = {
  metadata: "The state of the store that the list shows, and where its next part begins.",
  items: "The objects of the list.",
};

/** The texts of the packages that were asked for; made for one document. */
export class Descriptions {
  readonly #packages = new Map<string, ReadonlyMap<string, StructureTexts>>();

  /** The text of a structure; undefined when there is none. */
  ofStructure(schema: string): string | undefined {
    const texts = this.#textsOf(schema);
    if (texts?.own !== undefined) return texts.own;
    if (texts?.like !== undefined) return this.ofStructure(texts.like);
    const list = /\.(\w+)List$/.exec(schema);
    return list === null ? undefined : `A list of ${list[1]!} objects.`;
  }

  /**
   * The text of a field; undefined when there is none. `within` names the inlined structures that
   * the field stands in: their texts are used when the structure itself has none.
   */
  ofField(schema: string, field: string, within: readonly string[] = []): string | undefined {
    const from = schema.slice(0, schema.indexOf("."));
    for (const each of [schema, ...within.map((local) => `${from}.${local}`)]) {
      const text = this.#said(each, field);
      if (text !== undefined) return text;
    }
    if (schema.endsWith("List")) return EVERY_LIST[field];
    return field === "metadata" ? EVERY_OBJECT : undefined;
  }

  #said(schema: string, field: string): string | undefined {
    const texts = this.#textsOf(schema);
    return (
      texts?.fields.get(field) ??
      (texts?.like === undefined ? undefined : this.#said(texts.like, field))
    );
  }

  #textsOf(schema: string): StructureTexts | undefined {
    const dot = schema.indexOf(".");
    const from = schema.slice(0, dot);
    let texts = this.#packages.get(from);
    if (texts === undefined) this.#packages.set(from, (texts = readTexts(from)));
    return texts.get(schema.slice(dot + 1));
  }
}

/** The packages that have texts: `core/v1`. */
export const describedPackages = (): string[] => [
  ...new Set(
    textFiles().map((file) => {
      const [group, version] = file.split(".");
      return `${group!}/${version!}`;
    }),
  ),
];

/** All texts of one package by the structure's local name: `core/v1` is `core.v1.*.md`. */
export function readTexts(from: string): ReadonlyMap<string, StructureTexts> {
  const found = new Map<string, StructureTexts>();
  for (const file of textFiles().filter((each) => each.startsWith(`${from.replace("/", ".")}.`))) {
    for (const [name, texts] of parseTexts(readFileSync(join(TEXTS_DIR, file), "utf8"), from)) {
      assert(!found.has(name), `${file} describes ${name} a second time`);
      found.set(name, texts);
    }
  }
  return found;
}

const textFiles = (): string[] => readdirSync(TEXTS_DIR).filter((each) => each.endsWith(".md"));

/** The documents of kinds that come and go, beside those that a server always has. */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Kind } from "@raft2kube/api/kind.ts";
import { inSlices, Slices } from "@raft2kube/std/slices.ts";
import { Definitions, type Json } from "./definitions.ts";
import {
  asJson,
  type Document,
  type Documents,
  documentV3,
  kept,
  make,
  paths,
  type Steps,
} from "./documents.ts";
import { encodeDocument } from "./gnostic.ts";
import { besideDefinitions, type DocumentPart } from "./merge.ts";
import { rootOf } from "./operations.ts";

/** One custom kind's part of the document of version 2. */
type Part = { readonly paths: Json; readonly definitions: Json };

/** A document, and the kinds and parts that it is made of. */
type Made = { readonly of: readonly object[]; readonly document: Promise<Document> };

/**
 * Documents of which a part changes: what is made of one custom kind is kept as long as the kind,
 * so that a change among hundreds costs little more than that kind.
 */
export class CustomDocuments {
  readonly #base: Documents;
  readonly #made = new Map<string, Made>();
  readonly #parts = new WeakMap<Kind, Promise<Part>>();
  #kinds: readonly Kind[] = [];
  #remotes: readonly DocumentPart[] = [];
  /** The kinds of each group and version with a document of its own. */
  #byPath = new Map<string, Kind[]>();

  constructor(base: Documents) {
    this.#base = base;
  }

  /** Sets the custom kinds that the documents describe, and the parts of other servers. */
  show(kinds: readonly Kind[], remotes: readonly DocumentPart[] = []): void {
    this.#remotes = remotes;
    if (kinds === this.#kinds) return;
    this.#kinds = kinds;
    this.#byPath = Map.groupBy(kinds, (kind) => rootOf(kind).slice(1));
    for (const path of this.#made.keys()) {
      if (path.startsWith("apis/") && !this.#byPath.has(path)) this.#made.delete(path);
    }
  }

  v3Paths(): string[] {
    return [...this.#base.v3Paths(), ...this.#byPath.keys()].sort();
  }

  v3(path: string): Promise<Document> | undefined {
    const kinds = this.#byPath.get(path);
    if (kinds === undefined) return this.#base.v3(path);
    return this.#document(path, kinds, () => make(asJson(documentV3(kinds))));
  }

  v2(): Promise<Document> {
    const [kinds, remotes] = [this.#kinds, this.#remotes];
    if (kinds.length + remotes.length === 0) return this.#base.v2();
    return this.#document("v2", [...kinds, ...remotes], async () => {
      const base = await plain(this.#base.v2());
      const own = await this.#partsOf(kinds);
      const parts = remotes.length === 0 ? own : withRemotes(base, own, remotes);
      const members = (of: keyof Part) =>
        Buffer.from(
          parts
            .filter((part) => Object.keys(part[of]).length > 0)
            .map((part) => `${JSON.stringify(part[of]).slice(1, -1)},`)
            .join(""),
        );
      // No path has a member of this name, so that the first is the document's own.
      const halves = split(base, Buffer.from('"paths":{'), Buffer.from('},"definitions":{'));
      return await kept(
        Buffer.concat([halves[0], members("paths"), halves[1], members("definitions"), halves[2]]),
      );
    });
  }

  v2Protobuf(): Promise<Document> {
    const kinds = this.#kinds;
    if (kinds.length === 0) return this.#base.v2Protobuf();
    return this.#document("v2+protobuf", kinds, async () => {
      const pieces = [await plain(this.#base.v2Protobuf())];
      for (const part of await this.#partsOf(kinds)) {
        pieces.push(await inSlices(encodeDocument({ ...part })));
      }
      // Messages that follow each other are one, whose maps have the entries of all.
      return await kept(Buffer.concat(pieces));
    });
  }

  #document(key: string, of: readonly object[], build: () => Promise<Document>): Promise<Document> {
    const known = this.#made.get(key);
    if (known !== undefined && isSame(known.of, of)) return known.document;
    const document = build();
    this.#made.set(key, { of, document });
    // A failure is the request's; the next one tries again.
    document.catch(() => {
      if (this.#made.get(key)?.document === document) this.#made.delete(key);
    });
    return document;
  }

  async #partsOf(kinds: readonly Kind[]): Promise<Part[]> {
    const slices = new Slices();
    const parts: Part[] = [];
    for (const kind of kinds) {
      let part = this.#parts.get(kind);
      if (part === undefined) this.#parts.set(kind, (part = inSlices(partOf(kind), slices)));
      parts.push(await part);
      if (slices.due) await slices.pause();
    }
    return parts;
  }
}

function isSame(a: readonly object[], b: readonly object[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index]);
}

/** Adds parts of other servers: no path twice, and no definition of another's name. */
function withRemotes(
  base: Buffer,
  own: readonly Part[],
  remotes: readonly DocumentPart[],
): DocumentPart[] {
  const document = JSON.parse(base.toString("utf8")) as DocumentPart;
  const taken = Object.assign(document.definitions, ...own.map((part) => part.definitions));
  const parts: DocumentPart[] = [...own];
  for (const remote of remotes) {
    const { paths, definitions } = besideDefinitions(remote, taken);
    Object.assign(taken, definitions);
    const others = Object.entries(paths).filter(([path]) => !Object.hasOwn(document.paths, path));
    parts.push({ paths: Object.fromEntries(others), definitions });
  }
  return parts;
}

async function plain(document: Promise<Document>): Promise<Buffer> {
  return await promisify(gunzip)((await document).gzip);
}

function* partOf(kind: Kind): Steps<Part> {
  const definitions = new Definitions("v2");
  const own = definitions.add(kind);
  yield;
  return { paths: yield* paths([kind], definitions), definitions: own };
}

/** The parts before, between and after the ends of two marks. */
function split(whole: Buffer, first: Buffer, second: Buffer): [Buffer, Buffer, Buffer] {
  const one = whole.indexOf(first) + first.length;
  const two = whole.indexOf(second, one) + second.length;
  return [whole.subarray(0, one), whole.subarray(one, two), whole.subarray(two)];
}

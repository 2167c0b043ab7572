/** The documents of kinds that come and go, beside those that a server always has. */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { inSlices } from "@raft2kube/std/slices.ts";
import type { Kind } from "@raft2kube/api/kind.ts";
import { Definitions, type Json } from "./definitions.ts";
import {
  asJson, type Document, documentV3, type Documents, kept, make, paths, type Steps,
} from "./documents.ts";
import { encodeDocument } from "./gnostic.ts";
import { rootOf } from "./operations.ts";

/** What one custom kind adds to the document of version 2. */
interface Part {
  readonly paths: Json;
  readonly definitions: Json;
}

/** A document, and the kinds that it is of. */
interface Made {
  readonly kinds: readonly Kind[];
  readonly document: Promise<Document>;
}

/**
 * Documents of which a part changes: what is made of one custom kind is kept as long as the kind,
 * so that a change among hundreds costs little more than that kind.
 */
export class CustomDocuments {
  readonly #base: Documents;
  readonly #made = new Map<string, Made>();
  readonly #parts = new WeakMap<Kind, Promise<Part>>();
  #kinds: readonly Kind[] = [];
  /** The kinds of each group and version with a document of its own. */
  #byPath = new Map<string, Kind[]>();

  constructor(base: Documents) {
    this.#base = base;
  }

  /** Sets the custom kinds that the documents describe. */
  show(kinds: readonly Kind[]): void {
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
    const kinds = this.#kinds;
    if (kinds.length === 0) return this.#base.v2();
    return this.#document("v2", kinds, async () => {
      const base = await plain(this.#base.v2());
      const parts = await this.#partsOf(kinds);
      const members = (of: keyof Part) =>
        Buffer.from(parts.map((part) => `${JSON.stringify(part[of]).slice(1, -1)},`).join(""));
      // No path has a member of this name, so that the first is the document's own.
      const halves = split(base, Buffer.from('"paths":{'), Buffer.from('},"definitions":{'));
      return await kept(Buffer.concat([
        halves[0], members("paths"), halves[1], members("definitions"), halves[2],
      ]));
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

  #document(
    key: string, kinds: readonly Kind[], build: () => Promise<Document>,
  ): Promise<Document> {
    const known = this.#made.get(key);
    if (known !== undefined && isSame(known.kinds, kinds)) return known.document;
    const document = build();
    this.#made.set(key, { kinds, document });
    // A failure is the request's; the next one tries again.
    document.catch(() => {
      if (this.#made.get(key)?.document === document) this.#made.delete(key);
    });
    return document;
  }

  #partsOf(kinds: readonly Kind[]): Promise<Part[]> {
    return Promise.all(kinds.map((kind) => {
      let part = this.#parts.get(kind);
      if (part === undefined) this.#parts.set(kind, (part = inSlices(partOf(kind))));
      return part;
    }));
  }
}

function isSame(a: readonly Kind[], b: readonly Kind[]): boolean {
  return a.length === b.length && a.every((kind, index) => kind === b[index]);
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

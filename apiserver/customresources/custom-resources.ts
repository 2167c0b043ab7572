import type { Definitions, Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { type Convert, customKinds } from "@raft2kube/apiextensions/custom-kinds.ts";
import { definitionsOf } from "@raft2kube/apiextensions/open-api.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { dns1035Label, dnsSubdomain } from "@raft2kube/std/names.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import type { CacheEvent } from "../cache/event.ts";
import type { Resource } from "../resource/resource.ts";
import type { Resources } from "../resource/resources.ts";
import { type Definition, definitionsIn, isServed, isTrue, outlineOf } from "./definition.ts";

const log = logger("apiserver");

/** Makes the conversion of a definition that names a webhook. */
export type ConvertBy = (crd: Definition) => Convert | undefined;

/** A definition as it was last seen, and the state of it that is served. */
interface Known {
  readonly outline: Definition;
  readonly revision: number;
  /** Names what of it decides about the served kinds; undefined when nothing is served. */
  readonly serving: string | undefined;
}

/**
 * Serves the custom resources that the definitions in the store say: a definition is followed like
 * any object, and its kinds are installed among the server's resources, where all layers find them.
 * A change of a definition's spec ends the watches of its resources (as upstream), since objects
 * are pruned, defaulted and converted by the new one from then on.
 */
export class CustomResources {
  readonly #resources: Resources;
  readonly #convertBy: ConvertBy;
  readonly #known = new Map<string, Known>();
  readonly #listeners = new Set<(crd: Definition) => void>();
  #stop: () => void = () => {};

  constructor(resources: Resources, convertBy: ConvertBy) {
    this.#resources = resources;
    this.#convertBy = convertBy;
  }

  /** Follows the definitions; resolves once those that there are are served. */
  static async follow(resources: Resources, convertBy: ConvertBy): Promise<CustomResources> {
    const followed = new CustomResources(resources, convertBy);
    const cache = await definitionsIn(resources).cache();
    followed.#stop = cache.subscribe((event) => followed.#take(event));
    return followed;
  }

  close(): void {
    this.#stop();
  }

  /** The definitions of a group, without their schemas. */
  ofGroup(group: string): Definition[] {
    return [...this.#known.values()]
      .map(({ outline }) => outline)
      .filter(({ spec }) => spec.group === group);
  }

  get(name: string): Definition | undefined {
    return this.#known.get(name)?.outline;
  }

  /** Calls `listener` with each definition there is, then with those that change or go. */
  subscribe(listener: (crd: Definition) => void): () => void {
    for (const { outline } of this.#known.values()) listener(outline);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * The resource of a request that was found nowhere: its definition may just have been established
   * by another server. Only if there is a definition of that name is the cache waited for.
   */
  async find(group: string, version: string, plural: string): Promise<Resource | undefined> {
    const isName =
      group.includes(".") && dnsSubdomain(group).length === 0 && dns1035Label(plural).length === 0;
    if (!isName) return undefined;
    const definitions = definitionsIn(this.#resources);
    const there = await definitions.store.find("", `${plural}.${group}`);
    if (there === undefined || !isServed(there as Definition)) return undefined;
    await definitions.freshCache();
    return this.#resources.find(group, version, plural);
  }

  /** Takes a definition that this server has written: the cache will bring it, somewhat later. */
  note(crd: Definition): void {
    const seen = definitionsIn(this.#resources).startedCache?.revision ?? 0;
    // A definition that the cache has brought may have gone again, and would come back for good.
    if (Number(crd.metadata.resourceVersion) > seen) this.#settle(crd);
  }

  #take({ type, entry }: CacheEvent): void {
    const known = this.#known.get(entry.name);
    if (type !== "DELETED") {
      // A definition may have 1.5 MB: those that this server wrote itself are not parsed again.
      if ((known?.revision ?? 0) < entry.revision) this.#settle(entry.object<Definition>());
      return;
    }
    this.#known.delete(entry.name);
    this.#resources.remove(entry.name);
    if (known) this.#notify(known.outline);
  }

  #settle(crd: Definition): void {
    const name = crd.metadata.name ?? "";
    const revision = Number(crd.metadata.resourceVersion);
    const before = this.#known.get(name);
    if (before !== undefined && before.revision >= revision) return;
    const outline = outlineOf(crd);
    this.#known.set(name, { outline, revision, serving: this.#serve(crd, before?.serving) });
    this.#notify(outline);
  }

  #notify(crd: Definition): void {
    for (const listener of this.#listeners) listener(crd);
  }

  /** Installs, replaces or removes a definition's kinds; returns what is served of it then. */
  #serve(crd: Definition, before: string | undefined): string | undefined {
    const { name = "", uid, generation } = crd.metadata;
    const serving = isServed(crd)
      ? JSON.stringify([uid, generation, crd.status?.acceptedNames])
      : undefined;
    if (serving === undefined) this.#resources.remove(name);
    else if (serving !== before) {
      try {
        this.#resources.install(name, kindsOf(crd, this.#convertBy(crd)));
      } catch (thrown) {
        log.error("a definition cannot be served", { name, reason: messageOf(thrown) });
        this.#resources.remove(name);
      }
    }
    if (isTrue(crd, "Terminating")) this.#resources.terminate(name);
    return serving;
  }
}

/**
 * The schemas of a version for OpenAPI. One that cannot be published is described as any object,
 * so that the documents of all other kinds stay.
 */
function publishedOf(crd: Definition, version: string, dialect: "v2" | "v3"): Definitions {
  try {
    return definitionsOf(crd, version, dialect);
  } catch (thrown) {
    const name = `${crd.metadata.name}/${version}`;
    log.error("a definition has no OpenAPI schema", { name, reason: messageOf(thrown) });
    const shapeless = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    const listName = `${name}List`;
    return { name, listName, schemas: { [name]: shapeless, [listName]: shapeless } };
  }
}

/** A definition's kinds, with their schemas for OpenAPI. */
export function kindsOf(crd: Definition, convert: Convert | undefined): readonly Kind[] {
  return customKinds(crd, convert).map((kind) =>
    Object.assign(kind, {
      definitions: (dialect: "v2" | "v3") => publishedOf(crd, kind.version, dialect),
      ...(kind.custom.convert && { convert: settledBy(kind.custom.convert, kind.custom.settle) }),
    }),
  );
}

/** A conversion whose answers are pruned by the schema of their version, as clients' bodies are. */
function settledBy(convert: Convert, settle: (converted: KubeObject) => KubeObject): Convert {
  return async (objects, apiVersion, signal) => {
    const settled: KubeObject[] = [];
    const slices = new Slices();
    for (const object of await convert(objects, apiVersion, signal)) {
      settled.push(settle(object));
      if (slices.due) await slices.pause();
    }
    return settled;
  };
}

import { createHash } from "node:crypto";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { noSuchResource } from "@raft2kube/apimachinery/errors/catalog.ts";
import { type Answer, objectAnswer } from "../../request/answer.ts";
import { headerOf, type RequestContext } from "../../request/context.ts";
import { parseAccept } from "../../request/media-type.ts";
import type { ApiServer } from "../server.ts";
import { aggregatedDiscovery } from "./aggregated.ts";
import { groupsOf, type ServedGroup } from "./groups.ts";
import { coreVersions, groupDocument, groupList, resourceList } from "./legacy.ts";
import type { RemoteApis, RemoteVersion } from "./remote.ts";

const GROUP = "apidiscovery.k8s.io";
const VERSION = "v2";
const LIST = "APIGroupDiscoveryList";

/**
 * Answers `/api` and `/apis` and the paths directly below them. Documents are made on demand, of
 * the kinds that there are then.
 */
export class Discovery {
  readonly #resources: ApiServer["resources"];
  readonly #remotes: RemoteApis;
  readonly #address: string;
  readonly #documents = new Map<string, { body: Buffer; etag: string }>();
  #kinds: readonly Kind[] = [];
  #versions: readonly RemoteVersion[] = [];
  #arranged: readonly ServedGroup[] = [];

  constructor(server: Pick<ApiServer, "resources" | "options">, remotes: RemoteApis) {
    this.#remotes = remotes;
    this.#resources = server.resources;
    this.#address = `${server.options.advertiseAddress}:${server.options.advertisePort ?? 6443}`;
  }

  get #groups(): readonly ServedGroup[] {
    const { kinds } = this.#resources;
    const { versions } = this.#remotes;
    if (kinds !== this.#kinds || versions !== this.#versions) {
      this.#kinds = kinds;
      this.#versions = versions;
      this.#arranged = groupsOf(kinds, versions);
      this.#documents.clear();
    }
    return this.#arranged;
  }

  /** Every group and version by its path. */
  paths(): string[] {
    return this.#groups.flatMap((group) => {
      if (group.name === "") return ["/api/v1"];
      const path = `/apis/${group.name}`;
      return [path, ...group.versions.map(({ version }) => `${path}/${version}`)];
    });
  }

  /**
   * Serves discovery; undefined when the path is not part of it, nor of an existing group. Throws
   * 404 within such a group.
   */
  serve(context: RequestContext): Answer | undefined {
    const parts = context.info.path.split("/").filter((part) => part !== "");
    if (parts[0] === "api") return this.#server(parts, context) ?? nothingThere();
    if (parts[0] !== "apis") return undefined;
    const answer = this.#named(parts, context);
    const isOurs = this.#resources.builtIn.some(({ group }) => group === parts[1]);
    return answer ?? (isOurs ? nothingThere() : answer);
  }

  #server(parts: string[], context: RequestContext): Answer | undefined {
    const server = this.#groups.filter((group) => group.name === "");
    if (parts.length === 1) {
      return this.#aggregated("core", server, context) ?? plain(coreVersions(this.#address));
    }
    const served = server[0]?.versions.find(({ version }) => version === parts[1]);
    return parts.length === 2 && served ? plain(resourceList(server[0]!, served)) : undefined;
  }

  #named(parts: string[], context: RequestContext): Answer | undefined {
    const named = this.#groups.filter((group) => group.name !== "");
    if (parts.length === 1) {
      return this.#aggregated("named", named, context) ?? plain(groupList(this.#groups));
    }
    const group = named.find(({ name }) => name === parts[1]);
    if (group === undefined) return undefined;
    if (parts.length === 2) return plain(groupDocument(group));
    const served = group.versions.find(({ version }) => version === parts[2]);
    return parts.length === 3 && served ? plain(resourceList(group, served)) : undefined;
  }

  /** The aggregated document if the client prefers it, with an ETag so that it is sent once. */
  #aggregated(
    name: string,
    groups: readonly ServedGroup[],
    context: RequestContext,
  ): Answer | undefined {
    if (!wantsAggregated(headerOf(context.request, "accept"))) return undefined;
    let document = this.#documents.get(name);
    if (document === undefined) {
      const body = Buffer.from(JSON.stringify(aggregatedDiscovery(groups)));
      const etag = `"${createHash("sha512").update(body).digest("hex").toUpperCase()}"`;
      document = { body, etag };
      this.#documents.set(name, document);
    }
    const contentType = `application/json;g=${GROUP};v=${VERSION};as=${LIST}`;
    const unchanged = headerOf(context.request, "if-none-match") === document.etag;
    const body = unchanged ? "" : document.body;
    // It has no secrets, and its ETag shows changes.
    const headers = { etag: document.etag, vary: "Accept", "cache-control": "public" };
    return { type: "bytes", code: unchanged ? 304 : 200, contentType, body, headers };
  }
}

function nothingThere(): never {
  throw noSuchResource();
}

/** A document in the client's encoding; its metadata is that of a list, and left away. */
const plain = (document: object): Answer => objectAnswer(document as KubeObject);

function wantsAggregated(accept: string): boolean {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== "application/json") continue;
    const { g: group, v: version, as } = parameters;
    if (as === undefined) return false;
    if (group === GROUP && version === VERSION && as === LIST) return true;
  }
  return false;
}

import { createHash } from "node:crypto";
import type { Core } from "../core.ts";
import { type Answer, jsonAnswer } from "../http/answer.ts";
import { headerOf, type RequestContext } from "../http/context.ts";
import { parseAccept } from "../http/media.ts";
import { aggregatedDiscovery } from "./aggregated.ts";
import { groupsOf, type ServedGroup } from "./groups.ts";
import { coreVersions, groupDocument, groupList, resourceList } from "./legacy.ts";

const GROUP = "apidiscovery.k8s.io";
const LIST = "APIGroupDiscoveryList";

/**
 * Answers `/api` and `/apis` and what lies directly below them. Documents are made when asked for.
 */
export class Discovery {
  readonly #groups: readonly ServedGroup[];
  readonly #address: string;
  readonly #documents = new Map<string, { body: Buffer; etag: string }>();

  constructor(core: Pick<Core, "registry" | "options">) {
    this.#groups = groupsOf(core.registry.kinds);
    this.#address = `${core.options.advertiseAddress}:${core.options.advertisePort ?? 6443}`;
  }

  /** Every group and version by its path. */
  paths(): string[] {
    return this.#groups.flatMap((group) => {
      if (group.name === "") return ["/api/v1"];
      const path = `/apis/${group.name}`;
      return [path, ...group.versions.map(({ version }) => `${path}/${version}`)];
    });
  }

  /** undefined when the path is none of discovery's. */
  serve(context: RequestContext): Answer | undefined {
    const parts = context.info.path.split("/").filter((part) => part !== "");
    if (parts[0] === "api") return this.#core(parts, context);
    return parts[0] === "apis" ? this.#named(parts, context) : undefined;
  }

  #core(parts: string[], context: RequestContext): Answer | undefined {
    const core = this.#groups.filter((group) => group.name === "");
    if (parts.length === 1) {
      return this.#aggregated("core", core, context) ?? jsonAnswer(coreVersions(this.#address));
    }
    const served = core[0]?.versions.find(({ version }) => version === parts[1]);
    return parts.length === 2 && served ? jsonAnswer(resourceList(core[0]!, served)) : undefined;
  }

  #named(parts: string[], context: RequestContext): Answer | undefined {
    const named = this.#groups.filter((group) => group.name !== "");
    if (parts.length === 1) {
      return this.#aggregated("named", named, context) ?? jsonAnswer(groupList(this.#groups));
    }
    const group = named.find(({ name }) => name === parts[1]);
    if (group === undefined) return undefined;
    if (parts.length === 2) return jsonAnswer(groupDocument(group));
    const served = group.versions.find(({ version }) => version === parts[2]);
    return parts.length === 3 && served ? jsonAnswer(resourceList(group, served)) : undefined;
  }

  /** The aggregated document if the client prefers it, with an ETag so that it is sent once. */
  #aggregated(
    name: string,
    groups: readonly ServedGroup[],
    context: RequestContext,
  ): Answer | undefined {
    const version = aggregatedVersion(headerOf(context.request, "accept"));
    if (version === undefined) return undefined;
    const key = `${name}/${version}`;
    let document = this.#documents.get(key);
    if (document === undefined) {
      const body = Buffer.from(JSON.stringify(aggregatedDiscovery(groups, version)));
      const etag = `"${createHash("sha512").update(body).digest("hex").toUpperCase()}"`;
      document = { body, etag };
      this.#documents.set(key, document);
    }
    const contentType = `application/json;g=${GROUP};v=${version};as=${LIST}`;
    const unchanged = headerOf(context.request, "if-none-match") === document.etag;
    const body = unchanged ? "" : document.body;
    const headers = { etag: document.etag, vary: "Accept" };
    return { type: "bytes", code: unchanged ? 304 : 200, contentType, body, headers };
  }
}

function aggregatedVersion(accept: string): "v2" | "v2beta1" | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== "application/json") continue;
    if (parameters["as"] === undefined) return undefined;
    const version = parameters["v"];
    const known = parameters["g"] === GROUP && parameters["as"] === LIST;
    if (known && (version === "v2" || version === "v2beta1")) return version;
  }
  return undefined;
}

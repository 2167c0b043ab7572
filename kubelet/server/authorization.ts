import type { SubjectAccessReview } from "@raft2kube/api/gen/authorization/v1.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { own } from "@raft2kube/std/own.ts";
import { REVIEW_CACHE_MAX, REVIEW_CACHE_MS } from "../limits.ts";
import type { User } from "./authentication.ts";
import { ExpiringCache } from "./expiring-cache.ts";
import { HttpError } from "./http-error.ts";

export interface NodeAccess {
  verb: string;
  /** Subresources of the node, any one of which suffices. */
  subresources: string[];
}

/**
 * Returns the rights on `nodes/<subresource>` of which a request needs one (upstream's fine-grained
 * kubelet authorization), by its method and routed segments. A request that runs something in a pod
 * never needs a mere `get`.
 */
export function accessOf(method: string, segments: readonly string[]): NodeAccess {
  const [first = ""] = segments;
  if (["exec", "attach", "portForward", "run"].includes(first)) {
    return { verb: "create", subresources: ["proxy"] };
  }
  const verb = own(VERBS, method) ?? method.toLowerCase();
  return { verb, subresources: [...(own(SUBRESOURCES, first) ?? []), "proxy"] };
}

const VERBS: Record<string, string> = {
  GET: "get",
  HEAD: "get",
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

const SUBRESOURCES: Record<string, string[]> = {
  pods: ["pods"],
  runningpods: ["pods"],
  stats: ["stats"],
  metrics: ["metrics"],
  logs: ["log"],
  healthz: ["healthz"],
  configz: ["configz"],
};

/** Authorizes requests by SubjectAccessReviews. Without an API every request is denied. */
export class Authorization {
  readonly #client: KubeClient | undefined;
  readonly #nodeName: string;
  readonly #reviews: ExpiringCache<boolean>;

  constructor(client: KubeClient | undefined, nodeName: string, clock: Clock) {
    this.#client = client;
    this.#nodeName = nodeName;
    this.#reviews = new ExpiringCache({ clock, ttl_ms: REVIEW_CACHE_MS, most: REVIEW_CACHE_MAX });
  }

  /** Throws HttpError 403. */
  async check(user: User, access: NodeAccess): Promise<void> {
    for (const subresource of access.subresources) {
      if (await this.#allowed(user, access.verb, subresource)) return;
    }
    const message =
      `Forbidden (user=${user.name}, verb=${access.verb}, resource=nodes, ` +
      `subresource(s)=[${access.subresources.join(" ")}])`;
    throw new HttpError(403, message);
  }

  #allowed({ name, groups }: User, verb: string, subresource: string): Promise<boolean> {
    const client = this.#client;
    if (!client) return Promise.resolve(false);
    const key = JSON.stringify([name, groups, verb, subresource]);
    return this.#reviews.get(key, async () => {
      const { status } = await client.request<SubjectAccessReview>({
        method: "POST",
        path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        body: {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SubjectAccessReview",
          spec: {
            user: name,
            groups,
            resourceAttributes: {
              verb,
              group: "",
              version: "v1",
              resource: "nodes",
              subresource,
              name: this.#nodeName,
            },
          },
        },
      });
      return status?.allowed ?? false;
    });
  }
}

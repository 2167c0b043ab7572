import { AccessReviews } from "@raft2kube/client-kube/delegated/access-reviews.ts";
import type { User } from "@raft2kube/client-kube/delegated/authentication.ts";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { own } from "@raft2kube/std/own.ts";

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
  readonly #nodeName: string;
  readonly #reviews: AccessReviews | undefined;

  constructor(client: KubeClient | undefined, nodeName: string, clock: Clock) {
    this.#nodeName = nodeName;
    this.#reviews = client && new AccessReviews(client, clock);
  }

  /** Throws HttpError 403. */
  async check(user: User, access: NodeAccess): Promise<void> {
    for (const subresource of access.subresources) {
      const { verb } = access;
      const node = { group: "", version: "v1", resource: "nodes", name: this.#nodeName };
      const resourceAttributes = { verb, ...node, subresource };
      if (await this.#reviews?.isAllowed(user, { resourceAttributes })) return;
    }
    const message =
      `Forbidden (user=${user.name}, verb=${access.verb}, resource=nodes, ` +
      `subresource(s)=[${access.subresources.join(" ")}])`;
    throw new HttpError(403, message);
  }
}

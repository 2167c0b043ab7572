import type {
  SubjectAccessReview,
  SubjectAccessReviewSpec,
} from "@raft2kube/api/gen/authorization/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { REVIEW_CACHE_MAX, REVIEW_CACHE_MS } from "../limits.ts";
import type { KubeClient } from "../rest/client.ts";
import type { User } from "./authentication.ts";
import { ExpiringCache } from "./expiring-cache.ts";

/** Asks the API by SubjectAccessReviews; answers are cached for a while. */
export class AccessReviews {
  readonly #client: KubeClient;
  readonly #reviews: ExpiringCache<boolean>;

  constructor(client: KubeClient, clock: Clock, ttl_ms: number = REVIEW_CACHE_MS) {
    this.#client = client;
    this.#reviews = new ExpiringCache({ clock, ttl_ms, most: REVIEW_CACHE_MAX });
  }

  /** Whether a user may do what the attributes describe. */
  isAllowed(
    { name, ...user }: User,
    attributes: Pick<SubjectAccessReviewSpec, "resourceAttributes" | "nonResourceAttributes">,
  ): Promise<boolean> {
    const spec = { user: name, ...user, ...attributes };
    return this.#reviews.get(JSON.stringify(spec), async () => {
      const { status } = await this.#client.request<SubjectAccessReview>({
        method: "POST",
        path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        body: { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec },
      });
      return status?.allowed ?? false;
    });
  }
}

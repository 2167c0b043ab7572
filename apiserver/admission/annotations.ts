import { qualifiedName } from "@raft2kube/api/validation/names.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { AUDIT_ANNOTATIONS_MAX } from "../limits.ts";

const log = logger("apiserver");

/**
 * The audit annotations of one request, for an audit log. As upstream, an invalid one is left out
 * and logged: it does not fail the request.
 */
export class AuditAnnotations {
  readonly #values = new Map<string, string>();

  add(key: string, value: string): void {
    const why = this.#complaintOf(key, value);
    if (why === undefined) this.#values.set(key, value);
    else log.warn("an audit annotation was left out", { key, reason: why });
  }

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  #complaintOf(key: string, value: string): string | undefined {
    if (key.split("/").length !== 2) return "it is not a DNS subdomain, '/' and a name";
    const [wrong] = qualifiedName(key);
    if (wrong !== undefined) return wrong;
    const known = this.#values.get(key);
    if (known !== undefined && known !== value) return "annotations are not overwritten";
    return this.#values.size < AUDIT_ANNOTATIONS_MAX ? undefined
      : `a request has at most ${AUDIT_ANNOTATIONS_MAX}`;
  }
}

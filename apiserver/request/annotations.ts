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
  readonly #withBodies: boolean;

  /** `withBodies`: its events have the bodies of requests. */
  constructor(withBodies = false) {
    this.#withBodies = withBodies;
  }

  /** Adds what shows a part of a body. */
  addOfBody(key: string, value: () => string): void {
    if (this.#withBodies) this.add(key, value());
  }

  add(key: string, value: string): void {
    const why = this.#complaintOf(key, value);
    if (why === undefined) this.#values.set(key, value);
    else log.warn("an audit annotation was left out", { key, reason: why });
  }

  /** Adds those of one answer, under its webhook's name; what is left out is logged together. */
  addAll(of: string, values: Readonly<Record<string, string>>): void {
    const all = Object.entries(values);
    const complaints = all.slice(0, AUDIT_ANNOTATIONS_MAX).flatMap(([name, value]) => {
      const why = this.#complaintOf(`${of}/${name}`, value);
      if (why === undefined) this.#values.set(`${of}/${name}`, value);
      return why ?? [];
    });
    const more = Math.max(0, all.length - AUDIT_ANNOTATIONS_MAX);
    const [reason = `an answer has at most ${AUDIT_ANNOTATIONS_MAX}`] = complaints;
    const count = complaints.length + more;
    if (count > 0) log.warn("audit annotations were left out", { of, count, reason });
  }

  /** All of them; undefined if there are none. */
  get all(): Readonly<Record<string, string>> | undefined {
    return this.#values.size === 0 ? undefined : Object.fromEntries(this.#values);
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
    return this.#values.size < AUDIT_ANNOTATIONS_MAX
      ? undefined
      : `a request has at most ${AUDIT_ANNOTATIONS_MAX}`;
  }
}

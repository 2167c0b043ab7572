import type { Clock } from "@raft2kube/std/clock.ts";
import { AUDIT_WEBHOOK_ANSWER_BYTES_MAX, AUDIT_WEBHOOK_TIMEOUT_MS } from "../limits.ts";
import { WebhookError } from "../webhook/errors.ts";
import { type RemoteAccess, RemoteServer } from "../webhook/remote.ts";
import type { Sink } from "./sink.ts";

/** Posts events to a server, as an EventList. */
export class AuditWebhook implements Sink {
  readonly name = "webhook";
  readonly #server: RemoteServer;

  constructor(access: RemoteAccess, clock: Clock) {
    this.#server = new RemoteServer(access, clock);
  }

  async write(events: readonly string[]): Promise<void> {
    const items = events.map((event) => JSON.parse(event) as object);
    const list = { kind: "EventList", apiVersion: "audit.k8s.io/v1", metadata: {}, items };
    const { status } = await this.#server.post(list, "", {
      timeout_ms: AUDIT_WEBHOOK_TIMEOUT_MS,
      bytes_max: AUDIT_WEBHOOK_ANSWER_BYTES_MAX,
    });
    if (status >= 200 && status < 300) return;
    throw new WebhookError(`the audit webhook answered ${status}`, { http: status });
  }

  close(): void {
    this.#server.close();
  }
}

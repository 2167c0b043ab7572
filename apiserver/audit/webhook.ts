import type { Clock } from "@raft2kube/std/clock.ts";
import { AUDIT_WEBHOOK_ANSWER_BYTES_MAX, AUDIT_WEBHOOK_TIMEOUT_MS } from "../limits.ts";
import { WebhookError } from "../webhook/errors.ts";
import { type RemoteAccess, RemoteServer } from "../webhook/remote.ts";
import type { Sink } from "./sink.ts";

/** Posts events to a server, as an EventList. */
export function auditWebhook(access: RemoteAccess, clock: Clock): Sink {
  const server = new RemoteServer(access, clock);
  return {
    name: "webhook",
    async write(events) {
      const items = events.map((event) => JSON.parse(event) as object);
      const list = { kind: "EventList", apiVersion: "audit.k8s.io/v1", metadata: {}, items };
      const { status } = await server.post(list, "", {
        timeout_ms: AUDIT_WEBHOOK_TIMEOUT_MS,
        bytes_max: AUDIT_WEBHOOK_ANSWER_BYTES_MAX,
      });
      if (status >= 200 && status < 300) return;
      throw new WebhookError(`the audit webhook answered ${status}`, { http: status });
    },
    close: () => server.close(),
  };
}

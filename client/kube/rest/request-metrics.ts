import { familiesOf } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { RequestObserver } from "./client.ts";

/** Buckets of client-go's requests, in seconds. */
const BOUNDS_S = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/** Counts the requests to the apiserver at `server`, as client-go does. */
export function requestMetrics(registry: Registry, server: string): RequestObserver {
  const { counter, histogram } = familiesOf(registry);
  const requests = counter("rest_client_requests_total", "Requests to the apiserver.");
  const durations = histogram(
    "rest_client_request_duration_seconds",
    "How long an answer took, or its head if its body is read later.",
    BOUNDS_S,
  );
  const { host } = new URL(server);
  return (method, status, took_s) => {
    requests.of({ code: status === 0 ? "<error>" : String(status), host, method }).add();
    durations.of({ host, verb: method }).observe(took_s);
  };
}
